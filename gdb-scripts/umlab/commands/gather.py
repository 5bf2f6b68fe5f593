# SPDX-License-Identifier: GPL-2.0
"""mg-show and mg-batches: what an mmu_gather holds."""

from collections import namedtuple

import gdb

from .. import gather, language, mm, page, sched
from ..command import Argument, Command, Function, Problem
from ..machines import machine

# Lines of one list; a batch has some 500 entries.
SHOWN = 16

# Flags of struct mmu_gather, in words.
FLAGS = (("fullmm", "fullmm: the whole address space goes"),
         ("need_flush_all", "need_flush_all: no flush by range"),
         ("freed_tables", "freed_tables: page tables are among it"),
         ("delayed_rmap", "delayed_rmap: pages are taken out of the rmap after the TLB flush"),
         ("unshared_tables", "unshared_tables: hugetlb PMD tables were unshared"),
         ("fully_unshared_tables", "fully_unshared_tables: ... and have one owner now"))
VMA_FLAGS = (("vma_exec", "executable"), ("vma_huge", "hugetlb"), ("vma_pfn", "PFN map"))

Gather = namedtuple("Gather", "tlb place mm owner span flags cleared vma batches tables levels")
Gather.__doc__ = """A gather, read: tlb (struct mmu_gather *), place (gather.Place), mm (struct mm_struct *),
owner (str, whose), span ((start, end) or None), flags, cleared, vma (list of str, in words), batches
(list of (gather.Batch, list of gather.Pages)), tables (gather.Tables or None), levels (list of str,
what they can be)."""

EMPTYING = {
    "tlb_flush_mmu_tlbonly": "the TLB is being flushed",
    "tlb_table_flush": "the batch of tables is being handed over",
    "tlb_batch_pages_flush": "the batches of pages are being emptied, the local one first",
    "tlb_batch_list_free": "all is done; the batches themselves are being freed",
}


def gathered(text):
    """Return the Place (gather.Place) of the gather that @text (str) names.

    @text: "" for that of the innermost frame, or a gdb expression that gives a
    struct mmu_gather or a pointer to one.  Raises Problem if there is none in use.
    """
    place = _by_expression(text) if text else gather.innermost()
    if place is None:
        raise Problem("mmu_gather", "none in any frame of this thread",
                      "stop in a function that has one, such as tlb_finish_mmu(), "
                      "select another thread, or give an expression")
    wrong = gather.misfit(place.tlb)
    if wrong:
        raise Problem("mmu_gather", f"{where(place)}",
                      f"not in use, {wrong}: tlb_gather_mmu() has not run yet, or tlb_finish_mmu() has")
    return place


gathered.complete = gdb.COMPLETE_EXPRESSION


def _by_expression(text):
    try:
        with language.users():
            value = gdb.parse_and_eval(text)
        if not gather.is_gather(value.type):
            raise Problem("expression", text,
                          f"is of type {value.type}: give a struct mmu_gather or a pointer to one")
        if value.type.strip_typedefs().code != gdb.TYPE_CODE_PTR:
            value = value.address
        if value is None or not int(value):
            raise Problem("expression", text, "has no address: give a struct mmu_gather in memory")
    except gdb.error as error:
        raise Problem("expression", text, str(error).rstrip(".")) from None
    # Whose frame it is tells more of its tables.
    place = gather.innermost()
    if place is not None and int(place.tlb) == int(value):
        return place
    return gather.Place(value, text, None, [])


def where(place):
    """Return in words where the gather of @place (gather.Place) is."""
    text = f"struct mmu_gather at {int(place.tlb):#x}"
    if place.frame is None:
        return text
    passed = f", optimized out in {', '.join(dict.fromkeys(place.passed))}" if place.passed else ""
    return f"{text}, {place.name} of {place.frame.name()}() in frame #{place.frame.level()}{passed}"


