# SPDX-License-Identifier: GPL-2.0
"""The pretty-printers against what is known of the scenario, and on values that make no sense."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import gdb  # noqa: E402

import lib  # noqa: E402
from umlab import page, pagetable, sched  # noqa: E402

L = lib.LAYOUT
FRAME = (1 << 55) - 1


class planted:  # pylint: disable=invalid-name
    """Context: the kernel's memory holds @values (list of int, 8 bytes each) at @address (int)."""

    def __init__(self, address, values):
        self._words = [(address + 8 * number, value) for number, value in enumerate(values)]
        self._old = []

    def __enter__(self):
        self._old = [(where, pagetable.read_entry(where)) for where, _ in self._words]
        self._write(self._words)

    def __exit__(self, *_):
        self._write(self._old)

    @staticmethod
    def _write(words):
        for where, value in words:
            gdb.execute(f"set *(unsigned long *){where:#x} = {value:#x}")


def check_tables():
    """Entries, the tables that they lead to, and pages."""
    entries = {name: pagetable.walk(MM, L[name])[-1].address for name in ("FULL", "GUARD", "PROTNONE")}
    pfn = FACTS.pages[L["FULL"]] & FRAME
    lib.like("pte_t", f"print *(pte_t *){entries['FULL']:#x}", rf"^\$\d+ = 0x\w+ \(present rw user accessed dirty, pfn {pfn:#x}\)$")
    lib.like("... a marker", f"print ((pte_t *){entries['GUARD']:#x})[8]", r"= 0x\w+ \(marker: guard\)$")
    lib.like("... protnone", f"print *(pte_t *){entries['PROTNONE']:#x}", r"= 0x\w+ \(protnone .*, pfn 0x\w+\)$")
    lib.like("... several", f"print *(pte_t *){entries['FULL']:#x}@2",
             rf"= \{{0x\w+ \(present .*, pfn {pfn:#x}\), 0x\w+ \(present .*, pfn 0x\w+\)\}}$")
    for step in pagetable.walk(MM, L["FULL"])[:3]:
        lib.like(f"{step.level}_t", f"print *(const {step.level}_t *){step.address:#x}",
                 rf"= {step.value:#x} \(present .*, pfn {pagetable.pfn(step.value):#x}\)$")
    lib.like("p4d_t", f"print *(p4d_t *){pagetable.walk(MM, L['FULL'])[0].address:#x}", r"= 0x\w+ \(present ")
    lib.like("pgprot_t", "print (pgprot_t){0x1a1}", r"= 0x1a1 \(present rw accessed dirty\)$")
    pmd = pagetable.walk(MM, L["FULL"])[2].value
    lib.like("struct ptdesc", f"print *(struct ptdesc *){int(pagetable.ptdesc_of(pmd)):#x}",
             rf"= pfn {pagetable.pfn(pmd):#x}, table at {pagetable.table_of(pmd):#x}, type table, references 1 = \{{pt_flags = "
             r"0x\w+ \(.*\), .*pt_rcu_head = .*__page_refcount = 1\}$")
    frame = page.pfn_to_page(pfn)
    lib.like("struct page", f"print *(struct page *){int(frame):#x}",
             rf"= pfn {pfn:#x}, references 1, mapped 1 times, uptodate lru .*anon_exclusive.*swapbacked.* = \{{flags = 0x\w+ \(uptodate lru .*"
             r"_refcount = 1\}$")
    lib.like("struct folio", f"print *(struct folio *){int(frame):#x}", rf"= pfn {pfn:#x}, references 1, .* = \{{flags = ")
    lib.like("... in memory that is none", f"print *(struct page *){int(page.pfn_to_page(-1)):#x}",
             "= no page frame, |^ERROR: Cannot access memory")


def check_numbers():
    """Counters, masks, locks."""
    lib.equal("atomic_long_t: VmPTE", lib.output("print $mm->pgtables_bytes").split()[-1], str(FACTS.vmpte_kb << 10))
    lib.like("... in hex", "print/x $mm->pgtables_bytes", f"= {FACTS.vmpte_kb << 10:#x}$")
    lib.like("atomic_t", "print $mm->mm_users", r"= 1$")
    lib.like("refcount_t", "print $um_current()->usage", r"= [1-9]\d*$")
    with planted(int(gdb.parse_and_eval("&$um_current()->usage")) & ~7, [0xC0000000C0000000]):
        lib.like("... that stuck", "print $um_current()->usage", r"= -1073741824 \(saturated\)$")
    online = "0" if len(sched.cpus()) == 1 else f"0-{len(sched.cpus()) - 1}"
    lib.like("struct cpumask", "print __cpu_online_mask", rf"= CPUs {online}$")
    mask = int(gdb.parse_and_eval("&__cpu_online_mask"))
    with planted(mask, [0xB3]):
        lib.like("... with holes", "print __cpu_online_mask", r"= CPUs 0-1,4-5,7$")
    with planted(mask, [0]):
        lib.like("... empty", "print __cpu_online_mask", r"= no CPUs$")
    lock = int(gdb.parse_and_eval("&$mm->page_table_lock"))
    rest = pagetable.read_entry(lock) & ~0xFFFFFFFF
    for word, expected in ((0, "unlocked"), (1, "locked"), (0x101, "locked, others wait"), (0x40001, "locked, others wait")):
        with planted(lock, [rest | word]):
            lib.like(f"spinlock_t, {word:#x}", "print $mm->page_table_lock", rf"= {expected}$")


