# SPDX-License-Identifier: GPL-2.0
"""What pt-life costs: the same workload with and without it, in one session.

    build/umrun --kernel build/points/series/debug/linux --gdb --gdb-arg=-nx --gdb-arg=-batch \\
        --gdb-arg=-x --gdb-arg=tests/bench/life.py -- build/tests/guest/ptworkload --size 512M

Runs the kernel several times, pt-life off and on in turn, and takes the time from the workload's
first MADV_DONTNEED to its exit.  The smallest of each counts: others share this machine.
Environment: UMLAB_ROUNDS, how often each (default 3).
"""

import os
import sys
import time

import gdb

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../gdb-scripts"))
gdb.execute("source " + os.path.join(sys.path[0], "umlab.py"))

# pylint: disable=wrong-import-position
from umlab.commands import life  # noqa: E402,F401
from umlab.lives import RECORDER  # noqa: E402

MADV_DONTNEED = 4
ROUNDS = int(os.environ.get("UMLAB_ROUNDS", "3"))


def measure(recording):
    """Run the workload; returns (wall clock, gdb's own CPU time), seconds."""
    first = gdb.Breakpoint("do_madvise", internal=True, temporary=True)
    first.silent = True
    first.condition = f"behavior == {MADV_DONTNEED}"
    gdb.execute("run", to_string=True)
    if recording:
        gdb.execute("pt-life on", to_string=True)
    end = gdb.Breakpoint("__se_sys_exit_group", internal=True, temporary=True)
    end.silent = True
    wall, own = time.monotonic(), time.process_time()
    gdb.execute("continue", to_string=True)
    taken = time.monotonic() - wall, time.process_time() - own
    if end.is_valid():
        end.delete()
    gdb.execute("pt-life off", to_string=True)
    gdb.execute("kill", to_string=True)
    return taken


for setting in ("pagination off", "confirm off"):
    gdb.execute("set " + setting)
times = {False: [], True: []}
for number in range(2 * ROUNDS):
    times[bool(number % 2)].append(measure(bool(number % 2)))
wall = {on: min(each[0] for each in times[on]) for on in times}
own = {on: min(each[1] for each in times[on]) for on in times}
stops, lives = (RECORDER.stops - RECORDER.repeated) / ROUNDS, len(RECORDER.lives) / ROUNDS
print(f"each round: {lives:.0f} tables, {stops:.0f} stops for {RECORDER.count / ROUNDS:.0f} events, "
      f"and {RECORDER.repeated / ROUNDS:.0f} repeated by interrupts")
print(f"off {wall[False]:.2f} s, gdb {own[False]:.2f} s CPU; on {wall[True]:.2f} s, gdb {own[True]:.2f} s CPU")
print(f"a stop {(wall[True] - wall[False]) / stops * 1e3:.2f} ms, {(own[True] - own[False]) / stops * 1e3:.2f} ms of it gdb's CPU, "
      f"{RECORDER.seconds / RECORDER.stops * 1e3:.2f} ms of that for the record; a table {(wall[True] - wall[False]) / lives * 1e3:.1f} ms")
