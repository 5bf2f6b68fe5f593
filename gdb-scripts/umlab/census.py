# SPDX-License-Identifier: GPL-2.0
"""The page tables of an address space counted, and those of the whole kernel.

VmPTE of a process and nr_page_table_pages of the kernel are counters; what they
count can be walked.  A table that is counted and not reached has left its
address space already: it is in an mmu_gather or waits for RCU.
"""

import struct
from collections import Counter, namedtuple

import gdb

from . import lists, mm as mms, page, pagetable, sched, swap
from .broken import Broken
from .machines import uml

# What an entry of a PTE table can be, in the order in which they are shown.
KINDS = ("present", "protnone", "swap", "marker", "special", "none")

# So many broken entries are told; a table full of garbage has more.
CORRUPT_MAX = 16

_TABLE = struct.Struct(f"<{uml.ENTRIES}Q")

Node = namedtuple("Node", "level address start end kinds")
Node.__doc__ = """One table: level (str, "pud", "pmd" or "pte") of its entries, address (int, the
kernel's), start and end (int) of what it serves, kinds (Counter: how many of its entries are what)."""

Corrupt = namedtuple("Corrupt", "level address start why")
Corrupt.__doc__ = """A broken entry: level (str), address (int, its own), start (int, the first
address that it serves), why (str)."""


class Census:
    """The tables below one PGD.

    mm: struct mm_struct *; pgd: address (int) of the PGD; nodes: list of Node, an upper table
    before those below it; corrupt: list of Corrupt; whole: bool, all of the address space was walked.
    """

    def __init__(self, mm, whole):
        self.mm, self.pgd, self.whole = mm, int(mm["pgd"]), whole
        self.nodes, self.corrupt = [], []

    def of_level(self, level):
        """Return the tables (list of Node) of @level (str)."""
        return [node for node in self.nodes if node.level == level]

    def empty(self, level="pte"):
        """Return those tables (list of Node) of @level (str) all of whose entries are none."""
        return [node for node in self.of_level(level) if is_empty(node)]

    def size(self):
        """Return the size (int, bytes) of all tables but the PGD, as VmPTE would count them."""
        return len(self.nodes) * uml.PAGE_SIZE

    def counted(self):
        """Return what the kernel counts (int, bytes) for the same tables: mm_pgtables_bytes()."""
        return mms.pgtables_bytes(self.mm)


def is_empty(node):
    """Return whether all entries of @node (Node) are none, NEEDSYNC or not."""
    return node.kinds["none"] == uml.ENTRIES


class Frames:
    """What is known of all page frames.

    types: bytes, the type of each (page_types()); base: address (int) of the first; reached: set of
    int, addresses of the tables that a census has come to, which must not come again.
    """

    def __init__(self):
        self.types, self.base, self.reached = page_types(), page.phys_to_virt(0), set()
        self.table = table_type()

    def why_no_table(self, frame):
        """Return why page frame @frame (int) can't be a table that comes next (str), None if it can."""
        if not 0 <= frame < len(self.types):
            return "which does not exist"
        if self.base + (frame << uml.PAGE_SHIFT) in self.reached:
            return "a table that was reached before"
        if self.types[frame] != self.table:
            return "which is no page table"
        return None

    def unreached(self):
        """Return the addresses (list of int) of all tables that no census has come to."""
        found, at = [], self.types.find(self.table)
        while at >= 0:
            where = self.base + (at << uml.PAGE_SHIFT)
            if where not in self.reached:
                found.append(where)
            at = self.types.find(self.table, at + 1)
        return found


def census(mm, start=0, end=None, frames=None):
    """Walk the tables of @mm (struct mm_struct *) that serve addresses in @start..@end (int).

    @end: exclusive; by default where user space ends, for init_mm where all tables end
    @frames: Frames, to count several address spaces one after the other

    Returns a Census.  Broken entries are listed in it and not followed, so that it
    comes to an end whatever the tables hold.  Raises gdb.MemoryError only where
    the PGD itself can't be read.
    """
    limit = limit_of(mm)
    end = limit if end is None else min(end, limit)
    found = Census(mm, start == 0 and end == limit)
    frames = frames or Frames()
    if not is_kernel(mm):
        why = frames.why_no_table((found.pgd - frames.base) >> uml.PAGE_SHIFT)
        if why:
            found.corrupt.append(Corrupt("mm", int(mm["pgd"].address), 0, f"its PGD is in a page frame {why}"))
            return found
    frames.reached.add(found.pgd)
    _Walker(found, start, end, frames).below(found.pgd, 0, 0)
    return found


def is_kernel(mm):
    """Return whether @mm (struct mm_struct *) is init_mm."""
    return int(mm) == int(gdb.parse_and_eval("&init_mm"))


def limit_of(mm):
    """Return where the addresses (int) of @mm (struct mm_struct *) end: TASK_SIZE, or that of init_mm.

    A user's PGD has copies of the kernel's entries above (pgd_alloc()).
    """
    if is_kernel(mm):
        return 1 << uml.ADDRESS_BITS
    return int(gdb.parse_and_eval("task_size")) or 1 << uml.ADDRESS_BITS


