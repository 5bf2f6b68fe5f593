# SPDX-License-Identifier: GPL-2.0
"""ppc64, book3s, hash and radix MMU (arch/powerpc/include/asm/book3s/64/pgtable.h).

How many entries a table has is known at run time only, and is in variables.  A PTE table is a fragment of a
page, upper tables are fragments or from a kmem_cache: none of them is a struct ptdesc.
"""

import gdb

from . import base

_PRESENT, _PTE, _INVALID = 1 << 63, 1 << 62, 1 << 61
_FLAGS = ((1 << 3, "privileged"), (1 << 2, "read"), (1 << 1, "write"), (1 << 0, "exec"),
          (1 << 8, "accessed"), (1 << 7, "dirty"), (1 << 10, "special"), (1 << 9, "soft-dirty"))
_RADIX = 0x40               # MMU_FTR_TYPE_RADIX
_DIRTY_ACCESSED = 0x180

_RPN_BITS = 53              # _PAGE_PA_MAX
_UPPER_MASKED = 0xC0000000000000FF  # PMD_MASKED_BITS
_PAGE_OFFSET = 0xC000000000000000
_INDEX = 0xF                # MAX_PGTABLE_INDEX_SIZE

# enum pgtable_index: what the low bits of a pointer in mmu_gather are.
_TABLES = ("PTE", "PMD", "PUD", "PGD")


class Ppc64(base.Vmemmap):
    """ppc64 with a book3s MMU, in qemu."""

    name = "ppc64"
    knows_tables = True
    SWAP_EXCLUSIVE = 1 << 5

    def first_page(self):
        return int(gdb.parse_and_eval("(unsigned long)vmemmap"))

    def phys_to_virt(self, phys):
        return phys | _PAGE_OFFSET

    def virt_to_phys(self, virt):
        return virt & ~_PAGE_OFFSET

    def levels(self):
        found, shift = [], self.page_shift()
        for name in ("pte", "pmd", "pud", "pgd"):
            bits = int(gdb.parse_and_eval(f"__{name}_index_size"))
            found.insert(0, base.Level(name, shift, bits))
            shift += bits
        return tuple(found)

    def is_none(self, value):
        """Return pte_none(): what the MMU itself sets does not count (RADIX_PTE_NONE_MASK, H_PTE_NONE_MASK)."""
        return value & ~(_DIRTY_ACCESSED if self._is_radix() else self._hash_flags()) == 0

    def is_present(self, value):
        return bool(value & _PRESENT) or value & (_INVALID | _PTE) == _INVALID | _PTE

    def is_leaf(self, level, value):
        return bool(value & _PTE)

    def phys_of(self, level, value):
        if self.is_leaf(level, value):
            return value & (1 << _RPN_BITS) - self.page_size()
        return value & ~_UPPER_MASKED

    def flags(self, value):
        if not value & _PTE:
            return ["present"]
        hashed = ["hashed"] if not self._is_radix() and value & self._hashed() else []
        return ["present" if value & _PRESENT else "invalid"] + base.bits_set(_FLAGS, value) + hashed

    def swap_parts(self, value):
        return value & self.SWAP_TYPES, (value & (1 << _RPN_BITS) - self.page_size()) >> self.page_shift()

    def removed(self, pointer):
        """Return what @pointer names: a table, with its pgtable_index in the low bits (pgtable_free_tlb())."""
        table, index = pointer & ~_INDEX, pointer & _INDEX
        if index >= len(_TABLES):
            return base.Removed(pointer, None, table, None, f"index {index}")
        bits = {level.name: level.bits for level in self.levels()}[_TABLES[index].lower()]
        return base.Removed(pointer, None, table, 1 << bits, f"index {index}: {_TABLES[index]} table")

    def _hash_flags(self):
        """_PAGE_HPTEFLAGS: of 64 KiB pages busy, hashed and combo; of 4 KiB ones busy, hashed and where."""
        if self.page_shift() == 16:
            return 1 << 6 | self._hashed() | 0x1000
        return 1 << 6 | self._hashed() | 1 << 56 | 0xE0000000000000

    def _hashed(self):
        """H_PAGE_HASHPTE."""
        return 1 << (55 if self.page_shift() == 16 else 60)

    @staticmethod
    def _is_radix():
        return bool(int(gdb.parse_and_eval("cur_cpu_spec")["mmu_features"]) & _RADIX)
