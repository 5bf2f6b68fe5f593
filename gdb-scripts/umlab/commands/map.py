# SPDX-License-Identifier: GPL-2.0
"""pt-map: the tree of tables of an address space, and those of all of them counted."""

import bisect
import itertools
import re
from collections import namedtuple

import gdb

from .. import census, mm
from ..command import Argument, Command, Function, Problem, space, space_of, span
from ..machines import uml

# A pid is below this (PID_MAX_LIMIT); a larger number is an address.
_PID_LIMIT = 1 << 22

# START-END or START+LENGTH; the minus of an arrow, as in $um_task(1)->mm, is none.
_RANGE = re.compile(r"^[^-+]+(-(?!>)|\+).+$")

# Tables that nothing reaches are listed up to here.
_LISTED = 8


def whose_or_all(text):
    """Return the Space that @text (str) names, None for `all`."""
    return None if text == "all" else space(text)


whose_or_all.complete = lambda: ["all"] + space.complete()


class Map(Command):
    """Show the tree of page tables of an address space: pt-map [TASK] [RANGE]

    Upper tables are indented, with how many of their entries are in use. Each
    PTE table has a line: what it serves, where it is, how many of its entries
    are present, protnone (PROT_NONE), swap, marker (guard regions, poison) or
    special (migration and the like), the rest is none; and the VMAs there.
    Neighbours that look the same are folded into one line, "x 511". A table
    whose entries are all none is EMPTY: what PT_RECLAIM frees. At the end the
    number of tables is compared with VmPTE.

    TASK   whose: `current` (the default), a pid, a struct task_struct * or a
           struct mm_struct * (&init_mm is the kernel's own), or `all`: a line
           for each address space, compared with nr_page_table_pages
    RANGE  only tables that serve START-END, START+LENGTH or an address

    In expressions and conditions:
      $pt_tables([TASK])  number of PTE tables
      $pt_empty([TASK])   number of empty ones among them
    In scripts: umlab.census.census(mm, start, end), census.spaces()"""

    name = "pt-map"
    only_uml = True
    arguments = (Argument("TASK", whose_or_all, "current"), Argument("RANGE", span, ""))

    def parse(self, words):
        """As the base does, but RANGE may come without a TASK before it."""
        if len(words) == 1 and is_range(words[0]):
            words = ["current", words[0]]
        if len(words) < 2:
            return [whose_or_all(words[0] if words else "current"), None]
        return super().parse(words)

    def run(self, whose, where):  # pylint: disable=arguments-differ
        if whose is None and where:
            raise Problem("range", f"{where[0]:#x}-{where[1]:#x}", "not together with `all`: leave one out")
        if whose is None:
            show_all()
        else:
            show(whose, where)


def is_range(text):
    """Return whether @text (str), the only argument, is a range or an address, rather than a task."""
    if text in ("all", "current"):
        return False
    if _RANGE.match(re.sub(r"\([^()]*\)", "", text)):
        return True
    try:
        value = gdb.parse_and_eval(text)
        return value.type.strip_typedefs().code == gdb.TYPE_CODE_INT and int(value) >= _PID_LIMIT
    except gdb.error:
        return False


# ---- one address space ----

def show(whose, where):
    """Print the tables of @whose (Space) that serve @where ((start, end), None for all)."""
    start, end = where or (0, None)
    limit = census.limit_of(whose.mm)
    if start >= limit:
        raise Problem("range", hex(start), f"the tables of {whose.name} end at {limit:#x}")
    found = census.census(whose.mm, start, end)
    print(f"{whose.name}, mm {int(whose.mm):#x}, PGD at {found.pgd:#x}")
    names = VmaNames(whose.mm)
    for level, group in itertools.groupby(found.nodes, key=lambda node: node.level):
        if level == "pte":
            for fold in folded(group, names):
                print(pte_line(fold))
        else:
            for node in group:
                print(upper_line(node))
    for line in total_lines(found):
        print(line)
    if found.corrupt:
        raise Problem("tables", f"{len(found.corrupt)} broken entries" if len(found.corrupt) > 1 else
                      "a broken entry", "; ".join(map(in_words, found.corrupt)))


