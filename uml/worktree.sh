# SPDX-License-Identifier: GPL-2.0
# Points and their directories. Sourced by points.sh and kernel.sh, after lib.sh and git.sh.
#
#   build/linux                   the user's tree, point "work"
#   build/points/P/linux          the pristine worktree of point P (src is a link to it)
#   build/points/P/F              kernel of P in flavour F: an O= directory
#
# An O= directory is always the neighbour of its tree and the tree is always called
# "linux" (so work's is build/work-F, with a link at build/points/work/F): sources then
# have the same relative name, ../linux/..., at every point, and ccache needs no more
# than that to serve one point with what another compiled.

NAMES="base 1 2 3 4 5 6 7 8 series fixed work"

# check_name P: dies unless P names a point.
check_name() {
	case " $NAMES " in *" $1 "*) ;; *) usage "P=$1: no such point: one of: $NAMES" ;; esac
}

# point_commit P: the commit of P (for work: of the branch).
point_commit() {
	local ref=refs/tags/umlab/$1
	[ "$1" != work ] || ref=refs/heads/work
	g rev-parse --verify -q "$ref^{commit}" || die "$1: $ref is gone from build/linux: move build/linux away and run 'make source'"
}

# holder P: the point whose worktree and kernels P shares, since their trees are equal.
# The first of base, series, 1..8, fixed with that tree; work shares with none.
holder() {
	local q tree
	[ "$1" != work ] || { echo work; return; }
	tree=$(tree_of "umlab/$1")
	for q in base series 1 2 3 4 5 6 7 8 fixed; do
		[ "$(tree_of "umlab/$q")" != "$tree" ] || { echo "$q"; return; }
	done
}

# link_point P: makes build/points/P, for a P that shares a tree, the link to its holder.
# Removes a stale link when P has a tree of its own now. Prints the holder.
link_point() {
	local h dir=$POINTS/$1
	h=$(holder "$1")
	mkdir -p "$POINTS"
	if [ "$h" = "$1" ]; then
		[ ! -L "$dir" ] || rm -f "$dir"
		mkdir -p "$dir"
	elif [ -d "$dir" ] && [ ! -L "$dir" ]; then
		drop_point "$1" || die "$dir: has edits, but now shares the tree of $h: move them away ('git diff >FILE' in it)"
		ln -sfn "$h" "$dir"
	else
		ln -sfn "$h" "$dir"
	fi
	echo "$h"
}

# pristine DIR: true when the worktree DIR has no edits.
pristine() { [ -z "$(git -C "$1" status --porcelain 2>/dev/null || echo broken)" ]; }

# ensure_worktree P COMMIT: makes build/points/P/linux a pristine worktree of COMMIT. One
# that was interrupted half-way is a linux.tmp, thrown away here; one with edits is an
# error, never overwritten.
ensure_worktree() {
	local dir=$POINTS/$1 src=$POINTS/$1/linux t=$SECONDS
	mkdir -p "$dir"
	if [ -d "$src" ]; then
		# The project directory may have been moved.
		git -C "$src" rev-parse -q HEAD >/dev/null 2>&1 || g worktree repair "$src" >/dev/null 2>&1 || true
		pristine "$src" ||
			die "$src has edits, but points stay pristine: carry them over ('git diff | git -C build/linux apply' there), then 'git checkout .' in it"
		[ "$(git -C "$src" rev-parse HEAD)" = "$2" ] || git -C "$src" checkout -q --detach "$2"
		return
	fi
	lock "$BUILD/.tree.lock" "build/linux is busy"
	need_space "$dir" $((1600 * 1024)) "worktree and kernel of $1"
	note "point $1: making its worktree"
	rm -rf "$src.tmp"
	g worktree prune
	g worktree add -q --no-checkout --detach "$src.tmp" "$2"
	git -C "$src.tmp" sparse-checkout set --no-cone --stdin < <(grep -v '^#' "$UML_DIR/configs/sparse")
	git -C "$src.tmp" -c checkout.workers=0 checkout -q --detach "$2"
	g worktree move "$src.tmp" "$src"
	ln -sfn linux "$dir/src"
	note "point $1: worktree ready ($(elapsed $t) s, $(du -sm "$src" | cut -f1) MB)"
}

# drop_point NAME: removes build/points/NAME with its worktree and kernels; status 1, and
# nothing removed, when someone edited the worktree.
drop_point() {
	local dir=$POINTS/$1
	if [ -L "$dir" ]; then rm -f "$dir"; return; fi
	if [ -d "$dir/linux" ]; then
		pristine "$dir/linux" || return 1
		g worktree remove --force "$dir/linux" 2>/dev/null || true
	fi
	rm -rf "$dir"
}

# patched P FILE: commits the mails of FILE on top of point P; prints "NAME COMMIT". All
# of them apply or nothing is left behind.
patched() {
	local base name ref c d m n=0
	[ -r "$2" ] || die "PATCHES: $2: no such file: give a mailbox or a patch from git format-patch"
	[ "$1" != work ] || usage "PATCHES with P=work: apply it yourself, with 'git am' in build/linux"
	base=$(point_commit "$1")
	name=$1+$(sha256_of "$2" | cut -c1-8)
	ref=refs/umlab/patched/$name
	if c=$(g rev-parse --verify -q "$ref") && g merge-base --is-ancestor "$base" "$c"; then
		echo "$name $c"
		return
	fi
	c=$base
	d=$(mktemp -d)
	git mailsplit -o"$d" "$2" >/dev/null || true
	for m in "$d"/*; do
		[ -s "$m" ] || { rm -rf "$d"; die "PATCHES: $2: no patch in it: give a mailbox or a patch from git format-patch"; }
		n=$((n + 1))
		if ! c=$(commit_mail "$c" "$m"); then
			m=$(sed -n 's/^Subject: //p' "$m" | head -n1)
			rm -rf "$d"
			die "PATCHES: $2: patch $n ($m) does not apply to $1: rebase it, or try another P="
		fi
	done
	rm -rf "$d"
	[ "$c" != "$base" ] || die "PATCHES: $2: no patch in it: give a mailbox or a patch from git format-patch"
	g update-ref "$ref" "$c"
	note "PATCHES: $n patch(es) on top of $1, as point $name"
	echo "$name $c"
}
