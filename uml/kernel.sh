#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Builds the UML kernel of one point in one flavour, with all that it takes to get there.
#
# Usage: kernel.sh [P [F]]     P: a point (default fixed), F: fast or debug (default fast)
#
# Prints the O= directory, which holds `linux` and `umlab.info`, on stdout's last line.
#   LINUX=DIR       builds the user's own tree DIR instead, changing no file in it
#   PATCHES=FILE    builds P with the patches of FILE (a mailbox) on top
#   UMLAB_POINT=X   ... in build/points/X, which the next such build uses again
#   CC=...          the compiler (gcc), run through ccache where that is installed
#   JOBS=N          how many at once (all processors)
. "$(dirname "$0")/lib.sh"
. "$UML_DIR/git.sh"
. "$UML_DIR/worktree.sh"
. "$UML_DIR/kconfig.sh"

P=${1:-fixed}
F=${2:-fast}
CC=${CC:-gcc}
JOBS=${JOBS:-$(nproc)}

# own_tree DIR: sets POINT, SRC and OUT for LINUX=DIR.
own_tree() {
	SRC=$(realpath -e "$1" 2>/dev/null) || die "LINUX: $1: no such directory: give a kernel source tree"
	[ -f "$SRC/Kconfig" ] && [ -f "$SRC/arch/um/Kconfig" ] ||
		die "LINUX: $1: not a kernel source tree (no Kconfig, arch/um): give one"
	if [ -f "$SRC/.config" ] || [ -d "$SRC/include/config" ] || [ -d "$SRC/arch/x86/include/generated" ] ||
		[ -d "$SRC/arch/um/include/generated" ]; then
		die "LINUX: $1: it was configured in place, and then Kbuild refuses to build outside it:" \
			"use a worktree ('git -C $1 worktree add --detach $1-clean'), or run 'make mrproper' there if you can spare its .config"
	fi
	POINT=tree-$(printf %s "$SRC" | sha256sum | cut -c1-8)
	OUT=$POINTS/$POINT/$F
	# Not `describe --dirty`, which rewrites the index of a tree that isn't ours.
	if SOURCE_TEXT=$(git -C "$SRC" describe --always 2>/dev/null); then
		[ -z "$(git --no-optional-locks -C "$SRC" status --porcelain -uno 2>/dev/null)" ] || SOURCE_TEXT=$SOURCE_TEXT-dirty
	else
		SOURCE_TEXT="no git"
	fi
	note "LINUX: $SRC is point $POINT; by its Kconfig it amounts to: $(kconfig_means "$SRC")"
}

