# SPDX-License-Identifier: GPL-2.0
"""The commands that are not tied to UML, on a kernel in qemu.

Follows the first contents_of() of tests/arch/guest/workload.c: three tables' worth of pages are filled with a pattern, the
middle one is given back, all is read again, and unmapped.
"""

import os
import re
import sys

import gdb

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qemu import PAGE, TABLE, Stop, at_dontneed, connect, go, in_pid_1, lib, users  # noqa: E402 pylint: disable=wrong-import-position
from umlab import events, gather, mm, page, pagetable, rcu  # noqa: E402 pylint: disable=wrong-import-position
from umlab.command import space  # noqa: E402 pylint: disable=wrong-import-position
from umlab.machines import machine  # noqa: E402 pylint: disable=wrong-import-position

SAMPLES = 24


def pattern(at):
    """The byte that the workload writes at @at (int) of its range: pattern() there."""
    return (at // PAGE * 7 + 1 | 1) & 0xFF


def byte(where):
    """The byte that gdb reads at @where (int)."""
    return gdb.selected_inferior().read_memory(where, 1)[0][0]


def sampled():
    """Offsets (list of int) into the three tables' range: the first and last page of each, and some between."""
    count = 3 * TABLE // PAGE
    step = max(1, count // SAMPLES)
    edges = {n * TABLE // PAGE for n in range(3)} | {(n + 1) * TABLE // PAGE - 1 for n in range(3)}
    return [n * PAGE for n in sorted(set(range(0, count, step)) | edges)]


def frames(first, size):
    """The page frames (set of int) that the walks of @size bytes from @first (ints) end at."""
    found = set()
    for addr in range(first, first + size, PAGE):
        last = pagetable.walk(SPACE.mm, addr)[-1]
        if pagetable.is_present(last.value) and pagetable.is_leaf(last):
            found.add(pagetable.pfn(last.value, last.level))
    return found


def raw_tables():
    """The pointers (list of int) in the batch of the mmu_gather of this frame, by gdb's own expressions."""
    if not int(gdb.parse_and_eval("(unsigned long)tlb->batch")):
        return []
    return [int(gdb.parse_and_eval(f"(unsigned long)tlb->batch->tables[{n}]"))
            for n in range(int(gdb.parse_and_eval("tlb->batch->nr")))]


def table_of(addr):
    """The table (int, the kernel's address) whose entries translate @addr (int)."""
    return pagetable.reaches(pagetable.walk(SPACE.mm, addr)[-2])


def hand_over():
    """Let the kernel run until call_rcu() for this mmu_gather's batch is done, or to its callback: that soon may it be called."""
    batch = int(gdb.parse_and_eval("(unsigned long)tlb->batch"))
    free = Stop("tlb_remove_table_free", in_pid_1)
    go(free)
    stops = (Stop(f"*{gdb.newest_frame().older().pc():#x}", in_pid_1),
             Stop("tlb_remove_table_rcu", lambda: int(gather.batch_of(gdb.newest_frame().read_var("head"))) == batch))
    go(*stops)
    for stop in (free, *stops):
        stop.delete()
    return batch


connect()
lib.check("the machine is known", machine().name != "uml", machine().name)
lib.equal("its page size", machine().page_size(), PAGE)

# ---- at madvise(MADV_DONTNEED) ----
middle = at_dontneed()
lib.like("pt-here knows the task", "pt-here", r"CPU 0 runs init, pid 1, in a system call")
lib.check("... and names no command that is UML's only", "pt-map" not in lib.output("pt-here"))
lib.equal("a PTE table's span", machine().pte_table_span(), TABLE)
SPACE = space("current")
start = middle - TABLE
lib.equal("the table in the middle is given back", int(gdb.newest_frame().read_var("len_in")), TABLE)

wrong, through = [], 0
for at in sampled():
    steps = pagetable.walk(SPACE.mm, start + at)
    kernel = pagetable.reaches(steps[-1])
    if kernel is None or byte(kernel) != pattern(at) or byte(kernel + PAGE - 1) != pattern(at):
        wrong.append(hex(start + at))
    try:
        through += byte(start + at) == pattern(at)
    except gdb.MemoryError:
        pass  # not in what qemu's MMU has at hand
lib.equal(f"{len(sampled())} walks end at what the workload wrote", wrong, [])
lib.check("... which is what qemu's MMU finds there", through > 0, f"{through} of {len(sampled())}")
lib.equal("three tables", len({table_of(start + n * TABLE) for n in range(3)}), 3)
lib.equal("... each of its own pages", len(frames(start, 3 * TABLE)), 3 * TABLE // PAGE)
last = pagetable.walk(SPACE.mm, middle)[-1]
lib.like("pt-walk", f"pt-walk {middle:#x}", rf"^pte\[0\] +at {last.address:#x} .*present .*pfn {pagetable.pfn(last.value):#x}$")
lib.like("... its VMA", f"pt-walk {middle:#x}", r"^VMA +0x\w+-0x\w+ rw-p anonymous")
lib.like("... its table", f"pt-walk {middle:#x}", rf"-> pte table at {table_of(middle):#x}, .*type table")
lib.like("an address that nothing maps", "pt-walk 0x1000", r"^VMA +none")
lib.fails("no address at all", "pt-walk 0x7654321000000000", "pt-walk: address: 0x7654321000000000: ")
lib.equal("$pt_page()", int(gdb.parse_and_eval(f"$pt_page({middle:#x})")), int(page.pfn_to_page(pagetable.pfn(last.value))))
if machine().name == "x86_64":
    address = machine().phys_to_virt(0x2000000)
    struct = int(page.pfn_to_page((0x2000000 >> 12) + 3))
    lib.like("a huge page of the kernel's own", f"pt-walk {address + 0x3000:#x} &init_mm",
             rf"^p[um]d\[\d+\] .*present.*\n +-> [12] [MG]iB from frame 0x\w+ on; this address: \(struct page \*\) {struct:#x}")
    lib.equal("... $pt_page()", int(gdb.parse_and_eval(f"$pt_page({address + 0x3000:#x}, &init_mm)")), struct)
    lib.fails("an address that is not canonical", "pt-walk 0x800000000000", "pt-walk: address: 0x800000000000: ")
for function in ("pt_tables()", "pt_stale()", "um_waits_in(1)"):
    lib.fails(f"${function}: UML's", f"p ${function}", f"machine: {machine().name}: works on UML only")
for command in ("pt-map", "pt-host 0x1000", "pt-ps", "pt-life on", "pt-bt 1", "pt-user"):
    lib.fails(f"{command}: UML's", command, f"{command.split(' ', maxsplit=1)[0]}: machine: {machine().name}: works on UML only")
lib.fails("mg-show before there is a gather", "mg-show", "mg-show: mmu_gather: .*not in use, .*tlb_gather_mmu\\(\\) has not run yet")

# ---- what MADV_DONTNEED takes away ----
gone, empty_table, before = frames(middle, TABLE), table_of(middle), mm.pgtables_bytes(SPACE.mm)
finish = Stop("tlb_finish_mmu", in_pid_1)
RECLAIMS = events.has_pt_reclaim()
if RECLAIMS:
    lib.like("pt-break reclaim", "pt-break reclaim once if comm == init", r"^pt-break \d+: stops once where a PTE table that MADV_DONTNEED emptied")
    text = go(*users())
    # Which addresses it served is told where the compiler has kept it.
    told = re.search(r"^reclaim: PTE table (.*): taken-out: reclaim: init, pid 1, CPU 0, VmPTE \d+ kB", text, re.M)
    lib.check("... says which table", told and re.search(rf", of {middle:#x}-{middle + TABLE:#x}|^((?!, of ).)*$", told.group(1)), text)
    pointer = events.At(gdb.newest_frame()).number("table")
    lib.equal("... by its own address", machine().removed(pointer).table, empty_table)
    lib.like("... empty", "mg-show", "tables ")
else:
    lib.fails("pt-break reclaim: there is none", "pt-break reclaim", "pt-break: reclaim: this kernel has no PT_RECLAIM")
go(finish)
place = gather.innermost()
seen = {page.page_to_pfn(entry.page) + n for b in gather.page_batches(place.tlb) for entry in gather.pages_of(b) for n in range(entry.count)}
lib.equal("mg-show: the pages are those that the walk found", seen, gone)
lib.like("... in words", "mg-show", rf"^pages +{len(gone)} pages in ")
lib.like("... whose", "mg-show", r"^mm .*: init, pid 1$")
lib.like("... in which range", "mg-show", rf"^range +({middle:#x}-{middle + TABLE:#x}|nothing to flush)")
tables = gather.table_batch(place.tlb)
lib.equal("the batch is what gdb reads", tables.tables if tables else [], raw_tables())
lib.equal("... one table, if the kernel reclaims", len(raw_tables()), int(RECLAIMS))
if RECLAIMS:
    lib.equal("... that one", machine().removed(raw_tables()[0]).table, empty_table)
    lib.like("... in words", "mg-show", rf"^ +0 .*{raw_tables()[0]:#x}.*, empty: PTE table")
lib.like("mg-batches", "mg-batches", rf"^tables: {'1 table' if RECLAIMS else 'no batch'}")
handed = raw_tables()
finish.enabled = False
if RECLAIMS:
    hand_over()
else:
    flush = Stop("tlb_batch_pages_flush", in_pid_1)
    go(flush)
    flush.delete()
lib.equal("VmPTE is less by a table", before - mm.pgtables_bytes(SPACE.mm), int(RECLAIMS) * machine().ENTRY * (TABLE // PAGE))
lib.like("the page is gone", f"pt-walk {middle:#x}", "-> no pte table" if RECLAIMS else r"^pte\[0\] .*none")
waiting = rcu.waiting_tables()
lib.check("rcu-tables: what was handed over waits", set(handed) <= set(waiting), f"{[hex(t) for t in handed]} of {[hex(t) for t in waiting]}")
lib.like("... in words", "rcu-tables", rf"^{len(waiting)} tables? in \d+ callbacks? waits?")
if RECLAIMS:
    lib.like("... which", "rcu-tables", rf"{handed[0]:#x}")
    lib.output(f"pt-break free if table == {handed[0]:#x}")
    text = go(*users())
    lib.check("pt-break free stops with that table", re.search(r"^free: .*freed: RCU's callback", text, re.M), text)
    for stop in users():
        stop.delete()

# ---- munmap() of all three ----
unmap = Stop("__vm_munmap", in_pid_1)
go(unmap)
unmap.enabled = False
tables = {table_of(start + n * TABLE) for n in range(3)}
joined = set()
# gdb may ask it twice where another breakpoint stops as well.
Stop("tlb_remove_table", lambda: in_pid_1() and joined.add(int(gdb.newest_frame().read_var("table"))))
lib.like("pt-break gather", "pt-break gather once if comm == init", r"^pt-break \d+: stops once where a table, already out of its PMD")
text = go(*users())
lib.check("... says what", re.search(r"^gather: (PTE )?table .*VmPTE \d+ kB", text, re.M), text)
finish.enabled = True
go(finish)
named = {machine().removed(pointer).table for pointer in raw_tables()}
lib.check("munmap: its tables are in the batch", tables <= named, f"{[hex(t) for t in tables]} of {[hex(t) for t in named]}")
lib.equal("... those that tlb_remove_table() was given", set(raw_tables()), joined)
lib.equal("... as gdb reads it", gather.table_batch(gather.innermost().tlb).tables, raw_tables())
lib.equal("$mg_tables()", int(gdb.parse_and_eval("$mg_tables()")), len(raw_tables()))
handed = raw_tables()
finish.enabled = False
batch = hand_over()
lib.check("rcu-tables: they wait", set(handed) <= set(rcu.waiting_tables()), lib.output("rcu-tables"))
if gdb.newest_frame().name() != "tlb_remove_table_rcu":
    go(Stop("tlb_remove_table_rcu", lambda: int(gather.batch_of(gdb.newest_frame().read_var("head"))) == batch))
running = [rcu.frees(found.now) for found in rcu.running() if found.now]
lib.check("RCU's callback: rcu-tables shows what runs", any(freed and set(freed.tables) == set(handed) for freed in running), running)
with open(os.environ["UMLAB_CONSOLE"], encoding="utf-8", errors="replace") as file:
    console = file.read()
lib.check("the kernel has not complained", not re.search(r"WARNING: |BUG: |Oops|rcu: INFO", console), console[-800:])
lib.finish()
