#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# The points: listed, started from, cleaned up.
#
# Usage: points.sh list       the table of `make points`
#        points.sh start P    move the branch work, in build/linux, to start from P
#        points.sh clean      remove what can be made again: worktrees and kernels
. "$(dirname "$0")/lib.sh"
. "$UML_DIR/git.sh"
. "$UML_DIR/worktree.sh"
. "$UML_DIR/kconfig.sh"

# subject P: the first line of the commit of P, or what stands for one.
subject() {
	case $1 in
	base) echo "(the series taken out again)" ;;
	series) echo "(all eight)" ;;
	work) work_subject ;;
	fixed) [ "$(tree_of umlab/fixed)" = "$(tree_of umlab/series)" ] && echo "(series; no fixes yet)" || g log -1 --format=%s umlab/fixed ;;
	*) g log -1 --format=%s "umlab/$1" ;;
	esac
}

# work_rev: build/linux as it is, edits of tracked files included (as the commit that git
# stash would make; nothing is stashed).
work_rev() {
	local rev
	rev=$(g stash create 2>/dev/null) || true
	echo "${rev:-HEAD}"
}

# work_subject: where build/linux stands: its last commit, and what is beside it.
work_subject() {
	local branch edits
	branch=$(g symbolic-ref -q --short HEAD) || branch="no branch"
	edits=$(g status --porcelain | wc -l)
	g log -1 --format=%s HEAD
	[ "$branch" = work ] || echo "($branch)"
	[ "$edits" = 0 ] || echo "(+ $edits uncommitted)"
}

# about P: the line of points.txt that says what P changes.
about() { awk -F' *[|] *' -v p="$1" '$1 == p { print $2; exit }' "$UML_DIR/points.txt"; }

# built P: which kernels of P exist, as "fast debug".
built() {
	local f
	for f in $(flavours); do [ ! -f "$POINTS/$1/$f/umlab.info" ] || printf '%s ' "$f"; done
}

# disk DIR...: MiB that they take, 0 when there are none.
disk() { { du -smc -- "$@" 2>/dev/null || true; } | awk 'END { print $1 + 0 }'; }

# row P: two lines of the table.
row() {
	local rev=umlab/$1 h config kernels share=
	[ "$1" != work ] || rev=$(work_rev)
	config=$(kconfig_at "$rev" um $(fragments fast)) || exit
	h=$(holder "$1")
	kernels=$(built "$h")
	[ "$h" = "$1" ] || share=" (shares the kernels of $h)"
	printf '%-7s %-4s %-4s %-11s %s\n' "$1" "$(has_symbol "$config" MMU_GATHER_RCU_TABLE_FREE)" \
		"$(has_symbol "$config" PT_RECLAIM)" "${kernels:--}" "$(subject "$1" | paste -sd' ')"
	printf '%29s %s%s\n' '' "$(about "$1")" "$share"
}

# list: the table, other people's trees and the disk use.
list() {
	local p d
	until_signalled "${DIE_WITH_US[@]}" "$UML_DIR/tree.sh"
	echo "RCU  CONFIG_MMU_GATHER_RCU_TABLE_FREE and"
	echo "PT   CONFIG_PT_RECLAIM, as UML's own Kconfig decides at that point"
	printf '\n%-7s %-4s %-4s %-11s %s\n' POINT RCU PT KERNELS 'SUBJECT, and what it changes'
	for p in $NAMES; do row "$p"; done
	for d in "$POINTS"/tree-* "$POINTS"/*+*; do
		[ -d "$d" ] && printf '%-7s %-4s %-4s %-11s %s\n' "${d##*/}" "" "" "$(built "${d##*/}")" "(from LINUX= or PATCHES=)"
	done
	cat <<-END

		Patch 1 is empty in this source: it changed an #include in mm/pt_reclaim.c, which has since
		been folded into mm/memory.c. Its commit keeps the place, and point 1 is the tree of base.

		Disk: build/linux $(disk "$TREE") MB (yours, kept by make clean); points and kernels $(disk "$POINTS" "$BUILD"/work-* "$BUILD/kconfig") MB (make clean frees them).
	END
}

# start P: the branch work at point P, in build/linux.
start() {
	local commit b
	[ -n "$1" ] || usage "which point? try 'make point P=3'; 'make points' lists them"
	check_name "$1"
	[ "$1" != work ] || usage "work is the branch itself: give the point that it shall start from"
	until_signalled "${DIE_WITH_US[@]}" "$UML_DIR/tree.sh"
	lock "$BUILD/.tree.lock" "build/linux is busy"
	for b in rebase-merge rebase-apply MERGE_HEAD CHERRY_PICK_HEAD REVERT_HEAD BISECT_LOG; do
		[ ! -e "$TREE/.git/$b" ] ||
			die "build/linux: a rebase, am, merge, pick or bisect is under way: finish or abort it first ('git status' there says how)"
	done
	[ -z "$(g status --porcelain)" ] || die "build/linux has uncommitted edits: in there, keep them with one of
	git commit -a              as a commit (it stays on a branch of its own)
	git stash -u               aside, to be taken back with 'git stash pop'
	git diff HEAD >FILE        as a patch (then 'git checkout .')
and run this again"
	commit=$(point_commit "$1")
	for b in HEAD $(g rev-parse --verify -q refs/heads/work || true); do keep "$b"; done
	g checkout -q -B work "$commit"
	note "build/linux: branch work starts at $1 now: $(g log -1 --format=%s)"
}

# clean: removes all worktrees without edits, and all kernels. build/linux stays: it is
# the user's, even if there is no edit in it today.
clean() {
	local d p f work= before after
	[ -d "$BUILD" ] || return 0
	lock "$BUILD/.tree.lock" "build/linux is busy"
	lock "$BUILD/.kconfig.lock" "Kconfig is being computed"
	for d in "$BUILD"/.*-*.lock; do # kernels that are being built
		[ ! -e "$d" ] || lock "$d" "a kernel is being built"
	done
	for f in $(flavours); do work="$work $BUILD/work-$f"; done
	before=$(disk "$POINTS" $work "$BUILD/kconfig" "$BUILD/linux.tmp")
	for d in "$POINTS"/*; do
		p=${d##*/}
		[ -e "$d" ] || [ -L "$d" ] || continue
		drop_point "$p" || warn "kept $d/linux: $(cure_for_edits "$p")"
	done
	rm -rf $work "$BUILD/kconfig" "$BUILD/linux.tmp" "$BUILD/mutants" "$POINTS"/.gone.*
	rmdir "$POINTS" 2>/dev/null || true
	after=$(disk "$POINTS")
	note "freed $((before - after)) MB of worktrees and kernels"
	[ ! -d "$TREE" ] || note "build/linux stays ($(disk "$TREE") MB): it is yours; 'rm -rf build/linux' if there is nothing in it to keep"
}

case ${1-} in
list) list ;;
start) start "${2-}" ;;
clean) clean ;;
*) usage "which? list, start P or clean" ;;
esac
