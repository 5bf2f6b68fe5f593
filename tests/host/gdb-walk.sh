#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: pt-walk shows what pagemap, maps and the page tables say; its errors.
# timeout: 300
set -u
. "$(dirname "$0")/gdb-lib.sh"

gdb_suite walk base/1 series/2
finish
