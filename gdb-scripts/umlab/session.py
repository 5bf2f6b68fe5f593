# SPDX-License-Identifier: GPL-2.0
"""Drive the kernel from a script: run it to a place, check that it got there."""

import os
import signal
import sys
import threading
import time

import gdb

from . import drive, source


class Failure(Exception):
    """What was expected did not happen; the message says what, what happened instead."""


class StopIf(gdb.Breakpoint):
    """A breakpoint at @where (str) that stops only if @condition(frame) (function) is true."""

    def __init__(self, where, condition):
        super().__init__(where, internal=True)
        self._condition = condition

    def stop(self):
        return self._condition(gdb.newest_frame())


class Session:
    """A kernel under a script's control, with a time limit for all of it.

    @timeout: seconds (number) after which the kernel is stopped and the
    script's wait ends with a Failure.
    """

    def __init__(self, timeout):
        self.timeout = timeout
        self.expired = False
        self.exit_code = None
        self._stop = None
        self._timer = threading.Timer(timeout, self._expire)
        self._timer.daemon = True
        gdb.events.stop.connect(self._stopped)
        gdb.events.exited.connect(self._exited)

    def start(self, breakpoint_, what):
        """Start the kernel and let it run to @breakpoint_ (gdb.Breakpoint); @what as in resume()."""
        drive.start_thread(self._timer)
        return self.resume(breakpoint_, what, command="run")

    def resume(self, breakpoint_, what, command="continue"):
        """Let the kernel run until @breakpoint_ stops it.

        @breakpoint_: a gdb.Breakpoint, or a list of them
        @what: what this waits for (str), for the Failure
        Returns the seconds (float) that it took.
        """
        wanted = breakpoint_ if isinstance(breakpoint_, list) else [breakpoint_]
        seconds = self._go(command)
        if self.exit_code is not None:
            raise Failure(f"the kernel ended (exit status {self.exit_code}) before {what}")
        hit = getattr(self._stop, "breakpoints", [])
        if not any(b in hit for b in wanted):
            raise Failure(f"{self._why()} instead of {what}")
        return seconds

    def finish(self, frame):
        """Let the kernel run until @frame (gdb.Frame, not inlined) returns to its caller."""
        # gdb's `finish` waits in one thread, and the task may go on on another CPU, which is another
        # thread; gdb.FinishBreakpoint misses the return when the caller is an inlined function.
        name, caller = frame.name(), frame.older()
        stack = int(caller.read_register("sp"))
        back = StopIf(f"*{caller.pc():#x}", lambda now: int(now.read_register("sp")) == stack)
        try:
            self.resume(back, f"{name}() returned")
        finally:
            if back.is_valid():
                back.delete()

    def run_out(self):
        """Let the kernel run to its end; returns its exit status (int)."""
        for breakpoint_ in gdb.breakpoints():
            breakpoint_.delete()
        self._go("continue")
        self._timer.cancel()
        if self.exit_code is None:
            raise Failure(f"{self._why()} instead of the kernel's end")
        return self.exit_code

    def _go(self, command):
        self._stop = None
        begin = time.monotonic()
        gdb.execute(command, to_string=True)
        return time.monotonic() - begin

    def _why(self):
        if self.expired:
            return f"{self.timeout} s were over, the kernel stood in {gdb.newest_frame().name()}"
        if isinstance(self._stop, gdb.SignalEvent):
            return f"{self._stop.stop_signal} stopped it in {gdb.newest_frame().name()}"
        return f"the kernel stopped in {gdb.newest_frame().name()}"

    def _stopped(self, event):
        self._stop = event

    def _exited(self, event):
        # Without an exit code a signal ended it.
        if source.of_kernel(event):
            self.exit_code = getattr(event, "exit_code", "none, killed")

    def _expire(self):
        # In a thread, where gdb may not be called: the signal makes gdb stop the kernel.
        self.expired = True
        os.kill(gdb.selected_inferior().pid, signal.SIGINT)


def fail(message):
    """Say @message (str) on stderr, end the kernel and gdb: exit status 1."""
    print(f"FAIL {message}", file=sys.stderr)
    if gdb.selected_inferior().pid:
        gdb.execute("kill", to_string=True)
    gdb.execute("quit 1")
