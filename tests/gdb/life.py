# SPDX-License-Identifier: GPL-2.0
"""pt-life against tables whose number, addresses and ways to go are known (life.c)."""

import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import gdb  # noqa: E402

import lib  # noqa: E402
import lifelib  # noqa: E402
from umlab import events, gather, lists, pagetable, sched  # noqa: E402
from umlab.command import space  # noqa: E402
from umlab.commands import life as pt_life  # noqa: E402
from umlab.lives import RECORDER, Recorder  # noqa: E402

L = lifelib.LAYOUT
RECLAIMS, BATCHES = events.has_pt_reclaim(), events.has_table_batches()
# What a table goes through when its mapping goes, and when MADV_DONTNEED empties it.
UNMAP = ["allocated", "populated", "taken-out", "batched"] + (["rcu"] if BATCHES else []) + ["freed"]
RECLAIM = ["allocated", "populated", "emptied", "taken-out", "batched", "rcu", "freed"] if RECLAIMS else UNMAP[:2]
ALONE = [kind if kind != "batched" else "alone" for kind in RECLAIM]


OFFSET = lists.offset_of(gdb.lookup_type("struct mmu_gather_batch"), "encoded_pages")


class Batches(gdb.Breakpoint):
    """What is in the kernel's own batches, read where they are done with: (batch, slot, table)."""

    def __init__(self):
        super().__init__("tlb_remove_table_free" if BATCHES else "tlb_batch_pages_flush", internal=True)
        self.seen = set()

    def stop(self):
        frame = gdb.newest_frame()
        if BATCHES:
            batch = frame.read_var("batch")
            self.seen |= {(int(batch), slot, table) for slot, table in enumerate(gather.tables(batch))}
            return False
        # Quickly: a stop that takes longer than a timer tick comes back before gdb has gone on from it.
        tables = {life.table for life in RECORDER.lives.values()}
        for batch in gather.page_batches(frame.read_var("tlb")):
            words = lists.words(batch.address + OFFSET, batch.nr) if batch.nr else []
            self.seen |= {(batch.address, slot, word & ~3) for slot, word in enumerate(words) if word & ~3 in tables}
        return False


def lives(name, tables):
    """The lives of the @tables (int) tables from address L[@name] on, each a list: one for each table there in turn."""
    return [[life for life in RECORDER.lives.values() if life.address == L[name] + n * L["TABLE"]]
            for n in range(tables)]


def kinds(life):
    return [event.kind for event in life.events]


def check_way(name, where, tables, way):
    """Each of the tables at L[@where] has lived once, and went @way (list of kinds) so far."""
    found = lives(where, tables)
    lib.equal(f"{name}: one life for each of {tables} tables", [len(each) for each in found], [1] * tables)
    lib.equal(f"{name}: their events, in order", [kinds(life) for each in found for life in each], [way] * tables)


def agrees_with_walk(life):
    """Whether the page tables, read by themselves, have the table of @life where it says."""
    step = pagetable.walk(WHOSE.mm, life.address)[2]
    populated = next(event for event in life.events if event.kind == "populated")
    return (step.level, step.address, int(pagetable.ptdesc_of(step.value)), pagetable.table_of(step.value)) == \
        ("pmd", populated.details["pmd"], life.table, life.page)


lib.fails("show before anything is recorded", "pt-life show 0x40000000", r"pt-life: table: 0x40000000: .*pt-life on")
lib.like("on before the kernel runs", "pt-life on", r"^Recording the lives of PTE tables, with \d+ breakpoints")
lib.check("it says what this kernel has not", RECLAIMS or "no PT_RECLAIM" in lib.output("pt-life on"))
lib.check("on twice is on once", RECORDER.places() == len({(b.location, b.number) for b in RECORDER._watches}))
truth = Batches()

lib.start()
WHOSE = space("current")
pid = int(sched.current()["pid"])
in_use = [life for life in RECORDER.lives.values() if life.mm == int(WHOSE.mm) and kinds(life)[-1] == "populated"]
there = sorted(table.start for table in pagetable.tables(WHOSE.mm) if table.level == "pte")
lib.equal("lives in use are the PTE tables of the process", sorted(life.address for life in in_use), there)
lib.equal("... and each is where the walk finds it", [life.number for life in in_use if not agrees_with_walk(life)], [])
lib.equal("... by the task that made them", {event.pid for life in in_use for event in life.events} - {1}, {pid})
lib.equal("... a table for a file's pages too", [kinds(life) for each in lives("SHARED", 1) for life in each], [UNMAP[:2]])