def read(place):
    """Return the Gather at @place (gather.Place): what mg-show shows."""
    tlb = place.tlb
    # tlb_start_vma() sets these, which a gather of a whole address space leaves out.
    vma = [] if gather.flag(tlb, "fullmm") else [word for name, word in VMA_FLAGS if gather.flag(tlb, name)]
    return Gather(tlb, place, tlb["mm"], owner_of(tlb["mm"]), gather.span(tlb),
                  [word for name, word in FLAGS if gather.flag(tlb, name)],
                  [word for _, word, _ in gather.cleared(tlb)], vma,
                  [(batch, gather.pages_of(batch)) for batch in gather.page_batches(tlb)],
                  gather.table_batch(tlb), gather.levels(tlb, place.frame))


def owner_of(space):
    """Return in words whose address space @space (struct mm_struct *) is."""
    try:
        for other, task in mm.spaces():
            if int(other) == int(space):
                return sched.describe(task)
        running = sched.current()
        if int(running) and int(running["active_mm"]) == int(space):
            return f"{sched.describe(running)}, which has left it"
    except gdb.error:
        pass
    return "no task's any more"


class _GatherCommand(Command):
    """A command whose only argument, blanks and all, is an expression for a gather."""

    arguments = (Argument("EXPR", gathered, ""),)

    def parse(self, words):
        return [gathered(" ".join(words))]


class Show(_GatherCommand):
    """Show an mmu_gather: mg-show [EXPR]

    An mmu_gather collects the pages and page tables that an unmapping takes
    away, until the TLB is flushed: then the pages can be freed, and the tables
    handed to RCU.  Shows the address space, the range to flush, the flags,
    the levels at which entries were cleared, the batches of pages, and the
    batch of tables with what each one was and how many entries it still has.

    EXPR  a struct mmu_gather or a pointer to one, such as tlb or &tlb; default:
          that of the innermost frame which has one

    mg-batches draws the batches.  In expressions and conditions:
      $mg()         the innermost frame's gather, a struct mmu_gather *, NULL if none is in use
      $mg_tables()  the number of tables in its batch
      $mg_pages()   the number of pages in its batches"""

    name = "mg-show"

    def run(self, place):  # pylint: disable=arguments-differ
        found = read(place)
        print(where(place))
        print(f"mm      (struct mm_struct *) {int(found.mm):#x}: {found.owner}")
        others = gather.flushes_pending(found.mm) - 1
        if others:
            print(f"        {others} more of this mm under way: tlb_finish_mmu() will flush all of it")
        emptying = gather.being_emptied() if place.frame is not None else None
        if emptying:
            print(f"now     {EMPTYING[emptying]}")
        print(f"range   {span_in_words(found.span)}")
        print("flags   " + ("\n        ".join(found.flags) or "none"))
        print("cleared " + (", ".join(found.cleared) or "nothing (a TLB flush resets this)"))
        if not gather.flag(place.tlb, "fullmm"):
            print("VMA     " + (", ".join(found.vma) or "ordinary"))
        print_pages(found)
        print_tables(found)


def span_in_words(span):
    """Return @span ((start, end) or None), what has to be flushed, in words."""
    if span is None:
        return "nothing to flush: nothing gathered yet, or the TLB flushed since"
    if span == (0, (1 << 64) - 1):
        return "all of the address space"
    return f"{span[0]:#x}-{span[1]:#x}, {size_in_words(span[1] - span[0])}"


def size_in_words(count):
    """Return @count (int, bytes) in KiB, MiB or GiB: '10 MiB'.

    >>> size_in_words(0x200000)
    '2 MiB'
    """
    for shift, unit in ((30, "GiB"), (20, "MiB")):
        if count >= 1 << shift and not count & (1 << shift) - 1:
            return f"{count >> shift} {unit}"
    return f"{count >> 10} KiB"


def print_pages(found):
    """Print the batches of pages of @found (Gather), each cut after SHOWN lines."""
    if not found.batches:
        print("pages   this kernel frees them without a batch (MMU_GATHER_NO_GATHER)")
        return
    total = sum(entry.count for _, pages in found.batches for entry in pages)
    print(f"pages   {counted(total, 'page')} in {counted(len(found.batches), 'batch')}")
    for number, (batch, pages) in enumerate(found.batches):
        name = f"batch {number}, " + ("local" if number == 0 else f"{batch.address:#x}")
        state = batch.wrong or f"{batch.nr} of {batch.max} entries used"
        print(f"  {name}: {state}{', active' if batch.active else ''}")
        lines = page_lines(pages)
        for line in lines[:SHOWN]:
            print("    " + line)
        if len(lines) > SHOWN:
            print(f"    ... and {len(lines) - SHOWN} lines more; mg-batches draws them")
    if not any(batch.active for batch, _ in found.batches):
        print(f"  corrupt: none of them is the active one, {int(found.tlb['active']):#x}")


