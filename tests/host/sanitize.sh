#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: flavour sanitize sees what it is for, and says nothing of a kernel that is in
# order: the kernel's own module of planted errors (lkdtm) makes one of each kind.
# timeout: 300
set -u
. "$(dirname "$0")/umrun-lib.sh"

kernel=$(first_kernel sanitize fixed series base)
if [ -z "$kernel" ]; then
	echo "1..0 # SKIP no kernel of flavour sanitize yet: make kernel F=sanitize"
	exit 0
fi

# caught WHAT REGEX NAME: lkdtm does WHAT; umrun ends with 126 and says why.
caught()
{
	run --timeout 120 -- sh -c "echo $1 > /sys/kernel/debug/provoke-crash/DIRECT"
	is "$STATUS $(grep -cE "$2" <<< "$ERR")" "126 1" "$3"
}

run --timeout 120 --cpus 2 -- sh -c 'grep debug_locks /proc/lockdep_stats
	cat /sys/kernel/slab/vm_area_struct/sanity_checks /proc/cmdline
	zcat /proc/config.gz | grep -E "_(PROVE_RCU|DEBUG_OBJECTS_RCU_HEAD|PAGE_POISONING|DEBUG_VM)=y"'
status 0 "a plain run on two CPUs brings no report"
like "$OUT" 'debug_locks: +1$' "lockdep is on, and stays so"
like "$OUT" '^1$' "slabs are checked"
like "$OUT" ' kasan_multi_shot ' "umrun adds the flavour's boot parameters"
is "$(grep -c '^CONFIG_' <<< "$OUT")" 4 "RCU, its heads, pages and mm are checked"
caught WRITE_AFTER_FREE '^umrun: kernel: .*KASAN: slab-use-after-free' "a write to a freed object"
whole "a freed page, a list, a walk without its lock" || { finish; exit; }
caught READ_BUDDY_AFTER_FREE '^umrun: kernel: .*KASAN: use-after-free' "a read of a freed page"
caught CORRUPT_LIST_ADD '^umrun: kernel: .*WARNING: .*list_debug' "a corrupted list"

# lkdtm has no such error, but a kernel without fixes/0010 has (docs/uml-bugs.md, 8).
kernel=$(first_kernel sanitize series base)
if [ -n "$kernel" ]; then
	info=${kernel%/*}/umlab.info
	run --timeout 120 --env "PT_RECLAIM=$(sed -n 's/^pt_reclaim=//p' "$info")" --env "POINT=$(sed -n 's/^point=//p' "$info")" \
		--env TESTS=hole_punched_beside_it "$top/build/tests/guest/gather-nested"
	is "$STATUS $(grep -c '^umrun: kernel: .*WARNING: suspicious RCU usage' <<< "$ERR")" "126 1" "a walk without its lock"
else
	skip "a walk without its lock" "no kernel of series or base in flavour sanitize: make kernel P=base F=sanitize"
fi
finish
