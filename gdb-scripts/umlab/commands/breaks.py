# SPDX-License-Identifier: GPL-2.0
"""pt-break: breakpoints at what happens to a page table, whatever the functions are called."""

import operator
import re
from collections import namedtuple

import gdb

from .. import events, gather, mm, sched, stack
from ..command import Command, Function, Problem, address, at_kernel, number, words_before
from ..lives import RECORDER
from ..machines import machine
from ..probe import PROBE

# meaning -> what happens there.
MEANINGS = {
    "reclaim": "a PTE table that MADV_DONTNEED emptied is taken out of its PMD",
    "gather": "a table, already out of its PMD, joins an mmu_gather",
    "fallback": "there is no page for a batch: a table leaves its mmu_gather alone",
    "free": "a table's memory is given back",
}

# Keyword of a condition -> the comparisons that it knows.
KEYS = {"VmPTE": ("==", "!=", ">=", "<=", ">", "<"), "pid": ("==", "!="),
        "comm": ("==", "!="), "table": ("==", "!=")}

_COMPARE = {"==": operator.eq, "!=": operator.ne, ">=": operator.ge,
            "<=": operator.le, ">": operator.gt, "<": operator.lt}
_COMM_MAX = 15

Clause = namedtuple("Clause", "key sign value")
Clause.__doc__ = "One comparison of a condition: key (str, of KEYS), sign (str), value (int; str for comm)."


class Break(Command):
    """Stop by meaning: pt-break reclaim|gather|fallback|free [once] [if CONDITION]

      reclaim   a PTE table that MADV_DONTNEED emptied is taken out of its PMD
      gather    a table, of any level, joins an mmu_gather
      fallback  there is no page for a batch of tables: a table goes alone
      free      a table's memory is given back, by RCU's callback or at once

    once        delete the breakpoint when it is hit
    CONDITION   comparisons joined by `and`:
      VmPTE > N      kB of page tables of the address space (also >= == <= < !=); not for free, where
                     a table belongs to no address space any more
      table == X     the table: address of its ptdesc or of its page, or its page frame number (also !=)
      pid == N       of the task that runs (also !=); at free that is whom RCU interrupts
      comm == NAME   its name (also !=)

    They are gdb's own breakpoints, one for each place: `info breakpoints` lists them, and delete,
    disable, ignore, commands and condition work.  A hit prints one line: what happened to which table, of
    which address and task.  If another breakpoint stops in an interrupt that comes just as gdb goes on
    from one, that one is reported again.

    In conditions of your own: $pt_break("reclaim", "VmPTE > 100") is 1 where that happens and holds.
    In scripts: umlab.commands.breaks.place()"""

    name = "pt-break"

    def invoke(self, text, from_tty):
        # Breakpoints may be set before the kernel runs.
        with at_kernel(self.name):
            meaning, once, condition = split(text)
            placed = place(meaning, condition, once)
            numbers = ", ".join(str(stop.number) for stop in placed)
            print(f"pt-break {numbers}: stops{' once' if once else ''} where {MEANINGS[meaning]}"
                  f"{', if ' + condition if condition else ''}.")

    def choices(self, text, word):
        before = words_before(text).split()
        if not before:
            choices = list(MEANINGS)
        elif "if" not in before:
            choices = ["once", "if"] if before[-1] in MEANINGS else ["if"]
        elif before[-1] in ("if", "and"):
            choices = list(KEYS)
        elif before[-1] in KEYS:
            choices = list(KEYS[before[-1]])
        elif before[-1] in _COMPARE:
            return gdb.COMPLETE_EXPRESSION if before[-2] != "comm" else gdb.COMPLETE_NONE
        else:
            choices = ["and"]
        return [choice for choice in choices if choice.startswith(word)]


def split(text):
    """Return (meaning, once, condition) of @text (str), as pt-break takes it: str, bool, str.

    >>> split("reclaim once if VmPTE > 100")
    ('reclaim', True, 'VmPTE > 100')
    """
    head, found, condition = re.match(r"(.*?)(?:\b(if)\b(.*))?$", text.strip(), re.S).groups()
    words = head.split()
    if not words or words[0] not in MEANINGS:
        what = words[0] if words else "missing"
        raise Problem("meaning", what, f"give {', '.join(MEANINGS)}; see help pt-break")
    if words[1:] not in ([], ["once"]):
        what = " ".join(words[1:])
        raise Problem("argument", what, "only `once` and `if CONDITION` may follow; see help pt-break")
    if found and not condition.strip():
        raise Problem("condition", "missing", "say what must hold after `if`; see help pt-break")
    return words[0], len(words) > 1, (condition or "").strip()


def parse(meaning, condition):
    """Return the Clauses (list) of @condition for @meaning (strs).  Raises a Problem if it makes no sense."""
    return [_clause(meaning, part.strip()) for part in re.split(r"\band\b", condition)] if condition else []


