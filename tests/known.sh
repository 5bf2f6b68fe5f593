# SPDX-License-Identifier: GPL-2.0
# Known bugs (known-bugs.txt): sourced by tests/run.

KNOWN_TEST=() KNOWN_POINTS=() KNOWN_MODES=() KNOWN_BUG=()

# read_known FILE: fills the lists. Dies at a line it cannot read, or that names no test:
# a test that was renamed would be expected to pass otherwise.
read_known()
{
	local suite test points modes bug n=0

	[ -r "$1" ] || die "$1: cannot be read: give the file of known bugs with --known"
	while read -r suite test points modes bug; do
		n=$((n + 1))
		[[ $suite == "" || $suite == \#* ]] && continue
		[[ $suite == *: && -n $bug ]] ||
			die "$1: line $n: not 'SUITE: TEST POINTS MODES BUG': see the top of the file"
		[ "$modes" = "*" ] || check_modes "${modes//,/ }" "$1: line $n"
		[ -z "${TESTS_OF[${suite%:}]:-}" ] ||
			[[ " ${TESTS_OF[${suite%:}]//$'\n'/ } " == *" $test "* ]] ||
			die "$1: line $n: $suite $test: the suite has no such test"
		KNOWN_TEST+=("${suite%:}:$test") KNOWN_POINTS+=(",$points,")
		KNOWN_MODES+=(",$modes,") KNOWN_BUG+=("$bug")
	done < "$1"
}

# known_bug SUITE TEST POINT FLAVOUR MODE: sets BUG to the bug that makes the test fail
# there, or to nothing.
known_bug()
{
	local i point=${3%%+*}

	BUG=
	for i in "${!KNOWN_TEST[@]}"; do
		[ "${KNOWN_TEST[i]}" = "$1:$2" ] || continue
		[[ ${KNOWN_POINTS[i]} == *",$point,"* || ${KNOWN_POINTS[i]} == *",$point/$4,"* ]] || continue
		[[ ${KNOWN_MODES[i]} == *",$5,"* || ${KNOWN_MODES[i]} == ",*," ]] || continue
		BUG=${KNOWN_BUG[i]}
		return
	done
}

# A bug that is a race may miss its moment on a busy machine: it is gone when this many runs have not shown it.
KNOWN_TRIES=3

# shows_no_bug RESULTS: whether a test of a known bug passed. One that failed, died, was skipped or
# did not come to its end has more to say than another run would.
shows_no_bug()
{
	local status rest ok=

	while IFS=$FS read -r status rest; do
		[ "$status" = ok ] || return 1
		ok=1
	done < "$1"
	[ -n "$ok" ]
}

# judge_known RESULTS TEST BUG POINT: rewrites the records of one test that was run alone, as
# those of a known bug. A kernel that died or complained is a failure of the test only if
# BUG begins with "panics:"; other ends (time-out, umrun's error) never are.
judge_known()
{
	local file=$1 test=$2 bug=$3 point=$4 status weight name us reason first=
	local failed= died= other= rest=

	while IFS=$FS read -r status weight name us reason; do
		[[ -n $first || $name == *": (the suite)" ]] || first=$name$FS$us
		case $status in
		FAIL) failed=$reason ;;
		error)
			if [[ $name == *": (the suite)" && $reason != *"umrun: 126 "* ]]; then other=1
			elif [[ $name == *": (the suite)" || $reason == *"Received signal "* ]]; then died=${reason%%$RS*}
			else other=1; fi ;;
		skip) other=1 ;;
		esac
	done < "$file"
	[ -n "$other" ] && return 0
	[[ -n $died && $bug != panics:* ]] && return 0
	[ -n "$first" ] || first="${test//_/ }${FS}0"
	name=${first%%$FS*} us=${first##*$FS}
	rest=${failed:-$died}
	if [ -n "$rest" ]; then
		printf '%s\n' "known${FS}1$FS$name$FS$us$FS$bug: $rest" > "$file"
	elif [[ $point != *+* ]]; then
		printf '%s\n' "FAIL${FS}1$FS$name$FS$us${FS}passed $KNOWN_TRIES times, but tests/known-bugs.txt says that it must fail here ($bug): mended? then take its line out" > "$file"
	fi
}

# symbols_of KERNEL: those of its functions that tests or we ask for, as nm prints them: START SIZE TYPE NAME. Whose
# allocations suites let fail, and self-checks that allocate below them (tests/guest/lib/inject.h); and one of uml/patches/fixes/0007.
symbols_of()
{
	nm -pS --defined-only "$1" 2> /dev/null |
		grep -E ' (tlb_remove_table|__tlb_remove_folio_pages|__pte_alloc|stack_depot_save_flags|debug_object_activate|um_tlb_enter_user)$'
}

# bugs_like POINT PT_RECLAIM SYMBOLS: the point whose known bugs a kernel may have. A point in between, `work`,
# a tree of the user's, base and series with patches on top are like the one that they amount to by what is in
# them; what comes behind a + may have mended them.
bugs_like()
{
	case $1 in
	[1-8]* | v3* | work* | tree-* | base+* | series+*)
		# Whether UML's own bugs are mended in it.
		if [[ $3 == *" um_tlb_enter_user"* ]]; then echo fixed+own; elif [ "$2" = y ]; then echo series+own; else echo base+own; fi ;;
	*) echo "$1" ;;
	esac
}
