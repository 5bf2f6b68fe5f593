# SPDX-License-Identifier: GPL-2.0
# For the source and points suites: a small kernel "source" of only the files that the
# series touches, and directories of their own, so that they take seconds and leave the
# user's cache and build alone. Sourced after tap.sh; $top is the project.

[ -d "$top/build/linux/.git" ] || { echo "1..0 # SKIP no build/linux yet: make source"; exit 0; }
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
export XDG_CACHE_HOME=$dir/cache UMLAB_BUILD=$dir/build
export GIT_CONFIG_GLOBAL=/dev/null
unset SOURCE LINUX PATCHES
tarball=$dir/linux-7.3.4.tar.xz

# make_tarball: $tarball, from the fetched tree in build/linux.
make_tarball()
{
	git -C "$top/build/linux" archive --prefix=linux/ umlab/fetched -- .gitignore Makefile COPYING Kconfig \
		$(sed -n 's,^--- a/,,p' "$top"/uml/patches/*/*.patch | sort -u) | xz -0 > "$tarball"
}

# run COMMAND...: sets STATUS, OUT (stdout) and ERR (stderr).
run()
{
	OUT=$("$@" 2> "$dir/err" < /dev/null)
	STATUS=$?
	ERR=$(cat "$dir/err")
}
