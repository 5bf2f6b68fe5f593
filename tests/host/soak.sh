#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: tests/soak.sh, with a runner that only says what a guest would say: seeds go on
# from slice to slice, modes take turns, the first failure ends it and can be replayed.
# timeout: 120
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/tap.sh"
[ -x "$top/build/tests/guest/random" ] || { echo "1..0 # SKIP no build/tests/guest/random yet: make guest-tests"; exit 0; }
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/kernel"
: > "$dir/kernel/linux"
chmod +x "$dir/kernel/linux"

# kernel POINT PT_RECLAIM
kernel() { printf 'point=%s\nflavour=fast\npt_reclaim=%s\n' "$1" "$2" > "$dir/kernel/umlab.info"; }

# umrun TEXT: a runner whose guests do what the text says, in bash; FIRST is the first seed.
umrun()
{
	{ printf '#!/usr/bin/env bash\nwhile [ $# -gt 0 ]; do case $1 in RANDOM_FIRST=*) FIRST=${1#*=} ;; POINT=*|UML_MODE=*) echo "$1" >> %q ;; esac; shift; done\n' "$dir/told"
	  cat; } > "$dir/umrun"
	chmod +x "$dir/umrun"
	rm -f "$dir/told"
}

soak()
{
	OUT=$("$top/tests/soak.sh" --umrun "$dir/umrun" --results "$dir/results" "$@" "$dir/kernel" 2>&1)
	STATUS=$?
}

kernel fixed y
umrun <<'END'
sleep 1
echo "# random: 3 rounds, 2700 operations, 900 a second, seeds $FIRST to $((FIRST + 2))"
END
soak --seconds 4 --slice 2 --first 500 --modes 'ptrace/1 seccomp/2'
slices=$(grep -c '^UML_MODE' "$dir/told")
is "$STATUS" 0 "no failure is status 0"
like "$OUT" 'seccomp/2  .*seeds 503 to 505' "seeds go on from slice to slice"
is "$(grep '^UML_MODE' "$dir/told" | head -n 3 | paste -sd' ')" "UML_MODE=ptrace/1 UML_MODE=seccomp/2 UML_MODE=ptrace/1" "modes take turns until the time is over"
is "$(tail -n 2 <<< "$OUT" | head -n 1 | grep -o '^[0-9]* operations')" "$((slices * 2700)) operations" "operations are totalled"
is "$(tail -n 1 <<< "$OUT")" "100%: Checks: $((slices * 3)), Failures: 0, Errors: 0" "each round is a check"

umrun <<'END'
echo "# replay: make check T=random SEED=7"
echo "not ok 1 - region 0 page 0 is stale"
echo "# replay: make check T=random SEED=7 OPS=1,2"
exit 1
END
soak
is "$STATUS" 1 "a failure is status 1, at once"
like "$OUT" 'region 0 page 0 is stale' "what failed is shown"
like "$OUT" 'replay: make check T=random SEED=7 OPS=1,2 P=fixed F=fast TESTS_MODES=ptrace/1' "how to replay it, in which kernel and mode"
is "$(tail -n 1 <<< "$OUT")" "0%: Checks: 1, Failures: 1, Errors: 0" "and it is counted"

umrun <<< 'exit 126'
soak
is "$STATUS $(tail -n 1 <<< "$OUT")" "1 0%: Checks: 1, Failures: 0, Errors: 1" "a kernel that died is an error"

umrun <<< 'echo "# SKIP for a reason"'
kernel tree-1234 y
soak
is "$STATUS" 1 "skipped in every mode is no pass"
is "$(grep -c 'for a reason' <<< "$OUT")" 3 "each mode says why"
is "$(sort -u "$dir/told" | grep POINT)" "POINT=series+own" "a tree of the user's may have the bugs of the point that it amounts to"
umrun <<< 'echo "# SKIP for a reason"'
kernel 3 n
soak
is "$(sort -u "$dir/told" | grep POINT)" "POINT=base+own" "... a point in between as well"
umrun <<< 'echo "# SKIP for a reason"'
kernel work y
echo 'int um_tlb_enter_user; int main(void) { return 0; }' | gcc -x c -o "$dir/kernel/linux" -
soak
is "$(sort -u "$dir/told" | grep POINT)" "POINT=fixed+own" "... and one with the fixes of UML has none of them"

# kill -9 gives it no chance to end the guest itself.
umrun <<END
echo \$\$ > $dir/guest
exec sleep 60
END
"$top/tests/soak.sh" --umrun "$dir/umrun" --results "$dir/results" "$dir/kernel" > /dev/null 2>&1 &
disown
while [ ! -s "$dir/guest" ]; do sleep 0.1; done
kill -KILL $!
left=50
while kill -0 "$(< "$dir/guest")" 2> /dev/null && [ $left -gt 0 ]; do sleep 0.1; left=$((left - 1)); done
[ $left -gt 0 ]
ok $? "a guest ends with a soak that was killed"

soak --modes nonsense
is "$STATUS" 2 "an unknown mode is refused"
finish
