# SPDX-License-Identifier: GPL-2.0
# Points and their directories. Sourced by points.sh and kernel.sh, after lib.sh and git.sh,
# with kconfig.sh (flavours).
#
#   build/linux                   the user's tree, point "work"
#   build/points/P/linux          the pristine worktree of point P (src is a link to it)
#   build/points/P/F              kernel of P in flavour F: an O= directory
#   build/points/P/arch-NAME      kernel of P of another architecture (tests/arch)
#
# An O= directory is always the neighbour of its tree and the tree is always called
# "linux" (so work's is build/work-F, with a link at build/points/work/F): sources then
# have the same relative name, ../linux/..., at every point, and ccache needs no more
# than that to serve one point with what another compiled.

NAMES="base 1 2 3 4 5 6 7 8 v3 series fixed work"

# check_name P: dies unless P names a point.
check_name() {
	case " $NAMES " in *" ${1// /_} "*) ;; *) usage "P=$1: no such point: one of: $NAMES" ;; esac
}

# point_commit P: the commit of P (for work: of the branch).
point_commit() {
	local ref=refs/tags/umlab/$1
	[ "$1" != work ] || ref=refs/heads/work
	g rev-parse --verify -q "$ref^{commit}" || die "$1: $ref is gone from build/linux: move build/linux away and run 'make source'"
}

# holder P: the point whose worktree and kernels P shares, since their trees are equal.
# The first of base, series, 1..8, v3, fixed with that tree; work shares with none.
holder() {
	local q tree
	local -A trees
	[ "$1" != work ] || { echo work; return; }
	while read -r q tree; do trees[$q]=$tree; done < <(g for-each-ref --format='%(refname:strip=3) %(tree)' refs/tags/umlab)
	for q in base series 1 2 3 4 5 6 7 8 v3 fixed; do
		# One whose tag is gone is its own: point_commit says what to do.
		[ "${trees[$q]-}" != "${trees[$1]-}" ] || { echo "$q"; return; }
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

# pristine DIR: true when the worktree DIR has no edits and no new files. Not even ignored
# ones: Debian's .gitignore ignores every new file.
pristine() {
	local files edits new
	# Both look at each file: side by side.
	exec {files}< <(git -C "$1" ls-files --others --exclude='*.pyc' | head -n1)
	edits=$(git -C "$1" status --porcelain -uno 2>/dev/null || echo broken)
	read -r -u $files new || true
	exec {files}<&-
	[ -z "$edits$new" ]
}

# look P: dies unless the worktree of P is pristine, and takes note of when it was.
look() {
	local dir=$POINTS/$1
	: >"$dir/.looked.new"
	pristine "$dir/linux" || die "$dir/linux: $(cure_for_edits "$1")"
	mv "$dir/.looked.new" "$dir/.looked"
}

# untouched P: true when no file or folder that a kernel of P is made from has changed since look() last found nothing: 30 ms,
# where git's look at all files takes 400. Enough for a kernel that is there, not for one that is to be built: an edit of a file
# that no kernel is made from yet is not seen.
untouched() {
	local graph
	# Where the clock was set back, no time tells.
	: >"$POINTS/$1/.looked.new"
	[ "$POINTS/$1/.looked.new" -nt "$POINTS/$1/.looked" ] || return 1
	for graph in "$POINTS/$1"/*/.umlab; do
		# Of this place, and not of the one that the project was moved from.
		grep -qsxF "$POINTS/$1/linux" "$graph/folders" || return 1
		[ -z "$("$CHANGED" -C "${graph%/*}" --since "$POINTS/$1/.looked" "$graph"/{.ninja_deps,kbuild,folders} 2>&1)" ] || return 1
	done
}

# attached P: true when build/points/P/linux is a worktree of build/linux. Mends the links
# between the two when the project was moved or copied, or `worktree move` interrupted.
attached() {
	local src=$POINTS/$1/linux id admin
	id=$(sed -n 's,^gitdir: .*/,,p' "$src/.git" 2>/dev/null) || true
	admin=$TREE/.git/worktrees/$id
	[ -n "$id" ] && [ -f "$admin/gitdir" ] || return 1
	case $(cat "$admin/gitdir") in
	*/points/"$1"/linux/.git) ;;
	*/points/"$1"/linux.tmp/.git) [ ! -e "$src.tmp" ] || return 1 ;;
	*) return 1 ;;
	esac
	grep -qsxF "gitdir: $admin" "$src/.git" || echo "gitdir: $admin" >"$src/.git"
	grep -qsxF "$src/.git" "$admin/gitdir" || echo "$src/.git" >"$admin/gitdir"
}

# cure_for_edits P: what is wrong with build/points/P/linux when it isn't pristine, and what to do.
cure_for_edits() {
	if attached "$1"; then
		echo "it has edits, but points stay pristine: carry them over with 'git -C $POINTS/$1/linux stash -a', then 'git -C $TREE stash pop'"
	else
		echo "it is no worktree of build/linux (any more), so nobody can tell what was edited in it: move it away, or remove it"
	fi
}

