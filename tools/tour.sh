#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Guided tours through real code in gdb: each part of a tour in the kernel that it asks for.
# `make tour` and `make tour-check` call it; gdb-scripts/umlab/tour.py has the format.
set -u

top=$(cd "$(dirname "$0")/.." && pwd) || exit 2
WHAT=tour FOLDER=$(cd "${UMLAB_TOURS:-$top/gdb-scripts/tours}" && pwd) ENDING=.md || exit 2
. "$top/tools/gdb-files.sh"
# What gdb ends with after a part that has another one behind it (umlab/commands/tour.py).
next_part=10

usage()
{
	cat <<'END'
usage: tools/tour.sh [--check | --markdown] [NAME...]
Without a name: lists the tours. With --check: runs those (all, if none is named) without a
person, and says which are out of date. With --markdown: prints those as documents.
UMLAB_TOURS=DIR: the tours there. gdb runs in umlab's own folder, wherever you are.

Exit status: 0 led to the end, or nothing out of date; 1 out of date, or the kernel or gdb
failed; 2 wrong usage.
END
}

list()
{
	local name

	for name in $(names); do
		printf '%-12s %s\n' "$name" "$(sed -n 's/^# //p' "$FOLDER/$name.md" | head -n 1)"
	done
	echo
	echo "make tour T=NAME starts one; ENTER goes on, any gdb command works in between."
}

# part NAME NUMBER RUN: one gdb.
part()
{
	local run=$3 point flavour dir gdb_args=(-ex "tour $1") program=() append limit=()

	point=$(setting "$run" point series)
	flavour=$(setting "$run" flavour debug)
	append=$(setting "$run" append "")
	# A reader takes his time, and the kernel's clock goes on: no grace period that lasts is an error here.
	append="rcupdate.rcu_cpu_stall_suppress=1${append:+ ${append//,/ }}"
	export UMLAB_TOUR_PART=$2 UMLAB_TOUR_TREE="$top/build/linux umlab/$point"
	[[ $run != *program=* ]] || read -r -a program <<< "${run#*program=}"
	# Without a person nobody ends a kernel that never comes to a stop.
	[ -z "$ALONE" ] || gdb_args=(-batch "${gdb_args[@]}") limit=(timeout "${UMLAB_TOUR_LIMIT:-120}")
	if [ ${#program[@]} -eq 0 ]; then
		"$top/uml/tree.sh" > /dev/null || return 1
		"${limit[@]}" gdb -q -nx -x "$top/gdb-scripts/umlab.py" "${gdb_args[@]}"
		return
	fi
	dir=$("$top/uml/kernel.sh" "$point" "$flavour" | tail -n 1) && [ -n "$dir" ] || return 1
	gdb_args=(-x "$top/gdb-scripts/umlab.py" "${gdb_args[@]}")
	program[0]=$top/build/tests/${program[0]}
	"${limit[@]}" "$top/build/umrun" --kernel "$dir/linux" --cpus "$(setting "$run" cpus 1)" --append "$append" \
		--gdb "${gdb_args[@]/#/--gdb-arg=}" -- "${program[@]}"
}

# tour NAME: its parts, one after the other.
tour()
{
	local number=0 run status

	while IFS= read -r run <&3; do
		part "$1" $number "$run"
		status=$?
		[ $status -eq $next_part ] || return $status
		number=$((number + 1))
	done 3< <(sed -n 's/^@run *//p' "$FOLDER/$1.md")
}

CHECK='' ALONE=''
case ${1:-} in
--help) usage; exit 0 ;;
--check) CHECK=1 ALONE=1; shift; export UMLAB_TOUR_CHECK=1 ;;
--markdown) ALONE=1; shift; export UMLAB_TOUR_MARKDOWN=1 ;;
esac
for name; do
	[ -f "$FOLDER/$name.md" ] || die "$name: no such tour: one of: $(names | tr '\n' ' ')"
done
[ -z "$ALONE" ] || exec < /dev/null
# Files that a tour names, such as build/life.jsonl, are here; without a person in a folder
# that goes again, since several may be at it.
export UMLAB_TOURS=$FOLDER
cd "$top" || exit 2
if [ -n "$ALONE" ]; then
	own=$(mktemp -d) || exit 2
	trap 'rm -rf "$own"' EXIT
	mkdir "$own/build" && ln -s "$top"/build/* "$own/build" && cd "$own" || exit 2
fi
# shellcheck disable=SC2046  # no name has a blank
[ -z "$ALONE" ] || [ $# -gt 0 ] || set -- $(names)
if [ -n "$CHECK" ]; then
	check tour "$@"
elif [ $# -eq 0 ]; then
	list
else
	for name; do tour "$name" || exit 1; done
fi
