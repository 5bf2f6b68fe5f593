# SPDX-License-Identifier: GPL-2.0
# A first build begins with what another one has left, its neighbour: most objects are the same. Sourced by
# kernel.sh and tests/arch/kernel.sh, after lib.sh and make.sh; which set POINT, SRC, OUT and FRAGMENTS.
#
# What is taken over is a complete O= directory with Kbuild's own records (.cmd files) in it, minus the record of
# whatever is made from a file that differs; so it is Kbuild that decides, by these, by fixdep's list of the symbols that
# each object looks at and by the flags of the compiler, what it makes again.
#
#   NEIGHBOUR=P      take a kernel of point P and of no other
#   NEIGHBOUR=none   build from nothing

# neighbour_distance DIR: how far the kernel in the O= directory DIR is, by lines of the configuration's fragments and by files
# of the source that differ; then the commit that it is made from. Status 1 when that is no commit as it is.
neighbour_distance() {
	local commit lines files
	commit=$(sed -n 's/^commit=//p' "$1/umlab.info" 2>/dev/null | grep .) && git -C "$SRC" cat-file -e "$commit" 2>/dev/null || return
	lines=$(cat "${FRAGMENTS[@]}" | diff - "$1/.umlab.fragments" 2>/dev/null | grep -c '^[<>]') || true
	files=$(git -C "$SRC" diff --name-only "$commit" HEAD | wc -l)
	# A symbol is in some twenty sources.
	echo "$((lines * 20 + files)) $commit"
}

# neighbour_nearest GLOB COMPILER: the directory, called like GLOB, and the commit of the nearest kernel by this compiler.
neighbour_nearest() {
	local dir distance compiler
	compiler=compiler=$($2 --version | head -n1)
	for dir in "$POINTS"/${NEIGHBOUR:-*}/$1; do
		[ ! -L "${dir%/*}" ] && [ "$dir" != "$OUT" ] && grep -qsxF "$compiler" "$dir/umlab.info" &&
			distance=$(neighbour_distance "$dir") || continue
		echo "$distance $dir"
	done | sort -n | awk 'NR == 1 { print $3, $2 }'
}

# neighbour_differs COMMIT: the files of SRC, as they are now, that are not COMMIT's, one a line; of those that git does not
# know, those that a build takes without being told.
neighbour_differs() {
	git --no-optional-locks -C "$SRC" diff --name-only --no-renames "$1" -- &&
		git -C "$SRC" ls-files --others -- '*.c' '*.h' '*.S' '*Kconfig*' '*Makefile*' '*Kbuild*'
}

# neighbour_hidden: files whose edits git has been told not to see, as tree.sh does with one that is in no kernel.
neighbour_hidden() {
	git -C "$SRC" ls-files -v | awk '/^([a-z]|S) / && !/^S \.gitignore$/' | (cd "$SRC" && cut -c3- | tr '\n' '\0' | xargs -0 -r stat -c %n 2>/dev/null) || true
}

# neighbour_unknown: those of stdin's files of which nobody can tell by Kbuild's records what is made from them: only sources,
# Makefiles and Kconfig files are in those. Documents and scripts for gdb are in no kernel.
neighbour_unknown() {
	local file
	while read -r file; do
		case $file in
		Documentation/* | scripts/gdb/linux/*.py | MAINTAINERS | .gitignore | */.gitignore) ;;
		Makefile | Kbuild | scripts/* | tools/* | */tools/* | usr/* | include/linux/oid_registry.h) echo "$file" ;;
		*.c | *.h | *.S | */Kconfig* | */Makefile* | */Kbuild) ;;
		*) echo "$file" ;;
		esac
	done
}

# neighbour_system DIR TOOL...: what is newer than the kernel in DIR of the tools, and of the system's headers that it is made from.
neighbour_system() {
	local dir=$1 tool own
	own=$(sed -n 's,^srcdir=\(.*/\).*,\1,p' "$1/umlab.info")
	shift
	{
		for tool; do tool=$(type -P "$tool") && realpath "$tool" || true; done
		grep -rhoE --include='.*.cmd' '^ +/[^ ]+' "$dir" | tr -d ' ' | sort -u | grep -vF "$own" || true
	} | tr '\n' '\0' | xargs -0 -r sh -c 'for f; do [ -e "$f" ] || echo "$f"; done; find "$@" -maxdepth 0 -newercm "$0" 2>/dev/null || true' "$dir/umlab.info"
}