# finish_move P: where a checkout in P's worktree was killed, the files that it has got to are the old commit's again, so that nobody
# takes them for edits. One that is neither commit's, nor the beginning of the new one's, stays: somebody has edited it.
finish_move() {
	local dir=$POINTS/$1 src=$POINTS/$1/linux from to old new file
	[ -f "$dir/.moving" ] || return 0
	read -r from to <"$dir/.moving" || true
	# Who made it is gone: the point's lock is ours.
	rm -f "$(git -C "$src" rev-parse --git-path index.lock)"
	# Else it has come to its end.
	if [ "$(git -C "$src" rev-parse HEAD)" = "$from" ] && git -C "$src" cat-file -e "${to:-none}" 2>/dev/null; then
		while IFS=$' \t' read -r -d '' _ _ old new _ && read -r -d '' file; do
			half_moved "$src/$file" "$new" || continue
			if [ "$old" = 0000000000000000000000000000000000000000 ]; then
				git -C "$src" update-index --force-remove "$file"
				rm -f "$src/$file"
			else
				# One that is left out of worktrees is not there either way.
				git -C "$src" checkout -q "$from" -- "$file" 2>/dev/null || true
			fi
		done < <(git -C "$src" diff-tree -r -z --no-renames --no-abbrev "$from" "$to")
	fi
	rm -f "$dir/.moving"
}

# half_moved FILE BLOB: true when FILE is not there, or is the beginning of BLOB, or all of it.
half_moved() {
	[ -e "$1" ] || return 0
	cmp -s -n "$(stat -c %s "$1")" <(git -C "${1%/*}" cat-file blob "$2" 2>/dev/null) "$1"
}

# ensure_worktree P COMMIT [quick]: makes build/points/P/linux a pristine worktree of COMMIT; quick: as far as kernels that are
# there are concerned. One
# that was interrupted half-way is a linux.tmp, thrown away here; one with edits is an
# error, never overwritten, and commits made in it are kept.
ensure_worktree() {
	local dir=$POINTS/$1 src=$POINTS/$1/linux t=$SECONDS head
	mkdir -p "$dir"
	if attached "$1"; then
		finish_move "$1"
		leave_out "$src"
		head=$(git -C "$src" rev-parse HEAD)
		[ "${3-}" != quick ] || [ "$head" != "$2" ] || ! untouched "$1" || return 0
		look "$1"
		[ "$head" != "$2" ] || return 0
		keep "$head"
		echo "$head $2" >"$dir/.moving"
		git -C "$src" checkout -q --detach "$2"
		rm -f "$dir/.moving"
		return
	fi
	lock "$BUILD/.tree.lock" "build/linux is busy"
	need_space "$dir" $((1600 * 1024)) "worktree and kernel of $1"
	note "point $1: making its worktree"
	rm -rf "$src.tmp" "$dir/.moving"
	g worktree prune
	g worktree add -q --no-checkout --detach "$src.tmp" "$2"
	leave_out "$src.tmp"
	git -C "$src.tmp" -c checkout.workers=0 checkout -q --detach "$2"
	replace_stray "$1"
	g worktree move "$src.tmp" "$src"
	ln -sfn linux "$dir/src"
	note "point $1: worktree ready ($(elapsed $t) s, $(du -sm "$src" | cut -f1) MB)"
}

# leave_out DIR: what uml/configs/sparse says, in the worktree DIR.
leave_out() {
	local admin
	admin=$(sed -n 's/^gitdir: //p' "$1/.git")
	cmp -s <(grep -v '^#' "$UML_DIR/configs/sparse") "$admin/info/sparse-checkout" ||
		git -C "$1" sparse-checkout set --no-cone --stdin < <(grep -v '^#' "$UML_DIR/configs/sparse")
}

# replace_stray P: a build/points/P/linux left from another build/linux goes away when it
# equals the new linux.tmp beside it; else it becomes a worktree in its place, and the
# difference an edit.
replace_stray() {
	local src=$POINTS/$1/linux
	[ -e "$src" ] || return 0
	if diff -rq --no-dereference -x .git -x '*.pyc' "$src" "$src.tmp" >/dev/null 2>&1; then
		rm -rf "$src"
	else
		cp "$src.tmp/.git" "$src/.git"
		rm -rf "$src.tmp"
		die "$src: $(cure_for_edits "$1")"
	fi
}

# drop_point NAME: removes build/points/NAME with its worktree and kernels. With status 1,
# the kernels alone, when someone edited the worktree. In one step, so that an interrupted
# removal doesn't look like an edit.
drop_point() {
	local dir=$POINTS/$1 d gone
	if [ -L "$dir" ]; then rm -f "$dir"; return; fi
	if [ -d "$dir/linux" ]; then
		if ! attached "$1" || ! pristine "$dir/linux"; then
			for d in $(flavours); do rm -rf "${dir:?}/$d"; done
			rm -rf "${dir:?}"/arch-*
			return 1
		fi
		keep "$(git -C "$dir/linux" rev-parse HEAD)"
	fi
	gone=$POINTS/.gone.$1.$$
	mv "$dir" "$gone"
	[ ! -d "$TREE/.git" ] || g worktree prune
	rm -rf "$gone"
}

# patched P FILE: commits the mails of FILE on top of point P; prints "NAME COMMIT". All
# of them apply or nothing is left behind.
patched() {
	local base name ref c d m n=0
	[ -r "$2" ] || die "PATCHES: $2: no such file: give a mailbox or a patch from git format-patch"
	[ "$1" != work ] || usage "PATCHES with P=work: apply it yourself, with 'git am' in build/linux"
	base=$(point_commit "$1")
	name=$1+$(sha256_of "$2" | cut -c1-8)
	# What the point was is not what it is.
	ref=refs/umlab/patched/$base/$name
	if c=$(g rev-parse --verify -q "$ref"); then
		echo "$name $c"
		return
	fi
	c=$base
	d=$(mktemp -d)
	git mailsplit -o"$d" "$2" >/dev/null 2>&1 || true
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
	[ "$(tree_of "$c")" != "$(tree_of "$base")" ] || die "PATCHES: $2: no patch in it: give a mailbox or a patch from git format-patch"
	g update-ref "$ref" "$c"
	note "PATCHES: $n patch(es) on top of $1, as point $name"
	echo "$name $c"
}
