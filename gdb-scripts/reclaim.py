# SPDX-License-Identifier: GPL-2.0
"""Interactive gdb at the reclaim of page tables: `make gdb`, and `make arch GDB=1` for kernels in qemu.

    gdb -x gdb-scripts/reclaim.py --args LINUX ARGUMENTS...

Sets breakpoints on the way of a PTE table from MADV_DONTNEED to RCU's
callback and says what to type.  Booting reaches none of the enabled ones,
so `run` (for a kernel in qemu `continue`) stops first in the workload.

Environment:
  UMLAB_COMM  stop only in the process of that name (default: in any)
"""

import contextlib
import os
import sys

import gdb

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# Not `import umlab`: that is the folder of that name.
gdb.execute("source " + os.path.join(sys.path[0], "umlab.py"))

from umlab import events  # noqa: E402 pylint: disable=wrong-import-position
from umlab.machines import machine  # noqa: E402 pylint: disable=wrong-import-position

# (function, enabled at start, what happens there); in the order of a table's life.
STOPS = (
    ("madvise_dontneed_single_vma", True, "madvise(MADV_DONTNEED) begins; stops once"),
    ("zap_empty_pte_table", True, "an empty PTE table is taken out of its PMD"),
    ("zap_pte_table_if_empty", True, "the same, when the lock was dropped midway"),
    ("tlb_remove_table", False, "a table goes into tlb->batch (exit and munmap come here too)"),
    ("tlb_remove_table_rcu", False, "RCU's callback: the grace period is over, the batch is freed"),
)


def set_breakpoints():
    """Set the breakpoints of STOPS; returns the list of functions that this kernel hasn't got."""
    missing = []
    for function, enabled, _ in STOPS:
        # Without debug information for it a breakpoint would only be pending for ever.
        if not events.known(function):
            missing.append(function)
            continue
        stop = gdb.Breakpoint(function, temporary=function == STOPS[0][0])
        stop.enabled = enabled
        comm = os.environ.get("UMLAB_COMM")
        # RCU's callback runs in whatever process the timer interrupts.
        if comm and function != "tlb_remove_table_rcu":
            stop.condition = f'$_streq($um_comm(), "{comm}")'
    return missing


@contextlib.contextmanager
def no_pages():
    """Let a text through without gdb's question whether to go on, whatever the terminal's size."""
    paged = gdb.parameter("pagination")
    gdb.execute("set pagination off")
    try:
        yield
    finally:
        gdb.execute(f"set pagination {'on' if paged else 'off'}")


def say_help(missing):
    """Print the breakpoints by number, what to type, and the functions in @missing (list)."""
    print("\nThe life of a PTE table, as breakpoints:")
    numbers = {b.location: b.number for b in gdb.breakpoints()}
    for function, enabled, what in STOPS:
        if function not in missing:
            state = "on " if enabled else "off"
            print(f"  {numbers[function]}  {state}  {function:28} {what}")
    if missing:
        print("  not in this kernel: " + ", ".join(missing))
    more = " ".join(str(numbers[function]) for function, enabled, _ in STOPS if function in numbers and not enabled)
    also = f"  enable {more:5} also stop at those that are off\n" if more else ""
    # A kernel in qemu boots once, and is there already.
    again = "  run          boot (again)                   bt           how did we get here" if machine().name == "uml" else \
        "  bt           how did we get here"
    print(f"""
  pt-here      where am I, in words           pt-walk ADDR, mg-show, rcu-tables: help pt-walk ...
{again}
  finish       return, show the result        info locals  variables of this function
  p *tlb       the mmu_gather (up: to zap_pte_range, which has it)
{also}  b zap_pte_range if $_streq($um_comm(), "{os.environ.get('UMLAB_COMM', 'ptworkload')}")
  continue     to the next stop               Ctrl-C       interrupt the kernel
  quit         ends the kernel too
""")


for setting in ("print pretty on", "print inferior-events off", "print thread-events off"):
    gdb.execute("set " + setting)
with no_pages():
    say_help(set_breakpoints())
