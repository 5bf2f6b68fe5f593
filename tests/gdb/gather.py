# SPDX-License-Identifier: GPL-2.0
"""mg-show and mg-batches against pagemap, VmPTE and the page tables as they were before."""

import os
import sys
from collections import namedtuple

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import gdb  # noqa: E402

import lib  # noqa: E402
from gatherlib import (  # noqa: E402
    BATCHED, G, check_all_found, frame_of, frames_of, go_to, our_mm, poke, tables_at)
from umlab import gather, mm, page, rcu, source  # noqa: E402
from umlab.machines import uml  # noqa: E402
from umlab.commands import gather as show, life as pt_life  # noqa: E402

# What the batch in the struct, and one of a page, hold.
LOCAL, CHAINED = 8, 510
PTDESC = r"\(struct ptdesc \*\)"


def read():
    """Return what mg-show shows here (show.Gather)."""
    return show.read(show.gathered(""))


def shows(name, pattern):
    """As lib.like(), of mg-show."""
    lib.like(name, "mg-show", pattern)


def draws(name, pattern):
    """As lib.like(), of mg-batches."""
    lib.like(name, "mg-batches", pattern)


def number(text):
    """Return the number (int) that gdb's expression @text (str) gives."""
    return int(gdb.parse_and_eval(text))


def tables_of(found):
    """Return the tables (list of int, addresses of ptdesc) in the batch of @found (show.Gather)."""
    return found.tables.tables if found.tables else []


def entries_of(found):
    """Return all entries (list of gather.Pages) in the batches of @found (show.Gather)."""
    return [entry for _, pages in found.batches for entry in pages]


def frames_in(found):
    """Return the page frames (list of int) in the batches of pages of @found (show.Gather)."""
    return [page.page_to_pfn(entry.page) + n for entry in entries_of(found) for n in range(entry.count)]


def test_before():
    """do_madvise() has a gather, which is not set up at its first line."""
    for command in ("mg-show", "mg-batches", "mg-show &tlb"):
        lib.fails(f"{command}: a gather that is not set up", command,
                  f"{command.split()[0]}: mmu_gather: struct mmu_gather at 0x.*, "
                  "tlb of do_madvise.*: not in use, .*has not run")
    lib.equal("$mg(), $mg_tables() and $mg_pages() of it are 0",
              [number("$mg()"), number("$mg_tables()"), number("$mg_pages()")], [0, 0, 0])


def test_few():
    """MADV_DONTNEED of whole tables, with a page each."""
    count, before, space = G["FEW_TABLES"], mm.pgtables_bytes(our_mm()), our_mm()
    expected = tables_at("FEW", space) if BATCHED else []
    go_to("tlb_finish_mmu")
    found = read()
    lib.equal("the pages are those of pagemap", frames_in(found), frames_of(FACTS, "FEW", count * G["TABLE"]))
    lib.equal("the tables are those that the walk showed before", tables_of(found), expected)
    lib.equal("the mm is ours", int(found.mm), int(space))
    less = before - mm.pgtables_bytes(space)
    lib.equal("VmPTE is less by that many tables", less, len(expected) * uml.PAGE_SIZE)
    shows("whose it is", rf"^mm +\(struct mm_struct \*\) {int(space):#x}: gather, pid {FACTS.pid}$")
    shows("where it was found", r"^struct mmu_gather at 0x\w+, tlb of tlb_finish_mmu\(\) in frame #0$")
    shows("the local batch is active", rf"^  batch 0, local: {count} of {LOCAL} entries used, active$")
    draws("mg-batches draws the pages", rf"^\* local +\[#{{{count}}}-{{{LOCAL - count}}}\] +{count}/{LOCAL}$")
    lib.equal("$mg(), $mg_pages() and $mg_tables()",
              [number("$mg()"), number("$mg_pages()"), number("$mg_tables()")],
              [int(found.tlb), count, len(expected)])
    for n, table in enumerate(expected):
        shows(f"table {n}", rf"^ +{n} {PTDESC} {table:#x}, page frame {frame_of(table):#x}, "
              "type table, references 1, empty: PTE table$")
    if BATCHED:
        draws("mg-batches draws the tables", rf"^  0x\w+ +\[#-{{43}}\] +{count}/{gather.max_tables()}$")
    else:
        shows("without a batch it says so", r"^tables  no batch: .*MMU_GATHER_TABLE_FREE")
        draws("... mg-batches too", r"^tables: among the pages")
    check_all_found("in MADV_DONTNEED")


