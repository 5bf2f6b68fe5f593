# SPDX-License-Identifier: GPL-2.0
"""pt-race: a race of two guest CPUs, made to happen (umlab/race.py has the scripts' format)."""

import glob
import os
import sys
import textwrap

import gdb

from .. import race, source
from ..command import Command, Problem, at_kernel, need_debug, need_machine, words_before
from ..talk import asked, quiet, typed

RACES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../races")

_BOLD, _DIM, _PLAIN = ("\033[1m", "\033[2m", "\033[0m")
_MODES = ("step", "check")


class Left(Exception):
    """The reader left in the middle."""


class Race(Command):
    """Make a race of two guest CPUs happen: pt-race SCRIPT [step|check]

    Runs a script that parks one guest CPU at a line and lets the other one pass,
    and tells after each step where both stand.  Without a script it lists those
    there are.  The kernel must be one that the script is for: `make race
    R=NAME` starts it.  A kernel that runs already goes on from where it is.

    SCRIPT  a name of the list, or a file (a / in it)
    step    ask each time before somebody runs; any gdb command works there,
            ENTER alone goes on, `quit` leaves the race
    check   ask nobody; gdb ends with status 0, or with 1 if it did not go as
            written

    At the end, and after an error or Ctrl-C, nobody is parked any more.
    In scripts: umlab.race.play(FILE, POINT, TELL)"""

    name = "pt-race"
    only_uml = True

    def invoke(self, text, from_tty):
        with at_kernel(self.name):
            need_machine(self.only_uml)
            words = text.split()
            mode = words[1] if len(words) > 1 else ""
            if len(words) > 2 or mode not in ("", *_MODES):
                raise Problem("argument", words[-1], "give a script, then step, check or nothing: see help pt-race")
            try:
                if not words:
                    self._list()
                elif mode == "check":
                    self._check(words[0])
                else:
                    Shown(file_of(words[0]), mode == "step").lead()
            except (race.BadScript, race.Failed) as error:
                raise gdb.GdbError(f"pt-race: {error}") from None
            except OSError as error:
                raise Problem("script", words[0], error.strerror) from None
            except Left:
                print("Left the race: nobody is parked any more.")

    def _list(self):
        for path in sorted(glob.glob(RACES + "/*.race")):
            script = race.load(path)
            print(f"{script.name:12} {script.title} ({', '.join(script.points)})")

    def _check(self, name):
        status = 1
        try:
            Shown(file_of(name), False).lead()
            status = 0
        except (race.BadScript, race.Failed, Problem, OSError, gdb.error) as error:
            print(f"pt-race: {error}", file=sys.stderr)
        sys.stdout.flush()
        gdb.execute("set confirm off")
        gdb.execute(f"quit {status}")

    def choices(self, text, word):
        before = words_before(text).split()
        known = names() if not before else _MODES if len(before) == 1 else ()
        return [name for name in known if name.startswith(word)]


def names():
    """Return the names (list of str) of all scripts."""
    return [os.path.basename(path)[:-5] for path in sorted(glob.glob(RACES + "/*.race"))]


def file_of(name):
    """Return the file (str) of the script @name (str): one of the list, or a file itself."""
    if "/" in name:
        return name
    if name not in names():
        raise Problem("script", name, "none: one of " + ", ".join(names()))
    return os.path.normpath(os.path.join(RACES, name + ".race"))


def wrapped(text):
    """Return @text (str) in lines of a readable length (str), its paragraphs kept."""
    return "\n\n".join(textwrap.fill(part, 100) for part in text.split("\n\n"))


class Shown:
    """A race while it is shown to somebody, or to a machine."""

    def __init__(self, path, asking):
        self._script = race.load(path)
        self._asking = asking
        self._colour = sys.stdout.isatty()

    under_way = False

    def lead(self):
        """Run it; raises race.BadScript, race.Failed, Left."""
        need_debug()
        if Shown.under_way:
            raise Problem("race", self._script.name, "another one is under way: q leaves it")
        if gdb.selected_inferior().pid and source.find_any(gdb.newest_frame(), ("panic", "vpanic")):
            raise Problem("kernel", "panicked", "`kill` it first: pt-race boots it again")
        Shown.under_way = True
        try:
            self._lead()
        finally:
            Shown.under_way = False

    def _lead(self):
        with quiet(), race.Runner(self._script) as runner:
            steps = runner.steps()
            self._print(f"{self._script.title} (point {runner.point})", _BOLD)
            if self._script.about:
                self._print(wrapped(self._script.about) + "\n")
            for number, step in enumerate(steps, 1):
                self._ask(number, len(steps), step)
                self._step(step, runner.play(step))
            if runner.verdict:
                self._print(f"\n=> {runner.verdict}", _BOLD)

    def _print(self, text, style=""):
        print(f"{style}{text}{_PLAIN}" if self._colour and style else text)
        sys.stdout.flush()

    def _step(self, step, text):
        if step.verb in ("say", "verdict", "expect", "limit"):
            if step.verb == "say":
                self._print("\n" + wrapped(text))
            return
        missing = "   (this gdb has no such command)" if step.optional and text is None else ""
        self._print(step.text + missing, _DIM)
        for line in (text or "").split("\n"):
            if line:
                self._print("    " + line)

    def _ask(self, number, of, step):
        """Let the reader type gdb commands until ENTER alone, before a @step (racefile.Step) in which somebody runs."""
        if not self._asking or step.verb not in ("park", "run", "for"):
            return
        self._print(f"\nnext: {step.text}", _DIM)
        while True:
            try:
                line = asked(f"(race {number}/{of}: ENTER goes on) ")
            except (EOFError, KeyboardInterrupt):
                raise Left from None
            if not line:
                return
            if line in ("q", "quit", "exit"):
                raise Left
            typed(line)


Race()
