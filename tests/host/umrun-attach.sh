#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: umrun --attach: gdb on a run that is under way, which goes on afterwards as if nothing had been.
# timeout: 400
set -u
. "$(dirname "$0")/umrun-lib.sh"

debug=$(first_kernel debug fixed series work)

# What the guest does until gdb has it: nobody's sleep is long enough on a busy machine.
share=$dir/share
mkdir -m 777 "$share"
until='echo ready; while [ ! -e /share/go ]; do sleep 0.1; done'
go="shell touch $share/go"

# up: waits until the program of the last start() says so.
up()
{
	local i
	for ((i = 0; i < 300; i++)); do
		grep -q ready "$dir/out" 2>/dev/null && return
		sleep 0.1
	done
	diag "no sign of the program: $(cat "$dir/err")"
}

# begin OPTION... -- SCRIPT: a run that waits for $go, then does that; sets PID.
begin()
{
	local options=()
	while [ "$1" != -- ]; do options+=("$1"); shift; done
	# What the run before has said is no sign of this one.
	rm -f "$share/go" "$dir/out"
	start --share "$share" --timeout 300 "${options[@]}" -- sh -c "$until; $2"
	up
}

# attach TARGET GDB-ARGUMENT...: to the umrun of that PID (empty: the only one); sets STATUS, OUT, ERR.
attach()
{
	local target=$1 arg args=()
	shift
	for arg; do args+=("--gdb-arg=$arg"); done
	timeout -k 5 100 "$umrun" "--attach${target:+=$target}" --gdb-arg=-nx --gdb-arg=-batch "${args[@]}" \
		>"$dir/gdb.out" 2>"$dir/gdb.err" </dev/null
	STATUS=$?
	OUT=$(cat "$dir/gdb.out") ERR=$(cat "$dir/gdb.err")
}

# attach_behind GDB-ARGUMENT...: the same in the background, until it prints "attached"; sets GDB.
attach_behind()
{
	local arg args=() i
	rm -f "$dir/gdb.out"
	for arg; do args+=("--gdb-arg=$arg"); done
	"$umrun" --attach=$PID --gdb-arg=-nx --gdb-arg=-batch --gdb-arg=-ex --gdb-arg='echo attached\n' "${args[@]}" \
		>"$dir/gdb.out" 2>&1 </dev/null &
	GDB=$!
	for ((i = 0; i < 300; i++)); do
		grep -q '^attached' "$dir/gdb.out" 2>/dev/null && return
		sleep 0.1
	done
	diag "gdb did not attach: $(cat "$dir/gdb.out")"
}

# ended WANT NAME: the last run ends so.
ended()
{
	touch "$share/go"
	wait $PID
	STATUS=$? ERR=$(cat "$dir/err")
	status "$1" "$2"
}

# ---- attach, look, leave ----

begin -- 'exit 5'
attach $PID -ex 'info threads' -ex bt -ex 'shell sleep 2' -ex "$go"
status 0 "attached"
like "$OUT" '^#[0-9]+ .* in (os_idle_sleep|do_idle|userspace|new_thread_handler)' "... gdb shows where the kernel is, by name"
like "$OUT" '^\* 1 .*LWP [0-9]{1,3}\)' "... calls its threads by the numbers that UML knows"
ended 5 "quitting gdb lets the run go on to the program's status"
is "$(grep -c 'a debugger is attached' <<<"$ERR")" 1 "... which is said, once"

