# SPDX-License-Identifier: GPL-2.0
"""sparc64: what it gives to mmu_gather (arch/sparc/include/asm/pgalloc_64.h); its page tables are not known here."""

from . import base


class Sparc64(base.Machine):
    """sparc64, in qemu."""

    name = "sparc64"

    def removed(self, pointer):
        """Return what @pointer names: a table; bit 0 says whether it is a page (pgtable_free_tlb())."""
        if pointer & 1:
            return base.Removed(pointer, None, pointer & ~1, self.page_size() // self.ENTRY, "bit 0 set: a page, a PTE table")
        return base.Removed(pointer, None, pointer, None, "bit 0 clear: of a kmem_cache, a PMD or PUD table")
