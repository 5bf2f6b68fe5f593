#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Plots of bench.json, as SVG and PNG: the loop split in its parts, and the guests at once.
# usage: tests/bench/plots.sh BENCH_JSON FOLDER
set -eu

json=$1 to=$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# FILE compile link boot test rest
jq -r '.parts[] | [.file, .compile, .link, .boot, .test, ([.rest, 0] | max)] | @tsv' "$json" > "$tmp/loop"
jq -r '.guests[] | [.guests, .all_ms / 1000, .each_ms / 1000, .each_mib] | @tsv' "$json" > "$tmp/guests"

# draw NAME: gnuplot's commands on stdin, twice.
draw()
{
	local commands
	commands=$(cat)
	gnuplot <<-END
		set terminal svg noenhanced size 800,500 font "sans,13" background "white"
		set output "$to/bench-$1.svg"
		$commands
		set terminal pngcairo noenhanced size 800,500 font "sans,11"
		set output "$to/bench-$1.png"
		replot
	END
}

[ ! -s "$tmp/loop" ] || draw loop <<END
set title "From a saved file to a verdict"
set style data histograms
set style histogram rowstacked
set style fill solid 0.8 border -1
set boxwidth 0.6
set ylabel "milliseconds"
set yrange [0:*]
set key outside right
plot "$tmp/loop" using 2:xtic(1) title "compile", "" using 3 title "link", "" using 4 title "boot", "" using 5 title "test", "" using 6 title "the rest"
END
[ ! -s "$tmp/guests" ] || draw guests <<END
set title "Guests at once"
set logscale x 2
set xlabel "guests"
set ylabel "seconds"
set y2label "MiB each"
set ytics nomirror
set y2tics
set yrange [0:*]
set y2range [0:*]
set key left top
plot "$tmp/guests" using 1:2 with linespoints title "all of them", "" using 1:3 with linespoints title "each", "" using 1:4 axes x1y2 with linespoints title "memory each"
END