class _Walker:
    """Fills a Census; what each table would have to ask gdb for again is kept here."""

    def __init__(self, found, start, end, frames):
        self._found, self._span, self._frames = found, (start, end), frames
        self._devices = swap.devices()
        self._read = gdb.selected_inferior().read_memory

    def below(self, table, depth, base):
        """Follow the entries of the table at @table, whose level is LEVELS[@depth], serving @base on."""
        level, shift = uml.LEVELS[depth]
        for number, value in enumerate(self._entries(table)):
            first = base + (number << shift)
            if not value & ~uml.NEEDSYNC or first >= self._span[1] or first + (1 << shift) <= self._span[0]:
                continue
            if len(self._found.corrupt) >= CORRUPT_MAX:
                return
            why = self._wrong(value)
            if why:
                self._found.corrupt.append(Corrupt(level, table + 8 * number, first, why))
            else:
                self._enter(self._frames.base + (pagetable.pfn(value) << uml.PAGE_SHIFT), depth + 1, first, shift)

    def _enter(self, table, depth, first, shift):
        self._frames.reached.add(table)
        level = uml.LEVELS[depth][0]
        leaf = depth + 1 == len(uml.LEVELS)
        kinds = self._count(self._entries(table), leaf)
        self._found.nodes.append(Node(level, table, first, first + (1 << shift), kinds))
        if not leaf:
            self.below(table, depth, first)

    def _entries(self, table):
        return _TABLE.unpack(self._read(table, uml.PAGE_SIZE))

    def _count(self, values, leaf):
        """Return how many of @values are of which of KINDS (Counter)."""
        empty = values.count(0)
        kinds = Counter(none=empty) if empty else Counter()
        if empty < len(values):
            devices = self._devices
            kinds.update(kind(value, devices) if leaf else kind_of_upper(value) for value in values if value)
        return kinds

    def _wrong(self, value):
        """Return why the upper entry @value can't be followed (str), None if it can."""
        if not value & uml.PRESENT:
            return f"{value:#x} is neither none nor present"
        frame = pagetable.pfn(value)
        why = self._frames.why_no_table(frame)
        return f"{value:#x} names page frame {frame:#x}, {why}" if why else None


def kind(value, devices):
    """Return which of KINDS (str) the PTE @value (int) is.

    @devices: swap.devices(); types above those are migration, poison and the like: "special"

    >>> kind(0xa0b1e1, 28), kind(0x2, 28), kind(0x23e2, 28)
    ('present', 'none', 'marker')
    """
    if value & uml.PRESENT:
        return "present"
    if not value & ~uml.NEEDSYNC:
        return "none"
    if value & uml.PROTNONE:
        return "protnone"
    if swap.is_marker(value):
        return "marker"
    return "swap" if swap.kind_and_offset(value)[0] < devices else "special"


def kind_of_upper(value):
    """Return "none" or "present" (str) for the upper entry @value (int); what is neither is "special"."""
    if not value & ~uml.NEEDSYNC:
        return "none"
    return "present" if value & uml.PRESENT else "special"


# ---- struct page of all memory ----

def page_types():
    """Return the type of each page frame (bytes): the top byte of its page_type, by one read.

    Raises Broken before the kernel has set up mem_map.
    """
    kind_of_page = gdb.lookup_type("struct page")
    mem_map, frames = int(gdb.parse_and_eval("mem_map")), int(gdb.parse_and_eval("max_mapnr"))
    if not mem_map or not frames:
        raise Broken("page frames: none: the kernel has not set them up yet: let it boot")
    size = kind_of_page.sizeof
    memory = gdb.selected_inferior().read_memory(mem_map, size * frames).tobytes()
    return memory[lists.offset_of(kind_of_page, "page_type") + 3::size]


def table_type():
    """Return the type (int) of a page that is a page table: PGTY_table."""
    return int(gdb.parse_and_eval("(int)PGTY_table"))


# ---- all address spaces ----

def spaces():
    """Return [(mm, name)]: each address space that UML has a context for, whose it is; init_mm at the end.

    That is mm_list (arch/um/kernel/skas/mmu.c), which holds more than the tasks
    have: an mm that execve() builds, and one whose last task has left it.
    """
    owners = {int(mm): sched.describe(task) for mm, task in mms.spaces()}
    found = []
    for mm in _contexts():
        name = owners.get(int(mm)) or _lazy(mm) or "no task: being set up or taken down"
        found.append((mm, name))
    return found + [(gdb.parse_and_eval("&init_mm"), "init_mm, the kernel's own")]


def _contexts():
    symbol = gdb.lookup_static_symbol("mm_list")
    if symbol is None:
        return [mm for mm, _ in mms.spaces()]
    head = symbol.value()
    if not int(head["next"]):
        return []  # not initialized yet
    return list(lists.entries(head, gdb.lookup_type("struct mm_struct"), "context.list"))


def _lazy(mm):
    """Whose CPU has kept @mm after its process had ended: lazy TLB; None if nobody's."""
    for task in sched.tasks():
        if not int(task["mm"]) and int(task["active_mm"]) == int(mm):
            return f"its process has ended, kept by {sched.describe(task)} (lazy TLB)"
    return None


Total = namedtuple("Total", "shared per_cpu")
Total.__doc__ = """nr_page_table_pages: shared (int, the kernel's counter, what /proc/vmstat shows), per_cpu
({CPU: int}, what each CPU has not added to it yet)."""


def page_table_pages():
    """Return the kernel's count of pages that are page tables (Total): NR_PAGETABLE.

    Every table goes through __pagetable_ctor() and pagetable_dtor(): PGDs and init_mm's
    too, but not swapper_pg_dir, which is a variable.
    """
    item = int(gdb.parse_and_eval("(int)NR_PAGETABLE"))
    shared = int(gdb.parse_and_eval("vm_node_stat")[item]["counter"])
    stats = gdb.parse_and_eval("contig_page_data")["per_cpu_nodestats"]
    per_cpu = {}
    if int(stats):
        for cpu in sched.cpus():
            diff = sched.per_cpu(stats.dereference(), cpu)["vm_node_stat_diff"][item]
            per_cpu[cpu] = (int(diff) + 0x80 & 0xFF) - 0x80
    return Total(shared, per_cpu)
