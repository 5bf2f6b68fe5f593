# SPDX-License-Identifier: GPL-2.0
"""Deterministic races of two guest CPUs: one is parked at a line, the other passes.

umlab/racefile.py has the format of the scripts that say so.

What a parked CPU means.  gdb stops all threads of UML's process and lets one or all of them go on, so while
somebody is parked just one CPU runs, and UML's helper threads (block devices) stand too.  A parked CPU
answers no IPI and passes no quiescent state: no grace period ends meanwhile.  Who waits for it
waits for ever; that is what the time limit is for.  User code is not stopped: it runs in a process of the
host of its own, the stub, until it traps; a CPU parked in `user` has its process still running.

    with race.Runner(race.load(FILE)) as runner:
        for step in runner.steps():
            print(step.text, runner.play(step))
"""

import os
import re
import time
from contextlib import ExitStack, contextmanager

import gdb

from . import host, sched, source, stub
from .drive import Drive, Failed, panic_message
from .racefile import USER_SPOT, BadScript, load, parse  # noqa: F401  pylint: disable=unused-import

# Seconds that a step has; booting has more (drive.BOOT).
LIMIT = 60


def location(spot):
    """Return where gdb must stop for @spot ((function, text or None)); raises LookupError with the reason."""
    function, text = spot
    if gdb.lookup_static_symbol(function) is None and gdb.lookup_global_symbol(function) is None:
        raise LookupError(f"{function}: this kernel has no such function")
    if not text:
        return function
    where = source.line_of(function, text)
    if where is None:
        raise LookupError(f"{function}() has no line with `{text}`, or its source can't be read")
    # gdb would take the next line that has code, which may be in another branch.
    line = int(where.rpartition(":")[2])
    if not any(gdb.find_pc_line(sal.pc).line == line for sal in gdb.decode_line(where)[1] or ()):
        raise LookupError(f"{function}(): the compiler left no code of its own for the line with `{text}` ({where}): "
                          "take one near it")
    return where


def point_of_kernel():
    """Return the point (str) of the kernel that gdb has, as umlab.info beside it says; "" if nothing does."""
    file = gdb.current_progspace().filename or ""
    try:
        with open(os.path.join(os.path.dirname(file), "umlab.info"), encoding="utf-8") as info:
            return next((line[6:].strip() for line in info if line.startswith("point=")), "")
    except OSError:
        return ""


# ---- who stands where ----

def standing(number):
    """Return in words where guest CPU @number (int) stands."""
    found = sched.cpu_threads().get(number)
    if found is None:
        return f"CPU {number}: not started"
    with _selected(found[0]):
        try:
            task = sched.current()
            who = sched.describe(task) if int(task) else "no task yet"
            return f"CPU {number} ({who}) {_in_words(gdb.newest_frame(), task)}"
        except gdb.error as error:
            return f"CPU {number}: {error}"


def _in_words(frame, task):
    user = source.find_any(frame, {"userspace"})
    if user is not None and source.find_any(frame, {"wait_stub_done_seccomp"}) is not None:
        return "in user space"
    if int(task) and int(task["pid"]) == 0 and source.find_any(frame, {"do_idle"}) is not None:
        return "idle"
    frames = _frames(frame)
    # A signal is UML's interrupt: what was interrupted tells more, its way into the handler nothing.
    for index, inner in enumerate(frames):
        if inner.type() == gdb.SIGTRAMP_FRAME:
            frames = frames[index + 1:]
            break
    waits = ""
    while len(frames) > 1 and re.search("lock", frames[0].name() or "") and \
            re.match("include/|kernel/locking/", source.place(frames[0])):
        frames, waits = frames[1:], "waiting for a lock "
    # Functions of the host's C library have no source here.
    frame = next((f for f in frames if f.find_sal().symtab is not None), None)
    return f"{waits}in {frame.name()}() at {source.place(frame)}" if frame else "in no function that gdb knows"


def _frames(frame):
    found = []
    while frame is not None and len(found) < source.DEPTH_MAX:
        found.append(frame)
        frame = frame.older()
    return found


