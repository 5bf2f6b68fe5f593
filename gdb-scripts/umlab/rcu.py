# SPDX-License-Identifier: GPL-2.0
"""Grace periods of RCU, and the clock that RCU lives by."""

import gdb

# The low bits of gp_seq say in which phase the grace period is
# (RCU_SEQ_CTR_SHIFT, kernel/rcu/rcu.h).
_SEQ_SHIFT = 2


def grace_period():
    """Return how many grace periods (int) have begun or ended so far; differences count.

    rcu_state is that of tree RCU; a kernel without SMP has tiny RCU and no number: None.
    """
    try:
        return int(gdb.parse_and_eval("rcu_state.gp_seq")) >> _SEQ_SHIFT
    except gdb.error:
        return None


def jiffies():
    """Return the kernel's clock (int, ticks); the time that gdb holds the kernel counts too."""
    return int(gdb.parse_and_eval("jiffies_64"))


def tick_ms():
    """Return the length (float, ms) of one jiffy, 1000 / CONFIG_HZ.

    CONFIG_HZ is a macro; the jiffies clocksource has it as a scaled number.
    """
    clock = gdb.parse_and_eval("clocksource_jiffies")
    return (int(clock["mult"]) >> int(clock["shift"])) / 1e6
