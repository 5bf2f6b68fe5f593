# SPDX-License-Identifier: GPL-2.0
"""The events in the life of a PTE table, by meaning, and where each kernel shows them.

    allocated   memory for a PTE table: pte_alloc_one() has one, no PMD knows it yet
    populated   put into a PMD entry: from now on it serves 2 MiB of addresses
    emptied     the kernel knows that all its entries are none, and so may reclaim it.  Not the moment
                in which the last entry was cleared: nobody looks at that.  munmap and exit do not look
                either: their tables are taken out without this event
    taken-out   out of the PMD entry: no new walker finds it, one that has it may still be in it
    batched     in a batch of its mmu_gather: a slot of a struct mmu_table_batch, all of which one grace
                period frees; without MMU_GATHER_TABLE_FREE a slot among the pages of the mmu_gather
    alone       no page for a batch could be had: the table goes by itself
    rcu         handed to RCU: call_rcu() for its batch, or for itself
    freed       its memory is given back: by RCU's callback, or at once

Functions come and go between kernels and are inlined by one compiler and not
by another.  So an event has several ways to find it: plans, each a tuple of Ways, best
first; find() takes the first one whose functions, source lines and variables this kernel
has.  A Way at a statement (text) needs code in the source's order (-Og); one at a
function's entry needs no more than its arguments.
"""

import re
from collections import namedtuple

import gdb

from . import pagetable, source
from .machines import machine, uml
from .probe import PROBE

KINDS = ("allocated", "populated", "emptied", "taken-out", "batched", "alone", "rcu", "freed")

# Who hands a table to the mmu_gather, and which level it then is of.
LEVELS = {"zap_pte_range": "pte", "free_pte_range": "pte", "free_pmd_range": "pmd",
          "free_pud_range": "pud", "free_p4d_range": "p4d"}

Fact = namedtuple("Fact", "event how table details waits", defaults=(False,))
Fact.__doc__ = """What a stop tells.

event: str, of KINDS; how: str, in words; table: int, address of its ptdesc, None for all that wait in the
mmu_gather details["tlb"]; details: dict of str: int: mm, pmd, address, tlb, batch, slot, entries (those that
are not none); waits: bool, its memory is freed with the pages of the mmu_gather details["tlb"]"""

Way = namedtuple("Way", "function text facts when optional exact follows", defaults=(None, False, False, False))
Way.__doc__ = """One place where an event shows.

function: its name (str); text: of a line in it (str), None for its entry; facts: function
of an At that returns a list of Fact; when: function that says whether this kernel goes there at all,
None for always; optional: whether the plan is good without it; exact: whether it needs code in the
source's order though it has no text; follows: whether JOINED has to follow what comes before"""


class Unreadable(Exception):
    """A variable that is needed can't be read here; the message says which."""


# What a kernel has.

def has_pt_reclaim():
    """Return whether this kernel reclaims empty PTE tables: CONFIG_PT_RECLAIM.

    Told by a function that is compiled with it only; zap_empty_pte_table() may be there without.
    """
    return known("__tlb_remove_table_one_rcu")


def has_table_batches():
    """Return whether tables wait in batches of their own: CONFIG_MMU_GATHER_TABLE_FREE."""
    try:
        return bool(gdb.lookup_type("struct mmu_table_batch"))
    except gdb.error:
        return False


def knows_machine():
    """Return whether umlab can tell a table from the PMD entry that points to it: on UML."""
    return machine().name == "uml"


def known(function):
    """Return whether this kernel has @function (str), inlined or not."""
    return bool(_places(function))


def _places(function):
    """The places (list of gdb.Symtab_and_line) where @function begins, its inlined copies included."""
    try:
        return [sal for sal in gdb.decode_line(function)[1] or () if sal.symtab is not None]
    except gdb.error:
        return []


# Finding places.

Found = namedtuple("Found", "ways missing")
Found.__doc__ = """Where an event shows: ways (list of (location for a breakpoint, Way)), missing
(list of str: what was looked for in vain, and why)."""


def find(plans):
    """Return the Found of the first plan in @plans (tuples of Way) that this kernel has; no ways if of none."""
    missing = []
    for plan in plans:
        ways, lacks = [], []
        fits = {way: way.when is None or way.when() for way in plan}
        if not all(fits[way] or way.optional for way in plan):
            continue
        for way in (way for way in plan if fits[way]):
            where, why = locate(way)
            if where is not None:
                ways.append((where, way))
            elif not way.optional:
                lacks.append(why)
        if ways and not lacks:
            return Found(ways, [])
        missing += [lack for lack in lacks if lack not in missing]
    return Found([], missing)