def runs_user_code(mm):
    """Return whether the process of @mm (struct mm_struct *) runs code of its own: it does, and does not trap soon.

    The stub is a process of the host that gdb does not stop. A trap, which may be one that was due when it
    started (a tick's), shows in the page that it shares with the kernel (FUTEX_IN_CHILD, stub-data.h), its
    progress in its CPU time.
    """
    pid = host.stub_of(mm)
    futex = int(stub.data(mm)["futex"].address)
    began, end = _user_ticks(pid), time.monotonic() + 1
    while time.monotonic() < end:
        if any(gdb.selected_inferior().read_memory(futex, 4).tobytes()):
            return False
        if _user_ticks(pid) - began >= 2:
            return True
        time.sleep(0.002)
    return False


@contextmanager
def _no_ticks():
    """Context: no tick reaches the kernel; afterwards each CPU gets one, since its timer may have gone off meanwhile.

    The kernel hands a tick on to the stub, which traps for it. On a busy host the next one is due before the stub,
    back from that trap, is given a CPU: it would never come to run code of its own.
    """
    gdb.execute("handle SIGALRM nopass", to_string=True)
    try:
        yield
    finally:
        gdb.execute("handle SIGALRM pass", to_string=True)
        for thread, _ in sched.cpu_threads().values() if gdb.selected_inferior().pid else ():
            with _selected(thread):
                gdb.execute("queue-signal SIGALRM", to_string=True)