def check_lists():
    """Lists, and what looks like one."""
    count = sum(1 for _ in sched.processes()) - 1
    lib.like("struct list_head", "print init_task.tasks", rf"= {count} entries = \{{next = 0x\w+.*, prev = 0x\w+.*\}}$")
    lib.like("... with an entry", "print init_signals.thread_head", r"= 1 entry = \{")
    head = int(gdb.parse_and_eval("&$mm->mmlist"))
    for name, values, expected in (
            ("empty", (head, head), "empty"), ("deleted", (0x100, 0x122), "deleted"), ("zero", (0, 0), "no list"),
            ("to nowhere", (0x10, 0x10), "no list, or corrupt"), ("one way", (head, 0x10), "no list, or corrupt")):
        with planted(head, values):
            lib.like(f"... {name}", "print $mm->mmlist", rf"= {expected} = \{{next = 0x\w+.*, prev = 0x\w+.*\}}$")
    first = int(gdb.parse_and_eval("init_task.tasks.next"))
    with planted(first, [first]):
        lib.like("... that loops", "print init_task.tasks", r"= more than 100 entries = \{")
    lib.like("... no place in memory", "print $um_list", r"= \{next = 0x\w+.*, prev = 0x\w+.*\}$")
    place = int(gdb.parse_and_eval("&$mm->mmlist"))
    with planted(place, [0]):
        lib.like("struct hlist_head", f"print *(struct hlist_head *){place:#x}", r"= empty = \{first = 0x0\}$")
    with planted(place, [place + 8, 0]):
        lib.like("... with an entry", f"print *(struct hlist_head *){place:#x}", r"= 1 entry = \{first = 0x\w+\}$")
    with planted(place, [0x10]):
        lib.like("... to nowhere", f"print *(struct hlist_head *){place:#x}", r"= no list, or corrupt = \{first = 0x10\}$")


def check_callbacks():
    """struct rcu_head, which the kernel defines as another name of struct callback_head."""
    place = int(gdb.parse_and_eval("&$mm->mmlist"))
    function = int(gdb.parse_and_eval("(unsigned long)&delayed_put_task_struct"))
    for name, values, expected in (("queued", (place, function), rf"calls delayed_put_task_struct \({function:#x}\), next {place:#x}"),
                                   ("unused", (0, 0), "no callback, next 0x0"),
                                   ("senseless", (0x10, 0x11), r"calls no function \(0x11\), next 0x10")):
        with planted(place, values):
            lib.like(f"struct rcu_head, {name}", f"print *(struct callback_head *){place:#x}", f"= {expected}$")
            lib.like("... within another", f"print *(struct ptdesc *){place - 8:#x}", f"pt_rcu_head = {expected}, ")


def check_off():
    """They can be switched off, and do not matter to scripts."""
    lib.like("print/r", "print/r $mm->mm_users", r"= \{counter = (0x)?1\}$")
    gdb.execute("disable pretty-printer global umlab;atomic_t", to_string=True)
    lib.like("one switched off", "print $mm->mm_users", r"= \{counter = 1\}$")
    lib.like("... the others not", "print __cpu_online_mask", "= CPUs ")
    gdb.execute("disable pretty-printer global umlab", to_string=True)
    lib.like("all switched off", "print __cpu_online_mask", r"= \{bits = \{\d+\}\}$")
    gdb.execute("enable pretty-printer global umlab", to_string=True)
    lib.like("... and on", "print __cpu_online_mask", "= CPUs ")
    lib.equal("a script reads fields", int(gdb.parse_and_eval("$mm->mm_users")["counter"]), 1)
    for command in ("print init_task", "print *$mm", "print $mm->mm_mt", "bt full", "print *$um_current()->signal", "info locals",
                    "print contig_page_data.node_zones[0]"):
        text = lib.output(command)
        lib.check(f"{command}: prints", text and not any(word in text for word in ("ERROR", "Python", "Traceback")), text)


lib.start()
FACTS = lib.Facts()
MM = sched.current()["mm"]
gdb.set_convenience_variable("mm", MM)
gdb.execute("set $um_list = init_task.tasks")
check_tables()
check_numbers()
check_lists()
check_callbacks()
check_off()
gdb.execute("kill", to_string=True)
lib.like("without a process: what the file says", "print init_task.children", r"= empty = \{")
lib.fails("... and a message for the rest", "print *$mm", "Cannot access memory")
lib.finish()
