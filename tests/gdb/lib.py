# SPDX-License-Identifier: GPL-2.0
"""What the suites in tests/gdb share; they run inside gdb, started by tests/host/gdb-lib.sh.

    import lib
    lib.start()                     # boots to the scenario's first mark
    lib.check("name", condition, "what was seen")
    lib.finish()                    # ends the kernel; the plan

Prints TAP.  Environment: UMLAB_FACTS, the file that scenario.c writes;
UMLAB_SCRIPTS, the folder gdb-scripts.
"""

import os
import re
import sys

import gdb

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.environ.get("UMLAB_SCRIPTS") or os.path.join(HERE, "../../gdb-scripts"))
gdb.execute("source " + os.path.join(sys.path[0], "umlab.py"))

for setting in ("pagination off", "confirm off", "width 0", "print thread-events off",
                "print inferior-events off"):
    gdb.execute("set " + setting)

_count = 0
_failed = 0


def _layout():
    with open(os.path.join(HERE, "scenario.h"), encoding="ascii") as file:
        found = re.findall(r"^#define SCENARIO_(\w+)\s+(\w+)", file.read(), re.M)
    return {name: int(value, 0) for name, value in found}


# SCENARIO_* of scenario.h: LAYOUT["FULL"] is an address.
LAYOUT = _layout()


def check(name, good, seen=""):
    """Print the result of the test @name (str), which passed if @good; @seen (str) helps if not."""
    global _count, _failed  # pylint: disable=global-statement
    _count += 1
    print(f"{'ok' if good else 'not ok'} {_count} - {name}")
    if not good:
        _failed += 1
        for line in str(seen).split("\n"):
            print(f"# {line}")
    sys.stdout.flush()


def equal(name, got, expected):
    """As check(): @got must be @expected."""
    check(name, got == expected, f"got {got!r}, expected {expected!r}")


# What nobody should ever see: an exception of Python's own.
PYTHON = re.compile("Traceback|Python Exception|Error occurred in Python|internal: ")


def output(command):
    """Return what gdb's @command (str) prints; an error's text, with "ERROR: " before it.

    A test fails if either has an exception of Python's in it.
    """
    try:
        text = gdb.execute(command, to_string=True)
    except gdb.error as error:
        text = f"ERROR: {error}"
    if PYTHON.search(text):
        check(f"{command}: no exception", False, text)
    return text


def like(name, command, pattern):
    """As check(): the output of @command (str) must match @pattern (str, a regex, multi-line)."""
    text = output(command)
    check(name, re.search(pattern, text, re.M),
          f"{command} printed:\n{text}\nexpected a match of: {pattern}")


def fails(name, command, pattern):
    """As like(): @command must fail, with a message that matches."""
    like(name, command, "^ERROR: .*" + pattern)


def start():
    """Boot until the scenario has built its mappings."""
    stop = gdb.Breakpoint("do_madvise", internal=True)
    stop.condition = f"behavior == {LAYOUT['MARK']}"
    gdb.execute("run", to_string=True)
    at_mark("BUILT")


def resume(step):
    """Let the scenario run to its next mark, which must be that of @step (str)."""
    gdb.execute("continue", to_string=True)
    at_mark(step)


def at_mark(step):
    """Check that the kernel stands at the scenario's mark @step (str)."""
    where = gdb.newest_frame().name() if gdb.selected_thread() else "no process"
    if where != "do_madvise":
        print(f"Bail out! stopped in {where}, expected the scenario's mark {step}")
        gdb.execute("quit 1")
    seen = int(gdb.newest_frame().read_var("len_in"))
    if seen != LAYOUT[step]:
        print(f"Bail out! at the scenario's mark {seen}, expected {LAYOUT[step]}")
        gdb.execute("quit 1")


# Where the page for a batch of tables comes from, at its first instruction.
BATCH_PAGE = "*get_free_pages_noprof"


def for_batch(frame):
    """Return whether @frame (gdb.Frame), at BATCH_PAGE, was called for a batch of tables."""
    caller = frame.older()
    return caller is not None and (caller.name() or "").partition(".")[0] == "tlb_remove_table"


def give_none():
    """Return 0 from the function at whose first instruction the kernel stands, whatever the compiler made of its caller."""
    for setting in ("$rax = 0", "$pc = *(unsigned long *)$sp", "$sp = $sp + 8"):
        gdb.execute("set var " + setting)


class Facts:
    """What the guest's kernel said of the scenario: pid, vmpte_kb, page_tables_kb (int),
    pages ({address: pagemap entry}), maps (list of lines)."""

    def __init__(self):
        self.pages, self.maps = {}, []
        with open(os.environ["UMLAB_FACTS"], encoding="utf-8") as file:
            for line in file:
                name, rest = line.rstrip("\n").split(" ", 1)
                if name == "page":
                    where, entry = rest.split()
                    self.pages[int(where, 16)] = int(entry, 16)
                elif name == "maps":
                    self.maps.append(rest)
                else:
                    setattr(self, name, int(rest))


def finish():
    """End the kernel, print the plan and end gdb: status 1 if a test failed."""
    _end(f"1..{_count}", 1 if _failed else 0)


def skip_all(reason):
    """The same, where no test of the suite has a meaning: @reason (str) says why."""
    _end(f"1..0 # SKIP {reason}", 0)


def _end(plan, status):
    for stop in gdb.breakpoints():
        stop.delete()
    print(plan)
    sys.stdout.flush()
    if gdb.selected_inferior().pid:
        try:
            gdb.execute("kill", to_string=True)
        except gdb.error:
            pass  # a stub that ends at once
    gdb.execute(f"quit {status}")
