# SPDX-License-Identifier: GPL-2.0
# The lab's measurements as bars: gnuplot -e "data='FILE'; out='FILE'; variants=N; what='...'" plot.gp
# data: a line a workload of one setting: its name, and for each variant the median, the least and the greatest run. Line 1: the variants.
if (out[strlen(out) - 3:] eq ".png") {
	set terminal png size 1100, 500
} else {
	set terminal svg size 1100, 500 background rgb "white"
}
set output out
set datafile separator tab
set style data histogram
set style histogram errorbars gap 1 linewidth 1
set style fill solid 0.7 border -1
set key outside top center horizontal
set ylabel what
set yrange [0:*]
set grid ytics
set xtics rotate by -15
plot for [v = 0:variants - 1] data using (column(2 + 3 * v)):(column(3 + 3 * v)):(column(4 + 3 * v)):xtic(1) title columnheader(2 + 3 * v)