def page_lines(pages):
    """Return @pages (list of gather.Pages) in words (list of str), page frames in a row as one line."""
    size = gdb.lookup_type("struct page").sizeof
    runs = []
    for entry in pages:
        last = runs[-1] if runs else None
        if last and last[2] == entry.delayed and last[3] and entry.count == 1 and \
                last[0] + last[1] * size == entry.page:
            last[1] += 1
        else:
            runs.append([entry.page, entry.count, entry.delayed, entry.count == 1])
    return [_run_in_words(*run) for run in runs]


def _run_in_words(first, count, delayed, single):
    frame = page.frame_of(first)
    if frame is None:
        text = f"(struct page *) {first:#x}"
    else:
        text = f"page frame {frame:#x}" if count == 1 else f"page frames {frame:#x}-{frame + count - 1:#x}"
    if count > 1:
        text += f", {count} pages"
    if not single:
        text += " of one folio"
    return text + (", rmap removal delayed" if delayed else "")


def print_tables(found):
    """Print the batch of tables of @found (Gather), cut after SHOWN lines."""
    if not gather.has(found.tlb, "batch"):
        print("tables  no batch: this kernel (no MMU_GATHER_TABLE_FREE) puts tables among the pages\n"
              "        and frees them with those, right after the TLB flush, without a grace period")
        print_disguised(found)
        return
    batch = found.tables
    if batch is None:
        print("tables  no batch")
        return
    print(f"tables  (struct mmu_table_batch *) {batch.address:#x}: " +
          (batch.wrong or f"{batch.nr} of {batch.max} entries used"))
    for number, table in enumerate(batch.tables[:SHOWN]):
        print(f"  {number:3} {table_in_words(table)}: {what_in_words(table, found.levels)}")
    if batch.nr > SHOWN and not batch.wrong:
        print(f"  ... and {batch.nr - SHOWN} more; mg-batches draws them")


def print_disguised(found):
    """Print which pages of @found (Gather) look like tables, if it can have any."""
    if found.span and not gather.flag(found.tlb, "freed_tables"):
        return
    alike = gather.tables_among([entry for _, pages in found.batches for entry in pages])
    if alike:
        lines = page_lines([gather.Pages(where_, 1, False) for where_ in alike])
        print(f"        {counted(len(alike), 'page')} without flags or mapping, as tables are:")
        for line in lines[:SHOWN]:
            print("          " + line)
        if len(lines) > SHOWN:
            print(f"          ... and {len(lines) - SHOWN} lines more")


def table_in_words(pointer):
    """Return the table of @pointer (int, what tlb_remove_table() was given) in words: page, type, entries left."""
    removed = machine().removed(pointer)
    words = table_as_pointer(removed) if removed.ptdesc is None else _ptdesc_in_words(removed.ptdesc)
    left = gather.entries_left(removed)
    if left is None:
        return words
    return words + (", empty" if left == 0 else f", {left} of {removed.entries} entries not none")


def table_as_pointer(removed):
    """Return a table that is no struct ptdesc, @removed (machines.base.Removed), in words."""
    return f"(void *) {removed.pointer:#x}, table at {removed.table:#x}, {removed.words}"


def _ptdesc_in_words(ptdesc):
    words = f"(struct ptdesc *) {ptdesc:#x}"
    frame = page.frame_of(ptdesc)
    if frame is not None:
        words += f", page frame {frame:#x}"
    elif page.is_flat():
        return words + ", no page of this kernel"
    desc = gdb.Value(ptdesc).cast(gdb.lookup_type("struct ptdesc").pointer())
    try:
        return words + f", type {page.type_name(desc)}, references {page.refcount(desc)}"
    except gdb.MemoryError:
        return words + ", which can't be read"


