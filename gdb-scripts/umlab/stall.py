# SPDX-License-Identifier: GPL-2.0
"""A stop in gdb is no RCU stall.

The kernel's clock goes on while gdb has it.  After a stop of more than the time-out
(10 s) in a grace period the kernel would report a stall, which umrun has it panic at.
kgdb has the same trouble; what its rcu_cpu_stall_reset() (kernel/rcu/tree_stall.h)
does is done here, at each stop.  This is the one thing that umlab writes into the
kernel by itself.
"""

import gdb

_FQS_LOOPS = 3      # rcu_cpu_stall_reset()


def forgive():
    """Let the time-out of the current grace period begin anew when the kernel goes on.

    Without debug information, where rcu_state can't be read, the kernel looks for no
    stalls any more.
    """
    if gdb.lookup_global_symbol("rcu_cpu_stall_reset"):
        gdb.execute(f"set var rcu_state.nr_fqs_jiffies_stall = {_FQS_LOOPS}", to_string=True)
        gdb.execute("set var rcu_state.jiffies_stall = -1", to_string=True)
    else:
        gdb.execute("set var *(int *)&rcu_cpu_stall_suppress = 1", to_string=True)


def _stopped(_event):
    from . import side  # pylint: disable=import-outside-toplevel,cyclic-import
    try:
        # A stop in the program that pt-user is attached to keeps the kernel waiting as well.
        with side.selected(side.kernel_number()):
            inferior = gdb.selected_inferior()
            # No process, or a core.
            if inferior.pid and inferior.threads():
                forgive()
    except gdb.error:
        pass    # no such symbols, or the kernel is not there yet


gdb.events.stop.connect(_stopped)
