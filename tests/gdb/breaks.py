# SPDX-License-Identifier: GPL-2.0
"""pt-break on tables whose number, addresses and ways to go are known (life.c)."""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import gdb  # noqa: E402

import lib  # noqa: E402
import lifelib  # noqa: E402
from umlab import events, mm, page, pagetable, sched  # noqa: E402
from umlab.command import space  # noqa: E402
from umlab.commands import breaks  # noqa: E402

L = lifelib.LAYOUT
RECLAIMS, BATCHES = events.has_pt_reclaim(), events.has_table_batches()


def table_at(address):
    """The struct ptdesc * of the PTE table that serves @address now."""
    return pagetable.ptdesc_of(pagetable.walk(WHOSE.mm, address)[2].value)


def where(name, number):
    return L[name] + number * L["TABLE"]


def told(text, meaning):
    """The tables of which pt-break said @meaning in @text: (ptdesc, first address or None)."""
    found = re.findall(rf"^{meaning}: (?:PTE )?table ptdesc (0x\w+)(?:, page 0x\w+, frame 0x\w+)?(?:, of (0x\w+)-)?", text, re.M)
    return [(int(table, 16), int(start, 16) if start else None) for table, start in dict.fromkeys(found)]


def run_to(step, go=lambda: lib.output("continue")):
    """Let the kernel run to @step; returns all that gdb said on the way.

    A stop in an interrupt that came as gdb went on from a mark makes that mark be hit again.
    """
    begin, text = lifelib.step(), ""
    for _ in range(100):
        text += go()
        if lifelib.step() not in (begin, None) or gdb.selected_thread() is None:
            break
    lib.at_mark(step)
    return text


def numbers(text):
    """The numbers of the breakpoints that pt-break said in @text to have set."""
    return [int(each) for each in re.search(r"^pt-break ([\d, ]+): ", text, re.M).group(1).split(", ")]


def hits(stops):
    return sum(stop.hit_count for stop in gdb.breakpoints() if stop.number in stops)


# Before the kernel runs.
lib.fails("no meaning", "pt-break", "pt-break: meaning: missing: give reclaim, gather, fallback, free")
lib.fails("an unknown meaning", "pt-break nosuch", "pt-break: meaning: nosuch: ")
for name, text, expected in (
        ("a word too many", "gather now", "argument: now: only `once`"),
        ("no condition", "gather if", "condition: missing: "),
        ("no comparison", "gather if pid", "condition: pid: say NAME == VALUE"),
        ("an assignment", "gather if pid = 3", "condition: pid = 3: say NAME == VALUE"),
        ("an unknown keyword", "gather if size > 3", "condition: size: give one of VmPTE, pid, comm, table"),
        ("a comparison that makes no sense", "gather if pid > 3", "condition: pid > 3: pid knows == and != only"),
        ("nothing behind `and`", "gather if pid == 3 and", "condition: nothing: say NAME == VALUE"),
        ("a value that is none", "gather if pid == nosuch", "expression: nosuch: no number"),
        ("a name that no task can have", "gather if comm == a_name_of_16_char", "condition: a_name_of_16_char: the kernel keeps 15"),
        ("VmPTE where there is no address space", "free if VmPTE > 3", "condition: VmPTE > 3: a table that is freed")):
    lib.fails(name, f"pt-break {text}", "pt-break: " + expected)
lib.fails("$pt_break() without a process", 'p $pt_break("gather", "")', r"\$pt_break: kernel: not running: ")
lib.equal("none of these set a breakpoint", len(gdb.breakpoints()), 0)
if not RECLAIMS:
    lib.fails("a kernel that reclaims none says so", "pt-break reclaim", "no PT_RECLAIM: .*pt-break gather")
if not BATCHES:
    lib.fails("... and one without batches", "pt-break fallback", r"no batches of tables \(MMU_GATHER_TABLE_FREE\)")
lib.like("TAB knows the meanings", "complete pt-break f", "^pt-break fallback\npt-break free$")
lib.like("... what comes next", "complete pt-break free o", "^pt-break free once$")
lib.like("... the keywords", "complete pt-break free if V", "^pt-break free if VmPTE$")
lib.like("... after each `and`", "complete pt-break free if pid == 3 and ta", "^pt-break free if pid == 3 and table$")
lib.like("... expressions", "complete pt-break free if pid == start_kern", "^pt-break free if pid == start_kernel$")
lib.like("help", "help pt-break", r"VmPTE > N.*\n(.*\n)*.*\$pt_break")

first = lib.output("pt-break gather once if pid == 1")
lib.like("gdb lists it", "info breakpoints", r'breakpoint +del +y .*tlb_remove_table.*\n.*\$pt_break\("gather", "pid == 1"\)')
gdb.execute("delete")
lib.start()
WHOSE = space("current")
pid = int(sched.current()["pid"])
vmpte = mm.pgtables_bytes(WHOSE.mm) // 1024
unmap = [int(table_at(where("UNMAP", n))) for n in range(L["UNMAP_TABLES"])]

