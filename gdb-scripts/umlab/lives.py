# SPDX-License-Identifier: GPL-2.0
"""Records of the lives of PTE tables, made by breakpoints that do not stop.

A life is one PTE table from its allocation to the end of its memory.  The same page
frame can be several tables one after the other: as many lives, numbered.  What is an
event, and where it is seen, is in events.py; docs/pt-life.md describes the file that
save() writes: JSON lines, a header first, then one event a line, in the order of time.

    {"format": "umlab pt-life", "version": 1, "kernel": "Linux version ...", ...}
    {"life": 1, "event": "allocated", "time": 5.123456, "cpu": 0, "pid": 31, ...}
"""

import contextlib
import json
import signal
import time
from collections import Counter, deque, namedtuple

import gdb

from . import events, rcu, source
from .files import whole_file
from .events import At
from .machines import uml
from .probe import PROBE, Stacks

FORMAT, VERSION = "umlab pt-life", 1

# How many events are kept; one takes about 0.6 kB.
LIMIT = 100_000

# How many frames of the stack an event keeps.
DEPTH = 12

# How many reasons for a stop that told nothing are kept.
_REASONS = 100

# What a life ends with when the next table in its memory shows that its end was not seen.
MISSED = "missed"

Event = namedtuple("Event", "sequence kind how run time jiffies cpu pid comm stack details")
Event.__doc__ = """One event of a life.

sequence: int, counts all events; kind: str, of events.KINDS or MISSED; how: str, in words; run: int,
which start of the kernel; time: float, host's monotonic seconds; jiffies: int; cpu: int; pid: int or None;
comm: str; stack: list of (function, file, line), innermost first; details: dict as in events.Fact"""

_Stamp = namedtuple("_Stamp", "run time jiffies cpu pid comm stack")


class Life:
    """One PTE table.

    number: int, from 1; run: int, which start of the kernel; table: int, address of its ptdesc;
    frame: page frame number, page: the kernel's address of its contents (ints, None where the machine doesn't
    tell); level: "pte", None if what was seen doesn't tell; mm: int, address of its mm_struct, or None;
    address: int, the first user address that it serves, or None; events: list of Event;
    ended: what came first, and hides the rest of it (str), such as the kernel's end; None if nothing did
    """

    __slots__ = ("number", "run", "table", "frame", "page", "level", "mm", "address", "events", "ended")

    def __init__(self, number, run, table, level):
        self.number, self.run, self.table, self.level = number, run, table, level
        self.frame, self.page = PROBE.frame(table), PROBE.contents(table)
        self.mm = self.address = None
        self.events = []
        self.ended = None

    def finished(self):
        """Return whether nothing can come after the last event."""
        return self.ended is not None or self.events[-1].kind in ("freed", MISSED)

    def whole(self):
        """Return whether its beginning was seen: it did not begin before `pt-life on`."""
        return self.events[0].kind in ("allocated", "populated")


