# SPDX-License-Identifier: GPL-2.0
"""struct mm_struct: one address space (mm_types.h)."""


def pgtables_bytes(mm):
    """Return the size (int, bytes) of all page tables of @mm: VmPTE of /proc/PID/status.

    Counts PTE, PMD and PUD tables; the PGD is not in it.
    """
    return int(mm["pgtables_bytes"]["counter"])