def _clause(meaning, text):
    found = re.match(r"(\w+)\s*(==|!=|>=|<=|>|<)\s*(.+)$", text)
    if found is None:
        raise Problem("condition", text or "nothing", "say NAME == VALUE, joined by `and`; see help pt-break")
    key, sign, value = found.groups()
    if key not in KEYS:
        raise Problem("condition", key, f"give one of {', '.join(KEYS)}")
    if sign not in KEYS[key]:
        raise Problem("condition", text, f"{key} knows {' and '.join(KEYS[key])} only")
    if key == "VmPTE" and meaning == "free":
        raise Problem("condition", text, "a table that is freed is of no address space any more: "
                      "use table, or pt-break gather")
    if key == "comm":
        return Clause(key, sign, _name(value))
    return Clause(key, sign, address(value) if key == "table" else number(value))


def _name(text):
    name = text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text
    if len(name.encode()) > _COMM_MAX:
        raise Problem("condition", text, f"the kernel keeps {_COMM_MAX} characters of a name: give those")
    return name


def written(clauses):
    """Return @clauses (list of Clause) as the text (str) of a condition, its values worked out."""
    return " and ".join(f"{c.key} {c.sign} {hex(c.value) if c.key == 'table' else c.value}" for c in clauses)


def place(meaning, condition="", once=False):
    """Set the breakpoints for @meaning (str, of MEANINGS): list of gdb.Breakpoint.

    @condition: str, as pt-break takes it behind `if`; @once: whether they go when one is hit.
    Raises a Problem if this kernel has no such place, or if the condition makes no sense.
    """
    clauses = parse(meaning, condition)
    found = events.find(events.BREAKS[meaning])
    if not found.ways:
        raise _nowhere(meaning, found.missing)
    text = written(clauses).replace("\\", "\\\\").replace('"', '\\"')
    if any(way.follows for _, way in found.ways):
        events.JOINED.follow()
    placed = []
    for where, _ in found.ways:
        stop = gdb.Breakpoint(where, temporary=once)
        stop.condition = f'$pt_break("{meaning}", "{text}")'
        _PLACED[stop.number] = _Placed(meaning, clauses, placed if once else [])
        placed.append(stop)
    return placed


def _nowhere(meaning, missing):
    """The Problem to raise where this kernel has no place for @meaning."""
    if not events.known("tlb_finish_mmu"):
        return Problem(meaning, "no debug information", "load a kernel built with F=debug")
    if meaning == "reclaim" and not events.has_pt_reclaim():
        return Problem(meaning, "this kernel has no PT_RECLAIM", "no table goes before its mapping "
                       "or process does, in free_pte_range(): pt-break gather stops there")
    if meaning == "fallback" and not events.has_table_batches():
        return Problem(meaning, "this kernel has no batches of tables (MMU_GATHER_TABLE_FREE)",
                       "a table joins the pages of its mmu_gather: pt-break gather stops there")
    return Problem(meaning, "no place in this kernel", "; ".join(missing))


_Placed = namedtuple("_Placed", "meaning clauses once")
_Placed.__doc__ = "What a breakpoint is for: meaning (str), clauses (list of Clause), once (list: those to delete when it is hit)."

_PLACED = {}  # number of a breakpoint -> _Placed


def look(meaning, frame):
    """Return (events.At, list of events.Fact) of @meaning (str) at @frame (gdb.Frame, the newest).

    No facts where it does not happen.  Raises gdb.GdbError if it can't be told.
    """
    at = events.At(frame)
    way = _way_at(meaning, at.pc)
    if way is None:
        raise gdb.GdbError(f"pt-break {meaning}: not the place: {frame.name()}()")
    try:
        return at, way.facts(at)
    except (events.Unreadable, gdb.MemoryError) as error:
        raise gdb.GdbError(f"pt-break {meaning}: {error}") from None


def _way_at(meaning, pc):
    """The events.Way that shows @meaning at @pc, None if none does."""
    def search():
        here = events.functions_at(pc)
        return next((way for _, way in events.find(events.BREAKS[meaning]).ways if way.function in here), None)
    return _remembered(("way", meaning, pc), search)


def _remembered(key, make):
    """What @make() gave for @key the first time.

    A condition must be worked out in less than a timer tick: if one is due each time that gdb
    goes on from a breakpoint, UML's interrupt handler comes first, and the breakpoint is hit again, for ever.
    """
    if key not in _CACHE:
        _CACHE[key] = make()
    return _CACHE[key]


_CACHE = {}
gdb.events.new_objfile.connect(lambda _: _CACHE.clear())


def holds(at, fact, clauses):
    """Return whether @clauses (list of Clause) hold for @fact (events.Fact) at @at (events.At)."""
    return all(_COMPARE[clause.sign](_value(at, fact, clause), clause.value) for clause in clauses)


def _value(at, fact, clause):
    """What @clause compares: its own value if that names the table in another way."""
    if clause.key == "VmPTE":
        return vmpte(at, fact)
    if clause.key == "table":
        names = (fact.table, PROBE.contents(fact.table), PROBE.frame(fact.table))
        return clause.value if clause.value in names else fact.table
    return _task()[clause.key == "comm"]


