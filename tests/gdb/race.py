# SPDX-License-Identifier: GPL-2.0
"""pt-race: scripts that are wrong, races that do not go as written, and that nothing is left behind.

The program is `race laps`: both threads come by their marks again and again.
"""

import builtins
import os
import re
import signal
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import gdb  # noqa: E402

import lib  # noqa: E402
from umlab import drive, race  # noqa: E402

HEAD = "@race A test\n@run points=base,series,fixed cpus=2 program=gdb/race laps\n"
FOLDER = tempfile.TemporaryDirectory()


def script(steps, head=HEAD):
    """Return the file (str) of a script with @steps (str)."""
    path = os.path.join(FOLDER.name, f"t{len(os.listdir(FOLDER.name))}.race")
    with open(path, "w", encoding="utf-8") as file:
        file.write(head + steps + "\n")
    return path


def put_back(name):
    """Check that no race has left anything set in gdb."""
    lib.equal(f"{name}: scheduler-locking is as before", gdb.parameter("scheduler-locking"), LOCKING)
    lib.equal(f"{name}: only the user's breakpoint is there", [b.location for b in gdb.breakpoints() if b.number > 0],
              ["kernel_halt"])
    lib.equal(f"{name}: which is on", gdb.breakpoints()[0].enabled, True)
    # What gdb itself needs to get a thread out of a signal's handler is of another type.
    internal = [line for line in lib.output("maint info breakpoints").split("\n")
                if re.match(r"-\d+ +breakpoint ", line) and re.search("do_madvise|vpanic|wait_stub", line)]
    lib.equal(f"{name}: no internal one is left", internal, [])
    lib.equal(f"{name}: settings are as before", gdb.parameter("confirm"), False)


def fails(name, steps, pattern, head=HEAD):
    """Check that the script of @steps (str) fails with a message that matches @pattern (str)."""
    lib.like(name, f"pt-race {script(steps, head)}", f"(?s:^ERROR: .*{pattern})")


def bad_scripts():
    """Scripts that are refused before the kernel starts."""
    fails("an unknown verb", "park A at mark 1\nhalt A", r"t\d+\.race:4: `halt A`: no step of this form")
    fails("a verb's wrong form", "run C until mark 1", "`run C until mark 1`: no step")
    fails("no step", "", "a script needs @race, @run and a step")
    fails("no head", "park A at mark 1", "a script needs @race", head="")
    fails("an unknown key of @run", "park A at mark 1", "@run: cpu: unknown: one of", head="@race x\n@run cpu=2\n")
    fails("CPUs that are no number", "park A at mark 1", "cpus=x: not a number", head="@race x\n@run cpus=x\n")
    fails("a place that is none", "park A at `x`", "`x`: no place: FUNCTION")
    fails("`panic` with a condition", "run until panic if 1", "panic if 1: takes no condition")
    fails("`exit` for one CPU", "run A until exit", "exit: takes no condition, and everybody runs")
    fails("alternatives of a mark", "park A at mark 1 or do_madvise", "have no alternatives")
    fails("the same CPU twice", "park A at mark 1 and A at mark 2", "A twice")
    fails("no regular expression", "park A at mark 1\nexpect [", r"expect \[: no regular expression")
    fails("a point that @run has not", "[nosuch] park A at mark 1", r"\[nosuch\]: not among the points of @run")
    fails("another point's script", "park A at mark 1", "it is for 8; this kernel is", head="@race x\n@run points=8\n")
    fails("a function that is not there", "park A at nosuch_function", r"race:3: nosuch_function: this kernel has no such function")
    fails("a line that is not there", "park A at zap_pte_range `no such text`", r"race:3: zap_pte_range\(\) has no line with `no such text`")
    fails("a line without code", "park A at zap_pte_table_if_empty `pte_unmap_unlock(`", r"left no code of its own for the line")
    fails("... in the second place of a step", "park A at mark 1 and B at nosuch_function", "nosuch_function: this kernel has")
    lib.fails("no such script", "pt-race nosuch", "script: nosuch: none: one of .*uaccess")
    lib.fails("no such file", "pt-race ./nosuch.race", "No such file or directory")
    lib.fails("no such mode", "pt-race uaccess slowly", "argument: slowly: ")
    lib.like("TAB knows the scripts", "complete pt-race uacc", "^pt-race uaccess$")
    lib.like("TAB knows the modes", "complete pt-race uaccess ch", "^pt-race uaccess check$")
    lib.like("without a script it lists them", "pt-race", r"^uaccess +The kernel writes .* \(series, fixed\)$")
    lib.check("no script has started the kernel", not gdb.selected_inferior().pid)
    fails("nobody to show", "show p 1", "the kernel does not run")
    fails("nobody has a name yet", "run B until mark 1", "(B: nobody yet|CPUs: )")


def on_one_cpu():
    """A race needs two."""
    fails("one CPU only", "park A at mark 1", "CPUs: 1: a race is one of two: start the kernel with two")
    put_back("one CPU only")


