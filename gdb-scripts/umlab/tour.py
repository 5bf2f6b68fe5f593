# SPDX-License-Identifier: GPL-2.0
"""Guided tours: a file of text and stops, led through in gdb.

A tour is a text file, gdb-scripts/tours/NAME.md, that reads well by itself:

    # Title
    What the tour is about: printed at its start.

    @run point=series cpus=1 program=ptworkload --size 4M --chunk 2M

    ## Title of a stop
    @stop FUNCTION                  or: @stop FUNCTION: TEXT OF A LINE IN IT; more of these after a |,
                                    where the kernel may take another way
    @if CONDITION                   of gdb, optional
    @race STEP                      or, with two CPUs: a step of pt-race (umlab/race.py), such as
                                    park A at mark 1; any number of them
    Text.

        (gdb) pt-walk start         run here; its output stands in place
    @expect ^pmd.*present           the output just above must match, or the tour is out of date

    @source arch/powerpc/include/asm/tlb.h: TEXT: 2: 5     lines of a file of the point, 2 before and 5 after

    ? A question, printed last.
    ! Its answer, printed when the reader goes on.

`@run` begins a part: a kernel of its own, in a gdb of its own (tools/tour.sh
starts them).  Keys: point (default series), flavour (debug), cpus (1), append
(for the kernel's command line), then program, the rest of the line; a part
that only reads source has no program.  A stop without `@stop` or `@race` stays where the last one was.

A line of a function is found by its text, so that a tour fails when the text
has gone, and not silently shows another place.
"""

import re
from collections import namedtuple

Tour = namedtuple("Tour", "path name title intro parts")
Tour.__doc__ = "path, name, title (str), intro (list of blocks), parts (list of Part)."

Part = namedtuple("Part", "point flavour cpus append program stops")
Part.__doc__ = "One kernel: point, flavour, append, program (str, may be empty), cpus (int), stops (list of Stop)."

Stop = namedtuple("Stop", "title places condition steps blocks question answer")
Stop.__doc__ = """title (str); places (list of (function, text or None)): where; condition (str or None);
steps (list of (line's number, text)): of pt-race; blocks (list of Block); question, answer (str, may be empty)."""

Block = namedtuple("Block", "kind text expected")
Block.__doc__ = 'kind: "text", "command" or "source"; text (str); expected (list of str, regexes).'

_RUN_KEYS = ("point", "flavour", "cpus", "append", "program")


class BadTour(Exception):
    """A tour's file is not as it must be; the message has file, line and what is wrong."""


def load(path):
    """Return the Tour in the file @path (str); raises BadTour, OSError."""
    with open(path, encoding="utf-8", errors="replace") as file:
        return _Parser(path, file.read().split("\n")).parse()


class _Parser:
    """Reads one tour, line by line."""

    def __init__(self, path, lines):
        self._path, self._lines, self._number = path, lines, 0
        self._title, self._intro, self._parts = "", [], []
        self._blocks = self._intro      # where text goes
        self._stop = None               # fields of the stop that is being read

    def parse(self):
        for self._number, line in enumerate(self._lines, 1):
            if re.match(r"<!--.*-->$", line):
                continue    # the licence
            for begin, action in ((r"# (.+)", self._take_title), (r"## (.+)", self._take_stop),
                                  (r"@(\w+) ?(.*)", self._take_order), (r" +\(gdb\) (.+)", self._take_command),
                                  (r"\? (.+)", self._take_question), (r"! (.+)", self._take_answer),
                                  (r"()(.*)", self._take_text)):
                found = re.fullmatch(begin, line)
                if found:
                    action(*found.groups())
                    break
        self._end_stop()
        if not self._title or not any(part.stops for part in self._parts):
            raise self._bad("a tour needs a title, an @run and a stop")
        name = re.sub(r".*/|\.md$", "", self._path)
        return Tour(self._path, name, self._title, self._intro, self._parts)

    def _bad(self, what):
        return BadTour(f"{self._path}:{self._number}: {what}")

    def _take_title(self, text):
        self._title = text

    def _take_stop(self, title):
        self._end_stop()
        if not self._parts:
            raise self._bad("a stop before the first @run")
        self._blocks = []
        self._stop = {"title": title, "places": [], "condition": None, "steps": [],
                      "blocks": self._blocks, "question": "", "answer": ""}
        self._tail = None

    def _end_stop(self):
        if self._stop:
            self._parts[-1].stops.append(Stop(**self._stop))
        self._stop = None

    def _take_order(self, order, rest):
        orders = {"run": self._run, "stop": self._place, "if": self._condition, "race": self._step,
                  "expect": self._expect,
                  "source": lambda text: self._blocks.append(Block("source", text, []))}
        if order not in orders:
            raise self._bad(f"@{order}: unknown: one of @{', @'.join(orders)}")
        if order in ("stop", "if", "race") and not self._stop:
            raise self._bad(f"@{order} outside of a stop")
        orders[order](rest)

    def _run(self, text):
        self._end_stop()
        values = {"point": "series", "flavour": "debug", "cpus": "1", "append": "", "program": ""}
        before, _, program = text.partition("program=")
        for word in before.split():
            key, _, value = word.partition("=")
            if key not in _RUN_KEYS:
                raise self._bad(f"@run: {key}: unknown: one of {', '.join(_RUN_KEYS)}")
            values[key] = value.replace(",", " ")
        values["program"] = program.strip()
        if not values["cpus"].isdigit():
            raise self._bad(f"@run: cpus={values['cpus']}: not a number")
        values["cpus"] = int(values["cpus"])
        self._parts.append(Part(stops=[], **values))

    def _place(self, text):
        for place in text.split(" | "):
            function, _, line = place.partition(": ")
            self._stop["places"].append((function, line or None))

    def _condition(self, text):
        self._stop["condition"] = text

    def _step(self, text):
        self._stop["steps"].append((self._number, text))

    def _expect(self, text):
        if not self._blocks or self._blocks[-1].kind == "text":
            raise self._bad("@expect without a command above it")
        try:
            re.compile(text)
        except re.error as error:
            raise self._bad(f"@expect {text}: no regular expression: {error}") from None
        self._blocks[-1].expected.append(text)

    def _take_command(self, text):
        self._blocks.append(Block("command", text, []))

    def _take_question(self, text):
        self._stop["question"] = text
        self._tail = "question"

    def _take_answer(self, text):
        self._stop["answer"] = text
        self._tail = "answer"

    def _take_text(self, _, line):
        if self._stop and self._tail and line:
            self._stop[self._tail] += "\n" + line   # a question or answer of several lines
        elif self._blocks and self._blocks[-1].kind == "text":
            self._blocks[-1] = Block("text", self._blocks[-1].text + "\n" + line, [])
        elif line:
            self._blocks.append(Block("text", line, []))
