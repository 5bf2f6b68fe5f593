#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# How long the loop takes, from a saved file to a verdict, beside what each part of it takes alone and beside what
# people do without umlab. `make bench` calls it.
#
# usage: tests/bench/loop.sh [--quick] [--rounds N] [ROW...]
#   ROW       edit null umrun cold point gdb suite kunit guests; default: all (--quick: edit null umrun point), but
#             for ccache, a part of cold. What was measured before of the others stays in the results
#   --quick   under two minutes, with kernels that are built already
#   --rounds  of each pair of commands, in turn (default 5); of cold and suite one each
#
# Writes build/results/bench.json and bench.md, and plots in build/results/bench-*.svg and .png.
# Exit status: 0 done (a goal that is missed is in the table); 1 a command failed; 2 wrong usage.
set -u -o pipefail

top=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
cd "$top" || exit 1
. tests/bench/rows.sh
rounds=5 quick= rows=()
while [ $# -gt 0 ]; do
	case $1 in
	--quick) quick=1; shift ;;
	--rounds) rounds=${2:?}; shift 2 ;;
	-*) echo "bench: $1: unknown option: see the top of tests/bench/loop.sh" >&2; exit 2 ;;
	*) [ "$(type -t "row_$1")" = function ] || { echo "bench: $1: no such row: edit null umrun cold ccache point gdb suite kunit guests" >&2; exit 2; }
	   rows+=("$1"); shift ;;
	esac
done
if [ ${#rows[@]} -eq 0 ]; then
	rows=(edit null umrun point)
	[ -n "$quick" ] || rows+=(gdb suite guests cold kunit)
fi
# Editing is done in a tree of our own, named like a point's for what ccache knows of those.
tree=build/points/bench/linux
kernel=build/points/bench/fast
scratch=build/bench
results=build/results
test_name='vmpte: one_table_is_reclaimed'
edited=(mmu_gather)
[ -n "$quick" ] || edited=(mmu_gather madvise memory)
mkdir -p "$scratch" "$results" build/points/bench
samples=$scratch/samples
today=$(date -u +%Y-%m-%d)
# Samples of another compiler compare with nothing.
grep -qsxF "$(gcc --version | head -n 1)" "$samples.of" || rm -f "$samples"
gcc --version | head -n 1 > "$samples.of"
touch "$samples"
for row in "${rows[@]/#edit/edit $edited}"; do sed -i "/^$row[ \t]/d" "$samples"; done
[ -n "$quick" ] || sed -i '/^edit /d' "$samples"

clean_up()
{
	[ ! -d "$tree" ] || git -C "$tree" checkout -q -f 2> /dev/null
	bring_back
	rm -f "$scratch/run.log"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

failed()
{
	mv "$scratch/run.log" "$scratch/failed.log"
	echo "bench: $1: failed: see $scratch/failed.log" >&2
	tail -n 5 "$scratch/failed.log" >&2
	exit 1
}

# timed ROW SIDE COMMAND...: runs it, and notes its milliseconds as a sample of ROW (a goal's line) and SIDE.
timed()
{
	local row=$1 side=$2 began=${EPOCHREALTIME//[!0-9]/} us

	shift 2
	"$@" > "$scratch/run.log" 2>&1 < /dev/null || failed "$*"
	us=$((${EPOCHREALTIME//[!0-9]/} - began))
	printf '%s\t%s\t%d.%03d\t%s\n' "$row" "$side" $((us / 1000)) $((us % 1000)) "$today" >> "$samples"
}

prepare
for row in "${rows[@]}"; do
	echo "bench: $row" >&2
	"row_$row"
done
jq -Rn --arg date "$(date -u +%Y-%m-%dT%H:%MZ)" --arg cpu "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)" \
	--argjson cpus "$(nproc)" --arg compiler "$(gcc --version | head -n 1)" -f tests/bench/table.jq "$samples" > "$results/bench.json" &&
	jq -r -f tests/bench/markdown.jq "$results/bench.json" | tee "$results/bench.md"
tests/bench/plots.sh "$results/bench.json" "$results"
