# SPDX-License-Identifier: GPL-2.0
"""struct mmu_gather: pages and page tables on their way out (mm/mmu_gather.c, asm-generic/tlb.h).

A gather lives on the stack of the function that unmaps; a stop may be before it
is set up, or after its end, when it holds what was on the stack.  misfit() tells.
"""

from collections import namedtuple

import gdb

from . import lists, page, pagetable, source, stack
from .broken import Broken

# Flags in the low bits of an encoded page (include/linux/mm_types.h).
_DELAY_RMAP, _NR_PAGES_NEXT, _ENCODED_BITS = 1, 2, 3

# More than any mm has users or gathers at once; what is on an unused stack seldom is as small.
_COUNT_MAX = 1 << 20

# How many pages the chained batches hold at most: MAX_GATHER_BATCH_COUNT times what fits into one.
_PAGES_MAX = 10000

# cleared_* of struct mmu_gather -> the entries that were cleared, the table that such an entry leads to.
CLEARED = (("cleared_ptes", "PTEs", None), ("cleared_pmds", "PMD entries", "PTE"),
           ("cleared_puds", "PUD entries", "PMD"), ("cleared_p4ds", "P4D entries", "PUD"))

Place = namedtuple("Place", "tlb name frame passed")
Place.__doc__ = """Where a gather was found: tlb (struct mmu_gather *), name (str, the variable's), frame
(gdb.Frame), passed (list of str: inner functions whose variable is optimized out)."""

Batch = namedtuple("Batch", "address nr max active wrong")
Batch.__doc__ = """One batch of pages: address (int, of its struct mmu_gather_batch), nr, max (int,
entries), active (bool, the next page goes here), wrong (str, why it can't be trusted, or None)."""

Pages = namedtuple("Pages", "page count delayed")
Pages.__doc__ = """What one entry of a batch names: page (int, address of the first struct page), count (int,
pages), delayed (bool, the rmap still counts them)."""

Tables = namedtuple("Tables", "address nr max tables wrong")
Tables.__doc__ = """One batch of tables: address (int, of its struct mmu_table_batch), nr, max (int), tables
(list of int, addresses of struct ptdesc), wrong (str, why they can't be trusted, or None)."""


def tables(batch):
    """Return the tables (list of int, addresses of struct ptdesc) in @batch.

    @batch is a struct mmu_table_batch *: what one RCU callback frees.
    """
    first = batch["tables"][0].address
    return [int((first + n).dereference()) for n in range(int(batch["nr"]))]


def max_tables():
    """Return how many tables (int) fit into one batch: MAX_TABLE_BATCH."""
    size = gdb.lookup_type("struct mmu_table_batch").sizeof
    return (page.size() - size) // gdb.lookup_type("unsigned long").sizeof


