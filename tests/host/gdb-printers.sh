#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: how print shows page table entries, pages, lists, callbacks, counters and locks.
# timeout: 1200
set -u
. "$(dirname "$0")/gdb-lib.sh"

gdb_suite printers series/1 +rest
finish
