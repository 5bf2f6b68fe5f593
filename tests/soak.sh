#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# The random test for as long as one likes: slices of a minute, in one mode after the other,
# with new seeds each. `make soak` calls it.
set -u

here=$(cd "$(dirname "$0")" && pwd) || exit 2
top=$(dirname "$here")

usage()
{
	cat <<'END'
usage: tests/soak.sh [OPTIONS] KERNEL_DIR
Runs build/tests/guest/random in the kernel of KERNEL_DIR (build/points/POINT/FLAVOUR),
in the modes ptrace/1, seccomp/1 and seccomp/2 in turn. Stops at the first failure: its
seed, the smallest failing list and how to replay it are printed.

  --minutes N     how long (default 10)
  --seconds N     ... in seconds
  --slice N       seconds in one mode, boot not included (default 60)
  --first N       the first seed (default: from the clock)
  --modes 'A B'   only these modes
  --umrun FILE    the runner (default build/umrun)
  --results DIR   outputs and kernel logs go there (default build/results)

Exit status: 0 no failure; 1 a failure, or skipped in every mode; 2 wrong usage; 130 interrupted.
END
}

die()
{
	printf 'soak: %s\n' "$1" >&2
	exit 2
}

LONG=600 SLICE=60 FIRST=$(($(date +%s) % 1000000 * 1000)) RESULTS=$top/build/results
MODES='ptrace/1 seccomp/1 seccomp/2' UMRUN=$top/build/umrun DIR=
SUITE=$top/build/tests/guest/random

# number OPTION VALUE
number()
{
	[[ ${2:-} =~ ^[1-9][0-9]*$ ]] || die "$1: ${2:-}: give a number from 1"
}

while [ $# -gt 0 ]; do
	case $1 in
	--help) usage; exit 0 ;;
	--minutes) number "$@"; LONG=$(($2 * 60)); shift 2 ;;
	--seconds) number "$@"; LONG=$2; shift 2 ;;
	--slice) number "$@"; SLICE=$2; shift 2 ;;
	--first) number "$@"; FIRST=$2; shift 2 ;;
	--modes) MODES=${2:-}; shift 2 ;;
	--umrun) UMRUN=${2:-}; shift 2 ;;
	--results) RESULTS=${2:-}; shift 2 ;;
	-*) die "$1: unknown option: see --help" ;;
	*) [ -z "$DIR" ] || die "$1: one KERNEL_DIR is enough"; DIR=$1; shift ;;
	esac
done
[ -n "$DIR" ] || die "no KERNEL_DIR: see --help"
[ -x "$DIR/linux" ] || die "$DIR/linux: no kernel: make kernel P=POINT builds one"
[ -x "$SUITE" ] || die "$SUITE: missing: make guest-tests builds it"

# A value from the kernel's umlab.info.
info()
{
	sed -n "s/^$1=//p" "$DIR/umlab.info"
}

. "$here/modes.sh"
. "$here/known.sh"
. "$here/guard.sh"
APPEND=
check_modes "$MODES" --modes
POINT=$(info point) WHERE=$(info point)/$(info flavour) PT_RECLAIM=$(info pt_reclaim)
[[ $PT_RECLAIM == [yn] ]] || die "$DIR/umlab.info: pt_reclaim: not y or n"
BUGS=$(bugs_like "$POINT" "$PT_RECLAIM" "$(symbols_of "$DIR/linux")")
mkdir -p "$RESULTS/soak" || die "$RESULTS/soak: cannot be made"

ROUNDS=0 OPERATIONS=0 FAILURES=0 ERRORS=0 CHILD=

# Totals in Check's form: a round is a check.
totals()
{
	local checks=$((ROUNDS + FAILURES + ERRORS)) percent=0

	[ "$checks" -eq 0 ] || percent=$((100 * ROUNDS / checks))
	printf '%d operations in %d s\n' "$OPERATIONS" "$SECONDS"
	printf '%d%%: Checks: %d, Failures: %d, Errors: %d\n' "$percent" "$checks" "$FAILURES" "$ERRORS"
}

interrupted()
{
	trap '' INT TERM HUP
	[ -z "$CHILD" ] || { kill -TERM "$CHILD" 2> /dev/null; wait "$CHILD"; }
	totals
	exit 130
}
trap interrupted INT TERM HUP

# What a slice printed besides the lines of every round, and umrun's words.
show_failure()
{
	local replay

	replay=$(sed -n 's/^# \(replay: .*\)/\1/p' "$1" | tail -n 1)
	grep -v '^# replay: .*SEED=[0-9]*$\|^# tests\|^1\.\.' "$1" | sed 's/^/      /'
	head -n 20 "${1%.out}.err" | sed 's/^/      /'
	printf '      %s P=%s F=%s TESTS_MODES=%s\n' "$replay" "$POINT" "$(info flavour)" "$2"
	printf '      log: %s\n' "${1%.out}.log"
}

# slice MODE SECONDS: runs one, counts it. Status 1: it failed.
slice()
{
	local mode=$1 seconds=$2 out rc line
	local -a MODE_OPTIONS

	mode_options "$mode"
	out=$RESULTS/soak/${mode//\//-}.out
	"$UMRUN" --kernel "$DIR/linux" "${MODE_OPTIONS[@]}" --disk 256M --timeout $((seconds + 240)) \
		--env "PT_RECLAIM=$PT_RECLAIM" --env "POINT=$BUGS" --env "UML_MODE=$mode" \
		--env "RANDOM_SECONDS=$seconds" --env "RANDOM_FIRST=$FIRST" \
		--log "${out%.out}.log" -- "$SUITE" < /dev/null > "$out" 2> "${out%.out}.err" &
	CHILD=$!
	wait_for "$CHILD" "$CHILD"
	rc=$STATUS CHILD=
	line=$(sed -n 's/^# random: //p' "$out")
	if [[ $line =~ ^([0-9]+)\ rounds,\ ([0-9]+)\ operations.*\ to\ ([0-9]+)$ ]]; then
		ROUNDS=$((ROUNDS + BASH_REMATCH[1]))
		OPERATIONS=$((OPERATIONS + BASH_REMATCH[2]))
		FIRST=$((BASH_REMATCH[3] + 1))
	fi
	if [ $rc -eq 0 ] && [ -z "$line" ]; then
		printf 'skip  %s %s  %s\n' "$WHERE" "$mode" "$(sed -n 's/^# SKIP //p' "$out")"
		return 0
	fi
	if [ $rc -eq 0 ]; then
		printf 'ok    %s %s  %s\n' "$WHERE" "$mode" "$line"
		return 0
	fi
	if [ $rc -eq 1 ]; then FAILURES=1; else ERRORS=1; fi
	printf 'FAIL  %s %s  exit status %d\n' "$WHERE" "$mode" "$rc"
	show_failure "$out" "$mode"
	return 1
}

SECONDS=0
while [ "$SECONDS" -lt "$LONG" ]; do
	for mode in $MODES; do
		left=$((LONG - SECONDS))
		[ "$left" -gt 0 ] || break
		slice "$mode" $((left < SLICE ? left : SLICE)) || break 2
	done
	[ $ROUNDS -gt 0 ] || break	# skipped in each mode, and so it will be
done
totals
[ $((FAILURES + ERRORS)) -eq 0 ] && [ $ROUNDS -gt 0 ]
