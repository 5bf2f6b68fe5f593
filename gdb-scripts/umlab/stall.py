# SPDX-License-Identifier: GPL-2.0
"""A stop in gdb is no RCU stall.

The kernel's clock goes on while gdb has it.  After a stop of more than the time-out
(10 s) in a grace period the kernel would report a stall, which umrun has it panic at.
kgdb has the same trouble; what its rcu_cpu_stall_reset() (kernel/rcu/tree_stall.h)
does is done here, at each stop, unless `set umlab-forgive-stalls off`.

On UML only: the clock of a kernel in qemu stands still while gdb has it, and before that
kernel is in its place the write would hit something else.
"""

import gdb

from . import language
from .machines import machine

_FQS_LOOPS = 3      # rcu_cpu_stall_reset()


class _ForgiveStalls(gdb.Parameter):
    """Whether the time in which gdb has stopped the kernel counts for no RCU stall.

    Writes into rcu_state at each stop, as the kernel does for kgdb: rcu_cpu_stall_reset().  On by default."""

    set_doc = "Set whether the time in which gdb has stopped the kernel counts for no RCU stall."
    show_doc = "Show whether the time in which gdb has stopped the kernel counts for no RCU stall."

    def __init__(self):
        super().__init__("umlab-forgive-stalls", gdb.COMMAND_DATA, gdb.PARAM_BOOLEAN)
        self.value = True

    def get_set_string(self):
        """gdb prints this after `set`."""
        return ""

    def get_show_string(self, text):
        """gdb prints this for `show`."""
        return f"The kernel's RCU stall time-out begins anew at each stop: {text}."


_PARAMETER = _ForgiveStalls()


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
        with side.selected(side.kernel_number()), language.ours():
            inferior = gdb.selected_inferior()
            # No process, or a core.
            if _PARAMETER.value and inferior.pid and inferior.threads() and machine().name == "uml":
                forgive()
    except gdb.error:
        pass    # no such symbols, or the kernel is not there yet


gdb.events.stop.connect(_stopped)
