#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: gdb as an editor's debug adapter, over DAP: breakpoint, launch, stack, variables, umlab's functions, end.
# timeout: 180
set -u
. "$(dirname "$0")/umrun-lib.sh"

version=$(gdb -nx -batch -ex 'python print(gdb.VERSION.split(".")[0])' 2>/dev/null)
if [ -n "$version" ] && [ "$version" -lt 14 ]; then
	echo "1..0 # SKIP gdb $version has no DAP, 14 has: make check-newer-gdb"
	exit
fi
if [ ! -f "$top/build/points/series/debug/umlab.info" ] || [ ! -x "$top/build/tests/guest/ptworkload" ]; then
	skip "gdb over DAP" "no debug kernel of series, or no workload, yet: make kernel P=series F=debug guest-tests"
	finish
	exit
fi
source=$(sed -n 's/^srcdir=//p' "$top/build/points/series/debug/umlab.info")

# request NUMBER COMMAND [ARGUMENTS]: one request, ARGUMENTS a JSON object.
request()
{
	local text="{\"seq\":$1,\"type\":\"request\",\"command\":\"$2\",\"arguments\":${3:-{\}}}"

	printf 'Content-Length: %d\r\n\r\n%s' ${#text} "$text" >&9
}

# answered REGEX: waits, 30 s at most, for a message of the adapter that matches; sets MESSAGE.
answered()
{
	local i

	for ((i = 0; i < 300; i++)); do
		MESSAGE=$(grep -aE -m 1 -e "$1" "$dir/dap.out") && return
		sleep 0.1
	done
	diag "no message that matches: $1
in: $(tail -c 2000 "$dir/dap.out") $(tail -n 5 "$dir/dap.err")"
	return 1
}

# response NUMBER: the response to that request, a good one.
response() { answered "\"request_seq\": $1,.*\"success\": true"; }

# number KEY: the first number of that key in MESSAGE.
number() { grep -oE "\"$1\": [0-9]+" <<<"$MESSAGE" | grep -oE -m 1 '[0-9]+$'; }

mkfifo "$dir/dap.in"
timeout -k 5 150 "$top/tools/gdb-mi.sh" --point=series -nx -i dap <"$dir/dap.in" >"$dir/dap.out" 2>"$dir/dap.err" &
adapter=$!
exec 9>"$dir/dap.in"
line=$(awk '/zap_empty_pte_table\(/ { f = 1 } f && /pmd_clear\(/ { print NR; exit }' "$source/mm/memory.c")

request 1 initialize '{"adapterID":"gdb","linesStartAt1":true,"columnsStartAt1":true}'
response 1
ok $? "the adapter answers"
request 2 launch
request 3 setBreakpoints "{\"source\":{\"path\":\"$source/mm/memory.c\"},\"breakpoints\":[{\"line\":$line}]}"
response 3
ok $? "a breakpoint at a line of a file"
like "$MESSAGE" '"verified": true' "... which gdb has found"
request 4 configurationDone
answered '"event": "stopped".*"reason": "breakpoint"|"reason": "breakpoint".*"event": "stopped"'
ok $? "launch without a program or arguments: umrun's kernel boots, and stops there"
thread=$(number threadId)
request 5 stackTrace "{\"threadId\":$thread,\"levels\":5}"
response 5
ok $? "the stack"
like "$MESSAGE" '"name": "zap_empty_pte_table"' "... the innermost frame is the function of the breakpoint"
frame=$(number id)
request 6 scopes "{\"frameId\":$frame}"
response 6
ok $? "its scopes"
request 7 variables "{\"variablesReference\":$(number variablesReference)}"
response 7
ok $? "the variables"
like "$MESSAGE" '"name": "pmd"' "... the PMD among them"
request 8 evaluate "{\"expression\":\"\$um_comm()\",\"frameId\":$frame}"
response 8
ok $? "an expression"
like "$MESSAGE" 'ptworkload' "... of umlab's functions"
request 9 evaluate "{\"expression\":\"pt-here\",\"context\":\"repl\",\"frameId\":$frame}"
response 9
ok $? "a command at the editor's debug console"
like "$MESSAGE" 'zap_empty_pte_table' "... pt-here tells where"
request 10 disconnect '{"terminateDebuggee":true}'
response 10
ok $? "disconnect"
exec 9>&-
wait $adapter
ok $? "... and the adapter ends well"
finish
