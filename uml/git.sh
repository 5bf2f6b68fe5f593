# SPDX-License-Identifier: GPL-2.0
# The git side of build/linux: commits made from patch files without a work tree.
# Sourced after lib.sh.

# g ARGS: git in build/linux (or in $GIT_TREE while it is being made).
g() { git -C "${GIT_TREE:-$TREE}" "$@"; }

# as_umlab DATE COMMAND...: runs COMMAND so that commits it makes are by "umlab" at DATE,
# which makes their ids the same on every machine.
as_umlab() {
	local date=$1
	shift
	GIT_AUTHOR_NAME=umlab GIT_AUTHOR_EMAIL=umlab@localhost GIT_AUTHOR_DATE=$date \
		GIT_COMMITTER_NAME=umlab GIT_COMMITTER_EMAIL=umlab@localhost GIT_COMMITTER_DATE=$date "$@"
}

# tree_of REV: the id of REV's tree.
tree_of() { g rev-parse --verify -q "$1^{tree}"; }

# commit_mail PARENT MAIL: commits the patch in the file MAIL on top of PARENT, as git am
# would, an empty one included, and prints the new commit. Touches no work tree. Status 1
# with git's own words on stderr when it does not apply.
# A subshell, so that its files go away however it ends.
commit_mail() (
	d=$(mktemp -d)
	trap 'rm -rf "$d"' EXIT
	index=$d/index
	info=$(git mailinfo -b --encoding=UTF-8 "$d/msg" "$d/patch" <"$2") &&
		GIT_INDEX_FILE=$index g read-tree "$1" &&
		apply_cached "$index" "$d/patch" &&
		tree=$(GIT_INDEX_FILE=$index g write-tree) || exit 1
	field() { sed -n "s/^$1: //p" <<<"$info"; }
	date=$(field Date) name=$(field Author) mail=$(field Email)
	{ field Subject; echo; cat "$d/msg"; } >"$d/full"
	as_umlab "${date:-2026-01-01T00:00:00Z}" env \
		GIT_AUTHOR_NAME="${name:-unknown}" GIT_AUTHOR_EMAIL="${mail:-unknown@localhost}" \
		git -C "${GIT_TREE:-$TREE}" commit-tree "$tree" -p "$1" -F "$d/full"
)

# apply_cached INDEX PATCH: PATCH onto the index file, with a three-way merge if need be.
apply_cached() {
	[ -s "$2" ] || return 0
	GIT_INDEX_FILE=$1 g apply --cached --whitespace=nowarn "$2" 2>/dev/null && return
	# Of git's many words, the files that it failed at.
	GIT_INDEX_FILE=$1 g apply --cached --3way --whitespace=nowarn "$2" 2> >(grep -E 'corrupt|No such|does not (apply|exist)|^U |needs merge' | head -n5 >&2)
}

# keep COMMIT: gives COMMIT a branch work-DATE when it, or one before it, was made by someone
# else than these scripts and is on no tag and on no other branch than work: so neither
# moving work nor removing a worktree ever loses a commit. Says so.
keep() {
	local name
	# Not grep -q: git, which it leaves behind, would end by SIGPIPE, and so would what is asked here.
	[ -n "$(g log --format=%ce "$1" --not --exclude=work --branches --tags | grep -vx umlab@localhost)" ] || return 0
	name=work-$(date +%Y%m%d-%H%M%S)
	while g rev-parse -q --verify "refs/heads/$name" >/dev/null; do name=$name+; done
	g branch --no-track "$name" "$1"
	note "your commits are kept: branch $name in build/linux"
}
