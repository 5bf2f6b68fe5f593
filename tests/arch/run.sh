#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Boots the kernels of other architectures in qemu, and holds what they do against expect.txt. `make arch` calls it.
. "$(dirname "$0")/../../uml/lib.sh"
. "$UML_DIR/make.sh"
. "$ROOT/tests/arch/lib.sh"
. "$ROOT/tests/arch/boot.sh"
TOOL=arch

show_usage() {
	cat <<'END'
usage: tests/arch/run.sh [OPTION...] [NAME...]
Builds the kernels of the architectures NAME (default: all) at each point, boots each in qemu, runs the workload of
tests/arch/guest/workload.c in it, and prints what each did beside what expect.txt says.

  --points 'P...'   default: base v3 series
  --results DIR     consoles and one JSON a kernel (default build/results/arch)
  --build           only the kernels
  --docs            docs/architectures.md, too; for all architectures at the default points

Exit status: 0 all as expected; 1 one was not; 2 wrong usage; 124 a guest hung; 125 a package, a compiler or qemu was
missing, or a kernel or the workload did not build; 130, 143 interrupted.
END
}

WANTED_POINTS="base v3 series" RESULTS=$BUILD/results/arch DOCS= BUILD_ONLY= WANTED=()
while [ $# -gt 0 ]; do
	case $1 in
	--help) show_usage; exit 0 ;;
	--points) WANTED_POINTS=${2:?}; shift 2 ;;
	--results) RESULTS=${2:?}; shift 2 ;;
	--build) BUILD_ONLY=1; shift ;;
	--docs) DOCS=1; shift ;;
	-*) usage "$1: unknown option: see --help" ;;
	*) WANTED+=("$1"); shift ;;
	esac
done
[ -z "$DOCS" ] || [ "${#WANTED[@]} $WANTED_POINTS" = "0 base v3 series" ] || usage "--docs: takes no names and no points: the table is of all"
[ ${#WANTED[@]} -gt 0 ] || WANTED=($(arch_names))

trap 'exit 130' INT
trap 'exit 143' TERM HUP

# worst STATUS: what we end with, when all is done.
STATUS=0
worst() { [ "$1" -le "$STATUS" ] || STATUS=$1; }

# expected NAME P: its line of expect.txt, KEY=VALUE one a line.
expected() { awk -v name="$1" -v p="$2" '$1 == name && $2 == p { for (i = 3; i <= NF; i++) print $i }' "$ARCH_DIR/expect.txt"; }

# parts NAME P: the boots that it takes.
parts() {
	local first=tables,contents
	[ -z "$(expected "$1" "$2" | grep '^upper=')" ] || first+=,upper
	echo "$first"
	expected "$1" "$2" | sed -n 's/^\(inject-[a-z]*\|min-free\)=.*/\1/p'
}

# Seconds for one boot and its part of the workload: twenty times what a quiet machine takes.
BOOT_LIMIT=${BOOT_LIMIT:-240}

make_workload() { make_init "$1" workload "$WORK/workload" && make_initrd "$1" "$WORK/workload.cpio" "$WORK/workload"; }

# boot_all DIR P: every part; observed KEY=VALUE and figures to the file $WORK/observed.
boot_all() {
	local dir=$1 p=$2 part log status
	echo "pt_reclaim=$(sed -n 's/^pt_reclaim=//p' "$dir/umlab.info")" >"$WORK/observed"
	for part in $(parts "$NAME" "$p"); do
		log=$RESULTS/$NAME-$p-${part%%,*}.log
		[ ! -t 2 ] || printf '\r\033[K%s %s: %s' "$NAME" "$p" "$part" >&2
		status=0
		boot "$dir" "$WORK/workload.cpio" 1 "$BOOT_LIMIT" "$log" "umlab=$part" "pmd_kb=$PMD_KB" || status=$?
		[ ! -t 2 ] || printf '\r\033[K' >&2
		case $status in
		124) note "arch: $NAME $p: $part: no end within $BOOT_LIMIT s; the console's last lines:"; tail -n 15 "$log" >&2; worst 124 ;;
		125) note "arch: $NAME $p: ${QEMU[0]} ended before the kernel said anything: $(tail -n 1 "$log")"; worst 125 ;;
		esac
		[ $status != 124 ] || echo "log=hangs" >>"$WORK/observed"
		awk -v part="${part%%,*}" -v pt_reclaim="$(sed -n 's/^pt_reclaim=//p' "$dir/umlab.info")" -f "$ROOT/tests/arch/judge.awk" "$log" | sed "s/^\(report\|trace\) /\1_${part%%,*} /" >>"$WORK/observed"
	done
}

# verdict P: compares; prints what differs, one a line.
verdict() {
	local want
	expected "$NAME" "$1" >"$WORK/expected"
	[ -s "$WORK/expected" ] || { echo "nothing is expected of it: add a line to tests/arch/expect.txt"; return; }
	for want in $(<"$WORK/expected"); do
		grep -qx "$want" "$WORK/observed" || echo "$want expected, $(grep "^${want%%=*}=" "$WORK/observed" || echo "no ${want%%=*} seen")"
	done
	grep '^log=' "$WORK/observed" || true
	more_than_base
}

