# SPDX-License-Identifier: GPL-2.0
"""A machine of which no more is known than what every kernel tells; the others refine it."""

from collections import namedtuple

import gdb

from .. import lists
from ..broken import Broken

Level = namedtuple("Level", "name shift bits")
Level.__doc__ = """A level of page tables: name (str) of its entries, shift (int, the address bit from which it
takes its index), bits (int, of the index)."""

Removed = namedtuple("Removed", "pointer ptdesc table entries words")
Removed.__doc__ = """What tlb_remove_table() was given: pointer (int), ptdesc (int, address of the struct ptdesc,
None where the pointer is none), table (int, the kernel's address of the table, None if unknown), entries (int, how many it
has, None if unknown), words (str, what the pointer says besides)."""


class Machine:
    """One machine; see the module.  Numbers are ints, addresses the kernel's own unless they are said to be physical."""

    name = "unknown"
    #: Whether pt-walk can read its page tables.
    knows_tables = False
    #: Whether the highest bit that the tables cover is the sign of an address: "canonical" addresses.
    SIGN_EXTENDED = False
    #: Bytes of an entry, at each level.
    ENTRY = 8
    #: Bits of the swap entry's type; where it and the offset lie: swap_parts().
    SWAP_TYPES = 0x1F
    SWAP_EXCLUSIVE = 0

    def __init__(self):
        self._page_shift = None
        #: "little" or "big".
        self.order = lists.byte_order()

    # Memory.

    def page_shift(self):
        """Return log2 of the page size: empty_zero_page is one page (mm/mm_init.c), but on MIPS, which has a pointer to several.

        There the allocator of per-CPU memory tells (mm/percpu.c), once it is set up; Broken before.
        """
        if self._page_shift is None:
            zero = gdb.parse_and_eval("empty_zero_page").type.strip_typedefs()
            size = zero.sizeof if zero.code == gdb.TYPE_CODE_ARRAY else self._page_size_by_percpu()
            self._page_shift = size.bit_length() - 1
        return self._page_shift

    def _page_size_by_percpu(self):
        pages = int(gdb.parse_and_eval("pcpu_unit_pages"))
        if pages <= 0:
            raise self._unknown("its page size as long as it has not set up its memory")
        return int(gdb.parse_and_eval("pcpu_unit_size")) // pages

    def page_size(self):
        """Return the bytes of a page."""
        return 1 << self.page_shift()

    def first_page(self):
        """Return the address of page frame 0's struct page: mem_map (FLATMEM), or where the machine has its vmemmap."""
        return int(gdb.parse_and_eval("mem_map"))

    def is_flat(self):
        """Return whether every struct page can be found from first_page() on."""
        return gdb.lookup_global_symbol("mem_map") is not None

    def is_frame(self, pfn):
        """Return whether there may be a page frame @pfn."""
        return 0 <= pfn < int(gdb.parse_and_eval("max_mapnr"))

    def phys_to_virt(self, phys):
        """Return the address of physical address @phys: __va()."""
        raise self._unknown("its memory")

    def virt_to_phys(self, virt):
        """Return the physical address of address @virt: __pa()."""
        raise self._unknown("its memory")

    # CPUs.

    def cpu(self):
        """Return the number of the CPU that gdb's selected thread is: qemu's stub numbers them from 1."""
        return gdb.selected_thread().num - 1

    def per_cpu_offset(self, cpu):
        """Return what lies between a per-CPU variable and that of @cpu: per_cpu_offset(); None without SMP."""
        try:
            return int(gdb.parse_and_eval("__per_cpu_offset")[cpu])
        except gdb.error:
            return None

    def current(self, cpu):
        """Return the task (struct task_struct *) that runs on @cpu: cpu_rq(cpu)->curr."""
        from .. import sched  # pylint: disable=import-outside-toplevel,cyclic-import
        return sched.per_cpu(gdb.parse_and_eval("runqueues"), cpu)["curr"]

    # Page tables.

    def levels(self):
        """Return the levels of its page tables (tuple of Level), the PGD first."""
        raise self._unknown("its page tables")

    def pte_table_span(self):
        """Return how many bytes of addresses a PTE table serves."""
        return 1 << self.levels()[-2].shift

    def is_none(self, value):
        """Return whether the entry @value maps nothing: pte_none(), pmd_none()."""
        return value == 0

    def is_present(self, value):
        """Return whether the entry @value leads to a table or a page."""
        raise self._unknown("its page tables")

    def is_leaf(self, level, value):
        """Return whether the present entry @value at @level (str) maps a page, a huge one above "pte"."""
        return level == "pte"

    def phys_of(self, level, value):
        """Return the physical address that the present entry @value at @level (str) names."""
        raise self._unknown("its page tables")

    def flags(self, value):
        """Return the names (list of str) of the flags that are set in the entry @value."""
        raise self._unknown("its page tables")

    def pending(self, value):
        """Return what has still to be done about the entry @value (str), "" if nothing."""
        return ""

    def swap_parts(self, value):
        """Return (type, offset) of the swap entry @value: __swp_type(), __swp_offset()."""
        raise self._unknown("its swap entries")

    # What goes through mmu_gather.

    def removed(self, pointer):
        """Return what @pointer, an argument of tlb_remove_table(), names (Removed): the struct ptdesc of a table."""
        table = entries = None
        from .. import page  # pylint: disable=import-outside-toplevel,cyclic-import
        frame = page.frame_of(pointer) if self.knows_tables else None
        if frame is not None:
            table, entries = self.phys_to_virt(frame << self.page_shift()), self.page_size() // self.ENTRY
        return Removed(pointer, pointer, table, entries, "")

    def _unknown(self, what):
        return Broken(f"machine: {self.name} ({gdb.selected_inferior().architecture().name()}): umlab doesn't know {what}")


class Vmemmap(Machine):
    """One whose struct pages are all in one range of addresses, SPARSEMEM_VMEMMAP; refines first_page()."""

    def is_flat(self):
        return True

    def is_frame(self, pfn):
        return 0 <= pfn < int(gdb.parse_and_eval("max_pfn"))


def bits_set(names, value):
    """Return the names (list of str) of those of @names, ((bits, name)...), all of whose bits are in @value."""
    return [name for bits, name in names if value & bits == bits]
