# SPDX-License-Identifier: GPL-2.0
"""How long the gdb commands take where there is much to look at: 1 GiB, each page of it populated.

    build/umrun --kernel build/points/series/debug/linux --mem 2G --gdb --gdb-arg=-nx --gdb-arg=-batch \\
        --gdb-arg=-x --gdb-arg=tests/bench/commands.py -- build/tests/guest/ptworkload --size 1G --chunk 1G --touch all

Runs to the workload's MADV_DONTNEED, and further into it for the commands that want an mmu_gather; prints the
median and the longest of several times each, and the median of the CPU time that gdb took.  Environment: UMLAB_ROUNDS, how often each (default 5).
"""

import os
import statistics
import sys
import time

import gdb

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../gdb-scripts"))
gdb.execute("source " + os.path.join(sys.path[0], "umlab.py"))

MADV_DONTNEED = 4
# Longer than this, seconds, is too long.
LIMITS = {"pt-map": 5}
ROUNDS = int(os.environ.get("UMLAB_ROUNDS", "5"))


def measure(commands):
    """Print a line for each of the @commands (list of str); an error of one, or one too slow, ends gdb."""
    for command in commands:
        wall, own = [], []
        for _ in range(ROUNDS):
            begin = time.monotonic(), time.process_time()
            gdb.execute(command, to_string=True)
            wall.append(time.monotonic() - begin[0])
            own.append(time.process_time() - begin[1])
        print(f"{command:32} {statistics.median(wall):8.3f} {max(wall):8.3f} {statistics.median(own):8.3f}", flush=True)
        if statistics.median(wall) > LIMITS.get(command, float("inf")):
            raise gdb.GdbError(f"bench-gdb: {command}: takes more than {LIMITS[command]} s")


def run_to(command, where, condition=None):
    """Let the kernel run, with gdb's @command (str), to @where (str) if @condition (str) is true there."""
    stop = gdb.Breakpoint(where)
    stop.silent = True
    stop.condition = condition
    gdb.execute(command, to_string=True)
    hit = stop.hit_count
    stop.delete()
    if not hit:
        raise gdb.GdbError(f"{where}: not reached")


for setting in ("pagination off", "confirm off"):
    gdb.execute("set " + setting)
run_to("run", "do_madvise", f"behavior == {MADV_DONTNEED}")
start, size = (int(gdb.parse_and_eval(name)) for name in ("start", "len_in"))
print(f"{size >> 20} MiB populated; {ROUNDS} times each, seconds\n{'':32} {'median':>8} {'longest':>8} {'CPU':>8}")
measure(["pt-here", f"pt-walk {start:#x}", "pt-map", f"pt-host {start:#x}-{start + size - 1:#x}",
         "pt-ps", "pt-bt 1", "pt-frame 1", "pt-user", f"pt-x {start:#x}"])
run_to("continue", "tlb_remove_table_free")
measure(["mg-show", "mg-batches", "rcu-tables", "pt-map"])
gdb.execute("kill", to_string=True)
