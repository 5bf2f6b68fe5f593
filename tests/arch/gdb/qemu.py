# SPDX-License-Identifier: GPL-2.0
"""What the suites of tests/arch/gdb share: the way to qemu's stub, stops in PID 1."""

import os
import sys

import gdb

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../gdb"))

import lib  # noqa: E402,F401 pylint: disable=wrong-import-position,unused-import
from umlab import sched  # noqa: E402 pylint: disable=wrong-import-position

PAGE = int(os.environ["UMLAB_PAGE_KB"]) << 10
TABLE = int(os.environ["UMLAB_PMD_KB"]) << 10  # what one PTE table maps
DONTNEED = 4


def connect():
    """Connect to the stub: the machine stands at its first instruction."""
    gdb.execute(f"target remote {os.environ['UMLAB_STUB']}", to_string=True)


class Stop(gdb.Breakpoint):
    """A breakpoint at @where (str) in PID 1, without commands of umlab's in its condition."""

    def __init__(self, where, wanted=None, count=False):
        super().__init__(where, internal=True)
        self._wanted, self._count, self.hits = wanted, count, 0

    def stop(self):
        """gdb asks whether to stop here."""
        if self._wanted is not None and not self._wanted():
            return False
        self.hits += 1
        return not self._count


def go(*stops):
    """Let the kernel run until one of @stops (gdb.Breakpoint); bails out if something else stopped it."""
    seen = []

    def note(event):
        seen.append(event)
    gdb.events.stop.connect(note)
    try:
        text = gdb.execute("continue", to_string=True)
    finally:
        gdb.events.stop.disconnect(note)
    if not any(stop in getattr(event, "breakpoints", ()) for event in seen for stop in stops):
        where = gdb.newest_frame().name() if gdb.selected_thread() else "no process"
        print(f"Bail out! stopped in {where}, expected {', '.join(str(stop.location) for stop in stops)}")
        gdb.execute("quit 1")
    return text


def users():
    """The breakpoints that the user sees: those that pt-break has set."""
    return [stop for stop in gdb.breakpoints() or () if stop.number > 0]


def in_pid_1():
    """Whether PID 1 runs here."""
    return int(sched.current()["pid"]) == 1


def behaviour():
    """What the madvise() at whose entry the kernel stands asks for."""
    return int(gdb.newest_frame().read_var("behavior"))


def at_dontneed():
    """Let the kernel run to the entry of PID 1's next madvise(MADV_DONTNEED); returns its start (int)."""
    stop = Stop("do_madvise", lambda: behaviour() == DONTNEED and in_pid_1())
    go(stop)
    stop.delete()
    return int(gdb.newest_frame().read_var("start"))
