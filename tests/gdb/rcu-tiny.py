# SPDX-License-Identifier: GPL-2.0
"""rcu-tables with tiny RCU and with callbacks that UML has none of, in tiny.c, a program of the host."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import gdb  # noqa: E402

import lib  # noqa: E402
from umlab import rcu  # noqa: E402

OURS = "tlb_remove_table_rcu"


def go_to(where):
    """Let the program run to @where (str)."""
    gdb.Breakpoint(where, internal=True, temporary=True)
    gdb.execute("run" if not gdb.selected_inferior().pid else "continue", to_string=True)


def table(number):
    """Return the address (int) of that one of tiny.c's tables[]."""
    return int(gdb.parse_and_eval(f"&tables[{number}]"))


go_to("rcu_process_callbacks")
ALL = [table(number) for number in range(5)]
lib.check("it is tiny RCU", rcu.is_tiny())
lib.equal("all tables", rcu.waiting_tables(), ALL)
for name, pattern in (
        ("tiny RCU says what ends a grace period", "^tiny RCU: a grace period is over when "),
        ("what may run", "^  done: 3 callbacks, whose grace period is over: they may run$"),
        ("... a batch", rf"^    batch, .*: 3 tables\n +0 \(struct ptdesc \*\) {table(0):#x}, type table, references 1$"),
        ("... a table alone", rf"^    alone, since no page .*: \(struct ptdesc \*\) {table(3):#x}, "),
        ("... another", "^    others: 1 something_else$"),
        ("what waits", "^  wait: 2 callbacks, for the next quiescent state$"),
        ("... by pte_free_defer()", rf"^    alone, by pte_free_defer\(\): \(struct ptdesc \*\) {table(4):#x}, "),
        ("... a caller of synchronize_rcu()", r"^synchronize_rcu\(\): 1 caller waiting: waiter, pid 42$"),
        ("the sum", "^5 tables in 3 callbacks wait$")):
    lib.like(name, "rcu-tables", pattern)

go_to(OURS)
lib.equal("while the first runs: all tables", sorted(rcu.waiting_tables()), ALL)
lib.like("... it is said so", "rcu-tables", rf"^being run on CPU 0 \(gdb thread 1\): {OURS}\(0x\w+\); 2 callbacks to follow$")
for _ in range(2):
    go_to("__tlb_remove_table")
lib.like("... one is freed", "rcu-tables", r"^    batch, .*: 3 tables, 1 freed already\n +1 \(struct ptdesc \*\) ")
lib.equal("... it waits no more", sorted(rcu.waiting_tables()), ALL[1:])
go_to("something_else")
lib.equal("while another runs", sorted(rcu.waiting_tables()), ALL[3:])
lib.like("... it is said so", "rcu-tables", r"^being run .*: something_else\(0x\w+\); 1 callback to follow$")
go_to("__tlb_remove_table_one_rcu")
lib.equal("while a table alone is freed", sorted(rcu.waiting_tables()), ALL[3:])

# Where a list can't be trusted.
block = int(gdb.parse_and_eval("&rcu_ctrlblk"))
gdb.execute(f"set *(long *){block + 16} = 0")
lib.like("a tail that leads elsewhere", "rcu-tables", r"^CPU 0: 2 callbacks \(the stop is amid a change")
lib.equal("... loses none", sorted(rcu.waiting_tables()), ALL[3:])
rcu.CALLBACKS_MAX = 1
lib.like("too long a list is cut", "rcu-tables", r"^CPU 0: 1 callback \(cut: more than 1 callbacks\)$")
gdb.execute("kill", to_string=True)
lib.finish()
