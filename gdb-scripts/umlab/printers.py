# SPDX-License-Identifier: GPL-2.0
"""How `print` shows kernel types: page table entries, struct page, lists, callbacks, counters, locks.

`disable pretty-printer global umlab` shows them as C has them again, `disable pretty-printer global
umlab;list_head` one of them, and `print/r` in one command.  Scripts that read fields are not affected.

A printer never fails: what can't be read or makes no sense is shown as it is.
"""

import re

import gdb
import gdb.printing

from . import page, pagetable
from .machines import machine, uml

# Entries of a list that are counted.  A structure has many lists: it is printed, not searched.
COUNTED = 100
# LIST_POISON1 and 2 (include/linux/poison.h), but for POISON_POINTER_DELTA.
_POISON = (0x100, 0x122)


class _Printer:
    """Base: words() makes the text; where it can't, the value is shown raw."""

    def __init__(self, value):
        self.value = value

    def words(self):
        """Return what to show (str, or a gdb.Value)."""
        raise NotImplementedError

    def to_string(self):
        """gdb calls this."""
        try:
            return self.words()
        except (gdb.error, ValueError, TypeError, StopIteration, RuntimeError):
            return self.value.format_string(raw=True)

    def address(self):
        """Return where the value is (int), None if it isn't in memory."""
        where = self.value.address
        return None if where is None else int(where)


class _WithFields(_Printer):
    """Base of those that show a summary before the fields; what can't be summed up has its fields only."""

    def to_string(self):
        try:
            return self.words()
        except (gdb.error, ValueError, TypeError, StopIteration, RuntimeError):
            return None

    def children(self):
        """gdb calls this for the fields."""
        return iter([field for field in _fields(self.value) if self.shown(*field)])

    def shown(self, name, value):
        """Return whether the field @name (str) with @value (gdb.Value) is to be shown."""
        return True


def _fields(value):
    """Yield (name, value) of the fields of @value (a struct); those of anonymous members count as its own."""
    for field in value.type.strip_typedefs().fields():
        if field.name:
            yield field.name, value[field]
        elif field.type.strip_typedefs().code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION):
            yield from _fields(value[field])


class Entry(_Printer):
    """An entry of a page table of any level: its value, then in words."""

    def words(self):
        value = _number(self.value)
        return f"{value:#x} ({pagetable.describe(value)})"


class Protection(_Printer):
    """pgprot_t: an entry's bits without a page frame."""

    def words(self):
        value = _number(self.value)
        return f"{value:#x} ({' '.join(pagetable.flags(value)) or 'none'})"


def _number(value):
    """The one number (int) inside of @value, structs in structs."""
    while value.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
        value = value[value.type.strip_typedefs().fields()[0]]
    return int(value)


class Flags(_Printer):
    """memdesc_flags_t: page->flags, folio->flags, ptdesc->pt_flags."""

    def words(self):
        value = _number(self.value)
        return f"{value:#x} ({' '.join(page.flag_names(value)) or 'no flags'})"


class Page(_WithFields):
    """struct page or struct folio: page frame, references, flags, then the fields.

    A folio has each of its first pages once more, as a struct page: those are left out.
    """

    def words(self):
        # gdb takes a second for a cast of struct page * to itself.
        where = gdb.Value(int(self.value.address)).cast(gdb.lookup_type("struct page").pointer())
        frame, kind = page.frame_of(where), page.type_name(where)
        words = "no page frame" if frame is None else f"pfn {frame:#x}"
        words += f", references {page.refcount(where)}"
        words += f", mapped {page.mapcount(where)} times" if kind == "none" else f", type {kind}"
        return f"{words}, {' '.join(page.flags(where)) or 'no flags'}"

    def shown(self, name, value):
        return value.type.strip_typedefs().tag != "page"


class Ptdesc(_WithFields):
    """struct ptdesc: which table it describes, then the fields."""

    def words(self):
        where = self.value.address
        frame = page.frame_of(where)
        words = "no page frame" if frame is None else \
            f"pfn {frame:#x}, table at {page.phys_to_virt(frame << uml.PAGE_SHIFT):#x}"
        return f"{words}, type {page.type_name(where)}, references {page.refcount(where)}"


class List(_WithFields):
    """struct list_head: how many entries, if it is a list, then its links."""

    def words(self):
        here, first, last = self.address(), int(self.value["next"]), int(self.value["prev"])
        if not first and not last:
            return "no list"
        if (first & 0xFFFF, last & 0xFFFF) == _POISON:
            return "deleted"
        if here is None:
            return None
        if first == last == here:
            return "empty"
        try:
            if int(self.value["next"]["prev"]) == here and int(self.value["prev"]["next"]) == here:
                return _entries(_count(self.value["next"], here))
        except gdb.MemoryError:
            pass
        return "no list, or corrupt"