class Recorder:
    """All lives, and the breakpoints that see them.

    @limit: how many events (int) are kept
    """

    def __init__(self, limit=LIMIT):
        self.limit = limit
        self.run, self._over = 1, False
        self._watches = []
        self.clear()
        gdb.events.exited.connect(self._kernel_ended)
        gdb.events.new_objfile.connect(lambda _: self._stacks.forget())

    def clear(self):
        """Forget all lives; those that go on become lives whose beginning was not seen."""
        self.lives = {}               # number -> Life
        self._newest = {}             # table -> Life
        self._alive = {}              # table -> Life
        self._finished = deque()      # oldest first
        self._others = set()          # tables of other levels, on their way out
        self._waiting = {}            # struct mmu_gather * -> tables that go with its pages
        self._stacks = Stacks(DEPTH)
        self._last = {}               # (place, CPU) -> what its last stop told, number of that stop
        self._told = {}               # table -> number of the last stop that told of it
        self.count = self.dropped_lives = self.dropped_events = 0
        self._sequence = self._begun = 0
        self.unread = Counter()       # why a stop told nothing -> how often
        self.stops, self.repeated, self.seconds = 0, 0, 0.0

    # On and off.

    def on(self):
        """Set the breakpoints.  Returns {event: events.Found}; one with no ways is not seen in this kernel."""
        self._delete()
        found = {kind: events.find(plans) for kind, plans in events.LIFE.items()}
        for where, way in {where: way for each in found.values() for where, way in each.ways}.items():
            self._watches.append(_Watch(where, way, self))
        return found

    def off(self):
        """Delete the breakpoints; the records stay.  How lives go on from here is not seen: they end."""
        self._delete()
        self._end("recording stopped")

    def _delete(self):
        for watch in self._watches:
            if watch.is_valid():
                watch.delete()
        self._watches = []

    def places(self):
        """Return how many breakpoints (int) there are: 0 when off."""
        return sum(watch.is_valid() for watch in self._watches)

    # What the breakpoints call.

    def hit(self, way):
        """Record what the stop at @way (events.Way) tells.  Never raises."""
        begin = time.thread_time()
        self.stops += 1
        try:
            at = At(gdb.newest_frame())
            facts, cpu = way.facts(at), PROBE.cpu()
            if facts and not self._again(way, cpu, at, facts):
                stamp = self._stamp(at, cpu)
                for fact in facts:
                    self._record(fact, stamp, at)
        except KeyboardInterrupt:
            # It came while gdb was here, and is meant for the kernel.
            self.unread["interrupted"] += 1
            os.kill(gdb.selected_inferior().pid, signal.SIGINT)
        except Exception as error:  # pylint: disable=broad-exception-caught
            # Whatever it is: gdb must go on, and the user must hear of it.
            why = f"{way.function}(): {error or type(error).__name__}"
            self.unread[why if why in self.unread or len(self.unread) < _REASONS else "other reasons"] += 1
        self.seconds += time.thread_time() - begin

    def _again(self, way, cpu, at, facts):
        """Whether this is no event, but the last stop of @cpu at @way once more.

        When a signal comes while gdb steps over a breakpoint, the handler runs first (in UML: an
        interrupt), and then the breakpoint is hit again.  Such a stop has the same stack pointer and tells
        the same, and no other stop has told of these tables in between.
        """
        now = (int(at.frame.read_register("sp")), facts)
        last, number = self._last.get((way.function, way.text, cpu), (None, 0))
        if last == now and all(fact.table and self._told.get(fact.table) == number for fact in facts):
            self.repeated += 1
            return True
        self._last[way.function, way.text, cpu] = now, self.stops
        for fact in facts:
            self._told[fact.table] = self.stops
        return False

    def _stamp(self, at, cpu):
        if self._over:
            self._over = False
            self.run += 1
        pid, comm = PROBE.task(cpu)
        return _Stamp(self.run, time.monotonic(), PROBE.jiffies(), cpu, pid, comm, self._stacks.of(at.frame))

    def _record(self, fact, stamp, at):
        if fact.table is None:
            for table in self._waiting.pop(fact.details["tlb"], ()):
                self._record(fact._replace(table=table), stamp, at)
            return
        life = self._life_of(fact, stamp, at)
        if life is None:
            return
        self._append(life, fact.event, fact.how, stamp, fact.details)
        if fact.waits:
            self._waiting.setdefault(fact.details["tlb"], []).append(fact.table)
        self._place(life, fact.details)

    def _life_of(self, fact, stamp, at):
        """The Life that @fact belongs to, a new one if need be; None for a table of another level."""
        table, kind = fact.table, fact.event
        life = self._alive.get(table)
        if kind == "allocated":
            if life is not None:
                self._append(life, MISSED, "its memory is a new table: nobody saw it freed", stamp, {})
            return self._begin(table, "pte")
        if life is not None:
            return life
        if kind in ("populated", "emptied", "taken-out"):
            return self._begin(table, "pte")
        if table in self._others:
            if kind == "freed":
                self._others.discard(table)
            return None
        level = events.level(at)[0] if kind in ("batched", "alone") else None
        if level not in ("pte", None):
            self._others.add(table)
            return None
        return self._begin(table, level)

    def _begin(self, table, level):
        """A new Life of @table; it is known from its first event on: Ctrl-C may come at any time."""
        self._begun += 1
        return Life(self._begun, self.run, table, level)

    @staticmethod
    def _place(life, details):
        """Note to whom @life belongs and where it serves, once that is known."""
        life.mm = details.get("mm", life.mm)
        if life.address is None:
            life.address = details.get("address")
            if life.address is None and "pmd" in details and life.mm:
                with contextlib.suppress(gdb.MemoryError):  # corrupt upper tables: a place unknown
                    life.address = PROBE.served_by(life.mm, details["pmd"])

    def _append(self, life, kind, how, stamp, details):
        self._sequence += 1
        self.count += 1
        life.events.append(Event(self._sequence, kind, how, *stamp, details))
        if len(life.events) == 1:
            self.lives[life.number] = self._newest[life.table] = self._alive[life.table] = life
            self._others.discard(life.table)
        if life.finished():
            del self._alive[life.table]
            self._finished.append(life)
            if self.count > self.limit:
                self._drop()

    def _drop(self):
        """Drop the oldest finished lives, a tenth of what is kept at once."""
        while self._finished and self.count > self.limit * 9 // 10:
            life = self._finished.popleft()
            if self.lives.pop(life.number, None) is None:
                continue
            self.count -= len(life.events)
            self.dropped_events += len(life.events)
            self.dropped_lives += 1
            if self._newest.get(life.table) is life:
                del self._newest[life.table]

    def _kernel_ended(self, event):
        if source.of_kernel(event):
            self._end("the kernel ended")
            self._over = True

    def _end(self, why):
        """No life goes on, because of @why."""
        for life in self._alive.values():
            life.ended = why
            self._finished.append(life)
        self._alive, self._others, self._waiting = {}, set(), {}
        self._last, self._told = {}, {}

    # Questions.

    def newest(self, table):
        """Return the newest Life of the table with the ptdesc at @table (int), or None."""
        return self._newest.get(table)

    def find(self, where):
        """Return the lives (list, by number) that @where (int) names.

        The address of a ptdesc, one in a table page, a page frame number or
        a user address that a table serves; the first of these that fits any.
        """
        span = 1 << uml.PAGE_SHIFT + 9
        for fits in (lambda life: life.table == where,
                     lambda life: life.page is not None and 0 <= where - life.page < uml.PAGE_SIZE,
                     lambda life: life.frame == where,
                     lambda life: life.address is not None and 0 <= where - life.address < span):
            found = [life for life in self.lives.values() if fits(life)]
            if found:
                return found
        return []

    # The file.

    def lines(self):
        """Yield the lines (str) of the file that save() writes."""
        yield json.dumps(self._header())
        order = sorted(((event, life) for life in self.lives.values() for event in life.events),
                       key=lambda pair: pair[0].sequence)
        for event, life in order:
            yield json.dumps(_as_json(event, life))

    def _header(self):
        return {"format": FORMAT, "version": VERSION, "kernel": _banner(), "page_size": uml.PAGE_SIZE,
                "tick_ms": _tick_ms(), "runs": self.run, "lives": len(self.lives), "events": self.count,
                "dropped_lives": self.dropped_lives, "dropped_events": self.dropped_events,
                "unread": dict(self.unread)}

    def save(self, path):
        """Write all records to the file @path (str): as `>` in a shell, but whole or not at all.

        Returns the number of events written (int).  Raises a Problem if it can't be written.
        """
        with whole_file(path, "w", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in self.lines())
        return self.count


