#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Do the suites catch the planted bugs of uml/patches/mutants, and nothing but bugs?
# `make mutants` calls it; uml/mutants.sh builds the kernels.
set -u

here=$(cd "$(dirname "$0")" && pwd) || exit 2
top=$(dirname "$here")

usage()
{
	cat <<'END'
usage: tests/mutants.sh [OPTIONS] [NAME...]
For each mutant, or those whose name contains NAME: builds its kernel if need be and runs
suites in it until one fails, first those that its header names (Caught-by:). Then runs
all suites in the kernel without a bug, where none may fail.

  --times N      catch each mutant N times (default 1)
  --control N    run the suites without a bug N times (default 0)
  --sample N     N mutants, spread over the list
  --built        build none: what is not built is a failure
  --jobs N       suites at once (default 2)
  --guest DIR    the suites (default build/tests/guest)
  --results DIR  write mutants.json, mutants.md and raw outputs there
                 (default build/results)

Exit status: 0 all caught each time, no control failed; 1 else; 2 wrong usage; 130 interrupted.
END
}

die()
{
	printf 'mutants: %s\n' "$1" >&2
	exit 2
}

TIMES=1 CONTROL=0 SAMPLE=0 JOBS=2 BUILT= GUEST=$top/build/tests/guest RESULTS=$top/build/results
NAMES=()
number() { [[ ${2:-} =~ ^[0-9]+$ ]] || die "$1: ${2:-}: give a number"; }

while [ $# -gt 0 ]; do
	case $1 in
	--help) usage; exit 0 ;;
	--times) number "$@"; TIMES=$2; shift 2 ;;
	--control) number "$@"; CONTROL=$2; shift 2 ;;
	--sample) number "$@"; SAMPLE=$2; shift 2 ;;
	--jobs) number "$@"; JOBS=$2; shift 2 ;;
	--built) BUILT=1; shift ;;
	--guest) GUEST=${2:?}; shift 2 ;;
	--results) RESULTS=${2:?}; shift 2 ;;
	-*) die "$1: unknown option: see --help" ;;
	*) NAMES+=("$1"); shift ;;
	esac
done

mutants() { "$top/uml/mutants.sh" "$@"; }

. "$here/guard.sh"
CHILD=

# run_child COMMAND...: that, in a process group of its own, which ends with us. Sets STATUS.
run_child()
{
	set -m
	"$@" < /dev/null &
	CHILD=$!
	set +m
	wait_for "$CHILD" "-$CHILD"
	CHILD=
}

# ---- which ----

