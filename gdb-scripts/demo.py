# SPDX-License-Identifier: GPL-2.0
"""Watch one PTE table from its removal to its end: the gdb part of `make demo`.

    gdb -q -nx -batch -x gdb-scripts/demo.py --args LINUX ARGUMENTS...

Stops the kernel where MADV_DONTNEED takes a PTE table out of its PMD, follows
the table into the mmu_gather's batch, and stops again where RCU frees that
very table.  Needs a debug kernel (F=debug) and a workload that calls
madvise(MADV_DONTNEED) on whole PTE tables.

Exit status: 0 all of it was seen, 1 not; stderr then has a line "FAIL ...".

Environment:
  UMLAB_DEMO_JSON     file for the facts seen, one JSON object (default: none)
  UMLAB_DEMO_COMM     name of the workload's process (default: ptworkload)
  UMLAB_DEMO_LOG      file for what the kernel itself prints (default: not diverted)
  UMLAB_DEMO_TIMEOUT  seconds for the whole session (default: 60)
"""

import json
import os
import sys

import gdb

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# Not `import umlab`: that is the folder of that name.
gdb.execute("source " + os.path.join(sys.path[0], "umlab.py"))

# pylint: disable=wrong-import-position
from umlab import gather, mm, page, pagetable, rcu, sched, source  # noqa: E402
from umlab.machines import uml  # noqa: E402
from umlab.session import Failure, Session, StopIf, fail  # noqa: E402

COMM = os.environ.get("UMLAB_DEMO_COMM", "ptworkload")
LOG = os.environ.get("UMLAB_DEMO_LOG")
JSON = os.environ.get("UMLAB_DEMO_JSON")
TIMEOUT = float(os.environ.get("UMLAB_DEMO_TIMEOUT", "60"))

# The two functions that take an empty table out; both clear the PMD themselves.
# zap_pte_table_if_empty() is the slow one, for when the lock was dropped midway.
REMOVERS = ("zap_empty_pte_table", "zap_pte_table_if_empty")


def main():
    prepare()
    session = Session(TIMEOUT)
    facts = {"comm": COMM}
    facts.update(see_removal(session))
    facts.update(see_batch(session, facts["ptdesc"]))
    facts.update(see_free(session, facts))
    facts["exit_status"] = see_end(session)
    if JSON:
        with open(JSON, "w", encoding="utf-8") as file:
            json.dump(facts, file)
            file.write("\n")


def prepare():
    """Set gdb up to run by itself, and divert the kernel's own output."""
    for setting in ("pagination off", "confirm off", "width 0",
                    "print inferior-events off", "print thread-events off",
                    "suppress-cli-notifications on"):
        gdb.execute(f"set {setting}")
    if LOG:
        quoted = "'" + LOG.replace("'", "'\\''") + "'"
        gdb.execute(f"set args {program_arguments()} >{quoted} 2>&1 </dev/null")
    if gdb.lookup_static_symbol("zap_empty_pte_table") is None:
        raise Failure("no zap_empty_pte_table() in this kernel: "
                      "needs PT_RECLAIM (a point from `8` on) and F=debug")


def program_arguments():
    """Return the arguments (str) after --args; gdb 13's gdb.parameter("args") is empty."""
    text = gdb.execute("show args", to_string=True)
    return text[text.index('"') + 1:text.rindex('"')]


def see_removal(session):
    """Stop where a PTE table of the workload is taken out of its PMD; tell it.

    Returns facts (dict) about the PMD, the table and the way there.
    """
    stops = [StopIf(source.line_of(name, "pmd_clear(") or name,
                    lambda _: sched.comm(sched.current()) == COMM)
             for name in REMOVERS]
    session.start(stops, f"a PTE table of {COMM} being taken out of its PMD")
    frame = gdb.newest_frame()
    check(frame.name() in REMOVERS, f"stopped in {frame.name()}, expected one of {REMOVERS}")
    for stop in stops:
        stop.delete()

    madvise = source.find(frame, "do_madvise")
    check(madvise is not None, f"{frame.name()} was not called by madvise")
    pmd, start = source.variable(frame, "pmd"), table_start(frame)
    way = source.frames(frame, "__do_sys_madvise")
    space = frame.read_var("mm")
    facts = {"function": frame.name(), "pmd_address": pmd, "start": start,
             "pmd_before": pagetable.read_entry(pmd),
             "backtrace_removal": [f.name() for f in way]}
    check(pagetable.is_present(facts["pmd_before"]), f"the PMD was {facts['pmd_before']:#x} already")

    heading("1. MADV_DONTNEED takes a PTE table out of its PMD")
    say(f"{COMM} calls madvise({source.variable(madvise, 'start'):#x}, "
        f"{source.variable(madvise, 'len_in') >> 10} KiB, MADV_DONTNEED).  All 512 entries of one")
    say("table are empty now: nobody needs the table either.")
    tell_stop(frame, way, before=2)

    session.finish(frame)
    facts["pmd_after"] = pagetable.read_entry(pmd)
    check(pagetable.is_none(facts["pmd_after"]), f"the PMD still is {facts['pmd_after']:#x}")
    table = pagetable.table_of(facts["pmd_before"])
    left = sum(not pagetable.is_none(value) for value in pagetable.entries(table))
    check(left == 0, f"the table that was taken out has {left} entries in use")
    ptdesc = pagetable.ptdesc_of(facts["pmd_before"])
    facts.update(pfn=pagetable.pfn(facts["pmd_before"]), table=table, ptdesc=int(ptdesc),
                 pgtables_bytes=mm.pgtables_bytes(space))
    say(f"The PMD at {pmd:#x}, for {start:#x}-{start + uml.PMD_SIZE - 1:#x}:")
    for when in ("before", "after"):
        value = facts[f"pmd_{when}"]
        say(f"  {when:7} {value:#012x}  {pagetable.describe(value)}")
    say(f"The table: page frame {facts['pfn']:#x}, contents at {table:#x}, struct ptdesc {int(ptdesc):#x}")
    return facts


