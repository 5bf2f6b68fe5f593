# SPDX-License-Identifier: GPL-2.0
"""Run the kernel, and stop where it reports that something is wrong: umrun --gdb-on-fail.

    gdb -x gdb-scripts/on-fail.py --args LINUX ARGUMENTS...

Nothing is said, and gdb ends as the kernel ended, unless it reports something or is
interrupted.  Then this is an interactive gdb, in the frame of the function at fault; or, if nobody is
there, the backtrace is printed and the kernel ended.

Environment:
  UMLAB_ON_FAIL     number of umrun's socket (tools/umrun/onfail.c); default: none, somebody is there
  UMLAB_ALLOW_WARN  if set, a WARNING is none
"""

import os
import resource
import signal
import socket
import sys

import gdb

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
gdb.execute("source " + os.path.join(sys.path[0], "umlab.py"))

# pylint: disable=wrong-import-position
from umlab import onfail  # noqa: E402

INTERRUPTED = "interrupted"
FRAMES = 40     # of a backtrace that is printed
HINT = "bt, up, info locals; continue goes on; quit ends the run"


class Umrun:
    """umrun at the other end of the socket."""

    def __init__(self, number):
        self._socket = socket.socket(fileno=int(number)) if number else None

    def stopped(self, text):
        """Tell that the kernel has stopped for @text (str); returns whether somebody is there (bool)."""
        if self._socket is None:
            return True
        self._socket.sendall(f"stopped {text}\n".encode(errors="replace"))
        return self._socket.makefile().readline() == "terminal\n"

    def print(self, text):
        """Let umrun print @text (str)."""
        self._socket.sendall(text.encode(errors="replace"))


def main():
    for setting in ("print thread-events off", "print inferior-events off"):
        gdb.execute("set " + setting)
    umrun = Umrun(os.environ.pop("UMLAB_ON_FAIL", None))
    onfail.watch()
    report = run_to_report()
    if report is None:
        end_as_the_kernel()
    elif umrun.stopped(report.text):
        show(report)
        gdb.events.stop.connect(stopped_again)
    else:
        umrun.print(told(report))
        gdb.execute("kill", to_string=True)
        gdb.execute("quit 0")


def run_to_report():
    """Run the kernel; returns the onfail.Report that stopped it, None if it came to its end."""
    report = go("run")
    while report and report.until:
        end = onfail.Return(report)
        report = go("continue")
        end.delete()
    return report


def go(command):
    """Do @command (str), run or continue; returns the Report (or None) of what stopped the kernel."""
    seen = []
    handler = lambda event: seen.append(event)  # noqa: E731  pylint: disable=unnecessary-lambda-assignment,unnecessary-lambda
    gdb.events.stop.connect(handler)
    try:
        gdb.execute(f"with pagination off -- {command}", to_string=True)
    finally:
        gdb.events.stop.disconnect(handler)
    if not gdb.selected_inferior().pid:
        return None
    return report_of(seen[-1]) if seen else onfail.Report("gdb stopped", None)


def report_of(event):
    """Return the Report of a stop (gdb.StopEvent), None if it is somebody's own breakpoint."""
    for breakpoint_ in getattr(event, "breakpoints", ()):
        if getattr(breakpoint_, "report", None):
            return breakpoint_.report
    if isinstance(event, gdb.SignalEvent):
        text = INTERRUPTED if event.stop_signal == "SIGINT" else f"{event.stop_signal} in the kernel's process"
        return onfail.Report(text, None)
    return onfail.Report("a breakpoint", None)


def show(report):
    """Tell a person where the kernel stands."""
    if report.text == INTERRUPTED:
        onfail.busy_thread().switch()
    onfail.culprit(gdb.newest_frame()).select()
    print(f"\n{report.text}")
    if not onfail.has_debug_info():
        print("(names of functions only: this kernel has no debug information; F=debug has)")
    gdb.execute("frame")
    print(HINT)


def stopped_again(event):
    """After the first stop: the same for each further report."""
    if isinstance(event, gdb.BreakpointEvent):
        for breakpoint_ in event.breakpoints:
            if isinstance(breakpoint_, onfail.Place):
                print(f"\n{breakpoint_.report.text}")


def told(report):
    """Return all that is of interest where the kernel stands (str)."""
    frame = onfail.culprit(gdb.newest_frame())
    lines = [f"gdb: {report.text}"]
    if report.text == INTERRUPTED:
        return "".join(lines) + "\n" + output(f"thread apply all backtrace -frame-arguments all {FRAMES}")
    lines.append(output(f"backtrace -frame-arguments all {FRAMES}"))
    if onfail.has_debug_info():
        frame.select()
        lines += [f"gdb: {frame.name()}():", output("frame"), output("info locals")]
    else:
        lines.append("gdb: no source lines, arguments or locals: this kernel has no debug information; F=debug has\n")
    return "\n".join(line.rstrip("\n") for line in lines) + "\n"


def output(command):
    """Return what gdb's @command (str) prints, or why it can't."""
    try:
        return gdb.execute(f"with width 0 -- {command}", to_string=True)
    except gdb.error as error:
        return f"{command}: {error}\n"


def end_as_the_kernel():
    """End gdb with the exit status, or by the signal, that the kernel ended with."""
    number = gdb.convenience_variable("_exitsignal")
    if number is None:
        status = gdb.convenience_variable("_exitcode")
        gdb.execute(f"quit {125 if status is None else int(status)}")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(int(number), signal.SIG_DFL)
    os.kill(os.getpid(), int(number))


try:
    main()
except gdb.error as problem:
    # On a terminal that umrun keeps the last lines of.
    print(f"on-fail.py: {problem}")
    gdb.execute("quit 125")