def what_in_words(ptdesc, levels):
    """Return what the table of @ptdesc (int) was, one of @levels (list of str) by the gather's flags."""
    if len(levels) > 1:
        record = record_of(ptdesc)
        if record is not None:
            at = f" for {record.address:#x}" if record.address is not None else ""
            return f"{str(record.level).upper()} table{at} (pt-life)"
        return f"{', '.join(levels[:-1])} or {levels[-1]} table"
    return f"{levels[0]} table"


def record_of(ptdesc):
    """Return what pt-life recorded of the table of @ptdesc (int): .level, .address; None if nothing."""
    from . import life  # pylint: disable=import-outside-toplevel,cyclic-import
    try:
        return life.table_record(ptdesc)
    except gdb.error:
        return None


def counted(number, noun):
    """Return @number (int) and @noun (str) in words.

    >>> counted(2, "batch")
    '2 batches'
    """
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun}{'es' if noun.endswith('ch') else 's'}"


# Columns of a bar: with an address of 64 bits before it and numbers behind it a line has 80.
WIDTH = 44


class Batches(_GatherCommand):
    """Draw the batches of an mmu_gather: mg-batches [EXPR]

    One row a batch, in the order in which they fill: '#' is an entry that is
    used, '-' one that is free (in proportion where there are many); '*' marks
    the batch that the next page goes to.

    EXPR  as for mg-show; mg-show also lists what is in them"""

    name = "mg-batches"

    def run(self, place):  # pylint: disable=arguments-differ
        for line in draw(place):
            print(line)


def draw(place):
    """Return the drawing (list of str) of the batches at @place (gather.Place)."""
    batches = gather.page_batches(place.tlb)
    total = gather.page_count(place.tlb)
    lines = [where(place), f"pages: {counted(total, 'page')} in {counted(len(batches), 'batch')}"]
    for number, batch in enumerate(batches):
        if number:
            lines.append(" " * 22 + "|")
        lines.append(_row("local" if number == 0 else f"{batch.address:#x}", batch))
    if not gather.has(place.tlb, "batch"):
        return lines + ["tables: among the pages (no MMU_GATHER_TABLE_FREE)"]
    tables = gather.table_batch(place.tlb)
    if tables is None:
        return lines + ["tables: no batch"]
    return lines + [f"tables: {counted(tables.nr, 'table')}", _row(f"{tables.address:#x}", tables)]


def _row(name, batch):
    mark = "*" if getattr(batch, "active", False) else " "
    if batch.wrong:
        return f"{mark} {name:<18} {batch.wrong}"
    return f"{mark} {name:<18} {bar(batch.nr, batch.max):<{WIDTH + 2}} {batch.nr:>4}/{batch.max}"


def bar(used, room, width=WIDTH):
    """Return a bar (str) of at most @width (int) columns for @used of @room entries (int).

    >>> bar(3, 8)
    '[###-----]'

    Some show as one at least, and none but a full batch shows as full.
    """
    width = min(width, room)
    filled = used * width // room if room else 0
    if used:
        filled = max(filled, 1)
    return f"[{'#' * filled}{'-' * (width - filled)}]"


class _Mg(Function):
    """Return the struct mmu_gather * of the innermost frame that has one, NULL if none is in use."""

    name = "mg"

    def value(self):
        tlb = in_use()
        if tlb is None:
            return gdb.Value(0).cast(gdb.lookup_type("struct mmu_gather").pointer())
        return tlb


class _MgTables(Function):
    """Return the number of tables in the batch of the innermost frame's mmu_gather."""

    name = "mg_tables"

    def value(self):
        tlb = in_use()
        batch = gather.table_batch(tlb) if tlb is not None else None
        return len(batch.tables) if batch is not None else 0


class _MgPages(Function):
    """Return the number of pages in the batches of the innermost frame's mmu_gather."""

    name = "mg_pages"

    def value(self):
        tlb = in_use()
        return gather.page_count(tlb) if tlb is not None else 0


def in_use():
    """Return the innermost frame's gather (struct mmu_gather *), None if there is none or it isn't in use."""
    place = gather.innermost()
    return None if place is None or gather.misfit(place.tlb) else place.tlb


Show()
Batches()
_Mg()
_MgTables()
_MgPages()
