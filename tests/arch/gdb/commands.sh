#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: pt-walk, mg-show, rcu-tables and pt-break on another architecture's kernel, through qemu's stub, against
# what the workload wrote, what qemu's own MMU reads, and plain expressions of gdb.
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../../..
exec timeout "${GDB_LIMIT:-400}" "$top/tests/arch/gdb.sh" --parts contents --flavour "${UMLAB_FLAVOUR:-debug}" --script "$here/commands.py" "${UMLAB_ARCH:?}" "${UMLAB_POINT:?}"
