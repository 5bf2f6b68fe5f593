#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Are the planted bugs caught that UML can't show (uml/patches/mutants/split-locks)? `make mutants-arch` calls it.
. "$(dirname "$0")/../../uml/lib.sh"
. "$ROOT/tests/arch/lib.sh"
TOOL=mutants-arch

show_usage() {
	cat <<'END'
usage: tests/arch/mutants.sh [--times N] NAME [MUTANT...]
For each mutant of the architecture NAME (Arch: in its header), or those whose name contains MUTANT: builds its kernel, of the
flavour that the header asks for, and runs the test that it names (Caught-by:; Race-times: as long), which must fail, N times (default 1).
Then runs each of these tests as often in the kernels without a bug, where none may fail.

Exit status: 0 all caught each time, no control failed; 1 else; 2 wrong usage; 125 something was missing; 130, 143 interrupted.
END
}

TIMES=1
while [ $# -gt 0 ]; do
	case $1 in
	--help) show_usage; exit 0 ;;
	--times) [[ ${2-} =~ ^[1-9][0-9]*$ ]] || usage "--times: ${2-}: give a number"; TIMES=$2; shift 2 ;;
	-*) usage "$1: unknown option: see --help" ;;
	*) break ;;
	esac
done
[ $# -ge 1 ] || usage "which architecture?"
load_arch "$1"
shift
WANTED=("${@:-}")
RESULTS=$BUILD/results/mutants-$NAME

# field FILE NAME: a value of its header.
field() { sed -n "/^---\$/q; s/^$2: //p" "$1"; }

# mutants: the files of those that were asked for.
mutants() {
	local f want
	for f in "$PATCH_DIR"/mutants/split-locks/*.patch; do
		[ "$(field "$f" Arch)" = "$NAME" ] || continue
		for want in "${WANTED[@]}"; do
			[[ ${f##*/} != *"$want"* ]] || { echo "$f"; break; }
		done
	done
}

# try PATCH TEST FLAVOUR TIMES: runs TEST in that kernel, without a bug where PATCH is empty; a race TIMES as long. Status 0 when it passed, 1 when it failed
# (MESSAGE: how), 2 when it could not be run.
try() {
	local by=$2 options=(--flavour "$3") tap=$RESULTS/run/check.tap log status=0
	case $by in
	"gdb: "*) by=${by#gdb: } options=(--gdb "${options[@]}") ;;
	*) options+=(--modes "native/$MAX_CPUS") ;;
	esac
	log=$RESULTS/$3-$(tr -c 'a-z0-9\n' - <<<"$by")${1:+-$(basename "$1" .patch)}
	rm -f "$tap"
	RACE_TIMES=$4 MUTANT=$1 until_signalled "${DIE_WITH_US[@]}" "$ROOT/tests/arch/check.sh" "$NAME" "${P:-fixed}" "${options[@]}" --results "$RESULTS/run" --test "$by" \
		>"$log" 2>&1 </dev/null || status=$?
	[ $status != 0 ] || return 0
	[ $status -lt 128 ] || exit $status
	MESSAGE=$(sed -n '/^not ok/ { n; s/^# *//p; q }' "$tap" 2>/dev/null | cut -c1-160)
	# As in tests/mutants.sh: a runner that failed is no catch, and neither is a session of gdb's that did not come to its end.
	case $MESSAGE in "umrun: 125 "* | "printed no TAP"* | "could not be started"* | "killed by signal "*) note "mutants-arch: $by: $MESSAGE: see $log"; return 2 ;; esac
	case $2/$MESSAGE in "gdb: "*/"no end within"* | "gdb: "*/"bailed out:"*) note "mutants-arch: $by: $MESSAGE: see $log"; return 2 ;; esac
	[ $status = 1 ] && grep -q '^not ok' "$tap" 2>/dev/null && return 1
	note "mutants-arch: $(tail -n 1 "$log")"
	return 2
}

mkdir -p "$RESULTS"
trap 'exit 130' INT
trap 'exit 143' TERM HUP
watch
lock "$RESULTS/.lock" "mutants of $NAME are being tried"
mapfile -t FILES < <(mutants)
[ ${#FILES[@]} -gt 0 ] || usage "${WANTED[*]}: no such mutant of $NAME in uml/patches/mutants/split-locks"
STATUS=0 CONTROLS=()
printf '%-42s %-9s %-8s %s\n' mutant flavour caught by
for f in "${FILES[@]}"; do
	by=$(field "$f" Caught-by) flavour=$(field "$f" Flavour) times=$(field "$f" Race-times) caught=0 MESSAGE=
	for ((i = 0; i < TIMES; i++)); do
		rc=0
		try "$f" "$by" "$flavour" "$times" || rc=$?
		[ $rc != 2 ] || exit 125
		caught=$((caught + rc))
	done
	printf '%-42s %-9s %-8s %s\n' "$(basename "$f" .patch)" "$flavour" "$caught/$TIMES" "$by"
	[ -z "$MESSAGE" ] || printf '    %s\n' "$MESSAGE"
	[ $caught = "$TIMES" ] || STATUS=1
	[[ " ${CONTROLS[*]/%/|}" == *" $flavour ${times:-1} $by|"* ]] || CONTROLS+=("$flavour ${times:-1} $by")
done
failed=0
for control in "${CONTROLS[@]}"; do
	for ((i = 0; i < TIMES; i++)); do
		rc=0
		read -r flavour times by <<<"$control"
		try "" "$by" "$flavour" "$times" || rc=$?
		[ $rc != 2 ] || exit 125
		[ $rc = 0 ] || { failed=$((failed + 1)); printf 'control: %s: FAILED: %s\n' "$control" "$MESSAGE"; }
	done
done
printf 'control: %d runs of these tests without a bug, %d failed\n' $((TIMES * ${#CONTROLS[@]})) $failed
[ $failed = 0 ] || STATUS=1
exit $STATUS