def locate(way):
    """Return (location, None) for a breakpoint at @way (Way), or (None, why there is none): strs."""
    places = _places(way.function)
    if not places:
        return None, f"{way.function}(): not in this kernel"
    if (way.text or way.exact) and not all(in_order(sal.symtab) for sal in places):
        return None, f"{way.function}(): optimized, its lines say nothing: build its file with -Og (F=debug)"
    if way.text is None:
        return way.function, None
    symtab = places[0].symtab
    line = source.line_in(symtab, way.function, way.text)
    if line is None:
        return None, f"{way.function}(): no line `{way.text}` in its source, or no source"
    if not any(sal.symtab.linetable().has_line(line) for sal in places):
        return None, f"{way.function}(): no code at `{way.text}`"
    return f"{symtab.filename}:{line}", None


def in_order(symtab):
    """Return whether the code of @symtab (gdb.Symtab) does what its lines say, in their order: -Og or -O0."""
    levels = re.findall(r" -O(\S*)", symtab.producer or "")
    return (symtab.producer or "").startswith("GNU") and (not levels or levels[-1] in ("g", "0"))


# What a stop can be asked.

class At:
    """Where the kernel stands: a frame, and cheap ways to ask it for variables.

    @frame: the newest frame (gdb.Frame)
    """

    _symbols = {}

    def __init__(self, frame):
        self.frame = frame
        self.pc = frame.pc()

    @classmethod
    def forget(cls):
        """Drop what was remembered of the kernel's symbols: another one was loaded."""
        cls._symbols.clear()

    def value(self, name):
        """Return the variable @name (str) as a gdb.Value; of inlined functions here too.  Raises Unreadable."""
        symbol = self._symbols.get((self.pc, name))
        if symbol is None:
            symbol = self._symbols[self.pc, name] = self._find(name)
        try:
            value = symbol.value(self.frame)
            if not value.is_optimized_out:
                return value
        except gdb.error as error:
            raise Unreadable(f"{name} in {self.frame.name()}(): {error}") from None
        raise Unreadable(f"{name} in {self.frame.name()}(): optimized out")

    def number(self, name):
        """Return the variable @name (str) as an int.  Raises Unreadable."""
        return int(self.value(name))

    def _find(self, name):
        block = gdb.block_for_pc(self.pc)
        while block is not None and not block.is_static and not block.is_global:
            for symbol in block:
                if symbol.name == name:
                    return symbol
            block = block.superblock
        raise Unreadable(f"{name} in {self.frame.name()}(): not there")


def caller(at, names, depth=8):
    """Return the nearest frame of a function in @names (str each), at @at (At) or up to @depth (int) out, or None."""
    frame = at.frame
    for _ in range(depth):
        if frame is None or (frame.name() or "").partition(".")[0] in names:
            return frame
        frame = frame.older()
    return None


def level(at):
    """Return (level, address) of the table that is handed to an mmu_gather at @at (At).

    "pte", "pmd"... and the first user address that it serves (int); None each if unknown.
    """
    frame = caller(at, LEVELS)
    if frame is None:
        return None, None
    name = frame.name().partition(".")[0]
    start = source.variable(frame, "start" if name != "free_pte_range" else "addr")
    return LEVELS[name], None if start is None else start & ~(machine().pte_table_span() - 1)


# What each place tells.

def _allocated(at):
    return [Fact("allocated", "pte_alloc_one()", at.number("ptdesc"), {})]


def _populated(at):
    table = int(at.value("pte").dereference())
    return [Fact("populated", "pmd_install()", table, {"mm": at.number("mm"), "pmd": at.number("pmd")})]


def _maybe_populated(at):
    """At the entry of pmd_install(): it does nothing if somebody was faster."""
    try:
        pmd = at.number("pmd")
    except Unreadable:
        return [Fact("populated", "pmd_install(), entry unknown", int(at.value("pte").dereference()), {})]
    return [] if pagetable.is_present(PROBE.number(pmd)) else _populated(at)


def _reclaimed_at_once(at):
    return _reclaimed(at, "every entry was cleared, under one lock")


def _reclaimed_later(at):
    return _reclaimed(at, "looked through again: every entry is none")


