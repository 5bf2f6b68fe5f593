#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: tests/run itself, with suites and a runner that are made up: what
# fails, dies, hangs, lies about its plan or prints nothing is counted as such.
# timeout: 120
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../tap.sh"

dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/host" "$dir/guest" "$dir/kernel"
: > "$dir/kernel/linux"
chmod +x "$dir/kernel/linux"
printf 'point=fake\nflavour=fast\npt_reclaim=y\n' > "$dir/kernel/umlab.info"

# The runner: sets what --env says, runs the program here, and can be told by
# a file named verdict to end with another status and a reason.
cat > "$dir/umrun" <<'END'
#!/usr/bin/env bash
result=
while [ "$1" != -- ]; do
	case $1 in
	--gdb-on-fail | --timeout) echo "$1 $2" >> "$(dirname "$0")/gdb" ;;
	--cpus | --append) echo "$1 $2" >> "$(dirname "$0")/options" ;;
	--env) export "${2?}" ;;
	--result) result=$2 ;;
	--kernel) export KERNEL_FILE=$2 ;;
	esac
	shift
done
shift
"$@"
status=$?
verdict=$(dirname "$0")/verdict
if [ -f "$verdict" ]; then
	printf '{\n  "exit": 0,\n  "why": "%s"\n}\n' "$(tail -n 1 "$verdict")" > "$result"
	exit "$(head -n 1 "$verdict")"
fi
exit $status
END
chmod +x "$dir/umrun"

