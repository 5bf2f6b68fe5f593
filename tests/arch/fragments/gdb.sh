#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# The window of pte_frag_destroy(), held open by gdb in a kernel without a change (window.py).
# `make arch A=ppc64 LAB=fragments GDB=1` calls it.
#
# usage: tests/arch/fragments/gdb.sh [--build] [VARIANT]     (default merged)
#   --build  only the kernel
# What it says is kept, for docs/powerpc-fragments.md: build/results/fragments/gdb-VARIANT.txt.
# Exit status: 0 the window was shown; 1 it was not; 2 wrong usage; 124 not within 200 s; 125 a package, the kernel or qemu
# could not be had; 130, 143 interrupted.
. "$(dirname "$0")/../../../uml/lib.sh"
. "$UML_DIR/git.sh"
. "$UML_DIR/make.sh"
. "$ROOT/tests/arch/lib.sh"
. "$ROOT/tests/arch/boot.sh"
TOOL=fragments
load_arch ppc64
. "$ROOT/tests/arch/fragments/lib.sh"

BUILD_ONLY=
[ "${1-}" != --build ] || { BUILD_ONLY=1; shift; }
VARIANT=${1:-merged}
[ $# -le 1 ] && variants | grep -x -- "$VARIANT" >/dev/null || usage "$*: give one variant: $(variants | paste -sd' ')"
"$ROOT/tools/deps.sh" with gdb-multiarch $SUITE_PACKAGES && arch_packages || exit 125
WORK=$(mktemp -d)
trap 'stop_watching; end_qemu; rm -rf "$WORK"' EXIT
watch
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# build_locked: for as long as another run of the lab builds, it waits.
build_locked() {
	lab_begin
	lab_workloads && lab_kernel "$VARIANT" debug "" || exit 125
}
until_signalled build_locked || exit
[ -z "$BUILD_ONLY" ] || exit 0
lab_kernel "$VARIANT" debug "" || exit 125
mmu hash
lab_initrd "$WORK" "window 1"
mkdir -p "$LOGS"
CONSOLE_LOG=$LOGS/console-fragments-$VARIANT
export UMLAB_STUB=$WORK/stub UMLAB_SCRIPTS=$ROOT/gdb-scripts UMLAB_PMD_KB=$AREA_KB UMLAB_PAGE_KB=$PAGE_KB
QEMU+=(-cpu "$CPU")
# Two CPUs, of which gdb runs one alone.
start_stub "$KERNEL" "$WORK/initrd" 2 "$CONSOLE_LOG" "$UMLAB_STUB" || exit
status=0
SAID=$BUILD/results/fragments/gdb-$VARIANT.txt
mkdir -p "${SAID%/*}"
until_signalled timeout --foreground 200 "${DIE_WITH_US[@]}" gdb-multiarch -q -nx -batch \
	-iex "set logging file $WORK/said" -iex "set logging enabled on" -x "$ROOT/tests/arch/fragments/window.py" "$KERNEL/vmlinux" </dev/null || status=$?
[ "$status" != 0 ] || { sed -n '/^CPU 1, the reader/,$p' "$WORK/said" >"$SAID.tmp" && mv "$SAID.tmp" "$SAID"; }
exit "$status"
