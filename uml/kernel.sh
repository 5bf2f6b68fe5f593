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
#   NEIGHBOUR=P     a first build begins with the objects of point P; none: with nothing (the nearest point that is built)
#   CC=...          the compiler (gcc), run through ccache where that is installed
#   KCFLAGS=        more flags for it, as Kbuild knows them; also KAFLAGS, KCPPFLAGS
#   JOBS=N          how many at once (all processors)
#   DISTCC_HOSTS=   hosts that compile, too, if distcc is installed; JOBS should count theirs
. "$(dirname "$0")/lib.sh"
. "$UML_DIR/git.sh"
. "$UML_DIR/worktree.sh"
. "$UML_DIR/kconfig.sh"
. "$UML_DIR/graph.sh"
. "$UML_DIR/neighbour.sh"
. "$UML_DIR/make.sh"

P=${1:-fixed}
F=${2:-fast}
CC=${CC:-gcc}
JOBS=${JOBS:-$(nproc)}
COMMIT=
QUICK=

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
	case $SRC in
	# Beside a kernel of its name ccache knows it as it knows points.
	"$POINTS"/*/linux) POINT=${SRC#"$POINTS"/} POINT=${POINT%/linux} ;;
	*) POINT=tree-$(printf %s "$SRC" | sha256sum | cut -c1-8) ;;
	esac
	case " $NAMES " in *" $POINT "*) usage "LINUX: $1: that is the point $POINT: use P=$POINT, or edit build/linux" ;; esac
	OUT=$POINTS/$POINT/$F
	note "LINUX: $SRC is point $POINT; by its Kconfig it amounts to: $(kconfig_means "$SRC")"
}

# our_point: sets POINT, SRC and OUT for P, with PATCHES if given; and COMMIT, but for a tree that is edited.
our_point() {
	check_name "$P"
	# Who edits build/linux waits for nothing that has to do with other points.
	[ "$P" = work ] && [ -d "$TREE/.git" ] && [ -z "${SOURCE:-}" ] || until_signalled "${DIE_WITH_US[@]}" "$UML_DIR/tree.sh"
	if [ -n "${PATCHES:-}" ]; then
		COMMIT=$(patched "$P" "$PATCHES") || exit
		POINT=${UMLAB_POINT:-${COMMIT% *}} COMMIT=${COMMIT#* }
	elif [ "$P" = work ]; then
		POINT=work SRC=$TREE OUT=$BUILD/work-$F
		[ "$POINTS/work/$F" -ef "$OUT" ] || { mkdir -p "$OUT" "$POINTS/work"; ln -sfn "../../work-$F" "$POINTS/work/$F"; }
		return
	else
		POINT=$(link_point "$P")
		COMMIT=$(point_commit "$POINT")
	fi
	SRC=$POINTS/$POINT/linux OUT=$POINTS/$POINT/$F
	[ ! -s "$OUT/linux" ] || ! grep -qsx "commit=$COMMIT" "$OUT/umlab.info" || QUICK=quick
	# In a subshell, so that its locks end with it and not with the build. Alone in its line: with || behind it, set -e
	# would not be heard in it, and half a worktree be taken for a whole one.
	(lock "$BUILD/.$POINT.lock" "point $POINT is being made"; ensure_worktree "$POINT" "$COMMIT" $QUICK)
	SOURCE_TEXT="$(g log -1 --format=%s umlab/fetched | sed 's/, as fetched//'), commit $(g rev-parse --short=12 "$COMMIT")"
}

# describe_tree [FILE...]: what a tree that somebody edits is, in a word of git's. The files are some that were
# edited: one that differs from the commit's is enough, and git need not look at all the others.
describe_tree() {
	local text file
	# Not `describe --dirty`, which rewrites the index of a tree that isn't ours.
	if text=$(git -C "$SRC" describe --always --tags 2>/dev/null); then
		for file; do
			file=${file#../linux/} file=${file#"$SRC"/}
			[ -f "$SRC/$file" ] || continue
			[ "$(git -C "$SRC" rev-parse -q --verify "HEAD:$file")" = "$(git -C "$SRC" hash-object "$file")" ] ||
				{ echo "$text-dirty"; return; }
		done
		[ -z "$(git --no-optional-locks -C "$SRC" status --porcelain -uno 2>/dev/null)" ] || text=$text-dirty
		echo "$text"
	else
		echo "no git"
	fi
}

# make_args: sets MAKE_ARGS, what every make in the O= directory is called with. Nothing
# in it tells one build of the same source from another, so kernels are reproducible.
make_args() {
	local o fl= cflags=$UML_DIR/configs/$F.cflags
	# Names of sources, in the debug information and in __FILE__, start at the top of the tree, however the tree
	# was named on the command line: ccache renames it, but not in every mode. gdb finds them with `directory SRC`.
	local map="-fmacro-prefix-map=../linux/= -fdebug-prefix-map=../linux/= -fdebug-prefix-map=$SRC/= -fdebug-prefix-map=$OUT=."
	MAKE_ARGS=(-C "$SRC" "O=$OUT" ARCH=um LOCALVERSION= "KCFLAGS=$map${KCFLAGS:+ $KCFLAGS}" "KAFLAGS=$map${KAFLAGS:+ $KAFLAGS}" "KCPPFLAGS=${KCPPFLAGS-}")
	if command -v ccache >/dev/null; then
		MAKE_ARGS+=("CC=ccache $CC" "HOSTCC=ccache $CC")
		use_ccache
		[ -z "${DISTCC_HOSTS:-}" ] || ! command -v distcc >/dev/null || export CCACHE_PREFIX=distcc
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
	unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES LINUX PATCHES SOURCE KCONFIG_CONFIG ARCH CROSS_COMPILE LLVM LLVM_IAS HOSTCFLAGS HOSTLDFLAGS
}

# configure: OUT/.config from the fragments. What somebody has chosen in a tree that is edited (menuconfig) is kept for as long
# as the fragments are the same. Dies naming each requested line that did not take.
configure() {
	local want=$OUT/.umlab.fragments made=$OUT/.umlab.config missing
	cat "${FRAGMENTS[@]}" >"$want.new"
	if [ "$KEY" = none ] && [ -f "$OUT/.config" ] && cmp -s "$want" "$want.new" && ! cmp -s "$made" "$OUT/.config"; then
		run_make olddefconfig
	else
		if [ -f "$made" ] && [ -f "$OUT/.config" ] && ! cmp -s "$made" "$OUT/.config"; then
			cp "$OUT/.config" "$OUT/.config.yours"
			note "$POINT $F: .config is uml/configs' again; as somebody had changed it, it is $OUT/.config.yours"
		fi
		# Whatever ends this before the end, these settings are nobody's.
		rm -f "$want" "$made"
		run_make "KCONFIG_ALLCONFIG=$want.new" allnoconfig
		cp "$OUT/.config" "$made"
	fi
	missing=$(missing_symbols "$OUT/.config" "$want.new")
	[ -z "$missing" ] ||
		die "these lines of uml/configs did not take at $POINT:"$'\n'"$missing"$'\n'"their dependencies are missing there: see 'make -C $OUT menuconfig ARCH=um', '/' to search"
	mv "$want.new" "$want"
}

# build_key: a hash of all that a pristine kernel is made from.
build_key() {
	{ git -C "$SRC" rev-parse 'HEAD^{tree}'; cat "${FRAGMENTS[@]}"; cat "$UML_DIR/configs/$F".{cflags,append} 2>/dev/null || true
	  printf '%s\n' "${KCFLAGS-}" "${KAFLAGS-}" "${KCPPFLAGS-}"; $CC --version; cat "$UML_DIR/kernel.sh"; } | sha256sum | cut -c1-16
}

# ours: true when the kernel is the one that was built here last, and not one by somebody's own make.
ours() { [ -s "$OUT/linux" ] && grep -qsxF "linux=$(stat -c '%.9Y %s' "$OUT/linux")" "$OUT/umlab.info"; }

# up_to_date: true when the kernel of a pristine point is there and nothing it is made from has changed.
up_to_date() {
	[ "$POINT" != work ] && [ -z "${OWN-}" ] && ours &&
		grep -qsx "key=$KEY" "$OUT/umlab.info"
}

# unchanged: true when the kernel of a tree that people edit is there, and so is each file that it was made from.
unchanged() {
	ours && [ ! -e "$GRAPH/under-way" ] &&
		[ -z "$(graph_changed "$GRAPH/.ninja_deps")" ]
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
		commit=$COMMIT
		srcdir=$SRC
		rcu_table_free=$(has_symbol "$OUT/.config" MMU_GATHER_RCU_TABLE_FREE)
		pt_reclaim=$(has_symbol "$OUT/.config" PT_RECLAIM)
		append=$(cat "$UML_DIR/configs/$F.append" 2>/dev/null || true)
		key=$KEY
		linux=$(stat -c '%.9Y %s' "$OUT/linux")
	END
	mv "$OUT/umlab.info.tmp" "$OUT/umlab.info"
}

# A first build takes about this much, in MiB.
SPACE=250
[ "$F" = fast ] || SPACE=900

# build_by_make: the kernel, as Kbuild builds it, and the graph for the next time.
build_by_make() {
	local goals="linux .umlab-env"
	start_meter "$POINT $F" "$LOGS/steps-$F" "$(awk '/^# steps: / { print $3 }' "$UML_DIR/configs/$F.config")"
	# Where this does not come to its end, there is no graph.
	rm -f "$GRAPH/args"
	# As they are now, not as somebody leaves them while make runs.
	graph_args >"$GRAPH/args.next"
	configure
	cp "$OUT/.config" "$GRAPH/config.next"
	! grep -q '^CONFIG_GDB_SCRIPTS=y' "$OUT/.config" || goals="$goals scripts_gdb"
	run_make "-j$JOBS" "$(graph_env)" $goals
	stop_meter
	note_steps "$LOGS/steps-$F"
	! command -v ninja >/dev/null || graph_make || true
}

# build_by_ninja: the same, of a kernel that only lacks what changed in some of its objects. Status 1 when that is
# not all. The compiler's words come first, and as they are.
build_by_ninja() {
	local status=0
	until_signalled graph_build >>"$LOG" || status=$?
	awk '/^FAILED: / { getline; next } /^(\[[0-9]+\/[0-9]+\] (CC|LINK) |ninja: )/ { next } { print }' "$LOG" >&2
	[ $status != 0 ] || return 0
	! grep -q '^ninja: error: ' "$LOG" || { note "$POINT $F: $(sed -n 's/^ninja: error: //p' "$LOG"): make decides"; return 1; }
	die "$POINT $F: not built: see above"
}

# still_pristine: dies where a point's tree has changed since we looked at it: nobody can tell what of it was compiled.
still_pristine() {
	local kind file= names
	[ "$(git -C "$SRC" rev-parse HEAD)" = "$COMMIT" ] || die "$SRC: was moved to another commit while it was compiled: run this again"
	if [ -f "$GRAPH/args" ] && [ -x "$CHANGED" ]; then
		read -r kind file < <(SINCE=$GRAPH/under-way graph_changed "$GRAPH"/{.ninja_deps,kbuild}) || true
		names=$(graph_new_names)
		[ -n "$file" ] || file=$(sed '/\/$/d; q' <<<"$names")
		# A folder counts as new when any file in it has come, an editor's own, too.
		[ -n "$file" ] || [ -z "$names" ] || pristine "$SRC" || file=${names%%$'\n'*}
	elif ! pristine "$SRC"; then
		file=$SRC
	fi
	[ -z "$file" ] || die "$file: was changed while $POINT was compiled, and this kernel is not kept: run this again"
}

# stop_describer: ends what build has begun beside the compiler.
stop_describer() {
	[ -z "${DESCRIBER-}" ] || kill $(descendants "$DESCRIBER") "$DESCRIBER" 2>/dev/null || true
	DESCRIBER=
}

# built_line BY SIZE: what was built, and how long it took.
built_line() {
	local us=$((${EPOCHREALTIME//[!0-9]/} - T0_US))
	printf '%s %s: built in %d.%d s%s: %s, PT_RECLAIM=%s%s\n' "$POINT" "$F" $((us / 1000000)) $((us % 1000000 / 100000)) "$1" \
		"$("$OUT/linux" --version 2>/dev/null | tail -n1)" "$(has_symbol "$OUT/.config" PT_RECLAIM)" "$2" >&2
}

# build REASON: the kernel itself: by ninja when there is no reason for make.
build() {
	local by= size=
	T0=$SECONDS T0_US=${EPOCHREALTIME//[!0-9]/}
	[ -x "$OUT/linux" ] || need_space "$OUT" $((SPACE * 1024)) "kernel $POINT $F"
	BEGAN_WITH=
	[ -z "$1" ] || begin_with_neighbour "$F" "$CC" ${CC##* } as ld
	mkdir -p "$GRAPH"
	graph_clear_interrupted
	rm -f "$OUT/umlab.info"
	touch -r "$LOOKED" "$GRAPH/under-way"
	: >"$LOG"
	graph_headers "$1"
	[ -n "$1" ] || EDITED=$(graph_edited)
	# Beside the compiler.
	if [ -z "${SOURCE_TEXT-}" ]; then
		(let_go_of_all; describe_tree ${EDITED-}) >"$GRAPH/source" &
		DESCRIBER=$! ON_EXIT=stop_describer
		trap stop_describer EXIT
	fi
	if [ -z "$1" ] && build_by_ninja; then
		by=" by ninja"
	else
		[ -z "$1" ] || [ ! -f "$GRAPH/args" ] || note "$POINT $F: $1: make decides"
		note "$POINT $F: building (log: ${LOG#"$ROOT"/})"
		graph_forget
		build_by_make
		size=", $(du -sm "$OUT" | cut -f1) MB"
	fi
	# gdb's index of the kernel before this one (tools/umrun/debug.c).
	rm -rf "$OUT/gdb-index"
	[ -z "${DESCRIBER-}" ] || { wait "$DESCRIBER" || true; DESCRIBER= SOURCE_TEXT=$(<"$GRAPH/source"); }
	[ "$KEY" = none ] || still_pristine
	write_info
	mv "$GRAPH/under-way" "$GRAPH/started"
	built_line "$by" "$size"
}

[ $# -le 2 ] || usage "too many arguments: kernel.sh [P [F]]"
FRAGMENTS=($(fragments "$F")) || exit
need_tools make "${CC##* }" flex bison bc git
OWN=${LINUX:-}
[ -z "$OWN" ] || [ -z "${PATCHES:-}" ] ||
	usage "LINUX and PATCHES together: LINUX builds a tree as it is: apply the patches there, with 'git am', and leave PATCHES out"
if [ -n "$OWN" ]; then own_tree "$OWN"; else our_point; fi
[ -d "$LOGS" ] || mkdir -p "$LOGS"
LOG=$LOGS/build-$POINT-$F.log
lock "$BUILD/.$POINT-$F.lock" "$POINT $F is being built"
[ -d "$SRC" ] || die "$SRC: removed by 'make clean' meanwhile: run this again"
[ -d "$OUT" ] || mkdir -p "$OUT"
GRAPH=$OUT/.umlab
make_args
KEY=none
[ "$POINT" = work ] || [ -n "$OWN" ] || KEY=$(build_key)
if ! up_to_date; then
	# The time of this look: what is saved from now on is for the next.
	LOOKED=$LOGS/looked-$POINT-$F
	: >"$LOOKED"
	# Whoever built it meanwhile may have left us time for an edit.
	[ "$KEY" = none ] || (lock "$BUILD/.$POINT.lock" "point $POINT is being made"; look "$POINT")
	REASON=$(graph_reason)
	if [ -n "$REASON" ] || [ "$POINT" != work ] && [ -z "$OWN" ] || ! unchanged; then build "${REASON:-$(graph_foreign)}"; fi
fi
if [ "$POINT" = work ]; then echo "$POINTS/work/$F"; else echo "$OUT"; fi
