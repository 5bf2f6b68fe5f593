#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: tests/external/run and its readers, with a runner and programs made for it.
# timeout: 120
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../tap.sh"
external=$here/../external

dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir"/{one,two,mm}
for kernel in one two; do printf '#!/bin/sh\n' >"$dir/$kernel/linux"; done
: >"$dir/expected"

# The runner: prints $dir/out.KERNEL.PROGRAM, ends with the status in $dir/status.KERNEL.PROGRAM.
# umrun's own statuses (124 and so on) it writes to --result, as umrun does.
cat >"$dir/umrun" <<'END'
#!/usr/bin/env bash
while [ "$1" != -- ]; do
	case $1 in
	--kernel) kernel=$(basename "$(dirname "$2")") ;;
	--result) result=$2 ;;
	--log) log=$2 ;;
	esac
	shift
done
shift
dir=$(dirname "$0")
[ "$1" != sh ] || shift 4
echo "$kernel $*" >>"$dir/called"
[ "$1" != true ] || { sed 's/^/[    0.100000] /' "$dir/out.$kernel.true" >"$log"; }
cat "$dir/out.$kernel.$1" 2>/dev/null
status=$(cat "$dir/status.$kernel.$1" 2>/dev/null || echo 0)
by=program
case $status in 12[4-6]) by=kernel ;; esac
printf '{\n  "decided_by": "%s",\n  "why": "reason \\"%s\\""\n}\n' $by "$status" >"$result"
exit "$status"
END
chmod +x "$dir/umrun" "$dir"/*/linux

# says KERNEL PROGRAM [STATUS]: what it prints there comes on stdin.
says()
{
	cat >"$dir/out.$1.$2"
	echo "${3:-0}" >"$dir/status.$1.$2"
}

# run ARG...: sets STATUS and OUT.
run()
{
	OUT=$("$external/run" --umrun "$dir/umrun" --programs "$dir/programs" --expected "$dir/expected" \
		--selftests "$dir/mm" --results "$dir/results" "$@" 2>&1)
	STATUS=$?
}
both="one=$dir/one two=$dir/two"

# result POINT PROGRAM TEST: what external.json has of it.
result()
{
	sed -n "s/.*\"point\": \"$1\", \"program\": \"$2\", \"test\": \"$3\", \"result\": \"\([a-z]*\)\".*/\1/p" "$dir/results/external.json"
}

