# SPDX-License-Identifier: GPL-2.0
"""rcu-tables against all pages that are tables, and against what was given back."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import gdb  # noqa: E402

import lib  # noqa: E402
from gatherlib import (  # noqa: E402
    BATCHED, G, anywhere, check_all_found, counted_tables, gathered_tables, go_back, go_to, in_function,
    in_ours, our_mm, poke, quietly, tables_at, unreached_tables)
from umlab import gather, rcu, source  # noqa: E402
from umlab.commands import rcu as show  # noqa: E402

OURS = "tlb_remove_table_rcu"
PTDESC = r"\(struct ptdesc \*\)"


def shows(name, pattern):
    """As lib.like(), of rcu-tables."""
    lib.like(name, "rcu-tables", pattern)


def pairs():
    """Return [(segment, callback)] of all callbacks in all lists that free tables."""
    return [(segment, callback) for one in rcu.callback_lists() for segment in one.segments
            for callback in segment.callbacks if rcu.frees(callback)]


def walk_through(function):
    """Step through @function (str), where the kernel stands, by instructions.

    Returns [(number of tables that wait, whether a list says that it can't be trusted)] of each.
    """
    seen = []
    gdb.execute("set scheduler-locking step")
    while in_function(function) and len(seen) < 500:
        seen.append((len(rcu.waiting_tables()), any(one.wrong for one in rcu.callback_lists())))
        quietly("stepi")
    gdb.execute("set scheduler-locking replay")
    return seen


def to_enqueue():
    """Go to where our process hands a batch of tables to RCU."""
    go_to("rcu_segcblist_enqueue", enqueues_batch)


def enqueues_batch(frame):
    """Whether it is a batch of tables that @frame (gdb.Frame, in rcu_segcblist_enqueue()) is given."""
    head = source.find(frame, "rcu_segcblist_enqueue").read_var("rhp")
    return int(head["func"]) == int(gdb.parse_and_eval(f"&{OURS}"))


def leave(function, condition=anywhere):
    """Go to where @function (str), which is on the stack, returns to."""
    go_to(f"*{source.find(gdb.newest_frame(), function).older().pc():#x}", condition)


def nothing_waits(when):
    """Check that no table waits, @when (str)."""
    lib.equal(f"{when}: nothing waits", rcu.waiting_tables(), [])
    shows("... rcu-tables", "^0 tables in 0 callbacks wait$")


def test_built():
    """Once all is quiet; the guest counts as we do."""
    nothing_waits("at the start")
    lib.equal("nr_page_table_pages", counted_tables() * 4, FACTS.page_tables_kb_built)
    lib.equal("$rcu_tables()", int(gdb.parse_and_eval("$rcu_tables()")), 0)
    shows("where RCU is", r"^grace period \d+ is over, (none|\d+) runs$")
    for one in rcu.callback_lists():
        shows(f"CPU {one.cpu}", f"^CPU {one.cpu}: ")
    lib.fails("an argument", "rcu-tables 1", "rcu-tables: argument: 1: too many")
    lib.like("help", "help rcu-tables", r"\$rcu_tables\(\)")


def test_enqueue(expected):
    """At each instruction of the enqueue all or none of the batch is there."""
    to_enqueue()
    seen = walk_through("rcu_segcblist_enqueue")
    numbers = [waiting for waiting, _ in seen]
    lib.equal("amid the enqueue: none, then all of the batch", sorted(set(numbers)), [0, len(expected)])
    lib.check("... in that order", numbers == sorted(numbers), numbers)
    torn = {waiting for waiting, wrong in seen if wrong}
    lib.equal("... it is there before the list's tail says so", torn, {len(expected)})
    # No interrupt comes in between, which might give it a grace period.
    lib.equal("after it: in one callback, without a grace period",
              [(segment.name, segment.period, segment.over) for segment, _ in pairs()], [("next", None, False)])
    shows("... said so", r"^  next: \d+ callbacks?, not given a grace period yet$")
    lib.equal("the tables that wait are those that the walk showed", rcu.waiting_tables(), expected)
    shows("... the batch", rf"^    batch, \(struct mmu_table_batch \*\) 0x\w+: {len(expected)} tables$")
    for n, table in enumerate(expected):
        shows(f"... table {n}",
              rf"^ +{n} {PTDESC} {table:#x}, page frame 0x\w+, type table, references 1, empty$")
    shows("... the sum", f"^{len(expected)} tables in 1 callback wait$")
    lib.equal("$rcu_tables()", int(gdb.parse_and_eval("$rcu_tables()")), len(expected))


def test_grace_period():
    """The number that the callback waits for is that of the grace period which ends it."""
    for _ in range(5):
        go_to("rcu_gp_cleanup", anywhere)
        if all(segment.period for segment, _ in pairs()):
            break
    ended, active = rcu.progress()
    lib.check("a grace period runs", active, ended)
    check_all_found("while it does")
    [(segment, callback)] = pairs()
    wanted = segment.period
    lib.check("the callback waits for it, or for the next", wanted in (ended + 1, ended + 2), (segment, ended))
    lib.check("... it is not over", not segment.over, segment)
    shows("... said so", rf"^  (wait|next-ready): .*, for grace period {wanted}, which (runs|has not begun)$")
    for _ in range(5):
        go_to("rcu_segcblist_extract_done_cbs", anywhere)
        if [(found.name, one) for found, one in pairs()] == [("done", callback)]:
            break
    lib.check("when it is done, that one is over", rcu.progress()[0] >= wanted, (rcu.progress(), wanted))
    lib.check("... and the segment says so", pairs()[0][0].over, pairs())


def test_extract(expected):
    """At each instruction of the move to the stack all of them are seen, once."""
    seen = walk_through("rcu_segcblist_extract_done_cbs")
    lib.equal("amid the move: all, once", {number for number, _ in seen}, {len(expected)})
    lib.check("... many instructions", len(seen) > 20, len(seen))
    [running] = rcu.running()
    freed = [rcu.frees(callback).tables for callback in running.rest if rcu.frees(callback)]
    lib.equal("then they are on the stack", freed, [expected])


def test_run(expected):
    """While the callback runs the tables go one by one."""
    count = len(expected)
    go_to(OURS, anywhere)
    shows("the callback runs", rf"^being run on CPU \d+ \(gdb thread \d+\): {OURS}\(0x\w+\); ")
    lib.equal("all tables are there still", rcu.waiting_tables(), expected)
    said = lib.output("rcu-tables")
    lib.like("... pt-frame shows another stack", "pt-frame 1", "^init, pid 1: S ")
    lib.equal("... and the callback still runs on this one", lib.output("rcu-tables"), said)
    lib.like("... by pt-here, too", "pt-here", r", interrupted by RCU: .*\ngdb looks at a task that waits")
    gdb.execute("pt-frame off", to_string=True)
    for number in range(count):
        go_to("pagetable_dtor", anywhere)
        lib.equal(f"table {number} is being freed", rcu.waiting_tables(), expected[number:])
    shows("... said so",
          rf"^    batch, .*: {count} tables, {count - 1} freed already\n +{count - 1} {PTDESC} {expected[-1]:#x}")
    leave(OURS)
    nothing_waits("after the callback")
    lib.resume("FEW_GONE")
    lib.equal("nr_page_table_pages after it", counted_tables() * 4, lib.Facts().page_tables_kb_few_gone)


def test_alone():
    """No page for a batch: the table goes to RCU alone."""
    expected = tables_at("ONE", our_mm())
    go_to(lib.BATCH_PAGE, lambda frame: in_ours(frame) and lib.for_batch(frame))
    lib.give_none()
    go_to("tlb_finish_mmu")
    lib.equal("a table alone waits", rcu.waiting_tables(), expected)
    shows("... said so", rf"^    alone, since .*: {PTDESC} {expected[0]:#x}, page frame ")
    check_all_found("with a table alone")
    go_to("pagetable_dtor", anywhere)
    shows("... being run", r"^being run .*: __tlb_remove_table_one_rcu\(0x")
    lib.equal("... it is still there", rcu.waiting_tables(), expected)
    lib.resume("ONE_GONE")
    nothing_waits("after its callback")


def test_many():
    """More tables than a batch holds."""
    to_enqueue()
    leave("rcu_segcblist_enqueue")
    lib.equal("a full batch", len(rcu.waiting_tables()), gather.max_tables())
    shows("... cut", rf"^      \.\.\. and {gather.max_tables() - show.SHOWN} more$")
    test_planted()
    to_enqueue()
    leave("rcu_segcblist_enqueue")
    # Whole batches may be through already, and one be half through: this process can have been interrupted.
    found, total = len(rcu.waiting_tables()), G["MANY_TABLES"] + G["MANY_UPPER"]
    lib.check("the rest follows", 0 < found <= total, (found, total))
    check_all_found("after munmap() of many")
    lib.resume("MANY_GONE")
    nothing_waits("in the end")
    lib.equal("nr_page_table_pages in the end", counted_tables() * 4, lib.Facts().page_tables_kb_many_gone)


def test_planted():
    """What can't be: a batch that says too much, lists that loop or lead nowhere."""
    head, word = pairs()[-1][1].head, "unsigned long"
    # struct rcu_head: next, func; it is the first member of a batch, its nr follows.
    for name, where, value, size, expected in (
            ("a batch with too many", head + 16, 1 << 31, "unsigned int", "corrupt: it says 2147483648 tables"),
            ("a list that loops", head, head, word, r"^CPU \d: .*\(corrupt: .*a loop"),
            ("a list into nowhere", head, 0x10, word, r"^CPU \d: .*\(corrupt: .* 0x10, which can't be read"),
            ("a function that is none", head + 8, 0x123456, word, "^    others: .*1 unknown 0x123456"),
            ("kfree_rcu()", head + 8, 16, word, "^    others: .*1 kfree_rcu, offset 16")):
        restore = poke(where, value, size)
        shows(name, expected)
        restore()
    lib.equal("all is as before", len(rcu.waiting_tables()), gather.max_tables())


def test_synchronize():
    """Who waits in synchronize_rcu(); membarrier() does, with more than one CPU."""
    for _ in range(20):
        go_to("rcu_gp_cleanup", anywhere)
        if show.waiting().waiters:
            break
    shows("a caller of synchronize_rcu()",
          rf"^synchronize_rcu\(\): 1 caller waiting: gather, pid {FACTS.pid}$")


def test_boot():
    """Before RCU is set up."""
    gdb.Breakpoint("start_kernel", internal=True, temporary=True)
    quietly("run")
    lib.equal("a kernel that boots", gdb.newest_frame().name(), "start_kernel")
    shows("... has seen no grace period", "^grace period 0 is over, none runs$")
    shows("... nor callbacks", r"^CPU 0: no callbacks \(not set up yet\)$")
    lib.fails("... nor an mmu_gather", "mg-show", "mg-show: mmu_gather: none in any frame")


def test_without_batches():
    """base: tables are freed with the pages, and never wait."""
    before = counted_tables()
    go_to("tlb_finish_mmu")
    check_all_found("in munmap(), without batches")
    go_back()
    nothing_waits("after munmap()")
    lib.equal("... and the tables are gone", (unreached_tables(), before - counted_tables()),
              (set(), G["MANY_TABLES"] + G["MANY_UPPER"]))


def test_language():
    """The user's language is for what he types."""
    said = lib.output("rcu-tables")
    for language in ("ada", "rust", "pascal"):
        gdb.execute(f"set language {language}", to_string=True)
        lib.equal(f"rcu-tables, language {language}", lib.output("rcu-tables"), said)
        lib.equal("... which stays", gdb.parameter("language"), language)
    gdb.execute("set language auto", to_string=True)


def test_batches():
    """series and later: the way of a table through RCU."""
    few = tables_at("FEW", our_mm())
    test_enqueue(few)
    test_language()
    test_grace_period()
    test_extract(few)
    test_run(few)
    lib.resume("PAGES_GONE")
    lib.resume("SHARED_GONE")
    test_alone()
    test_many()
    if len(rcu.callback_lists()) > 1:
        test_synchronize()


lib.start()
FACTS = lib.Facts()
test_built()
if BATCHED:
    test_batches()
else:
    for STEP in ("FEW_GONE", "PAGES_GONE", "SHARED_GONE", "ONE_GONE"):
        lib.resume(STEP)
    test_without_batches()
lib.equal("nothing is in a gather now", gathered_tables(), [])
gdb.execute("kill", to_string=True)
lib.fails("without a process", "rcu-tables", "rcu-tables: kernel: not running: ")
test_boot()
lib.finish()