def _user_ticks(pid):
    """The time (int, ticks) that the host's process @pid has spent in user space."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return int(file.read().rpartition(")")[2].split()[11])
    except (OSError, IndexError):
        raise Failed(f"stub: process {pid}: it has ended") from None


class _selected:  # pylint: disable=invalid-name
    """Context: @thread (gdb.InferiorThread) is selected inside, and the one before afterwards."""

    def __init__(self, thread):
        self._thread, self._before = thread, gdb.selected_thread()

    def __enter__(self):
        self._thread.switch()

    def __exit__(self, *_):
        if self._before is not None and self._before.is_valid():
            self._before.switch()


# ---- running ----

class Runner:
    """One run of a Script.  close() puts everything back that it has set in gdb.

    @point: whose steps are meant (str); default: that of gdb's kernel
    """

    def __init__(self, script, point=None):
        self.script = script
        self.point = point or point_of_kernel() or script.points[0]
        self.verdict = ""
        self._names = {}            # guest CPU (int) of each name
        self._parked = set()        # names
        self._seconds = LIMIT
        self._output = ""           # of the last step that prints; None: it was left out
        self._drive = Drive()
        # Numbers below 0 are those of commands, such as pt-life's, which do not stop.
        self._theirs = [b for b in gdb.breakpoints() if b.enabled and b.number > 0]
        for breakpoint_ in self._theirs:
            breakpoint_.enabled = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Put back: nobody is parked any more, our breakpoints are gone, the user's are on again."""
        self._drive.close()
        self._parked = set()
        for breakpoint_ in self._theirs:
            if breakpoint_.is_valid():
                breakpoint_.enabled = True

    def steps(self):
        """Return the steps (list of Step) for this run's point, once all their places are found in the kernel.

        Raises BadScript for a point, a function or a line that isn't there.
        """
        if self.point not in self.script.points:
            raise BadScript(f"{self.script.path}: it is for {', '.join(self.script.points)}; "
                            f"this kernel is {self.point}")
        steps = [step for step in self.script.steps if not step.points or self.point in step.points]
        for step in steps:
            for spot in (spot for place in step.places for spot in place.spots):
                try:
                    location(spot)
                except LookupError as error:
                    raise BadScript(f"{self.script.path}:{step.line}: {error}") from None
        return steps

    def play(self, step):
        """Do @step (Step); returns what there is to print of it (str; None if it was left out).

        Raises Failed.
        """
        try:
            text = getattr(self, "do_" + step.verb)(step)
        except (Failed, gdb.error, gdb.GdbError) as failure:
            raise Failed(f"{self.script.path}:{step.line}: {step.text}\n{failure}\n{self.stacks()}".rstrip()) from None
        if step.verb in ("park", "run", "for", "show"):
            self._output = text
        return text

    def account(self):
        """Return where the named CPUs stand (str, one line each)."""
        if not gdb.selected_inferior().pid:
            return "the kernel has ended"
        if not self._names:
            return standing(sched.cpu())
        return "\n".join(f"{name}: {standing(number)}" for name, number in sorted(self._names.items()))

    def stacks(self):
        """Return where each guest CPU stands, with its innermost frames (str)."""
        if not gdb.selected_inferior().pid:
            return ""
        names = {number: name for name, number in self._names.items()}
        text = []
        for number, (thread, _) in sorted(sched.cpu_threads().items()):
            text.append(f"{names.get(number, '-')}: {standing(number)}")
            with _selected(thread):
                try:
                    text.append(gdb.execute("bt -frame-arguments none 10", to_string=True).rstrip())
                except gdb.error as error:
                    text.append(str(error))
        return "\n".join(text)

    # One method a verb.

    def do_park(self, step):
        """All that is not parked runs, until each of the step's CPUs has come to its place."""
        waiting = dict(zip(step.cpus, step.places))
        self._parked -= set(waiting)
        while waiting:
            del waiting[self._go(waiting, "")]
        return self.account()

    def do_run(self, step):
        """One CPU runs until it is at its place, or all that is not parked until somebody is, or to the end."""
        place = step.places[0]
        if step.cpus:
            name = step.cpus[0]
            self._bind(name)
            if place.kind.startswith("user"):
                with _selected(self._thread(step.cpus)):
                    task = int(sched.current())
                place = place._replace(condition=f"(unsigned long)$um_current() == {task} && {place.condition}")
            self._go({name: place}, name)
        elif place.kind in ("exit", "panic"):
            return self._to_the_end(place.kind)
        else:
            self._go({"": place}, "")
        return self.account()

    def do_for(self, step):
        """One CPU runs for some time, and nothing comes of it."""
        name = step.cpus[0]
        self._bind(name)
        why = self._drive.run(self._names[name], time.monotonic() + step.seconds)
        if why != "time":
            raise Failed(f"{self._why(why)} before {step.seconds:g} s were over")
        self._parked.add(name)
        return self.account()

    def do_release(self, step):
        """The CPUs may run again."""
        for name in step.cpus:
            if name not in self._parked:
                raise Failed(f"{name}: is not parked")
            self._parked.remove(name)

    def do_show(self, step):
        """Run a gdb command where a CPU stands."""
        if step.optional and not _is_command(step.command):
            return None
        with _selected(self._thread(step.cpus)):
            try:
                return gdb.execute(step.command, to_string=True).rstrip("\n")
            except gdb.error as error:
                raise Failed(str(error)) from None

    def do_let(self, step):
        """Set a variable of gdb."""
        with _selected(self._thread(step.cpus)):
            try:
                gdb.execute("set " + step.command, to_string=True)
            except gdb.error as error:
                raise Failed(str(error)) from None

    def do_expect(self, step):
        """Compare what was printed."""
        if self._output is not None and not re.search(step.command, self._output, re.M):
            raise Failed(f"the step before printed\n{self._output}\nwhich has no match of: {step.command}")

    def do_limit(self, step):
        """Give later steps another time limit."""
        self._seconds = step.seconds

    def do_say(self, step):
        """Return the text."""
        return step.command

    def do_verdict(self, step):
        """Keep the text for the end."""
        self.verdict = step.command

    # Who runs.

    def _go(self, waiting, only):
        """Run until one of the CPUs in @waiting ({name, "" for any: Place}) is at its place; returns which.

        @only: the name of the one that runs; "" for all that is not parked
        """
        stops = {name: [self._stop_at(spot) for spot in place.spots] for name, place in waiting.items()}
        breakpoints = [b for some in stops.values() for b in some]
        end = time.monotonic() + self._seconds
        ticks, user_code = ExitStack(), any(place.kind == "user code" for place in waiting.values())
        try:
            while True:
                number = self._pick(only)
                why = self._drive.past(breakpoints, number, end) or self._drive.run(number, end)
                if why == "place":
                    name = self._arrived(stops, waiting)
                    self._drive.seen()
                    if name is not None:
                        return name
                    if user_code:
                        ticks.enter_context(_no_ticks())
                        user_code = False
                    # Others, or A while the condition does not hold, may come there again and again.
                    why = "time" if time.monotonic() > end else None
                if why:
                    raise Failed(f"{self._why(why)}: nobody came to the place")
        finally:
            for breakpoint_ in breakpoints:
                if breakpoint_.is_valid():
                    breakpoint_.delete()
            ticks.close()

    @staticmethod
    def _stop_at(spot):
        try:
            return gdb.Breakpoint(location(spot), internal=True)
        except (LookupError, gdb.error) as error:
            raise Failed(f"{spot[0]}: {error}") from None

    def _arrived(self, stops, waiting):
        """Return the name whose place the kernel has stopped at ("" for any), None if it's the wrong CPU or task."""
        number = sched.cpu()
        for name, some in stops.items():
            place = waiting[name]
            if not self._drive.hit(some) or not self._holds(place.condition) or \
                    place.kind == "user code" and not runs_user_code(sched.current()["mm"]):
                continue
            if not name:
                return name
            taken = {other: n for other, n in self._names.items() if other != name}
            if number == self._names.get(name, number) and number not in taken.values():
                self._names[name] = number
                self._two()
                self._parked.add(name)
                return name
        return None

    @staticmethod
    def _holds(condition):
        # gdb names all breakpoints of the place, and stops too where a condition can't be evaluated.
        try:
            return not condition or bool(gdb.parse_and_eval(condition))
        except gdb.error as error:
            raise Failed(f"condition {condition}: {error}") from None

    def _two(self):
        """Return the numbers (list) of the guest's CPUs, which must be two."""
        cpus = sched.cpus()
        if len(cpus) != 2:
            raise Failed(f"CPUs: {len(cpus)}: a race is one of two: start the kernel with two (cpus=2 in @run)")
        return cpus

    def _bind(self, name):
        """See that there is a CPU of that @name: the other one than that which has a name already."""
        if name not in self._names:
            free = [n for n in self._two() if n not in self._names.values()]
            if len(free) != 1:
                raise Failed(f"{name}: nobody yet: park one of the two first")
            self._names[name] = free[0]

    def _pick(self, only):
        """Return the CPU (int) that runs alone, None for all: that of @only (name), or, of "", what is not parked."""
        if only:
            return self._names[only]
        if not self._parked:
            return None
        free = [n for n in self._two() if n not in [self._names[name] for name in self._parked]]
        if not free:
            raise Failed("everybody is parked: release one of them")
        return free[0]

    def _thread(self, cpus):
        """Return the gdb.InferiorThread of the CPU named in @cpus (tuple of str), without one that moved last."""
        if not gdb.selected_inferior().pid:
            raise Failed("the kernel does not run")
        if not cpus:
            moved = self._drive.moved
            return moved if moved and moved.is_valid() else gdb.selected_thread()
        if cpus[0] not in self._names:
            raise Failed(f"{cpus[0]}: nobody yet: park it first")
        found = sched.cpu_threads().get(self._names[cpus[0]])
        if found is None:
            raise Failed(f"{cpus[0]}: its guest CPU {self._names[cpus[0]]} is gone")
        return found[0]

    def _to_the_end(self, kind):
        why = self._drive.run(self._pick(""), time.monotonic() + self._seconds)
        if why != kind:
            raise Failed(f"{self._why(why)} instead of its {kind}")
        if kind == "exit":
            return f"the kernel has ended, exit status {self._drive.status}"
        return f"Kernel panic: {panic_message()}\n{self.account()}"

    def _why(self, why):
        if why == "exit":
            return f"the kernel ended, exit status {self._drive.status}"
        if why == "panic":
            return f"the kernel panicked ({panic_message()})"
        if why == "time":
            return f"{self._seconds:g} s were over"
        return "the kernel came to another place"


def _is_command(text):
    """Return whether gdb knows the command that @text (str) begins with."""
    try:
        gdb.execute("help " + text.split()[0], to_string=True)
        return True
    except gdb.error:
        return False


def play(path, point=None, tell=print):
    """Run the script in the file @path (str) in gdb's kernel; returns its verdict (str).

    @point: as of Runner; @tell: function that gets each step (Step) as it is done, and what it printed (str)
    Raises BadScript, Failed and OSError; afterwards nobody is parked, whatever happened.
    """
    with Runner(load(path), point) as runner:
        for step in runner.steps():
            tell(step, runner.play(step))
        return runner.verdict
