# SPDX-License-Identifier: GPL-2.0
"""pt-life: the lives of PTE tables, recorded while the kernel runs."""

import gdb

from .. import events, pagetable
from ..command import Command, Function, Problem, address, at_kernel, need_machine, space, split
from ..lives import RECORDER
from ..machines import uml

_SPAN = uml.PAGE_SIZE << uml.PMD_SHIFT - uml.PAGE_SHIFT
_FRAMES = 6  # of the stack, in a timeline; the file has more
_STATES = {"allocated": "allocated, in no PMD yet", "populated": "in use", "emptied": "found empty",
           "taken-out": "taken out of its PMD", "batched": "waits in its mmu_gather",
           "alone": "left its mmu_gather alone", "rcu": "waits for a grace period", "freed": "freed",
           "missed": "gone; its end was not seen"}


class Life(Command):
    """Record the lives of PTE tables: pt-life on|off|show [TABLE]|save FILE|clear

    Breakpoints that do not stop write down what happens to each PTE table: allocated,
    populated (into which PMD entry, for which address), emptied, taken out of the PMD, put into
    which batch, handed to RCU, freed; with task, CPU, time and a short backtrace.

    pt-life on          begin; also before `run`, and it goes on in the next `run`
    pt-life off         stop; what was recorded stays
    pt-life show        one line for each table, and its state now
    pt-life show TABLE  what happened to it, event by event.  TABLE: the address of its ptdesc or of
                        its page, a page frame number, a user address, or #N for life number N
    pt-life save FILE   all events as JSON lines, see docs/pt-life.md.  Replaces FILE
    pt-life clear       forget what was recorded

    A table takes about 6 stops; `pt-life show` says what the record of each took, docs/pt-life.md what
    was measured of all of it.  The latest 100000 events are kept.  A life whose beginning was not seen, since `on` came later, says so.

    In expressions and conditions:
      $pt_life(TABLE)  number of the newest life of that table, 0 if none is recorded
    In scripts: umlab.commands.life.table_record(), umlab.lives.RECORDER"""

    name = "pt-life"
    only_uml = True
    words = ("on", "off", "show", "save", "clear")

    def invoke(self, text, from_tty):
        # The breakpoints may be set, and the records read, without a process.
        with at_kernel(self.name):
            need_machine(self.only_uml)
            word, _, rest = text.strip().partition(" ")
            if word not in self.words:
                raise Problem("what", word or "missing", f"give {', '.join(self.words)}; see help {self.name}")
            getattr(self, "do_" + word)(rest.strip())

    def choices(self, text, word):
        first = text.split(" ", 1)[0]
        if first == text:
            return [name for name in self.words if name.startswith(word)]
        return {"show": gdb.COMPLETE_EXPRESSION, "save": gdb.COMPLETE_FILENAME}.get(first, gdb.COMPLETE_NONE)

    def do_on(self, rest):
        """Set the breakpoints, and say what will not be seen."""
        _nothing_behind(rest)
        before = RECORDER.places()
        found = RECORDER.on()
        if not RECORDER.places():
            raise Problem("kernel", "none of a table's events can be seen", "load symbols of one built with F=debug")
        for kind, where in found.items():
            if not where.ways:
                print(f"not seen in this kernel: {kind}: {'; '.join(where.missing) or 'it does not happen'}")
        if not events.has_pt_reclaim():
            print("This kernel has no PT_RECLAIM: tables go when their mapping or process does.")
        print(f"{'Still r' if before else 'R'}ecording the lives of PTE tables, with {RECORDER.places()} breakpoints that do not stop.")

    def do_off(self, rest):
        """Delete the breakpoints."""
        _nothing_behind(rest)
        was = RECORDER.places()
        RECORDER.off()
        print(f"{'Recorded' if was else 'Off already:'} {_counts()}.")

    def do_clear(self, rest):
        """Forget the records."""
        _nothing_behind(rest)
        print(f"Forgot {_counts()}.")
        RECORDER.clear()

    def do_save(self, rest):
        """Write the file."""
        if not rest:
            raise Problem("FILE", "missing", f"see help {self.name}")
        print(f"{RECORDER.save(rest)} events of {len(RECORDER.lives)} tables written to {rest}.")

    def do_show(self, rest):
        """Print all lives, or one as a timeline."""
        if not rest:
            _show_all()
            return
        found = lives_of(rest)
        if not found:
            todo = "pt-life show lists what is" if RECORDER.lives else "say `pt-life on`, then let the kernel run"
            raise Problem("table", rest, f"no life of it is recorded: {todo}")
        for life in found:
            print("\n".join(timeline(life)))


