# SPDX-License-Identifier: GPL-2.0
"""tour: lead a person through real code, stop by stop (umlab/tour.py has the format).

Environment, set by tools/tour.sh:
  UMLAB_TOUR_PART      which part of the tour this gdb is for (int, from 0; default 0)
  UMLAB_TOUR_CHECK     if set: ask nobody, stop at the first thing that is out of date, status 1
  UMLAB_TOUR_MARKDOWN  if set: print a document, ask nobody
  UMLAB_TOUR_TREE      git tree and revision ("DIR umlab/POINT") that @source lines are read from
  UMLAB_TOURS          the tours' folder (default: gdb-scripts/tours)

A gdb that was for one part of several ends with status NEXT_PART once it is through.
"""

import glob
import os
import re
import subprocess
import sys

import gdb

from .. import race, source, tour
from ..command import Command, Problem, errors_told, need_debug, need_machine
from ..talk import asked, quiet, typed

TOURS = os.environ.get("UMLAB_TOURS") or \
    os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tours")

NEXT_PART = 10

# A step of pt-race that ends at a line worth showing.
_AT_CODE = r"\b(at|until) (?!mark |user\b|exit\b|panic\b)"


class Terminal:
    """How a tour looks on a terminal, and where its output is plain text."""

    def __init__(self, colour):
        self._bold, self._dim, self._plain = ("\033[1m", "\033[2m", "\033[0m") if colour else ("", "", "")

    def title(self, text, place=""):
        """Print the title @text (str) of the tour, or of a stop at @place ("2/7", str)."""
        self._out(f"\n{self._bold}{f'[{place}] ' if place else ''}{text}{self._plain}\n")

    def text(self, text):
        """Print a paragraph."""
        self._out(text.strip("\n") + "\n")

    def code(self, command, output):
        """Print what was typed at gdb's prompt (str, may be empty) and what came of it (str)."""
        typed = f"(gdb) {command}\n" if command else ""
        self._out(f"{self._dim}{typed}{self._plain}{output}")

    def question(self, text):
        """Print a question."""
        self._out(f"\n{self._bold}? {text}{self._plain}")

    def answer(self, text):
        """Print its answer."""
        self._out("! " + text)

    @staticmethod
    def _out(text):
        print(text)
        sys.stdout.flush()


class Markdown(Terminal):
    """The same as a document: docs/gdb.md is made so."""

    def __init__(self):
        super().__init__(False)

    def title(self, text, place=""):
        self._out(f"{'###' if place else '##'} {text}\n")

    def code(self, command, output):
        typed = f"(gdb) {command}\n" if command else ""
        self._out(f"```\n{typed}{output.rstrip()}".rstrip() + "\n```\n")

    def question(self, text):
        self._out(f"*{text}*\n")

    def answer(self, text):
        self._out(f"{text}\n")


class OutOfDate(Exception):
    """What the tour says is not what is seen; the message tells both."""


