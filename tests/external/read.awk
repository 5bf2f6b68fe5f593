# SPDX-License-Identifier: GPL-2.0
# Reads what one program printed; prints a record a test, fields apart by tabs:
#   run   POINT  PROGRAM  RESULT  SECONDS  REASON      how the run as a whole ended
#   test  POINT  PROGRAM  RESULT  TEST     REASON      RESULT: pass fail skip xfail error crash timeout
# Variables: kind, program, point, status (umrun's), decided (who decided it), reason (umrun's),
# seconds. KTAP (Documentation/dev-tools/ktap.rst) is read whole, nested tests by their leaves.
# A run that ends other than its tests say is the test "(the run)": error, crash or timeout.

function record(result, test, why) {
	gsub(/\t/, " ", test)
	gsub(/\t/, " ", why)
	# A program may use a name twice.
	if (++used[test] > 1) test = test " (" used[test] ")"
	print "test", point, program, result, test, why
	count[result]++
}

# What differs from one run to the next has no place in a name.
function stable(name) {
	gsub(/0x[0-9a-f]+/, "0x*", name)
	sub(/ +$/, "", name)
	return name
}

# A result line: its number and dash are off, depth is its indentation.
function take(result, text, depth, why, i, path) {
	if (match(text, /# *(SKIP|XFAIL|XPASS|TODO)/)) {
		why = substr(text, RSTART + RLENGTH)
		sub(/^[: ]+/, "", why)
		if (substr(text, RSTART, RLENGTH) ~ /SKIP/) {
			if (result == "pass") result = "skip"
		} else if (substr(text, RSTART, RLENGTH) ~ /XFAIL/) {
			result = "xfail"
		}
		text = substr(text, 1, RSTART - 1)
	}
	sub(/^ *(- )?/, "", text)
	sub(/ +$/, "", text)
	# mseal_test's macros add where it failed.
	if (match(text, /: line:[0-9]+$/)) {
		why = why substr(text, RSTART + 2)
		text = substr(text, 1, RSTART - 1)
	}
	# kselftest's macros print a skipped test's name in the place of the reason, which stands
	# after it or on the line before, or the reason in the place of the name.
	if (text == "") {
		text = why
		sub(/: line:[0-9]+$/, "", text)
		if (match(text, / \(.*\)$/)) {
			why = substr(text, RSTART + 2, RLENGTH - 3)
			text = substr(text, 1, RSTART - 1)
		} else if (said != "") {
			why = said
		}
	}
	if (result == "fail" && why == "") why = said
	said = ""
	# The sum of what is below it tells nothing new, unless it failed by itself.
	if (inside[depth + 1] > 0) {
		if (result == "fail" && !bad[depth + 1]) {
			path = prefix(depth) text
			record("fail", stable(path), "its tests passed, the whole did not")
		}
	} else {
		record(result, stable(prefix(depth) text), why)
	}
	bad[depth] += result == "fail" || bad[depth + 1]
	inside[depth]++
	inside[depth + 1] = bad[depth + 1] = 0
	title[depth + 1] = ""
}

# The names of the tests around one at this depth.
function prefix(depth, i, text) {
	for (i = 1; i <= depth; i++)
		if (title[i] != "") text = text title[i] "."
	return text
}

function depth_of(line) {
	match(line, /^ */)
	return int(RLENGTH / 4)
}

BEGIN { OFS = "\t" }

{ sub(/\r$/, "") }

# KUnit's name of a list of tests; the list is indented like it.
/^ *# Subtest: / {
	depth = depth_of($0)
	sub(/^ *# Subtest: /, "")
	title[depth] = $0
	inside[depth] = bad[depth] = 0
	next
}

/^ *(not )?ok [0-9]+/ {
	depth = depth_of($0)
	got += depth == 0
	result = $0 ~ /^ *not ok/ ? "fail" : "pass"
	sub(/^ *(not )?ok [0-9]+/, "")
	take(result, $0, depth)
	next
}

# A program that skips all of itself.
/^1\.\.0 # *SKIP/ {
	sub(/^1\.\.0 # *SKIP */, "")
	record("skip", "(all)", $0)
	got = 1
	next
}

/^1\.\.[0-9]+/ && kind != "stress" { planned += substr($1, 4) }
/^Bail out!/ { bail = $0 }

# What a failing test says about itself comes before its result.
/^ *# / {
	line = $0
	sub(/^ *# */, "", line)
	if (line !~ /^(RUN|OK|FAIL|\[RUN\]|\[INFO\]|PASSED|Totals:|Starting|pass:)/) said = line
	last = line
}

# stress-ng: the line of a stressor with its count of operations.
kind == "stress" && /metrc:/ && $5 ~ /^[0-9]+$/ { operations += $5 }
kind == "stress" && /(fail|skip|not supported|aborted early)/ && said == "" { said = $0; sub(/^.*\] /, "", said) }

END {
	ended = status == 0 ? "pass" : "fail"
	if (status == 126 && decided != "program") ended = "crash"
	else if (status == 124 && decided != "program") ended = "timeout"
	else if (status == 125 && decided != "program") ended = "error"
	if (ended != "pass" && ended != "fail") {
		why = reason
	} else if (kind == "stress") {
		why = status == 0 && operations ? operations " operations" : (said != "" ? said : "no operation was done, exit status " status)
		ended = status == 0 && operations ? "pass" : (status == 3 || status == 4 || said ~ /skip|not supported/ ? "skip" : "fail")
		record(ended, "stressor", ended == "pass" ? "" : why)
		got = 1
	} else if (!got && kind == "selftest" && status == 4) {
		record("skip", "(all)", last)
		got = 1
	} else if (!got) {
		ended = "error"
		why = "printed no result, exit status " status
	} else if (got < planned && status != 4) {
		ended = "error"
		why = "printed " got " of " planned " planned results, exit status " status ": " bail last
	} else if (kind == "selftest" && status > 1 && status != 4) {
		ended = "error"
		why = "exit status " status
	} else if (kind == "selftest" && status == 1 && !count["fail"]) {
		ended = "error"
		why = "exit status 1 though no test failed: " (last ~ /^Totals/ && said != "" ? said : bail last)
	} else if (kind == "selftest" && status == 0 && count["fail"]) {
		ended = "error"
		why = "exit status 0 though " count["fail"] " tests failed"
	} else {
		ended = count["fail"] ? "fail" : "pass"
	}
	if (ended == "crash" || ended == "timeout" || ended == "error")
		record(ended, "(the run)", why)
	print "run", point, program, ended, seconds, why
}
