#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# gdb on the kernel of another architecture, through qemu's stub. `make arch GDB=1` calls it.
. "$(dirname "$0")/../../uml/lib.sh"
. "$UML_DIR/make.sh"
. "$ROOT/tests/arch/lib.sh"
. "$ROOT/tests/arch/boot.sh"
TOOL=arch

show_usage() {
	cat <<'END'
usage: tests/arch/gdb.sh [OPTION...] NAME P
Builds the debug kernel of the architecture NAME at P, starts it in qemu with the workload of tests/arch/guest/workload.c,
and gdb-multiarch on it, which stops where that gives memory back. The kernel ends with gdb.

  --parts PART,...  of the workload (default tables; see workload.c)
  --flavour F       of the kernel (default debug; see kernel.sh)
  --cpus N          as far as qemu's board can
  --script FILE     runs FILE in gdb instead, without a terminal: environment UMLAB_STUB, UMLAB_CONSOLE (its log), UMLAB_PMD_KB,
                    UMLAB_PAGE_KB, UMLAB_SCRIPTS

Exit status: gdb's; 2 wrong usage; 125 a package, a compiler or qemu was missing, or the kernel or the workload did not build;
130, 143 interrupted.
END
}

PARTS=tables CPUS=1 SCRIPT= F=debug
while [ $# -gt 0 ]; do
	case $1 in
	--help) show_usage; exit 0 ;;
	--parts) PARTS=${2:?}; shift 2 ;;
	--flavour) F=${2:?}; shift 2 ;;
	--cpus) CPUS=${2:?}; shift 2 ;;
	--script) SCRIPT=${2:?}; shift 2 ;;
	-*) usage "$1: unknown option: see --help" ;;
	*) break ;;
	esac
done
[ $# = 2 ] || usage "which? gdb.sh NAME P"
load_arch "$1"
P=$2
arch_point "$P"
[ "$CPUS" -le "$MAX_CPUS" ] || note "$NAME: $CPUS CPUs: qemu's board has $MAX_CPUS at most"
"$ROOT/tools/deps.sh" with gdb-multiarch && arch_packages || exit 125

WORK=$(mktemp -d)
trap 'stop_watching; end_qemu; rm -rf "$WORK"' EXIT
watch
trap 'exit 130' INT
trap 'exit 143' TERM HUP
until_signalled "${DIE_WITH_US[@]}" "$ARCH_DIR/kernel.sh" "$NAME" "$P" "$F" >"$WORK/kernel" || exit 125
KERNEL=$(tail -n 1 "$WORK/kernel")
make_init "$KERNEL" workload "$WORK/workload" && make_initrd "$KERNEL" "$WORK/initrd" "$WORK/workload" ||
	{ note "arch: $NAME $P: the workload does not compile: see above"; exit 125; }

export UMLAB_STUB=$WORK/stub UMLAB_CONSOLE=${SCRIPT:+$WORK/console} UMLAB_PMD_KB=$PMD_KB UMLAB_PAGE_KB=$PAGE_KB
export UMLAB_COMM=init UMLAB_SCRIPTS=$ROOT/gdb-scripts
mkdir -p "$LOGS"
UMLAB_CONSOLE=${UMLAB_CONSOLE:-$LOGS/console-$NAME-$P}
start_stub "$KERNEL" "$WORK/initrd" "$CPUS" "$UMLAB_CONSOLE" "$UMLAB_STUB" "umlab=$PARTS" "pmd_kb=$PMD_KB" || exit
GDB=(gdb-multiarch -q -d "$(sed -n 's/^srcdir=//p' "$KERNEL/umlab.info")")
status=0
if [ -n "$SCRIPT" ]; then
	until_signalled "${DIE_WITH_US[@]}" "${GDB[@]}" -nx -batch -x "$SCRIPT" "$KERNEL/vmlinux" </dev/null || status=$?
else
	note "$NAME $P: its console: ${UMLAB_CONSOLE#"$ROOT"/}"
	trap '' INT
	"${GDB[@]}" -ex "target remote $UMLAB_STUB" -x "$ROOT/gdb-scripts/reclaim.py" -ex continue "$KERNEL/vmlinux" || status=$?
fi
exit "$status"