class Led:
    """One part of a tour while it is being led."""

    def __init__(self, name, number, checking, look):
        whole = tour.load(os.path.join(TOURS, name + ".md"))
        self._part, self._checking, self._look = whole.parts[number], checking, look
        self.more = number + 1 < len(whole.parts)
        self._path, self._runner, self._steps = whole.path, None, None
        if number == 0:
            look.title(whole.title)
            self._blocks(whole.intro)

    def lead(self):
        """Go from stop to stop; returns False if the reader left."""
        if self._part.program:
            need_debug()
        try:
            return self._lead()
        except (race.BadScript, race.Failed) as error:
            raise OutOfDate(str(error)) from None
        finally:
            if self._runner:
                self._runner.close()

    def _lead(self):
        stops = self._part.stops
        for number, stop in enumerate(stops, 1):
            if stop.places and not self._go(stop):
                return False
            accounts = [self._step() for _ in stop.steps]
            self._look.title(stop.title, f"{number}/{len(stops)}")
            for account in accounts:
                self._look.code("", account)
            if stop.places or stop.steps and re.search(_AT_CODE, stop.steps[-1][1]):
                self._place()
            self._blocks(stop.blocks)
            if stop.question:
                self._look.question(stop.question)
            if not self.wait(f"(tour {number}/{len(stops)}: ENTER goes on) "):
                return False
            if stop.answer:
                self._look.answer(stop.answer)
        return True

    def _go(self, stop):
        """Let the kernel run to where @stop (Stop) is; returns False if the reader left on the way."""
        waiting = []
        where = " or ".join(function for function, _ in stop.places)
        try:
            for spot in stop.places:
                waiting.append(gdb.Breakpoint(_location(stop, spot), internal=True))
                if stop.condition:
                    waiting[-1].condition = stop.condition
            while True:
                self._resume()
                if not gdb.selected_inferior().pid:
                    raise OutOfDate(f"{stop.title}: the kernel ended before it came to {where}")
                # Ctrl-C while gdb works a condition out counts as a hit of it.
                if any(breakpoint_.hit_count for breakpoint_ in waiting) and _holds(stop.condition):
                    return True
                for breakpoint_ in waiting:
                    breakpoint_.hit_count = 0
                # Ctrl-C, or a breakpoint of the reader's own.
                if self._checking:
                    found = gdb.newest_frame().name()
                    raise OutOfDate(f"{stop.title}: stopped in {found} instead of {where}")
                self._look.text(f"Not yet {where}: the kernel has stopped before it.")
                self._place()
                if not self.wait("(tour: ENTER goes on) "):
                    return False
        finally:
            for breakpoint_ in waiting:
                breakpoint_.delete()

    @staticmethod
    def _resume():
        """Let the kernel run until something stops it."""
        try:
            gdb.execute("continue" if gdb.selected_inferior().pid else "run", to_string=True)
        except KeyboardInterrupt:
            pass

    def _step(self):
        """Do the next step of pt-race; returns it, and who stands where then (str)."""
        if not self._runner:
            self._runner = race.Runner(self._script(), self._part.point)
            self._steps = iter(self._runner.steps())
        step = next(self._steps, None)
        if step is None:
            raise OutOfDate(f"{self._part.point}: the tour has no step for this point")
        return "\n  ".join([step.text] + (self._runner.play(step) or "").split("\n")).rstrip() + "\n"

    def _script(self):
        """Return the steps of all stops of this part as one race.Script, each in its line of the tour's file."""
        steps = dict(step for stop in self._part.stops for step in stop.steps)
        lines = ["@race tour", f"@run points={self._part.point} cpus={self._part.cpus} program={self._part.program}"]
        lines += [steps.get(number, "") for number in range(len(lines) + 1, max(steps) + 1)]
        return race.parse(self._path, lines)

    def _place(self):
        frame = gdb.newest_frame()
        lines = ["  " + line for line in source.excerpt(frame, 2, 2)]
        self._look.code("", f"{source.call(frame)} at {source.place(frame)}\n" + "\n".join(lines) + "\n")

    def _blocks(self, blocks):
        for block in blocks:
            if block.kind == "text":
                self._look.text(block.text)
                continue
            text = self._command(block.text) if block.kind == "command" else _source(block.text)
            self._look.code(block.text if block.kind == "command" else "", text)
            for pattern in block.expected:
                if not re.search(pattern, text, re.M):
                    raise OutOfDate(f"`{block.text}` printed\n{text}\nwhich has no match of: {pattern}")

    def _command(self, text):
        try:
            return gdb.execute(text, to_string=True)
        except gdb.error as error:
            if self._checking:
                raise OutOfDate(f"`{text}`: {error}") from None
            return f"{error}\n"

    def wait(self, prompt):
        """Let the reader type gdb commands until ENTER alone, with @prompt (str); returns False for `quit`."""
        while not self._checking:
            try:
                line = asked(prompt)
            except EOFError:
                return False
            except KeyboardInterrupt:
                print()
                continue
            if not line:
                return True
            if line in ("q", "quit", "exit"):
                return False
            typed(line)
        return True


