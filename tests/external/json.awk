# SPDX-License-Identifier: GPL-2.0
# The records of read.awk as JSON: { "points": [...], "runs": [...], "tests": [...] }.

function text(s) {
	gsub(/\\/, "\\\\", s)
	gsub(/"/, "\\\"", s)
	gsub(/[\001-\037]/, " ", s)
	return "\"" s "\""
}

BEGIN { FS = "\t" }

$1 == "run" {
	runs = runs sprintf("%s\n    {\"point\": %s, \"program\": %s, \"result\": %s, \"seconds\": %d, \"reason\": %s}",
		runs == "" ? "" : ",", text($2), text($3), text($4), $5, text($6))
}

$1 == "test" { line[++n] = sprintf("    {\"point\": %s, \"program\": %s, \"test\": %s, \"result\": %s, \"reason\": %s}",
	text($2), text($3), text($5), text($4), text($6)) }

END {
	m = split(points, p, " ")
	printf "{\n  \"points\": ["
	for (i = 1; i <= m; i++) printf "%s%s", (i > 1 ? ", " : ""), text(p[i])
	printf "],\n  \"runs\": [%s\n  ],\n  \"tests\": [\n", runs
	for (i = 1; i <= n; i++) print line[i] (i < n ? "," : "")
	print "  ]\n}"
}