def went_wrong():
    """Races that do not go as written, in one kernel; each goes on from where the one before ended."""
    both = "park A at mark 1 and B at mark 2\n"
    fails("a place that is never reached", both + "limit 2\nrun B until mark 77",
          r"race:5: run B until mark 77\n2 s were over: nobody came to the place\n"
          r"A: CPU 0 \(race-a, pid \d+\) in do_madvise\(\) at mm/madvise.c:\d+\n#0 .*\nB: CPU 1 \([^)]*\).*\n#0 ")
    put_back("a place that is never reached")
    # Each was parked in one of the races before, and comes by again.
    lib.like("afterwards both run", f"pt-race {script('park B at mark 1')}", r"B: CPU 0 \(race-a")
    put_back("a race that went well")
    lib.like("... each of them", f"pt-race {script('park B at mark 2')}", r"B: CPU 1 \(race-b")
    fails("an error in a condition", "park A at mark 1 if nosuch == 1", "condition .*nosuch.*No symbol")
    put_back("an error in a condition")
    fails("an expectation that is not met", both + "show p 40 + 2\nexpect = 43", r"race:5: .*printed\n\S+ = 42\nwhich has no match of: = 43")
    fails("an error in what is shown", both + "show pt-walk nosuch", "race:4: .*nosuch: no number")
    put_back("an error in what is shown")
    fails("an unknown command", both + "show nosuch", "Undefined command")
    fails("an error in `let`", both + "let $x = nosuch", "No symbol .nosuch")
    fails("a release of somebody who is not parked", both + "release A\nrelease A", "race:5: release A\nA: is not parked")
    fails("nobody is left to run", both + "run until mark 1", "everybody is parked: release one of them")
    fails("a step in a place that has no name yet", "show A: p 1", "A: nobody yet: park it first")
    fails("a CPU without a name", "run A until mark 1", "A: nobody yet: park one of the two first")
    fails("user code that traps at once", both + "limit 1\nrun B until user code", "1 s were over: nobody came")
    put_back("user code that traps at once")
    lib.like("... but comes to user space", f"pt-race {script(both + 'run B until user')}", r"B: CPU 1 \(race-b, pid \d+\) in user space")
    lib.like("an unknown command that is optional", f"pt-race {script(both + 'show? nosuch' + chr(10) + 'expect nothing' + chr(10) + 'verdict Good')}",
             r"(?s:show\? nosuch +\(this gdb has no such command\)\n.*=> Good)")
    fails("too long", both + "limit 0.5\nrun until panic", "everybody is parked")
    fails("a panic that does not come", both + "limit 0.5\nrelease A B\nrun until panic", "0.5 s were over instead of its panic")
    put_back("a panic that does not come")


def interrupted():
    """Ctrl-C in a step is a SIGINT that no time limit has sent."""
    timer = threading.Timer(1, os.kill, (gdb.selected_inferior().pid, signal.SIGINT))
    timer.start()
    fails("Ctrl-C", "run until vmalloc_dump_obj", "\ninterrupted\n")
    timer.join()
    put_back("Ctrl-C")


def deaf():
    """A kernel that does not take SIGINT is stopped all the same."""
    kill, patience = os.kill, drive._Clock.PATIENCE  # pylint: disable=protected-access
    os.kill = lambda pid, number: None if number == signal.SIGINT else kill(pid, number)
    drive._Clock.PATIENCE = 1  # pylint: disable=protected-access
    try:
        fails("a time limit where SIGINT is blocked", "limit 0.5\nrun until vmalloc_dump_obj", "0.5 s were over")
    finally:
        os.kill, drive._Clock.PATIENCE = kill, patience  # pylint: disable=protected-access
    put_back("a time limit where SIGINT is blocked")
    lib.like("... and it goes on", f"pt-race {script('park A at mark 1 and B at mark 2')}", r"B: CPU 1 \(race-b")


def with_answers(answers, command):
    """Return the output of @command while input() gives @answers (list), then the end of the file."""
    queue = list(answers)

    def answer(_):
        if not queue:
            raise EOFError
        return queue.pop(0)

    before, builtins.input = builtins.input, answer
    try:
        return lib.output(command)
    finally:
        builtins.input = before


def asked():
    """Step mode."""
    path = script("park A at mark 1 and B at mark 2\nsay Text.\nrun B until mark 2\nrelease A B")
    out = with_answers(["p 40 + 2", "", "nosuch", "quit"], f"pt-race {path} step")
    lib.check("step mode asks, takes commands, goes on at ENTER, and can be left",
              all(text in out for text in ("next: park A", "B: CPU 1", "Text.", "next: run B until mark 2",
                                           "Undefined command", "Left the race")), out)
    put_back("a race that was left")


def from_python():
    """umlab.race.play()."""
    told = []
    path = script("park A at mark 1 and B at mark 2\nrun B for 0.2 s\nverdict Done.")
    verdict = race.play(path, None, lambda step, text: told.append((step.verb, text)))
    lib.equal("play() tells each step", [verb for verb, _ in told], ["park", "for", "verdict"])
    lib.check("... and where both stand", "\nB: CPU 1" in told[1][1], told)
    lib.equal("... of whom A has not moved while B ran", told[1][1].split("\n")[0], told[0][1].split("\n")[0])
    lib.equal("... and returns the verdict", verdict, "Done.")
    put_back("play()")


LOCKING = gdb.parameter("scheduler-locking")
gdb.Breakpoint("kernel_halt")
bad_scripts()
if os.environ["UMLAB_CPUS"] == "1":
    on_one_cpu()
else:
    went_wrong()
    interrupted()
    deaf()
    asked()
    from_python()
lib.finish()
