#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: in a kernel without debug information each gdb command and function says that it needs F=debug.
# timeout: 600
set -u
. "$(dirname "$0")/gdb-lib.sh"

gdb_flavours=fast
gdb_suite no-debug fixed/1 +rest
finish