def see_batch(session, ptdesc):
    """Stop where the table at @ptdesc (int) goes into the mmu_gather; tell into which slot."""
    stop = StopIf("tlb_remove_table", lambda frame: source.variable(frame, "table") == ptdesc)
    session.resume(stop, "tlb_remove_table() of the table that was taken out")
    frame = gdb.newest_frame()
    tlb = frame.read_var("tlb")
    session.finish(frame)
    stop.delete()
    batch = tlb["batch"]
    check(int(batch) != 0, "no batch holds the table: it went alone, or the batch was full")
    slot = int(batch["nr"]) - 1
    check(gather.tables(batch)[slot] == ptdesc, f"tlb->batch->tables[{slot}] is another table")

    heading("2. The table waits: somebody may be walking it without a lock")
    say(f"tlb->batch->tables[{slot}] = {ptdesc:#x}, in batch {int(batch):#x} "
        f"(room for {gather.max_tables()} tables, one RCU callback)")
    return {"batch": int(batch), "slot": slot}


def see_free(session, facts):
    """Stop where the table that @facts (dict) tells of is freed; tell it, and check who does it."""
    ptdesc = facts["ptdesc"]
    jiffies, period = rcu.jiffies(), rcu.grace_period()
    # Ends every page table, whoever frees it; __tlb_remove_table() itself is
    # inlined, and at an inlined function gdb can't look at arguments in time.
    stop = StopIf("pagetable_dtor", lambda frame: source.variable(frame, "ptdesc") == ptdesc)
    ran = session.resume(stop, f"RCU freeing the table {ptdesc:#x}")
    stop.delete()
    frame = source.find(gdb.newest_frame(), "__tlb_remove_table")
    check(frame is not None, "the table is freed, but not from a batch")
    check(source.variable(frame, "table") == ptdesc, "another table is being freed")
    callback = source.find(frame, "tlb_remove_table_rcu")
    check(callback is not None, "the table is freed, but not by RCU's callback")
    batch = source.find(frame, "__tlb_remove_table_free").read_var("batch")
    check(int(batch) == facts["batch"], f"the table is freed in batch {int(batch):#x}")
    check(gather.tables(batch)[facts["slot"]] == ptdesc, "the table changed its slot")

    way = source.frames(frame, "rcu_core")
    waited = rcu.jiffies() - jiffies
    seen = {"batch_nr": int(batch["nr"]), "delay_jiffies": waited,
            "delay_ms": waited * rcu.tick_ms(), "ran_ms": round(ran * 1000, 1),
            "grace_periods": None if period is None else rcu.grace_period() - period,
            "backtrace_free": [f.name() for f in way]}
    heading("3. After a grace period, RCU frees that very table")
    say(f"{seen['delay_ms']:.0f} ms ({waited} jiffies, gdb's own pauses included) and "
        f"{seen['grace_periods']} grace period(s) later.  The batch holds {seen['batch_nr']} table(s).")
    tell_stop(frame, way)
    seen.update(see_page_go(session, callback, ptdesc))
    say(f"table == {source_name(facts)} == {ptdesc:#x}: the same table")
    say(f"Its page {facts['pfn']:#x}: a \"{seen['type_before']}\" with {seen['refcount_before']} reference "
        f"before, \"{seen['type_after']}\" with {seen['refcount_after']} after: free memory")
    return seen


def see_page_go(session, callback, ptdesc):
    """Let @callback (gdb.Frame) return and check that the page of @ptdesc (int) is free then."""
    page_of = gdb.Value(ptdesc).cast(gdb.lookup_type("struct ptdesc").pointer())
    before = (page.type_name(page_of), page.refcount(page_of))
    check(before == ("table", 1), f"the page to be freed is {before}, expected a table with 1 reference")
    session.finish(callback)
    after = (page.type_name(page_of), page.refcount(page_of))
    check(after[0] != "table" and after[1] == 0, f"the page is {after} after RCU's callback")
    return {"type_before": before[0], "refcount_before": before[1],
            "type_after": after[0], "refcount_after": after[1]}


def see_end(session):
    """Let the kernel run to its end, which must be a good one."""
    status = session.run_out()
    check(status == 0, f"the kernel ended with exit status {status} instead of 0")
    print("\nThe kernel ran on to its end: exit status 0.")
    return status


def table_start(frame):
    """Return the first address (int) that the table served, from zap_pte_range() above @frame."""
    start = source.variable(source.find(frame, "zap_pte_range"), "start")
    check(start is not None, "zap_pte_range's `start` is optimized out: is this F=debug?")
    return start & ~(uml.PMD_SIZE - 1)


def tell_stop(frame, way, before=1):
    """Print the source line where @frame (gdb.Frame) stands and the calls in @way (list)."""
    print()
    for line in source.excerpt(frame, before):
        say(line)
    print()
    places = [source.place(f) for f in way]
    column = max(map(len, places))
    for number, (where, call_frame) in enumerate(zip(places, way)):
        say(f"#{number:<2} {where:{column}}  {source.call(call_frame)}")
    print()


def source_name(facts):
    """Return how the C code names the table's slot in the batch."""
    return f"tlb->batch->tables[{facts['slot']}]"


def heading(text):
    print(f"\n{text}")


def say(text):
    print(f"   {text}")


def check(condition, message):
    """Raise a Failure with @message (str) unless @condition."""
    if not condition:
        raise Failure(message)


try:
    main()
except Failure as failure:
    fail(str(failure))
except gdb.error as error:
    fail(f"gdb: {error}")
