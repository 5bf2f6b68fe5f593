# SPDX-License-Identifier: GPL-2.0
# The report: expected.txt, then the records of read.awk. Exit status 1 when a result, or a
# difference between points, is not explained there, or a line there explains nothing.
# Variables: expected (that file's name), points (blanks between), all (not empty: each line of expected.txt has to match).
#
# expected.txt: POINT|RESULT|PROGRAM: TEST|why     POINT may be *, RESULT several with / between,
# the test's name has * for any text.

function regex(glob) {
	gsub(/[][\\.^$+?(){}|]/, "\\\\&", glob)
	gsub(/\*/, ".*", glob)
	return "^" glob "$"
}

# The line that explains a result at a point; only one that names the point when named is set.
function explained(point, result, key, named, i) {
	for (i = 1; i <= lines; i++)
		if ((e_point[i] == point || (!named && e_point[i] == "*")) &&
		    index("/" e_result[i] "/", "/" result "/") && key ~ e_test[i]) {
			e_used[i] = 1
			return i
		}
	return 0
}

function is_bad(result) { return result == "fail" || result == "error" || result == "crash" || result == "timeout" }

# A result as it is shown, the same width for all.
function shown(point, key, result) {
	result = key SUBSEP point in got ? got[key, point] : "absent"
	return result
}

function print_results(key, i, text) {
	for (i = 1; i <= n; i++) text = text sprintf("  %s: %-7s", p[i], shown(p[i], key))
	return text
}

BEGIN { FS = "\t"; n = split(points, p, " ") }

FILENAME == expected {
	if ($0 ~ /^(#|$)/) next
	if (split($0, part, "|") < 4) { print FILENAME ":" FNR ": not POINT|RESULT|PROGRAM: TEST|why"; broken = 1; next }
	e_point[++lines] = part[1]
	e_result[lines] = part[2]
	e_text[lines] = part[3]
	e_test[lines] = regex(part[3])
	e_why[lines] = part[4]
	next
}

$1 == "run" {
	if (!($3 in seen)) { seen[$3] = 1; program[++programs] = $3 }
	took[$3, $2] = $5
	next
}

$1 == "test" {
	key = $3 ": " $5
	if (!(key in of)) { of[key] = $3; keys[++nkeys] = key }
	got[key, $2] = $4
	why[key, $2] = $6
	number[$3, $2, $4]++
	total[$4]++
}

# Sets DIFFERS and whether the difference is explained.
function compare(key, i, first, base, r) {
	differs = 0
	because = ""
	unexplained = ""
	base = shown(p[1], key)
	first = explained(p[1], base, key, 1)
	for (i = 2; i <= n; i++) {
		r = shown(p[i], key)
		if (r == base) continue
		differs = 1
		line = explained(p[i], r, key, 1)
		if (!line) line = first
		if (!line) line = unstable(key, base, r)
		if (line) because = e_why[line]
		else unexplained = unexplained " " p[i]
	}
	return differs
}

# A line for * that allows both results tells of a test that is not the same every time.
function unstable(key, a, b, i) {
	for (i = 1; i <= lines; i++)
		if (e_point[i] == "*" && key ~ e_test[i] && index("/" e_result[i] "/", "/" a "/") &&
		    index("/" e_result[i] "/", "/" b "/")) {
			e_used[i] = 1
			return i
		}
	return 0
}

END {
	failures = broken
	for (i = 1; i <= nkeys; i++) {
		key = keys[i]
		if (compare(key)) {
			diff[++ndiff] = sprintf("  %s\n     %s\n      %s", key, print_results(key),
				unexplained == "" ? because : "NOT EXPLAINED")
			if (unexplained != "") failures++
			difference_shown[key] = unexplained != ""
		}
		for (j = 1; j <= n; j++) {
			result = shown(p[j], key)
			if (result == "absent") continue
			if (result == "skip") { skips[why[key, p[j]]]++; continue }
			checks++
			if (!is_bad(result)) { passed++; continue }
			line = explained(p[j], result, key, 0)
			if (line) {
				expected++
				e_hits[line] = e_hits[line] " " p[j]
				e_count[line]++
			} else {
				unexpected[++nunexpected] = sprintf("  %-7s %-7s %s\n          %s", p[j], result, key, why[key, p[j]])
				if (!difference_shown[key]) failures++
			}
		}
	}
	print "\nDifferences between the points: " (ndiff ? ndiff : "none")
	for (i = 1; i <= ndiff; i++) print diff[i]
	if (nunexpected) print "\nFailed, and not in expected.txt:"
	for (i = 1; i <= nunexpected; i++) print unexpected[i]
	print "\nFailed as expected (tests/external/expected.txt tells why):"
	for (i = 1; i <= lines; i++)
		if (e_count[i]) printf "  %-60s %s\n      at%s: %s\n", e_text[i], e_result[i], short(e_hits[i]), e_why[i]
	for (i = 1; i <= lines; i++) {
		if (e_used[i] || !all) continue
		# A line may name a point that did not run, and one that shares another's kernel.
		if (e_point[i] != "*" && !ran(e_point[i])) continue
		printf "\n%s|%s|%s: nothing of that kind happened: take the line out of expected.txt\n", e_point[i], e_result[i], e_text[i]
		failures++
	}
	table()
	print "\nSkipped, by the reason given:"
	for (reason in skips) printf "%6d  %s\n", skips[reason], (reason == "" ? "(no reason given)" : reason) | "sort -k1,1nr -k2"
	close("sort -k1,1nr -k2")
	bad = nunexpected > failures ? nunexpected : failures
	if (!checks) { print "nothing ran"; exit 1 }
	printf "\n%d passed, %d failed as expected, %d skipped, %d not as expected\n", passed, expected, total["skip"], bad
	printf "%d%%: Checks: %d, Failures: %d, Errors: 0\n", (checks > bad ? 100 * (checks - bad) / checks : 0), checks, bad
	exit bad > 0
}

# " base base base series" as " base (3) series (1)".
function short(text, w, m, i, c, out) {
	m = split(text, w, " ")
	for (i = 1; i <= m; i++) c[w[i]]++
	for (i = 1; i <= n; i++) if (c[p[i]]) out = out " " p[i] " (" c[p[i]] ")"
	return out
}

function ran(point, i) {
	for (i = 1; i <= n; i++) if (p[i] == point) return 1
	return 0
}

# How many tests of a program ended so at a point.
function how_many(name, point, results, m, w, i, sum) {
	m = split(results, w, " ")
	for (i = 1; i <= m; i++) sum += number[name, point, w[i]]
	return sum
}

function table(i, j) {
	printf "\n%-26s", "pass/fail/skip, seconds"
	for (j = 1; j <= n; j++) printf " %22s", p[j]
	print ""
	for (i = 1; i <= programs; i++) {
		printf "%-26s", program[i]
		for (j = 1; j <= n; j++)
			printf " %22s", sprintf("%d/%d/%d  %4d", how_many(program[i], p[j], "pass xfail"),
				how_many(program[i], p[j], "fail error crash timeout"),
				how_many(program[i], p[j], "skip"), took[program[i], p[j]])
		print ""
	}
}
