# SPDX-License-Identifier: GPL-2.0
"""The scripts of races (umlab/race.py runs them): who stands where while who runs.

A script is a text file, gdb-scripts/races/NAME.race; docs/races.md has one with comments:

    # Comment.
    @race TITLE
    @run points=series,fixed cpus=2 program=gdb/race uaccess
    @about Text, printed before it begins.

    park A at PLACE                 all that is not parked runs until a guest CPU comes to PLACE: that
                                    is A from now on, and stands there
    park A at PLACE and B at PLACE  the same for both, whoever comes first: it stands, the other runs on
    run B until PLACE               only B runs, until it comes to PLACE, and stands there then
    run B for SECONDS s             only B runs, and must not get anywhere in that time but be stopped by its end
    run until PLACE                 all that is not parked runs
    release A                       or `release A B`: it runs again when the next step runs all

    show A: COMMAND                 a gdb command in A's place; without `A:`, that of the CPU that moved last
    show? COMMAND                   the same, left out with its `expect`s where gdb has no such command
    expect REGEX                    must match (multi-line) what the last step printed
    let $NAME = EXPRESSION          a gdb variable for later; `let A: $NAME = ...` in A's place
    limit SECONDS                   time for each step from here on (60; the one that boots has a minute more)
    say TEXT                        printed
    verdict TEXT                    printed at the end: what this has shown

    [series] STEP                   a step for some points only: [base series] STEP

Lines that begin with a blank continue the one before.

PLACE is one of
    FUNCTION                        its beginning
    FUNCTION `TEXT`                 the first line with TEXT in it
    PLACE or PLACE                  whichever is reached first
    mark N                          the guest program says so: madvise(VALUE, N, 4711)
    user                            user space: the CPU waits for the stub that runs its process; with
                                    `run A until`, of the task that A stands in
    user code                       the same, and the process runs code of its own for some time without a trap
    exit, panic                     the kernel's end (for `run until`; panic's `expect` sees the message)
each but the last two with ` if CONDITION` of gdb behind it, for all of its alternatives.

@run's keys: points (those that the script is for, the first one is the default), cpus (2), flavour
(debug), append (for the kernel's command line, a comma for each blank), then program, the rest of the line.
"""

import re
from collections import namedtuple

# The advice of marks: MARK of tests/gdb/race.c.
MARK = 4711

# Where the kernel's thread stands while user code runs, behind the line that wakes the stub up and before the one
# that waits for it; and who goes there.
USER_SPOT = ("wait_stub_done_seccomp", "ret = syscall(__NR_futex, &data->futex,")
_USER_CONDITION = '$_caller_is("userspace")'

Script = namedtuple("Script", "path name title about points cpus flavour append program steps")
Script.__doc__ = """path, name, title, about, flavour, append, program (str); points (list of str); cpus (int);
steps (list of Step)."""

Step = namedtuple("Step", "line text points verb cpus places seconds command optional")
Step.__doc__ = """One step.

line: its number (int); text: as it is written (str); points: those that it is for (tuple of str, empty for all);
verb (str); cpus: names (tuple of str); places (tuple of Place), one each of cpus, or one;
seconds (float); command: what is shown, expected, said or let (str); optional (bool)
"""

Place = namedtuple("Place", "kind spots condition")
Place.__doc__ = """kind: "code", "user", "user code", "exit" or "panic"; spots: tuple of (function, text of a line or
None); condition: of gdb (str), or None."""

_NUMBER = r"(?P<seconds>\d+(\.\d+)?)"
_AT = r"(?:[^`]|`[^`]*`)+?"
_SHAPES = tuple((verb, re.compile(shape)) for verb, shape in (
    ("park", rf"park (?P<cpu>[AB]) at (?P<place>{_AT})( and (?P<cpu2>[AB]) at (?P<place2>{_AT}))?"),
    ("run", r"run (?P<cpu>[AB]) until (?P<place>.+)"),
    ("for", rf"run (?P<cpu>[AB]) for {_NUMBER} s"),
    ("run", r"run until (?P<place>.+)"),
    ("release", r"release (?P<cpu>[AB])( (?P<cpu2>[AB]))?"),
    ("show", r"show(?P<optional>\?)? ((?P<cpu>[AB]): )?(?P<command>.+)"),
    ("let", r"let ((?P<cpu>[AB]): )?(?P<command>\$\w+ *=[^=].*)"),
    ("expect", r"expect (?P<command>.+)"),
    ("limit", rf"limit {_NUMBER}"),
    ("say", r"say (?P<command>.+)"),
    ("verdict", r"verdict (?P<command>.+)"),
))
_RUN_KEYS = ("points", "cpus", "flavour", "append")


class BadScript(Exception):
    """A script is not as it must be, for any kernel or for this one: file, line and what is wrong."""


def load(path):
    """Return the Script in the file @path (str); raises BadScript, OSError."""
    with open(path, encoding="utf-8", errors="replace") as file:
        return parse(path, file.read().split("\n"))


