#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: umrun's exit statuses 0 to 125 and those of signals, each caused for real.
# timeout: 180
set -u
. "$(dirname "$0")/umrun-lib.sh"

run true
status 0 "a program that succeeds"
run sh -c 'exit 1'
status 1 "a program that fails"
run sh -c 'exit 123'
status 123 "a program's 123"
for sig in 9 11 15; do
	run sh -c "kill -$sig \$\$"
	status $((128 + sig)) "a program killed by signal $sig"
done
for own in 124 125 126 127 255; do
	run --result "$dir/result" sh -c "exit $own"
	status $own "a program's own $own passes through"
	is "$(json decided_by)" '"program"' "... and --result says that the program decided"
done

run --timeout 2 --result "$dir/result" sleep 30
status 124 "a program that sleeps for ever is a time-out"
is "$(json decided_by)" '"time-out"' "... decided by the time-out"
like "$ERR" 'sleep \(pid [0-9]+, state S\): .*nanosleep' "... and stderr says where it slept"
like "$ERR" 'the end of the kernel log' "... with the log's tail"
run --timeout 3 sh -c 'while :; do :; done'
status 124 "a program that spins is a time-out"
like "$ERR" 'sh \(pid [0-9]+, state R' "... and stderr says that it ran"
run --timeout 2 sh -c 'echo LOOP >/sys/kernel/debug/provoke-crash/DIRECT'
status 124 "a kernel that spins is a time-out"
like "$ERR" 'lkdtm' "... and stderr names the function that it spins in"
run --timeout 2 sh -c 'echo HARDLOCKUP >/sys/kernel/debug/provoke-crash/DIRECT'
status 124 "a kernel that spins with interrupts off is a time-out"
like "$ERR" 'lkdtm' "... and stderr names the function, read from outside"

run no-such-program
status 125 "a program that exists nowhere"
like "$ERR" '^umrun: program: no-such-program: ' "... is named"
printf 'not a program' >"$dir/text"
chmod +x "$dir/text"
run -- "$dir/text"
status 125 "a file that is no program"
like "$ERR" "^umrun: run: $dir/text: .*executed" "... is named"
run -- /etc/passwd
status 125 "a file that may not be executed"

printf '#!/bin/sh\necho "script $1"; exit 5\n' >"$dir/script"
chmod +x "$dir/script"
run -- "$dir/script" works
status 5 "a script of the host"
is "$OUT" "script works" "... with its argument"
run -- /bin/ls -d /proc
status 0 "a dynamic program of the host, its libraries brought along"
is "$OUT" "/proc" "... works"

echo "1..$TAP_COUNT"
