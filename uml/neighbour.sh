# SPDX-License-Identifier: GPL-2.0
# A first build begins with what another point has built in that flavour, its neighbour: most objects are the same.
# Sourced by kernel.sh, after lib.sh and git.sh; which sets POINT, F, CC, SRC and OUT.
#
# What is taken over is a complete O= directory with Kbuild's own records (.cmd files) in it, minus the record of
# whatever is made from a file that differs; so it is Kbuild that decides, by these, by fixdep's list of the symbols that
# each object looks at and by the flags of the compiler, what it makes again.
#
#   NEIGHBOUR=P      take the kernel of point P and no other
#   NEIGHBOUR=none   build from nothing

# neighbour_commit DIR: the commit that the kernel in the O= directory DIR is made from. Status 1 when that is no commit
# as it is, or another compiler made it.
neighbour_commit() {
	[ -f "$1/umlab.info" ] && grep -qsxF "compiler=$($CC --version | head -n1)" "$1/umlab.info" || return 1
	sed -n 's/^source=.*, commit \([0-9a-f]*\)$/\1/p' "$1/umlab.info" | grep .
}

# neighbour_nearest: the name and commit of the neighbour whose source differs in the fewest files.
neighbour_nearest() {
	local dir name commit
	for dir in "$POINTS"/*/"$F"; do
		name=${dir%/*} name=${name##*/}
		[ ! -L "${dir%/*}" ] && [ "$name" != "$POINT" ] || continue
		case ${NEIGHBOUR-} in '' | "$name") ;; *) continue ;; esac
		commit=$(neighbour_commit "$dir") && git -C "$SRC" cat-file -e "$commit" 2>/dev/null || continue
		echo "$(git -C "$SRC" diff --name-only "$commit" HEAD | wc -l) $name $commit"
	done | sort -n | awk 'NR == 1 { print $2, $3 }'
}

# neighbour_differs COMMIT: the files of SRC, as they are now, that are not COMMIT's, one a line.
neighbour_differs() {
	git --no-optional-locks -C "$SRC" diff --name-only --no-renames "$1" -- && git -C "$SRC" ls-files --others --exclude='*.pyc'
}

# neighbour_unknown FILE...: those of which nobody can tell by Kbuild's records what is made from them: only sources,
# Makefiles and Kconfig files are in those. Documents and scripts for gdb are in no kernel.
neighbour_unknown() {
	local file
	for file; do
		case $file in
		Documentation/* | scripts/gdb/linux/*.py | MAINTAINERS | */.gitignore) ;;
		Makefile | Kbuild | scripts/* | tools/* | */tools/* | usr/*) echo "$file" ;;
		*.c | *.h | *.S | */Kconfig* | */Makefile* | */Kbuild) ;;
		*) echo "$file" ;;
		esac
	done
}

# neighbour_adapt SRC FILE...: makes the O= directory that was copied, which is the current one, ours, where SRC was the source:
# our names for its own, nothing that is linked or archived, no record that names a file called as one of these.
neighbour_adapt() {
	local from=$1 link
	shift
	rm -rf umlab.info .umlab .umlab.fragments .config gdb-index linux &&
		find . \( -name '*.a' -o -name 'vmlinux*' -o -name '.vmlinux*' -o -name '..vmlinux*' -o -name System.map \) -type f ! -name '*.lds*' -delete || return
	find . -type l -lname "$from*" | while read -r link; do
		ln -sfn "$SRC$(readlink "$link" | cut -c$((${#from} + 1))-)" "$link" || return
	done
	[ $# = 0 ] || { grep -rlF --include='.*.cmd' "$(printf '/%s\n' "${@##*/}")" . || true; } | xargs -r rm -f || return
	find . -name '.*.cmd' -print0 | xargs -0 -r sed -i "$(neighbour_rename "$from" "$SRC"); $(neighbour_rename "${from%/linux}/$F" "$OUT")"
}

# neighbour_rename FROM TO: sed's command that puts TO for FROM.
neighbour_rename() { printf 's,%s,%s,g' "$(sed 's/[][\.*^$,]/\\&/g' <<<"$1")" "$(sed 's/[\&,]/\\&/g' <<<"$2")"; }

# neighbour_copy DIR FILE...: OUT, from the O= directory DIR, where the files differ. In one step: nothing or all of it
# is there. Status 1 when it does not work out.
neighbour_copy() (
	from=$1 new=$OUT.neighbour
	shift
	trap 'rm -rf "$new"' EXIT
	rm -rf "$new"
	was=$(stat -c '%i %Y' "$from/umlab.info") && srcdir=$(sed -n 's/^srcdir=//p' "$from/umlab.info") &&
		cp -a --reflink=auto "$from" "$new" 2>/dev/null && cd "$new" && neighbour_adapt "$srcdir" "$@" &&
		# Somebody may have begun to build there.
		[ "$(stat -c '%i %Y' "$from/umlab.info" 2>/dev/null)" = "$was" ] || exit 1
	# Newer than each of our sources that was there when we looked what differs, and older than what is saved from now on.
	find . -exec touch -h -r "$STAMP" {} + && rmdir "$OUT" && mv "$new" "$OUT"
)

# begin_with_neighbour: fills OUT, an empty directory, with what a neighbour has built, if there is one of use, and says so.
# Sets BEGAN_WITH to its name.
begin_with_neighbour() {
	local name commit files
	BEGAN_WITH=
	[ "${NEIGHBOUR-}" != none ] && [ -d "$SRC/.git" -o -f "$SRC/.git" ] && [ -z "$(ls -A "$OUT")" ] || return 0
	case $SRC in "$POINTS"/*/linux | "$TREE") ;; *) return 0 ;; esac
	STAMP=$BUILD/.$POINT-$F.stamp
	touch "$STAMP"
	read -r name commit < <(neighbour_nearest) || return 0
	files=$(neighbour_differs "$commit") || return 0
	[ -z "$(IFS=$'\n'; neighbour_unknown $files)" ] || return 0
	if (IFS=$'\n'; neighbour_copy "$POINTS/$name/$F" $files); then
		BEGAN_WITH=$name
		note "$POINT $F: begins with the objects of $name, from which $(printf %s "$files" | grep -c '' || true) files differ"
	fi
	rm -f "$STAMP"
}
