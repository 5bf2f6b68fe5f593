# SPDX-License-Identifier: GPL-2.0
"""The kernel's own gdb commands (scripts/gdb of its tree) on UML, against what the guest says.

Environment: UMLAB_LX, the folder with vmlinux-gdb.py; UMLAB_PROC, one with the guest's files of /proc.
"""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.environ["UMLAB_LX"], "scripts/gdb"))

import gdb  # noqa: E402

import lib  # noqa: E402
from umlab import page, sched  # noqa: E402
from umlab.machines import uml  # noqa: E402

PRESENT, FRAME = 1 << 63, (1 << 55) - 1


def guest(name):
    """Return the text of the guest's /proc/@name, written before the scenario began."""
    with open(os.path.join(os.environ["UMLAB_PROC"], name), encoding="utf-8", errors="replace") as file:
        return file.read()


def value(expression, *fields):
    """Return the int that @fields (str each) of gdb's @expression (str) give; the text (str) of its error.

    A field in the expression would have gdb look for a variable of that name, in all of the kernel.
    """
    try:
        found = gdb.parse_and_eval(expression)
        for field in fields:
            found = found[field]
        return int(found)
    except gdb.error as error:
        return str(error)


def gives(command):
    """Return the last number (int) that @command (str) prints; what it prints (str) if there is none."""
    text = lib.output(command)
    found = re.search(r"[=:] (0x[0-9a-f]+|\d+)$", text.strip())
    return int(found.group(1), 0) if found else text


def test_current():
    """$lx_current(), $lx_per_cpu(): from the thread of each CPU."""
    lib.equal("$lx_current()", value("$lx_current()", "pid"), facts.pid)
    lib.equal("$lx_per_cpu() of this CPU", value("$lx_per_cpu(runqueues)", "curr", "pid"), facts.pid)
    here = gdb.selected_thread()
    for cpu, (thread, _) in sorted(sched.cpu_threads().items()):
        running = int(gdb.parse_and_eval("cpu_tasks")[cpu])
        lib.equal(f"$lx_current({cpu})", value(f"(long)&$lx_current({cpu})"), running)
        lib.equal(f"$lx_per_cpu(VAR, {cpu})", value(f"$lx_per_cpu(runqueues, {cpu})", "cpu"), cpu)
        thread.switch()
        lib.equal(f"CPU {cpu}: $lx_current()", value("(long)&$lx_current()"), running)
        lib.equal(f"CPU {cpu}: $lx_per_cpu_ptr()", value("$lx_per_cpu_ptr(&runqueues)", "cpu"), cpu)
    here.switch()


def test_pages():
    """lx-pfn_to_page and its kin, from a page frame that pagemap tells."""
    pfn = facts.pages[L["FULL"]] & FRAME
    struct, kernel = int(page.pfn_to_page(pfn)), page.phys_to_virt(pfn << uml.PAGE_SHIFT)
    lib.equal("lx-pfn_to_page", gives(f"lx-pfn_to_page {pfn}"), struct)
    address = gives(f"lx-pfn_to_kaddr {pfn}")
    lib.equal("lx-pfn_to_kaddr", address, kernel)
    lib.equal("... where the page is", gdb.selected_inferior().read_memory(kernel, 1).tobytes(), b"u")
    lib.equal("lx-page_to_pfn", gives(f"lx-page_to_pfn {struct:#x}"), pfn)
    lib.equal("lx-page_to_phys", gives(f"lx-page_to_phys {struct:#x}"), pfn << uml.PAGE_SHIFT)
    lib.equal("lx-page_address", gives(f"lx-page_address {struct:#x}"), kernel)
    lib.equal("lx-virt_to_phys", gives(f"lx-virt_to_phys {kernel + 8:#x}"), (pfn << uml.PAGE_SHIFT) + 8)
    lib.equal("lx-virt_to_page", gives(f"lx-virt_to_page {kernel:#x}"), struct)
    init = int(gdb.parse_and_eval("init_task").address)
    lib.equal("lx-sym_to_pfn", gives(f"lx-sym_to_pfn {init:#x}"), page.virt_to_phys(init) >> uml.PAGE_SHIFT)


def translated(address):
    """Return (levels shown, page frame or None) of translate-vm @address (int)."""
    text = lib.output(f"translate-vm {address:#x}")
    found = re.search(r"page physical address +(0x[0-9a-f]+)$", text, re.M)
    return [int(n) for n in re.findall(r"^level (\d):$", text, re.M)], \
        int(found.group(1), 16) >> uml.PAGE_SHIFT if found else None


def test_tables():
    """translate-vm against pagemap."""
    wrong = [hex(address) for address, entry in list(facts.pages.items())[::128]
             if translated(address)[1] != (entry & FRAME if entry & PRESENT else None)]
    lib.equal("translate-vm: as pagemap says", wrong, [])
    lib.equal("... four levels", translated(L["FULL"])[0], [4, 3, 2, 1])
    lib.like("... a page that is written", f"translate-vm {L['FULL']:#x}",
             r"level 1:\n(.*\n)*.* entry present +True\n(.*\n)*.* read/write access allowed +True\n"
             r"(.*\n)*.* page dirty +True$")
    lib.like("... PROT_NONE", f"translate-vm {L['PROTNONE']:#x}", r"level 1:\n(.*\n)*.* PROT_NONE +True$")
    lib.like("... a table that is empty", f"translate-vm {L['EMPTY']:#x}",
             r"level 1:\n(.*\n)*.*PAGE ENTRY IS NOT PRESENT!$")
    lib.like("... where nothing is", "translate-vm 0x7000000000", r"level 4:\n(.*\n)*.*PAGE ENTRY IS NOT PRESENT!$")


