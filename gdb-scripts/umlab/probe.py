# SPDX-License-Identifier: GPL-2.0
"""What a breakpoint that does not stop reads of the kernel, quickly.

gdb.parse_and_eval() and type lookups take longer than all else that such a stop
does.  So addresses and offsets are looked up once, and memory is read
directly.  What a run of the kernel changes is forgotten at its end.
"""

import gdb

from . import gather, lists, page, pagetable, sched, source
from .broken import Broken
from .machines import machine, uml

_COMM_LEN = 16  # TASK_COMM_LEN


class Probe:
    """Addresses and offsets of one kernel, and what its run has shown so far."""

    def __init__(self):
        self.forget()

    def forget(self):
        """Drop all that was looked up: the kernel ended, or another one was loaded."""
        self._known, self._offsets = {}, {}
        self._cpus, self._served = {}, {}
        self._order = None

    def known(self, name, look):
        """Return what @look() gave for @name (str) the first time; only what is true is remembered."""
        found = self._known.get(name)
        if not found:
            found = self._known[name] = look()
        return found

    def offset(self, struct, field):
        """Return the offset (int, bytes) of @field in struct @struct (strs), also in an anonymous member."""
        key = (struct, field)
        if key not in self._offsets:
            null = gdb.Value(0).cast(gdb.lookup_type("struct " + struct).pointer())
            self._offsets[key] = int(null.dereference()[field].address)
        return self._offsets[key]

    def number(self, address, size=8):
        """Return the unsigned number (int) of @size (int) bytes at @address (int).  Raises gdb.MemoryError."""
        if self._order is None:
            self._order = lists.byte_order()
        return int.from_bytes(gdb.selected_inferior().read_memory(address, size).tobytes(), self._order)

    def address(self, variable):
        """Return the address (int) of the kernel's @variable (str), None if this kernel hasn't got it."""
        def look():
            symbol = gdb.lookup_global_symbol(variable) or gdb.lookup_static_symbol(variable)
            return int(symbol.value().address) if symbol is not None else None
        return self.known(("address", variable), look)

    # Who, when.

    def jiffies(self):
        """Return the kernel's clock (int, ticks)."""
        return self.number(self.address("jiffies_64"))

    def cpu(self):
        """Return the number (int) of the guest's CPU that the selected gdb thread is: one all its life."""
        thread = gdb.selected_thread().ptid
        if thread not in self._cpus:
            self._cpus[thread] = sched.cpu()
        return self._cpus[thread]

    def task(self, cpu):
        """Return (pid, name) of the task that runs on @cpu (int); (None, "?") if this machine doesn't tell."""
        tasks = self.address("cpu_tasks")
        task = self.number(tasks + 8 * cpu) if tasks else 0
        if not task:
            return None, "?"
        pid = self.number(task + self.offset("task_struct", "pid"), 4)
        where = task + self.offset("task_struct", "comm")
        name = gdb.selected_inferior().read_memory(where, _COMM_LEN).tobytes()
        return pid, name.partition(b"\0")[0].decode("utf-8", "replace")

    # Tables.

    def ptdesc(self, value):
        """Return the address (int) of the ptdesc of the table that the PMD entry @value (int) points to."""
        mem_map, size = self._frames()
        return mem_map + pagetable.pfn(value) * size

    def frame(self, ptdesc):
        """Return the page frame number (int) of the table of @ptdesc (int), None where it can't be told."""
        if machine().name != "uml":
            try:
                table = self.contents(ptdesc)
                return None if table is None else page.virt_to_phys(table) >> machine().page_shift()
            except Broken:
                return None
        try:
            mem_map, size = self._frames()
        except gdb.error:
            return None
        number, rest = divmod(ptdesc - mem_map, size)
        return None if rest else number

    def contents(self, ptdesc):
        """Return the kernel's address (int) of the table of @ptdesc (int), None where it can't be told."""
        if machine().name != "uml":
            return machine().removed(ptdesc).table
        frame = self.frame(ptdesc)
        if frame is None:
            return None
        return self._physmem() + (frame << uml.PAGE_SHIFT)

    def _frames(self):
        """(address of the first struct page, size of one); not remembered until the kernel has set it up."""
        def look():
            first = gdb.parse_and_eval("mem_map")
            return (int(first), first.type.target().sizeof) if int(first) else None
        return self.known("mem_map", look) or (0, 1)

    def _physmem(self):
        return self.known("uml_physmem", lambda: int(gdb.parse_and_eval("uml_physmem")))

    def table_in(self, entry):
        """Return the address (int) of the ptdesc of the table that the PMD entry at @entry (int) points to."""
        return self.ptdesc(self.number(entry))

    def entries_in(self, ptdesc):
        """Return how many entries (int) of the table of @ptdesc (int) are not none."""
        memory = gdb.selected_inferior().read_memory(self.contents(ptdesc), uml.PAGE_SIZE).tobytes()
        # Most are: the low bytes have NEEDSYNC or nothing, the others nothing.
        low, rest = memory[::8], (memory[byte::8] for byte in range(1, 8))
        if not low.strip(bytes((0, uml.NEEDSYNC))) and not any(part.strip(b"\0") for part in rest):
            return 0
        return sum(not pagetable.is_none(int.from_bytes(memory[at:at + 8], "little"))
                   for at in range(0, uml.PAGE_SIZE, 8))

    def tables_of(self, batch):
        """Return [(slot, table)], ints, of the struct mmu_table_batch at @batch (int); [] if it is corrupt."""
        room = self.known("room", gather.max_tables)
        number = self.number(batch + self.offset("mmu_table_batch", "nr"), 4)
        if not 0 < number <= room:
            return []
        first = batch + self.offset("mmu_table_batch", "tables")
        return list(enumerate(lists.words(first, number, self._order)))

    def served_by(self, mm, entry):
        """Return the first user address (int) that the PMD entry at @entry (int) serves in @mm (int), or None.

        Walks from mm->pgd to the PMD table that the entry lies in.  The way there is
        remembered, and used as long as the entries on it have not changed.
        """
        table = entry & ~(uml.PAGE_SIZE - 1)
        base, trail = self._served.get((mm, table), (None, ()))
        if base is None or any(self.number(where) != value for where, value in trail):
            base, trail = self._search(mm, table)
            self._served[mm, table] = base, trail
        return None if base is None else base + ((entry - table) // 8 << uml.PMD_SHIFT)

    def _search(self, mm, table):
        """(first address, or None; (address, value) of each entry on the way) of the PMD table @table."""
        pgd = self.number(mm + self.offset("mm_struct", "pgd"))
        for high, upper in enumerate(pagetable.entries(pgd)):
            if not upper & uml.PRESENT:
                continue
            pud = self._physmem() + (pagetable.pfn(upper) << uml.PAGE_SHIFT)
            for low, lower in enumerate(pagetable.entries(pud)):
                below = self._physmem() + (pagetable.pfn(lower) << uml.PAGE_SHIFT)
                if lower & uml.PRESENT and below == table:
                    return (high << 39) + (low << 30), ((pgd + 8 * high, upper), (pud + 8 * low, lower))
        return None, ()


class Stacks:
    """Backtraces of few frames, each written out once.

    gdb takes its time to unwind.  At a given instruction a function's frame always has the same size,
    though; so the sizes are kept, and the next stack is compared word by word with those that gdb
    unwound: the return addresses at the same places must be the same.  gdb is asked again for any other.

    @depth: how many frames (int), inlined ones too
    """

    _REACH = 4096  # bytes of the stack that are compared

    def __init__(self, depth):
        self.depth = depth
        self._roots = {}

    def forget(self):
        """Drop all: another kernel was loaded."""
        self._roots.clear()

    def of(self, frame):
        """Return [(function, file, line)] of @frame (gdb.Frame, the newest) and its callers."""
        stack_pointer = int(frame.read_register("sp"))
        return self._seen(frame.pc(), stack_pointer) or self._unwind(frame, stack_pointer)

    def _seen(self, pc, stack_pointer):
        """The stack at @pc, if it is like one that gdb unwound before; else None."""
        node, offset = self._roots.get(pc), 0
        if node is None:
            return None
        try:
            memory = gdb.selected_inferior().read_memory(stack_pointer, self._REACH).tobytes()
        except gdb.MemoryError:
            return None
        while node is not None and node.stack is None:
            offset += node.size
            node = node.callers.get(memory[offset - 8:offset])
        return node.stack if node is not None else None

    def _unwind(self, frame, stack_pointer):
        """Ask gdb for the stack, and remember it where return addresses lie right below the caller's frame."""
        stack, real = [], []
        while frame is not None and len(stack) < self.depth:
            stack.append(_written(frame))
            if frame.type() != gdb.INLINE_FRAME:
                real.append((frame.pc(), int(frame.read_register("sp"))))
            frame = frame.older()
        if not real or real[-1][1] - stack_pointer > self._REACH:
            return stack
        node = self._roots.setdefault(real[0][0], _Node())
        for (_, low), (pc, high) in zip(real, real[1:]):
            word = gdb.selected_inferior().read_memory(high - 8, 8).tobytes()
            if int.from_bytes(word, "little") != pc:
                return stack
            node.size = high - low
            node = node.callers.setdefault(word, _Node())
        node.stack = stack
        return stack


class _Node:  # pylint: disable=too-few-public-methods
    """One frame of remembered stacks: its size, the frames that it returned to by their return address."""

    __slots__ = ("size", "callers", "stack")

    def __init__(self):
        self.size, self.callers, self.stack = 0, {}, None


def _written(frame):
    """(function, file, line) of @frame; "?" and 0 without debug information."""
    file, _, line = source.place(frame).rpartition(":")
    return frame.name() or "?", file or "?", int(line) if line.isdigit() else 0


PROBE = Probe()


def _forget(_):
    PROBE.forget()


gdb.events.exited.connect(_forget)
gdb.events.new_objfile.connect(_forget)
