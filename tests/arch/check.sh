#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Runs guest suites in the kernel of another architecture, in qemu. `make check-arch` calls it.
#
# usage: tests/arch/check.sh NAME P [--gdb] [--flavour F] [OPTION of tests/run...]
#   --gdb        the suites of tests/arch/gdb, of gdb's commands, instead
#   --flavour F  of the kernel, as kernel.sh takes it (default fast, with --gdb debug)
# Exit status: that of tests/run; 125 where packages or the kernel could not be had.
. "$(dirname "$0")/../../uml/lib.sh"
. "$UML_DIR/make.sh"
. "$ROOT/tests/arch/lib.sh"
TOOL=check-arch

[ $# -ge 2 ] || usage "which? check.sh NAME P"
load_arch "$1"
P=$2
shift 2
GDB= F=
[ "${1-}" != --gdb ] || { GDB=1; shift; }
[ "${1-}" != --flavour ] || { F=${2:?}; shift 2; }
if [ -n "$GDB" ]; then
	arch_point "$P"
	# Built before, without the suites' limit of time.
	"$ROOT/tools/deps.sh" with gdb-multiarch && arch_packages && until_signalled "${DIE_WITH_US[@]}" "$ARCH_DIR/kernel.sh" "$NAME" "$P" "${F:-debug}" >/dev/null || exit 125
	export UMLAB_ARCH=$NAME UMLAB_POINT=$P UMLAB_FLAVOUR=${F:-debug}
	exec "$ROOT/tests/run" --host "$ROOT/tests/arch/gdb" --guest "$ROOT/tests/arch/gdb/none" --results "$BUILD/results/arch-gdb-$NAME" "$@"
fi
[ -n "$SUITES" ] || usage "A=$NAME: no guest suites run there yet (SUITES in tests/arch/$NAME/arch)"
arch_point "$P"
arch_packages || exit 125
[ -z "$CROSS_COMPILE" ] || "$ROOT/tools/deps.sh" with cmake dpkg-dev $SUITE_PACKAGES || exit 125
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
until_signalled "${DIE_WITH_US[@]}" "$ARCH_DIR/kernel.sh" "$NAME" "$P" ${F:+"$F"} >"$WORK/kernel" || exit 125
KERNEL=$(tail -n 1 "$WORK/kernel")

# cross_suite SUITE CHECK: compiles it for this architecture, where a source of it has changed: into KERNEL/.umlab/suites.
cross_suite() {
	local out=$KERNEL/.umlab/suites/$1 parts=("$ROOT/tests/guest/$1.c" "$ROOT"/tests/guest/lib/*.c)
	[ ! -d "$ROOT/tests/guest/$1" ] || parts+=("$ROOT/tests/guest/$1"/*.c)
	[ ! -f "$out" ] || [ -n "$(find "${parts[@]}" "$ROOT"/tests/guest/{lib,random}/*.h "$ARCH_DIR/$NAME/arch" "$0" "$2/lib/libcheck.a" -newer "$out")" ] || return 0
	"$USER_COMPILER" -std=gnu11 -O2 -static "-DPAGE=(${PAGE_KB}UL*1024)" "-DTABLE_SPAN=(${PMD_KB}UL*1024)" -I"$2/include" -o "$out.tmp" \
		"${parts[@]}" -L"$2/lib" -lcheck -lcompat -lrt -lm -lpthread && mv "$out.tmp" "$out"
}

# cross_suites: all of them. On this machine they can only be asked for their tests by the binary that was made for it.
cross_suites() {
	local prefix suite
	prefix=$(<"$WORK/prefix")
	mkdir -p "$KERNEL/.umlab/suites"
	lock "$KERNEL/.umlab/suites.lock" "suites for $NAME are being compiled"
	note "$NAME: compiling $(wc -w <<<"$SUITES") suites"
	for suite in $SUITES; do cross_suite "$suite" "$prefix" || exit 125; done
}
if [ -n "$CROSS_COMPILE" ]; then
	until_signalled "${DIE_WITH_US[@]}" "$ROOT/tests/arch/libcheck.sh" "$NAME" >"$WORK/prefix" || exit 125
	until_signalled cross_suites || exit 125
fi
# build_lab: what the lab's suites boot.
build_lab() {
	local v
	"${DIE_WITH_US[@]}" "$ROOT/tests/arch/$LAB/run.sh" --build --parts "measure window checks kernel reclaim" --settings "hash/2 radix/2" || exit
	for v in merged merged-fixed; do "${DIE_WITH_US[@]}" "$ROOT/tests/arch/$LAB/gdb.sh" --build "$v" || exit; done
}
HOST=$WORK/none
if [ -n "$LAB" ]; then
	# Built before, without the suites' limit of time.
	[[ " $* " == *" --test "* ]] || until_signalled build_lab || exit
	HOST=$ROOT/tests/arch/$LAB/suites
fi
mkdir "$WORK/suites"
for suite in $SUITES; do ln -s "$BUILD/tests/guest/$suite" "$WORK/suites/$suite"; done
MODES=native/1
[ "$MAX_CPUS" = 1 ] || MODES="native/1 native/2"
until_signalled "${DIE_WITH_US[@]}" "$ROOT/tests/run" --host "$HOST" --guest "$WORK/suites" --umrun "$ROOT/tests/arch/qemurun" --results "$BUILD/results/arch-$NAME" \
	--modes "$MODES" --jobs "$(nproc)" --limit 600 "$@" "$P=$KERNEL"