def _task():
    """(pid, name) of the task that runs here."""
    pid, name = PROBE.task(PROBE.cpu())
    if pid is None:
        task = sched.current()
        pid, name = int(task["pid"]), sched.comm(task)
    return pid, name


def vmpte(at, fact):
    """Return VmPTE (int, kB) of the address space that @fact (events.Fact) at @at (events.At) is about."""
    space = fact.details.get("mm")
    if space is None:
        found = gather.innermost(at.frame)
        if found is None:
            raise gdb.GdbError("VmPTE: the address space can't be told here: it is optimized out")
        space = int(found.tlb["mm"])
    return mm.pgtables_bytes(gdb.Value(space).cast(gdb.lookup_type("struct mm_struct").pointer())) // 1024


def describe(meaning, at, fact):
    """Return one line (str) on what @fact (events.Fact) says, found at @at (events.At) for @meaning (str)."""
    level, start = (None, None) if meaning == "free" else events.level(at)
    removed = machine().removed(fact.table)
    words = f"{(level or '').upper()} table {f'ptdesc {fact.table:#x}' if removed.ptdesc is not None else removed.words}".strip()
    if PROBE.contents(fact.table) is not None:
        words += f", page {PROBE.contents(fact.table):#x}, frame {PROBE.frame(fact.table):#x}"
    life = _life_of(fact)
    if start is None and life is not None:
        start = life.address
    if start is not None:
        end = f"-{start + machine().pte_table_span():#x}" if level in ("pte", None) else " on"
        words += f", of {start:#x}{end}"
    if life is not None:
        words += f", pt-life #{life.number}"
    return f"{meaning}: {words}: {_what(fact)}: {_who(meaning, at, fact)}"


def _life_of(fact):
    """The Life that pt-life has of the table of @fact, None if that of a table that was there before."""
    life = RECORDER.newest(fact.table)
    if life is None or life.ended or life.finished() and not (fact.event == "freed" and RECORDER.places()):
        return None
    return life


def _what(fact):
    where = f" of batch {fact.details['batch']:#x}" if "batch" in fact.details else ""
    slot = f", slot {fact.details['slot']}{where}" if "slot" in fact.details else ""
    pmd = f", PMD entry {fact.details['pmd']:#x}" if "pmd" in fact.details else ""
    return f"{fact.event}: {fact.how}{slot}{pmd}"


def _who(meaning, at, fact):
    pid, name = _task()
    words = f"{name}, pid {pid}, CPU {PROBE.cpu()}"
    return words if meaning == "free" else f"{words}, VmPTE {vmpte(at, fact)} kB"


class _Function(Function):
    """Return 1 where a thing happens to a table and a condition holds: $pt_break("reclaim", "VmPTE > 100")."""

    name = "pt_break"

    def value(self, meaning, condition=""):
        meaning = meaning.string(errors="replace")
        condition = condition if isinstance(condition, str) else condition.string(errors="replace")
        if meaning not in MEANINGS:
            raise Problem("meaning", meaning, f"give {', '.join(MEANINGS)}")
        # What a variable of gdb's is now may be something else next time.
        clauses = parse(meaning, condition) if "$" in condition else \
            _remembered(("condition", meaning, condition), lambda: parse(meaning, condition))
        with stack.own():
            at, facts = look(meaning, gdb.newest_frame())
        return any(holds(at, fact, clauses) for fact in _last_of_each(facts))


def _last_of_each(facts):
    """The last Fact of each table in @facts: what a place says of a table ends with what it is there for."""
    return list({fact.table: fact for fact in facts}.values())


def _stopped(event):
    """gdb stopped: say what was hit, if it was one of ours."""
    if not isinstance(event, gdb.BreakpointEvent):
        return
    for stop in event.breakpoints:
        placed = _PLACED.get(stop.number)
        if placed is None or not _was_hit(stop):
            continue
        _tell(placed)
        for other in placed.once:
            if other.is_valid() and other.number != stop.number:
                other.delete()


def _was_hit(stop):
    """Whether @stop is hit here: gdb names all breakpoints of a place, also those whose condition is false."""
    try:
        return stop.enabled and (stop.condition is None or bool(gdb.parse_and_eval(stop.condition)))
    except gdb.error:
        return True  # that is why gdb stopped


def _tell(placed):
    """Print what happens here to the tables that the breakpoint of @placed (_Placed) asks for."""
    try:
        at, facts = look(placed.meaning, gdb.newest_frame())
        facts = _last_of_each(facts)
        # A condition of gdb's own may have replaced that of pt-break.
        for fact in [fact for fact in facts if holds(at, fact, placed.clauses)] or facts:
            print(describe(placed.meaning, at, fact))
    except (gdb.error, gdb.GdbError, Problem) as error:
        print(f"pt-break {placed.meaning}: {error}")


def _deleted(stop):
    if _PLACED.pop(stop.number, None) is not None and not any(p.meaning == "free" for p in _PLACED.values()):
        events.JOINED.leave()


gdb.events.stop.connect(_stopped)
gdb.events.breakpoint_deleted.connect(_deleted)

Break()
_Function()
