#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: umrun --gdb-on-fail: what the kernel reports stops it in gdb, at the function at fault; else nobody sees gdb.
# timeout: 500
set -u
. "$(dirname "$0")/umrun-lib.sh"

provoke=/sys/kernel/debug/provoke-crash/DIRECT
fast=$kernel

debug=$(first_kernel debug) sanitize=$(first_kernel sanitize)

# stops NAME SCRIPT WHAT CULPRIT: the kernel reports WHAT (regex), and gdb is in that function.
stops()
{
	run --gdb-on-fail --timeout 100 --result "$dir/result" "${with[@]}" sh -c "$2"
	status 126 "$1"
	like "$ERR" "^gdb: $3" "... gdb says what was reported"
	like "$ERR" "^#[0-9]+ (.* )?($4) " "... the backtrace has the function at fault"
	if [ "$kernel" = "$debug" ]; then
		like "$ERR" "^gdb: ($4)\(\):" "... whose variables are shown"
	fi
	is "$(json decided_by)" '"kernel"' "... decided by the kernel"
}
with=()

# ---- nothing fails ----

cat >"$dir/well" <<'END'
#!/bin/sh
echo to stdout
echo to stderr >&2
cat
[ -t 0 ] || echo no terminal
exit 9
END
chmod +x "$dir/well"
for cpus in 1 2; do
	head -c 300000 /dev/urandom | base64 >"$dir/in"
	"$umrun" --kernel "$kernel" --log "$dir/log" --gdb-on-fail --cpus $cpus --result "$dir/result" -- "$dir/well" \
		<"$dir/in" >"$dir/out" 2>"$dir/err"
	STATUS=$? ERR=$(cat "$dir/err")
	status 9 "$cpus CPUs: nothing fails: the program's status"
	is "$(json decided_by)" '"program"' "$cpus CPUs: ... decided by it"
	{ echo to stdout; cat "$dir/in"; echo no terminal; } | cmp - "$dir/out"
	ok $? "$cpus CPUs: ... its input and output"
	is "$ERR" 'to stderr' "$cpus CPUs: ... and nothing else on stderr"
done
run --gdb-on-fail sh -c 'kill -9 $$'
status 137 "a program that is killed by a signal"
run --gdb-on-fail --allow-warn sh -c "echo WARNING >$provoke; exit 3"
status 3 "--allow-warn: a WARNING stops nothing"
run --gdb-on-fail --log "$dir/log2" no-such-program
status 125 "a program that is nowhere"
run --gdb-on-fail reboot -f
status 126 "a guest that was rebooted"
like "$ERR" 'PID 1 is gone|rebooted' "... is no stop"

# ---- reports ----

stops "symbols only: a WARNING" "echo WARNING >$provoke" 'WARNING at drivers/misc/lkdtm/bugs.c:[0-9]+' lkdtm_WARNING
like "$ERR" 'no source lines, arguments or locals: this kernel has no debug information' "... and says what is missing"
like "$ERR" '^umrun: kernel: taint 512: WARNING: WARNING' "... with umrun's verdict, as without gdb"
stops "symbols only: a panic" 'echo c >/proc/sysrq-trigger' 'panic: sysrq triggered crash' sysrq_handle_crash
stops "symbols only: a bad access" "echo EXCEPTION >$provoke" 'panic: Kernel mode fault at addr 0x0, ip 0x6' lkdtm_EXCEPTION

if whole "an RCU stall"; then
	with=(--cpus 2 --append 'rcupdate.rcu_cpu_stall_timeout=3')
	stops "symbols only: an RCU stall: what the tick interrupted" "
		(while mount -t tmpfs none /mnt && umount /mnt; do :; done) &	# wants grace periods
		sleep 0.5; echo LOOP >$provoke" 'panic: RCU Stall' lkdtm_LOOP
	with=()
fi

