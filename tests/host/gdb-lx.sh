#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: the kernel's own gdb commands work on UML: lx-pfn_to_page, $lx_current(), translate-vm...
# timeout: 600
set -u
. "$(dirname "$0")/gdb-lib.sh"

# What the guest says of itself, then the process that gdb looks at.
cp "$scenario" "$dir/share/scenario"
mkdir "$dir/share/proc"
export UMLAB_PROC=$dir/share/proc UMLAB_LX
script='cd /proc && for f in slabinfo vmallocinfo interrupts timer_list version cmdline; do cat $f >/share/proc/$f; done
	zcat config.gz >/share/proc/config; sleep 1000 & sleep 1001 & exec /share/scenario /share/facts'

# For lx-slabtrace.
printf '#!/bin/sh\nexec %q --append slab_debug=U,mm_struct "$@"\n' "$umrun" >"$dir/traced"
chmod +x "$dir/traced"
umrun=$dir/traced

flavours=$gdb_flavours
for gdb_flavours in $flavours; do
	# UMLAB_LX: other scripts than those of the point, such as ones that are being worked on.
	lx=$top/build/points/fixed/$gdb_flavours
	UMLAB_LX=${LX:-$lx}
	if [ -f "$lx/umlab.info" ] && ! grep -qs is_uml "$UMLAB_LX/scripts/gdb/linux/utils.py"; then
		skip "fixed/$gdb_flavours" "its scripts/gdb knows no UML: uml/patches/fixes has no patch for it"
		continue
	fi
	gdb_suite lx fixed/2 +fixed/1 -- sh -c "$script"
done
finish
