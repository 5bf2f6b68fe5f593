#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Makes build/linux: the fetched source under git, with a tag for every point.
#
# Usage: tree.sh      (also `make source`)
#
#   umlab/fetched   the source as it came        umlab/1 .. umlab/8   after that patch
#   umlab/base      the series taken out again   umlab/series, umlab/fixed
#   umlab/v3        what the series was before patch 7
#   branch work     the user's, starting at umlab/fixed; never moved by this script
#
# An existing build/linux is kept; only the tags are made again, when uml/patches changed.
. "$(dirname "$0")/lib.sh"
. "$UML_DIR/git.sh"

# 1.5 GB of files, 0.4 GB of packed objects, and room to work.
NEED_KIB=$((2600 * 1024))

# patches_key: a hash of the patch files that make points, to see when the tags are out of date.
patches_key() { find "$PATCH_DIR" \( -path "$PATCH_DIR/mutants" -o -path "$PATCH_DIR/fragments" \) -prune -o -name '*.patch' -print0 | sort -z | xargs -0 cat | sha256sum | cut -c1-16; }

# import FILE: unpacks FILE and commits it, as build/linux.tmp; whoever finds a
# build/linux.tmp throws it away, so that half an import is never taken for a whole one.
import() {
	local t=$SECONDS
	need_space "$BUILD" $NEED_KIB "kernel source"
	rm -rf "$GIT_TREE"
	note "unpacking $(basename "$1") to build/linux"
	"$UML_DIR/source.sh" --unpack "$1" "$GIT_TREE" || exit 1
	note "importing it into git ($(elapsed $t) s so far)"
	git -c init.defaultBranch=work init -q "$GIT_TREE"
	g config gc.auto 0
	g config core.autocrlf false
	g config advice.detachedHead false
	# Commits need a name; the user's own, if there is one, goes first.
	git config --global user.email >/dev/null ||
		{ g config user.name "umlab user"; g config user.email user@localhost; }
	# Files over bigFileThreshold go straight into one pack: faster than 95000 loose
	# objects, and a quarter of their size. -f, since Debian's .gitignore ignores all.
	g -c core.bigFileThreshold=1 -c core.compression=1 add -A -f
	as_umlab "$(stat -c @%Y "$GIT_TREE/Makefile") +0000" \
		git -C "$GIT_TREE" -c gc.auto=0 commit-tree "$(g write-tree)" \
		-m "Linux $(version_of "$GIT_TREE/Makefile"), as fetched" -m "From $(basename "$1")" >"$GIT_TREE/.git/umlab-fetched"
	sha256_of "$1" >"$GIT_TREE/.git/umlab-source"
	g tag umlab/fetched "$(cat "$GIT_TREE/.git/umlab-fetched")"
}

# version_of MAKEFILE: the kernel version it states, like 7.3.4.
version_of() { awk '/^VERSION =/ { v = $3 } /^PATCHLEVEL =/ { p = $3 } /^SUBLEVEL =/ { print v "." p "." $3; exit }' "$1"; }

# stack PARENT FILE...: commits the patches on top of each other; prints each commit.
stack() {
	local c=$1 f
	shift
	for f; do
		[ -e "$f" ] || continue # a glob without a match
		c=$(commit_mail "$c" "$f") ||
			die "$f: does not apply to $(g log -1 --format=%s umlab/fetched): $(cure "$f")"
		echo "$c"
	done
}

# cure PATCH: what to do about one that does not apply.
cure() {
	case $1 in
	*/fixes/*) echo "mend it, or move it out of uml/patches/fixes" ;;
	*) echo "use a source that has the series, v7.0 or later, best one that uml/source.lock names" ;;
	esac
}

# check_source FILE: dies unless build/linux was made from FILE: nothing is worse than a
# kernel that was built from something else than one asked for.
check_source() {
	[ -f "$1" ] && [ -r "$1" ] || die "SOURCE: $1: no such file: give the path of a kernel tarball"
	[ ! -f "$TREE/.git/umlab-source" ] || [ "$(sha256_of "$1")" = "$(cat "$TREE/.git/umlab-source")" ] ||
		die "SOURCE: $1: build/linux was made from another file ($(g log -1 --format=%b umlab/fetched | head -n1)): keep it and leave SOURCE= out, or move build/linux away and run 'make clean' first"
}

# tag_points: umlab/base ... umlab/fixed from the patches. The tags are set in one
# transaction, at the end: all of them or none.
tag_points() {
	local fetched base series fixed v3 n=0 c
	fetched=$(g rev-parse umlab/fetched)
	base=$(stack "$fetched" "$PATCH_DIR"/rewind/*.patch | tail -n1)
	[ -n "$base" ] || exit 1
	series=$(stack "$base" "$PATCH_DIR"/series/*.patch) || exit 1
	c=${series##*$'\n'}
	[ "$(tree_of "$c")" = "$(tree_of "$fetched")" ] ||
		die "rewind and series do not give back the fetched source: $(g diff --stat "$fetched" "$c" | tail -n1): mend uml/patches"
	fixed=$(stack "$c" "$PATCH_DIR"/fixes/*.patch | tail -n1)
	v3=$(sed -n 6p <<<"$series")
	v3=$({ echo "$v3"; stack "$v3" "$PATCH_DIR"/v3/*.patch; } | tail -n1)
	{
		echo "update refs/tags/umlab/base $base"
		for c in $series; do n=$((n + 1)); echo "update refs/tags/umlab/$n $c"; done
		echo "update refs/tags/umlab/series $c"
		echo "update refs/tags/umlab/fixed ${fixed:-$c}"
		echo "update refs/tags/umlab/v3 $v3"
	} | g update-ref --stdin
	patches_key >"${GIT_TREE:-$TREE}/.git/umlab-key"
}

# finish_import: the branch and the work tree of the user, then the final name.
finish_import() {
	g update-ref refs/heads/work umlab/fixed^{commit}
	g symbolic-ref HEAD refs/heads/work
	g reset -q --hard
	# Debian's .gitignore hides every new file from git status and git add. Mend it in
	# the work tree alone: the commits stay what was fetched.
	if [ -f "$GIT_TREE/.gitignore" ]; then
		g update-index --skip-worktree .gitignore
		sed -i -e '/^\/\*$/d' -e '/^!\/debian\/$/d' "$GIT_TREE/.gitignore"
	fi
	mv "$GIT_TREE" "$TREE"
}

# make_tree: build/linux from nothing.
make_tree() {
	local file t0
	file=$("$UML_DIR/source.sh") || exit 1
	t0=$SECONDS
	GIT_TREE=$TREE.tmp
	import "$file"
	tag_points
	finish_import
	unset GIT_TREE
	note "build/linux is ready ($(elapsed $t0) s, $(du -sm "$TREE" | cut -f1) MB)"
}

mkdir -p "$BUILD"
lock "$BUILD/.tree.lock" "build/linux is being made"
if [ ! -d "$TREE/.git" ]; then
	[ ! -e "$TREE" ] || die "$TREE exists and is not ours: move it away"
	need_tools git xz tar
	trap 'rm -rf "$TREE.tmp"' EXIT
	until_signalled make_tree
else
	[ -z "${SOURCE:-}" ] || check_source "$SOURCE"
	if [ "$(cat "$TREE/.git/umlab-key" 2>/dev/null)" != "$(patches_key)" ]; then
		note "uml/patches changed: making the points again"
		tag_points
	fi
fi
