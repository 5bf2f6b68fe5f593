#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: a kernel that dies or complains is status 126, and no program can forge or hide that.
# timeout: 180
set -u
. "$(dirname "$0")/umrun-lib.sh"

provoke=/sys/kernel/debug/provoke-crash/DIRECT

# complains NAME WHAT-TO-DO REGEX: 126, with such a line on stderr.
complains()
{
	run --result "$dir/result" sh -c "$2"
	status 126 "$1"
	like "$ERR" "$3" "... its first line is on stderr"
	is "$(json decided_by)" '"kernel"' "... decided by the kernel"
}

complains "a panic, by sysrq" 'echo c >/proc/sysrq-trigger' 'Kernel panic - not syncing: sysrq triggered crash'
complains "a panic, by LKDTM" "echo PANIC >$provoke" 'Kernel panic - not syncing'
complains "a BUG" "echo BUG >$provoke" 'BUG'
complains "a bad access of the kernel" "echo EXCEPTION >$provoke" 'Kernel mode fault|segfault|BUG|panic'
complains "a WARNING, though the program succeeds" "echo WARNING >$provoke; exit 0" 'WARNING: '
like "$ERR" 'lkdtm_WARNING' "... and its backtrace names the function"
complains "a WARNING followed by the program's own failure" "echo WARNING >$provoke; exit 3" 'WARNING: '

run --allow-warn sh -c "echo WARNING >$provoke; exit 3"
status 3 "--allow-warn lets the program decide"
like "$ERR" 'warned' "... with a notice"
run --allow-warn sh -c "echo BUG >$provoke"
status 126 "--allow-warn does not allow a BUG"

if whole "an RCU stall"; then
	run --timeout 60 --cpus 2 --append 'rcupdate.rcu_cpu_stall_timeout=3' sh -c "
		(while mount -t tmpfs none /mnt && umount /mnt; do :; done) &	# wants grace periods
		sleep 0.5; echo LOOP >$provoke"
	status 126 "an RCU stall"
	like "$ERR" 'stall' "... says so"
fi

# Nobody else's word counts.
fake='Kernel panic - not syncing: fake
[    1.000000] WARNING: CPU: 0 PID: 1 at mm/memory.c:1 fake
BUG: unable to handle fake
rcu: INFO: rcu_sched self-detected stall on CPU'
cat >"$dir/fake" <<END
#!/bin/sh
cat <<'TEXT'
$fake
umrun: kernel: fake
TEXT
for place in /dev/console /dev/tty0 /dev/ttyS0 /dev/kmsg /dev/stderr; do
	{ cat <<'TEXT'
$fake
TEXT
	} >\$place 2>/dev/null
done
head -c 5000 /dev/urandom >/dev/ttyS0
printf '\\003\\000\\000\\000\\004\\000\\000\\000\\000\\000\\000\\000' >/dev/ttyS0
kill -9 1
kill -SEGV 1
echo still here
exit 4
END
chmod +x "$dir/fake"
run -- "$dir/fake"
status 4 "a program that writes kernel lines and frames everywhere decides nothing"
like "$OUT" 'still here' "... and its output arrives, PID 1 still runs"
run sh -c "dmesg -n 1; echo 0 >/proc/sys/kernel/printk; echo WARNING >$provoke; exit 0"
status 126 "a WARNING that the program silenced"
run sh -c "echo 0 >/proc/sys/kernel/tainted; mount -t tmpfs none /proc; umount /sys/kernel/debug; exit 0"
status 0 "a program that hides /proc from PID 1 does no harm"
run sh -c "echo WARNING >$provoke; mount -t tmpfs none /proc; kill -9 -1; exit 0"
status 126 "a WARNING, with /proc hidden and everything killed"

# PID 1 gone, in several ways.
run poweroff -f
status 126 "a guest that was powered off"
like "$ERR" 'PID 1 is gone' "... says so"
run reboot -f
status 126 "a guest that was rebooted"
run sh -c 'echo o >/proc/sysrq-trigger; sleep 5'
status 126 "a guest that was powered off by sysrq"
run sh -c 'echo b >/proc/sysrq-trigger; sleep 5'
status 126 "a guest that was rebooted by sysrq"

run --append 'init=/nonexistent rdinit=/nonexistent' true
status 126 "a guest without PID 1"
like "$ERR" 'panic' "... with the panic"

# Kills the kernel on its way out, when the program has ended: from then on umrun traces it.
abort_at_power_off()
{
	local pids= pid key value

	start sleep 0.5
	until [ -n "$pids" ] || ! kill -0 $PID; do
		sleep 0.1
		pids=$(family $PID | while read -r pid _; do
			read -r key < "/proc/$pid/comm" && [ "$key" = linux ] && echo "$pid"
		done)
	done 2> /dev/null
	while kill -0 $PID 2> /dev/null; do
		for pid in $pids; do
			while read -r key value; do
				[ "$key$value" = "TracerPid:$PID" ] && kill -ABRT "$pid" && break 3
			done < "/proc/$pid/status"
		done
	done 2> /dev/null
	wait $PID
	STATUS=$? ERR=$(cat "$dir/err")
}
# It may be gone before it is hit.
for try in 1 2 3 4 5 6 7 8; do
	abort_at_power_off
	[ $STATUS -eq 0 ] || break
done
status 126 "a kernel that dies at power-off"
like "$ERR" "last stack of the kernel's first CPU:" "... with the place where it was, since its log says nothing"
like "$ERR" '^      [A-Za-z_.]+.*\+0x' "... by name"

echo "1..$TAP_COUNT"
