#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make check T=NAME: the shortest way to the verdict of one test. Called by the Makefile, with what the user gave
# (T, P, F, ...) in the environment.
#
# Nothing has changed since this test was run: it is run again. Only sources of the kernel have: that is built, and
# the test is run. Anything else: make goes all the way.
set -u

top=$(cd "${0%/*}/.." && pwd) || exit 2
. "$top/tests/saved.sh"
cd "$top" || exit 2

# Whatever may change what a run is; of files that are named, what they are.
key=$(printf '%s\n' "$T" "${P-}" "${F-}" "${LINUX:+$(realpath "$LINUX" 2>&1)}" "${PATCHES:+$(cksum "$PATCHES" 2>&1)}" \
	"${SOURCE:+$(stat -Lc '%n %i %Y %s' "$SOURCE" 2>&1)}" "${TAP-}" "${JOBS-}" "${MODE-}" "${CC-}" \
	"${SEED-}" "${OPS-}" "${SERIAL-}" "${RANDOM_SECONDS-}" "${RANDOM_FIRST-}" "${SHRINK_SECONDS-}" "${ROUNDS-}" \
	"${KCFLAGS-}" "${KAFLAGS-}" "${KCPPFLAGS-}" "${MAKEFLAGS-}" "$PATH" | cksum)
dir=$top/build/again/${key// /-}

same_project()
{
	[ -f "$dir/jobs" ] && [ "$("$CHANGED" --digest "$dir/project" "$dir/made")" = "$(< "$dir/project.digest")" ]
}

same_kernels()
{
	local point flavour kernel n=0

	while read -r point flavour kernel; do
		[ "$(digest_of_kernel "$kernel" 2> /dev/null && kernel_itself "$kernel" 2> /dev/null)" = "$(< "$dir/$n.digest")" ] || return 1
		n=$((n + 1))
	done < "$dir/kernels"
}

# The points of saved kernels are those that uml/kernel.sh was asked for, but for LINUX and PATCHES.
build_kernels()
{
	local point flavour kernel

	while read -r point flavour kernel; do
		[ -z "${LINUX-}${PATCHES-}" ] || point=${P:-fixed}
		uml/kernel.sh "$point" "$flavour" > /dev/null &
		# A job in the background ignores Ctrl-C; it ends by this.
		trap 'kill -TERM $!; wait $!; exit 130' INT
		trap 'kill -TERM $!; wait $!; exit 143' TERM HUP
		wait $! || exit
		trap - INT TERM HUP
	done < "$dir/kernels"
}

# Another run of this that is under way keeps what it finds out; we go all the way, and leave that alone.
mkdir -p "$dir" && exec 9> "$dir/lock" || exit 2
flock -n 9 || exec "${MAKE:-make}" --no-print-directory check AGAIN=none
if same_project; then
	if ! same_kernels; then
		touch "$dir/start"
		build_kernels
		export KERNEL_CHANGED=1
	fi
	exec tests/run --again "$dir"
fi
rm -f "$dir/jobs" && touch "$dir/start" || exit 2
exec "${MAKE:-make}" --no-print-directory check "AGAIN=$dir"
