#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Builds the kernel of one architecture at one point, as uml/kernel.sh builds UML's.
#
# Usage: kernel.sh NAME P [F]    NAME: a folder of tests/arch; F: fast (default), debug, or one of the architecture's own
#                                (NAME/F.config, with NAME/F.append, more of the kernel's command line), or several: F+F
#
#   MUTANT=FILE    patches (a mailbox) to build into it
#   WORKTREE=X     in build/points/X, which the next such build uses again
#   NEIGHBOUR=P    a first build begins with the objects of a kernel of point P; none: with nothing (the nearest that is built)
#
# Prints the O= directory, which holds IMAGE (NAME/arch) and umlab.info, on stdout's last line. A kernel that is up to
# date is not built again.
. "$(dirname "$0")/../../uml/lib.sh"
. "$UML_DIR/git.sh"
. "$UML_DIR/kconfig.sh"
. "$UML_DIR/make.sh"
. "$UML_DIR/neighbour.sh"
. "$ROOT/tests/arch/lib.sh"

[ $# -ge 2 ] || usage "which? kernel.sh NAME P [F]"
load_arch "$1"
P=$2 F=${3:-fast}
FRAGMENTS=("$ARCH_DIR/common.config" "$ARCH_DIR/$NAME/config")
FLAVOUR=$NAME
FLAVOURS=()
if [ "$F" != fast ]; then
	FLAVOUR+=-$F
	FLAVOURS=(${F//+/ })
	for part in "${FLAVOURS[@]}"; do
		n=${#FRAGMENTS[@]}
		for f in "$ROOT/tests/arch/$part.config" "$ARCH_DIR/$NAME/$part.config"; do [ ! -f "$f" ] || FRAGMENTS+=("$f"); done
		[ ${#FRAGMENTS[@]} -gt "$n" ] || usage "$part: no flavour of $NAME: no $part.config in tests/arch or tests/arch/$NAME"
	done
fi
# What has its code in the source's order, for gdb: as in UML's debug flavour, but for mm/memory.c, which -Og does not
# compile where there are huge pages (check_copy_size() counts on the optimizer).
IN_ORDER=
! grep -q '^CONFIG_DEBUG_INFO' "${FRAGMENTS[@]}" ||
	IN_ORDER=$(awk '$2 ~ "^mm/(madvise|mmu_gather).c" { print $1 }' "$UML_DIR/configs/debug.cflags")
arch_point "$P"
# It has all of our patches.
[ "$P" != fixed ] || PATCHES=
[ -z "$PATCHES" ] || PATCHES=$ROOT/$PATCHES
[ -z "${MUTANT-}" ] || PATCHES=$MUTANT

# our_tree: sets POINT, COMMIT and SRC: the worktree that UML is built from, too; with the patches that the architecture needs
# to compile at all, one of its own.
our_tree() {
	until_signalled "${DIE_WITH_US[@]}" "$UML_DIR/tree.sh"
	if [ -n "$PATCHES" ]; then
		COMMIT=$(patched "$P" "$PATCHES") || exit
		POINT=${WORKTREE:-${COMMIT% *}} COMMIT=${COMMIT#* }
	else
		POINT=$(link_point "$P")
		COMMIT=$(point_commit "$POINT")
		POINT=${WORKTREE:-$POINT}
	fi
	(lock "$BUILD/.$POINT.lock" "point $POINT is being made"; ensure_worktree "$POINT" "$COMMIT")
	SRC=$POINTS/$POINT/linux OUT=$POINTS/$POINT/arch-$FLAVOUR
}

set_make_args() {
	local o map="-fmacro-prefix-map=../linux/= -fdebug-prefix-map=../linux/= -fdebug-prefix-map=$SRC/= -fdebug-prefix-map=$OUT=."
	MAKE_ARGS=(-C "$SRC" "O=$OUT" "ARCH=$ARCH" LOCALVERSION= "KCFLAGS=$map" "KAFLAGS=$map" "CROSS_COMPILE=$CROSS_COMPILE")
	if command -v ccache >/dev/null; then
		MAKE_ARGS+=("CC=ccache $COMPILER" "HOSTCC=ccache gcc")
		use_ccache
	else
		MAKE_ARGS+=("CC=$COMPILER")
	fi
	MAKE_ARGS+=("${MAKE_MORE[@]}")
	for o in $IN_ORDER; do MAKE_ARGS+=("CFLAGS_$o=$(sed -n 's/^flags //p' "$UML_DIR/configs/debug.cflags")"); done
	export KBUILD_BUILD_TIMESTAMP='2026-01-01 00:00:00 UTC' KBUILD_BUILD_USER=umlab KBUILD_BUILD_HOST=umlab KBUILD_BUILD_VERSION=1
	unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES LINUX PATCHES MUTANT WORKTREE SOURCE KCONFIG_CONFIG
}

# appended: what the flavours add to the kernel's command line.
appended() {
	local part
	for part in "${FLAVOURS[@]}"; do cat "$ARCH_DIR/$NAME/$part.append" 2>/dev/null || true; done | paste -sd' '
}

# The flags of what is in the source's order are in a file of UML's.
build_key() {
	{ [ -z "$IN_ORDER" ] || cat "$UML_DIR/configs/debug.cflags"; git -C "$SRC" rev-parse 'HEAD^{tree}'; cat "${FRAGMENTS[@]}" "$0"; appended; echo "$ARCH $GOALS ${MAKE_MORE[*]} $IN_ORDER"; "$COMPILER" --version; } | sha256sum | cut -c1-16
}

configure() {
	local missing
	cat "${FRAGMENTS[@]}" >"$OUT/.umlab.fragments"
	run_make "KCONFIG_ALLCONFIG=$OUT/.umlab.fragments" allnoconfig
	missing=$(missing_symbols "$OUT/.config" "${FRAGMENTS[@]}" | grep -vx 'CONFIG_PT_RECLAIM=y' || true)
	[ -z "$missing" ] || die "$NAME: these lines of tests/arch did not take at $P:"$'\n'"$missing"$'\n'"see 'make -C $OUT ARCH=$ARCH menuconfig', '/' to search"
}

# MiB that a first build takes.
SPACE=400
[ "$F" = fast ] || SPACE=1200

build() {
	T0=$SECONDS
	[ -x "$OUT/vmlinux" ] || need_space "$OUT" $((SPACE * 1024)) "kernel $FLAVOUR $P"
	rm -f "$OUT/umlab.info"
	: >"$LOG"
	note "$FLAVOUR $P: building (log: ${LOG#"$ROOT"/})"
	begin_with_neighbour "arch-$NAME*" "$COMPILER" "$COMPILER" "${CROSS_COMPILE}as" "${CROSS_COMPILE}ld" gcc as ld
	start_meter "$FLAVOUR $P" "$LOGS/steps-$FLAVOUR" 1000
	configure
	run_make "-j$JOBS" $GOALS headers
	stop_meter
	[ "$(git -C "$SRC" rev-parse HEAD)" = "$COMMIT" ] || die "$SRC: was moved to another commit while it was compiled: run this again"
	note_steps "$LOGS/steps-$FLAVOUR"
	cat >"$OUT/umlab.info.tmp" <<-END
		key=$KEY
		point=$P
		commit=$COMMIT
		arch=$NAME
		srcdir=$SRC
		flavour=$FLAVOUR
		pt_reclaim=$(has_symbol "$OUT/.config" PT_RECLAIM)
		rcu_table_free=$(has_symbol "$OUT/.config" MMU_GATHER_RCU_TABLE_FREE)
		own_remove_table=$(has_symbol "$OUT/.config" HAVE_ARCH_TLB_REMOVE_TABLE)
		moves_tables=$(has_symbol "$OUT/.config" HAVE_MOVE_PMD)
		kernelrelease=$(cat "$OUT/include/config/kernel.release")
		append=$(appended)
		compiler=$("$COMPILER" --version | head -n1)
		build_seconds=$(elapsed "$T0")
	END
	ln -sf vmlinux "$OUT/linux"
	mv "$OUT/umlab.info.tmp" "$OUT/umlab.info"
	note "$FLAVOUR $P: built in $(elapsed "$T0") s: PT_RECLAIM=$(has_symbol "$OUT/.config" PT_RECLAIM)"
}

need_tools make "$COMPILER" flex bison bc git
JOBS=${JOBS:-$(nproc)}
our_tree
mkdir -p "$LOGS" "$OUT"
LOG=$LOGS/build-$POINT-$FLAVOUR.log
lock "$BUILD/.$POINT-$FLAVOUR.lock" "$FLAVOUR at $POINT is being built"
set_make_args
KEY=$(build_key)
grep -qsx "key=$KEY" "$OUT/umlab.info" && [ -f "$OUT/$IMAGE" ] || build
echo "$OUT"
