# SPDX-License-Identifier: GPL-2.0
# The git side of build/linux: commits made from patch files without a work tree.
# Sourced by tree.sh and points.sh, after lib.sh.

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
commit_mail() {
	local d index info tree date
	d=$(mktemp -d)
	index=$d/index
	if ! info=$(git mailinfo -k --encoding=UTF-8 "$d/msg" "$d/patch" <"$2") ||
		! GIT_INDEX_FILE=$index g read-tree "$1" ||
		! apply_cached "$index" "$d/patch"; then
		rm -rf "$d"
		return 1
	fi
	tree=$(GIT_INDEX_FILE=$index g write-tree)
	date=$(sed -n 's/^Date: //p' <<<"$info")
	{ sed -n 's/^Subject: \(\[PATCH[^]]*\] \)\?//p' <<<"$info"; echo; cat "$d/msg"; } >"$d/full"
	as_umlab "${date:-2026-01-01T00:00:00Z}" env \
		GIT_AUTHOR_NAME="$(sed -n 's/^Author: //p' <<<"$info")" \
		GIT_AUTHOR_EMAIL="$(sed -n 's/^Email: //p' <<<"$info")" \
		git -C "${GIT_TREE:-$TREE}" commit-tree "$tree" -p "$1" -F "$d/full"
	rm -rf "$d"
}

# apply_cached INDEX PATCH: PATCH onto the index file, with a three-way merge if need be.
apply_cached() {
	[ -s "$2" ] || return 0
	GIT_INDEX_FILE=$1 g apply --cached --whitespace=nowarn "$2" 2>/dev/null && return
	GIT_INDEX_FILE=$1 g apply --cached --3way --whitespace=nowarn "$2" >&2
}
