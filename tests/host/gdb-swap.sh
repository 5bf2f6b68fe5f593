#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: pt-walk and pt-map name what is in swap, poisoned or a guard region, as pagemap has it.
# timeout: 600
set -u
. "$(dirname "$0")/gdb-lib.sh"

printf '#!/bin/sh\nexec %q --disk 16M "$@"\n' "$umrun" > "$dir/with-disk"
chmod +x "$dir/with-disk"
umrun=$dir/with-disk
gdb_suite swapped series/1 +rest -- "$top/build/tests/gdb/swapped" /share/facts
finish
