#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Kernels with a planted bug each, from uml/patches/mutants/NN-NAME.patch.
#
# Usage: mutants.sh list                 one line a mutant: NAME FLAVOUR
#        mutants.sh sample N             the names of N, spread over those that are caught in seconds
#        mutants.sh field NAME FIELD     the values of a header field of its, one a line
#        mutants.sh control FLAVOUR      builds the kernel without a bug; prints its directory
#        mutants.sh build NAME...        builds them; prints build/mutants/NAME of each, with
#                                        `linux` and `umlab.info` as those of a point
#        mutants.sh built NAME           prints it if it is built and up to date, else status 1
#
#   P=POINT         the point that the bug is planted in (fixed)
#
# All are built in one worktree, build/points/mutant, so that each recompiles only what its
# patch touches; the kernels are kept, and built again when the patch or the point changes.
. "$(dirname "$0")/lib.sh"

P=${P:-fixed}
DIR=$PATCH_DIR/mutants
OUT=$BUILD/mutants

# patch_of NAME: its file.
patch_of() {
	local f
	for f in "$DIR"/[0-9]*-"$1".patch; do
		[ ! -f "$f" ] || { echo "$f"; return; }
	done
	usage "$1: no such mutant: 'uml/mutants.sh list' lists them"
}

# field NAME FIELD: what the header says; a line that begins with blanks goes on.
field() {
	local f
	f=$(patch_of "$1") || exit
	sed '/^---$/,$d' "$f" | sed -e ':a' -e 'N' -e '$!ba' -e 's/\n  */ /g' | sed -n "s/^$2: //p"
}

# flavour NAME: the one it can be seen in.
flavour() {
	local f
	f=$(field "$1" Flavour) || exit
	echo "${f:-fast}"
}

list() {
	local f name
	for f in "$DIR"/[0-9]*.patch; do
		name=$(basename "$f" .patch)
		name=${name#[0-9]*-}
		echo "$name $(flavour "$name")"
	done
}

sample() {
	local name
	for name in $(list | cut -d' ' -f1); do
		# Those that a test catches within seconds: their header says so.
		[ "$(field "$name" Sample)" != quick ] || echo "$name"
	done | awk -v n="$1" '{ name[NR - 1] = $0 } END { for (i = 0; i < n && i < NR; i++) print name[int(i * NR / (n < NR ? n : NR))] }'
}

# control FLAVOUR: as kernel.sh, which tells what it does.
control() { "$UML_DIR/kernel.sh" "$P" "$1" | tail -n 1; }

# key NAME POINT_DIR: a hash of all that the kernel is made from; the header isn't in it.
key() {
	local src
	src=$(sed -n 's/^srcdir=//p' "$2/umlab.info")
	{ sed '1,/^---$/d' "$(patch_of "$1")"; git -C "$src" rev-parse 'HEAD^{tree}'
	  grep -E '^(config_sha256|compiler)=' "$2/umlab.info"; } | sha256sum | cut -c1-16
}

# built NAME: prints its directory if that is up to date.
built() {
	local f base
	f=$(flavour "$1") || exit
	base=$POINTS/$P/$f
	[ -f "$base/umlab.info" ] && [ -x "$OUT/$1/linux" ] &&
		grep -qsx "mutant_key=$(key "$1" "$base")" "$OUT/$1/umlab.info" && echo "$OUT/$1"
}

declare -A BASE=() # flavour -> directory of the kernel without a bug

# build NAME: the kernel, kept in OUT/NAME. BASE is there. In a subshell, which ends the lock.
build() {
	local f patch dir
	f=$(flavour "$1") && patch=$(patch_of "$1") || exit
	! built "$1" || return 0
	lock "$BUILD/.mutants.lock" "a mutant is being built"
	! built "$1" || return 0
	dir=$(UMLAB_POINT=mutant PATCHES=$patch "$UML_DIR/kernel.sh" "$P" "$f" | tail -n 1) || exit
	mkdir -p "$OUT/$1" && rm -f "$OUT/$1/umlab.info" && cp "$dir/linux" "$OUT/$1/linux.tmp" &&
		mv "$OUT/$1/linux.tmp" "$OUT/$1/linux" || exit
	{ sed "s/^point=.*/point=$P+$1/" "$dir/umlab.info"
	  echo "mutant_key=$(key "$1" "${BASE[$f]}")"; } >"$OUT/$1/umlab.info.tmp"
	mv "$OUT/$1/umlab.info.tmp" "$OUT/$1/umlab.info"
	echo "$OUT/$1"
}

# build_all NAME...: builds what can be built; status 1 when one can't.
build_all() {
	local name f failed=0
	[ $# -gt 0 ] || usage "build: which mutant?"
	for name; do
		f=$(flavour "$name")
		[ -n "${BASE[$f]:-}" ] || BASE[$f]=$(control "$f")
		(build "$name") || failed=1
	done
	return $failed
}

case ${1-} in
list) list ;;
field) field "$2" "$3" ;;
control) control "${2:-fast}" ;;
sample) sample "${2:?how many}" ;;
build) shift; build_all "$@" ;;
built) built "$2" ;;
*) usage "which? list, sample N, field NAME FIELD, control FLAVOUR, build NAME... or built NAME" ;;
esac
