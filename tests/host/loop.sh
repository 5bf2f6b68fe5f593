#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: the short ways: build/changed tells each kind of change, make check T= runs a test again without make
# as long as nothing has changed, make watch runs it on each save, and the list of make matrix is whole.
# timeout: 300
set -u
. "$(dirname "$0")/umrun-lib.sh"
changed=$top/build/changed
[ -x "$changed" ] || { echo "1..0 # SKIP no build/changed yet: make tools"; exit 0; }
cd "$dir" || exit 2

# ---- changed ----
mkdir -p src/sub
echo 1 > src/a; echo 2 > src/b
printf '%s\n' src/a src/b src/sub > list
sleep 0.02; touch stamp; sleep 0.02
is "$("$changed" --since stamp list)" "" "changed: nothing"
digest=$("$changed" --digest list)
is "$("$changed" --digest list)" "$digest" "... and the digest stays"
echo 3 > src/a
is "$("$changed" --since stamp list)" "new src/a" "changed: a file that was written"
[ "$("$changed" --digest list)" != "$digest" ]
ok $? "... and another digest"
"$changed" --digest --since stamp list > out
is "$? $(cat out)" "3 " "... which is not told when it must not have changed"
sleep 0.02; touch stamp; sleep 0.02
echo 4 > new && touch -d 2020-01-01 new && mv new src/b
is "$("$changed" --since stamp list)" "older src/b" "changed: a file that was replaced by an older one"
sleep 0.02; touch stamp; sleep 0.02
touch src/sub/x
is "$("$changed" --since stamp list)" "new src/sub" "changed: a folder with a new file"
rm src/a
like "$("$changed" --since stamp list)" '^gone src/a$' "changed: a file that is gone"
echo 5 > one; echo 6 > two; ln -s ../one src/a
sleep 0.02; touch stamp; sleep 0.02
is "$("$changed" --since stamp list)" "" "changed: a link"
ln -sfn ../two src/a
is "$("$changed" --since stamp list)" "older src/a" "... that leads to another old file now"
sleep 0.02; touch stamp; sleep 0.02
mv src/sub src/was && mv src/was src/sub
is "$("$changed" --since stamp list)" "older src/sub" "changed: a folder that was moved there"
"$changed" --since nothing list > out 2>&1
is "$? $(cat out)" "1 changed: nothing: No such file or directory: --since: give a file" "changed: a wrong stamp"
"$changed" list > out 2>&1
is "$?" 2 "changed: wrong usage"

# ---- make check T= ----
# Not the results of the run that we are part of.
export UMLAB_RESULTS=$dir/results
kernel=$(first_kernel fast fixed series base)
point=$(sed -n 's/^point=//p' "${kernel%/*}/umlab.info")
[ -f "${kernel%/*}/.umlab/args" ] || { skip "a test again" "that kernel was built without ninja"; finish; exit; }
again() { OUT=$(cd "$top" && env -u MAKEFLAGS -u MAKELEVEL -u TAP -u F -u LINUX -u PATCHES -u SOURCE -u JOBS -u MODE -u GDB make check T='vmpte: one_table_is_reclaimed' P="$point" 2>&1 < /dev/null); STATUS=$?; }
again
like "$OUT" '^100%: Checks: 1, Failures: 0, Errors: 0$' "make check T=: one test"
# Of several for that test (PATH was another) the last one that was run.
saved=
for kept in "$top"/build/again/*/; do
	grep -qsaF "$(printf '%s=' "$point")" "$kept/args" && grep -qsaF "vmpte: one_table_is_reclaimed" "$kept/args" || continue
	[ -n "$saved" ] && [ "$saved/jobs" -nt "$kept/jobs" ] || saved=$kept
done
[ -f "$saved/jobs" ]
ok $? "... is kept for the next time"
was=$(stat -c %Y.%Z "$saved/start")
again
is "$(tail -n 1 <<< "$OUT") $(stat -c %Y.%Z "$saved/start")" "100%: Checks: 1, Failures: 0, Errors: 0 $was" "... which is not a whole run"
touch "$top/build/rootfs.cpio"
again
[ "$(stat -c %Y.%Z "$saved/start")" != "$was" ] && [ "$STATUS" -eq 0 ]
ok $? "... unless something that it is made from has changed"
was=$(stat -c %Y.%Z "$saved/start")
exec 7> "$saved/lock"
flock 7
touch "$top/build/rootfs.cpio"
again
exec 7>&-
is "$(tail -n 1 <<< "$OUT") $(stat -c %Y.%Z "$saved/start")" "100%: Checks: 1, Failures: 0, Errors: 0 $was" "beside another run of it: it leaves what that keeps alone"
deps=${kernel%/*}/.umlab/.ninja_deps
head -c -3 "$deps" > cut
"$changed" --since stamp cut 2> out > /dev/null
like "$? $(cat out)" '^1 changed: cut: .*: it is cut off: build again' "changed: a list of ninja's that is cut off"
: > cut
"$changed" --since stamp cut > out 2>&1
is $? 1 "... or empty"
# ---- make matrix ----
is "$(T= POINTS='base series' FLAVOURS='fast' MODES='ptrace/1 seccomp/2' SEEDS='7 8' "$top/tests/matrix.sh" list | sort | md5sum)" \
	"$(for p in base series; do for m in ptrace/1 seccomp/2; do for s in - 7 8; do echo "$p fast $m $s"; done; done; done | sort | md5sum)" "make matrix: each point, flavour, mode and seed once"
finish