def _reclaimed(at, how):
    mm, pmd = at.number("mm"), at.number("pmd")
    table = PROBE.table_in(pmd)
    details = {"mm": mm, "pmd": pmd}
    return [Fact("emptied", how, table, details),
            Fact("taken-out", "reclaim", table, {**details, "entries": PROBE.entries_in(table)})]


def _unmapped(at):
    tlb, pmd = at.value("tlb"), at.number("pmd")
    table = PROBE.table_in(pmd)
    details = {"mm": int(tlb["mm"]), "pmd": pmd, "address": at.number("addr") & ~(uml.PMD_SIZE - 1),
               "entries": PROBE.entries_in(table)}
    return [Fact("taken-out", "unmap", table, details)]


def _collapsed(at):
    pmd = at.number("pmd")
    return [Fact("taken-out", "collapse", PROBE.table_in(pmd), {"pmd": pmd, "address": at.number("address")})]


def _batched(at):
    batch = at.value("batch").dereference()
    return [Fact("batched", "tables of one mmu_gather", at.number("table"),
                 {"tlb": at.number("tlb"), "batch": int(batch), "slot": int(batch["nr"])})]


def _batched_soon(at):
    """At the entry of tlb_remove_table(): the batch may have to be made yet."""
    tlb = at.value("tlb")
    details = {"tlb": int(tlb), "mm": int(tlb["mm"])}
    batch = tlb["batch"]
    if int(batch):
        details.update(batch=int(batch), slot=int(batch["nr"]))
    return [Fact("batched", "tables of one mmu_gather", at.number("table"), details)]


def _taken_out_and_batched(at):
    """As _batched_soon(), for kernels where taking out can't be seen by itself."""
    found, address = level(at)
    if found != "pte":
        return _batched_soon(at)
    how = "reclaim" if caller(at, ("zap_pte_range",)) else "unmap"
    batched = _batched_soon(at)[0]
    details = {"mm": batched.details["mm"]}
    if address is not None:
        details["address"] = address
    return [Fact("taken-out", how, batched.table, details), batched]


def _reclaimed_and_joins(at):
    """At the entry of tlb_remove_table(): what zap_pte_range() brings there was reclaimed just now."""
    facts = _taken_out_and_batched(at)
    return facts[:1] if facts and facts[0].how == "reclaim" else []


def _among_pages(at):
    """tlb_remove_table() without MMU_GATHER_TABLE_FREE: the destructor runs at once, the page waits."""
    tlb = at.value("tlb")
    batch = tlb["active"]
    return [Fact("batched", "among the pages of its mmu_gather", at.number("table"),
                 {"tlb": int(tlb), "mm": int(tlb["mm"]), "batch": int(batch), "slot": int(batch["nr"])}, True)]


class _Joined:
    """Tables among the pages of mmu_gathers, where nothing in memory tells one from a page (no MMU_GATHER_TABLE_FREE)."""

    _MANY = 1024    # entries of one mmu_gather, from which on those of its past are dropped

    def __init__(self):
        self._watch = None
        self._slots = {}    # struct mmu_gather * -> {(batch, slot): table}

    def follow(self):
        """See each table that joins from now on, by a breakpoint that does not stop."""
        if not self.follows():
            self._watch = _Joins(self)

    def follows(self):
        """Return whether follow() is in effect."""
        return self._watch is not None and self._watch.is_valid()

    def leave(self):
        """See no more of them."""
        if self.follows():
            self._watch.delete()
        self._slots.clear()

    def add(self, fact):
        """@fact (Fact), of _among_pages(), is about to come true."""
        tlb = fact.details["tlb"]
        if len(self._slots.get(tlb, ())) >= self._MANY:
            self._slots[tlb] = {(batch, slot): table for batch, slot, table in self.tables(tlb)}
        self._slots.setdefault(tlb, {})[fact.details["batch"], fact.details["slot"]] = fact.table

    def tables(self, tlb):
        """Return [(batch, slot, table)], ints, of those that the struct mmu_gather at @tlb (int) has now."""
        return [(batch, slot, table) for (batch, slot), table in self._slots.get(tlb, {}).items()
                if _is_in(batch, slot, table)]


def _is_in(batch, slot, table):
    """Whether the struct mmu_gather_batch at @batch has @table (ints) at @slot: a gather of before may have had it there."""
    try:
        return slot < PROBE.number(batch + PROBE.offset("mmu_gather_batch", "nr"), 4) and \
            PROBE.number(batch + PROBE.offset("mmu_gather_batch", "encoded_pages") + 8 * slot) == table
    except gdb.MemoryError:
        return False


