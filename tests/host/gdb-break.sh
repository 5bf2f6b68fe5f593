#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: pt-break stops at what happens to a table, under its conditions; its errors.
# timeout: 1200
set -u
. "$(dirname "$0")/gdb-lib.sh"

gdb_suite breaks series/2 +rest -- "$top/build/tests/gdb/life"
finish