# neighbour_adapt SRC OUT FILES: makes the O= directory that was copied, which is the current one, ours, where it was OUT and its
# source SRC: our names for its own, nothing that is linked or archived or no work of Kbuild's, no record that names a file
# called as one of FILES, and none of objects that know where they were made (-fprofile-arcs).
neighbour_adapt() {
	local src=$1 out=$2 link target
	rm -rf .umlab.fragments .umlab.config .umlab .config gdb-index linux &&
		find . -path ./tools -prune -o -type f \( -name '*.a' -o -name 'vmlinux*' -o -name '.vmlinux*' -o -name '..vmlinux*' -o -name '.tmp_vmlinux*' -o -name System.map \) \
			! -name '*.lds*' -exec rm -f {} + || return
	find . -type l -printf '%p\t%l\n' | while IFS=$'\t' read -r link target; do
		[[ $target != "$src"* ]] || ln -sfn "$SRC${target#"$src"}" "$link" || return
	done || return
	{ sed 's,.*/,,; s,^,/,' "$3"; echo ' -fprofile-arcs '; } | sort -u >.names &&
		{ grep -rlFf .names --include='.*.cmd' . >.records || [ $? = 1 ]; } && xargs -r rm -f <.records && rm -f .names .records || return
	find . \( -name '.*.cmd' -o -name '.*.d' -o -name '*-offsets.s' -o -name bounds.s \) -type f -print0 | xargs -0 -r sed -i "$(neighbour_rename "$out" "$OUT"); $(neighbour_rename "$src" "$SRC")"
}

# neighbour_rename FROM TO: sed's command that puts TO for FROM.
neighbour_rename() { printf 's,%s,%s,g' "$(sed 's/[][\.*^$,]/\\&/g' <<<"$1")" "$(sed 's/[\&,]/\\&/g' <<<"$2")"; }

# neighbour_copy FROM FILES STAMP NEW: OUT, from the O= directory FROM, where FILES differ; by way of NEW, so that nothing or
# all of it is there. Status 1 when it does not work out.
neighbour_copy() (
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	was=$(cat "$1/umlab.info" 2>/dev/null && stat -c '%i %Y' "$1/umlab.info") && srcdir=$(sed -n 's/^srcdir=//p' "$1/umlab.info") &&
		cp -aT --reflink=auto "$1" "$4" 2>/dev/null && rm -f "$4/umlab.info" && cd "$4" &&
		neighbour_adapt "$srcdir" "${srcdir%/linux}/${1##*/}" "$2" &&
		# Somebody may have begun to build there.
		[ "$(cat "$1/umlab.info" 2>/dev/null && stat -c '%i %Y' "$1/umlab.info")" = "$was" ] || exit 1
	# Newer than each of our sources that was there when we looked what differs, and older than what is saved from now on.
	find . -exec touch -h -r "$3" {} + && rmdir "$OUT" && mv -T "$4" "$OUT"
)

# take_neighbour SCRATCH GLOB COMPILER TOOL...: the nearest one's kernel into OUT, if it is of use. Sets BEGAN_WITH to its name, and
# says so, or why not.
take_neighbour() {
	local scratch=$1 dir commit n why
	shift
	mkdir "$scratch" && touch "$scratch/stamp" && read -r dir commit < <(neighbour_nearest "$@") &&
		neighbour_differs "$commit" >"$scratch/files" || return 0
	shift 2
	why=$(neighbour_unknown <"$scratch/files"; neighbour_hidden; neighbour_system "$dir" "$@")
	why=${why%%$'\n'*}
	n=$(wc -l <"$scratch/files")
	[ "$n" -le 2000 ] || why="$n files"
	if [ -n "$why" ]; then
		note "$POINT ${OUT##*/}: begins with nothing, as ${dir#"$POINTS"/} differs in more than the records tell: $why"
	elif until_signalled neighbour_copy "$dir" "$scratch/files" "$scratch/stamp" "$scratch/new"; then
		BEGAN_WITH=${dir#"$POINTS"/}
		note "$POINT ${OUT##*/}: begins with the objects of $BEGAN_WITH, from which $n files differ"
	fi
}

# begin_with_neighbour GLOB COMPILER TOOL...: fills OUT, if it is an empty directory, with what a neighbour in a directory called like
# GLOB has built with the compiler and these tools.
begin_with_neighbour() {
	# A name that no GLOB has.
	local scratch=${OUT%/*}/.new-${OUT##*/}
	BEGAN_WITH=
	rm -rf "$scratch"
	[ "${NEIGHBOUR-}" != none ] && [ -e "$SRC/.git" ] && [ -z "$(ls -A "$OUT")" ] || return 0
	# Sources that are called otherwise than ../linux have other names in the records.
	case $SRC in "$POINTS"/*/linux | "$TREE") ;; *) return 0 ;; esac
	trap "rm -rf ${scratch@Q}" EXIT
	take_neighbour "$scratch" "$@"
	rm -rf "$scratch"
	trap - EXIT
	[ -z "${NEIGHBOUR-}" ] || [ -n "$BEGAN_WITH" ] || warn "NEIGHBOUR=$NEIGHBOUR: no kernel there to begin with: build it, or leave NEIGHBOUR out"
}
