#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Deterministic races of two guest CPUs in gdb: each in the kernel that its script asks for.
# `make race` calls it; gdb-scripts/umlab/race.py has the format, docs/races.md an example.
set -u

top=$(cd "$(dirname "$0")/.." && pwd) || exit 2
WHAT=race FOLDER=$top/gdb-scripts/races ENDING=.race
. "$top/tools/gdb-files.sh"

usage()
{
	cat <<'END'
usage: tools/race.sh [--check|--step] [NAME[@POINT]...]
Without a name: lists the races. Without a point: in the kernel of the first one that the script
names; with --check in those of all.
  --check  without a person (all races, if none is named); says which did not go as written
  --step   asks each time before somebody runs

Exit status: 0 all went as written; 1 one did not, or the kernel or gdb failed; 2 wrong usage.
END
}

list()
{
	local name

	for name in $(names); do
		printf '%-12s %s (%s)\n' "$name" "$(sed -n 's/^@race //p' "$FOLDER/$name.race")" "$(points "$name")"
	done
	echo
	echo "make race R=NAME makes one happen, R=NAME@POINT at another point; STEP=1 asks each time before somebody runs."
}

# run_line NAME: what the script's @run says.
run_line()
{
	sed -n 's/^@run //p' "$FOLDER/$1.race"
}

# points NAME: those that the script is for, with blanks between.
points()
{
	setting "$(run_line "$1")" points series | tr , ' '
}

# race NAME@POINT MODE: one gdb. A parked CPU passes no quiescent state: RCU must not take that for a stall.
race()
{
	local name=${1%@*} point=${1#*@} run dir program append gdb_args

	run=$(run_line "$name")
	dir=$("$top/uml/kernel.sh" "$point" "$(setting "$run" flavour debug)" | tail -n 1) && [ -n "$dir" ] || return 1
	read -r -a program <<< "${run#*program=}"
	program[0]=$top/build/tests/${program[0]}
	append=$(setting "$run" append "")
	gdb_args=(-x "$top/gdb-scripts/umlab.py" -ex "pt-race $name $2")
	# Without a person gdb would go on to the end of its input.
	[ -t 0 ] || gdb_args=(-batch "${gdb_args[@]}")
	"$top/build/umrun" --kernel "$dir/linux" --cpus "$(setting "$run" cpus 2)" \
		--append "rcupdate.rcu_cpu_stall_suppress=1 ${append//,/ }" \
		--gdb "${gdb_args[@]/#/--gdb-arg=}" -- "${program[@]}"
}

# places NAME[@POINT]...: each as NAME@POINT; a name alone stands for all its points.
places()
{
	local place point

	for place; do
		if [ "${place%@*}" != "$place" ]; then
			echo "$place"
		else
			for point in $(points "$place"); do echo "$place@$point"; done
		fi
	done
}

# check_race NAME@POINT: without a person.
check_race()
{
	race "$1" check
}

CHECK='' MODE=''
case ${1:-} in
--help) usage; exit 0 ;;
--check) CHECK=1; shift ;;
--step) MODE=step; shift ;;
-*) usage >&2; exit 2 ;;
esac
for name; do
	[ -f "$FOLDER/${name%@*}.race" ] || die "$name: no such race: one of: $(names | tr '\n' ' ')"
	case " $(points "${name%@*}") " in
	*" ${name#*@} "*) ;;
	*) [ "${name%@*}" = "$name" ] || die "$name: it is for: $(points "${name%@*}")" ;;
	esac
done
if [ -n "$CHECK" ]; then
	[ $# -gt 0 ] || set -- $(names)
	# shellcheck disable=SC2046  # no name has a blank
	check check_race $(places "$@")
elif [ $# -eq 0 ]; then
	list
else
	for name; do
		[ "${name%@*}" != "$name" ] || name=$name@$(points "$name" | cut -d' ' -f1)
		race "$name" "$MODE" || exit 1
	done
fi