# A report that leaves nothing but a line of the log: a counter that does not fit.
wrong_counter()
{
	cat >"$dir/plant.py" <<'END'
import gdb


class Plant(gdb.Breakpoint):
    def stop(self):
        mm = gdb.newest_frame().read_var("mm")
        gdb.selected_inferior().write_memory(int(mm["rss_stat"][0]["count"].address), b"\7")
        return False


Plant("__mmdrop", internal=True)
END
	run --gdb-on-fail --timeout 100 --gdb-arg=-x --gdb-arg="$dir/plant.py" true
	status 126 "a page counter that is wrong when a process ends"
	like "$ERR" '^gdb: BUG: Bad rss-counter state' "... gdb has the message"
	like "$ERR" '^umrun: kernel: the kernel complained: BUG: Bad rss-counter state mm:.* val:7 ' "... the log all of it"
	like "$ERR" '^#[0-9]+ .*(finish_task_switch|exec_mmap|exit_mm|mmput|mmdrop)' "... and the backtrace who let go of it"
}

# Nothing but the time-out tells of it.
interrupts_off()
{
	run --gdb-on-fail --timeout 15 sh -c "echo HARDLOCKUP >$provoke"
	status 124 "a kernel that spins with interrupts off is a time-out"
	like "$ERR" '^#[0-9]+ .*lkdtm_HARDLOCKUP \(\) at drivers' "... and gdb shows where"
}

if [ -n "$debug" ]; then
	kernel=$debug
	stops "a WARNING with a text" "echo WARNING_MESSAGE >$provoke" 'WARNING at drivers/misc/lkdtm/bugs.c:[0-9]+: Warning message trigger count: 1' lkdtm_WARNING_MESSAGE
	like "$ERR" 'pr_info|WARN\(' "... the line"
	stops "a panic" "echo PANIC >$provoke" 'panic: dumptest' lkdtm_PANIC
	if whole "two CPUs, no PID 1"; then
		with=(--cpus 2)
		stops "two CPUs: a BUG" "echo BUG >$provoke" 'panic: BUG!' lkdtm_BUG
		stops "two CPUs: a bad access" "echo EXCEPTION >$provoke" 'panic: Kernel mode fault' lkdtm_EXCEPTION
		with=(--append 'init=/nonexistent rdinit=/nonexistent')
		stops "no PID 1: a panic at boot" true 'panic: ' 'kernel_init|mount_root.*|prepare_namespace'
		with=()
	fi
	if whole "a wrong counter, interrupts off"; then
		wrong_counter
		interrupts_off
	fi
	kernel=$fast
else
	skip "reports with arguments and locals" "no debug kernel yet: make kernel P=series F=debug"
fi

if ! whole "reports of KASAN and lockdep"; then
	:
elif [ -n "$sanitize" ]; then
	kernel=$sanitize
	with=(--mem 1G)
	stops "a KASAN report" "echo READ_AFTER_FREE >$provoke" 'bad page, or KASAN report in ' lkdtm_READ_AFTER_FREE
	like "$ERR" 'BUG: KASAN: slab-use-after-free' "... with its text"
	# plant FUNCTION: makes lockdep forget which locks are held, at its begin.
	plant()
	{
		cat >"$dir/plant.py" <<-END
			import gdb


			class Plant(gdb.Breakpoint):
			    def stop(self):
			        # With a cast to struct task_struct gdb looks for one in every file.
			        task = gdb.parse_and_eval("cpu_tasks")[0]
			        memory = gdb.selected_inferior()
			        memory.write_memory(int(task["lockdep_depth"].address), bytes(4))
			        memory.write_memory(int(task["curr_chain_key"].address), b"\\xff" * 8)
			        return False


			Plant("*$1", internal=True)
		END
		with=(--mem 1G --gdb-arg=-x --gdb-arg="$dir/plant.py")
	}
	if gdb -nx -batch -ex 'ptype struct lock_class_key' "$kernel" >/dev/null 2>&1; then
		plant up_write
		stops "a lockdep report" true 'lock debugging: (print_unlock_imbalance_bug|lock_release)\(\)' up_write
		plant unmap_vmas
		stops "RCU without its lock" true 'suspicious RCU usage: lib/maple_tree.c:[0-9]+: suspicious rcu_dereference_check' 'unmap_vmas|mas_find|mas_next_slot|mt_slot'
		like "$ERR" 'WARNING: suspicious RCU usage' "... with its text"
	else
		skip "lockdep reports" "$kernel has no debug information, which their plants need"
	fi
	with=()
	kernel=$fast
else
	skip "KASAN and lockdep reports" "no sanitize kernel yet: make kernel P=fixed F=sanitize"
fi

# ---- on a terminal ----

