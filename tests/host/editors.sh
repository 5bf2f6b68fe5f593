#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: what editors stand on: the gdb of .vscode/launch.json over MI, and compile_commands.json.
# timeout: 180
set -u
. "$(dirname "$0")/umrun-lib.sh"

launch=$top/.vscode/launch.json
# conf NUMBER KEY: a value of that configuration of launch.json; gdb's Python knows JSON.
conf()
{
	gdb -nx -batch -ex "python import json; print(json.load(open('$launch'))['configurations'][$1]['$2'])" 2>&1 |
		sed "s|\${workspaceFolder}|$top|g"
}

kernel=$(conf 0 program)
debugger=$(conf 0 miDebuggerPath)
[ -x "$debugger" ] && [ -x "$(conf 1 miDebuggerPath)" ]
ok $? "launch.json names a debugger that is there" "$debugger"
if [ ! -f "${kernel%/*}/umlab.info" ] || [ ! -x "$top/build/tests/guest/ptworkload" ]; then
	skip "gdb over MI" "no debug kernel of series, or no workload, yet: make kernel P=series F=debug guest-tests"
	finish
	exit
fi
source=$(sed -n 's/^srcdir=//p' "${kernel%/*}/umlab.info")

# expect REGEX: waits until the editor's side has read such a line, behind the last one; sets LINE.
expect()
{
	LINE=
	local i
	for ((i = 0; i < 300; i++)); do
		LINE=$(tail -n "+$((SEEN + 1))" "$dir/mi.out" | grep -anE -m 1 -e "$1") && break
		sleep 0.1
	done
	if [ -n "$LINE" ]; then
		SEEN=$((SEEN + ${LINE%%:*}))
		return
	fi
	diag "no line that matches: $1
in: $(tail -n 20 "$dir/mi.out") $(cat "$dir/mi.err")"
	return 1
}

# send TEXT...: from the editor's side, one command each.
send() { printf '%s\n' "$@" >&9; }

# editor NUMBER ARGUMENT...: starts what that configuration names, as the editor does; sets GDB.
editor()
{
	local words
	eval "words=($(conf "$1" miDebuggerArgs))"
	shift
	rm -f "$dir/mi.in"
	mkfifo "$dir/mi.in"
	: >"$dir/mi.out"
	SEEN=0
	timeout -k 5 150 "$debugger" --interpreter=mi "${words[@]}" -nx "$@" <"$dir/mi.in" >"$dir/mi.out" 2>"$dir/mi.err" &
	GDB=$!
	exec 9>"$dir/mi.in"
}

editor 0
send '1-enable-pretty-printing' '2-gdb-set mi-async on' \
	"3-break-insert -f $source/mm/memory.c:$(awk '/zap_empty_pte_table\(/ { f = 1 } f && /pmd_clear\(/ { print NR; exit }' "$source/mm/memory.c")"
expect '^3\^done,bkpt=.*func="zap_empty_pte_table"'
ok $? "a breakpoint at a line of a file, as an editor sets it"
like "$LINE" "fullname=\"$source/mm/memory.c\"" "... which gdb gives back by the name that the editor can open"
send '4-exec-run'
expect '^4\^running'
ok $? "the kernel starts"
expect '^\*stopped,reason="breakpoint-hit".*func="zap_empty_pte_table"'
ok $? "... and stops there"
send '5-stack-list-frames' '6-stack-list-variables --simple-values'
expect '^5\^done,stack=.*func="__do_sys_madvise"'
ok $? "the stack, out to the system call"
expect '^6\^done,variables=\[.*name="pmd"'
ok $? "the variables"
send '7-data-evaluate-expression $um_comm()'
expect '^7\^done,value=.*ptworkload'
ok $? "umlab's functions"
send '8-break-delete' '9-break-insert -t machine_power_off' '10-exec-continue'
expect '^10\^running'
ok $? "... and it runs on"
pid=$(sed -n 's/^=thread-group-started,.*pid="\([0-9]*\)".*/\1/p' "$dir/mi.out" | head -n 1)
[ -n "$pid" ] && [ "$(readlink "/proc/$pid/exe")" = /linux ]
ok $? "the kernel's process is called by the host's number" "$pid: $(readlink "/proc/$pid/exe" 2>&1)"
expect '^\*stopped,.*func="machine_power_off"'
ok $? "... to its end"
grep -aq 'nr_page_table_pages' "$dir/mi.out"
[ $? -ne 0 ] && grep -q 'nr_page_table_pages' "$dir/mi.err"
ok $? "what the program prints is not among gdb's records"
send '11-gdb-exit'
exec 9>&-
wait $GDB
ok $? "gdb ends well"

