# SPDX-License-Identifier: GPL-2.0
# The kernels of a run stay as they were when it began, though somebody builds the next one meanwhile: sourced by tests/run.

declare -A HELD=()      # KERNEL_DIR -> the folder with this run's links to its linux and umlab.info

# hold_kernel DIR: sets HELD[DIR]. A folder that uml/kernel.sh does not build in is held by itself: of another architecture's kernel
# (tests/arch) a run needs more files than these two. Dies when a build has taken the kernel away.
hold_kernel()
{
	local dir=$1 to=$1/.umlab/held/$$

	HELD[$dir]=$dir
	[ -d "$dir/.umlab" ] && ! grep -qs '^arch=' "$dir/umlab.info" && [ -z "$GDB" ] && mkdir -p "$to" || return 0
	HELD[$dir]=$to
	# A build removes umlab.info first and writes another one last.
	ln -f "$dir/umlab.info" "$dir/linux" "$to" 2> /dev/null && [ "$dir/umlab.info" -ef "$to/umlab.info" ] ||
		die "$dir: the kernel is being built by somebody else: run this again when that has ended"
}

# let_go_kernels: those of this run, and of runs that were killed.
let_go_kernels()
{
	local dir run

	for dir in "${!HELD[@]}"; do
		for run in "$dir"/.umlab/held/*/; do
			run=${run%/}
			[ "${run##*/}" != $$ ] && kill -0 "${run##*/}" 2> /dev/null || rm -rf "$run"
		done
	done
}
