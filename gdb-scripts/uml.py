# SPDX-License-Identifier: GPL-2.0
"""gdb on User-mode Linux: what every session needs.

    gdb -x gdb-scripts/uml.py --args LINUX ARGUMENTS...

Sets how gdb treats the signals that UML runs on and loads the helpers in
gdb-scripts/umlab/.  It changes no other setting of yours.
"""

import os
import sys

import gdb

# What a CPU does with its hardware UML does with signals: page faults, timer
# ticks, I/O; SIG34 (SIGRTMIN) is the interrupt between CPUs.  They are no event
# for gdb.  SIGTRAP stays gdb's own.
SIGNALS = "SIGSEGV SIGUSR1 SIGUSR2 SIGALRM SIGIO SIGWINCH SIGCHLD SIGVTALRM SIG34"

gdb.execute(f"handle {SIGNALS} nostop noprint pass", to_string=True)

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position,unused-import
from umlab import gather, mm, page, pagetable, rcu, sched, source  # noqa: E402,F401
