#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: pt-host judges the host's mappings as the guest sees them; UML's stale mappings show, and none is there where they are mended.
# timeout: 1200
set -u
. "$(dirname "$0")/gdb-lib.sh"

gdb_suite host series/2 fixed/1 +rest -- "$top/build/tests/gdb/stale" /share/facts
finish
