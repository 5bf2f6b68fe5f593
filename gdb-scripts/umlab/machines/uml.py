# SPDX-License-Identifier: GPL-2.0
"""User-mode Linux on x86-64: four levels, 512 entries each.

The bits are UML's own, not the processor's (arch/um/include/asm/pgtable.h): the host's tables do the
work, UML's say what the host should map.  UML keeps its physical memory in one file, mapped
at uml_physmem, and has one flat array of struct page (arch/um/include/asm/page.h, FLATMEM).
"""

import gdb

from ..broken import Broken
from . import base

PAGE_SHIFT = 12
PAGE_SIZE = 1 << PAGE_SHIFT

PRESENT = 0x001
NEEDSYNC = 0x002
PROTNONE = 0x010
RW = 0x020
USER = 0x040
ACCESSED = 0x080
DIRTY = 0x100

FLAGS = ((PRESENT, "present"), (PROTNONE, "protnone"), (RW, "rw"),
         (USER, "user"), (ACCESSED, "accessed"), (DIRTY, "dirty"),
         (NEEDSYNC, "needsync"))

ENTRIES = 512
PMD_SHIFT = 21
PMD_SIZE = 1 << PMD_SHIFT
ADDRESS_BITS = 48

# (name, bit of the address from which this level takes its index)
LEVELS = (("pgd", 39), ("pud", 30), ("pmd", PMD_SHIFT), ("pte", PAGE_SHIFT))

# Where type and offset of a swap entry are.
_TYPE_SHIFT, _OFFSET_SHIFT = 5, 11


class Uml(base.Machine):
    """User-mode Linux."""

    name = "uml"
    knows_tables = True
    SWAP_EXCLUSIVE = 0x400

    def page_shift(self):
        return PAGE_SHIFT

    def phys_to_virt(self, phys):
        return int(gdb.parse_and_eval("uml_physmem")) + phys

    def virt_to_phys(self, virt):
        return virt - int(gdb.parse_and_eval("uml_physmem"))

    def cpu(self):
        """Return the CPU of gdb's selected thread.

        UML keeps it in a thread-local variable (arch/um/os-Linux/smp.c); a
        kernel without SMP has none, and CPU 0 only, which is UML's first thread.
        Raises Broken where gdb can't read such variables.
        """
        try:
            return int(gdb.parse_and_eval("__curr_cpu"))
        except gdb.error as error:
            thread = gdb.selected_thread()
            if thread is None or thread.ptid[0] == thread.ptid[1] or not _has_smp():
                return 0
            raise Broken(f"CPU of thread {thread.num}: {error}: gdb needs libthread_db for it: "
                         "`info auto-load libthread-db`, `show libthread-db-search-path`") from None

    def current(self, cpu):
        """Return what cpu_tasks[] (arch/um/kernel/process.c) has for @cpu; NULL until the kernel boots."""
        return gdb.parse_and_eval("cpu_tasks")[cpu]

    def levels(self):
        return tuple(base.Level(name, shift, 9) for name, shift in LEVELS)

    def is_none(self, value):
        """NEEDSYNC alone is still none: it only tells um_tlb_sync() that the host may have mappings left to drop."""
        return value & ~NEEDSYNC == 0

    def is_present(self, value):
        return bool(value & (PRESENT | PROTNONE))

    def phys_of(self, level, value):
        return value >> PAGE_SHIFT << PAGE_SHIFT

    def flags(self, value):
        return base.bits_set(FLAGS, value)

    def pending(self, value):
        return "needsync" if value & NEEDSYNC else ""

    def swap_parts(self, value):
        return value >> _TYPE_SHIFT & self.SWAP_TYPES, value >> _OFFSET_SHIFT


def _has_smp():
    return bool(gdb.lookup_static_symbol("__curr_cpu") or gdb.lookup_global_symbol("__curr_cpu"))
