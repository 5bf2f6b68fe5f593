# SPDX-License-Identifier: GPL-2.0
"""Let one guest CPU run while the others stand, for a limited time (umlab/race.py).

A guest CPU is a thread of UML's process.  gdb stops all of them; what goes on is the selected one alone,
or all.
"""

import contextlib
import os
import signal
import threading
import time

import gdb

from . import sched, source

# Seconds that booting has on top of a time limit.
BOOT = 60

# What gdb itself waits for, in its own thread.
_OF_GDB = {signal.SIGCHLD, signal.SIGINT, signal.SIGALRM, signal.SIGWINCH}

# Where the message of a panic is written, in the variable `buf`.
_PANIC = ("vpanic", "Kernel panic - not syncing")


class Failed(Exception):
    """The race did not go as it is written; the message says which step, why, and who stands where."""


def start_thread(thread):
    """Start @thread (threading.Thread) so that it takes no signal that gdb waits for.

    A SIGCHLD that the kernel delivers to a thread of Python's instead of gdb's own leaves gdb waiting for ever
    (gdb 14 has gdb.Thread for that).
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _OF_GDB)
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Clock:
    """Stops UML after some seconds, from a thread: gdb's own is inside `continue` then."""

    # Behind the signal that asks comes one that nothing blocks.
    PATIENCE = 5

    def __init__(self, seconds):
        self.fired = False
        self._timers = [threading.Timer(seconds, self._send, (signal.SIGINT,)),
                        threading.Timer(seconds + self.PATIENCE, self._send, (signal.SIGSTOP,))]

    def __enter__(self):
        for timer in self._timers:
            timer.daemon = True
            start_thread(timer)
        return self

    def __exit__(self, *_):
        for timer in self._timers:
            timer.cancel()
        for timer in self._timers:
            timer.join()

    def _send(self, number):
        self.fired = True
        pid = gdb.selected_inferior().pid
        if pid:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass


class Drive:
    """Lets one guest CPU run, or all, and says what has stopped them.  close() puts gdb's settings back.

    moved: the gdb.InferiorThread that moved last; stop: gdb's event of the last stop;
    status: the kernel's exit status, once it has ended
    """

    def __init__(self):
        self.moved = self.stop = self.status = None
        self._visited = {}      # address (int) at which each CPU (int) was seen at a place and still stands
        self._late = 0          # signals of time limits that came when something else had stopped the kernel
        self._panic = None
        self._locking = gdb.parameter("scheduler-locking")
        gdb.events.stop.connect(self._on_stop)
        gdb.events.exited.connect(self._on_exit)

    def close(self):
        """Let everybody run again at the next `continue`, and forget the breakpoint at panics."""
        gdb.events.stop.disconnect(self._on_stop)
        gdb.events.exited.disconnect(self._on_exit)
        self._lock(self._locking)
        if self._panic is not None and self._panic.is_valid():
            self._panic.delete()

    def hit(self, breakpoints):
        """Return whether the kernel has stopped at one of @breakpoints (list of gdb.Breakpoint)."""
        return any(b in getattr(self.stop, "breakpoints", []) for b in breakpoints)

    def seen(self):
        """Note that the CPU that has stopped was looked at where it stands."""
        self._visited[sched.cpu()] = gdb.newest_frame().pc()

    def past(self, breakpoints, number, end):
        """Take each CPU that is about to run an instruction on, if it stands at one of @breakpoints and was seen there.

        gdb's own way of going on over a breakpoint comes back to it when a signal is due, such as the
        tick: the same visit would count twice, or again and again where a condition takes longer than a tick.
        @number, @end: as of run().  Returns None, or what has stopped the kernel instead.
        """
        places = {where.address for b in breakpoints for where in b.locations}
        for cpu in list(self._visited) if number is None else [number]:
            if self._visited.get(cpu) not in places:
                continue
            for breakpoint_ in breakpoints:
                breakpoint_.enabled = False
            why = self.run(cpu, end, "stepi")
            for breakpoint_ in breakpoints:
                breakpoint_.enabled = True
            if why != "step":
                return why
        return None

    def run(self, number, end, command="continue"):
        """Let guest CPU @number (int; None: all) run until something stops it.

        @end: of time.monotonic(), until when at most; @command: of gdb, for a thread that exists
        Boots the kernel where there is none yet.
        Returns "place", "panic", "exit", "time", or "step" with @command "stepi".
        """
        if self._panic is None:
            self._panic = gdb.Breakpoint(source.line_of(*_PANIC) or _PANIC[0], internal=True)
        why = None
        while not why:
            self._lock("replay" if number is None else "on")
            if number is not None:
                sched.cpu_threads()[number][0].switch()
            self._visited = {cpu: pc for cpu, pc in self._visited.items() if number not in (None, cpu)}
            self.stop = None
            booting = not gdb.selected_inferior().pid
            with _Clock(max(0.1, end - time.monotonic()) + (BOOT if booting else 0)) as clock:
                gdb.execute("run" if booting else command, to_string=True)
            why = self._reason(clock)
        return why

    @staticmethod
    def _lock(how):
        """Say which threads run: "on" is the selected one alone, "replay" all (gdb's default)."""
        # Without a process gdb can't be told, and falls back to "off" at the attempt.
        if gdb.parameter("scheduler-locking") != how:
            with contextlib.suppress(gdb.error):
                gdb.execute(f"set scheduler-locking {how}", to_string=True)

    def _reason(self, clock):
        """Return why the kernel has stopped, as run() does; None if it should just go on."""
        self._late += clock.fired
        if not gdb.selected_inferior().pid:
            return "exit"
        self.moved = gdb.selected_thread()
        if self.hit([self._panic]):
            return "panic"
        if isinstance(self.stop, gdb.BreakpointEvent):
            return "place"
        if not isinstance(self.stop, gdb.SignalEvent):
            return "step"
        if self.stop.stop_signal == "SIGSTOP" and clock.fired:
            gdb.execute("queue-signal 0", to_string=True)
            return "time"
        if self.stop.stop_signal == "SIGINT" and self._late:
            self._late -= 1
            return "time" if clock.fired else None
        raise Failed("interrupted" if self.stop.stop_signal == "SIGINT" else
                     f"{self.stop.stop_signal} stopped the kernel")

    def _on_stop(self, event):
        self.stop = event

    def _on_exit(self, event):
        # Without an exit code a signal ended it.
        if source.of_kernel(event):
            self.status = getattr(event, "exit_code", "none: killed by a signal")


def panic_message(frame=None):
    """Return what vpanic() is about to print (str), once Drive.run() has returned "panic"; @frame (gdb.Frame): vpanic()'s."""
    try:
        return (frame or gdb.newest_frame()).read_var("buf").string(errors="replace").strip()
    except (gdb.error, ValueError) as error:
        return f"message not readable: {error}"
