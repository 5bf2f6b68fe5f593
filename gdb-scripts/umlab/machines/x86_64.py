# SPDX-License-Identifier: GPL-2.0
"""x86-64 (arch/x86/include/asm/pgtable_types.h, pgtable_64_types.h): four levels, or five with LA57."""

import gdb

from . import base

_PRESENT, _ACCESSED, _DIRTY, _HUGE, _GLOBAL = 1, 1 << 5, 1 << 6, 1 << 7, 1 << 8
_PROTNONE = _GLOBAL  # of an entry that is not present
_FLAGS = ((1 << 1, "rw"), (1 << 2, "user"), (1 << 3, "write-through"), (1 << 4, "cache-disable"),
          (_ACCESSED, "accessed"), (_DIRTY, "dirty"), (_GLOBAL | _PRESENT, "global"), (1 << 63, "nx"))

# PTE_PFN_MASK: physical addresses have 52 bits.
_FRAME = (1 << 52) - (1 << 12)

# Without DYNAMIC_MEMORY_LAYOUT these are constants and no variables.
_PAGE_OFFSET, _VMEMMAP = 0xFFFF888000000000, 0xFFFFEA0000000000

_WORD = (1 << 64) - 1


class X8664(base.Vmemmap):
    """x86-64, in qemu."""

    name = "x86_64"
    knows_tables = True
    SIGN_EXTENDED = True
    SWAP_EXCLUSIVE = 1 << 3

    def first_page(self):
        return _variable("vmemmap_base", _VMEMMAP)

    def phys_to_virt(self, phys):
        return _variable("page_offset_base", _PAGE_OFFSET) + phys

    def virt_to_phys(self, virt):
        return virt - _variable("page_offset_base", _PAGE_OFFSET)

    def levels(self):
        five = _variable("__pgtable_l5_enabled", 0)
        return ((base.Level("pgd", 48, 9), base.Level("p4d", 39, 9)) if five else (base.Level("pgd", 39, 9),)) + \
            (base.Level("pud", 30, 9), base.Level("pmd", 21, 9), base.Level("pte", 12, 9))

    def is_none(self, value):
        """Return pte_none(): an erratum lets processors set accessed and dirty in any entry."""
        return value & ~(_ACCESSED | _DIRTY) == 0

    def is_present(self, value):
        # A huge page that is being split has neither for a moment: pmd_present(). No swap entry has that bit.
        return bool(value & (_PRESENT | _PROTNONE | _HUGE))

    def is_leaf(self, level, value):
        return level == "pte" or level in ("pmd", "pud") and bool(value & _HUGE)

    def phys_of(self, level, value):
        # An entry of PROT_NONE has its page frame inverted (pgtable-invert.h), against L1TF.
        frame = (value if value & _PRESENT else ~value) & _FRAME
        shift = next(l.shift for l in self.levels() if l.name == level) if self.is_leaf(level, value) else 12
        return frame >> shift << shift

    def flags(self, value):
        first = "present" if value & _PRESENT else "protnone" if value & _PROTNONE else "splitting"
        return [first] + base.bits_set(_FLAGS, value)

    def swap_parts(self, value):
        # Type in the top five bits; the offset below is inverted: __swp_entry().
        return value >> 59, (~value << 5 & _WORD) >> 14


def _variable(name, otherwise):
    """The value (int) of the kernel's @name, @otherwise if it has no such variable."""
    symbol = gdb.lookup_global_symbol(name)
    return int(symbol.value()) if symbol is not None else otherwise
