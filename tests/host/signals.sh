#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: what a script of uml/ waits for ends with it, however it ends: a signal, a kill without a chance, a make that is gone.
# timeout: 120
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/tap.sh"
dir=$(mktemp -d) || exit 2
trap 'pkill -f "^sleep $long\$"; rm -rf "$dir"' EXIT
long=99$$.5 # seconds that nobody else sleeps

# A script as those are: a function and, below it, another such script that waits in a pipe.
mkdir "$dir/uml"
cp "$top"/uml/{lib,signals}.sh "$dir/uml"
cat >"$dir/uml/inner.sh" <<END
echo \$\$ >"$dir/inner"
. "$dir/uml/lib.sh"
both() { sleep $long | cat; }
until_signalled both
END
cat >"$dir/uml/outer.sh" <<END
. "$dir/uml/lib.sh"
work() { bash "$dir/uml/inner.sh"; }
trap 'echo ended >"$dir/ended"' EXIT
until_signalled work
END
left() { pgrep -cf "^sleep $long\$"; }
# within SECONDS COMMAND...: whether it succeeds in that time.
within() { local i; for ((i = 0; i < $1 * 10; i++)); do "${@:2}" && return; sleep 0.1; done; return 1; }
sleeps() { [ "$(left)" = 1 ]; }
gone() { [ "$(left)" = 0 ]; }
ended() { ! grep -qs '^State:[[:space:]]*[^ZX]' "/proc/$PID/status"; }

# start: the script, in a session of its own; PID, and its make's, MAKE_PID.
start()
{
	rm -f "$dir/ended"
	sleep 600 & MAKE_PID=$!
	UMLAB_MAKE=$MAKE_PID setsid env --default-signal=INT bash "$dir/uml/outer.sh" 2>"$dir/err" & PID=$!
	within 10 sleeps || ok 1 "it has begun" "$(cat "$dir/err")"
}
# finish_of STATUS NAME: the script's end, and what it leaves.
finish_of()
{
	local status=0 t=$SECONDS
	within 15 ended || kill -KILL -- "-$PID"
	wait "$PID" 2>/dev/null || status=$?
	is "$status" "$1" "$2: its exit status"
	ok $((SECONDS - t > 6)) "$2: it ends at once" "after $((SECONDS - t)) s"
	within 5 gone; ok $? "$2: nothing of it works on" "$(ps -ef | grep "[s]leep $long")"
	kill "$MAKE_PID" 2>/dev/null; wait "$MAKE_PID" 2>/dev/null
}

for sig in TERM HUP; do
	start; kill -$sig "$PID"; finish_of 143 "SIG$sig"
	is "$(cat "$dir/ended" 2>/dev/null)" ended "SIG$sig: it cleans up"
	is "$(grep -c interrupted "$dir/err")" 1 "SIG$sig: and says so once"
done
start; kill -INT -- "-$PID"; finish_of 130 "Ctrl-C"
start; kill -KILL "$PID"; finish_of 137 "SIGKILL"
start; kill -KILL "$(cat "$dir/inner")"; finish_of 137 "SIGKILL of one below"
start; kill -KILL "$MAKE_PID"; finish_of 143 "a make that is killed"
is "$(cat "$dir/ended" 2>/dev/null)" ended "a make that is killed: it cleans up"
finish