# stop_in_grace KERNEL CPUS: stops for longer than RCU's patience.
stop_in_grace()
{
	local kernel=$1 at
	at="${1#"$top"/build/points/}, $2 CPUs"
	begin --cpus "$2" --append 'rcupdate.rcu_cpu_stall_timeout=3' -- '
		i=0; while [ $((i += 1)) -lt 300 ]; do mount -t tmpfs none /mnt && umount /mnt; done; exit 6'
	attach $PID -ex "$go" -ex 'break rcu_gp_init' -ex continue -ex finish -ex 'shell sleep 4' -ex delete
	like "$OUT" 'hit Breakpoint 1, .*rcu_gp_init' "$at: a breakpoint in a busy kernel"
	ended 6 "$at: a long stop in a grace period is no RCU stall"
}
if whole "long stops"; then
	begin --timeout 20 -- 'exit 5'
	attach $PID -ex 'shell sleep 21' -ex "$go"
	ended 5 "the time in gdb is no part of the run's time-out"
	stop_in_grace "$kernel" 1
	stop_in_grace "$kernel" 2
	[ -z "$debug" ] || stop_in_grace "$debug" 1
fi

if [ -n "$debug" ]; then
	fast=$kernel kernel=$debug
	begin --cpus 2 -- 'exit 5'
	attach $PID -ex 'break __se_sys_clock_nanosleep' -ex continue -ex 'p $um_comm()' -ex 'p $um_task(1)->comm' -ex 'list' -ex "$go"
	like "$OUT" '^\$1 = "sleep"' "umlab's functions are there: the program that sleeps"
	like "$OUT" '^\$2 = "init' "... and init"
	like "$OUT" 'SYSCALL_DEFINE4\(clock_nanosleep' "... and the source"
	ended 5 "... and that run ended well"
	kernel=$fast
else
	skip "a kernel with debug information" "no debug kernel yet: make kernel P=series F=debug"
fi

if whole "a kernel that hangs"; then
	# One that hangs.
	begin --timeout 15 -- 'echo HARDLOCKUP >/sys/kernel/debug/provoke-crash/DIRECT'
	touch "$share/go"
	sleep 1
	attach $PID -ex 'thread apply all bt' -ex 'shell sleep 15'
	like "$OUT" 'lkdtm_HARDLOCKUP' "a kernel that spins with interrupts off: gdb shows where"
	kill -0 $PID
	ok $? "... its time-out has not come meanwhile"
	ended 124 "... but comes when gdb is gone"
fi

# ---- the run ends under gdb ----

begin -- 'exit 7'
attach $PID -ex "$go" -ex continue -ex 'shell sleep 2; echo still here'
like "$OUT" 'exited normally' "the run ends under gdb: gdb sees it"
like "$OUT" '^still here' "... and goes on"
ended 7 "... and umrun ends as the program"
like "$ERR" 'waiting for gdb' "... after gdb, and says so"
like "$ERR" 'could not look at its last moment' "... and what it could not do"

begin -- 'echo c >/proc/sysrq-trigger'
attach $PID -ex "$go" -ex continue -ex bt
like "$OUT" 'SIG(ABRT|TERM)' "a panic under gdb stops there"
like "$OUT" ' in panic ' "... in panic()"
ended 126 "... and is a panic to umrun after it"
like "$ERR" 'sysrq triggered crash' "... with its text"

begin -- 'sleep 60'
attach $PID -ex kill
ended 126 "kill ends the run"

if whole "Ctrl-C at umrun"; then
	begin -- 'sleep 60'
	attach_behind -ex 'shell sleep 60'
	kill -INT $PID
	sleep 2
	kill -0 $PID
	ok $? "Ctrl-C at umrun while gdb holds the guest: it is not taken for dead"
	kill -INT $PID
	wait $PID
	[ $? -eq 130 ]
	ok $? "... and the second one ends the run"
	wait $GDB
fi

# ---- gdb ends, in bad ways ----

