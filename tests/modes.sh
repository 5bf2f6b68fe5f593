# SPDX-License-Identifier: GPL-2.0
# How a guest is run: modes, time factors, coverage. Sourced by tests/run.

# native: no UML, another architecture's kernel in qemu (tests/arch).
ALL_MODES="ptrace/1 seccomp/1 seccomp/2 native/1 native/2"

# check_modes LIST WHERE: dies unless each is a mode.
check_modes()
{
	local mode

	[ -n "$1" ] || die "$2: no mode: give some of: $ALL_MODES"
	while read -r -d ' ' mode; do
		[[ " $ALL_MODES " == *" $mode "* ]] ||
			die "$2: $mode: no such mode: give some of: $ALL_MODES"
	done <<< "$1 "
}

# mode_options MODE: sets MODE_OPTIONS, umrun's for it. ptrace mode has one CPU.
mode_options()
{
	local append=$APPEND

	[ "$1" != seccomp/1 ] || append="seccomp=on $append"
	MODE_OPTIONS=(--cpus "${1#*/}")
	append=${append% }
	[ -z "$append" ] || MODE_OPTIONS+=(--append "$append")
}

# time_factor FLAVOUR: how much longer than fast it may take.
time_factor()
{
	case $1 in
	fast) echo 1 ;;
	sanitize) echo 8 ;;
	*) echo 3 ;;
	esac
}

# gcov_folder INDEX: the host folder that is the share of a job whose coverage is kept.
gcov_folder()
{
	printf '%s/%s-%s%s' "$GCOV" "${JOB_WHERE[$1]//\//-}" "${JOB_SUITE[$1]}" "${JOB_BUG[$1]:+-${JOB_TESTS[$1]}}"
}

# gcov_command SUITE_FILE: adds to CMD: run the suite, then copy what gcov counted to the share.
# The kernel names each file as it was called when it was compiled; from its O= folder on it is
# the same everywhere.
gcov_command()
{
	CMD+=(--share-ro "${1%/*}" -- sh -c '/share-ro/"$0"
		status=$?
		cd /sys/kernel/debug/gcov && find . -name "*.gcda" | while read -r f; do
			to=/share/gcov/${f##*/cover/}
			mkdir -p "${to%/*}"
			cat "$f" > "$to" || echo "Bail out! $f: cannot be copied"
		done
		exit $status' "${1##*/}")
}
