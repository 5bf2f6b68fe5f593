# SPDX-License-Identifier: GPL-2.0
# Holds the lines that did not run (lines.awk) against docs/coverage.md:
#
#   ## mm/memory.c
#   ### zap_pte_range
#   - why these lines do not run, in any words
#     `the line as it stands in the source`
#     `another one`
#
# awk -f explained.awk docs/coverage.md LINES prints "new" and "stale" lines: what did not run
# and is not in the document, and what is in the document and ran (or is gone). A line that
# stands there more than once in its function is meant wherever it stands.

function squeeze(s)
{
	gsub(/^[ \t]+|[ \t]+$/, "", s)
	gsub(/[ \t]+/, " ", s)
	return s
}

FILENAME == ARGV[1] {
	if (/^## /) file = $2
	else if (/^### /) name = $2
	else if (/^[ \t]+`.*`[ \t]*$/) {
		text = $0
		sub(/^[ \t]+`/, "", text); sub(/`[ \t]*$/, "", text)
		explained[file "\t" name "\t" squeeze(text)] = 1
	}
	next
}

{ split($0, f, "\t") }
f[1] == "line" {
	key = f[2] "\t" f[3] "\t" f[5]
	seen[key] = 1
	if (!(key in explained))
		printf "new\t%s:%s\t%s\t%s\n", f[2], f[4], f[3], f[5]
}
END {
	for (key in explained)
		if (!(key in seen)) {
			split(key, f, "\t")
			printf "stale\t%s\t%s\t%s\n", f[1], f[2], f[3]
		}
}