class VmaNames:
    """The VMAs of @whose (struct mm_struct *) in few words, for ranges."""

    def __init__(self, whose):
        self._vmas, self._nothing, self._names = [], "" if census.is_kernel(whose) else "no VMA", {}
        try:
            self._vmas = mm.vmas(whose)
        except gdb.error as error:
            # A tree that is changed at this moment; the tables are worth seeing all the same.
            self._nothing = f"VMAs can't be read: {error}"
        self._ends = [vma.end for vma in self._vmas]

    def between(self, start, end):
        """Return what is mapped in @start..@end (int): 'rw-p anonymous', 'r-xp /init and 2 more'."""
        at = bisect.bisect_right(self._ends, start)
        here = []
        while at < len(self._vmas) and self._vmas[at].start < end:
            here.append(self._name(at))
            at += 1
        if not here:
            return self._nothing
        others = f" and {len(here) - 1} more" if len(here) > 1 else ""
        return here[0] + others

    def _name(self, at):
        if at not in self._names:
            self._names[at] = f"{mm.permissions(self._vmas[at])} {_name(self._vmas[at])}"
        return self._names[at]


def _name(vma):
    try:
        return mm.name(vma)
    except gdb.error as error:
        return f"name can't be read: {error}"


Fold = namedtuple("Fold", "first last count vmas")
Fold.__doc__ = "Neighbouring PTE tables of one shape: first and last (Node), count (int), vmas (str)."


def folded(nodes, names):
    """Yield a Fold for each run of neighbouring PTE tables in @nodes (Nodes) that look the same."""
    fold = None
    for node in nodes:
        vmas = names.between(node.start, node.end)
        if fold and fold.last.end == node.start and fold.last.kinds == node.kinds and fold.vmas == vmas:
            fold = fold._replace(last=node, count=fold.count + 1)
            continue
        if fold:
            yield fold
        fold = Fold(node, node, 1, vmas)
    if fold:
        yield fold


def upper_line(node):
    """Return the line of the PUD or PMD table @node (census.Node)."""
    depth = [name for name, _ in uml.LEVELS].index(node.level)
    used = uml.ENTRIES - node.kinds["none"]
    words = f"{used} of {uml.ENTRIES} entries used" if used else "EMPTY"
    return (f"{'  ' * (depth - 1)}{node.level.upper()} table {node.start:#x}-{node.end:#x}  "
            f"at {node.address:#x}  {words}")


def pte_line(fold):
    """Return the line of the PTE tables of @fold (Fold)."""
    where = f"x {fold.count}" if fold.count > 1 else f"at {fold.first.address:#x}"
    return (f"    {fold.first.start:#x}-{fold.last.end:#x}".ljust(34) +
            f"{where:14}{in_numbers(fold.first):40}  {fold.vmas}")


def in_numbers(node):
    """Return the entries of the PTE table @node (census.Node) in words: '64 present, 448 none'."""
    words = ", ".join(f"{node.kinds[kind]} {kind}" for kind in census.KINDS if node.kinds[kind])
    return words + (", EMPTY" if census.is_empty(node) else "")


def in_words(corrupt):
    """Return the census.Corrupt @corrupt in words."""
    return f"{corrupt.level} entry at {corrupt.address:#x} (for {corrupt.start:#x}): corrupt: {corrupt.why}"


def total_lines(found):
    """Return the lines (list of str) with the totals of @found (census.Census)."""
    lines = []
    for name, level in (("PTE", "pte"), ("PMD", "pmd"), ("PUD", "pud")):
        number, empty = len(found.of_level(level)), len(found.empty(level))
        note = f"   {empty} EMPTY: no entry in use" if empty else ""
        lines.append(f"{name} tables {number:7} {number * uml.PAGE_SIZE >> 10:8} kB{note}")
    lines.append(f"together   {len(found.nodes):7} {found.size() >> 10:8} kB   {against_vmpte(found)}")
    return lines


