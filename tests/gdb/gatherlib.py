# SPDX-License-Identifier: GPL-2.0
"""What gather.py and rcu.py share: the process gather.c, stopped where it gives tables back."""

import os
import re

import gdb

import lib
from umlab import census, gather, mm, page, pagetable, rcu, sched, source
from umlab.machines import uml
from umlab.session import StopIf

# A frame number in pagemap.
FRAME = (1 << 55) - 1


def _layout():
    with open(os.path.join(lib.HERE, "gather.h"), encoding="ascii") as file:
        found = re.findall(r"^#define GATHER_(\w+)\s+(\w+)", file.read(), re.M)
    return {name: int(value, 0) for name, value in found}


# GATHER_* of gather.h: G["FEW"] is an address.
G = _layout()
lib.LAYOUT.update({name: value for name, value in G.items() if name.endswith("_GONE")})

# Whether this kernel keeps tables in a batch of their own; base doesn't.
BATCHED = "batch" in [field.name for field in gdb.lookup_type("struct mmu_gather").fields()]


def quietly(command):
    """Run gdb's @command (str), which moves the kernel, without what it prints of the stop."""
    gdb.execute("set suppress-cli-notifications on")
    gdb.execute(command, to_string=True)
    gdb.execute("set suppress-cli-notifications off")


def in_ours(_):
    """Whether our process runs, for go_to()."""
    return sched.comm(sched.current()) == "gather"


def anywhere(_):
    """For go_to(): whoever runs."""
    return True


def go_to(where, condition=in_ours):
    """Let the kernel run to @where (str), a function or FILE:LINE, when @condition(gdb.Frame).

    `Bail out!` if it stops elsewhere.
    """
    stop = StopIf(where, condition)
    quietly("continue")
    frame = gdb.newest_frame() if gdb.selected_thread() else None
    if frame is None or not stop.hit_count:
        print(f"Bail out! stopped in {frame.name() if frame else 'no process'}, expected {where}")
        gdb.execute("quit 1")
    stop.delete()
    return frame


def go_back():
    """Let our process return from the function that it is in.

    gdb's `finish` waits on one thread, a CPU of the guest; a task may go on on another.
    """
    go_to(f"*{gdb.newest_frame().older().pc():#x}")


def tables_at(name, space):
    """Return the tables (list of int, addresses of ptdesc) of the region @name (str) in @space (an mm)."""
    found = []
    for number in range(G[name + "_TABLES"] if name + "_TABLES" in G else 1):
        step = pagetable.walk(space, G[name] + number * G["TABLE"])[2]
        found.append(int(pagetable.ptdesc_of(step.value)))
    return found


def frames_of(facts, name, length):
    """Return the page frames (list of int) by pagemap of @length bytes of the region @name (str)."""
    return [entry & FRAME for addr, entry in sorted(facts.pages.items())
            if G[name] <= addr < G[name] + length]


def frame_of(ptdesc):
    """Return the page frame (int) of the table whose ptdesc is at @ptdesc (int)."""
    return page.page_to_pfn(ptdesc)


def counted_tables():
    """Return nr_page_table_pages (int), what the CPUs have not added yet included."""
    total = census.page_table_pages()
    return total.shared + sum(total.per_cpu.values())


def unreached_tables():
    """Return the tables (set of int, addresses of ptdesc) in no address space, found by their type alone."""
    frames = census.Frames()
    for space, _ in census.spaces():
        census.census(space, frames=frames)
    return {int(page.pfn_to_ptdesc(page.virt_to_phys(table) >> uml.PAGE_SHIFT))
            for table in frames.unreached()}


def gathered_tables():
    """Return the tables (list of int, addresses of ptdesc) in the batch of the innermost frame's gather."""
    place = gather.innermost()
    batch = gather.table_batch(place.tlb) if place is not None and not gather.misfit(place.tlb) else None
    return batch.tables if batch is not None else []


def check_all_found(when):
    """As lib.check(): all tables that are in no address space are in the gather or wait for RCU.

    Amid the handing over a table is in both; in RCU's lists it is but once.
    """
    waiting, gathered = rcu.waiting_tables(), gathered_tables()
    name = f"{when}: each table is in an address space, in the gather or waits for RCU"
    found, expected = set(waiting + gathered), set(unreached_tables())
    lost = [one.wrong for one in rcu.running() if one.wrong]
    if lost:
        # A batch that is being freed where the compiler has not kept its address: rcu-tables says that.
        lib.check(f"{name}, but for {lost[0]}", found <= expected and
                  len(expected - found) <= len(lost) * gather.max_tables(), (found - expected, len(expected - found)))
    else:
        lib.equal(name, sorted(map(hex, found)), sorted(map(hex, expected)))
    lib.equal("... no table waits twice", len(waiting), len(set(waiting)))


def poke(where, value, size="unsigned long"):
    """Write @value (int) to @where (int); returns a function that puts the old one back."""
    old = int(gdb.parse_and_eval(f"*({size} *){where:#x}"))
    gdb.execute(f"set *({size} *){where:#x} = {value:#x}")
    return lambda: gdb.execute(f"set *({size} *){where:#x} = {old:#x}")


def our_mm():
    """Return the struct mm_struct * of the running process."""
    return mm.of_task(sched.current())


def in_function(name):
    """Return whether the stop is in the function @name (str), or in one that it calls."""
    return source.find_any(gdb.newest_frame(), (name,)) is not None
