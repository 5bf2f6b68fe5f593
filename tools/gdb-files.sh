# SPDX-License-Identifier: GPL-2.0
# What tours and races share: files that say with @run in which kernel gdb is to show them. Sourced by
# tools/tour.sh and tools/race.sh, which set WHAT, FOLDER and ENDING of those files.

die()
{
	printf '%s: %s\n' "$WHAT" "$1" >&2
	exit 2
}

# names: of all, one a line.
names()
{
	(cd "$FOLDER" && ls -- *"$ENDING") | sed "s/\\$ENDING\$//"
}

# setting RUN KEY DEFAULT: of an @run line, what is behind the @run.
setting()
{
	local value

	value=$(sed -n "s/^\(.* \)\{0,1\}$2=\([^ ]*\).*/\2/p" <<< "${1%%program=*}")
	echo "${value:-$3}"
}

# check COMMAND NAME...: the command with each of them, without a person; the totals, and whether all
# went well. What it prints behind "=> " is its verdict.
check()
{
	local command=$1 name passed=0 failed=0 out began

	shift
	for name; do
		began=$SECONDS
		if out=$("$command" "$name" < /dev/null 2>&1); then
			passed=$((passed + 1))
			printf 'ok    %-20s %3d s  %s\n' "$name" $((SECONDS - began)) "$(sed -n 's/^=> //p' <<< "$out")"
		else
			failed=$((failed + 1))
			printf 'FAIL  %-20s %3d s\n' "$name" $((SECONDS - began))
			tail -n 40 <<< "$out"
		fi
	done
	echo "$passed passed, $failed failed"
	[ $failed -eq 0 ]
}
