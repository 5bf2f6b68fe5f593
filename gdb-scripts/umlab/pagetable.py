# SPDX-License-Identifier: GPL-2.0
"""Page tables, as the machine has them that the kernel is built for: walks, tables, entries in words."""

from collections import namedtuple

from . import lists, page, swap
from .broken import Broken
from .machines import machine

Entry = namedtuple("Entry", "level address value")
Entry.__doc__ = "One step of a walk: level (str), address of the entry (int), its value (int)."


def is_none(value):
    """Return whether the entry @value (int) maps nothing: pmd_none(), pte_none()."""
    return machine().is_none(value)


def is_present(value):
    """Return whether the entry @value (int) points to a table or a page."""
    return machine().is_present(value)


def is_leaf(step):
    """Return whether @step (Entry, present) maps a page: a PTE, or a huge page above."""
    return machine().is_leaf(step.level, step.value)


def leaf_size(step):
    """Return how many bytes (int) of addresses the entry @step (Entry) stands for: what it maps, if it is a leaf."""
    return 1 << next(level.shift for level in machine().levels() if level.name == step.level)


def needsync(value):
    """Return whether the host still has to be told of the entry @value (int), on UML."""
    return machine().pending(value) != ""


def pfn(value, level="pte"):
    """Return the page frame number (int) in the present entry @value (int) of @level (str)."""
    here = machine()
    return here.phys_of(level, value) >> here.page_shift()


def flags(value):
    """Return the names of the bits set in the entry @value (int).

    >>> flags(0xa0b1e1)
    ['present', 'rw', 'user', 'accessed', 'dirty']
    """
    return machine().flags(value)


def describe(value, level="pte"):
    """Return the entry @value (int) of @level (str) in words.

    >>> describe(0xa0b1e1)
    'present rw user accessed dirty, pfn 0xa0b'
    >>> describe(2)
    'none, needsync'
    """
    pending = machine().pending(value)
    sync = f", {pending}" if pending else ""
    if is_none(value):
        return "none" + sync
    if not is_present(value):
        return swap.describe(value) + sync
    return f"{' '.join(flags(value))}, pfn {pfn(value, level):#x}"


def covers(address):
    """Return whether the page tables have an entry for @address (int, unsigned 64 bit), sign-extended as on x86-64 or not."""
    bits = address_bits()
    if not machine().SIGN_EXTENDED:
        return not address >> bits
    return address >> bits - 1 in (0, (1 << 65 - bits) - 1)


def address_bits():
    """Return how many bits (int) of an address the page tables cover."""
    top = machine().levels()[0]
    return top.shift + top.bits


def index(step, address):
    """Return which entry (int) of its table @step (Entry) of the walk of @address is."""
    level = next(level for level in machine().levels() if level.name == step.level)
    return _index(level, address)


def _index(level, address):
    return address >> level.shift & (1 << level.bits) - 1


def read_entry(address):
    """Return the value (int) of the table entry, of any level, at kernel @address (int)."""
    return lists.words(address, 1, machine().order)[0]


def entries(table, count=None):
    """Return the values (list of int) of the @count entries (default: a page's) of the table at kernel address @table (int)."""
    return lists.words(table, count or page.size() // machine().ENTRY, machine().order)


def table_of(value, level="pmd"):
    """Return the kernel's address (int) of the table that the entry @value (int) of @level (str) points to."""
    return page.phys_to_virt(machine().phys_of(level, value))


def ptdesc_of(value, level="pmd"):
    """Return the struct ptdesc * of the page that holds the table which the entry @value (int) of @level (str) points to."""
    return page.pfn_to_ptdesc(pfn(value, level))


def walk(mm, address):
    """Return the entries (list of Entry) that translate @address (int) in @mm (struct mm_struct *).

    From the PGD down; the last one is the PTE, that of a huge page, or the first that is not
    present.  Takes no lock: the kernel is stopped.

    >>> [step.level for step in walk(mm, 0x40000000)]
    ['pgd', 'pud', 'pmd', 'pte']
    """
    steps = []
    table = int(mm["pgd"])
    for level in machine().levels():
        where = table + machine().ENTRY * _index(level, address)
        steps.append(Entry(level.name, where, read_entry(where)))
        if not is_present(steps[-1].value) or is_leaf(steps[-1]):
            break
        table = reaches(steps[-1])
    return steps


def reaches(step):
    """Return the address (int) of the table or page that @step (Entry) leads to, None if to neither.

    Raises Broken if the entry is corrupt: it names a page frame that does not exist.
    """
    if not is_present(step.value):
        return None
    frame = pfn(step.value, step.level)
    if not page.is_frame(frame):
        raise Broken(f"{step.level} entry at {step.address:#x}: corrupt: "
                           f"{step.value:#x} names page frame {frame:#x}, which does not exist")
    return table_of(step.value, step.level)


def tables(mm, start=0, end=None):
    """Yield the tables below the PGD of @mm (struct mm_struct *) that serve addresses in start..end (default: all).

    Each is a Table, an upper one before those below it.  A table that is reached
    twice is corrupt: Broken, not an endless walk.
    """
    seen = {int(mm["pgd"])}
    end = end if end is not None else 1 << address_bits()
    yield from _tables_below(int(mm["pgd"]), 0, 0, (start, end), seen)


Table = namedtuple("Table", "level address start entry")
Table.__doc__ = """One table: level (str) of its entries, address (int, the kernel's), start (int, the
first address that it serves), entry (Entry, the one that points to it)."""


def _tables_below(table, depth, base, span, seen):
    levels = machine().levels()
    here = levels[depth]
    start, end = span
    for number, value in enumerate(entries(table, 1 << here.bits)):
        first = base + (number << here.shift)
        step = Entry(here.name, table + machine().ENTRY * number, value)
        if not is_present(value) or is_leaf(step) or first >= end or first + (1 << here.shift) <= start:
            continue
        below = reaches(step)
        if below in seen:
            raise Broken(f"{here.name} entry at {step.address:#x}: corrupt: the table at "
                               f"{below:#x} is in this address space twice")
        seen.add(below)
        yield Table(levels[depth + 1].name, below, first, step)
        if depth + 2 < len(levels):
            yield from _tables_below(below, depth + 1, first, span, seen)