# our_point: sets POINT, SRC and OUT for P, with PATCHES if given.
our_point() {
	local commit
	check_name "$P"
	"$UML_DIR/tree.sh"
	if [ -n "${PATCHES:-}" ]; then
		commit=$(patched "$P" "$PATCHES") || exit
		POINT=${UMLAB_POINT:-${commit% *}} commit=${commit#* }
	elif [ "$P" = work ]; then
		POINT=work SRC=$TREE OUT=$BUILD/work-$F
		mkdir -p "$OUT" "$POINTS/work"
		ln -sfn "../../work-$F" "$POINTS/work/$F"
		SOURCE_TEXT=$(g describe --always --dirty --tags)
		return
	else
		POINT=$(link_point "$P")
		commit=$(point_commit "$POINT")
	fi
	# In a subshell, so that its locks end with it and not with the build.
	(lock "$BUILD/.$POINT.lock" "point $POINT is being made"; ensure_worktree "$POINT" "$commit") || exit
	SRC=$POINTS/$POINT/linux OUT=$POINTS/$POINT/$F
	SOURCE_TEXT="$(g log -1 --format=%s umlab/fetched | sed 's/, as fetched//'), commit $(g rev-parse --short=12 "$commit")"
}

# make_args: sets MAKE_ARGS, what every make in the O= directory is called with. Nothing
# in it tells one build of the same source from another, so kernels are reproducible.
make_args() {
	local o fl= cflags=$UML_DIR/configs/$F.cflags
	# Names of sources in the debug information start at the top of the tree, however the
	# tree was named on the command line; gdb finds them with `directory SRC`.
	local map="-fdebug-prefix-map=../linux/= -fdebug-prefix-map=$SRC/= -fdebug-prefix-map=$OUT=."
	MAKE_ARGS=(-C "$SRC" "O=$OUT" ARCH=um LOCALVERSION= "KCFLAGS=$map" "KAFLAGS=$map")
	if command -v ccache >/dev/null; then
		MAKE_ARGS+=("CC=ccache $CC" "HOSTCC=ccache $CC")
		export CCACHE_BASEDIR=$BUILD CCACHE_NOHASHDIR=1
		export CCACHE_SLOPPINESS=time_macros,include_file_mtime,include_file_ctime
	else
		MAKE_ARGS+=("CC=$CC" "HOSTCC=$CC")
	fi
	if [ -f "$cflags" ]; then
		fl=$(sed -n 's/^flags //p' "$cflags")
		for o in $(awk '!/^#/ && $1 ~ /\.o$/ { print $1 }' "$cflags"); do MAKE_ARGS+=("CFLAGS_$o=$fl"); done
	fi
	export KBUILD_BUILD_TIMESTAMP='2026-01-01 00:00:00 UTC' KBUILD_BUILD_USER=umlab
	export KBUILD_BUILD_HOST=umlab KBUILD_BUILD_VERSION=1
	# Our caller may be make itself; its job server and variables are not Kbuild's.
	unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES LINUX PATCHES SOURCE KCONFIG_CONFIG ARCH CROSS_COMPILE
}

# configure: OUT/.config from the fragments; only rewritten when they changed. Dies naming
# each requested line that did not take.
configure() {
	local want=$OUT/.umlab.fragments missing
	cat "${FRAGMENTS[@]}" >"$want.new"
	if [ -f "$OUT/.config" ] && cmp -s "$want" "$want.new"; then
		run_make olddefconfig
	else
		run_make "KCONFIG_ALLCONFIG=$want.new" allnoconfig
	fi
	missing=$(missing_symbols "$OUT/.config" "${FRAGMENTS[@]}")
	[ -z "$missing" ] ||
		die "these lines of uml/configs did not take at $POINT:"$'\n'"$missing"$'\n'"their dependencies are missing there: see 'make -C $OUT menuconfig ARCH=um', '/' to search"
	mv "$want.new" "$want"
}

# Ends make even when we are killed without a chance to do so. Only where there is setpriv
# (util-linux): without it such a make works on, and whoever comes next waits for it.
DIE_WITH_US=()
! setpriv --pdeathsig TERM true 2>/dev/null || DIE_WITH_US=(setpriv --pdeathsig TERM)

# stop_make PID STATUS: ends the make PID and then ourselves.
stop_make() {
	trap '' INT TERM HUP
	kill -TERM "$1" 2>/dev/null || true
	wait "$1" || true
	note "interrupted: the next run goes on from here"
	exit "$2"
}

# run_make ARG...: make with MAKE_ARGS, output to the log; a signal to us ends it too.
run_make() {
	local pid
	"${DIE_WITH_US[@]}" make "${MAKE_ARGS[@]}" "$@" >>"$LOG" 2>&1 &
	pid=$!
	trap 'stop_make $pid 130' INT
	trap 'stop_make $pid 143' TERM HUP
	if ! wait $pid; then
		grep -m3 -n -E '(error|Error|\*\*\*|No space left)' "$LOG" >&2 || tail -n5 "$LOG" >&2
		die "make $*: failed: the whole log is $LOG"
	fi
	trap - INT TERM HUP
}

# meter: while the build runs, says how far it is: one line that renews itself on a
# terminal, else a line every 20 s. The number of steps is that of the last build.
meter() {
	local total n t eta step=20 i=0
	trap - EXIT
	let_go_of_locks
	total=$(cat "$LOGS/steps-$F" 2>/dev/null || awk '/^# steps: / { print $3 }' "$UML_DIR/configs/$F.config")
	[ -t 2 ] && step=1
	while sleep 1 && kill -0 $$ 2>/dev/null; do
		i=$((i + 1))
		[ $((i % step)) = 0 ] || continue
		n=$(grep -c '^  \(CC\|AS\|AR\|LD\) ' "$LOG") || true
		t=$(elapsed "$T0") eta=
		[ "$n" -lt 20 ] || [ "$n" -ge "$total" ] || eta=", about $((t * (total - n) / n)) s to go"
		if [ -t 2 ]; then printf '\r\033[K%s %s: %s of %s steps, %s s%s' "$POINT" "$F" "$n" "$total" "$t" "$eta" >&2
		else note "$POINT $F: $n of $total steps, $t s$eta"; fi
	done
}

# stop_meter: ends meter and clears its line.
stop_meter() {
	[ -n "${METER-}" ] || return 0
	kill "$METER" 2>/dev/null || true # its sleep ends within a second
	wait "$METER" 2>/dev/null || true
	METER=
	[ ! -t 2 ] || printf '\r\033[K' >&2
}

# build_key: a hash of all that a pristine kernel is made from.
build_key() {
	{ git -C "$SRC" rev-parse 'HEAD^{tree}'; cat "${FRAGMENTS[@]}"; cat "$UML_DIR/configs/$F".{cflags,append} 2>/dev/null || true
	  $CC --version; cat "$UML_DIR/kernel.sh"; } | sha256sum | cut -c1-16
}

# up_to_date: true when the kernel is there and nothing it is made from has changed. Trees
# that people edit are always left to make, which knows better.
up_to_date() {
	[ "$POINT" != work ] && [ -z "${OWN-}" ] && [ -x "$OUT/linux" ] &&
		grep -qsx "key=$KEY" "$OUT/umlab.info"
}

# write_info: OUT/umlab.info, last of all and in one step.
write_info() {
	cat >"$OUT/umlab.info.tmp" <<-END
		point=$POINT
		flavour=$F
		kernelrelease=$(cat "$OUT/include/config/kernel.release")
		config_sha256=$(sha256_of "$OUT/.config")
		compiler=$($CC --version | head -n1)
		source=$SOURCE_TEXT
		srcdir=$SRC
		rcu_table_free=$(has_symbol "$OUT/.config" MMU_GATHER_RCU_TABLE_FREE)
		pt_reclaim=$(has_symbol "$OUT/.config" PT_RECLAIM)
		append=$(cat "$UML_DIR/configs/$F.append" 2>/dev/null || true)
		key=$KEY
	END
	mv "$OUT/umlab.info.tmp" "$OUT/umlab.info"
}

# A first build takes about this much, in MiB.
SPACE=250
[ "$F" = fast ] || SPACE=900

# build: the kernel itself.
build() {
	local goals=linux
	T0=$SECONDS
	[ -x "$OUT/linux" ] || need_space "$OUT" $((SPACE * 1024)) "kernel $POINT $F"
	rm -f "$OUT/umlab.info"
	: >"$LOG"
	note "$POINT $F: building (log: ${LOG#"$ROOT"/})"
	trap stop_meter EXIT
	meter &
	METER=$!
	configure
	! grep -q '^CONFIG_GDB_SCRIPTS=y' "$OUT/.config" || goals="linux scripts_gdb"
	run_make "-j$JOBS" $goals
	# gdb's index of the kernel before this one (tools/umrun/debug.c).
	rm -rf "$OUT/gdb-index"
	stop_meter
	[ "$(grep -c '^  CC ' "$LOG")" -lt 300 ] || grep -c '^  \(CC\|AS\|AR\|LD\) ' "$LOG" >"$LOGS/steps-$F"
	write_info
	note "$POINT $F: built in $(elapsed "$T0") s: $("$OUT/linux" --version 2>/dev/null | tail -n1), PT_RECLAIM=$(has_symbol "$OUT/.config" PT_RECLAIM), $(du -sm "$OUT" | cut -f1) MB"
}

[ $# -le 2 ] || usage "too many arguments: kernel.sh [P [F]]"
FRAGMENTS=($(fragments "$F")) || exit
need_tools make "${CC##* }" flex bison bc git
OWN=${LINUX:-}
[ -z "$OWN" ] || [ -z "${PATCHES:-}" ] ||
	usage "LINUX and PATCHES together: LINUX builds a tree as it is: apply the patches there, with 'git am', and leave PATCHES out"
if [ -n "$OWN" ]; then own_tree "$OWN"; else our_point; fi
mkdir -p "$OUT" "$LOGS"
LOG=$LOGS/build-$POINT-$F.log
lock "$BUILD/.$POINT-$F.lock" "$POINT $F is being built"
[ -d "$SRC" ] || die "$SRC: removed by 'make clean' meanwhile: run this again"
mkdir -p "$OUT"
make_args
KEY=none
[ "$POINT" = work ] || [ -n "$OWN" ] || KEY=$(build_key)
up_to_date || build
if [ "$POINT" = work ]; then echo "$POINTS/work/$F"; else echo "$OUT"; fi