def test_expressions():
    """EXPR, right and wrong."""
    where = number("$mg()")
    kind = f"(struct mmu_gather *) {where:#x}"
    for text in ("tlb", "*tlb", "$mg()", kind, f"*{kind}"):
        lib.like(f"mg-show {text}", f"mg-show {text}", f"^struct mmu_gather at {where:#x}")
    for name, text, expected in (
            ("no such symbol", "nosuch", "expression: nosuch: No symbol"),
            ("a number", "4711", "expression: 4711: is of type int: give a struct mmu_gather"),
            ("a pointer to something else", "tlb->mm", "expression: tlb->mm: is of type struct mm_struct"),
            ("NULL", "(struct mmu_gather *) 0", "expression: .*has no address"),
            ("no memory", "(struct mmu_gather *) 0x10", "not in use, nothing can be read there"),
            ("no gather", "(struct mmu_gather *) &init_task", "mmu_gather: .*: not in use, "),
            ("an option", "-x", "expression: -x: ")):
        lib.fails(name, f"mg-show {text}", f"mg-show: .*{expected}")
        lib.fails("... nor drawn", f"mg-batches {text}", f"mg-batches: .*{expected}")
    lib.like("help tells the argument", "help mg-show", r"EXPR  (.*\n)+.*\$mg\(\) ")


def test_optimized_out():
    """A frame whose variable is optimized out is passed, and named."""
    outer = gather.innermost().tlb
    if BATCHED:
        go_to("call_rcu")
        frame = source.find(gdb.newest_frame(), "tlb_remove_table_free")
        lib.check("gdb calls this one optimized out", frame.read_var("batch").is_optimized_out)
        lib.equal("... as we do", gather.pointer_to(frame.read_var("batch")), None)
        shows("while the tables go to RCU", "^now     the batch of tables is being handed over$")
    real, passed = gather.pointer_to, []
    # The first one found is lost, as it is without -Og.
    gather.pointer_to = lambda value: real(value) if passed else passed.append(True)
    place = gather.innermost()
    passed.clear()
    shows("... named", r", optimized out in tlb_\w+\(\)$")
    gather.pointer_to = real
    lib.equal("the gather is that of an outer frame", int(place.tlb), int(outer))
    lib.equal("... which passed one", len(place.passed), 1)


def test_planted():
    """What can't be: batches that say too much, chains that loop."""
    tlb = gdb.parse_and_eval("$mg()")
    local, word, half = tlb["local"], "unsigned long", "unsigned int"
    cases = [("a batch of pages with too many", local["nr"], 99, half, "corrupt: it says 99 of 8"),
             ("a chain that loops", local["next"], int(local.address), word, "corrupt: more than batch_count, 0"),
             ("a chain into nowhere", local["next"], 0x10, word, "corrupt: ")]
    alone = [("an active batch that is none", tlb["active"], 0x10, word, "corrupt: none of them is the active")]
    if BATCHED:
        batch = tlb["batch"]
        cases += [("a batch of tables with too many", batch["nr"], 1 << 30, half,
                   f"corrupt: it says 1073741824 tables, {gather.max_tables()} fit"),
                  ("a batch of tables that can't be read", tlb["batch"], 0x10, word, "corrupt: it can't be read")]
        alone += [("a table that is none", batch["tables"], 0x1234, word, "0x1234, no page of")]
    for name, field, value, size, expected in cases + alone:
        restore = poke(int(field.address), value, size)
        shows(name, expected)
        draws("... drawn", expected if (name, field, value, size, expected) in cases else "^tables")
        restore()
    test_planted_folio(tlb)


def test_planted_folio(tlb):
    """Entries of large folios, which UML has none of: a page, then a number of pages."""
    entries = int(tlb["local"]["encoded_pages"].address)
    restore = [poke(entries, int(tlb["__pages"][0]) | 3), poke(entries + 8, 16 << 2)]
    frame = frames_of(FACTS, "FEW", 1)[0]
    shows("an entry of several pages",
          rf"^    page frames {frame:#x}-{frame + 15:#x}, 16 pages of one folio, rmap removal delayed$")
    lib.equal("... counts them all", number("$mg_pages()"), 16 + G["FEW_TABLES"] - 2)
    for put_back in restore:
        put_back()
    lib.equal("all is as before", number("$mg_pages()"), G["FEW_TABLES"])


def test_pages():
    """munmap() of tables that are full: several batches of pages, and PTE tables for certain."""
    expected, total = tables_at("PAGES", our_mm()), G["PAGES_TABLES"] * 512
    wanted = frames_of(FACTS, "PAGES", G["PAGES_TABLES"] * G["TABLE"])
    go_to("tlb_finish_mmu")
    found = read()
    among = [] if BATCHED else [frame_of(table) for table in expected]
    lib.equal("munmap(): the pages in order, tables of base behind", frames_in(found), wanted + among)
    lib.equal("... the tables", tables_of(found), expected if BATCHED else [])
    # One entry stays free, since a large folio takes two.
    full = (total + len(among) - (LOCAL - 1)) // (CHAINED - 1)
    rest = total + len(among) - (LOCAL - 1) - full * (CHAINED - 1)
    lib.equal("... in batches", [(batch.nr, batch.active) for batch, _ in found.batches],
              [(LOCAL - 1, False)] + [(CHAINED - 1, False)] * full + [(rest, True)])
    shows("the range", rf"^range   {G['PAGES']:#x}-0x\w+, ")
    shows("the flags", "^flags   freed_tables: ")
    shows("the levels", "^cleared PMD entries$")
    draws("a full batch is drawn so", rf"^  0x\w+ +\[#{{43}}-\] +{CHAINED - 1}/{CHAINED}$")
    widest = max(map(len, lib.output("mg-batches").split("\n")[1:]))
    lib.check("... in 80 columns", widest <= 80, widest)
    if BATCHED:
        shows("... certainly PTE tables", rf"^    2 {PTDESC} {expected[2]:#x}, .*: PTE table$")
    else:
        shows("... they are told from pages",
              rf"{len(expected)} pages without flags or mapping, as tables are:\n +page frames? {min(among):#x}")
    check_all_found("in munmap()")


