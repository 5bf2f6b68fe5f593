#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: that guest tests can fail, and say why: runs tests/host/broken.c,
# each test of which fails in its own way, in the first kernel that is built.
# timeout: 120
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$(dirname "$here")")
. "$here/../tap.sh"

kernel=
for dir in "$top"/build/points/{series,fixed,base,work}/fast; do
	[ -x "$dir/linux" ] && [ -f "$dir/umlab.info" ] && { kernel=$dir; break; }
done
if [ -z "$kernel" ] || [ ! -x "$top/build/umrun" ]; then
	echo "1..0 # SKIP no kernel or no build/umrun yet: make tools kernel"
	exit 0
fi
reclaim=$(sed -n 's/^pt_reclaim=//p' "$kernel/umlab.info")
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT

OUT=$("$top/build/umrun" --kernel "$kernel/linux" --timeout 60 --log "$dir/log" \
	--env LEAK_WAIT_MS=700 --env "PT_RECLAIM=$reclaim" -- "$top/build/tests/host/broken" 2> "$dir/err")
STATUS=$?

# says TEST REGEX NAME: the result line of the test matches.
says()
{
	like "$(grep ":broken:$1: " <<< "$OUT")" "$2" "$3"
}

case $reclaim in
y) amount="2 table\(s\) too few" ;;
n) amount="2 table\(s\) too many" ;;
esac
says wrong_expectation "^not ok .* VmPTE is [0-9]+ kB after MADV_DONTNEED of \[0x" "a wrong count names the value, the operation and the range"
says wrong_expectation "expected [0-9]+ kB .*PT_RECLAIM=$reclaim.*: $amount \(broken.c:[0-9]+\)$" "and what was expected, why, and where"
says data_is_changed "^not ok .* page 0x[0-9a-f]+ reads 0x7777777777777777, expected 0x1[0-9a-f]+ \(pattern 1\)" "changed data is shown with its address"
says data_is_changed "pagemap entry 0x[8-9a-f][0-9a-f]{15}; 1 of 512 pages wrong" "with its pagemap entry and how many pages are wrong"
says data_is_left "^not ok .* reads 0x1[0-9a-f]+, expected zeroes" "data that should be gone is found"
says tables_are_left_in_the_kernel "^not ok .* nr_page_table_pages is [0-9]+ kB 5000 ms after .* 5 table\(s\) not given back by RCU" "tables that the kernel keeps are found after a bounded time"
says child_that_fails "^not ok .*: the child has another reason \(broken.c:[0-9]+\)$" "a child's own reason is the test's"
says child_that_dies "^not ok .* child: killed by signal 11, expected exit 0" "a child that dies is found"
says test_that_dies "^not ok .* Received signal 11" "a test that dies is found"
says test_that_hangs "^not ok .* Test timeout expired" "a test that hangs is ended"
says kernel_complains "^not ok .* the kernel complained during this test: .* was 0, is 512" "a test in which the kernel complained fails, by name"
like "$OUT" "^# SKIP no such device here$" "a skipped test tells its reason"
says kernel_warns "^not ok .* the kernel complained during this test: WARNING: .*lkdtm.*" "a WARN is told by its text"
says kernel_warns_again "^not ok .* the kernel complained during this test: WARNING: .*lkdtm.*" "and so is a second one, though the taint bit is set"
says memory_is_left "^not ok .* leaked: 700 ms after the test there are [0-9]+ pages of tmpfs and shared memory \\(nr_shmem\\) \\([0-9]+ before the test\\)" "a test that leaves memory behind fails, by name"
says test_after_the_one_that_left_memory "^ok " "the test after it does not"
says process_is_left "^not ok .* the test left 1 process\\(es\\) running" "nor may a test leave a process"
says good_test_after_all_that "^ok " "none of it reaches the next test"
is "$STATUS" 126 "umrun finds the complaint too"
is "$(PT_RECLAIM=maybe "$top/build/tests/host/broken" 2>&1; echo $?)" \
	"broken: PT_RECLAIM: 'maybe': set it to y or n, as the kernel is configured
2" "without an expectation nothing runs"
finish