def _holds(condition):
    """Whether @condition (str, or None) of a stop is true here; one that can't be worked out was so before."""
    try:
        return not condition or bool(gdb.parse_and_eval(condition))
    except gdb.error:
        return True


def _location(stop, spot):
    """Return where gdb must stop for @spot (function, text of a line or None)."""
    try:
        return race.location(spot)
    except LookupError as error:
        raise OutOfDate(f"{stop.title}: {error}") from None


def _source(text):
    """Return the lines that `FILE: TEXT: BEFORE: AFTER` names, of the point in the tour's tree."""
    file, pattern, before, after = (text.split(": ") + ["0", "0"])[:4]
    directory, point = os.environ.get("UMLAB_TOUR_TREE", ". HEAD").rsplit(" ", 1)
    shown = subprocess.run(["git", "-C", directory, "show", f"{point}:{file}"], check=False,
                           capture_output=True, text=True, errors="replace")
    lines = shown.stdout.split("\n")
    found = next((n for n, line in enumerate(lines) if pattern in line), None)
    if shown.returncode or found is None:
        what = "no such file" if shown.returncode else f"no line with `{pattern}`"
        raise OutOfDate(f"@source {file}: {what} in {point}")
    part = [f"  {n + 1:5} {lines[n].expandtabs(8)}" for n in
            range(max(0, found - int(before)), min(len(lines), found + int(after) + 1))]
    return f"{file}:\n" + "\n".join(part) + "\n"


class _Tour(Command):
    """Be led through real code, stop by stop: tour NAME

    Without a name it lists the tours.  At each stop any gdb command works;
    ENTER alone goes on, `quit` leaves the tour and stays in gdb there.
    A tour starts its kernel by itself: `make tour T=NAME` has the right one."""

    name = "tour"
    only_uml = True

    def invoke(self, text, from_tty):
        with errors_told(self.name):
            need_machine(self.only_uml)
            names = [os.path.basename(path)[:-3] for path in sorted(glob.glob(TOURS + "/*.md"))]
            if not text:
                self._list(names)
                return
            if text not in names:
                raise Problem("tour", text, "none: one of " + ", ".join(names))
            self._lead(text)

    @staticmethod
    def _list(names):
        for name in names:
            try:
                print(f"{name:12} {tour.load(os.path.join(TOURS, name + '.md')).title}")
            except tour.BadTour as error:
                print(f"{name:12} bad: {error}")

    def _lead(self, name):
        checking = bool(os.environ.get("UMLAB_TOUR_CHECK") or os.environ.get("UMLAB_TOUR_MARKDOWN"))
        try:
            with quiet():
                self._lead_quietly(name, checking)
        except (OutOfDate, tour.BadTour) as error:
            if checking:
                print(f"tour: {name}: out of date: {error}", file=sys.stderr)
                _end(1)
            raise Problem(name, "out of date", str(error)) from None

    @staticmethod
    def _lead_quietly(name, checking):
        look = Markdown() if os.environ.get("UMLAB_TOUR_MARKDOWN") else Terminal(sys.stdout.isatty())
        led = Led(name, int(os.environ.get("UMLAB_TOUR_PART", "0")), checking, look)
        done = led.lead()
        if done and led.more:
            if led.wait("(this part ends here: ENTER starts the next one) "):
                _end(NEXT_PART)
        elif checking:
            _end(0)
        elif done:
            print("\nThe tour ends here." +
                  ("  The kernel stands still: look around, `quit` ends it." if gdb.selected_inferior().pid else ""))

    def choices(self, text, word):
        names = [os.path.basename(path)[:-3] for path in sorted(glob.glob(TOURS + "/*.md"))]
        return [name for name in names if name.startswith(word)]


def _end(status):
    gdb.execute("set confirm off")
    gdb.execute(f"quit {status}")


_Tour()
