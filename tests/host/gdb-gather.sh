#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: mg-show and mg-batches show the pages and tables that madvise, munmap and exit gather; their errors.
# timeout: 1200
set -u
. "$(dirname "$0")/gdb-lib.sh"

gdb_suite gather series/2 +rest -- "$top/build/tests/gdb/gather" /share/facts
finish