cat >"$dir/programs" <<'END'
# a comment
selftest prog	60	prog --arg 1
without other	not here
END
printf '#!/bin/sh\n' >"$dir/mm/prog"; cp "$dir/mm/prog" "$dir/mm/other"
chmod +x "$dir"/mm/*
for k in one two; do says $k prog <<'END'; done
TAP version 13
1..5
ok 1 first test
# why it was not done
ok 2 second # SKIP no such thing
ok 3 # SKIP third on x (feature missing)
not ok 4 fourth # XFAIL cannot work
ok 5 same at 0x7f001000
END
run $both
is "$STATUS" 0 "all as it should be"
like "$OUT" '^100%: Checks: 6, Failures: 0, Errors: 0$' "... with totals in Check's form"
like "$OUT" '^6 passed, 0 failed as expected, 4 skipped, 0 not as expected$' "... and in words"
like "$OUT" 'Differences between the points: none' "... and no differences"
like "$OUT" '^ +2  no such thing$' "skips are counted by reason"
is "$(result one prog 'third on x') $(result two prog fourth) $(result one prog 'same at 0x\*')" "skip xfail pass" "names and results are read"
like "$(cat "$dir/called")" '^one prog --arg 1$' "arguments reach the program"
like "$OUT" 'not here' "what is not run is said, with the reason"

{ sed 's/^1\.\.5/1..6/' "$dir/out.one.prog"; printf '# [RUN] sixth\n# module not there\nok 6 # SKIP sixth\n'; } | says two prog
run two="$dir/two"
is "$(result two prog sixth)" skip "a skip whose name stands in the place of its reason"
like "$OUT" '^ +1  module not there$' "... and whose reason is on the line before"

says two prog 1 <<'END'
1..5
ok 1 first test
ok 2 second # SKIP no such thing
ok 3 # SKIP third on x (feature missing)
not ok 4 fourth # XFAIL cannot work
# it was 3, not 4
not ok 5 same at 0x7f002000
END
run $both
is "$STATUS" 1 "a failure at one point fails"
like "$OUT" 'NOT EXPLAINED' "... as a difference"
like "$OUT" 'two     fail    prog: same at' "... and as a failure"
like "$OUT" 'it was 3, not 4' "... with what the test said"
like "$OUT" '^87%: Checks: 8, Failures: 1, Errors: 0$|^83%: Checks: 6, Failures: 1, Errors: 0$' "... counted once"
echo '*|fail|prog: same at*|known everywhere' >"$dir/expected"
run $both
is "$STATUS" 1 "a line for all points does not explain a difference"
echo 'two|fail|prog: same at*|the series did it' >"$dir/expected"
run $both
is "$STATUS" 0 "a line for the point does"
like "$OUT" 'the series did it' "... and its reason is shown"
says one prog 1 <"$dir/out.two.prog"
run $both
is "$STATUS" 1 "and the point it does not name fails"
echo '*|fail|prog: same at*|known everywhere' >"$dir/expected"
run $both
is "$STATUS" 0 "a known failure at all points is no failure"
like "$OUT" '2 failed as expected' "... and counted as one"
sed 's/^not ok 5/ok 5/' "$dir/out.one.prog" >"$dir/new"
for k in one two; do says $k prog <"$dir/new"; done
run $both
is "$STATUS" 1 "a known failure that passes is one"
like "$OUT" 'take the line out' "... and says what to do"
: >"$dir/expected"

says two prog <<'END'
1..1
ok 1 first test
END
run $both
is "$STATUS" 1 "tests that are missing at one point fail"
like "$OUT" 'two: absent' "... as absent"
for end in 126:crash 124:timeout 125:error; do
	says two prog ${end%:*} <"$dir/new"
	run $both
	is "$STATUS $(result two prog '(the run)')" "1 ${end#*:}" "umrun's ${end%:*} is the result ${end#*:}"
	like "$OUT" "reason ..?${end%:*}" "... with umrun's reason"
done
says two prog 139 <"$dir/new"
run $both
is "$STATUS $(result two prog '(the run)')" "1 error" "a program killed by a signal is an error, though its tests passed"
says two prog 0 </dev/null
run $both
is "$STATUS $(result two prog '(the run)')" "1 error" "a program that prints nothing is an error"
says two prog 1 <"$dir/new"
run $both
is "$STATUS $(result two prog '(the run)')" "1 error" "exit status 1 without a failed test is an error"
sed '/^ok 5/d' "$dir/new" >"$dir/short"
says two prog 0 <"$dir/short"
run two="$dir/two"
is "$STATUS $(result two prog '(the run)')" "1 error" "fewer results than planned are an error"
says two prog <"$dir/new"

: >"$dir/called"
ln -sfn one "$dir/three"
run one="$dir/one" two="$dir/three"
is "$(grep -c prog "$dir/called")" 1 "two points with one kernel are run once"
like "$OUT" 'two is the same kernel as one' "... and that is said"

cp "$dir/mm/prog" "$dir/mm/stranger"
run $both
is "$STATUS" 2 "a program of the kernel tree that is in no list is an error"
like "$OUT" 'stranger' "... by its name"
rm "$dir/mm/stranger"

# stress-ng: passes only when it did something.
echo 'stress map 60 stress-ng --map 1' >>"$dir/programs"
echo 'kunit all 60 *' >>"$dir/programs"
for k in one two; do says $k stress-ng <<'END'; done
stress-ng: info:  [28] dispatching hogs: 1 map
stress-ng: metrc: [28] stressor       bogo ops real time  usr time  sys time   bogo ops/s     bogo ops/s
stress-ng: metrc: [28] map                 394      2.29      0.00      2.45       171.71         160.82
END
says two stress-ng <<'END'
stress-ng: info:  [28] dispatching hogs: 1 map
stress-ng: metrc: [28] stressor       bogo ops real time  usr time  sys time   bogo ops/s     bogo ops/s
END
for k in one two; do says $k true <<'END'; done
KTAP version 1
1..2
    KTAP version 1
    # Subtest: outer
    1..2
    ok 1 leaf
some other line of the kernel
        KTAP version 1
        # Subtest: with parameters
        ok 1 p1
        # p2: EXPECTATION FAILED at lib/x.c:3
        not ok 2 p2
    # with parameters: pass:1 fail:1 skip:0 total:2
    not ok 2 with parameters
not ok 1 outer
    KTAP version 1
    # Subtest: second
    1..1
    ok 1 leaf # SKIP not here
ok 2 second
END
run --test stress,kunit $both
is "$(result one stress-map stressor) $(result two stress-map stressor)" "pass fail" "a stressor that did nothing failed"
is "$(result one kunit-all outer.leaf) $(result one kunit-all 'outer.with parameters.p2') $(result one kunit-all second.leaf)" \
	"pass fail skip" "KUnit's tests are read by their leaves, out of the kernel log"
is "$(grep -c '"program": "kunit-all", "test"' "$dir/results/external.json")" 8 "... and only those"
like "$OUT" 'EXPECTATION FAILED' "... with what failed"
is "$(grep -c '"program": "prog"' "$dir/results/external.json")" 0 "--test picks"
! command -v python3 >/dev/null || python3 -m json.tool "$dir/results/external.json" >/dev/null
ok $? "external.json is JSON"
finish
