# SPDX-License-Identifier: GPL-2.0
# For suites that build kernels in a build/ and with a uml/ of their own. Sourced after tap.sh.

# own_build NAME: ends the suite where it cannot run. Sets dir, where all of it is, tree, a tree like the user's at
# umlab/fixed, and out, its kernel's directory. The suite removes dir.
own_build()
{
	[ -n "${UMLAB_ALL:-}" ] || { echo "1..0 # SKIP takes minutes: in make check-all, or by its name"; exit 0; }
	[ -d "$top/build/linux/.git" ] && [ -x "$top/build/changed" ] || { echo "1..0 # SKIP no build/linux yet: make source tools"; exit 0; }
	dir=$top/build/tests/$1.$$
	# Called as the user's, for what ccache knows of that.
	tree=$dir/build/linux
	out=$dir/build/work-fast
	mkdir -p "$dir/build"
	cp -r "$top/uml" "$dir/uml"
	cp "$top/build/changed" "$dir/build"
	export UMLAB_BUILD=$dir/build GIT_CONFIG_GLOBAL=/dev/null
	unset SOURCE PATCHES LINUX DISTCC_HOSTS NEIGHBOUR
	git clone -q --shared --no-checkout "$top/build/linux" "$tree" 2> /dev/null
	git -C "$tree" sparse-checkout set --no-cone --stdin < <(grep -v '^#' "$top/uml/configs/sparse")
	git -C "$tree" checkout -q --detach umlab/fixed
	# As tree.sh does.
	git -C "$tree" update-index --skip-worktree .gitignore
}

# build [VARIABLE=VALUE...]: the kernel of that tree. Sets STATUS and OUT, all that it says.
build()
{
	OUT=$(env "$@" "$dir/uml/kernel.sh" work fast 2>&1 < /dev/null)
	STATUS=$?
}

# made: what the kernel is when make has the last word.
made()
{
	rm -f "$out/.umlab/args"
	build
	sha256sum < "$out/linux"
}

# same NAME [REGEX]: builds; the kernel is make's, and a line of what was said matches ("by ninja" if none is given).
same()
{
	local ours

	build
	like "$OUT / $STATUS" "${2:-by ninja:}" "$1"
	is "${OUT##*$'\n'} $STATUS" "$dir/build/points/work/fast 0" "... and it is built"
	ours=$(sha256sum < "$out/linux")
	is "$ours" "$(made)" "... as make builds it"
}
