#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: pt-walk shows what pagemap, maps and the page tables say; its errors.
# timeout: 1200
set -u
. "$(dirname "$0")/gdb-lib.sh"

gdb_suite walk series/2 +rest
finish