class _Joins(gdb.Breakpoint):
    """Tells @joined (_Joined) of each table that joins the pages of an mmu_gather, and goes on."""

    def __init__(self, joined):
        super().__init__("tlb_remove_table", internal=True)
        self.silent = True
        self._joined = joined

    def stop(self):
        """gdb asks whether to stop here: never."""
        try:
            for fact in _among_pages(At(gdb.newest_frame())):
                self._joined.add(fact)
        except (Unreadable, gdb.MemoryError):
            pass    # its end is not seen then
        return False


JOINED = _Joined()


def _pages_freed(at):
    return [Fact("freed", "with the pages of its mmu_gather", None, {"tlb": at.number("tlb")})]


def _freed_with_pages(at):
    """At the entry of tlb_batch_pages_flush(): what has joined the pages (JOINED), of the batches that are full or in use."""
    if not JOINED.follows():
        raise Unreadable("which of the pages are tables is not followed: set it with `pt-break free`")
    tlb = at.number("tlb")
    return [Fact("freed", "with the pages of its mmu_gather", table, {"tlb": tlb, "batch": batch, "slot": slot})
            for batch, slot, table in JOINED.tables(tlb)]


def _goes_alone(at):
    tlb = at.value("tlb")
    return [Fact("alone", "no page for a batch", at.number("table"), {"tlb": int(tlb), "mm": int(tlb["mm"])})]


def _goes_alone_bare(at):
    """As _goes_alone(), where only the table can be read."""
    return [Fact("alone", "no page for a batch", at.number("table"), {})]


def _alone(at):
    return _and_rcu(_goes_alone(at))


def _alone_bare(at):
    return _and_rcu(_goes_alone_bare(at))


def _and_rcu(alone):
    """With PT_RECLAIM, a table that goes alone is handed to RCU; without, it's freed after a wait."""
    if not PROBE.known("pt_reclaim", has_pt_reclaim):
        return alone
    return alone + [Fact("rcu", "by itself", alone[0].table, {})]


def _tables_of(batch):
    """(slot, table) of each table in the batch at @batch.  Raises Unreadable if it is corrupt."""
    tables = PROBE.tables_of(batch)
    if not tables:
        raise Unreadable(f"batch at {batch:#x}: corrupt: the number of its tables is none that fits")
    return tables


def _handed_over(at):
    batch = at.number("batch")
    return [Fact("rcu", "its batch", table, {"batch": batch, "slot": slot})
            for slot, table in _tables_of(batch)]


def _deferred(at):
    return [Fact("rcu", "pte_free_defer()", at.number("pgtable"), {})]


def _batch_freed(at):
    batch = at.number("batch")
    how = "RCU's callback" if caller(at, ("tlb_remove_table_rcu",), 3) else "at once"
    return [Fact("freed", how, table, {"batch": batch, "slot": slot}) for slot, table in _tables_of(batch)]


def _batch_freed_by_rcu(at):
    batch = at.number("head") - PROBE.offset("mmu_table_batch", "rcu")
    return [Fact("freed", "RCU's callback", table, {"batch": batch, "slot": slot})
            for slot, table in _tables_of(batch)]


def _one_of_batch_freed(at):
    batch, slot = at.value("batch"), at.number("i")
    how = "RCU's callback" if caller(at, ("tlb_remove_table_rcu",), 3) else "at once"
    return [Fact("freed", how, int(batch["tables"][slot]), {"batch": int(batch), "slot": slot})]


def _one_freed_by_rcu(at):
    return [Fact("freed", "RCU's callback", at.number("head") - PROBE.offset("ptdesc", "pt_rcu_head"), {})]


def _one_freed(at):
    return [Fact("freed", "at once, after a wait for RCU", at.number("table"), {})]


def _page_freed_by_rcu(at):
    return [Fact("freed", "RCU's callback", at.number("head") - PROBE.offset("page", "rcu_head"), {})]


def _given_back(at):
    return [Fact("freed", "at once, unused", at.number("pte_page"), {})]


# The ways.

def _can_see_reclaim():
    return has_pt_reclaim() and knows_machine()