def test_shared():
    """Dirty pages of a file leave the rmap after the TLB flush."""
    go_to("tlb_flush_rmaps")
    found = read()
    lib.equal("pages of a memfd", frames_in(found), frames_of(FACTS, "SHARED", G["SHARED_PAGES"] * uml.PAGE_SIZE))
    lib.equal("... all with the rmap delayed", {entry.delayed for entry in entries_of(found)}, {True})
    shows("... said so", r"^    page frames? .*, rmap removal delayed$")
    shows("... by the flag", "^flags   (.*\n +)*delayed_rmap: ")


def test_many():
    """munmap() of more tables than one batch holds, upper ones too."""
    count, upper, waited = G["MANY_TABLES"], G["MANY_UPPER"], set(rcu.waiting_tables())
    go_to("tlb_finish_mmu")
    found = read()
    lib.equal("munmap() of many: the pages", len(frames_in(found)), count if BATCHED else 2 * count + upper)
    shows("all levels", "^cleared PMD entries, PUD entries, P4D entries$")
    if BATCHED:
        left = count + upper - gather.max_tables()
        lib.equal("the second batch of tables", found.tables.nr, left)
        shows("... which level, can't be told", rf"^    0 {PTDESC} .*: PTE, PMD or PUD table$")
        shows("... cut", rf"^  \.\.\. and {left - show.SHOWN} more; mg-batches draws them$")
        new = set(rcu.waiting_tables()) - waited
        lib.check("... the first is RCU's, unless that is through", len(new) in (0, gather.max_tables()), len(new))
        test_life(tables_of(found))
    check_all_found("in munmap() of many")


def test_life(tables):
    """What pt-life recorded is believed: records that are planted."""
    record = namedtuple("Record", "level address")
    real, pt_life.table_record = pt_life.table_record, {
        tables[0]: record("pmd", 0x1000), tables[1]: record("pte", None)}.get
    shows("pt-life knows the level", r"^    0 .*: PMD table for 0x1000 \(pt-life\)$")
    shows("... without an address", r"^    1 .*: PTE table \(pt-life\)$")
    shows("... not of all", r"^    2 .*: PTE, PMD or PUD table$")
    pt_life.table_record = real


def test_exit():
    """The end of the process: all of its address space goes."""
    facts = lib.Facts()
    go_to("tlb_finish_mmu")
    found = read()
    shows("exit: whose it was", rf"^mm .*: gather, pid {FACTS.pid}, which has left it$")
    shows("... fullmm", "^flags   fullmm: ")
    lib.check("... nothing of VMAs", "\nVMA " not in lib.output("mg-show"), lib.output("mg-show"))
    # All tables but the PGD, which goes with the mm.
    lib.equal("... VmPTE is 0", mm.pgtables_bytes(found.mm), 0)
    if BATCHED:
        lib.equal("... all tables that VmPTE counted", found.tables.nr * 4, facts.vmpte_kb_many_gone)
    check_all_found("at exit")


lib.start()
FACTS = lib.Facts()
test_before()
test_few()
test_expressions()
test_planted()
TO_END = gdb.newest_frame().older().pc()
test_optimized_out()
go_to(f"*{TO_END:#x}")
lib.fails("after tlb_finish_mmu()", "mg-show", "not in use, no gather of its mm 0x.* is: ")
lib.resume("FEW_GONE")
test_pages()
lib.resume("PAGES_GONE")
test_shared()
lib.resume("SHARED_GONE")
lib.resume("ONE_GONE")
test_many()
go_to("vfs_write")
for COMMAND in ("mg-show", "mg-batches"):
    lib.fails(f"{COMMAND}: no gather in any frame", COMMAND, f"{COMMAND}: mmu_gather: none in any frame of this")
lib.equal("... $mg()", number("$mg()"), 0)
lib.resume("MANY_GONE")
test_exit()
gdb.execute("kill", to_string=True)
lib.fails("without a process", "mg-show", "mg-show: kernel: not running: ")
for NAME in ("mg", "mg_tables", "mg_pages"):
    lib.fails(f"${NAME}() without one", f"p ${NAME}()", rf"\${NAME}: kernel: not running: ")
lib.finish()
