# SPDX-License-Identifier: GPL-2.0
# One suite, run and read: sourced by tests/run, each job in a subshell of its own.
#
# A job leaves its results in a file, one record a line, fields apart by FS:
#   status (ok, FAIL, error, skip), weight (how many checks), name, microseconds, reason
# Line ends inside a reason are kept as RS.

FS=$'\x1f'
RS=$'\x1e'
DIAG_LINES=70           # lines of diagnostics kept for one failed test

now_us()
{
	NOW=${EPOCHREALTIME//[!0-9]/}
}

# record STATUS WEIGHT NAME MICROSECONDS REASON: to the file on fd 3.
record()
{
	local reason=${5//$'\n'/$RS}

	printf '%s\n' "$1$FS$2$FS$3$FS$4$FS${reason//$FS/ }" >&3
}

# Writes the test read last, with the diagnostics that came after it.
flush_result()
{
	[ -n "$R_STATUS" ] || return 0
	record "$R_STATUS" 1 "$R_NAME" "$R_US" "$R_REASON"
	R_STATUS=
}

# Sets R_NAME and R_REASON from what Check's TAP says about a test:
# FILE:CASE:TEST: MESSAGE (the message ends in the place of the expectation).
guest_result()
{
	local rest=${1#*:} name message

	rest=${rest#*:}
	name=${rest%%:*}
	message=${rest#*: }
	R_NAME="$SUITE: ${name//_/ }"
	[ "$R_STATUS" = ok ] && return
	R_REASON=$message
	# Not a test's verdict, but its end by other causes.
	case $message in
	*"Test timeout expired"*|*"Received signal "*|*"Early exit with "*)
		R_STATUS=error ;;
	esac
}

# One result line of TAP.
take_result()
{
	local line=$1 text

	flush_result
	R_REASON= R_STATUS=ok
	[ "${line%%ok*}" = "not " ] && R_STATUS=FAIL
	text=${line#*ok}
	text=${text# }
	text=${text#"${text%%[!0-9]*}"}
	text=${text# }
	text=${text#- }
	now_us
	R_US=$((NOW - LAST_US))
	LAST_US=$NOW
	GOT=$((GOT + 1))
	if [ "$KIND" = guest ]; then
		guest_result "$text"
	else
		if [[ $text =~ ^(.*[^ ])?\ *#\ *[Ss][Kk][Ii][Pp][A-Za-z]*\ *(.*)$ ]]; then
			text=${BASH_REMATCH[1]}
			SKIP_REASON=${BASH_REMATCH[2]:-no reason given}
		fi
		R_NAME="$SUITE: $text"
	fi
	[ "$R_STATUS" = FAIL ] && BAD=$((BAD + 1))
	[ "$R_STATUS" = error ] && BAD=$((BAD + 1))
	if [ -n "$SKIP_REASON" ]; then
		[ "$R_STATUS" = ok ] && R_STATUS=skip R_REASON=$SKIP_REASON
		SKIP_REASON=
	fi
	# Of a host suite, other tests ran too, but were not asked for.
	if [ "$KIND" = host ] && ! matches "$R_NAME"; then
		R_STATUS=
	fi
	R_DIAG=0
}

take_line()
{
	case $1 in
	"# tests "*)
		PLAN=${1#\# tests }
		# The boot is not part of the first test.
		now_us; LAST_US=$NOW ;;
	"# replay: "*) REPLAY=${1#\# } ;;&	# said before, for when the kernel dies
	"# SKIP "*) SKIP_REASON=${1#\# SKIP } ;;
	"ok "*|"not ok "*|ok|"not ok") take_result "$1" ;;
	"1..0 # "[Ss][Kk][Ii][Pp]*)
		flush_result
		PLAN=0 ALL_SKIPPED=1
		record skip 1 "$SUITE: all" 0 "${1#1..0 # [Ss][Kk][Ii][Pp]}" ;;
	1..[0-9]*) flush_result; PLAN=${1#1..}; PLAN=${PLAN%% *} ;;
	"Bail out!"*) flush_result; BAIL=${1#Bail out!} ;;
	"#"*)
		[ "$R_STATUS" = FAIL ] || return 0
		R_DIAG=$((R_DIAG + 1))
		[ "$R_DIAG" -le "$DIAG_LINES" ] && R_REASON+=${R_REASON:+$'\n'}${1#\#} ;;
	esac
}

# Reads the suite's output from fd 4 until it ends or the job's time is over.
take_output()
{
	local line end=$((SECONDS + LIMIT + 15)) rc

	while :; do
		IFS= read -r -t $((end > SECONDS ? end - SECONDS : 1)) -u 4 line
		rc=$?
		[ $rc -gt 128 ] && return 1
		[ $rc -ne 0 ] && [ -z "$line" ] && return 0
		printf '%s\n' "$line" >&5
		take_line "$line"
		[ $rc -ne 0 ] && return 0
	done
}

# Why umrun said so, from its --result file; else its last words.
umrun_reason()
{
	local why=

	[ -f "$UMRUN_RESULT" ] &&
		why=$(sed -n 's/.*"\(reason\|why\)": *"\(\([^"\\]\|\\.\)*\)".*/\2/p' "$UMRUN_RESULT" | head -n 1)
	[ -n "$why" ] || why=$(grep -v '^[[:space:]]*$' "$ERR" | head -n 1)
	printf '%s' "${why:-no reason given}"
}

# Sets WRONG to what is wrong with the suite as a whole, besides failed tests.
judge_suite()
{
	local rc=$1 finished=$2

	WRONG=
	[ -n "$BAIL" ] && WRONG+="; bailed out:$BAIL"
	if [ "$finished" -ne 0 ]; then
		WRONG+="; its output was still open 15 s after its time-out of $LIMIT s: it left a process behind"
	elif [ "$KIND" = guest ] && [ "$rc" -eq 124 ]; then
		WRONG+="; umrun: 124 (time-out): $(umrun_reason)"
	elif [ "$KIND" = guest ] && [ "$rc" -eq 125 ]; then
		WRONG+="; umrun: 125 (its own error): $(umrun_reason)"
	elif [ "$KIND" = guest ] && [ "$rc" -eq 126 ]; then
		WRONG+="; umrun: 126 (the kernel died or complained): $(umrun_reason)"
	elif [ "$rc" -eq 124 ] || [ "$rc" -eq 137 ]; then
		WRONG+="; no end within $LIMIT s"
	elif [ "$rc" -gt 128 ]; then
		WRONG+="; killed by signal $((rc - 128))"
	fi
	if [ -z "$PLAN" ] && [ "$GOT" -eq 0 ]; then
		WRONG+="; printed no TAP"
	elif [ -z "$PLAN" ]; then
		WRONG+="; printed no plan after $GOT results: it ended early"
	elif [ "$GOT" -ne "$PLAN" ]; then
		WRONG+="; printed $GOT of $PLAN planned results"
	fi
	if [ -z "$WRONG" ] && [ "$rc" -ne 0 ] && [ "$BAD" -eq 0 ]; then
		WRONG+="; exit status $rc, though no test failed"
	elif [ -z "$WRONG" ] && [ "$rc" -eq 0 ] && [ "$BAD" -gt 0 ] && [ "$KIND" = guest ]; then
		WRONG+="; exit status 0, though $BAD tests failed"
	fi
	WRONG=${WRONG#; }
}

# run_job KIND WHERE SUITE LIMIT RESULTS_FILE RAW_FILE COMMAND...
# Runs the command, at most LIMIT seconds, and writes its records.
run_job()
{
	KIND=$1 WHERE=$2 SUITE=$3 LIMIT=$4
	exec 3> "$5" 5> "$6"
	ERR=${6%.out}.err UMRUN_RESULT=${6%.out}.json
	shift 6
	GOT=0 BAD=0 PLAN= REPLAY= BAIL= SKIP_REASON= ALL_SKIPPED= R_STATUS= R_DIAG=0
	local pid rc finished=0 missing=1

	rm -f "$UMRUN_RESULT"
	now_us; LAST_US=$NOW; local began=$NOW
	# timeout makes a process group of the suite: a signal to it reaches all.
	exec 4< <(exec timeout -k 5 "$LIMIT" "$@" < /dev/null 2> "$ERR" 3>&- 5>&-)
	pid=$!
	trap 'kill -TERM $pid 2> /dev/null; wait $pid; exit 143' TERM INT
	take_output || finished=1
	[ $finished -eq 0 ] || kill -TERM $pid 2> /dev/null
	wait $pid
	rc=$?
	flush_result
	judge_suite $rc $finished
	[ -n "$WRONG" ] || return 0
	[ -n "$PLAN" ] && [ "$PLAN" -gt "$GOT" ] && missing=$((PLAN - GOT))
	now_us
	[ -z "$REPLAY" ] || WRONG+=$'\n'$REPLAY
	[ -s "$ERR" ] && WRONG+=$'\n'$(head -n 20 "$ERR")
	record error "$missing" "$SUITE: (the suite)" $((NOW - began)) "$WRONG"
}
