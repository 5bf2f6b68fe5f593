# SPDX-License-Identifier: GPL-2.0
"""gdb on User-mode Linux: what every session needs.

    gdb -x gdb-scripts/umlab.py --args LINUX ARGUMENTS...

Sets how gdb treats the signals that UML runs on, takes UML off your terminal
and loads the helpers in gdb-scripts/umlab/.  It changes no other setting of yours.
"""

import inspect
import os
import sys

import gdb

# What a CPU does with its hardware UML does with signals: page faults, timer
# ticks, I/O; SIG34 (SIGRTMIN) is the interrupt between CPUs.  They are no event
# for gdb.  SIGTRAP stays gdb's own.
SIGNALS = "SIGSEGV SIGUSR1 SIGUSR2 SIGALRM SIGIO SIGWINCH SIGCHLD SIGVTALRM SIG34"

gdb.execute(f"handle {SIGNALS} nostop noprint pass", to_string=True)

# On your terminal, a Ctrl-C would reach not only UML but also the processes that
# run its user space, and UML panics when they die of it; and a UML console on a
# terminal makes it raw, where Ctrl-C is a character.  Without one gdb sends SIGINT to
# UML alone.  UML's own output: run ... >FILE 2>&1, or say `set inferior-tty` first.
if os.isatty(0) and not gdb.parameter("inferior-tty"):
    gdb.execute("set inferior-tty /dev/null")

# Sourced by another script, __file__ is that one's.
sys.path.insert(0, os.path.dirname(os.path.abspath(inspect.currentframe().f_code.co_filename)))

# gdb starts sooner with our modules compiled; in a project that is built already they are kept there.
built = os.path.join(os.path.dirname(sys.path[0]), "build")
python_settings = sys.pycache_prefix, sys.dont_write_bytecode
if os.path.isdir(built) and not sys.pycache_prefix:
    sys.pycache_prefix, sys.dont_write_bytecode = os.path.join(built, "python"), False

# pylint: disable=wrong-import-position,unused-import
from umlab import gather, mm, page, pagetable, rcu, sched, source, stall  # noqa: E402,F401
from umlab.commands import help as help_, here, walk, tour  # noqa: E402,F401
from umlab.commands import host, map as map_  # noqa: E402,F401
from umlab.commands import gather as gather_, rcu as rcu_  # noqa: E402,F401
from umlab.commands import tasks, race  # noqa: E402,F401
from umlab import printers  # noqa: E402,F401
from umlab.commands import breaks, life  # noqa: E402,F401
from umlab.commands import user  # noqa: E402,F401

sys.pycache_prefix, sys.dont_write_bytecode = python_settings