class _Watch(gdb.Breakpoint):
    """A breakpoint at @where (str) that tells @recorder of @way (events.Way) and goes on."""

    def __init__(self, where, way, recorder):
        super().__init__(where, internal=True)
        self.silent = True
        self._way, self._recorder = way, recorder

    def stop(self):
        """gdb asks whether to stop here: never."""
        self._recorder.hit(self._way)
        return False


def _as_json(event, life):
    """@event of @life as the dict that becomes its line."""
    line = {"life": life.number, "event": event.kind, "how": event.how, "run": event.run,
            "time": round(event.time, 6), "jiffies": event.jiffies, "cpu": event.cpu, "pid": event.pid,
            "comm": event.comm, "level": life.level, "table": hex(life.table), "page": _hex(life.page),
            "frame": life.frame, "address": _hex(life.address), "mm": _hex(life.mm)}
    for name, value in event.details.items():
        if name not in ("mm", "address"):
            line[name] = value if name in ("slot", "entries") else hex(value)
    line["stack"] = [dict(zip(("function", "file", "line"), frame)) for frame in event.stack]
    return line


def _hex(value):
    return None if value is None else hex(value)


def _banner():
    """What the kernel says of its version; it is in its file, so no process is needed."""
    try:
        return gdb.parse_and_eval("(char *)&linux_banner").string(errors="replace").strip()
    except (gdb.error, UnicodeError):
        return None


def _tick_ms():
    try:
        return rcu.tick_ms()
    except gdb.error:
        return None


RECORDER = Recorder()