def test_slabs():
    """lx-slabinfo against /proc/slabinfo."""
    theirs = {}
    for line in guest("slabinfo").split("\n")[2:]:
        if line:
            name, _, *numbers = line.split()[:6]
            theirs[name[:19]] = [int(number) for number in numbers]
    ours = {}
    for line in lib.output("lx-slabinfo").split("\n")[2:]:
        if "|" in line:
            _, name, _, *numbers = (part.strip() for part in line.split("|"))
            ours[name] = [int(number) for number in numbers]
    lib.equal("lx-slabinfo: all caches", sorted(set(theirs) - set(ours)), [])
    wrong = {name: (theirs[name], ours[name]) for name in set(theirs) & set(ours)
             if theirs[name][1:] != ours[name][1:]}
    lib.equal("... the size of their objects and slabs", wrong, {})
    same = sum(theirs[name][0] == ours[name][0] for name in theirs if name in ours)
    lib.check("... most with as many objects as before", same > len(theirs) * 0.7, f"{same} of {len(theirs)}")
    if "slab_debug=U,mm_struct" in guest("cmdline"):
        text = lib.output("lx-slabtrace --cache_name mm_struct --alloc")
        lib.check("lx-slabtrace", re.search(r"^\d+ <(copy_process|dup_mm|mm_alloc)\+", text, re.M), text)
        lib.check("... with the stack that stackdepot has", "<kmem_cache_alloc" in text, text)
    lib.like("lx-stack_depot_lookup of no stack", "lx-stack_depot_lookup 0x1fff", "^pool index .* out of bounds")


def test_vmalloc():
    """lx-vmallocinfo against /proc/vmallocinfo, whose addresses are hashed."""
    def areas(text):
        return sorted((int(size), re.findall(r"pages=(\d+)", rest))
                      for size, rest in re.findall(r"^0x\w+-0x\w+ +(\d+)(.*)", text, re.M))
    theirs, ours = areas(guest("vmallocinfo")), areas(lib.output("lx-vmallocinfo"))
    lib.check("lx-vmallocinfo", theirs and ours == theirs, f"{ours}, the guest says {theirs}")


def test_interrupts():
    """lx-interruptlist against /proc/interrupts: the same lines, whose counters have only grown."""
    def counters(text):
        count = len(re.findall(r"CPU\d+", text.split("\n")[0]))
        rows = [line.split() for line in text.split("\n")[1:] if line]
        return {row[0]: [int(number) for number in row[1:1 + count]] for row in rows}
    theirs, ours = counters(guest("interrupts")), counters(lib.output("lx-interruptlist"))
    lib.check("lx-interruptlist: the same interrupts", "CAL:" in ours and set(theirs) <= set(ours),
              f"{ours}, the guest says {theirs}")
    lib.equal("... none went back", [name for name in theirs if name in ours and
                                     any(a > b for a, b in zip(theirs[name], ours[name]))], [])


def tree_size(node):
    """The number of nodes of the red-black tree below @node (struct rb_node *)."""
    return 1 + tree_size(node["rb_left"]) + tree_size(node["rb_right"]) if int(node) else 0


def test_timers():
    """lx-timerlist: every timer is queued, and those that always are there."""
    text = lib.output("lx-timerlist")
    timers = re.findall(r"^ #\d+: <0x\w+.*?>, (\w+).*, S:(\w+)$", text, re.M)
    lib.check("lx-timerlist: timers, all queued", timers and {state for _, state in timers} == {"01"}, text[:2000])
    bases = [sched.per_cpu(gdb.parse_and_eval("hrtimer_bases"), cpu)["clock_base"] for cpu in sched.cpus()]
    queued = [tree_size(clocks[n]["active"]["rb_root"]["rb_root"]["rb_node"])
              for clocks in bases for n in range(clocks.type.range()[1] + 1)]
    lib.equal("... as many as the trees have", len(timers), sum(queued))
    # A kernel without KALLSYMS prints addresses.
    known = {name if not name.startswith("0x") else lib.output(f"info symbol {name}").split()[0]
             for name in re.findall(r"^ #\d+: <.*?>, (\w+)", guest("timer_list"), re.M)}
    lib.check("... that the guest has too", known & {name for name, _ in timers}, f"{timers}; the guest: {known}")


def test_others():
    """What never failed on UML, and lx-symbols."""
    lib.equal("lx-version", lib.output("lx-version").strip(), guest("version").strip())
    lib.like("lx-ps", "lx-ps", rf"\b{facts.pid} +scenario$")
    lib.like("lx-cpus", "lx-cpus", r"^Online CPUs +: \[" + ", ".join(map(str, sched.cpus())) + r"\]$")
    lib.output("lx-symbols")
    lib.like("lx-symbols: the symbols are there again", "lx-ps", rf"\b{facts.pid} +scenario$")
    lib.equal("... also those of a thread", value("$lx_current()", "pid"), facts.pid)
    if "CONFIG_KASAN=y" in guest("config"):
        init = int(gdb.parse_and_eval("init_task").address)
        shadow = gives(f"lx-kasan_mem_to_shadow {init:#x}")
        lib.equal("lx-kasan_mem_to_shadow", shadow, (init >> 3) + 0x100000000000)
        lib.equal("... of memory that may be used", gdb.selected_inferior().read_memory(shadow, 1).tobytes(), b"\0")


gdb.execute("source " + os.path.join(os.environ["UMLAB_LX"], "vmlinux-gdb.py"))
lib.start()
facts = lib.Facts()
L = lib.LAYOUT
test_current()
test_pages()
test_tables()
test_slabs()
test_vmalloc()
test_interrupts()
test_timers()
test_others()
lib.finish()