# more_than_base: that the batches that failed were of tables, too: where this point reclaims and base, which was booted before it, does not,
# more allocations fail, as the same pages are given back.
more_than_base() {
	local before now
	[[ " $WANTED_POINTS " == *" base "* ]] && [ -f "$RESULTS/$NAME-base.json" ] && grep -qx pt_reclaim=y "$WORK/observed" || return 0
	before=$(jq -r 'select(.observed.pt_reclaim == "n") | .figures["failed_inject-madvise"] // empty' "$RESULTS/$NAME-base.json")
	now=$(figure failed_inject-madvise)
	[ -z "$before" ] || [ "$now" = - ] || [ "$now" -gt "$before" ] || echo "more failed allocations than at base ($before) expected: $now"
}

# figure KEY: a value that was observed, or "-".
figure() { sed -n "s/^$1[= ]//p" "$WORK/observed" | head -n 1 | grep . || echo -; }

# write_json P DIR SECONDS WRONG: the kernel's JSON.
write_json() {
	jq -Rn --arg arch "$NAME" --arg point "$1" --arg wrong "$4" --argjson seconds "$3" --rawfile info "$2/umlab.info" \
		--arg qemu "$("${QEMU[0]}" --version | head -n 1)" --rawfile expected "$WORK/expected" '
		def pairs(split_at): split("\n") | map(select(length > 0) | capture("^(?<key>[^= ]+)" + split_at + "(?<value>.*)$")) | from_entries;
		[inputs] as $lines
		| { arch: $arch, point: $point, as_expected: ($wrong == ""), wrong: ($wrong | split("\n") | map(select(length > 0))),
		    expected: ($expected | pairs("=")), observed: ($lines | map(select(test("^[^ ]+=.*"))) | join("\n") | pairs("=")),
		    figures: ($lines | map(select(test("^[^=]+ "))) | join("\n") | pairs(" ")), kernel: ($info | pairs("=")), qemu: $qemu, boots_seconds: $seconds }' \
		"$WORK/observed" >"$RESULTS/$NAME-$1.json.tmp" && mv "$RESULTS/$NAME-$1.json.tmp" "$RESULTS/$NAME-$1.json"
}

# kernel NAME P: builds it; sets KERNEL. Status 1 when it doesn't build: kernel.sh has said why.
kernel() {
	KERNEL=
	until_signalled "${DIE_WITH_US[@]}" "$ARCH_DIR/kernel.sh" "$1" "$2" >"$WORK/kernel" || return
	KERNEL=$(tail -n 1 "$WORK/kernel")
}

row() { printf '%-12s %-7s %-3s %-13s %-13s %-13s %-6s %-17s %-17s %-9s %4s  %s\n' "$@"; }

# run_point P: one row of the table.
run_point() {
	local t=$SECONDS t_boot wrong json=$RESULTS/$NAME-$1.json
	kernel "$NAME" "$1" || { worst 125; row "$NAME" "$1" - - - - - - - - - "NOT BUILT"; return; }
	[ -z "$BUILD_ONLY" ] || return 0
	rm -f "$json"
	until_signalled make_workload "$KERNEL" || { note "arch: $NAME $1: the workload does not compile: see above"; worst 125; return; }
	t_boot=$SECONDS
	boot_all "$KERNEL" "$1"
	wrong=$(verdict "$1")
	[ -z "$wrong" ] || worst 1
	write_json "$1" "$KERNEL" $((SECONDS - t_boot)) "$wrong"
	JSON+=("$json")
	row "$NAME" "$1" "$(figure pt_reclaim)" "$(figure vmpte_below)" "$(figure vmpte_at)" "$(figure vmpte_above)" "$(figure contents)" \
		"$(figure inject-madvise) ($(figure failed_inject-madvise))" "$(figure inject-munmap) ($(figure failed_inject-munmap))" "$(figure min-free)" $((SECONDS - t)) "${wrong:+NOT }as expected"
	[ -z "$wrong" ] || sed 's/^/    /' <<<"$wrong"
}

for NAME in "${WANTED[@]}"; do load_arch "$NAME"; done
for P in $WANTED_POINTS; do arch_point "$P"; done
JSON=() # of the kernels of this run
WORK=$(mktemp -d)
trap 'stop_watching; end_qemu; rm -rf "$WORK"' EXIT
watch
mkdir -p "$RESULTS"
[ -n "$BUILD_ONLY" ] || row architecture point PT "chunk < table" "= table" "> table" bytes "batch fails" "... in munmap" "no memory" s ""
for NAME in "${WANTED[@]}"; do
	load_arch "$NAME"
	# Of the one before: two runs that hold one each and wait for the other's would wait for ever.
	let_go_of_locks
	lock "$RESULTS/.$NAME.lock" "$NAME is being booted"
	arch_packages || { worst 125; note "arch: $NAME: its packages could not be had: see above"; continue; }
	for P in $WANTED_POINTS; do run_point "$P"; done
done
[ ${#JSON[@]} -gt 0 ] || exit "$STATUS"
# What another run has found of the others stays.
jq -s --arg date "$(date -u +%Y-%m-%dT%H:%MZ)" '{ date: $date, kernels: . }' "$RESULTS"/*-*.json >"$WORK/all" && cp "$WORK/all" "$RESULTS.json.$$" && mv "$RESULTS.json.$$" "$RESULTS.json"
if [ -n "$DOCS" ] && [ ${#JSON[@]} = $((${#WANTED[@]} * $(wc -w <<<"$WANTED_POINTS"))) ]; then
	jq -r -f "$ROOT/tests/arch/markdown.jq" "$RESULTS.json" >"$WORK/docs" && cp "$WORK/docs" "$ROOT/docs/architectures.md"
elif [ -n "$DOCS" ]; then
	note "arch: docs/architectures.md: not written: a kernel is missing from the table"
fi
exit "$STATUS"