lib.resume("RECLAIMED")
tables = L["RECLAIM_TABLES"]
found = lives("RECLAIM", tables)
if RECLAIMS:
    lib.equal("MADV_DONTNEED: taken out, batched, handed to RCU", [kinds(life)[:6] for each in found for life in each],
              [RECLAIM[:6]] * tables)
    lib.equal("... empty, with a slot each in a batch each",
              [(life.events[3].details["entries"], life.events[4].details["slot"]) for each in found for life in each],
              [(0, 0)] * tables)
    lib.check("... by reclaim", all(life.events[3].how == "reclaim" for each in found for life in each))
    lib.like("the timeline", f"pt-life show {L['RECLAIM']:#x}",
             rf"^life #\d+: PTE table, ptdesc 0x\w+, page 0x\w+, frame 0x\w+, serves {L['RECLAIM']:#x}-.*\n"
             r"(.*\n)*.* life, pid \d+  emptied: .*\n +zap_empty_pte_table mm/memory.c:\d+ < zap_pte_range .*\n"
             r".* taken-out: reclaim ")
else:
    lib.equal("MADV_DONTNEED: the tables stay", [kinds(life) for each in found for life in each], [UNMAP[:2]] * tables)

lib.resume("UNMAPPED")
tables = L["UNMAP_TABLES"]
gone = [next(event for event in life.events if event.kind == "batched") for each in lives("UNMAP", tables) for life in each]
lib.equal("munmap: one mmu_gather for all", len({event.details["tlb"] for event in gone}), 1)
if BATCHES:
    lib.equal("... and one batch, slot by slot", [(event.details["batch"], event.details["slot"]) for event in gone],
              [(gone[0].details["batch"], slot) for slot in range(tables)])

lib.resume("REPEATED")
cpu = max(sched.cpus())
lib.equal(f"a thread on CPU {cpu}: its events are that CPU's",
          [{event.cpu for event in life.events[:len(RECLAIM) - 1 if RECLAIMS else 2]} for each in lives("CPU", L["CPU_TABLES"])
           for life in each], [{cpu}] * L["CPU_TABLES"])
again = lives("AGAIN", 1)[0]
lib.equal("one table after the other at one address", len(again), L["AGAIN_TIMES"] if RECLAIMS else 1)
lib.check("... numbered, with a beginning each", sorted(life.number for life in again) == [life.number for life in again]
          and all(life.whole() for life in again))

lib.resume("EMPTIED")
if RECLAIMS:
    many = [life for each in lives("MANY", L["MANY_TABLES"]) for life in each]
    lib.equal("full tables, more than an mmu_gather has room for: all reclaimed",
              [kinds(life)[:5] for life in many], [RECLAIM[:5]] * L["MANY_TABLES"])
    hows = {life.events[2].how: life.events[3].stack[0][0] for life in many}
    lib.check("... some after a second look", len(hows) == 2 and hows.get("looked through again: every entry is none")
              == "zap_pte_table_if_empty", hows)
    lib.check("... all empty", not any(life.events[3].details["entries"] for life in many))

lib.resume("LATE_READY")
if RECLAIMS:
    short = lifelib.NoBatch()
    short.go_on()
    lib.at_mark("FREED")
    short.end()
    lib.check("the kernel was short of a batch for each", short.times >= L["LATE_TABLES"], short.times)
else:
    lib.resume("FREED")
if RECLAIMS:
    check_way("no page for a batch", "LATE", L["LATE_TABLES"], ALONE)
    check_way("MADV_DONTNEED", "RECLAIM", L["RECLAIM_TABLES"], RECLAIM)
    check_way("a second look", "MANY", L["MANY_TABLES"], RECLAIM)
    lib.equal("of the lives at one address all are over", [kinds(life) for life in again], [RECLAIM] * L["AGAIN_TIMES"])
check_way("munmap", "UNMAP", L["UNMAP_TABLES"], UNMAP)
lib.check("freed by whom", all(life.events[-1].how.startswith("RCU's callback" if BATCHES else "with the pages")
                               for each in lives("UNMAP", L["UNMAP_TABLES"]) for life in each))

said = {(event.details["batch"], event.details["slot"], life.table)
        for life in RECORDER.lives.values() for event in life.events if event.kind == "batched"}
lib.check("batches and slots are those of the kernel", said and said <= truth.seen, said - truth.seen)
truth.delete()
lib.equal("no stop was lost", dict(RECORDER.unread), {})
lost = [life.number for life in RECORDER.lives.values() if not life.whole() or life.events[-1].kind == "missed"]
lib.equal("no life without beginning or end", lost, [])
order = [[(events.KINDS.index(e.kind), e.time, e.jiffies, e.sequence) for e in life.events]
         for life in RECORDER.lives.values()]
lib.check("each life goes forward in meaning, time and jiffies",
          all(a[n] <= b[n] for each in order for a, b in zip(each, each[1:]) for n in range(4)))

# Questions and the file.
one = lives("UNMAP", 1)[0][0]
for what, value in (("ptdesc", one.table), ("page", one.page + 8), ("frame", one.frame), ("address", one.address + 4096)):
    lib.like(f"a life by its {what}", f"pt-life show {value:#x}", rf"^life #{one.number}: ")
