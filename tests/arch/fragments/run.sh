#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# powerpc's page table fragments: ways to free them, built from uml/patches/fragments and put side by side in qemu.
# `make arch A=ppc64 LAB=fragments` calls it; docs/powerpc-fragments.md tells what came of it.
. "$(dirname "$0")/../../../uml/lib.sh"
. "$UML_DIR/git.sh"
. "$UML_DIR/make.sh"
. "$ROOT/tests/arch/lib.sh"
. "$ROOT/tests/arch/boot.sh"
TOOL=fragments
load_arch ppc64
. "$ROOT/tests/arch/fragments/lib.sh"

show_usage() {
	cat <<'END'
usage: tests/arch/fragments/run.sh [OPTION...] [VARIANT...]
VARIANT: merged (the source as it is), always-rcu (the proposal), merged-fixed, always-rcu-fixed; default: all.

  --parts 'P...'     of: measure, window, race, checks, kernel, reclaim (default all; see expect.txt)
  --runs N           of each measurement, the variants in turn (default 5)
  --settings 'S...'  MMU/CPUS; MMU: hash, radix (64 KiB pages), hash4k, radix4k (default 'hash/1 hash/2 hash/4 radix/2 hash4k/2')
  --race D L         seconds within which a race dies that is expected to, and which one has to live (default 180 600)
  --results DIR      consoles and results (default build/results/fragments; DIR.json the whole)
  --build            only the kernels that this takes
  --docs             docs/powerpc-fragments.md, too

Exit status: 0 all as expected; 1 one was not; 2 wrong usage; 125 a package, a kernel or the workloads could not be had;
130, 143 interrupted.
END
}

# In the order in which they run.
ALL_PARTS="window checks kernel reclaim measure race"
PARTS=$ALL_PARTS RUNS=5 SETTINGS="hash/1 hash/2 hash/4 radix/2 hash4k/2"
RACE_DIES=180 RACE_LIVES=600 RESULTS=$BUILD/results/fragments BUILD_ONLY= DOCS= WANTED=()
while [ $# -gt 0 ]; do
	case $1 in
	--help) show_usage; exit 0 ;;
	--parts) PARTS=${2:?}; shift 2 ;;
	--runs) [[ ${2-} =~ ^[1-9][0-9]*$ ]] || usage "--runs: ${2-}: give a number"; RUNS=$2; shift 2 ;;
	--settings) SETTINGS=${2:?}; shift 2 ;;
	--race) [[ "${2-} ${3-}" =~ ^[1-9][0-9]*\ [1-9][0-9]*$ ]] || usage "--race: ${2-} ${3-}: give two numbers of seconds"
		RACE_DIES=$2 RACE_LIVES=$3; shift 3 ;;
	--results) RESULTS=${2:?}; shift 2 ;;
	--build) BUILD_ONLY=1; shift ;;
	--docs) DOCS=1; shift ;;
	-*) usage "$1: unknown option: see --help" ;;
	*) WANTED+=("$1"); shift ;;
	esac