# suite KIND NAME: makes a suite of the script on stdin, the only one there is.
suite()
{
	rm -f "$dir"/host/* "$dir"/guest/* "$dir/verdict"; : > "$dir/known"
	add_suite "$@"
}

add_suite()
{
	{ printf '#!/usr/bin/env bash\n'; cat; } > "$dir/$1/$2"
	chmod +x "$dir/$1/$2"
}

# run ARG...: runs tests/run on the suites made up; sets OUT, STATUS, TOTALS.
run()
{
	OUT=$("$here/../run" --host "$dir/host" --guest "$dir/guest" --umrun "$dir/umrun" \
		--known "$dir/known" --results "$dir/results" "$@" 2>&1)
	STATUS=$?
	TOTALS=$(tail -n 1 <<< "$OUT")
}

# totals_are TEXT STATUS NAME: of the last run.
totals_are()
{
	is "$TOTALS / exit $STATUS" "$1 / exit $2" "$3"
}

suite host good.sh <<'END'
printf 'ok 1 - first\nok 2 - second\n1..2\n'
END
run
totals_are "100%: Checks: 2, Failures: 0, Errors: 0" 0 "two tests that pass"
like "$OUT" '^ok    host  good: first  [0-9]+\.[0-9][0-9] s$' "one line a test, with its time"

suite host bad.sh <<'END'
printf '1..3\nok 1 - first\nnot ok 2 - second\n# got: 1\n# expected: 2\nok 3 - third\n'
exit 1
END
run
totals_are "66%: Checks: 3, Failures: 1, Errors: 0" 1 "one of three fails"
like "$OUT" '^FAIL  host  bad: second' "the failed test is named"
like "$OUT" '^ +expected: 2$' "its diagnostics are printed"
like "$OUT" '^ +log: .*host-bad.out$' "and where its output is"

suite host few.sh <<'END'
printf '1..5\nok 1 - first\nok 2 - second\n'
END
run
totals_are "40%: Checks: 5, Failures: 0, Errors: 3" 1 "each result that is missing is an error"
like "$OUT" 'printed 2 of 5 planned results' "with the numbers"

suite host many.sh <<'END'
printf '1..1\nok 1 - first\nok 2 - second\n'
END
run
totals_are "66%: Checks: 3, Failures: 0, Errors: 1" 1 "more results than planned are an error"

suite host noplan.sh <<'END'
printf 'ok 1 - first\n'
END
run
totals_are "50%: Checks: 2, Failures: 0, Errors: 1" 1 "no plan is an error"

suite host silent.sh <<'END'
echo something went wrong >&2
END
run
totals_are "0%: Checks: 1, Failures: 0, Errors: 1" 1 "no TAP is an error"
like "$OUT" '^ +something went wrong$' "and stderr is shown"

suite host dies.sh <<'END'
printf '1..2\nok 1 - first\n'
kill -SEGV $$
END
run
totals_are "50%: Checks: 2, Failures: 0, Errors: 1" 1 "a suite that dies is an error"
like "$OUT" 'killed by signal 11' "with its signal"

suite host status.sh <<'END'
printf 'ok 1 - first\n1..1\n'
exit 3
END
run
totals_are "50%: Checks: 2, Failures: 0, Errors: 1" 1 "a bad exit status without a failed test is an error"

suite host hangs.sh <<'END'
# timeout: 1
printf 'ok 1 - first\n'
sleep 60
END
run
totals_are "50%: Checks: 2, Failures: 0, Errors: 1" 1 "a suite that hangs is ended"
like "$OUT" 'no end within 1 s' "and it is said after how long"

suite host bail.sh <<'END'
printf '1..2\nok 1 - first\nBail out! no room\n'
END
run
totals_are "50%: Checks: 2, Failures: 0, Errors: 1" 1 "a suite that bails out is an error"
like "$OUT" 'bailed out: no room' "with its reason"

suite host skips.sh <<'END'
printf 'ok 1 - first # SKIP no such device\nok 2 - second\n1..2\n'
END
run
totals_are "100%: Checks: 1, Failures: 0, Errors: 0" 0 "a skipped test is no check"
like "$OUT" '^skipped: 1$' "skipped tests are counted"
like "$OUT" '^ +host  skips: first: no such device$' "and listed with the reason"

suite host none.sh <<'END'
printf '1..0 # SKIP no network\n'
END
run
totals_are "0%: Checks: 0, Failures: 0, Errors: 0" 1 "nothing that ran is no success"

suite guest fake <<'END'
[ "${1:-}" = --list ] && { printf 'first_test\nsecond_test\n'; exit 0; }
n=0
wanted=${TESTS:-first_test,second_test}
printf '# tests %d\n' "$(tr , '\n' <<< "$wanted" | wc -l)"
for t in ${wanted//,/ }; do
	n=$((n + 1))
	printf 'ok %d - fake.c:fake:%s: Passed\n' $n "$t"
done
printf '1..%d\n' $n
END
run "$dir/kernel"
totals_are "100%: Checks: 2, Failures: 0, Errors: 0" 0 "a guest suite that passes"
like "$OUT" '^ok    fake/fast/seccomp1  fake: first test  ' "point, flavour, mode and a readable name"
run --test first_test "$dir/kernel"
totals_are "100%: Checks: 1, Failures: 0, Errors: 0" 0 "one test by its name"
run --test 'fake: second' "$dir/kernel"
like "$OUT" 'fake: second test' "one test by a part of its name"
run --test nosuchtest "$dir/kernel"
is "$STATUS" 1 "a name that nothing has fails"
like "$OUT" 'nosuchtest: no test has this name' "and it is said"

for verdict in 124 125 126; do
	printf '%s\nreason number %s\n' $verdict $verdict > "$dir/verdict"
	run "$dir/kernel"
	totals_are "66%: Checks: 3, Failures: 0, Errors: 1" 1 "umrun's $verdict is an error though all tests passed"
	like "$OUT" "reason number $verdict" "umrun's reason for $verdict is shown"
done

suite guest fake <<'END'
[ "${1:-}" = --list ] && { printf 'a_test\nb_test\nc_test\n'; exit 0; }
printf '# tests 3\n'
printf 'not ok 1 - x.c:fake:a_test: VmPTE is 5: expected 4 (x.c:3)\n'
printf 'not ok 2 - x.c:fake:b_test: (after this point) Test timeout expired\n'
printf '# SKIP no userfaultfd\nok 3 - x.c:fake:c_test: Passed\n1..3\n'
exit 1
END
run "$dir/kernel"
totals_are "0%: Checks: 2, Failures: 1, Errors: 1" 1 "Check's failures and time-outs are told apart"
like "$OUT" '^ +VmPTE is 5: expected 4 \(x.c:3\)$' "a guest test's message is whole"
like "$OUT" 'fake: c test: no userfaultfd' "a guest test's reason to skip is shown"

run --tap "$dir/kernel"
is "$(grep -c '^\(not \)\?ok ' <<< "$OUT") $(grep '^1\.\.' <<< "$OUT") $(head -n 1 <<< "$OUT")" \
	"3 1..3 TAP version 13" "--tap prints one plan for all results"
is "$(cat "$dir/results/check.tap")" "$OUT" "the same is in check.tap"
like "$(cat "$dir/results/check.xml")" 'tests="3" failures="1" errors="1" skipped="1"' "check.xml has the totals"

printf 'point=fake\nflavour=fast\n' > "$dir/kernel/umlab.info"
run "$dir/kernel"
is "$STATUS" 2 "a kernel without an expectation is refused"
printf 'point=fake\nflavour=fast\npt_reclaim=n\n' > "$dir/kernel/umlab.info"

suite guest fake <<'END'
[ "${1:-}" = --list ] && { echo a; exit 0; }
printf '# tests 1\nok 1 - x.c:fake:expects_%s: Passed\n1..1\n' "$PT_RECLAIM"
END
run "$dir/kernel"
like "$OUT" 'fake: expects n ' "the kernel's own expectation reaches the suite"

# Modes: what the suite asks for, or what the command line does.
suite guest fake <<'END'
[ "${1:-}" = --list ] && { printf 'a_test\n# modes ptrace/1 seccomp/2\n'; exit 0; }
printf '# tests 1\nok 1 - x.c:fake:a_test: Passed\n1..1\n'; echo "# $UML_MODE"
END
rm -f "$dir/options"
run --jobs 1 "$dir/kernel"
totals_are "100%: Checks: 2, Failures: 0, Errors: 0" 0 "a suite runs in the modes that it asks for"
is "$(grep -o 'fake/fast/[^ ]*' <<< "$OUT" | paste -sd' ')" "fake/fast/ptrace1 fake/fast/seccomp2" "each place names the mode"
is "$(paste -sd, "$dir/options")" "--cpus 1,--cpus 2" "umrun is told the number of CPUs"
is "$(cat "$dir/results/raw/fake-fast-seccomp2-fake.out" | tail -n 1)" "# seccomp/2" "and the suite its mode, with outputs of their own"
rm -f "$dir/options"
run --jobs 1 --modes 'seccomp/1' "other=$dir/kernel"
is "$(grep -o 'other/fast/[^ ]*' <<< "$OUT" | paste -sd' ')" "other/fast/seccomp1" "--modes overrules it; a kernel has the name it is given"
is "$(paste -sd, "$dir/options")" "--cpus 1,--append seccomp=on" "seccomp on one CPU is asked for"
sed -i 's,# modes ,# differs\\n&,; s,a_test,other_test,' "$dir/guest/fake"
cp "$dir/guest/fake" "$dir/guest/differing"
sed -i 's,# differs.n,,' "$dir/guest/fake"
sed 's,# differs,& as differing,' "$dir/guest/differing" > "$dir/guest/alike"
chmod +x "$dir/guest/alike"
run --jobs 1 --modes seccomp/1 "one=$dir/kernel" --differing "two=$dir/kernel"
is "$(grep -oE '(one|two)/fast/[^:]*' <<< "$OUT" | sort -u | paste -sd,)" "one/fast/seccomp1  alike,one/fast/seccomp1  differing,one/fast/seccomp1  fake,two/fast/seccomp1  differing" \
	"--differing leaves out, behind it, the suites whose outcome is the same, or differs as another's"
run --jobs 1 --modes seccomp/1 --test alike "one=$dir/kernel" --differing "two=$dir/kernel"
is "$(grep -oE '(one|two)/fast/[^:]*' <<< "$OUT" | sort -u | paste -sd,)" "one/fast/seccomp1  alike,two/fast/seccomp1  alike" "... but not one that was asked for"
sed -i 's,as differing,as other,' "$dir/guest/alike"
run --jobs 1 "one=$dir/kernel" --differing "two=$dir/kernel"
like "$OUT / $STATUS" 'guest/alike: differs as other, which is no suite that differs.* / 2$' "... and a suite that isn't there shows nothing for another one"
rm "$dir/guest/differing" "$dir/guest/alike"
sed -i 's,seccomp/2,seccomp/3,' "$dir/guest/fake"
run "$dir/kernel"
like "$OUT / $STATUS" '^tests/run: .*guest/fake: seccomp/3: no such mode.* / 2$' "a mode that a suite asks for and nobody has is refused"
run --modes 'seccomp/3' "$dir/kernel"
like "$OUT / $STATUS" '^tests/run: --modes: seccomp/3: no such mode.* / 2$' "an unknown mode is refused"

# Stopped by the first failure: the suites are taken in the order of their names.
suite guest fake <<'END'
[ "${1:-}" = --list ] && { echo a_test; exit 0; }
printf '# tests 1\nnot ok 1 - x.c:fake:a_test: wrong (x.c:1)\n1..1\n'; exit 1
END
sed 's,:fake:,:later:,; s/not ok/ok/; s/exit 1//; s/^printf/sleep 30; &/' "$dir/guest/fake" > "$dir/guest/later"
chmod +x "$dir/guest/later"
began=$SECONDS
run --stop --jobs 2 "$dir/kernel"
totals_are "0%: Checks: 1, Failures: 1, Errors: 0" 1 "--stop: what failed is the last that is told"
ok "$((SECONDS - began < 15 ? 0 : 1))" "--stop does not wait for what runs"
rm "$dir/guest/later"

# Known bugs: the runner dies with 126 for a test called dies, and the suite fails as told.
suite guest fake <<'END'
[ "${1:-}" = --list ] && { printf 'bad_test\ngood_test\ndies\n'; exit 0; }
echo run >> "$RUNS"
status=0 n=0; set -- ${TESTS//,/ }; [ $# -gt 0 ] || set -- bad_test good_test dies
echo "# tests $#"
for t; do
	n=$((n + 1))
	case $t in
	bad_test) echo "not ok $n - x.c:fake:bad_test: page reads 5 (x.c:1)"; status=1 ;;
	good_test)
		if [ "$(wc -l < "$RUNS")" = "${FAILS_IN:-}" ]; then echo "not ok $n - x.c:fake:good_test: page reads 5 (x.c:1)"; status=1
		else echo "ok $n - x.c:fake:good_test: Passed"; fi ;;
	dies) exit 126 ;;
	esac
done
echo "1..$n"
exit $status
END
export RUNS=$dir/runs FAILS_IN=
echo 'fake: bad_test  fake,other  seccomp/1  stale pages' > "$dir/known"
echo 'fake: dies      fake/fast   *         panics: a NULL table' >> "$dir/known"
run "$dir/kernel"
totals_are "100%: Checks: 3, Failures: 0, Errors: 0" 0 "tests that must fail, and do, are passes"
like "$OUT" '^known fake/fast/seccomp1  fake: bad test ' "they are called known"
like "$OUT" '^ +known bug: stale pages: page reads 5 \(x.c:1\)$' "with the bug and their message"
like "$OUT" '^ +known bug: panics: a NULL table: umrun: 126' "a kernel that dies counts where the line says so"
like "$OUT" '^known bugs that were seen: 2$' "and they are listed"
run --modes ptrace/1 --test bad_test "$dir/kernel"
totals_are "0%: Checks: 1, Failures: 1, Errors: 0" 1 "a bug of one mode is none in another"
run --known-at "$dir/kernel"
totals_are "100%: Checks: 2, Failures: 0, Errors: 0" 0 "--known-at runs only tests that must fail"
run --known-at "$dir/kernel" "$dir/kernel"
totals_are "100%: Checks: 3, Failures: 0, Errors: 0" 0 "... and these once, where all are run as well"
echo 'fake: good_test fake  *  gone' > "$dir/known"
rm "$RUNS"
run --test good_test "$dir/kernel"
totals_are "0%: Checks: 1, Failures: 1, Errors: 0" 1 "a test that must fail, and passes, is a failure"
is "$(wc -l < "$RUNS")" 3 "... which is three times, since a race may miss its moment"
like "$OUT" 'passed 3 times, but tests/known-bugs.txt says that it must fail here \(gone\)' "and it is said"
rm "$RUNS"
FAILS_IN=2 run --test good_test "$dir/kernel"
like "$OUT" '^100%: Checks: 1, Failures: 0, Errors: 0$' "a bug that the second run shows is known"
printf 'point=fake+12345678\nflavour=fast\npt_reclaim=n\n' > "$dir/kernel/umlab.info"
rm "$RUNS"
run --test good_test "$dir/kernel"
is "$(wc -l < "$RUNS")" 1 "with patches on top once is enough"
totals_are "100%: Checks: 1, Failures: 0, Errors: 0" 0 "but not with patches on top, which may have mended it"
printf 'point=fake\nflavour=fast\npt_reclaim=n\n' > "$dir/kernel/umlab.info"
echo 'fake: dies  fake  *  stale pages' > "$dir/known"
run --test dies "$dir/kernel"
totals_are "0%: Checks: 1, Failures: 0, Errors: 1" 1 "a kernel that dies is no expected failure else"
echo 'fake: no_test  fake  *  stale pages' > "$dir/known"
run "$dir/kernel"
like "$OUT / $STATUS" 'line 1: fake: no_test: the suite has no such test / 2$' "a line about no test is refused"
echo 'fake: dies  fake' > "$dir/known"
run "$dir/kernel"
like "$OUT / $STATUS" "line 1: not 'SUITE: TEST POINTS MODES BUG'.* / 2$" "and one that is too short"

# One test in gdb: on the terminal, as it is, with no limits.
suite guest fake <<'END'
[ "${1:-}" = --list ] && { printf 'first_test\nsecond_test\n# modes seccomp/2 ptrace/1\n'; exit 0; }
echo "ran $TESTS in $UML_MODE, times $CK_TIMEOUT_MULTIPLIER, bug ${KNOWN_BUG:-none}"
exit 3
END
rm -f "$dir/gdb"
run --gdb --test 'first test' "$dir/kernel"
like "$OUT" '^ran first_test in seccomp/2, times 1000, bug none$' "--gdb runs the test in the first of its modes, its own time-outs out of the way"
is "$STATUS $(paste -sd, "$dir/gdb")" "3 --gdb-on-fail --env,--timeout 0" "... under gdb and without one of umrun's, to its exit status"
run --gdb --modes ptrace/1 --test 'first test' "$dir/kernel"
like "$OUT" '^ran first_test in ptrace/1' "... or in the mode asked for"
echo 'fake: second_test  fake  ptrace/1  stale pages' > "$dir/known"
run --gdb --test second_test "$dir/kernel"
like "$OUT" '^ran second_test in ptrace/1, times 1000, bug y' "... or in the one that shows a known bug"
run --gdb --test test "$dir/kernel"
like "$OUT" '^tests/run: test: names several tests, and --gdb runs one: say which:$' "... but not several"
is "$STATUS $(tail -n 2 <<< "$OUT" | paste -sd,)" "2 fake: first_test,fake: second_test" "... which are listed"
run --gdb --test nosuch "$dir/kernel"
like "$OUT / $STATUS" 'no test has this name.* / [12]$' "... and not none"
run --gdb "$dir/kernel"
like "$OUT / $STATUS" 'needs --test NAME / 2$' "... and not all"
: > "$dir/known"

# Two at once that take turns: no line of one gets between those of the other.
suite host a.sh <<'END'
for i in 1 2 3; do printf 'ok %d - a\n' $i; sleep 0.1; done; echo 1..3
END
add_suite host b.sh <<'END'
for i in 1 2 3; do printf 'ok %d - b\n' $i; sleep 0.1; done; echo 1..3
END
run --jobs 2
is "$(grep -o '[ab]: [ab]' <<< "$OUT" | uniq | wc -l)" 2 "suites at once do not mix their lines"

# The machine stands still for seven seconds: what failed meanwhile is run again, once.
suite host late.sh <<'END'
[ -f "$0.ran" ] && { echo "ok 1 - late"; echo 1..1; exit; }
: > "$0.ran"
sleep 2; echo "not ok 1 - late"; echo 1..1; exit 1
END
add_suite host never.sh <<'END'
echo x >> "$0.ran"
sleep 2; echo "not ok 1 - never"; echo 1..1; exit 1
END
set -m
"$here/../run" --host "$dir/host" --guest "$dir/guest" --results "$dir/results" > "$dir/out" 2>&1 &
runner=$!
set +m
for _ in $(seq 100); do [ -s "$dir/host/never.sh.ran" ] && break; sleep 0.05; done
# The watch has a process group of its own.
all="$runner $(pgrep -P $runner | paste -sd' ')"
kill -STOP $all
sleep 7
kill -CONT $all
wait $runner
STATUS=$? OUT=$(cat "$dir/out")
like "$OUT" '^tests/run: host: late: this host stood still for [0-9]+ s while it ran: it is run again$' "a host that stood still is noticed"
like "$OUT" '^ok +host  late: late' "... and what failed is run again"
is "$STATUS $(wc -l < "$dir/host/never.sh.ran")" "1 2" "... once: it may fail for another reason"

# Somebody builds the next kernel while suites still run in this one.
mkdir "$dir/kernel/.umlab"
export KERNEL_DIR=$dir/kernel
for name in first second; do
	suite_of_kernel=$(printf 'case $1 in --list) echo same; exit ;; esac\ncmp -s "$KERNEL_FILE" "$KERNEL_DIR/next" && not="not "\n')
	[ $name = second ] || suite guest first <<< ''
	add_suite guest $name <<< "$suite_of_kernel
echo next > \"\$KERNEL_DIR/next\"; chmod +x \"\$KERNEL_DIR/next\"; ln -f \"\$KERNEL_DIR/next\" \"\$KERNEL_DIR/linux\"
echo \"\${not-}ok 1 - x:same:same: passed\"; echo 1..1"
done
run --jobs 1 "$dir/kernel"
totals_are "100%: Checks: 2, Failures: 0, Errors: 0" 0 "a kernel that is built anew meanwhile is the next run's"
is "$(ls "$dir/kernel/.umlab/held")" "" "... and nothing is left of this one's"
rm "$dir/kernel/umlab.info"
run "$dir/kernel"
like "$OUT" 'umlab.info: missing' "a kernel that is being built is not run"

# Interrupted: everything that it started ends, and it says so by its status.
suite host long.sh <<'END'
echo $$ > "$(dirname "$0")/../pid"
sleep 1000 & wait
END
# ended_by WHO: start it, end WHO, of $runner and $make; the suite's process must be gone.
ended_by()
{
	local make runner pid

	rm -f "$dir/pid"
	sleep 1000 & make=$!
	disown $make
	UMLAB_MAKE=$make "$here/../run" --host "$dir/host" --guest "$dir/guest" --results "$dir/results" > "$dir/out" 2>&1 &
	runner=$!
	for _ in $(seq 100); do [ -s "$dir/pid" ] && break; sleep 0.05; done
	kill -$2 ${!1}
	wait $runner
	is "$?" 143 "$3 ends tests/run"
	kill $make 2> /dev/null
	sleep 0.3
	pid=$(cat "$dir/pid")
	if kill -0 "$pid" 2> /dev/null || pgrep -P "$pid" > /dev/null; then
		ok 1 "... and the suites that ran" "process $pid is still there"
		kill -KILL "$pid"
	else
		ok 0 "... and the suites that ran"
	fi
}
ended_by runner TERM "SIGTERM"
ended_by make KILL "the end of the make that called it"
finish