lib.like("... by its number", f"pt-life show #{one.number}", rf"^life #{one.number}: .*\n.* allocated: ")
lib.like("the overview", "pt-life show", rf"^#{one.number} +{one.table:#x} .* freed (by RCU's|with the pages).*$")
shared = lives("SHARED", 1)[0][0]
lib.check("table_record() of a table in use", pt_life.table_record(shared.table) is shared and shared.level == "pte")
lib.check("... of none", pt_life.table_record(0x1234) is None)
lib.equal("$pt_life()", int(gdb.parse_and_eval(f"$pt_life({shared.table:#x})")), shared.number)
lib.equal("$pt_life() of none", int(gdb.parse_and_eval("$pt_life(0x1234)")), 0)

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "life")
    with open(path, "w", encoding="ascii") as file:
        file.write("old")
    lib.like("save", f"pt-life save {path}", r"^\d+ events of \d+ tables written to ")
    with open(path, encoding="utf-8") as file:
        header, *rows = [json.loads(line) for line in file]
    lib.equal("nothing else is left there", os.listdir(folder), ["life"])
    lib.fails("a folder that is none", f"pt-life save {folder}/none/life", r"pt-life: file: .*/none/life: No such file")
    lib.fails("a folder as a file", f"pt-life save {folder}", r"pt-life: file: .*: Is a directory")
lib.equal("the file's header", (header["format"], header["version"], header["events"], header["lives"]),
          ("umlab pt-life", 1, RECORDER.count, len(RECORDER.lives)))
lib.check("... names the kernel", (header["kernel"] or "").startswith("Linux version"), header["kernel"])
lib.equal("... and a line for each event", len(rows), RECORDER.count)
lib.equal("each as it was recorded",
          [(row["event"], int(row["table"], 16), row["cpu"], row["stack"][0]["function"]) for row in rows if row["life"] == one.number],
          [(e.kind, one.table, e.cpu, e.stack[0][0]) for e in one.events])
lib.check("in the order of time", [row["time"] for row in rows] == sorted(row["time"] for row in rows))

# The limit: the oldest lives that are over go.
small = Recorder(limit=20)
for number in range(1, 11):
    life = small._begin(number, "pte")
    small._append(life, "allocated", "", (1, 0.0, 0, 0, 1, "x", []), {})
    small._append(life, "populated", "", (1, 0.0, 0, 0, 1, "x", []), {})
    if number % 2:
        small._append(life, "freed", "", (1, 0.0, 0, 0, 1, "x", []), {})
lib.check("the limit drops whole lives, oldest first, none that goes on",
          small.count <= 20 and small.dropped_lives == 2 and sorted(small.lives) == [2, 4, 5, 6, 7, 8, 9, 10],
          f"{small.count} events, {small.dropped_lives} dropped, {sorted(small.lives)}")

small.off()
lib.check("off ends what goes on", all(life.finished() for life in small.lives.values()) and
          pt_life.state(small.lives[2]) == "in use when recording stopped",
          pt_life.state(small.lives[2]))

# Errors.
lib.fails("no word", "pt-life", "pt-life: what: missing: give on, off, show, save, clear")
lib.fails("an unknown word", "pt-life sideways", "pt-life: what: sideways: ")
lib.fails("too many words", "pt-life on now", "pt-life: argument: now: too many")
lib.fails("an unknown table", "pt-life show 0x12345678000", "pt-life: table: 0x12345678000: no life of it")
lib.fails("an unknown life", "pt-life show #99999", "pt-life: table: #99999: no life of it")
lib.fails("no number", "pt-life show nosuch", "pt-life: expression: nosuch: no number")
lib.fails("two tables", "pt-life show 1 2", "pt-life: argument: 1 2: one table")
lib.fails("no file", "pt-life save", "pt-life: FILE: missing")
lib.like("help", "help pt-life", r"save FILE.*\n(.*\n)*.*\$pt_life\(TABLE\)")
lib.like("TAB knows the words", "complete pt-life s", r"^pt-life save\npt-life show$")
lib.like("TAB knows variables", "complete pt-life show len_", "^pt-life show len_in$")

gdb.execute("kill", to_string=True)
lib.check("the kernel's end ends lives", shared.ended and "when the kernel ended" in lib.output(f"pt-life show #{shared.number}"))
before = RECORDER.count
lib.like("off", "pt-life off", r"^Recorded \d+ events of \d+ tables at \d+ stops")
lib.equal("off leaves no breakpoint, and the records", (RECORDER.places(), RECORDER.count), (0, before))
lib.like("off twice", "pt-life off", "^Off already")
lib.like("clear", "pt-life clear", rf"^Forgot {before} events")
lib.equal("... leaves nothing", (RECORDER.count, len(RECORDER.lives)), (0, 0))
lib.finish()