class Hlist(_WithFields):
    """struct hlist_head: how many entries, then its link."""

    def words(self):
        try:
            return _entries(_count(self.value["first"], 0)) if int(self.value["first"]) else "empty"
        except gdb.MemoryError:
            return "no list, or corrupt"


def _count(node, end):
    """How many nodes there are from @node (gdb.Value, a pointer) to the address @end; at most COUNTED + 1."""
    count = 0
    while int(node) != end and count <= COUNTED:
        count += 1
        node = node.dereference()["next"]
    return count


def _entries(count):
    if count > COUNTED:
        return f"more than {COUNTED} entries"
    return "1 entry" if count == 1 else f"{count} entries"


class Counter(_Printer):
    """atomic_t, atomic64_t, atomic_long_t: the number."""

    def words(self):
        return self.value["counter"]


class Refcount(_Printer):
    """refcount_t: the number; one that stuck is negative."""

    def words(self):
        number = self.value["refs"]["counter"]
        return f"{int(number)} (saturated)" if int(number) < 0 else number


class Callback(_Printer):
    """struct rcu_head, which is struct callback_head: what it calls, and who comes next."""

    def words(self):
        function, following = self.value["func"], f"next {int(self.value['next']):#x}"
        number = int(function)
        if not number:
            return f"no callback, {following}"
        name = re.search(r"<(\w+)", function.format_string(symbols=True, raw=True))
        return f"calls {name.group(1) if name else 'no function'} ({number:#x}), {following}"


class Spinlock(_Printer):
    """spinlock_t, raw_spinlock_t: locked or not; in a kernel without SMP and lock debugging there is nothing."""

    def words(self):
        lock = self.value
        if lock.type.strip_typedefs().tag == "spinlock":
            lock = lock["rlock"]
        lock = lock["raw_lock"]
        if not lock.type.sizeof:
            return "no lock without SMP"
        names = [field.name for field in lock.type.strip_typedefs().fields()]
        if "slock" in names:
            return "unlocked" if int(lock["slock"]) else "locked"
        return _queued(lock)


def _queued(lock):
    """@lock in words: struct qspinlock, or a ticket lock, which has no byte for itself."""
    value = int.from_bytes(gdb.selected_inferior().read_memory(int(lock.address), 4).tobytes(), machine().order)
    if lock.type.strip_typedefs().tag != "qspinlock":
        return "unlocked" if value >> 16 == value & 0xFFFF else "locked"
    if not value:
        return "unlocked"
    words = "locked" if value & 0xFF else "unlocked"
    if value >> 8:
        words += ", others wait"
    return words


class Cpumask(_Printer):
    """struct cpumask: the CPUs in it, as 0-1,3."""

    def words(self):
        bits = self.value["bits"]
        first, last = bits.type.range()
        word = bits.type.target().sizeof * 8
        found = [n * word + bit for n in range(first, last + 1) for bit in range(word) if int(bits[n]) >> bit & 1]
        return "CPUs " + ",".join(_ranges(found)) if found else "no CPUs"


def _ranges(numbers):
    """Yield the ascending @numbers (list of int) in words: '0-1', '3'."""
    start = None
    for number, following in zip(numbers, numbers[1:] + [None]):
        start = number if start is None else start
        if following != number + 1:
            yield str(start) if start == number else f"{start}-{number}"
            start = None


def _collection():
    printers = gdb.printing.RegexpCollectionPrettyPrinter("umlab")
    for name in ("pte_t", "pmd_t", "pud_t", "p4d_t", "pgd_t"):
        printers.add_printer(name, f"^{name}$", Entry)
    for name, types, printer in (
            ("pgprot_t", "pgprot_t", Protection), ("memdesc_flags_t", "memdesc_flags_t", Flags),
            ("page", "page|folio", Page), ("ptdesc", "ptdesc", Ptdesc),
            ("list_head", "list_head", List), ("hlist_head", "hlist_head", Hlist),
            ("atomic_t", "atomic_t|atomic64_t|atomic_long_t", Counter), ("refcount_t", "refcount_struct", Refcount),
            ("rcu_head", "callback_head", Callback), ("spinlock_t", "spinlock|raw_spinlock", Spinlock),
            ("cpumask", "cpumask", Cpumask)):
        printers.add_printer(name, f"^({types})$", printer)
    return printers


gdb.printing.register_pretty_printer(None, _collection(), replace=True)
