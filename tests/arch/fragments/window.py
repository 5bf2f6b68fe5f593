# SPDX-License-Identifier: GPL-2.0
"""The window of pte_frag_destroy(), held open by gdb: one CPU stands between the PMD and the lock of its table, and the
other one goes on to collapse the file and to end the process whose table it is.

gdb.sh starts it, on a kernel without any change, with the workload "window". Environment: that of ../gdb.sh. Says at
each step what it does and what the page is then; the last line is "window: freed under the reader" or "window: kept for the reader".
"""

import os
import sys

import gdb

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../gdb"))

from qemu import Stop, connect, go  # noqa: E402 pylint: disable=wrong-import-position
from umlab import lists, page, sched  # noqa: E402 pylint: disable=wrong-import-position


def run_to(where, wanted=None):
    """Let the kernel run to @where (str), and there until @wanted, a function, says so."""
    stop = Stop(where, wanted)
    go(stop)
    stop.delete()


def number(expression):
    """The value (int) of @expression (str) in this frame."""
    return int(gdb.parse_and_eval(f"(unsigned long)({expression})"))


def is_reader():
    """Whether the workload's reader runs here: it calls itself so."""
    return sched.comm(sched.current()) == "window"


def looks_at_another():
    """Whether pte_offset_map_lock() was called by the reader for the table of another mm than its own."""
    return is_reader() and number("mm") != int(sched.current()["mm"])


def caller():
    """The name (str) of the function that called the one that runs here, not inlined into another."""
    frame = gdb.newest_frame().older()
    while frame.type() == gdb.INLINE_FRAME:
        frame = frame.older()
    return frame.name()


def show(when, ptdesc):
    """Print what @ptdesc (gdb.Value, struct ptdesc *) is @when (str): whether it is a page table's still."""
    struct = gdb.Value(int(ptdesc)).cast(gdb.lookup_type("struct page").pointer())
    kind = page.type_name(struct)
    names = " ".join(page.flags(struct)) or "none"
    print(f"{when}\n    (struct ptdesc *) {int(ptdesc):#x}: type {kind}, {int(ptdesc['pt_frag_refcount']['counter'])} fragments in use or "
          f"to be had, flags {names}")
    return kind == "table"


def hold_reader():
    """Run to where the reader has read the PMD and is about to take the lock; returns its ptdesc (gdb.Value)."""
    run_to("pte_offset_map_lock", looks_at_another)
    run_to("_raw_spin_lock", lambda: is_reader() and caller() == "pte_offset_map_lock")
    kind = gdb.lookup_type("struct ptdesc")
    return gdb.Value(number("lock") - lists.offset_of(kind, "ptl")).cast(kind.pointer())


def end_of_victim(ptdesc):
    """Run the other CPU alone to pte_frag_destroy() for the page of @ptdesc, and on to where it returns."""
    held = gdb.selected_thread().num
    other = next(thread for thread in gdb.selected_inferior().threads() if thread.num != held)
    other.switch()
    gdb.execute("set scheduler-locking on")
    first = int(ptdesc)
    run_to("pte_frag_destroy", lambda: int(page.pfn_to_page(page.virt_to_phys(number("pte_frag")) // page.size())) == first)
    show("CPU 0, exit_mmap(): the victim's last page of fragments is given up:", ptdesc)
    back = gdb.newest_frame().older().pc()
    run_to(f"*{back:#x}")


gdb.execute("set pagination off")
connect()
PTDESC = hold_reader()
READER = gdb.selected_thread()
show("CPU 1, the reader: has read the PMD in pte_offset_map_lock(), is about to take the lock in this ptdesc:", PTDESC)
print(gdb.execute("backtrace 8", to_string=True))
end_of_victim(PTDESC)
KEPT = show("CPU 0, back from pte_frag_destroy():", PTDESC)
if KEPT:
    print(f"    waits for a grace period, then {PTDESC['pt_rcu_head']['func']}")
READER.switch()
print(f"CPU 1 has not moved: {gdb.newest_frame().name()}({number('lock'):#x})")
print("window: kept for the reader" if KEPT else "window: freed under the reader")
gdb.execute("kill")
