# SPDX-License-Identifier: GPL-2.0
"""sparc64: what it gives to mmu_gather (arch/sparc/include/asm/pgalloc_64.h); its page tables are not known here."""

import gdb

from . import base


class Sparc64(base.Machine):
    """sparc64, in qemu."""

    name = "sparc64"

    def per_cpu_offset(self, cpu):
        """Return trap_block[cpu].__per_cpu_base (arch/sparc/include/asm/percpu_64.h); None without SMP."""
        if gdb.lookup_global_symbol("__cpu_online_mask") is None:
            return None
        return int(gdb.parse_and_eval("trap_block")[cpu]["__per_cpu_base"])

    def removed(self, pointer):
        """Return what @pointer names: a table; bit 0 says whether it is a page (pgtable_free_tlb())."""
        if pointer & 1:
            return base.Removed(pointer, None, pointer & ~1, self.page_size() // self.ENTRY, "bit 0 set: a page, a PTE table")
        return base.Removed(pointer, None, pointer, None, "bit 0 clear: of a kmem_cache, a PMD or PUD table")