if whole "signals to umrun --attach"; then
	begin -- 'exit 5'
	for signal in KILL TERM; do
		attach_behind -ex 'break schedule' -ex 'shell sleep 60'
		kin=$(family $GDB)
		kill -$signal $GDB
		wait $GDB 2>/dev/null
		[ "$(wc -l <<<"$kin")" -ge 2 ]
		ok $? "SIG$signal to umrun --attach: there was a gdb" "$(cat "$dir/gdb.out")"
		# What its user started in it is his.
		gone "$(while read -r pid born; do
			[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = sleep ] || echo "$pid $born"
		done <<<"$kin")" "... and it is gone"
		attach_behind -ex 'break schedule' -ex continue
		kin=$(family $GDB)
		kill -$signal $GDB
		wait $GDB 2>/dev/null
		gone "$kin" "... also while the kernel runs under it"
	done
	attach $PID -ex 'bt 1'
	status 0 "... and another one can be attached"
	ended 5 "... and the run went on"
fi

if whole "SIGKILL to gdb"; then
	begin -- 'exit 5'
	for ((try = 0; try < 6; try++)); do
		# It has the kernel in the middle of a tick now and then.
		attach_behind -ex 'shell sleep 60'
		kill -KILL $(family $GDB | while read -r pid born; do [ "$(cat "/proc/$pid/comm")" = gdb ] && echo $pid; done)
		wait $GDB
		status=$?
		sleep 1.5
	done
	[ $status -eq 137 ]
	ok $? "SIGKILL to gdb itself, six times: umrun --attach ends"
	like "$(cat "$dir/gdb.out")" '^umrun: gdb died: Killed' "... and says why"
	ended 5 "... and the run goes on"
fi

begin -- 'sleep 60'
attach_behind -ex 'shell sleep 60'
kin="$(family $PID)
$(family $GDB)"
said=$("$umrun" --attach=$PID 2>&1 </dev/null)
like "$said" 'another debugger is attached: process [0-9]+ \(gdb\)' "a second debugger is refused, and told of the first"
kill -KILL $PID
wait $PID 2>/dev/null
gone "$kin" "SIGKILL to the run: neither the kernel nor the attached gdb is left"
wait $GDB
[ $? -eq 137 ]
ok $? "... and umrun --attach ends too"
like "$(cat "$dir/gdb.out")" 'the run was ended, and gdb with it' "... and says why"

# ---- on a terminal ----