def parse(path, lines):
    """Return the Script in @lines (list of str), which the file @path (str) has; raises BadScript."""
    return _Parser(path, lines).parse()


class _Parser:
    """Reads one script."""

    def __init__(self, path, lines):
        self._path, self._lines, self._number = path, lines, 0
        self._title, self._run, self._about, self._steps = "", None, [], []

    def parse(self):
        for self._number, line in self._logical_lines():
            if line.startswith("@race "):
                self._title = line[6:]
            elif line.startswith("@run "):
                self._run = self._take_run(line[5:])
            elif line.startswith("@about "):
                self._about.append(line[7:])
            elif not self._step(line):
                raise self.bad(f"`{line}`: no step of this form: gdb-scripts/umlab/racefile.py has them all")
        if not self._title or not self._run or not self._steps:
            raise self.bad("a script needs @race, @run and a step")
        return Script(self._path, re.sub(r".*/|\.race$", "", self._path), self._title, "\n\n".join(self._about),
                      steps=self._steps, **self._run)

    def bad(self, what):
        return BadScript(f"{self._path}:{self._number}: {what}")

    def _logical_lines(self):
        """Yield (number, text) of the lines, those joined that are continued; without comments and empty ones."""
        joined = None
        for number, line in enumerate(self._lines, 1):
            if joined and line.startswith((" ", "\t")) and line.strip():
                joined = (joined[0], f"{joined[1]} {line.strip()}")
                continue
            if joined:
                yield joined
            joined = (number, line.rstrip()) if line.strip() and not line.startswith("#") else None
        if joined:
            yield joined

    def _take_run(self, text):
        values = {"points": "series", "cpus": "2", "flavour": "debug", "append": ""}
        before, _, program = text.partition("program=")
        for word in before.split():
            key, _, value = word.partition("=")
            if key not in _RUN_KEYS:
                raise self.bad(f"@run: {key}: unknown: one of {', '.join(_RUN_KEYS)}, program")
            values[key] = value
        if not values["cpus"].isdigit():
            raise self.bad(f"@run: cpus={values['cpus']}: not a number")
        values["cpus"] = int(values["cpus"])
        values["points"] = values["points"].split(",")
        return {"program": program.strip(), **values}

    def _step(self, line):
        """Take @line (str) for a step, if it has the form of one; returns whether it has."""
        points, text = re.fullmatch(r"(?:\[([\w ]+)\] +)?(.*)", line).groups()
        for verb, shape in _SHAPES:
            found = shape.fullmatch(text)
            if found:
                break
        else:
            return False
        parts = found.groupdict()
        cpus = tuple(parts[key] for key in ("cpu", "cpu2") if parts.get(key))
        places = tuple(self._place(parts[key], verb, cpus) for key in ("place", "place2") if parts.get(key))
        if len(set(cpus)) != len(cpus):
            raise self.bad(f"`{text}`: {cpus[0]} twice")
        points = tuple((points or "").split())
        for point in points:
            if self._run and point not in self._run["points"]:
                raise self.bad(f"[{point}]: not among the points of @run: {', '.join(self._run['points'])}")
        self._steps.append(Step(self._number, text, points, verb, cpus, places, float(parts.get("seconds") or 0),
                                parts.get("command") or "", bool(parts.get("optional"))))
        if verb == "expect":
            self._check_regex(parts["command"])
        return True

    def _check_regex(self, text):
        try:
            re.compile(text)
        except re.error as error:
            raise self.bad(f"expect {text}: no regular expression: {error}") from None

    def _place(self, text, verb, cpus):
        where, condition = re.fullmatch(rf"({_AT})(?: if (.+))?", text).groups()
        if where in ("exit", "panic"):
            if condition or cpus or verb != "run":
                raise self.bad(f"{text}: takes no condition, and everybody runs: `run until {where}`")
            return Place(where, (), None)
        kind, conditions, spots = "code", [condition] if condition else [], []
        for spot in re.split(r" or (?=(?:[^`]|`[^`]*`)*$)", where):
            mark = re.fullmatch(r"mark (\d+)", spot)
            code = re.fullmatch(r"(\w+)(?: `([^`]+)`)?", spot)
            if mark:
                spots.append(("do_madvise", None))
                conditions.append(f"behavior == {MARK} && len_in == {mark[1]}")
            elif spot in ("user", "user code"):
                kind = spot
                spots.append(USER_SPOT)
                conditions.append(_USER_CONDITION)
            elif code:
                spots.append(code.groups())
            else:
                raise self.bad(f"{spot}: no place: FUNCTION, FUNCTION `TEXT`, mark N, user, user code, exit or panic")
        if len(spots) > 1 and len(conditions) > bool(condition):
            raise self.bad(f"{where}: `mark` and `user` have no alternatives")
        return Place(kind, tuple(spots), " && ".join(f"({part})" for part in conditions) or None)