_ZAPPED = Way("zap_empty_pte_table", "pmd_clear(pmd)", _reclaimed_at_once, _can_see_reclaim)
_SCANNED = Way("zap_pte_table_if_empty", "pmd_clear(pmd)", _reclaimed_later, _can_see_reclaim)
_UNMAPPED = Way("free_pte_range", None, _unmapped, knows_machine)
_COLLAPSED = Way("pmdp_collapse_flush", None, _collapsed, knows_machine, optional=True)
_JOINS = Way("tlb_remove_table", None, _batched_soon, has_table_batches)
_JOINS_PAGES = Way("tlb_remove_table", None, _among_pages, lambda: not has_table_batches())
_ALONE = Way("tlb_remove_table", "tlb_remove_table_one(table)", _alone, has_table_batches)
_ALONE_BARE = Way("__tlb_remove_table_one", None, _alone_bare, has_table_batches)
_ONE_FREED_BY_RCU = Way("__tlb_remove_table_one_rcu", None, _one_freed_by_rcu, has_pt_reclaim)
_ONE_FREED = Way("__tlb_remove_table_one", "__tlb_remove_table(table)", _one_freed,
                 lambda: has_table_batches() and not has_pt_reclaim(), optional=True)
_GIVEN_BACK = Way("pte_free", None, _given_back, optional=True)
_DEFERRED_FREED = Way("pte_free_now", None, _page_freed_by_rcu, optional=True)

# What pt-life watches: event -> plans, best first.
LIFE = {
    "allocated": (
        (Way("__pte_alloc_one_noprof", "return ptdesc_page(ptdesc)", _allocated),),
    ),
    "populated": (
        (Way("pmd_install", "pmd_populate(", _populated),),
        (Way("pmd_install", None, _maybe_populated),),
    ),
    "taken-out": (
        (_ZAPPED, _SCANNED, _UNMAPPED, _COLLAPSED),
        (_UNMAPPED._replace(when=lambda: knows_machine() and not has_pt_reclaim()), _COLLAPSED),
    ),
    "batched": (
        (Way("tlb_remove_table", "->tables[", _batched, has_table_batches), _ALONE),
        (_JOINS_PAGES,),
        (_JOINS._replace(facts=_taken_out_and_batched), _ALONE_BARE),
    ),
    "rcu": (
        (Way("tlb_remove_table_free", "call_rcu(", _handed_over, has_table_batches),
         Way("pte_free_defer", None, _deferred, optional=True)),
    ),
    "freed": (
        (Way("__tlb_remove_table_free", None, _batch_freed, has_table_batches, exact=True),
         _ONE_FREED_BY_RCU._replace(optional=True), _ONE_FREED, _GIVEN_BACK, _DEFERRED_FREED),
        (Way("tlb_batch_pages_flush", None, _pages_freed, lambda: not has_table_batches()),
         _GIVEN_BACK, _DEFERRED_FREED),
        (Way("tlb_remove_table_rcu", None, _batch_freed_by_rcu, has_table_batches),
         _ONE_FREED_BY_RCU._replace(optional=True), _DEFERRED_FREED),
    ),
}

# What pt-break stops at: meaning -> plans, best first.  Of what a place tells, the last Fact counts.
BREAKS = {
    "reclaim": (
        (_ZAPPED, _SCANNED),
        (Way("tlb_remove_table", None, _reclaimed_and_joins, has_pt_reclaim),),
    ),
    "gather": (
        (_JOINS,),
        (_JOINS_PAGES,),
    ),
    "fallback": (
        (_ALONE._replace(facts=_goes_alone),),
        (_ALONE_BARE._replace(facts=_goes_alone_bare),),
    ),
    "free": (
        (Way("__tlb_remove_table_free", "__tlb_remove_table(batch->tables[i])", _one_of_batch_freed,
             has_table_batches),
         _ONE_FREED_BY_RCU._replace(optional=True), _ONE_FREED, _GIVEN_BACK, _DEFERRED_FREED),
        (Way("tlb_batch_pages_flush", None, _freed_with_pages, lambda: not has_table_batches(), follows=True),
         _GIVEN_BACK, _DEFERRED_FREED),
        (Way("tlb_remove_table_rcu", None, _batch_freed_by_rcu, has_table_batches),
         _ONE_FREED_BY_RCU._replace(optional=True), _DEFERRED_FREED),
    ),
}


def functions_at(pc):
    """Return the names (set of str) of the function that @pc (int) is in, and of those inlined there."""
    names = set()
    block = gdb.block_for_pc(pc)
    while block is not None and not block.is_static and not block.is_global:
        if block.function is not None:
            names.add(block.function.name)
        block = block.superblock
    return names

gdb.events.new_objfile.connect(lambda _: At.forget())
gdb.events.clear_objfiles.connect(lambda _: At.forget())
