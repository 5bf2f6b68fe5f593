#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: stdin, stdout and stderr are the program's own, byte for byte, apart from each other.
# timeout: 300
set -u
. "$(dirname "$0")/umrun-lib.sh"

through() { "$umrun" --kernel "$kernel" --log "$dir/log" "$@" 2>"$dir/err"; }

head -c 20000000 /dev/urandom >"$dir/random"
through cat <"$dir/random" >"$dir/copy"
cmp "$dir/random" "$dir/copy" >/dev/null 2>&1
ok $? "20 MB of a regular file through cat" "$(cmp "$dir/random" "$dir/copy" 2>&1); $(cat "$dir/err")"
if whole "20 MB through pipes, two CPUs"; then
	cat "$dir/random" | through --cpus 2 cat | cmp - "$dir/random" >/dev/null 2>&1
	ok $? "20 MB through pipes, two CPUs" "$(cat "$dir/err")"
fi
is "$(through wc -c </dev/null)" 0 "an empty stdin ends"
is "$(printf 'x' | through cat)" x "one byte without a newline"
is "$(printf 'a\nb\n' | through sh -c 'read -r x; echo "<$x>"; cat')" "<a>
b" "a program reads what another left"

# Beside the other tests; looked at in the end.
(sleep 12; cat) < <("$umrun" --kernel "$kernel" --log "$dir/slow.log" head -c 2000000 /dev/zero 2>"$dir/slow.err" </dev/null) | wc -c >"$dir/slow" &

through sh -c 'echo one; echo two >&2; echo three' >"$dir/out" </dev/null
is "$(cat "$dir/out")" "one
three" "stdout has what was written there"
is "$(cat "$dir/err")" two "stderr has what was written there, and no kernel line"
is "$(through head -c 3000000 /dev/zero </dev/null | wc -c)" 3000000 "output is whole when the program ends right after it"
(exec 2>&1; "$umrun" --kernel "$kernel" --log "$dir/log" sh -c 'head -c 500000 /dev/zero; head -c 500000 /dev/zero >&2') </dev/null >"$dir/both"
is "$(wc -c <"$dir/both")" 1000000 "both streams in one pipe are whole"

"$umrun" --kernel "$kernel" --log "$dir/log" yes 2>"$dir/err" </dev/null | head -n 1 >"$dir/out"
is "${PIPESTATUS[0]}" 141 "a program whose reader went away gets SIGPIPE"
yes | through --timeout 20 true
ok $? "a program that reads nothing of an endless stdin"
is "$(through sh -c '[ -t 0 ] || [ -t 1 ] || echo none' </dev/null)" none "no terminal inside without one outside"

# A terminal outside, by util-linux's script. (Of its own end of input that may leave an echo: ^@.)
term() { script -qec "stty rows 33 cols 99; $umrun --kernel $kernel --log $dir/log $1" /dev/null </dev/null | tr -d '\r' | sed 's/\^@$//'; }
like "$(term tty)" '/dev/pts/' "a terminal inside with one outside"
like "$(term "stty size")" '33 99$' "... of the same size"
like "$(term "sh -c '[ -t 2 ] && echo all'")" 'all$' "... stderr as well"
like "$( (sleep 1.5; printf 'echo $((6*7))\nexit 3\n'; sleep 1) | script -qec "$umrun --kernel $kernel --log $dir/log sh; echo status \$?" /dev/null | tr -d '\r')" '^status 3' "an interactive shell takes input and ends"
like "$( (sleep 1.5; printf 'sleep 50\n'; sleep 1; printf '\003'; sleep 0.5; printf 'echo back=$?\nexit\n'; sleep 1) | script -qec "$umrun --kernel $kernel --log $dir/log sh" /dev/null | tr -d '\r')" '^back=130' "Ctrl-C in it ends what runs in the foreground, not the shell"
like "$( (sleep 1.5; printf 'sleep 50\n'; sleep 1; printf '\032'; sleep 0.5; printf 'jobs\nkill %%1\nexit\n'; sleep 1) | script -qec "$umrun --kernel $kernel --log $dir/log sh" /dev/null | tr -d '\r')" 'Stopped +sleep' "Ctrl-Z in it stops a job"

for i in 1 2 3; do
	head -c 100000 /dev/urandom >"$dir/in$i"
	"$umrun" --kernel "$kernel" --log "$dir/log$i" cat <"$dir/in$i" >"$dir/out$i" 2>"$dir/err$i" &
done
wait
cmp -s "$dir/in1" "$dir/out1" && cmp -s "$dir/in2" "$dir/out2" && cmp -s "$dir/in3" "$dir/out3"
ok $? "three runs at once don't disturb each other" "$(cat "$dir"/err[123])"
is "$(cat "$dir/slow")" 2000000 "a slow reader loses nothing"
echo "1..$TAP_COUNT"