def batch_of(rcu_head):
    """Return the struct mmu_table_batch * around @rcu_head (struct rcu_head *)."""
    batch = gdb.lookup_type("struct mmu_table_batch")
    offset = next(f.bitpos // 8 for f in batch.fields() if f.name == "rcu")
    return gdb.Value(int(rcu_head) - offset).cast(batch.pointer())


def read_tables(batch):
    """Return the Tables of @batch (struct mmu_table_batch *), read without trust.

    Its tables are [] if it says that it has more than fit.
    """
    address = int(batch)
    try:
        number, room = int(batch["nr"]), max_tables()
        if number > room:
            return Tables(address, number, room, [], f"corrupt: it says {number} tables, {room} fit")
        first = address + lists.offset_of(batch.type.target(), "tables")
        return Tables(address, number, room, lists.words(first, number) if number else [], None)
    except gdb.MemoryError:
        return Tables(address, 0, 0, [], "corrupt: it can't be read")


# Functions inside of which a gather is being emptied, the inner ones first.
_EMPTYING = ("tlb_batch_list_free", "tlb_batch_pages_flush", "tlb_table_flush", "tlb_flush_mmu_tlbonly")


def being_emptied():
    """Return the function (str) by which the innermost gather is being emptied now, None if by none."""
    frame = source.find_any(stack.innermost(), _EMPTYING)
    return frame.name().partition(".")[0] if frame is not None else None


def innermost(frame=None):
    """Return the Place of the gather of the innermost frame, from @frame (default: stack.innermost()) out, or None.

    Any variable of type struct mmu_gather or struct mmu_gather * will do, of
    inlined functions too, unless it is optimized out.
    """
    frame = frame or stack.innermost()
    passed = []
    for _ in range(source.DEPTH_MAX):
        if frame is None:
            return None
        for name, value in source.variables(frame, _is_gather):
            tlb = pointer_to(value)
            if tlb is None:
                passed.append(f"{frame.name()}()")
            elif int(tlb):
                return Place(tlb, name, frame, passed)
        frame = frame.older()
    return None


def _is_gather(symbol):
    return is_gather(symbol.type)


def is_gather(kind):
    """Return whether @kind (gdb.Type) is a struct mmu_gather or a pointer to one."""
    kind = kind.strip_typedefs().unqualified()
    if kind.code == gdb.TYPE_CODE_PTR:
        kind = kind.target().strip_typedefs().unqualified()
    return kind.code == gdb.TYPE_CODE_STRUCT and kind.name == "mmu_gather"


def pointer_to(value):
    """Return @value (gdb.Value, a struct or a pointer to one) as a pointer; None if it is optimized out."""
    try:
        if value.type.strip_typedefs().code == gdb.TYPE_CODE_PTR:
            int(value)  # reads it: a lazy value says only now that it is optimized out
            return value
        return value.address
    except gdb.error:
        return None


def misfit(tlb):
    """Return why @tlb (struct mmu_gather *) is none that is in use (str), None if it looks right.

    mm->tlb_flush_pending counts the gathers of an mm: from tlb_gather_mmu() to tlb_finish_mmu().
    """
    try:
        mm = int(tlb["mm"])
        room = int(tlb["local"]["max"]) if has(tlb, "local") else 0
    except gdb.MemoryError:
        return "nothing can be read there"
    try:
        users, pending = int(tlb["mm"]["mm_count"]["counter"]), flushes_pending(tlb["mm"])
    except gdb.MemoryError:
        users = pending = 0
    if not 0 < users < _COUNT_MAX or not 0 <= pending < _COUNT_MAX:
        return f"{mm:#x} is no address space"
    if pending == 0:
        return f"no gather of its mm {mm:#x} is"
    if room and room != _bundle(tlb):
        return f"its local batch says room for {room} pages"
    return None


def flushes_pending(mm):
    """Return how many gathers (int) of @mm (struct mm_struct *) are under way: mm_tlb_flush_pending()."""
    return int(mm["tlb_flush_pending"]["counter"])


def has(tlb, field):
    """Return whether this kernel's struct mmu_gather (@tlb: a pointer to one) has @field (str)."""
    return lists.has_field(tlb.type.target(), field)


def flag(tlb, field):
    """Return whether the flag @field (str) of @tlb (struct mmu_gather *) is set; False without it."""
    return has(tlb, field) and bool(int(tlb[field]))


def span(tlb):
    """Return (start, end), ints, of what @tlb (struct mmu_gather *) has to flush, None if nothing.

    __tlb_reset_range() leaves an end below the start, or both at the last address.
    """
    start, end = int(tlb["start"]), int(tlb["end"])
    return (start, end) if start < end else None


def page_batches(tlb):
    """Return the batches of pages (list of Batch) of @tlb (struct mmu_gather *), the local one first.

    [] if this kernel has none (MMU_GATHER_NO_GATHER).  Ends with a batch that
    is `wrong` where the chain does.
    """
    if not has(tlb, "local"):
        return []
    kind = tlb["local"].type.pointer()
    where, active = int(tlb["local"].address), int(tlb["active"])
    room, limit = _bundle(tlb), min(int(tlb["batch_count"]), _PAGES_MAX // _max_pages(kind))
    found = []
    while where:
        if len(found) > limit:
            wrong = f"corrupt: more than batch_count, {limit}: a loop?"
            return found + [Batch(where, 0, 0, False, wrong)]
        try:
            batch = gdb.Value(where).cast(kind)
            number, said, after = int(batch["nr"]), int(batch["max"]), int(batch["next"])
        except gdb.MemoryError:
            return found + [Batch(where, 0, 0, False, "corrupt: it can't be read")]
        good = said == room and number <= said
        wrong = None if good else f"corrupt: it says {number} of {said}, {room} fit"
        found.append(Batch(where, number, said, where == active, wrong))
        where, room = after, _max_pages(kind)
    return found


def _bundle(tlb):
    """Room of the batch in the struct itself: MMU_GATHER_BUNDLE."""
    first, last = tlb["__pages"].type.range()
    return last - first + 1


def _max_pages(kind):
    """Room of a chained batch, a page of its own: MAX_GATHER_BATCH."""
    return (page.size() - kind.target().sizeof) // gdb.lookup_type("unsigned long").sizeof


def pages_of(batch):
    """Return what @batch (Batch) holds (list of Pages); [] if it is wrong."""
    if batch.wrong or not batch.nr:
        return []
    kind = gdb.lookup_type("struct mmu_gather_batch")
    words = lists.words(batch.address + lists.offset_of(kind, "encoded_pages"), batch.nr)
    found, at = [], 0
    while at < len(words):
        word, count = words[at], 1
        if word & _NR_PAGES_NEXT and at + 1 < len(words):
            at += 1
            count = words[at] >> 2
        found.append(Pages(word & ~_ENCODED_BITS, count, bool(word & _DELAY_RMAP)))
        at += 1
    return found


def table_batch(tlb):
    """Return the Tables of @tlb (struct mmu_gather *); None if it, or this kernel, has no batch."""
    if not has(tlb, "batch") or not int(tlb["batch"]):
        return None
    return read_tables(tlb["batch"])


def page_count(tlb):
    """Return how many pages (int) @tlb (struct mmu_gather *) will free."""
    return sum(entry.count for batch in page_batches(tlb) for entry in pages_of(batch))


def cleared(tlb):
    """Return the rows of CLEARED (list) whose flag is set in @tlb (struct mmu_gather *)."""
    return [row for row in CLEARED if flag(tlb, row[0])]


def levels(tlb, frame=None):
    """Return what tables in the batch of @tlb (struct mmu_gather *) can be (list of str); one is certain.

    pte_free_tlb() sets cleared_pmds, pmd_free_tlb() cleared_puds and so on, but
    huge pages set them too, and a TLB flush resets them.  Under madvise() none
    but PTE tables are freed: @frame (gdb.Frame, default: unknown) tells whether
    it is on the stack.  (With five levels, p4d_free_tlb() sets no flag of its own.)
    """
    if frame is not None and source.find_any(frame, ("do_madvise", "vector_madvise")):
        return ["PTE"]
    if not flag(tlb, "freed_tables"):
        return ["PTE", "PMD", "PUD"]
    return [table for _, _, table in cleared(tlb) if table] or ["PTE", "PMD", "PUD"]


def entries_left(removed):
    """Return how many entries (int) of the table @removed (machines.base.Removed) are not none.

    None if this machine's memory isn't known, or can't be read there.
    """
    if removed.table is None or not removed.entries:
        return None
    try:
        values = pagetable.entries(removed.table, removed.entries)
        return sum(not pagetable.is_none(value) for value in values)
    except (gdb.error, Broken):
        return None


def tables_among(pages):
    """Return those of @pages (list of Pages) that may be tables, after pagetable_dtor() (list of int).

    Without MMU_GATHER_TABLE_FREE tables go among the pages, and nothing says
    which they are: but user pages have flags and a mapping, tables neither.
    Each is the address of a struct page.  A driver's page may look the same.
    """
    kind = gdb.lookup_type("struct page")
    mapping, order = lists.offset_of(kind, "mapping"), lists.byte_order()
    found = []
    for entry in pages:
        try:
            if entry.count > 1 or lists.words(entry.page + mapping, 1, order) != [0]:
                continue
            candidate = gdb.Value(entry.page).cast(kind.pointer())
            if not page.flags(candidate) and page.type_name(candidate) == "none":
                found.append(entry.page)
        except gdb.MemoryError:
            continue
    return found
