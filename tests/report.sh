# SPDX-License-Identifier: GPL-2.0
# What tests/run prints, and the files that it writes: sourced by tests/run.

CHECKS=0 FAILURES=0 ERRORS=0 NUMBER=0
SKIPPED=() KNOWN_SEEN=()

# There are thousands of results: no process for one of them.

# seconds MICROSECONDS: sets S to seconds with two places.
seconds()
{
	printf -v S '%d.%02d' $(($1 / 1000000)) $(($1 / 10000 % 100))
}

# xml TEXT: sets XML.
xml()
{
	# In quotes: bash 5.2 takes a bare & for what was matched.
	XML=${1//&/"&amp;"}
	XML=${XML//</"&lt;"} XML=${XML//>/"&gt;"} XML=${XML//\"/"&quot;"}
	# XML 1.0 has no place for most control characters.
	XML=${XML//[$'\x01'-$'\x08\x0b\x0c\x0e'-$'\x1f']/?}
}

report_open()
{
	: > "$RESULTS/check.cases"
	printf 'TAP version 13\n' > "$RESULTS/check.tap"
	[ -z "$TAP" ] || printf 'TAP version 13\n'
}

to_tap()
{
	printf '%s\n' "$1" >> "$RESULTS/check.tap"
	[ -z "$TAP" ] || printf '%s\n' "$1"
}

human()
{
	[ -n "$TAP" ] || printf '%s\n' "$1"
}

# report_result WHERE STATUS WEIGHT NAME MICROSECONDS REASON LOG
report_result()
{
	local where=$1 status=$2 weight=$3 name=$4 S s reason=$6 log=$7 word line
	local -a lines=("$reason")

	seconds "$5"
	s=$S
	[[ $reason != *$'\n'* ]] || mapfile -t lines <<< "$reason"
	NUMBER=$((NUMBER + 1))
	[ "$status" = skip ] || CHECKS=$((CHECKS + weight))
	case $status in
	FAIL) FAILURES=$((FAILURES + weight)) word=FAIL ;;
	error) ERRORS=$((ERRORS + weight)) word=ERROR ;;
	*) word=$status ;;
	esac
	printf -v line '%-5s %s  %s' "$word" "$where" "$name"
	case $status in
	ok)
		human "$line  $s s"
		to_tap "ok $NUMBER - $where ${name//#/\\#} # $s s" ;;
	known)
		human "$line  $s s"
		human "      known bug: ${lines[0]}"
		KNOWN_SEEN+=("$where  $name: ${lines[0]}")
		to_tap "ok $NUMBER - $where ${name//#/\\#} # known bug: ${lines[0]}" ;;
	skip)
		human "$line: $reason"
		SKIPPED+=("$where  $name: $reason")
		to_tap "ok $NUMBER - $where ${name//#/\\#} # SKIP ${lines[0]}" ;;
	*)
		human "$line  $s s"
		to_tap "not ok $NUMBER - $where ${name//#/\\#}"
		[ -z "$log" ] || lines+=("log: $log")
		for line in "${lines[@]}"; do
			human "      $line"
			to_tap "#   $line"
		done ;;
	esac
	report_case "$where" "$status" "$name" "$s" "$reason"
}

# One JUnit case.
report_case()
{
	local inside= first where name XML

	xml "${5%%$'\n'*}"; first=$XML
	xml "$1"; where=$XML
	xml "$3"; name=$XML
	xml "$5"
	case $2 in
	FAIL) inside="<failure message=\"$first\">$XML</failure>" ;;
	error) inside="<error message=\"$first\">$XML</error>" ;;
	skip) inside="<skipped message=\"$XML\"/>" ;;
	esac
	printf '  <testcase classname="%s" name="%s" time="%s">%s</testcase>\n' \
		"$where" "$name" "$4" "$inside" >> "$RESULTS/check.cases"
}

# Totals, last, in Check's form. Returns 0 when all passed.
report_close()
{
	local good=$((CHECKS - FAILURES - ERRORS)) percent=0 totals text

	[ "$CHECKS" -eq 0 ] || percent=$((100 * good / CHECKS))
	totals="$percent%: Checks: $CHECKS, Failures: $FAILURES, Errors: $ERRORS"
	{
		printf '<?xml version="1.0" encoding="UTF-8"?>\n'
		printf '<testsuite name="umlab" tests="%d" failures="%d" errors="%d" skipped="%d">\n' \
			$((CHECKS + ${#SKIPPED[@]})) "$FAILURES" "$ERRORS" "${#SKIPPED[@]}"
		cat "$RESULTS/check.cases"
		printf '</testsuite>\n'
	} > "$RESULTS/check.xml"
	rm -f "$RESULTS/check.cases"
	if [ ${#SKIPPED[@]} -gt 0 ]; then
		human "skipped: ${#SKIPPED[@]}"
		for text in "${SKIPPED[@]}"; do
			human "      $text"
		done
	fi
	if [ ${#KNOWN_SEEN[@]} -gt 0 ]; then
		human "known bugs that were seen: ${#KNOWN_SEEN[@]}"
		for text in "${KNOWN_SEEN[@]}"; do
			human "      $text"
		done
	fi
	to_tap "1..$NUMBER"
	to_tap "# $totals"
	human "$totals"
	[ "$CHECKS" -gt 0 ] && [ "$good" -eq "$CHECKS" ]
}
