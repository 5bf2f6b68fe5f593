# SPDX-License-Identifier: GPL-2.0
"""pt-map against pagemap, VmPTE and nr_page_table_pages."""

import contextlib
import io
import os
import re
import sys
from collections import Counter

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import gdb  # noqa: E402

import lib  # noqa: E402
from umlab import census, page, pagetable, sched, source, swap  # noqa: E402
from umlab.machines import uml  # noqa: E402
from umlab.command import space  # noqa: E402

PRESENT, SWAP, GUARD = 1 << 63, 1 << 62, 1 << 58
PAGE = uml.PAGE_SIZE


def node_of(addr):
    """Return the PTE table (census.Node) that serves @addr, None without one."""
    found = census.census(MM, addr, addr + 1).of_level("pte")
    return found[0] if found else None


def as_pagemap(start):
    """Return (present, not none and not present) of the 512 pages at @start, as pagemap has them."""
    entries = [facts.pages[at] for at in range(start, start + L["TABLE"], PAGE)]
    present = sum(bool(e & PRESENT) for e in entries)
    return present, sum(not e & PRESENT and bool(e & (SWAP | GUARD)) for e in entries)


def as_census(start):
    """The same of the table that serves @start, as pt-map has them."""
    kinds = node_of(start).kinds
    return kinds["present"] + kinds["protnone"], kinds["swap"] + kinds["marker"] + kinds["special"]


def planted(name, where, value, *checks):
    """Run @checks (functions) while the word at @where is @value; the kernel stays stopped."""
    before = pagetable.read_entry(where)
    gdb.execute(f"set *(unsigned long *){where:#x} = {value:#x}")
    for check in checks:
        check(name)
    gdb.execute(f"set *(unsigned long *){where:#x} = {before:#x}")


def told(pattern, command="pt-map"):
    """Return a check: @command fails with a message that matches."""
    return lambda name: lib.fails(name, command, pattern)


def shown(pattern, command="pt-map"):
    """Return a check: @command prints what matches before it fails."""
    def check(name):
        with contextlib.redirect_stdout(io.StringIO()) as text:
            lib.output(command)
        has(f"{name}: the rest is shown", text.getvalue(), pattern)
    return check


def has(name, text, pattern):
    """As lib.check(): @text, what a command printed, must match @pattern."""
    lib.check(name, re.search(pattern, text, re.M), f"printed:\n{text}\nexpected a match of: {pattern}")


lib.start()
facts = lib.Facts()
MM = space("current").mm
L = lib.LAYOUT
FULL, SPARSE, EMPTY, TABLE = L["FULL"], L["SPARSE"], L["EMPTY"], L["TABLE"]