def table_record(table):
    """Return the life (umlab.lives.Life) of the PTE table that has its ptdesc at @table (int) now, or None.

    It has .level ("pte"), .address (int, the first user address served, or None) and .events.
    A life that is over says nothing: what is there now may be another kind of table.
    """
    life = RECORDER.newest(int(table))
    return life if life is not None and life.level and not life.finished() else None


def lives_of(text):
    """Return the lives (list of umlab.lives.Life) that @text (str) names, as `pt-life show TABLE` takes it.

    A user address names the tables that served it, and the one that does so now in the running task.
    """
    if text.startswith("#") and text[1:].isdigit():
        life = RECORDER.lives.get(int(text[1:]))
        return [life] if life else []
    if len(split(text)) > 1 and not text.startswith("("):
        raise Problem("argument", text, "one table at a time, or brackets around an expression with blanks")
    where = address(text)
    return RECORDER.find(where) or _mapped_at(where)


def _mapped_at(where):
    """The lives of the table that translates @where (int) in the running task now, if there is one."""
    try:
        steps = pagetable.walk(space("current").mm, where)
    except (gdb.error, Problem):
        return []
    if where >> uml.ADDRESS_BITS or steps[-1].level != "pte":
        return []
    life = RECORDER.newest(int(pagetable.ptdesc_of(steps[-2].value)))
    return [life] if life else []


def state(life):
    """Return where @life (umlab.lives.Life) stands (str): "waits for a grace period"."""
    last = life.events[-1]
    words = _STATES[last.kind]
    if last.kind == "freed":
        words += f" {last.how}" if last.how.startswith(("at once", "with")) else f" by {last.how}"
    if life.ended:
        words += f" when {life.ended}"
    return words if life.whole() else f"{words} (its beginning was not seen)"


def timeline(life):
    """Return the lines (list of str) that tell @life (umlab.lives.Life), event by event."""
    lines = [f"life #{life.number}: {_what(life)}, {_serves(life)}, run {life.run}: {state(life)}"]
    begin, stack = life.events[0].time, None
    for event in life.events:
        lines.append(f"  {(event.time - begin) * 1e3:+10.3f} ms  jiffies {event.jiffies}  CPU {event.cpu}  "
                     f"{event.comm}, pid {event.pid}  {event.kind}: {event.how}{_details(event)}")
        if event.stack is not stack:
            frames = (f"{function} {file}:{line}" for function, file, line in event.stack[:_FRAMES])
            lines.append("      " + " < ".join(frames))
        stack = event.stack
    return lines


def _details(event):
    """The details of @event in words."""
    shown = [f"{name} {value if name in ('slot', 'entries') else hex(value)}"
             for name, value in event.details.items() if name != "address"]
    return f" ({', '.join(shown)})" if shown else ""


def _what(life):
    name = "PTE table" if life.level == "pte" else "table of unknown level"
    where = f", page {life.page:#x}, frame {life.frame:#x}" if life.page is not None else ""
    return f"{name}, ptdesc {life.table:#x}{where}"


def _serves(life):
    if life.address is None:
        return "address unknown"
    return f"serves {life.address:#x}-{life.address + _SPAN:#x}"


def _show_all():
    if RECORDER.lives:
        print("life    ptdesc        frame     serves                 task                    state")
    for life in RECORDER.lives.values():
        first = life.events[0]
        where = f"{life.address:#x}-{life.address + _SPAN:#x}" if life.address is not None else "?"
        frame = f"{life.frame:#x}" if life.frame is not None else "?"
        print(f"#{life.number:<6} {life.table:#x}".ljust(22) + f"{frame:9} {where:22} "
              f"{first.comm + ', ' + str(first.pid):23} {state(life)}")
    print(f"{'Recording' if RECORDER.places() else 'Off'}: {_counts()}.")
    for why, times in RECORDER.unread.items():
        print(f"Not recorded, {times} times: {why}")


def _counts():
    words = f"{RECORDER.count} events of {len(RECORDER.lives)} tables"
    if RECORDER.stops:
        each = RECORDER.seconds / RECORDER.stops * 1e6
        words += f" at {RECORDER.stops} stops, {each:.0f} us of CPU time each for the record"
    if RECORDER.dropped_lives:
        words += f"; {RECORDER.dropped_events} events of the {RECORDER.dropped_lives} oldest dropped"
    return words


def _nothing_behind(rest):
    if rest:
        raise Problem("argument", rest, "too many: see help pt-life")


class _Life(Function):
    """Return the number of the newest life of a table, as `pt-life show` counts; 0 if there is none."""

    name = "pt_life"
    only_uml = True

    needs_process = False

    def value(self, table):
        found = RECORDER.find(int(table) & (1 << 64) - 1)
        return found[-1].number if found else 0


Life()
_Life()