done
for v in "${WANTED[@]}"; do variants | grep -x -- "$v" >/dev/null || usage "$v: no such variant: one of: $(variants | paste -sd' ')"; done
[ ${#WANTED[@]} -gt 0 ] || mapfile -t WANTED < <(variants)
for part in $PARTS; do [[ " $ALL_PARTS " == *" $part "* ]] || usage "--parts: $part: one of ${ALL_PARTS// /, }"; done
for s in $SETTINGS; do
	[[ $s =~ ^[a-z0-9]+/[124]$ ]] || usage "--settings: $s: give MMU/CPUS, as hash/2"
	mmu "${s%/*}"
done

RACERS=() # processes with a qemu each
trap '[ ${#RACERS[@]} = 0 ] || { kill "${RACERS[@]}" 2>/dev/null; wait "${RACERS[@]}"; }; stop_watching; end_qemu; rm -rf "${WORK-}"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
STATUS=0
worst() { [ "$1" -le "$STATUS" ] || STATUS=$1; }

# wanted PART: whether it was asked for.
wanted() { [[ " $PARTS " == *" $1 "* ]]; }

# expected VARIANT KEY: its value in expect.txt, or nothing.
expected() { awk -v v="$1" -v k="$2=" '$1 == v { for (i = 2; i <= NF; i++) if (index($i, k) == 1) print substr($i, length(k) + 1) }' "$FRAG_DIR/expect.txt"; }

# progress TEXT: on a terminal, one line that the next one takes.
progress() { [ ! -t 2 ] || printf '\r\033[K%s' "$*" >&2; }

# judge KEY VARIANT MMU SEEN HOW: a row, and JSON: whether what was SEEN is what is expected.
judge() {
	local want verdict="as expected"
	want=$(expected "$2" "$1")
	[ -z "$want" ] || [ "$want" = "$4" ] || { verdict="NOT $want"; worst 1; }
	progress
	printf '%-8s %-17s %-8s %-7s %-12s %s\n' "$1" "$2" "$3" "$4" "$verdict" "$5"
	jq -nc --arg part "$1" --arg variant "$2" --arg setting "$3" --arg seen "$4" --arg expected "$want" --arg how "$5" \
		'{ $part, $variant, $setting, $seen, $expected, $how }' >>"$WORK/judged"
}

# Each kind of kernel that the parts take, of each variant; those that don't build are said at once.
build_all() {
	local v s kinds=()
	! wanted measure || kinds+=(counters)
	! wanted window || kinds+=(window)
	! wanted race || kinds+=(race)
	! wanted checks || kinds+=(checks)
	for kind in "${kinds[@]}"; do
		for v in "${WANTED[@]}"; do
			[ "$kind" != checks ] || [ -n "$(expected "$v" checks)" ] || continue
			lab_kernel "$v" "$kind" "" || exit 125
		done
	done
	if wanted kernel; then
		for v in "${WANTED[@]}"; do lab_kernel "$v" kernel 4k || exit 125; done
	fi
	if wanted measure && [[ $SETTINGS == *4k/* ]]; then
		for v in "${WANTED[@]}"; do lab_kernel "$v" counters 4k || exit 125; done
	fi
	! wanted reclaim || lab_kernel always-rcu-fixed reclaim "" || exit 125
}

build_locked() {
	lab_begin
	lab_workloads || exit 125
	build_all
}

# Workloads of one boot; what an MMU has no huge pages for is not for it.
workloads() {
	case $1 in
	hash) echo "collapse 3 20 2;collapse-exit 3 10 2;munmap 1 2 3000;munmap 3 1 3000;fork 150 16;exec 60;inject munmap 1 1 20;mix 2" ;;
	radix*) echo "collapse 3 60 4;collapse-exit 3 20 4;munmap 1 2 3000;munmap 3 1 3000;fork 150 16;exec 60;inject munmap 1 1 20;mix 2" ;;
	hash4k) echo "munmap 1 2 3000;munmap 3 1 3000;fork 150 16;exec 60;inject munmap 1 1 20" ;;
	esac
}

# ill_effect: what is wrong of the boot's results, counters apart: a workload that did not do its work, a group that nobody is in and that pays.
ill_effect() {
	jq -r 'if .failed == 0 then "\(.workload): no allocation failed"
		elif (.charged_kb // 0) != 0 then "\(.workload): \(.charged_kb) KiB still charged"
		elif .count == 0 then "\(.workload): nothing was collapsed" else empty end' "$WORK/boot" | head -n 1
}

# One boot of the measurement: contents and counters are judged here, times later.
measure_one() {
	local v=$1 setting=$2 run=$3 log=$RESULTS/measure-$1-${2/\//-}-$3.log status=0 wrong
	mmu "${setting%/*}"
	lab_kernel "$v" counters "$PAGES" || exit 125
	lab_boot "${setting%/*}" "${setting#*/}" 300 "$log" "$(workloads "${setting%/*}")" || status=$?
	[ $status != 125 ] || { note "fragments: ${QEMU[0]}: $(tail -n 1 "$log")"; exit 125; }
	results_of "$log" "$v" "$setting" "$run" >"$WORK/boot"
	wrong=$(complaint "$log")
	[ "$ENDED" = 0 ] || wrong=${wrong:-"the workloads did not come to their end (${ENDED:-no status}): $(tail -n 1 "$log")"}
	[ -n "$wrong" ] || wrong=$(ill_effect)
	[ -n "$wrong" ] || wrong=$(jq -r 'select(.counters.rcu_queued != .counters.rcu_run or .counters.waiting != 0)
		| "\(.workload): \(.counters.rcu_queued) callbacks queued, \(.counters.rcu_run) run, \(.counters.waiting) waiting"' "$WORK/boot" | head -n 1)
	[ -z "$wrong" ] || { WRONG[$v]=1; judge measure "$v" "$setting" wrong "run $run: $wrong"; }
	cat "$WORK/boot" >>"$WORK/measured"
}

measure() {
	local v s run n=0 all
	declare -gA WRONG=()
	all=$((RUNS * $(wc -w <<<"$SETTINGS") * ${#WANTED[@]}))
	for ((run = 1; run <= RUNS; run++)); do
		for s in $SETTINGS; do
			for v in "${WANTED[@]}"; do
				n=$((n + 1))
				progress "measuring: boot $n of $all: $v $s"
				measure_one "$v" "$s" "$run"
			done
		done
		[ -t 2 ] || note "measured: run $run of $RUNS"
	done
	for v in "${WANTED[@]}"; do
		[ -n "${WRONG[$v]-}" ] || judge measure "$v" all right "$((all / ${#WANTED[@]})) boots: as many callbacks run as queued, contents right"
	done
}

# part_boot: as lab_boot, but for a qemu that could not be started, which ends us.
part_boot() {
	local status=0
	lab_boot "$@" || status=$?
	[ $status != 125 ] || { note "fragments: ${QEMU[0]}: $(tail -n 1 "$4")"; exit 125; }
}

# The reader held in the window: five rounds, with both MMUs.
window() {
	local v m log freed kept seen
	for v in "${WANTED[@]}"; do
		for m in hash radix; do
			log=$RESULTS/window-$v-$m.log
			progress "window: $v $m"
			lab_kernel "$v" window "" || exit 125
			part_boot $m 2 240 "$log" "window 5"
			freed=$(grep -c 'window: closed: .*freed under' "$log" || true) kept=$(grep -c 'window: closed: .*still a page table, its mm has ended' "$log" || true)
			case $freed/$kept in 5/0) seen=freed ;; 0/5) seen=kept ;; *) seen=neither ;; esac
			judge window "$v" "$m/2" "$seen" "freed under the reader $freed times of $((freed + kept))"
		done
	done
}

# One race, on one CPU of the host: the row it ends in is written by the parent.
race_one() {
	local v=$1 cpu=$2 seconds=$3 log=$RESULTS/race-$1.log t=$SECONDS status=0
	lab_boot hash 4 $((seconds + 180)) "$log" "race $seconds" taskset -c "$cpu" || status=$?
	echo "$status ${ENDED:--} $((SECONDS - t))" >"$WORK/race-$v"
}

# Two at a time, each on a CPU of its own.
race() {
	local v cpus cpu seconds
	mapfile -t cpus < <(taskset -pc $$ | sed 's/.*: //' | tr ',' '\n' | awk -F- '{ for (i = $1; i <= ($2 == "" ? $1 : $2); i++) print i }')
	for v in "${WANTED[@]}"; do
		lab_kernel "$v" race "" || exit 125
		seconds=$RACE_LIVES
		[ "$(expected "$v" race)" != dies ] || seconds=$RACE_DIES
		cpu=${cpus[${#RACERS[@]} % ${#cpus[@]}]}
		progress "race: $v, up to $seconds s"
		[ -t 2 ] || note "race: $v, up to $seconds s"
		(trap 'end_qemu' EXIT; trap 'exit 143' TERM HUP; race_one "$v" "$cpu" "$seconds") &
		RACERS+=($!)
		[ ${#RACERS[@]} -lt 2 ] || { wait "${RACERS[@]}" || true; RACERS=(); }
	done
	[ ${#RACERS[@]} = 0 ] || wait "${RACERS[@]}" || true
	RACERS=()
	for v in "${WANTED[@]}"; do race_verdict "$v"; done
}

race_verdict() {
	local log=$RESULTS/race-$1.log status ended took wrong
	read -r status ended took <"$WORK/race-$1"
	[ "$status" != 125 ] || { note "fragments: ${QEMU[0]}: $(tail -n 1 "$log")"; exit 125; }
	wrong=$(complaint "$log")
	if [ -z "$wrong" ] && { [ "$ended" != 0 ] && [ "$ended" != - ] || ! grep -aq 'Run /init' "$log"; }; then
		judge race "$1" hash/4 failed "the workload itself: $(sed -n 's/.*tap: fragments: //p' "$log" | head -n 1): see $log"
	elif [ "$ended" = 0 ] && [ -z "$wrong" ]; then
		judge race "$1" hash/4 lives "$(sed -n 's/.*result workload=race[^ ]* ms=\([0-9]*\).*count=\([0-9]*\).*/\2 rounds in \1 ms/p' "$log")"
	else
		judge race "$1" hash/4 dies "after $took s: ${wrong:-stands still}"
	fi
}

# All workloads and the window in the kernel that complains by itself.
checks() {
	local v m log wrong
	for v in "${WANTED[@]}"; do
		[ -n "$(expected "$v" checks)" ] || continue
		lab_kernel "$v" checks "" || exit 125
		for m in hash radix; do
			log=$RESULTS/checks-$v-$m.log
			progress "checks: $v $m"
			part_boot $m 2 420 "$log" "$(workloads $m);khugepaged 3 3 2;inject collapse 3 4 2;memcg mix 2;window 2;race 30"
			wrong=$(complaint "$log")
			[ "$ENDED" = 0 ] || wrong=${wrong:-"the workloads did not come to their end"}
			results_of "$log" "$v" "$m/2" 1 >"$WORK/boot"
			[ -n "$wrong" ] || wrong=$(ill_effect)
			judge checks "$v" "$m/2" "$([ -n "$wrong" ] && echo wrong || echo clean)" "${wrong:-no report}"
		done
	done
}

# Tables of the kernel's own: of small mappings of vmalloc's test, which its huge ones take the place of (radix alone has those;
# and with 64 KiB pages 256 tables would have to go before a page does).
kernel() {
	local v log wrong freed pages queued run seen
	for v in "${WANTED[@]}"; do
		log=$RESULTS/kernel-$v-radix4k.log
		progress "kernel: $v"
		lab_kernel "$v" kernel 4k || exit 125
		part_boot radix4k 2 240 "$log" boot
		wrong=$(complaint "$log")
		[ "$ENDED" = 0 ] || wrong=${wrong:-"the kernel did not come to its end"}
		! grep -aq 'Summary: .* failed: [1-9]' "$log" || wrong=${wrong:-"vmalloc's own test failed"}
		results_of "$log" "$v" radix4k/2 1 >"$WORK/boot"
		read -r freed pages queued run < <(jq -r '.counters | "\(.kernel_freed) \(.pages_freed) \(.rcu_queued) \(.rcu_run)"' "$WORK/boot") || true
		case "$((${freed:-0} > 0 && ${pages:-0} > 0)) ${queued:-0}/${run:-0}" in
		"1 0/0") seen=at-once ;;
		"1 $pages/$pages") seen=by-rcu ;;
		1*) seen=neither ;;
		*) seen=none ;;
		esac
		[ -z "$wrong" ] || seen=wrong
		judge kernel "$v" radix4k/2 "$seen" "${wrong:-"$freed tables of the kernel's own freed, $pages pages, $queued of them by RCU"}"
	done
}

# reclaim_wrong PART: what WORK/observed lacks, or has too much.
reclaim_wrong() {
	local want
	grep -m1 '^log=' "$WORK/observed" || true
	case $1 in
	tables) set -- whole=freed contents=right ;;
	*) set -- "$1=silent" ;;
	esac
	for want; do grep -qx "$want" "$WORK/observed" || { echo "$want expected: $(grep "^${want%%=*}=" "$WORK/observed" || echo "not seen")"; return; }; done
}

# PT_RECLAIM over always-rcu-fixed: the workload of all architectures, and the fallback where v3 warned.
reclaim() {
	local part log m wrong status
	lab_kernel always-rcu-fixed reclaim "" || exit 125
	for m in hash radix; do
		mmu $m
		for part in tables,contents inject-madvise inject-munmap; do
			log=$RESULTS/reclaim-$m-${part%%,*}.log
			progress "reclaim: $m $part"
			pack "$WORK" "$KERNEL/workload"
			status=0
			lab_qemu "$WORK/initrd" 1 240 "$log" -- "umlab=$part" "pmd_kb=$AREA_KB" || status=$?
			[ $status != 125 ] || { note "fragments: ${QEMU[0]}: $(tail -n 1 "$log")"; exit 125; }
			awk -v part="${part%%,*}" -v pt_reclaim=y -f "$ROOT/tests/arch/judge.awk" "$log" >"$WORK/observed"
			wrong=$(complaint "$log")
			wrong=${wrong:-$(reclaim_wrong "${part%%,*}")}
			judge reclaim always-rcu-fixed "$m/1" "$([ -n "$wrong" ] && echo wrong || echo clean)" "${part%%,*}: ${wrong:-$(paste -sd' ' "$WORK/observed")}"
		done
	done
}

# plots: RESULTS.svg and .png, of the first setting with two CPUs, or the first.
plots() {
	local setting variants out
	setting=$(jq -r '[.measured[].setting] | (map(select(endswith("/2"))) + .)[0] // ""' "$RESULTS.json")
	[ -n "$setting" ] || return 0
	jq -r --arg setting "$setting" -L "$FRAG_DIR" -f "$FRAG_DIR/plot.jq" "$RESULTS.json" >"$WORK/plot"
	variants=$((($(head -n 1 "$WORK/plot" | tr '\t' '\n' | wc -l) - 1) / 3))
	for out in svg png; do
		gnuplot -e "data='$WORK/plot'; out='$RESULTS.$out'; variants=$variants; what='ms ($setting: MMU/CPUs)'" "$FRAG_DIR/plot.gp"
	done
}

# document: docs/powerpc-fragments.md and its plot.
document() {
	jq -r --rawfile tables "$WORK/tables" -L "$FRAG_DIR" -f "$FRAG_DIR/document.jq" "$RESULTS.json" >"$WORK/document"
	cp "$WORK/document" "$ROOT/docs/powerpc-fragments.md"
	cp "$RESULTS.svg" "$ROOT/docs/powerpc-fragments.svg"
}

watch
mkdir -p "$RESULTS"
lock "$RESULTS/.lock" "the lab of page table fragments is in use"
"$ROOT/tools/deps.sh" with $SUITE_PACKAGES gnuplot-nox && arch_packages || exit 125
WORK=$(mktemp -d)
: >"$WORK/judged"
: >"$WORK/measured"
until_signalled build_locked || exit
[ -z "$BUILD_ONLY" ] || exit 0
for part in $ALL_PARTS; do ! wanted $part || $part; done
jq -n --arg date "$(date -u +%Y-%m-%dT%H:%MZ)" --arg qemu "$(qemu-system-ppc64 --version | head -n 1)" --arg runs "$RUNS" \
	--slurpfile judged "$WORK/judged" --slurpfile measured "$WORK/measured" '{ $date, $qemu, runs: ($runs | tonumber), $judged, $measured }' \
	>"$RESULTS.json.tmp" && mv "$RESULTS.json.tmp" "$RESULTS.json"
jq -r -L "$FRAG_DIR" -f "$FRAG_DIR/table.jq" "$RESULTS.json" | tee "$WORK/tables"
plots
[ -z "$DOCS" ] || [ "$STATUS" != 0 ] || document
exit "$STATUS"
