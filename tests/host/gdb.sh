#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: the kernel under gdb: the demo's session, what a user types in make gdb, nothing left behind.
# timeout: 180
set -u
. "$(dirname "$0")/umrun-lib.sh"

like "$(gdb -q -nx -batch -x "$top/gdb-scripts/tests/test_pagetable.py" 2>&1)" '^ok ' "the decoding of page table entries has tests"
failed=$(gdb -q -nx -batch -x "$top/gdb-scripts/tests/test_pagetable.py" 2>&1 | grep '^not ok')
is "$failed" "" "... and they pass"

debug=$(first_kernel debug series fixed work)
workload=$top/build/tests/guest/ptworkload
if [ -z "$debug" ] || [ ! -x "$workload" ]; then
	skip "the kernel under gdb" "no debug kernel yet: make kernel P=series F=debug"
	echo "1..$TAP_COUNT"
	exit 0
fi

# under_gdb GDB-ARGUMENT...: a gdb without a terminal; sets STATUS, OUT and ERR.
under_gdb()
{
	local arg args=()
	for arg; do args+=("--gdb-arg=$arg"); done
	timeout 100 "$umrun" --kernel "$debug" --log "$dir/log" --gdb --gdb-arg=-nx --gdb-arg=-batch "${args[@]}" \
		-- "$workload" --size 16M --stride 2M >"$dir/out" 2>"$dir/err" </dev/null
	STATUS=$?
	OUT=$(cat "$dir/out")
	ERR=$(cat "$dir/err")
}

export UMLAB_DEMO_JSON=$dir/demo.json
under_gdb -x "$top/gdb-scripts/demo.py"
status 0 "the demo's session sees a table from its PMD to its end"
like "$OUT" 'before .*present' "... the PMD before"
like "$OUT" 'after .*none' "... and after"
like "$OUT" '__do_sys_madvise\(start=0x' "... the way from the madvise system call, with arguments"
like "$OUT" 'tlb_remove_table_rcu' "... and RCU's callback"
like "$OUT" '=> +[0-9]+ .*pmd_clear' "... with the line of source"
like "$(cat "$dir/demo.json" 2>&1)" '"refcount_after": 0' "... and its facts are in a JSON"
UMLAB_DEMO_COMM=nobody UMLAB_DEMO_TIMEOUT=5 under_gdb -x "$top/gdb-scripts/demo.py"
[ "$STATUS" -ne 0 ]
ok $? "a session that does not see it fails" "$ERR"

under_gdb -x "$top/gdb-scripts/reclaim.py" -ex run -ex 'bt 3' -ex continue -ex up -ex 'p *tlb' -ex 'info locals' \
	-ex 'tbreak zap_pmd_range' -ex continue -ex disable -ex finish -ex kill
status 0 "make gdb's breakpoints, in a session without a terminal"
like "$OUT" 'hit Temporary breakpoint 1, madvise_dontneed_single_vma' "... stop first at the madvise"
like "$OUT" 'hit Breakpoint [23], zap_(empty_pte_table|pte_table_if_empty)' "... then where the table is taken out"
like "$OUT" '^  cleared_ptes = ' "p *tlb answers"
like "$OUT" '^can_reclaim_pt = true' "info locals answers"
like "$OUT" 'Value returned is' "finish answers"
under_gdb -x "$top/gdb-scripts/reclaim.py" -ex 'help pt-walk' -ex 'info signals SIGSEGV'
like "$OUT" 'pt-walk ADDR' "make gdb has umlab's commands"
like "$OUT" '^SIGSEGV +No' "... and does not stop at the signals that UML runs on"
under_gdb -ex 'p 1 + 1' -ex 'quit 7'
status 7 "umrun ends as gdb ended"

# On a terminal, where the kernel had it in between.
# type_when REGEX KEYS: as soon as gdb has printed that.
type_when()
{
	local i

	for i in $(seq 400); do
		grep -Eq "$1" "$dir/typed" && break
		sleep 0.1
	done
	printf '%b' "$2" >&3
}

mkfifo "$dir/keys"
: >"$dir/typed"
script -qec "$umrun --kernel $debug --log $dir/log --gdb --gdb-arg=-nx --gdb-arg=-x --gdb-arg=$top/gdb-scripts/umlab.py --gdb-arg=-ex --gdb-arg='break start_kernel' --gdb-arg=-ex --gdb-arg=run sleep 60" \
	/dev/null <"$dir/keys" >"$dir/typed" 2>&1 &
PID=$!
exec 3>"$dir/keys"
type_when 'Breakpoint 1, ' 'p 40+2\n'
type_when ' = 42' 'continue\n'
type_when 'Continuing' ''
sleep 2
printf '\003' >&3
type_when 'SIGINT' 'p 50+3\n'
type_when ' = 53' 'quit\ny\n'
exec 3>&-
wait $PID
typed=$(tr -d '\r' <"$dir/typed")
like "$typed" ' = 42' "an interactive gdb takes commands after a stop"
like "$typed" ' = 53' "... and after Ctrl-C in a running kernel"

if whole "a long stop"; then
	# A long stop in a grace period, which the kernel's clock knows nothing of.
	under_gdb -x "$top/gdb-scripts/umlab.py" -ex 'tbreak tlb_remove_table' -ex run -ex 'set var rcu_cpu_stall_timeout = 3' \
		-ex 'tbreak rcu_gp_init' -ex continue -ex finish -ex 'p rcu_state.gp_seq & 3' -ex 'shell sleep 4' -ex continue
	like "$OUT" '^\$[0-9]+ = 1$' "a stop in the middle of a grace period, longer than RCU's patience"
	like "$OUT" 'exited normally' "... is no RCU stall"
fi

# Killed in the middle.
# begin_gdb: one in the background, and waits until the kernel runs; sets PID and KIN, its processes.
begin_gdb()
{
	local i
	"$umrun" --kernel "$debug" --log "$dir/log" --gdb --gdb-arg=-nx --gdb-arg=-batch --gdb-arg=-x --gdb-arg="$top/gdb-scripts/umlab.py" \
		--gdb-arg=-ex --gdb-arg=run -- sleep 60 >"$dir/out" 2>&1 </dev/null &
	PID=$!
	# The supervisor, gdb, the kernel and a process of its.
	for ((i = 0; i < 100; i++)); do
		KIN=$(family $PID)
		[ "$(wc -l <<<"$KIN")" -ge 4 ] && break
		sleep 0.2
	done
	[ "$(wc -l <<<"$KIN")" -ge 4 ]
	ok $? "gdb, the kernel and its processes ran"
}

begin_gdb
kill -KILL $PID
wait $PID 2>/dev/null
gone "$KIN" "... and none is left when umrun is killed"
if whole "gdb killed, a terminal that is closed"; then
	begin_gdb
	kill -KILL $(while read -r pid _; do [ "$(cat "/proc/$pid/comm")" = gdb ] && echo "$pid"; done <<<"$KIN")
	wait $PID
	[ $? -eq 137 ]
	ok $? "gdb killed: umrun ends as gdb ended" "$(cat "$dir/out")"
	gone "$KIN" "... and none is left"
	hang_up "a terminal that is closed" 'Breakpoint 1, ' \
		"$umrun --kernel $debug --log $dir/log --gdb --gdb-arg=-nx --gdb-arg=-x --gdb-arg=$top/gdb-scripts/umlab.py --gdb-arg=-ex --gdb-arg='break start_kernel' --gdb-arg=-ex --gdb-arg=run sleep 60"
fi
finish
