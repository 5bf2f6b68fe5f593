#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# What our own fixes (uml/patches/fixes) cost: tests/bench/mmbench in two kernels, in turn,
# so that what else the machine does meets both.
#
# usage: tests/bench/fixes.sh BEFORE_DIR AFTER_DIR [ROUNDS]   (build/points/POINT/FLAVOUR)
# Prints, for each mode, the medians of ROUNDS (default 9) runs each, their ratio, and how
# far the middle half of the runs is spread. Exit status: 0 done, 1 a run failed, 2 usage.
set -u -o pipefail

[ $# -ge 2 ] || { echo "usage: tests/bench/fixes.sh BEFORE_DIR AFTER_DIR [ROUNDS]" >&2; exit 2; }
top=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
before=$1 after=$2 rounds=${3:-9}
out=$(mktemp -d) || exit 1
trap 'rm -rf "$out"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

declare -A OPTIONS=([ptrace/1]="--cpus 1" [seccomp/1]="--cpus 1 --append seccomp=on" [seccomp/2]="--cpus 2")

# one_run MODE DIR FILE: appends the run's lines to FILE.
one_run() {
	# shellcheck disable=SC2086 # options are words
	"$top/build/umrun" ${OPTIONS[$1]} --kernel "$2/linux" -- "$top/build/tests/bench/mmbench" >>"$3" || {
		echo "tests/bench/fixes.sh: $2 in $1: the run failed: see above" >&2
		exit 1
	}
}

# report MODE: from the two files of numbers.
report() {
	awk -v mode="$1" '
	function quantile(name, n, q,    i) { i = int((n - 1) * q + 0.5) + 1; return v[name, i] }
	FNR == 1 { f++ }
	{ v[$1 "|" f, ++n[$1 "|" f]] = $2; if (!($1 in seen)) { seen[$1] = 1; order[++names] = $1 } }
	function sort(key, m,    i, j, t) {
		for (i = 2; i <= m; i++) for (j = i; j > 1 && v[key, j - 1] > v[key, j]; j--) {
			t = v[key, j]; v[key, j] = v[key, j - 1]; v[key, j - 1] = t } }
	END { for (k = 1; k <= names; k++) {
		a = order[k] "|1"; b = order[k] "|2"; sort(a, n[a]); sort(b, n[b])
		ma = quantile(a, n[a], .5); mb = quantile(b, n[b], .5)
		printf "%-10s %-20s %10.0f %10.0f   %5.3f   %4.1f %%\n", mode, order[k], ma, mb, mb / ma,
			100 * (quantile(a, n[a], .75) - quantile(a, n[a], .25)) / ma } }
	' "$out/before" "$out/after"
}

echo "$rounds runs each, in turn; medians in ns; spread: the middle half of the runs before"
printf '%-10s %-20s %10s %10s   %5s   %s\n' mode what before after ratio spread
for mode in ptrace/1 seccomp/1 seccomp/2; do
	: >"$out/before"; : >"$out/after"
	for ((i = 0; i < rounds; i++)); do
		one_run "$mode" "$before" "$out/before"
		one_run "$mode" "$after" "$out/after"
	done
	report "$mode"
done
