#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: however umrun ends, within two seconds no process, folder or file of the run is left.
# timeout: 180
set -u
. "$(dirname "$0")/umrun-lib.sh"

# Where a run could leave something; others may be at work in the real ones.
mkdir "$dir/tmp" "$dir/home"
export TMPDIR=$dir/tmp HOME=$dir/home
places() { find "$dir/tmp" "$dir/home" -mindepth 1; ls -A /dev/shm | grep -i -e uml -e vm_file; }

# after SIGNAL DELAY WANT NAME PROGRAM...: a run that gets the signal after that many seconds.
after()
{
	local signal=$1 delay=$2 want=$3 name=$4 began kin i
	shift 4
	start "$@"
	sleep "$delay"
	# On a busy machine there may be none yet.
	for ((i = 0; i < 200; i++)); do
		kin=$(family $PID)
		[ -z "$kin" ] || break
		sleep 0.01
	done
	began=$(date +%s%N)
	kill -"$signal" $PID
	wait $PID 2>/dev/null
	STATUS=$?
	ERR=$(cat "$dir/err")
	status "$want" "$name: exit status $want"
	[ $((($(date +%s%N) - began) / 1000000)) -lt 2000 ]
	ok $? "$name: within two seconds" "it took $((($(date +%s%N) - began) / 1000000)) ms"
	[ -n "$kin" ]
	ok $? "$name: there were processes to end"
	gone "$kin" "$name: none is left"
}

before=$(places)
stubborn='trap "" INT TERM HUP; echo ready; while :; do sleep 1; done'

after TERM 1 143 "SIGTERM while a program runs" -- sleep 60
after HUP 1 129 "SIGHUP while a program runs" -- sleep 60
after INT 1 130 "SIGINT while a program runs" -- sleep 60
after KILL 1 137 "SIGKILL while a program runs" -- sleep 60
after KILL 1 137 "SIGKILL, many processes, two CPUs" --cpus 2 -- sh -c 'for i in 1 2 3 4 5 6; do (while :; do :; done) & done; wait'
after KILL 1 137 "SIGKILL while the disk is written" --disk 256M -- sh -c 'while :; do dd if=/dev/zero of=/dev/ubda bs=1M; sync; done'
after TERM 1 143 "SIGTERM while the disk is written" --disk 256M -- sh -c 'while :; do dd if=/dev/zero of=/dev/ubda bs=1M; sync; done'
after KILL 0.05 137 "SIGKILL during boot" -- sleep 60
after TERM 0.05 143 "SIGTERM during boot" -- sleep 60
after TERM 1 143 "SIGTERM, a program that ignores it" -- sh -c "$stubborn"
after TERM 1 143 "SIGTERM, a kernel that hangs" -- sh -c 'echo HARDLOCKUP >/sys/kernel/debug/provoke-crash/DIRECT'
after INT 1 130 "SIGINT, a kernel that hangs" -- sh -c 'echo HARDLOCKUP >/sys/kernel/debug/provoke-crash/DIRECT'

# Nobody reads what it writes.
mkfifo "$dir/fifo"
for signal in TERM INT; do
	sleep 60 <"$dir/fifo" &
	reader=$!
	"$umrun" --kernel "$kernel" --log "$dir/log" yes >"$dir/fifo" 2>"$dir/err" </dev/null &
	PID=$!
	sleep 1
	began=$(date +%s%N)
	kill -$signal $PID
	wait $PID 2>/dev/null
	[ $((($(date +%s%N) - began) / 1000000)) -lt 2000 ]
	ok $? "SIG$signal with a reader that is stuck: within two seconds" "$(cat "$dir/err")"
	kill $reader
	wait $reader 2>/dev/null
done

# Ctrl-C is the program's to deal with.
start -- sh -c 'trap "echo caught; exit 9" INT; echo ready; while :; do sleep 0.1; done'
until_said ready
kill -INT $PID
wait $PID
STATUS=$? ERR=$(cat "$dir/err")
status 9 "SIGINT reaches the program first"
like "$(cat "$dir/out")" '^caught$' "... which may handle it"
start -- sh -c "$stubborn"
until_said ready
kin=$(family $PID)
kill -INT $PID
sleep 0.5
kill -0 $PID 2>/dev/null
ok $? "a program that ignores SIGINT goes on"
kill -INT $PID
wait $PID
STATUS=$? ERR=$(cat "$dir/err")
status 130 "a second SIGINT ends the run"
gone "$kin" "... and leaves nothing"

# The supervisor inside may die as well.
start -- sleep 60
sleep 1
kin=$(family $PID)
kill -KILL "$(pgrep -P $PID)"
wait $PID
STATUS=$? ERR=$(cat "$dir/err")
status 126 "a guest killed from outside is gone"
gone "$kin" "... with all its processes"

# Killed at random moments.
for i in 1 2 3 4 5 6 7 8; do
	start -- sh -c 'while :; do ls / >/dev/null; done'
	sleep "0.$((RANDOM % 60 + 10))"
	kin="$kin
$(family $PID)"
	kill -KILL $PID
	wait $PID 2>/dev/null
done
gone "$kin" "eight runs killed at random moments leave nothing"

run --timeout 1 sleep 60
run true
run --disk 64M dd if=/dev/zero of=/dev/ubda bs=1M count=60
run sh -c 'echo c >/proc/sysrq-trigger'
is "$(places)" "$before" "no file or folder is left in TMPDIR, /dev/shm or ~/.uml"
[ -z "$(find "$dir" -name 'core*')" ] && [ ! -e core ]
ok $? "a dead kernel leaves no core file"
echo "1..$TAP_COUNT"
