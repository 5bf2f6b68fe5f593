# SPDX-License-Identifier: GPL-2.0
# A run that can be repeated at once: sourced by tests/run. A folder (--save DIR) keeps
#
#   args, jobs      how tests/run was called, and what it made of that
#   kernels         POINT FLAVOUR DIR of each kernel
#   project         every file and folder of the project that has a say, one a line
#   made            what was made of it, and the compiler
#   *.digest        what project, and the files that kernel N was made from, were (build/changed)
#   start           its time is the start of all that led to this run; made by tests/again.sh
#
# tests/again.sh compares the digests, and calls tests/run --again DIR.

CHANGED=$top/build/changed

# digest_of_kernel DIR [OPTION...]: one number for all that the kernel was made from, and for itself.
digest_of_kernel()
{
	local dir=$1

	shift
	"$CHANGED" -C "$dir" --digest "$@" .umlab/kbuild .umlab/folders .umlab/.ninja_deps
}

# kernel_itself DIR: its file, as a number.
kernel_itself()
{
	stat -Lc '%i %Y %s' "$1/linux" "$1/umlab.info" "$1/.config"
}

# save_kernels DIR: the digests of its kernels. Status 1 if what they were made from changed meanwhile.
save_kernels()
{
	local point flavour dir n=0

	while read -r point flavour dir; do
		[ -f "$dir/.umlab/args" ] && digest_of_kernel "$dir" --since "$1/start" > "$1/$n.digest" &&
			kernel_itself "$dir" >> "$1/$n.digest" || return 1
		n=$((n + 1))
	done < "$1/kernels"
}

# list_project DIR FILE...: what the run depends on beside kernels; what `make` made of it apart, and the FILEs with that.
list_project()
{
	local to=$1

	shift
	find "$top"/{Makefile,uml,tools,rootfs,tests} ! -name '.*' ! -name '*.pyc' ! -name __pycache__ > "$to/project"
	type -P gcc ld as make ${CC:+"${CC##* }"} > "$to/made"
	printf '%s\n' "$UMRUN" "$top/build/rootfs.cpio" "$CHANGED" "$@" >> "$to/made"
}

# save_run DIR ARG...: so that this run can be repeated at once; or not, when host suites were in it or a
# file was edited since it began.
save_run()
{
	local to=$1 i
	local -A kernels=() files=()

	shift
	[ -f "$to/start" ] || return 0
	printf '%s\0' "$@" > "$to/args"
	for i in "${!JOB_KIND[@]}"; do
		[ "${JOB_KIND[$i]}" = guest ] || return 0
		files[${JOB_FILE[$i]}]=1
		kernels["${INFO[${JOB_DIR[$i]}:point]} ${INFO[${JOB_DIR[$i]}:flavour]} ${JOB_DIR[$i]}"]=1
	done
	printf '%s\n' "${!kernels[@]}" > "$to/kernels"
	list_project "$to" "${!files[@]}"
	"$CHANGED" --digest --since "$to/start" "$to/project" > /dev/null &&
		"$CHANGED" --digest "$to/project" "$to/made" > "$to/project.digest" && save_kernels "$to" || return 0
	save_jobs "$to"
}

save_jobs()
{
	local text

	text=$(declare -p "${!JOB_@}" INFO TESTS_OF)
	printf '%s\n' "${text//declare -/declare -g}" > "$1/jobs.new"
	mv "$1/jobs.new" "$1/jobs"
}

# save_run_kernels DIR: a run that was repeated with other kernels; nothing else is new.
save_run_kernels()
{
	rm -f "$1/jobs"
	! save_kernels "$1" || save_jobs "$1"
}

# load_run DIR: what make_jobs would find out. Status 1 when the kernels are others, and other tests may be due.
load_run()
{
	local point flavour dir was

	. "$1/jobs"
	while read -r point flavour dir; do
		[ -n "${KERNEL_CHANGED:-}" ] || { hold_kernel "$dir"; continue; }
		was=${INFO[$dir:pt_reclaim]}${INFO[$dir:bugs]}
		read_info "$dir"
		[ "$was" = "${INFO[$dir:pt_reclaim]}${INFO[$dir:bugs]}" ] || return 1
	done < "$1/kernels"
}
