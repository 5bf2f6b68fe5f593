#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: pt-life records the life of each PTE table, whole and in order; its file; its errors.
# timeout: 1200
set -u
. "$(dirname "$0")/gdb-lib.sh"

gdb_suite life series/2 +rest -- "$top/build/tests/gdb/life"
finish