# typed MARK DELAY TEXT...: what a person types once MARK is on the screen, each followed by so many seconds.
typed()
{
	local i mark=$1
	shift
	for ((i = 0; i < 400; i++)); do
		grep -q "$mark" "$dir/screen" && break
		sleep 0.1
	done
	sleep 1
	while [ $# -gt 1 ]; do printf "$2"; sleep "$1"; shift 2; done
	sleep 1
}

# person MARK DELAY TEXT... -- OPTION... -- SCRIPT: a run on a terminal at which that is typed; sets OUT.
person()
{
	local keys=() options=()
	while [ "$1" != -- ]; do keys+=("$1"); shift; done
	shift
	while [ "$1" != -- ]; do options+=("$1"); shift; done
	: >"$dir/screen"
	typed "${keys[@]}" | timeout 120 script -qfec "TERM=dumb $umrun --kernel $kernel --log $dir/log --gdb-on-fail --gdb-arg=-nx ${options[*]} -- sh -c '$2'
		echo status \$?; stty -a | tr ';' '\n'" /dev/null >"$dir/screen"
	OUT=$(tr -d '\r' <"$dir/screen")
}

kernel=${debug:-$fast}
person 'continue goes on' 1 'p 40+2\n' 1 'info symbol $pc\n' 5 'continue\n' 2 'quit\n' -- --timeout 90 -- "echo before; tty; echo WARNING >$provoke; echo after"
like "$OUT" '^before' "on a terminal: the program has it first"
like "$OUT" '^/dev/pts' "... one of its own"
like "$OUT" '^umrun: kernel: WARNING at drivers/misc/lkdtm/bugs.c' "... then the report"
like "$OUT" ' = 42' "... and gdb takes commands"
like "$OUT" '^lkdtm_WARNING' "... in the function at fault"
like "$OUT" '^after' "continue goes on in the program"
like "$OUT" '^status 126' "... and the status is that of the report"
like "$OUT" '(^| )icanon' "... and the terminal is as before"
kernel=$fast
if whole "on a terminal: a guest that hangs, and a time-out"; then
	person ready 3 '\003' 4 '\003' 5 'bt\n' 2 'quit\n' 1 'y\n' -- --timeout 90 -- "echo ready; echo HARDLOCKUP >$provoke"
	like "$OUT" 'in .*lkdtm_HARDLOCKUP' "Ctrl-C at a guest that hangs: gdb shows where"
	like "$OUT" '^status 130' "... with the status of the signal"
	person 'continue goes on' 1 'bt\n' 1 'kill\n' 1 'y\n' 1 'quit\n' -- --timeout 10 -- "echo ready; sleep 100"
	like "$OUT" 'time-out: 10 s are over' "a time-out on a terminal"
	like "$OUT" '^#0 ' "... stops in gdb, too"
	like "$OUT" '^status 124' "... and is one"
fi

# ---- the ends ----

# after SIGNAL NAME SCRIPT MARK: a run that gets the signal when MARK is on its stdout; nothing is left.
after()
{
	local i kin
	rm -f "$dir/out"
	start --gdb-on-fail -- sh -c "$3"
	for ((i = 0; i < 300; i++)); do
		grep -q "$4" "$dir/out" 2>/dev/null && break
		sleep 0.1
	done
	kin=$(family $PID)
	kill -"$1" $PID
	wait $PID 2>/dev/null
	[ "$(wc -l <<<"$kin")" -ge 3 ]
	ok $? "$2: gdb and the kernel were there"
	gone "$kin" "... and are gone"
}
after KILL "SIGKILL" 'echo ready; sleep 60' ready
if whole "SIGTERM, SIGHUP"; then
	after TERM "SIGTERM" 'echo ready; sleep 60' ready
	after HUP "SIGHUP" 'echo ready; sleep 60' ready
fi
hang_up "a terminal that is closed while gdb has it" 'continue goes on' \
	"TERM=dumb $umrun --kernel $kernel --log $dir/log --gdb-on-fail --gdb-arg=-nx -- sh -c 'echo c >/proc/sysrq-trigger'"

for other in --gdb --attach; do
	run --gdb-on-fail $other true
	status 125 "--gdb-on-fail and $other"
	like "$ERR" 'only one of them' "... exclude each other"
done
finish
