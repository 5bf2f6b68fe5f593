#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Runs guest suites in the kernel of another architecture, in qemu. `make check-arch` calls it.
#
# usage: tests/arch/check.sh NAME P [OPTION of tests/run...]
# Exit status: that of tests/run; 125 where packages or the kernel could not be had.
. "$(dirname "$0")/../../uml/lib.sh"
. "$UML_DIR/make.sh"
. "$ROOT/tests/arch/lib.sh"
TOOL=check-arch

[ $# -ge 2 ] || usage "which? check.sh NAME P"
load_arch "$1"
P=$2
shift 2
[ -n "$SUITES" ] || usage "A=$NAME: no guest suites run there yet (SUITES in tests/arch/$NAME/arch)"
arch_packages || exit 125
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
until_signalled "$ARCH_DIR/kernel.sh" "$NAME" "$P" >"$WORK/kernel" || exit 125
mkdir "$WORK/suites"
for suite in $SUITES; do ln -s "$BUILD/tests/guest/$suite" "$WORK/suites/$suite"; done
MODES=native/1
[ "$MAX_CPUS" = 1 ] || MODES="native/1 native/2"
"$ROOT/tests/run" --host "$WORK/none" --guest "$WORK/suites" --umrun "$ROOT/tests/arch/qemurun" --results "$BUILD/results/arch-$NAME" \
	--modes "$MODES" --jobs "$(nproc)" --limit 600 "$@" "$P=$(tail -n 1 "$WORK/kernel")"