if whole "attaching over MI"; then
	# Two that are there already, to see that the pause button hits the right one.
	rm -f "$dir/out"
	start --timeout 100 -- sh -c 'echo ready; sleep 90; exit 5'
	for ((i = 0; i < 300; i++)); do
		grep -q ready "$dir/out" 2>/dev/null && break
		sleep 0.1
	done
	debugger="$(conf 1 miDebuggerPath)"
	editor 1
	if ! expect '^(=thread-group-started|&"umrun: --attach)' || [ -s "$dir/mi.err" ]; then
		# Others run umruns of theirs at the same time.
		exec 9>&-
		wait $GDB
		skip "attaching over MI to the only run" "there are several here: $(tail -n 1 "$dir/mi.err")"
		kill $PID
	else
		send '1-gdb-set mi-async on' '2-exec-continue'
		expect '^2\^running'
		ok $? "launch.json's second: attached, and continued"
		pid=$(sed -n 's/^=thread-group-started,.*pid="\([0-9]*\)".*/\1/p' "$dir/mi.out" | head -n 1)
		sleep 1
		kill -INT "$pid"
		expect '^\*stopped,reason="signal-received",signal-name="SIGINT"'
		ok $? "an editor's pause, which is a signal to that process, stops it"
		send '3-target-detach' '4-gdb-exit'
		exec 9>&-
		wait $GDB
		ok $? "... and it is left again"
		kill -0 $PID
		ok $? "... alive"
		kill $PID
	fi
	wait $PID 2>/dev/null
fi

# Without MI: Emacs' gud-gdb, Neovim's termdebug.
out=$("$top/tools/gdb-mi.sh" --point=series -nx -quiet -batch -iex 'set pagination off' -tty /dev/null -ex 'echo startupdone\n' -ex 'show inferior-tty' 2>&1 </dev/null)
like "$out" '^startupdone' "other options of gdb pass"
like "$out" 'is "/dev/null"' "... with values of their own"
out=$("$top/tools/gdb-mi.sh" --point=nowhere --interpreter=mi 2>&1 </dev/null)
like "$out" '^gdb-mi: build/points/nowhere/debug: no kernel: make kernel P=nowhere F=debug' "a kernel that is not built"
out=$("$top/tools/gdb-mi.sh" --attach -i dap 2>&1 </dev/null)
like "$out" '^gdb-mi: --attach: not over DAP' "attaching is not for DAP, and it says so"

# ---- compile_commands.json ----

json=$dir/compile_commands.json
out=$("$top/tools/compile-commands.sh" "${kernel%/*}" "$json" 2>&1)
if grep -q python3 <<<"$out"; then
	skip "compile_commands.json" "$out"
	finish
	exit
fi
is "$out" "$json" "compile_commands.json: the script says where"
like "$(grep '"file"' "$json")" "\"$source/mm/memory.c\"" "... it has mm/memory.c"
grep -qE 'ccache|fconserve-stack|ftrivial-auto-var-init=zero' "$json"
[ $? -ne 0 ]
ok $? "... and nothing that clangd does not know"
if command -v clangd >/dev/null; then
	out=$(clangd --check="$source/mm/mmu_gather.c" --compile-commands-dir="$dir" --check-lines=1-2 2>&1)
	like "$out" 'All checks completed, 0 errors' "clangd understands mm/mmu_gather.c"
else
	skip "clangd understands it" "no clangd here"
fi
finish
