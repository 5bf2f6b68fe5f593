# SPDX-License-Identifier: GPL-2.0
# What host suites print their results with (TAP). Source it: . "$(dirname "$0")/../tap.sh"
# A suite is an executable file in tests/host; tests/run gives it an empty
# stdin, limits its time (600 s, or a line `# timeout: SECONDS` in the file),
# and takes T= from the environment for those that can leave tests out.

TAP_COUNT=0
TAP_FAILED=0

# ok STATUS NAME [REASON]: a test that passed when STATUS is 0. The reason is
# what a reader needs when it did not; it may have several lines.
ok()
{
	TAP_COUNT=$((TAP_COUNT + 1))
	if [ "$1" -eq 0 ]; then
		printf 'ok %d - %s\n' "$TAP_COUNT" "$2"
	else
		TAP_FAILED=$((TAP_FAILED + 1))
		printf 'not ok %d - %s\n' "$TAP_COUNT" "$2"
		if [ -n "${3:-}" ]; then
			printf '%s\n' "$3" | sed 's/^/# /'
		fi
	fi
}

# is GOT WANT NAME: passes when the two strings are equal.
is()
{
	if [ "$1" = "$2" ]; then
		ok 0 "$3"
	else
		ok 1 "$3" "got: $1
expected: $2"
	fi
}

# like TEXT REGEX NAME: passes when a line of the text matches (grep -E).
like()
{
	if grep -Eq -e "$2" <<< "$1"; then
		ok 0 "$3"
	else
		ok 1 "$3" "expected a line that matches: $2
in: $1"
	fi
}

# skip NAME REASON: a test that this machine cannot run.
skip()
{
	TAP_COUNT=$((TAP_COUNT + 1))
	printf 'ok %d - %s # SKIP %s\n' "$TAP_COUNT" "$1" "$2"
}

# diag TEXT: a line for the reader, such as why the test before it failed.
diag()
{
	printf '%s\n' "$1" | sed 's/^/# /'
}

# finish: the plan. The last line of a suite; its status tells failure.
finish()
{
	printf '1..%d\n' "$TAP_COUNT"
	[ "$TAP_FAILED" -eq 0 ]
}
