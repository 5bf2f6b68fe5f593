# SPDX-License-Identifier: GPL-2.0
"""pt-host: the kernel's page tables beside what the host maps for the process."""

import gdb

from .. import census, host, page
from ..command import Argument, Command, Function, Problem, space, space_of, span
from ..machines import uml
from .walk import page_in_words

# More lines than a person reads; where the two differ is printed beyond that, as much again.
_LINES = 100


class Host(Command):
    """Compare page tables with the host's mappings: pt-host ADDR|RANGE [TASK]

    A process of the guest runs in a process of the host, the stub, whose
    mappings follow the kernel's page tables with a delay. Shows both, pages
    that are alike as one range, and judges each:
      same      the host maps what the tables say
      allowed   it gives less: the page isn't accessed or not dirty yet
      pending   a sync that is due, or a call queued in the stub, will mend it
      unmarked  NEEDSYNC is set, but nothing is marked: so it is for a moment
                after an entry was changed; otherwise it was forgotten
      at risk   a sync that comes before the next flush would forget it
      STALE     the process can use what was taken away, and nothing that is
                due mends it: a bug (docs/uml-bugs.md, 1)
      MISSING   the host gives less and nothing is due: also a bug
    The question asked is: would um_tlb_sync(), run now to its end, mend it?

    ADDR   one page; an expression, such as 0x40000000
    RANGE  START-END or START+LENGTH
    TASK   whose: `current` (the default), a pid, a struct task_struct * or a
           struct mm_struct *

    In expressions and conditions:
      $pt_stale([TASK])  how many pages of the address space are STALE
    In scripts: umlab.host.compare(mm, start, end), host.due(mm)"""

    name = "pt-host"
    only_uml = True
    arguments = (Argument("ADDR|RANGE", span), Argument("TASK", space, "current"))

    def run(self, where, whose):  # pylint: disable=arguments-differ
        start, end = where
        limit = census.limit_of(whose.mm)
        pid = host.stub_of(whose.mm)
        if start >= limit:
            raise Problem("address", hex(start), f"user space ends at {limit:#x}")
        ranges = host.compare(whose.mm, start, end)
        running = ", which runs user code now: what is pending is still in use"
        print(f"{whose.name}, mm {int(whose.mm):#x}; its stub on the host is process {pid}"
              + (running if host.is_running(whose.mm, pid) else ""))
        print(due_line(host.due(whose.mm)))
        for line in lines(ranges):
            print(line)
        print(sums(ranges))
        if len(ranges) == 1 and ranges[0].end - ranges[0].start == uml.PAGE_SIZE and ranges[0].frame is not None:
            print(f"what the host maps: {page_in_words(page.pfn_to_page(ranges[0].frame))}")


def due_line(due):
    """Return @due (host.Due) in a line."""
    marked = f"{due.marked[0]:#x}-{due.marked[1]:#x}" if due.marked else "nothing"
    queued = f"{len(due.queue)} calls" if due.queue else "nothing"
    error = f"; a call on the host failed: errno {-due.error}" if due.error else ""
    return f"marked for sync: {marked}; queued in the stub: {queued}; mmu_gathers open: {due.gathers}{error}"


def sums(ranges):
    """Return how many pages of @ranges (list of host.Range) have which verdict, in a line."""
    neither = sum(host.pages_of(one) for one in ranges if one.is_nothing)
    counts = host.count(ranges)
    counts["same"] -= neither
    words = [f"{number} {verdict}" for verdict, number in counts.items() if number]
    return ", ".join(words + [f"{neither} that neither maps"] if neither else words)


def lines(ranges):
    """Return the table (list of str) of @ranges (list of host.Range)."""
    found = [f"{'range':33}{'pages':>9}  {'kernel':30}{'host':26}verdict"]
    left_out, wrong = 0, 0
    for one in ranges:
        bad = one.verdict != "same"
        if len(found) > _LINES and not (bad and wrong < _LINES):
            left_out += 1
            continue
        wrong += bad
        why = f": {one.why}" if one.why else ""
        found.append(f"{one.start:#x}-{one.end:#x}".ljust(33) + f"{host.pages_of(one):9}  "
                     f"{one.kernel:29} {one.host:25} {one.verdict}{why}")
    if left_out:
        found.append(f"... and {left_out} more ranges: ask for a smaller one")
    return found


class _Stale(Function):
    """Return how many pages of a task's address space the host still maps that the kernel took away."""

    name = "pt_stale"
    only_uml = True

    def value(self, whose="current"):
        return host.stale_pages(space_of(whose).mm)


Host()
_Stale()