# Conditions that are false whatever happens.
meaning = "reclaim" if RECLAIMS else "gather"
never = [number for condition in ("pid == 1", "comm == nobody", "table == 0x10", f"VmPTE > {vmpte + 1000}",
                                  f"VmPTE < {vmpte + 1000} and comm != life")
         for number in numbers(lib.output(f"pt-break {meaning} if {condition}"))]

if BATCHES:  # true, but it does not happen yet
    never += numbers(lib.output(f"pt-break fallback if pid == {pid}"))

if RECLAIMS:
    tables = [table_at(where("RECLAIM", n)) for n in range(L["RECLAIM_TABLES"])]
    said = lib.output(f"pt-break reclaim once if table == {int(tables[0]):#x}")
    once = numbers(said)
    lib.check("pt-break says where it stops", "stops once where a PTE table that MADV_DONTNEED emptied" in said, said)
    later = numbers(lib.output(f"pt-break reclaim if VmPTE < {vmpte} and comm == 'life' and pid == {pid}"))
    text = lib.output("continue")
    lib.equal("reclaim: of that table, at that address", told(text, "reclaim"), [(int(tables[0]), where("RECLAIM", 0))])
    lib.equal("... in one line", text.count("reclaim: "), 1)
    lib.like("... with the table still in its PMD", f"pt-walk {where('RECLAIM', 0):#x}",
             rf"\(struct ptdesc \*\) {int(tables[0]):#x}, ")
    lib.check("... by whom, with how much", re.search(rf": life, pid {pid}, CPU \d+, VmPTE {vmpte} kB$", text, re.M), text)
    lib.equal("once is once, at each of its places", [s.number for s in gdb.breakpoints() if s.number in once], [])
    text = lib.output("continue")
    lib.equal("VmPTE, comm and pid: the next, when a table is gone", told(text, "reclaim"),
              [(int(tables[1]), where("RECLAIM", 1))])
    lib.check("... VmPTE is a table less", f"VmPTE {vmpte - 4} kB" in text, text)
    gdb.execute(f"delete {' '.join(map(str, later))}")
    address = pagetable.table_of(pagetable.walk(WHOSE.mm, where("RECLAIM", 2))[2].value)
    stops = breaks.place("reclaim", f"table == {address:#x} and VmPTE >= {vmpte - 8}")
    text = run_to("RECLAIMED")
    lib.equal("table: the address of its page does, too", told(text, "reclaim"), [(int(tables[2]), where("RECLAIM", 2))])
    for stop in stops:
        stop.delete()
else:
    lib.resume("RECLAIMED")

# munmap: each table joins, one is seen to go.
frame = page.page_to_pfn(unmap[1])
gather = numbers(lib.output(f"pt-break gather if pid == {pid}"))
free = numbers(lib.output(f"pt-break free if table == {frame:#x}"))
said = text = run_to("UNMAPPED")
lib.equal("gather: each table that munmap takes out", told(text, "gather"),
          [(table, where("UNMAP", n)) for n, table in enumerate(unmap)])
lib.check("... with its level", len(re.findall("^gather: PTE table ", text, re.M)) == len(unmap), text)
gdb.execute(f"condition {gather[0]} 0")
gdb.execute(f"disable {' '.join(str(number) for number in never)}")
later = run_to("REPEATED")
lib.equal("gdb's own condition replaces ours", told(later, "gather"), [])
lib.equal("false conditions never stopped it", hits(never), 0)
lib.fails("$pt_break() where nothing happens", 'p $pt_break("gather", "")', "pt-break gather: not the place: do_madvise")
lib.fails("... of nothing", 'p $pt_break("nosuch", "")', r"\$pt_break: meaning: nosuch")
gdb.execute(f"delete {' '.join(str(number) for number in gather + never)}")

later += run_to("EMPTIED")
later += run_to("LATE_READY")
if RECLAIMS:
    late = [(int(table_at(where("LATE", n))), where("LATE", n)) for n in range(L["LATE_TABLES"])]
    fallback = numbers(lib.output("pt-break fallback"))
    none = numbers(lib.output("pt-break fallback if pid == 1"))
    short = lifelib.NoBatch()
    text = run_to("FREED", short.go_on)
    lib.equal("fallback: each table that goes alone", told(text, "fallback"), late)
    lib.equal("... and none if not asked for", hits(none), 0)
    said_of = set(re.findall(rf"^fallback: .*: life, pid {pid}, CPU \d+, VmPTE \d+ kB$", text, re.M))
    lib.check("... VmPTE and task", len(said_of) == len(late), text)
    short.end()
    later += text
else:
    later += run_to("FREED")
freed = re.findall("^free: .*(?:RCU's callback, slot 1 of batch|with the pages of its mmu_gather).*$", said + later, re.M)
lib.equal("free: that table, named by its frame", told("\n".join(freed), "free")[:1], [(unmap[1], None)])
lib.check("... once by each batch that it was in", len(freed) == len(set(freed)) or not BATCHES, freed)
gdb.execute("kill", to_string=True)
lib.check("they stay for the next run", all(stop.is_valid() for stop in breaks.place("gather")))
lib.finish()
