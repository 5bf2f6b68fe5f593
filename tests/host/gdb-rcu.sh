#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: rcu-tables shows the tables that wait for a grace period, at every instruction of their way; its errors.
# timeout: 1200
set -u
. "$(dirname "$0")/gdb-lib.sh"

# Tiny RCU, which no kernel here has, in a program of the host.
tiny()
{
	local line seen=

	timeout 60 gdb -nx -batch -x "$gdb_suites/rcu-tiny.py" "$top/build/tests/gdb/tiny" >"$dir/out" 2>"$dir/err" </dev/null
	while IFS= read -r line; do
		case $line in
		"ok "*|"not ok "*) seen=1; [[ $line == ok* ]]; ok $? "tiny: ${line#*- }" ;;
		"# "*) printf '%s\n' "$line" ;;
		esac
	done <"$dir/out"
	grep -q '^1\.\.' "$dir/out" && [ -n "$seen" ]
	ok $? "tiny: came to its end" "stderr: $(tail -n 5 "$dir/err"); stdout: $(tail -n 5 "$dir/out")"
}

gdb_suite rcu series/2 +rest -- "$top/build/tests/gdb/gather" /share/facts
tiny
finish