# typed DELAY TEXT...: what a person types, each after so many seconds, once gdb asks.
typed()
{
	local i
	for ((i = 0; i < 300; i++)); do
		grep -q 'lets the kernel go' "$dir/typed" && break
		sleep 0.1
	done
	while [ $# -gt 1 ]; do sleep "$1"; printf "$2"; shift 2; done
	sleep 1
}

if whole "on a terminal"; then
	begin -- 'exit 5'
	: >"$dir/typed"
	typed 1 'p 40+2\n' 1 'continue\n' 2 '\003' 2 'p 50+3\n' 1 'quit\ny\n' |
		timeout 90 script -qfec "$umrun --attach=$PID --gdb-arg=-nx; stty -a | tr ';' '\n'" /dev/null >"$dir/typed"
	like "$(cat "$dir/typed")" ' = 42' "on a terminal: commands"
	like "$(cat "$dir/typed")" ' = 53' "... also after Ctrl-C in a running kernel"
	like "$(cat "$dir/typed")" '(^| )icanon' "... and the terminal is as before"
	kill -0 $PID
	ok $? "Ctrl-C in gdb and its end leave the run alone"
	: >"$dir/typed"
	typed 1 'break schedule\n' 1 'continue\n' | script -qfec "$umrun --attach=$PID --gdb-arg=-nx" /dev/null >"$dir/typed" 2>&1 &
	for ((i = 0; i < 300; i++)); do
		grep -q 'Breakpoint 1' "$dir/typed" && break
		sleep 0.1
	done
	kin=$(pgrep -f -- "--attach=$PID" | while read -r pid; do family "$pid"; done)
	kill -KILL $(pgrep -f -- "script -qfec $umrun --attach=$PID")
	wait $! 2>/dev/null
	[ -n "$kin" ]
	ok $? "a terminal that is closed: there was a gdb"
	gone "$kin" "... and it is gone"
	ended 5 "... and the run went on"
fi

# ---- which one ----

begin -- 'exit 5'
first=$PID
rm "$dir/out"
start --share "$share" -- sh -c 'echo ready; while [ ! -e /share/go ]; do sleep 0.1; done'
up
said=$("$umrun" --attach 2>&1 </dev/null)
STATUS=$? ERR=$said
status 125 "several runs: none is taken"
like "$said" "^ *$first .* $(realpath "$kernel") +sh -c echo ready; " "... they are listed, with kernel and program"
like "$said" "^ *$PID +[0-9]+ (s|min) " "... and age"
like "$said" 'say --attach=PID, or make attach PID=' "... and what to say"
attach $first -ex 'bt 1'
status 0 "... and then it is that one"
said=$("$umrun" --attach=1 2>&1 </dev/null)
like "$said" '^umrun: --attach: 1: no umrun of yours; these are' "a PID that is none"
touch "$share/go"
wait $first $PID

# Built anew since.
cp "$kernel" "$dir/kernel"
old=$kernel kernel=$dir/kernel
begin -- 'exit 5'
kernel=$old
rm "$dir/kernel"
printf 'another' >"$dir/kernel"
attach $PID -ex 'bt'
like "$ERR" 'is not the file that was booted' "a kernel built anew since then is noticed"
like "$OUT" '^#[0-9]+ .* in (os_idle_sleep|do_idle|userspace)' "... and the symbols are those of the one that runs"
ended 5 "... and the run went on"

"$umrun" --kernel "$kernel" --log "$dir/log" --gdb --gdb-arg=-nx --gdb-arg=-batch --gdb-arg=-ex --gdb-arg='shell sleep 5' true >"$dir/out" 2>&1 </dev/null &
PID=$!
sleep 1
said=$("$umrun" --attach=$PID 2>&1 </dev/null)
like "$said" 'it runs under a gdb of its own' "a run under --gdb"
wait $PID
said=$("$umrun" --attach=x 2>&1 </dev/null)
like "$said" '--attach: x: must be the PID' "a PID of letters"
said=$("$umrun" --attach ls 2>&1 </dev/null)
like "$said" '^umrun: ls: --attach takes no program' "a program has no place there"

# Another user: not root, nobody else's runs.
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	uid=$((60000 + RANDOM % 5000))
	them="setpriv --reuid $uid --regid $uid --clear-groups"
	chmod 755 "$dir"
	mkdir -m 777 "$dir/open"
	if $them test -x "$umrun" -a -r "$kernel"; then
		begin -- 'sleep 60'
		ERR=$($them "$umrun" --attach 2>&1 </dev/null)
		STATUS=$?
		status 125 "a user without a run"
		like "$ERR" 'no umrun of yours is running; start one' "... is told so, whatever others run"
		ERR=$($them "$umrun" --attach=$PID 2>&1 </dev/null)
		like "$ERR" 'no umrun of yours; none is running' "... and may not attach to another's"
		kill $PID
		wait $PID 2>/dev/null
		rm -f "$share/go" "$dir/out"
		$them "$umrun" --kernel "$kernel" --log "$dir/open/log" --share "$share" -- sh -c "$until; exit 8" >"$dir/out" 2>"$dir/err" </dev/null &
		PID=$!
		up
		OUT=$($them "$umrun" --attach --gdb-arg=-nx --gdb-arg=-batch --gdb-arg=-ex --gdb-arg='info threads' 2>"$dir/gdb.err" </dev/null)
		STATUS=$? ERR=$(cat "$dir/gdb.err")
		status 0 "a user who is not root attaches to his only run"
		like "$OUT" '^\* 1 .*LWP [0-9]{1,3}\)' "... with the same numbers"
		ended 8 "... which goes on"
	else
		skip "another user" "he can't reach the project's folder or the kernel"
	fi
else
	skip "another user" "only root can become one"
fi
finish