def against_vmpte(found):
    """Return in words how @found (census.Census) compares with VmPTE, and why it may differ."""
    if not found.whole:
        return "in this range; VmPTE counts all"
    counted, size = found.counted(), found.size()
    if census.is_kernel(found.mm):
        # __pte_alloc_kernel() does not count.
        size -= len(found.of_level("pte")) * uml.PAGE_SIZE
        return f"PMD and PUD tables are counted, {counted >> 10} kB: " + ("equal" if counted == size else "NOT equal")
    if counted == size:
        return f"VmPTE {counted >> 10} kB: equal (the PGD is not in it)"
    missing = abs(counted - size) >> 10
    if counted > size:
        return (f"VmPTE {counted >> 10} kB: {missing} kB more than is reached: tables that were just taken out "
                "(mm_dec_nr_ptes() comes after pmd_clear()) or are about to be put in")
    return (f"VmPTE {counted >> 10} kB: {missing} kB less than is reached: a table that is in use was "
            "given up already: no moment of a sound kernel looks so")


# ---- all of them ----

def show_all():
    """Print a line for each address space, and how their tables add up to nr_page_table_pages."""
    frames = census.Frames()
    print(f"{'mm':12}{'PTE':>7}{'EMPTY':>7}{'PMD':>6}{'PUD':>6}{'PGD':>6}{'VmPTE kB':>10}  whose")
    sums, broken = [0, 0, 0, 0, 0], []
    for whose, name in census.spaces():
        found = census.census(whose, frames=frames)
        broken += found.corrupt
        # swapper_pg_dir is a variable, which nobody allocated.
        row = [len(found.of_level("pte")), len(found.empty()), len(found.of_level("pmd")),
               len(found.of_level("pud")), int(not census.is_kernel(whose) and found.pgd in frames.reached)]
        sums = [a + b for a, b in zip(sums, row)]
        vmpte = found.counted() >> 10
        note = "" if found.size() == found.counted() or census.is_kernel(whose) else \
            f": differs, see pt-map (struct mm_struct *){int(whose):#x}"
        print(f"{int(whose):#x}".ljust(12) + "{:7}{:7}{:6}{:6}{:6}".format(*row) + f"{vmpte:10}  {name}{note}")
    print("together".ljust(12) + "{:7}{:7}{:6}{:6}{:6}".format(*sums))
    for line in balance(sum(sums) - sums[1], frames):
        print(line)
    if broken:
        raise Problem("tables", f"{len(broken)} broken entries", "; ".join(map(in_words, broken)))


def balance(reached, frames):
    """Return the lines (list of str) that compare @reached (int, tables) with nr_page_table_pages."""
    total = census.page_table_pages()
    waiting = frames.unreached()
    counted = total.shared + sum(total.per_cpu.values())
    late = ", ".join(f"CPU {cpu} {diff:+}" for cpu, diff in total.per_cpu.items() if diff)
    lines = [f"nr_page_table_pages  {counted:6}   " + (f"{total.shared} in vmstat, {late} not added to it yet"
                                                       if late else f"{total.shared} in vmstat"),
             f"reached above        {reached:6}"]
    if waiting:
        some = " ".join(hex(at) for at in waiting[:_LISTED]) + (" ..." if len(waiting) > _LISTED else "")
        lines.append(f"not reached          {len(waiting):6}   from any address space: waiting for RCU, or in an "
                     f"mmu_gather (rcu-tables, mg-show): {some}")
    missing = counted - reached - len(waiting)
    lines.append("equal" if not missing else
                 f"they differ by {missing:+}: a table that is being set up or freed at this moment is counted "
                 "before or after it is marked as one; else it's a leak")
    return lines


# ---- for expressions ----

class _Tables(Function):
    """Return the number of PTE tables of a task's address space."""

    name = "pt_tables"
    only_uml = True

    def value(self, whose="current"):
        return len(census.census(space_of(whose).mm).of_level("pte"))


class _Empty(Function):
    """Return the number of PTE tables of a task's address space all of whose entries are none."""

    name = "pt_empty"
    only_uml = True

    def value(self, whose="current"):
        return len(census.census(space_of(whose).mm).empty())


Map()
_Tables()
_Empty()
