#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: a table whose entries were all cleared under its lock is taken out there and then, and not looked through
# again: zap_empty_pte_table() has the PMD's lock, be it another one or the same.
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../../..
exec timeout "${GDB_LIMIT:-400}" "$top/tests/arch/gdb.sh" --parts contents --flavour "${UMLAB_FLAVOUR:-debug}" --script "$here/fast-path.py" "${UMLAB_ARCH:?}" "${UMLAB_POINT:?}"
