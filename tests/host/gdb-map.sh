#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: pt-map counts what pagemap, VmPTE and nr_page_table_pages say; corrupt tables; its errors.
# timeout: 1200
set -u
. "$(dirname "$0")/gdb-lib.sh"

gdb_suite map series/2 +rest
finish