# ---- the tree ----
starts = [start for start in facts.pages if start % TABLE == 0]
wrong = [hex(at) for at in starts if as_census(at) != as_pagemap(at)]
lib.equal(f"{len(starts)} tables have the entries that pagemap says", wrong, [])
whole = census.census(MM)
lib.equal("VmPTE is what is reached", whole.size() >> 10, facts.vmpte_kb)
lib.equal("... and what the kernel counts", whole.counted() >> 10, facts.vmpte_kb)
lib.equal("one table is empty", [node.start for node in whole.empty()], [EMPTY])
lib.equal("nothing is corrupt", whole.corrupt, [])
mapped = {int(line.split("-")[0], 16) // TABLE for line in facts.maps}
lib.check("each table serves a mapping", all(
    any(int(low, 16) < node.end and int(high, 16) > node.start
        for low, high in (line.split()[0].split("-") for line in facts.maps)) for node in whole.of_level("pte")))

tree = lib.output("pt-map")
has("a full table", tree, rf"^ +{FULL:#x}-{FULL + TABLE:#x} +at 0x\w+ +512 present +rw-p anonymous$")
has("neighbours of one shape are one line", tree,
         rf"^ +{SPARSE:#x}-{SPARSE + 4 * TABLE:#x} +x 4 +64 present, 448 none +rw-p anonymous$")
has("an empty one", tree, rf"^ +{EMPTY:#x}-.* 512 none, EMPTY +rw-p anonymous$")
has("guard markers", tree, rf"^ +{L['GUARD']:#x}-.* 8 present, 16 marker, 488 none ")
has("PROT_NONE", tree, rf"^ +{L['PROTNONE']:#x}-.* 4 protnone, 508 none +---p anonymous and 1 more$")
has("a memfd", tree, rf"^ +{L['SHARED']:#x}-.* 16 present, 496 none +rw-s .*memfd:scenario")
has("PMD tables around them", tree, r"^  PMD table 0x40000000-0x80000000 +at 0x\w+ +10 of 512 entries used$")
has("PUD tables around those", tree, r"^PUD table 0x0-0x8000000000 +at 0x\w+ +2 of 512 entries used$")
has("the totals", tree, rf"^together +\d+ +{facts.vmpte_kb} kB   VmPTE {facts.vmpte_kb} kB: equal ")
has("... with the empty ones", tree, r"^PTE tables .* 1 EMPTY")

# ---- arguments ----
lib.like("a pid", f"pt-map {facts.pid}", f"^scenario, pid {facts.pid}, mm {int(MM):#x}, ")
lib.like("another process", "pt-map 1", r"^init, pid 1, (.*\n)*together .* VmPTE \d+ kB: equal ")
lib.like("the kernel's own", "pt-map &init_mm", r"^together .* PMD and PUD tables are counted, \d+ kB: equal$")
lib.like("a range", f"pt-map {SPARSE:#x}-{SPARSE + 2 * TABLE:#x}", r"^ .* x 2 (.*\n)+PTE tables +2 ")
lib.like("a task and a range", f"pt-map {facts.pid} {SPARSE:#x}+{TABLE:#x}", f"pid {facts.pid}(.*\n)+PTE tables +1 ")
lib.like("a task as an expression, and a range", f"pt-map $um_task({facts.pid}) {FULL:#x}-{FULL + 1:#x}", "PTE tables +1 ")
lib.like("an mm as an expression", f"pt-map $um_task({facts.pid})->mm", f"^scenario, pid {facts.pid}, ")
lib.like("an address", f"pt-map {L['GUARD']:#x}", r" 16 marker, (.*\n)+PTE tables +1 ")
lib.like("a range without tables", "pt-map 0x7000000000-0x7000200000", "^PTE tables +0 ")
lib.equal("$pt_tables()", int(gdb.parse_and_eval("$pt_tables()")), len(whole.of_level("pte")))
lib.equal("$pt_empty()", int(gdb.parse_and_eval(f"$pt_empty({facts.pid})")), 1)
lib.like("help tells its arguments", "help pt-map", "TASK (.*\n)+ *RANGE ")
lib.like("TAB knows the tasks", "complete pt-map cur", "^pt-map current$")
lib.like("... and all", "complete pt-map al", "^pt-map all$")
lib.fails("a kernel thread", "pt-map 2", "pt-map: task: 2 .*no address space")
lib.fails("no such pid", "pt-map 99999", "pt-map: task: 99999: none: ")
lib.fails("a range that ends before it starts", "pt-map 0x2000-0x1000", "pt-map: range: 0x2000-0x1000: ")
lib.fails("a range where no user space is", "pt-map 0xffff000000000000", "pt-map: range: 0xffff000000000000: ")
lib.fails("too many arguments", "pt-map 1 0x0-0x1000 3", "pt-map: argument: 3: too many")
lib.fails("a range of all", "pt-map all 0x0-0x1000", "pt-map: range: 0x0-0x1000: not together")
lib.fails("no task of a function", "p $pt_tables(2)", r"\$pt_tables: task: 2 ")

# ---- all address spaces ----
tree = lib.output("pt-map all")
has("all: a line for each", tree, rf"^{int(MM):#x} +{len(whole.of_level('pte'))} +1 .* scenario, pid {facts.pid}$")
has("... init and the kernel too", tree, r" init, pid 1\n(.*\n)* *.* init_mm, ")
has("... together what the guest sees in vmstat", tree, rf"^nr_page_table_pages +{facts.page_tables_kb // 4} ")
has("... and all of it is reached", tree, rf"^reached above +{facts.page_tables_kb // 4}\n(not reached.*\n)?equal$")

item = int(gdb.parse_and_eval("(int)NR_PAGETABLE"))
stats = gdb.parse_and_eval("contig_page_data")["per_cpu_nodestats"].dereference()
diff = sched.per_cpu(stats, sched.cpus()[-1])["vm_node_stat_diff"][item]
before = int(diff) & 0xFF
gdb.selected_inferior().write_memory(int(diff.address), bytes([before + 0xFD & 0xFF]))
has("a CPU's own count is part of it", lib.output("pt-map all"),
    rf"^nr_page_table_pages +{facts.page_tables_kb // 4 - 3} .* in vmstat, .*CPU {sched.cpus()[-1]} -")
lib.like("... and what is missing is told", "pt-map all", "^they differ by -3: ")
gdb.selected_inferior().write_memory(int(diff.address), bytes([before]))

# ---- kinds that the scenario hasn't got ----
first = node_of(EMPTY).address
lib.equal("a swap entry", census.kind(0x5 << 11 | 2, swap.devices()), "swap")
lib.equal("a marker", census.kind(4 << 11 | 31 << 5 | 2, swap.devices()), "marker")
lib.equal("migration and the like", census.kind(0x5 << 11 | 28 << 5 | 2, 28), "special")
planted("a swap entry in a table", first, 0x5 << 11 | 2, lambda name: lib.like(name, "pt-map", r" 1 swap, 511 none +rw-p"))
planted("NEEDSYNC alone is none", first, uml.NEEDSYNC, lambda name: lib.like(name, "pt-map", r" 512 none, EMPTY "))

planted("a neighbour that differs is a line of its own", node_of(SPARSE + TABLE).address, 0, lambda name: lib.like(
    name, "pt-map", rf"^ +{SPARSE:#x}-{SPARSE + TABLE:#x} .*\n.* 63 present, 449 none .*\n.* x 2 +64 present, 448 none "))

# ---- corrupt tables ----
steps = pagetable.walk(MM, SPARSE)
pgd, pmd, pte = steps[0], steps[2], steps[3]
flags = pmd.value & 0xFFF
other = pagetable.walk(MM, FULL)[2].value
data = pagetable.pfn(pagetable.walk(MM, FULL)[3].value) << 12
rest = shown(rf"^ +{FULL:#x}-.* 512 present(.*\n)+ +{SPARSE + TABLE:#x}-{SPARSE + 4 * TABLE:#x} +x 3 (.*\n)+together ")
planted("a PMD entry that names no page frame", pmd.address, 0xFFFFFFF000 | flags,
        told(rf"pmd entry at {pmd.address:#x} \(for {SPARSE:#x}\): corrupt: .*does not exist"), rest)
planted("a PMD entry that names its own table", pmd.address, page.virt_to_phys(pmd.address & ~0xFFF) | flags,
        told("corrupt: .*reached before"), rest)
planted("two PMD entries that name one table", pmd.address, other, told("corrupt: .*reached before"), rest)
planted("a PMD entry that names a page of data", pmd.address, data | flags, told("corrupt: .*no page table"), rest)
planted("a PMD entry that is neither", pmd.address, 0x40, told("corrupt: 0x40 is neither none nor present"), rest)
planted("a PGD entry that names the PGD", pgd.address, page.virt_to_phys(whole.pgd) | flags, told("pgd entry .*reached before"))
planted("an mm whose PGD is none", int(MM["pgd"].address), page.phys_to_virt(data), told("mm entry .*PGD is .*no page table"))
planted("an mm whose PGD is nowhere", int(MM["pgd"].address), 0x10, told("mm entry .*PGD is "))
planted("all: a broken entry", pmd.address, 0x40, told("corrupt: ", "pt-map all"), shown("^reached above ", "pt-map all"))
planted("a list of address spaces that ends nowhere", int(gdb.parse_and_eval("&mm_list")), 0x10, told("memory: ", "pt-map all"))
loop = int(MM["context"]["list"].address)
planted("... and one that has a loop", loop, loop, told("corrupt", "pt-map all"))
planted("VMAs that can't be read", int(MM["mm_mt"]["ma_root"].address), 0x7FF7FE | 2, lambda name: lib.like(name, "pt-map", "512 present +VMAs can't be read"))

# ---- the tree of VMAs, and the lists of tasks, with loops in them ----
kind = gdb.lookup_type("struct maple_range_64").pointer()
spare = page.phys_to_virt(data)  # a page of the process
saved = gdb.selected_inferior().read_memory(spare, PAGE).tobytes()


def inner_node(number, slot):
    """Make an inner node of VMAs, the @number (int) of the spare page, all of whose slots are @slot (int)."""
    node = gdb.Value(spare + 256 * number).cast(kind).dereference()
    slots = node["slot"].type.range()[1] + 1
    words = {"pivot": [last + 1 << 40 for last in range(slots - 1)], "slot": [slot] * slots}
    for field, values in words.items():
        written = b"".join(value.to_bytes(8, "little") for value in values)
        gdb.selected_inferior().write_memory(int(node[field].address), written)


def encoded(number, of_type=2):
    """The node @number (int) of the spare page as the tree names it: a maple_range_64, or a leaf (1)."""
    return spare + 256 * number | of_type << 3 | 2


gdb.selected_inferior().write_memory(spare, bytes(PAGE))
for number in range(14):
    inner_node(number, encoded(number + 1, 2 if number < 13 else 1))
unread = [told("(corrupt|memory): ", "pt-user"), lambda name: lib.like(name, "pt-map", "512 present +VMAs can't be read")]
planted("VMAs in a tree with 16^14 ways", int(MM["mm_mt"]["ma_root"].address), encoded(0), *unread)
for name, slot in (("to itself", encoded(0)), ("to a node of no type", encoded(1, 7)), ("nowhere", 0x7FFFFF0012)):
    inner_node(0, slot)
    planted(f"VMAs in a tree that leads {name}", int(MM["mm_mt"]["ma_root"].address), encoded(0),
            told("(corrupt|memory): ", f"pt-walk {FULL:#x}"), *unread)
gdb.selected_inferior().write_memory(spare, saved)
lib.like("... and mended", f"pt-walk {FULL:#x}", "^VMA +0x")

listing = [told("corrupt: ", command) for command in (
    "pt-ps", "pt-map all", f"pt-walk {FULL:#x} 99999", "pt-map 99999", "pt-bt 99999", "pt-frame 99999", "pt-user 99999",
    "p $um_task(99999)", "p $pt_tables(99999)")]
gdb.set_convenience_variable("last", sched.by_pid(facts.pid))
tasks = {"the processes": "$last->tasks", "the threads of one": "$last->thread_node"}
for name, field in tasks.items():
    link = int(gdb.parse_and_eval(f"&{field}.next"))
    planted(f"a list of {name} with a loop", link, link, *listing,
            lambda name: lib.like(f"{name}: TAB", "complete pt-bt cur", "^pt-bt current$"))
    planted(f"a list of {name} that leads nowhere", link, 0x10, told("memory: ", "pt-ps"), told("memory: ", "pt-bt 99999"))
lib.like("... and mended", "pt-ps", rf" {facts.pid} ")

# A table full of garbage: some of it is told, and it ends.
table = pmd.address & ~0xFFF
saved = gdb.selected_inferior().read_memory(table, PAGE).tobytes()
gdb.selected_inferior().write_memory(table, b"\xff\x8f\xff\xff\xff\x0f\x00\x00" * 512)
lib.fails("a PMD table full of garbage", "pt-map", f"pt-map: tables: {census.CORRUPT_MAX} broken entries: ")
gdb.selected_inferior().write_memory(table, saved)
lib.equal("... and put right again", Counter(n.level for n in census.census(MM).nodes), Counter(n.level for n in whole.nodes))

# ---- while tables go ----
lib.resume("RECLAIMED")
by_rcu = gdb.lookup_static_symbol("tlb_remove_table_rcu") is not None
reclaims = by_rcu
lib.equal("MADV_DONTNEED: the table is gone, or empty", [n.start for n in census.census(MM).empty() if n.start == FULL],
          [] if reclaims else [FULL])
# Flavours other than debug have that function inlined, and no such line.
line = source.line_of("free_pte_range", "mm_dec_nr_ptes")
if line:
    stop = gdb.Breakpoint(line, internal=True)
    stop.condition = f"addr >= {SPARSE:#x} && addr < {SPARSE + 4 * TABLE:#x}"
    gdb.execute("continue", to_string=True)
    stop.delete()
    lib.like("a table that is out and still counted", "pt-map", r"^together .* VmPTE \d+ kB: 4 kB more than is reached: ")
    lib.like("... among all", "pt-map all", r"scenario, .*: differs, see pt-map \(struct mm_struct \*\)0x")
stop = gdb.Breakpoint("tlb_finish_mmu", internal=True)
gdb.execute("continue", to_string=True)
stop.delete()
lib.like("four tables in an mmu_gather: VmPTE has forgotten them", "pt-map", r"^together .*: equal ")
waits = "(?P<n>[4-9]|[1-9]\\d+)" if by_rcu else None
lib.like("... nr_page_table_pages has not, where tables are freed by RCU", "pt-map all",
         rf"^not reached +{waits} .* mmu_gather .*\nequal$" if waits else r"^reached above +\d+\nequal$")
lib.resume("UNMAPPED")
lib.equal("munmap: they are gone", [n.start for n in census.census(MM).of_level("pte") if SPARSE <= n.start < SPARSE + 4 * TABLE], [])
lib.like("... and it adds up", "pt-map all", "^equal$")
gdb.execute("kill", to_string=True)
lib.fails("without a process", "pt-map", "pt-map: kernel: not running: ")
lib.finish()
