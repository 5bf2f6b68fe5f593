#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# One part of the lab in its short form, as TAP. The suites of `make check-arch A=ppc64` call it. Several run at a time, and nobody
# looks at times here: each guest has one thread of qemu's. What was on the consoles stays until the next run.
#
# usage: tests/arch/fragments/suite.sh PART
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../.." && pwd)
. "$top/tests/tap.sh"
results=$top/build/results/fragments-short/$1
rm -rf "$results" "$results".*
out=$("$here/run.sh" --one-thread --parts "$1" --runs 1 --settings "hash/2 radix/2" --results "$results" 2>&1)
rc=$?
[ -f "$results.json" ] || { ok 1 "the lab comes to its end" "status $rc: $(tail -n 15 <<<"$out")"; finish; exit; }
while IFS=$'\t' read -r name seen expected how; do
	[ -n "$seen" ] || continue
	is "$seen" "$expected" "$name"
	printf '# %s\n' "$how"
done < <(jq -r '.judged[] | ["\(.variant) \(.setting): \(.part)" + (if .part == "reclaim" then " " + (.how | split(":")[0]) else "" end), .seen, .expected, .how] | @tsv' "$results.json")
is "$rc" 0 "all as expected"
[ "$rc" = 0 ] || diag "consoles: ${results#"$top"/}"
finish
