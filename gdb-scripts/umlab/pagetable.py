# SPDX-License-Identifier: GPL-2.0
"""Page tables of UML on x86-64: four levels, 512 entries each.

The bits are UML's own, not the processor's (arch/um/include/asm/pgtable.h):
the host's tables do the work, UML's say what the host should map.
"""

from collections import namedtuple

import gdb

from . import page, swap
from .broken import Broken

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
LEVELS = (("pgd", 39), ("pud", 30), ("pmd", PMD_SHIFT), ("pte", page.PAGE_SHIFT))

Entry = namedtuple("Entry", "level address value")
Entry.__doc__ = "One step of a walk: level (str), address of the entry (int), its value (int)."


def is_none(value):
    """Return whether the entry @value (int) maps nothing: pmd_none(), pte_none().

    NEEDSYNC alone is still none: it only tells um_tlb_sync() that the host
    may have mappings left to drop.
    """
    return value & ~NEEDSYNC == 0


def is_present(value):
    """Return whether the entry @value (int) points to a table or a page."""
    return bool(value & (PRESENT | PROTNONE))


def needsync(value):
    """Return whether the host still has to be told of the entry @value (int)."""
    return bool(value & NEEDSYNC)


def pfn(value):
    """Return the page frame number (int) in the entry @value (int)."""
    return value >> page.PAGE_SHIFT


def flags(value):
    """Return the names of the bits set in the entry @value (int).

    >>> flags(0xa0b1e1)
    ['present', 'rw', 'user', 'accessed', 'dirty']
    """
    return [name for bit, name in FLAGS if value & bit]


def describe(value):
    """Return the entry @value (int) in words.

    >>> describe(0xa0b1e1)
    'present rw user accessed dirty, pfn 0xa0b'
    >>> describe(2)
    'none, needsync'
    """
    sync = ", needsync" if needsync(value) else ""
    if is_none(value):
        return "none" + sync
    if not is_present(value):
        return swap.describe(value) + sync
    return f"{' '.join(flags(value))}, pfn {pfn(value):#x}"


def index(level_shift, address):
    """Return which of the 512 entries (int) serves @address at the level of @level_shift."""
    return address >> level_shift & (ENTRIES - 1)


def read_entry(address):
    """Return the value (int) of the table entry, of any level, at kernel @address (int)."""
    memory = gdb.selected_inferior().read_memory(address, 8)
    return int.from_bytes(memory.tobytes(), "little")


def entries(table):
    """Return the 512 values (list of int) of the table at kernel address @table (int)."""
    memory = gdb.selected_inferior().read_memory(table, page.PAGE_SIZE).tobytes()
    return [int.from_bytes(memory[i:i + 8], "little") for i in range(0, page.PAGE_SIZE, 8)]


def table_of(value):
    """Return the kernel's address (int) of the table that the entry @value (int) points to."""
    return page.phys_to_virt(pfn(value) << page.PAGE_SHIFT)


def ptdesc_of(value):
    """Return the struct ptdesc * of the table that the entry @value (int) points to."""
    return page.pfn_to_ptdesc(pfn(value))


def walk(mm, address):
    """Return the entries (list of Entry) that translate @address (int) in @mm (struct mm_struct *).

    From the PGD down; the last one is the PTE, or the first that is not
    present.  Takes no lock: the kernel is stopped.

    >>> [step.level for step in walk(mm, 0x40000000)]
    ['pgd', 'pud', 'pmd', 'pte']
    """
    steps = []
    table = int(mm["pgd"])
    for level, shift in LEVELS:
        where = table + 8 * index(shift, address)
        steps.append(Entry(level, where, read_entry(where)))
        if not is_present(steps[-1].value):
            break
        if level != "pte":
            table = reaches(steps[-1])
    return steps


def reaches(step):
    """Return the address (int) of the table or page that @step (Entry) leads to, None if to neither.

    Raises Broken if the entry is corrupt: it names a page frame that does not exist.
    """
    if not is_present(step.value):
        return None
    if not page.is_frame(pfn(step.value)):
        raise Broken(f"{step.level} entry at {step.address:#x}: corrupt: "
                           f"{step.value:#x} names page frame {pfn(step.value):#x}, which does not exist")
    return table_of(step.value)


def tables(mm, start=0, end=1 << ADDRESS_BITS):
    """Yield the tables below the PGD of @mm (struct mm_struct *) that serve addresses in start..end.

    Each is a Table, an upper one before those below it.  A table that is reached
    twice is corrupt: Broken, not an endless walk.
    """
    seen = {int(mm["pgd"])}
    yield from _tables_below(int(mm["pgd"]), 0, 0, (start, end), seen)


Table = namedtuple("Table", "level address start entry")
Table.__doc__ = """One table: level (str) of its entries, address (int, the kernel's), start (int, the
first address that it serves), entry (Entry, the one that points to it)."""


def _tables_below(table, depth, base, span, seen):
    level, shift = LEVELS[depth]
    start, end = span
    for number, value in enumerate(entries(table)):
        first = base + (number << shift)
        if value & PRESENT == 0 or first >= end or first + (1 << shift) <= start:
            continue
        step = Entry(level, table + 8 * number, value)
        below = reaches(step)
        if below in seen:
            raise Broken(f"{level} entry at {step.address:#x}: corrupt: the table at "
                               f"{below:#x} is in this address space twice")
        seen.add(below)
        yield Table(LEVELS[depth + 1][0], below, first, step)
        if depth + 2 < len(LEVELS):
            yield from _tables_below(below, depth + 1, first, span, seen)
