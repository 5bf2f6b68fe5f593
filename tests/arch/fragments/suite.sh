#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# One part of the lab in its short form, as TAP. The suites of `make check-arch A=ppc64` call it.
#
# usage: tests/arch/fragments/suite.sh PART
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../../..
. "$top/tests/tap.sh"
results=$(mktemp -d) || exit 2
trap 'rm -rf "$results" "$results".*' EXIT
trap 'exit 143' TERM
out=$("$here/run.sh" --parts "$1" --runs 1 --settings "hash/2 radix/2" --results "$results" 2>&1)
rc=$?
[ -f "$results.json" ] || { ok 1 "the lab comes to its end" "status $rc: $(tail -n 15 <<<"$out")"; finish; exit; }
while IFS=$'\t' read -r name seen expected how; do
	[ -n "$seen" ] || continue
	is "$seen" "$expected" "$name"
	printf '# %s\n' "$how"
done < <(jq -r '.judged[] | ["\(.variant) \(.setting): \(.part)" + (if .part == "reclaim" then " " + (.how | split(":")[0]) else "" end), .seen, .expected, .how] | @tsv' "$results.json")
is "$rc" 0 "all as expected"
finish