# Sets CHOSEN to the mutants asked for.
choose()
{
	local all name want

	mapfile -t all < <(if [ "$SAMPLE" -gt 0 ]; then mutants sample "$SAMPLE"; else mutants list | cut -d' ' -f1; fi)
	[ ${#all[@]} -gt 0 ] || die "uml/patches/mutants: no mutants"
	CHOSEN=()
	for name in "${all[@]}"; do
		[ ${#NAMES[@]} -gt 0 ] || CHOSEN+=("$name")
		for want in "${NAMES[@]}"; do
			[[ $name != *"$want"* ]] || { CHOSEN+=("$name"); break; }
		done
	done
	[ ${#CHOSEN[@]} -gt 0 ] || die "${NAMES[*]}: no such mutant: 'uml/mutants.sh list' lists them"
}

# ---- one run of suites ----

# run_suites KERNEL_DIR CALLED RESULTS_DIR GUEST_DIR OPTION...: status 0 when none failed; 1 with BY
# (WHERE SUITE: TEST) and MESSAGE set to the first that did; 2 with these where a suite could not be run.
run_suites()
{
	local kernel=$1 called=$2 dir=$3 guest=$4

	shift 4
	mkdir -p "$dir"
	rm -f "$dir/check.tap"
	run_child "$here/run" --stop --jobs "$JOBS" --host "$dir/none" --guest "$guest" --results "$dir" "$@" "$called=$kernel" > "$dir/out" 2> "$dir/err"
	[ $STATUS -ne 0 ] || return 0
	BY=$(sed -n 's/^not ok [0-9]* - //p' "$dir/check.tap" 2> /dev/null | head -n 1)
	MESSAGE=$(sed -n '/^not ok/ { n; s/^# *//p; q }' "$dir/check.tap" 2> /dev/null)
	# tests/run itself failed, which is no catch.
	[ -n "$BY" ] || die "tests/run $*: status $STATUS: $(head -n 1 "$dir/err")"
	case $MESSAGE in
	'umrun: 125 '* | 'printed no TAP'* | 'could not be started'* | 'killed by signal '*) return 2 ;;
	esac
	return 1
}

# now: milliseconds.
now() { local t=${EPOCHREALTIME//[!0-9]/}; NOW=$((t / 1000)); }

# catch NAME KERNEL_DIR: status 0 and BY, MESSAGE, TOOK (milliseconds) when a suite fails; 1 when none
# does, or when one can't be run: MESSAGE tells.
catch()
{
	local name=$1 start rc

	now; start=$NOW
	MESSAGE=
	all_suites "$@"
	rc=$?
	now; TOOK=$((NOW - start))
	[ $rc -eq 1 ]
}

# all_suites NAME KERNEL_DIR: run_suites() until one is not 0, those that the header names first.
all_suites()
{
	local name=$1 kernel=$2 likely dir=$RESULTS/mutants/$1 called=${P:-fixed}+$1

	while IFS= read -r likely; do
		# Alone in a folder, so that tests/run doesn't ask all the others for their tests.
		rm -rf "$dir/guest" && mkdir -p "$dir/guest" &&
			cp "$GUEST/${likely%%:*}" "$dir/guest/" || die "$name: Caught-by: $likely: no such suite"
		run_suites "$kernel" "$called" "$dir" "$dir/guest" --limit 60 --test "$likely" || return
	done < <(mutants field "$name" Caught-by)
	run_suites "$kernel" "$called" "$dir" "$GUEST" || return
	run_suites "$kernel" "$called" "$dir" "$GUEST" --modes seccomp/2
}

# ---- reports ----

json_text() { local s=${1//\\/\\\\}; s=${s//\"/\\\"}; printf '"%s"' "${s//[$'\x01'-$'\x1f']/ }"; }

# row NAME CAUGHT TIMES: a line of the table, of the JSON and of the Markdown.
row()
{
	local verdict=caught by=$BY message=$MESSAGE seconds

	[ "$2" -eq "$3" ] || verdict="NOT CAUGHT"
	[ "$2" -gt 0 ] || by=-
	seconds=$(printf '%d.%d' $((TOOK / 1000)) $((TOOK / 100 % 10)))
	printf '%-10s %d/%d  %-34s %5s s  %s\n' "$verdict" "$2" "$3" "$1" "$seconds" "${by#* }"
	[ -z "$message" ] || printf '%24s%s\n' '' "${message:0:160}"
	printf '%s    { "mutant": %s, "kind": %s, "caught": %d, "times": %d, "by": %s, "message": %s, "seconds": %s }' \
		"$COMMA" "$(json_text "$1")" "$(json_text "$(mutants field "$1" Kind)")" "$2" "$3" \
		"$(json_text "$by")" "$(json_text "$message")" "$seconds" >> "$RESULTS/mutants.json.tmp"
	printf '| %s | %s | %d/%d | %s | %s | %s |\n' "$1" "$(mutants field "$1" Kind)" "$2" "$3" "${by#* }" \
		"${message//|/\\|}" "$seconds" >> "$RESULTS/mutants.md.tmp"
	COMMA=$',\n'
}

try_mutants()
{
	local name kernel i caught

	[ -n "$BUILT" ] || run_child mutants build "${CHOSEN[@]}" > /dev/null
	for name in "${CHOSEN[@]}"; do
		kernel=$(mutants built "$name") || { printf 'NOT BUILT  %s\n' "$name"; BAD=$((BAD + 1)); continue; }
		caught=0 BY= MESSAGE= TOOK=0
		for ((i = 0; i < TIMES; i++)); do
			catch "$name" "$kernel" && caught=$((caught + 1))
		done
		row "$name" $caught "$TIMES"
		[ $caught -eq "$TIMES" ] || BAD=$((BAD + 1))
	done
}

try_control()
{
	local i kernel failed=0

	[ "$CONTROL" -gt 0 ] || return 0
	kernel=$(mutants control fast) && [ -n "$kernel" ] || die "the kernel without a bug: not built"
	for ((i = 1; i <= CONTROL; i++)); do
		if run_suites "$kernel" "${P:-fixed}" "$RESULTS/mutants/control-$i" "$GUEST"; then
			rm -rf "$RESULTS/mutants/control-$i"
		else
			failed=$((failed + 1))
			printf 'control %d of %d: FAILED: %s: %s\n' "$i" "$CONTROL" "$BY" "$MESSAGE"
		fi
	done
	printf 'control: %d runs of all suites without a bug, %d failed\n' "$CONTROL" $failed
	BAD=$((BAD + failed)) CONTROL_FAILED=$failed
}

# interrupted STATUS: ends what runs, and then us.
interrupted()
{
	trap '' INT TERM HUP
	[ -z "$CHILD" ] || { kill -TERM -- "-$CHILD" 2> /dev/null; wait "$CHILD"; }
	rm -f "$RESULTS/mutants.json.tmp" "$RESULTS/mutants.md.tmp"
	exit "$1"
}
trap 'interrupted 130' INT
trap 'interrupted 143' TERM HUP
BAD=0 COMMA= CONTROL_FAILED=0
choose
mkdir -p "$RESULTS/mutants" || die "$RESULTS: cannot be made"
printf '{\n  "mutants": [\n' > "$RESULTS/mutants.json.tmp"
printf '| mutant | kind | caught | by | message | s |\n|---|---|---|---|---|---|\n' > "$RESULTS/mutants.md.tmp"
try_mutants
try_control
printf '\n  ],\n  "control": { "runs": %d, "failed": %d }\n}\n' "$CONTROL" $CONTROL_FAILED >> "$RESULTS/mutants.json.tmp"
mv "$RESULTS/mutants.json.tmp" "$RESULTS/mutants.json"
mv "$RESULTS/mutants.md.tmp" "$RESULTS/mutants.md"
printf '%d mutants, %d not caught or failed; see %s\n' ${#CHOSEN[@]} $BAD "${RESULTS#"$top"/}/mutants.md"
[ $BAD -eq 0 ]
