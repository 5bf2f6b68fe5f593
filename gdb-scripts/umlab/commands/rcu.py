# SPDX-License-Identifier: GPL-2.0
"""rcu-tables: page tables that wait for a grace period."""

from collections import Counter, namedtuple

import gdb

from .. import rcu, sched
from ..command import Command, Function
from .gather import counted, record_of, table_in_words

# Lines of one list.
SHOWN = 16

Waiting = namedtuple("Waiting", "ended active lists running waiters tables callbacks")
Waiting.__doc__ = """What waits for RCU: ended (int, number of the last grace period that is over, None with
tiny RCU), active (bool, the next one runs), lists (list of rcu.List), running (list of rcu.Running),
waiters (list of struct task_struct * or None, callers of synchronize_rcu()), tables (list of int,
addresses of struct ptdesc), callbacks (int, how many callbacks free them)."""


def waiting():
    """Return what waits for RCU (Waiting): what rcu-tables shows."""
    lists, running = rcu.callback_lists(), rcu.running()
    found = [c for one in lists for segment in one.segments for c in segment.callbacks]
    found += [c for one in running for c in one.rest + ([one.now] if one.now else [])]
    callbacks = {c.head: c for c in found}.values()
    heads = [c.head for c in callbacks if rcu.is_waiter(c)] + rcu.synchronizers()
    ended, active = rcu.progress()
    return Waiting(ended, active, lists, running, [rcu.waiter_of(head) for head in heads],
                   rcu.waiting_tables(), sum(rcu.frees(c) is not None for c in callbacks))


class RcuTables(Command):
    """Show the page tables that wait for RCU: rcu-tables

    For each CPU the callbacks that wait for a grace period, by the segment of
    its list: which grace period they wait for and whether it is over; those
    that free page tables (tlb_remove_table_rcu: a batch; one table alone, when
    no page for a batch was to be had; pte_free_defer) with the tables, others
    counted by their function.  Then the callbacks that are being run now, and
    the callers of synchronize_rcu().  Callbacks that a task was running when
    another task took its CPU are not seen.

    In expressions and conditions:
      $rcu_tables()  the number of tables that wait"""

    name = "rcu-tables"

    def run(self):  # pylint: disable=arguments-differ
        found = waiting()
        print(periods_in_words(found))
        for one in found.lists:
            print_list(one, found)
        for one in found.running:
            print_running(one)
        if found.waiters:
            print(f"synchronize_rcu(): {counted(len(found.waiters), 'caller')} waiting: " +
                  "; ".join(task_in_words(task) for task in found.waiters[:SHOWN]))
        wait = "waits" if len(found.tables) == 1 else "wait"
        print(f"{counted(len(found.tables), 'table')} in {counted(found.callbacks, 'callback')} {wait}")


def task_in_words(task):
    """Return @task (struct task_struct * or None) in words."""
    return sched.describe(task) if task is not None else "unknown"


def periods_in_words(found):
    """Return where RCU is, by @found (Waiting), in words."""
    if found.ended is None:
        return "tiny RCU: a grace period is over when this CPU schedules or returns to user space"
    return f"grace period {found.ended} is over, " + \
        (f"{found.ended + 1} runs" if found.active else "none runs")


def print_list(one, found):
    """Print the callbacks of one CPU, @one (rcu.List of @found, a Waiting)."""
    total = sum(len(segment.callbacks) for segment in one.segments)
    print(f"CPU {one.cpu}: {counted(total, 'callback') if total else 'no callbacks'}" +
          (f" ({one.wrong})" if one.wrong else ""))
    for segment in one.segments:
        if segment.callbacks:
            many = counted(len(segment.callbacks), "callback")
            print(f"  {segment.name}: {many}, {waits_for(segment, found)}")
            print_callbacks(segment.callbacks)


def waits_for(segment, found):
    """Return what the callbacks of @segment (rcu.Segment of @found, a Waiting) wait for, in words."""
    if segment.name == "done":
        return "whose grace period is over: they may run"
    if segment.period is None:
        return "for the next quiescent state" if found.ended is None else "not given a grace period yet"
    if segment.over:
        return f"for grace period {segment.period}, which is over: this CPU has not noticed yet"
    if found.active and segment.period == found.ended + 1:
        return f"for grace period {segment.period}, which runs"
    return f"for grace period {segment.period}, which has not begun"


def print_callbacks(callbacks, gone=0):
    """Print @callbacks (list of rcu.Callback): tables one by one, cut after SHOWN callbacks, others counted.

    @gone (int) tables of the first one are freed already.
    """
    pairs = [(callback, rcu.frees(callback)) for callback in callbacks]
    ours = [freed for _, freed in pairs if freed is not None]
    for freed in ours[:SHOWN]:
        print_freed(freed, gone)
        gone = 0
    if len(ours) > SHOWN:
        print(f"    ... and {len(ours) - SHOWN} more that free tables")
    others = Counter(callback.function for callback, freed in pairs if freed is None)
    if others:
        names = [f"{number} {name}" for name, number in others.most_common(SHOWN)]
        more = ", ..." if len(others) > SHOWN else ""
        print("    others: " + ", ".join(names) + more)


def print_freed(freed, gone):
    """Print the tables of @freed (rcu.Freed), the first @gone (int) of which are freed already."""
    if freed.batch is None:
        print(f"    {freed.how}: {known_of(freed.tables[0])}")
        return
    text = f"    {freed.how}, (struct mmu_table_batch *) {freed.batch:#x}: "
    print(text + (freed.wrong or counted(len(freed.tables), "table")) +
          (f", {gone} freed already" if gone else ""))
    left = list(enumerate(freed.tables))[gone:]
    for number, table in left[:SHOWN]:
        print(f"      {number:3} {known_of(table)}")
    if len(left) > SHOWN:
        print(f"      ... and {len(left) - SHOWN} more")


def known_of(ptdesc):
    """Return the table of @ptdesc (int, address of its ptdesc) in words, with what pt-life knows of it."""
    record = record_of(ptdesc)
    if record is None:
        return table_in_words(ptdesc)
    at = f" for {record.address:#x}" if record.address is not None else ""
    return f"{table_in_words(ptdesc)}: {str(record.level).upper()} table{at} (pt-life)"


def print_running(one):
    """Print the callbacks that are being run, @one (rcu.Running)."""
    what = f"{one.now.function}({one.now.head:#x})" if one.now else "none, or its argument is optimized out"
    print(f"being run on CPU {one.cpu} (gdb thread {one.thread}): {what}; " +
          (one.wrong or f"{counted(len(one.rest), 'callback')} to follow"))
    if one.now is not None and rcu.frees(one.now) is not None:
        print_callbacks([one.now], one.gone)
    print_callbacks(one.rest)


class _RcuTables(Function):
    """Return the number of page tables that wait for RCU."""

    name = "rcu_tables"

    def value(self):
        return len(rcu.waiting_tables())


RcuTables()
_RcuTables()
