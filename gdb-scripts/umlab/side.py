# SPDX-License-Identifier: GPL-2.0
"""The user side in gdb: a second inferior, beside the kernel's.

The program of a guest process has symbols, addresses and a stack of its own, so it
gets an inferior of its own, where no name and no address can clash with the kernel's.
There it is seen in one of two ways:

  as a core file, made from the page tables of the process: it stands still as it entered the kernel; any mode
  live, attached to the stub, the process of the host that runs it: seccomp mode only, since
  in ptrace mode UML itself traces the stub, and a process has one tracer
"""

import os
import re
import tempfile
from collections import Counter

import gdb
import gdb.unwinder

from . import elf, host, mm as mms, sched, stack, user
from .command import Problem
from .machines import machine, uml

# While a stub is attached: both run when one is told to, breakpoints in its code are the
# processor's, and gdb does not wonder that the stub isn't the program.
_SETTINGS = {"schedule-multiple": "on", "breakpoint auto-hw": "on", "mem inaccessible-by-default": "off",
             "exec-file-mismatch": "off", "auto-load libthread-db": "off"}

_RESUME = 1 << 16  # EFLAGS.RF

# Sides by the number of their inferior.
_sides = {}
_kernel = None


class Side:
    """The user side of one address space.

    number: of gdb's inferior (int); mm: address (int) of the address space that is
    attached, 0 for none; pid: of the stub (int, gdb's), 0 for none; files: list of (path on
    the host, bias) whose symbols are loaded; missing: list of paths in the guest that were not found
    """

    def __init__(self):
        text = gdb.execute("add-inferior -no-connection", to_string=True)
        self.number = int(re.search(r"inferior (\d+)", text).group(1))
        self.mm = self.pid = 0
        self.files, self.missing = [], []
        self._undo = None
        _sides[self.number] = self

    def inferior(self):
        """Return its gdb.Inferior, None if the user has removed it."""
        return next((inf for inf in gdb.inferiors() if inf.num == self.number), None)

    def load(self, files, missing):
        """Load the symbols of @files, the program first; both parameters as the fields."""
        self.missing = missing
        if files == self.files:
            return
        with selected(self.number):
            # Those of the program before would have other names for the same addresses.
            for path, _ in self.files:
                _try(f"remove-symbol-file {_quoted(path)}")
            for path, bias in files:
                gdb.execute(f"add-symbol-file {_quoted(path)} -o {bias:#x}", to_string=True)
        self.files = files
        if self.mm:
            self._disable_strays()

    def _disable_strays(self):
        """Disable what gdb made of the kernel's breakpoints in the program: those set at a bare address."""
        for stop in gdb.breakpoints():
            for place in stop.locations:
                if self.number in place.thread_groups and not self._undo.is_code(place.address):
                    place.enabled = False

    def attach(self, task):
        """Attach gdb to the stub of @task (struct task_struct *), whose symbols are loaded."""
        mm = mms.of_task(task)
        pid = host.stub_of(mm)
        layout = _Handler(mm)
        files, self.files = self.files, []
        gdb.execute("handle SIGSYS nostop noprint pass", to_string=True)
        self._undo = _Undo(code_of(mm))
        try:
            with selected(self.number), _quiet():
                # With symbols gdb would look for a dynamic linker, and stop there: one breakpoint of four.
                gdb.execute("symbol-file", to_string=True)
                gdb.execute(f"attach {pid}", to_string=True)
            self.mm, self.pid = int(mm), pid
            self._undo.returning = _Returning(mm, layout)
            _unwinder.know(self.number, layout)
            self.load(files, self.missing)
        except BaseException:
            self.detach()
            raise

    def detach(self):
        """Let the stub go on by itself."""
        inferior = self.inferior()
        if inferior is not None and inferior.pid:
            with selected(kernel_number()), _quiet():
                gdb.execute(f"detach inferiors {self.number}", to_string=True)
        self.forget()

    def forget(self):
        """The stub is not attached any more: undo what was set for that."""
        self.mm = self.pid = 0
        _unwinder.forget(self.number)
        if self._undo:
            self._undo.all()
        self._undo = None


class _Undo:
    """Settings, memory regions and the breakpoint that an attached stub needs.

    The first stub that is attached sets what gdb has once for all of them, the last one sets it back.
    """

    _settings = {}
    _users = Counter()      # of each region: (start, end)

    def __init__(self, regions):
        if not _Undo._settings:
            _Undo._settings = {name: _setting(name) for name in _SETTINGS}
            for name, value in _SETTINGS.items():
                gdb.execute(f"set {name} {value}", to_string=True)
        self._regions = regions
        self.returning = None
        for start, end in regions:
            if not _Undo._users[start, end]:
                gdb.execute(f"mem {start:#x} {end:#x} ro", to_string=True)
            _Undo._users[start, end] += 1
        _Undo._users[None] += 1

    def is_code(self, address):
        """Return whether @address (int) is in the program's code."""
        return any(start <= address < end for start, end in self._regions)

    def all(self):
        """Set everything back."""
        if self.returning is not None and self.returning.is_valid():
            self.returning.delete()
        _Undo._users.subtract([None, *self._regions])
        for number, low, high in re.findall(r"^(\d+)\s+\w\s+(0x\w+)\s+(0x\w+)", _try("info mem"), re.M):
            region = int(low, 16), int(high, 16)
            if region in self._regions and not _Undo._users[region]:
                _try(f"delete mem {number}")
        if not _Undo._users[None]:
            for name, value in _Undo._settings.items():
                _try(f"set {name} {value}")
            _Undo._settings = {}


def _setting(name):
    value = gdb.parameter(name)
    return {True: "on", False: "off", None: "auto"}.get(value, value)


def _try(command):
    try:
        return gdb.execute(command, to_string=True)
    except gdb.error:
        return ""


def _quoted(path):
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'


# ---- which inferior is selected ----

class _quiet:  # pylint: disable=invalid-name
    """Context: gdb says nothing of stops and of what is selected."""

    def __enter__(self):
        self._before = gdb.parameter("suppress-cli-notifications")
        gdb.execute("set suppress-cli-notifications on")

    def __exit__(self, *_):
        gdb.execute(f"set suppress-cli-notifications {'on' if self._before else 'off'}")


def _switch(number):
    """Select the inferior @number (int), quietly."""
    with _quiet():
        gdb.execute(f"inferior {number}", to_string=True)


class selected:  # pylint: disable=invalid-name
    """Context: inferior @number (int) is selected; afterwards inferior, thread and frame are as before."""

    def __init__(self, number):
        self._number = number

    def __enter__(self):
        self._before = gdb.selected_inferior().num
        if self._before == self._number:
            return
        self._thread = gdb.selected_thread()
        self._level = gdb.selected_frame().level() if self._thread else 0
        _switch(self._number)

    def __exit__(self, *_):
        if self._before == self._number:
            return
        _switch(self._before)
        if self._thread and self._thread.is_valid():
            self._thread.switch()
            frame = stack.frame_at(self._level)
            if frame is not None:
                frame.select()


def kernel_number():
    """Return the number (int) of the inferior that is the kernel: the selected one, unless that is a user side."""
    here = gdb.selected_inferior().num
    return _kernel if here in _sides and _kernel is not None else here


class _OfKernel(selected):
    """Context: the kernel's inferior is selected, and of its threads the CPU that runs the user side that was, if one does."""

    def __enter__(self):
        super().__enter__()
        here = _sides.get(self._before)
        if self._before == self._number or here is None or not here.mm:
            return
        try:
            for number, (thread, _) in sched.cpu_threads().items():
                task = machine().current(number)
                if int(task) and int(task["mm"]) == here.mm:
                    thread.switch()
        except gdb.error:
            pass    # it runs, or tells nothing of its CPUs: its first thread, as before


def on_kernel_side():
    """Return a context in which the kernel's inferior is selected: the CPU that runs the selected user side, if there is one."""
    tidy()
    return _OfKernel(kernel_number())


def leave_empty():
    """Select the kernel's inferior if the selected one is a user side that nobody is attached to any more."""
    here = of_inferior(gdb.selected_inferior().num)
    if here is not None and not here.pid:
        _switch(kernel_number())


def of_inferior(number):
    """Return the Side of the inferior @number (int), None if it is the kernel's or a stranger's."""
    return _sides.get(number)


def attached_to(mm):
    """Return the Side that is attached to the stub of @mm (struct mm_struct *), None if none is."""
    return next((side for side in _sides.values() if side.mm == int(mm)), None)


def anyone_attached():
    """Return the Sides (list) that are attached."""
    return [side for side in _sides.values() if side.mm]


def of_task(task, file=None, live=True):
    """Return the Side of @task (struct task_struct *), its symbols loaded.

    @file: the program on the host (str), None to look for it; without @live one that is
    not attached, for a core file.  Errors: Problem.
    """
    global _kernel  # pylint: disable=global-statement
    mm = mms.of_task(task)
    _kernel = kernel_number()
    files, missing = find_files(mm, file)
    tidy()
    idle = (side for side in _sides.values() if not side.mm)
    side = (attached_to(mm) if live else None) or next(idle, None) or Side()
    side.load(files, missing)
    return side


# ---- which files ----

def find_files(mm, given=None):
    """Return ([(path on the host, bias)], missing): the program of @mm first, then its libraries.

    @given: the program's path on the host (str), or None.  Errors: Problem.
    """
    known = user.program_of(mm)
    if known is None:
        raise Problem("program", "none", "the kernel runs this by itself")
    files, missing = [_find_program(mm, known, given)], []
    for part in user.parts(mm):
        if part.path == known[0]:
            continue
        try:
            library = elf.Program(_places(part.path)[0])
            if library.size != part.size:
                raise ValueError("another size")
            files.append((library.path, user.bias_of_part(mm, part, library)))
        except (OSError, ValueError, IndexError):
            missing.append(part.path)
    return files, missing


def _places(path):
    """Where on the host the guest's file @path may be: guest programs of the host keep their path."""
    root = os.environ.get("UMLAB_ROOT")
    return [place for place in ((root + path if root else None), path) if place and os.path.isfile(place)]


def _find_program(mm, known, given):
    path, size = known
    places = [given] if given else [os.environ.get("UMLAB_PROGRAM")] + _places(path)
    tried = []
    for place in filter(None, places):
        try:
            program = elf.Program(place)
            if program.size != size:
                raise ValueError(f"it has {program.size} bytes, the guest's {path} has {size}")
            return os.path.abspath(place), user.bias_of_program(mm, program)
        except OSError as error:
            tried.append((place, error.strerror))
        except ValueError as error:
            tried.append((place, str(error)))
    if given:
        raise Problem("file", given, f"not what runs: {tried[0][1]}")
    if tried:
        raise Problem("program", path, "; ".join(f"{place}: {why}" for place, why in tried) + ": give FILE if there is another")
    raise Problem("program", path, "not found on the host: give FILE")


def code_of(mm):
    """Return [(start, end)], ints, of the read-only code of @mm; Problem if it clashes with the kernel's."""
    low = int(gdb.parse_and_eval("uml_physmem"))
    high = int(gdb.parse_and_eval("high_physmem"))
    found = []
    for vma in mms.vmas(mm):
        if mms.permissions(vma)[1:3] != "-x":
            continue
        if vma.start < high and vma.end > low:
            raise Problem("address", f"{vma.start:#x}-{vma.end:#x}",
                          "the program has code where the kernel is: breakpoints can't tell them apart")
        if found and found[-1][1] == vma.start:
            found[-1] = found[-1][0], vma.end
        else:
            found.append((vma.start, vma.end))
    return found


# ---- a core file as the user side ----

class standing_still:  # pylint: disable=invalid-name
    """Context: the inferior of @here (Side, not attached) is selected, and is @task as it entered the kernel.

    Gives the mappings (list of mm.Vma) whose contents were left out.
    """

    def __init__(self, here, task):
        self._selected = selected(here.number)
        self._task = task

    def __enter__(self):
        handle, self._file = tempfile.mkstemp(prefix="umlab-user-")
        try:
            with os.fdopen(handle, "wb") as file:
                left_out = user.write_core(self._task, file, user.CORE_LIMIT, libraries=False)
            self._selected.__enter__()
            try:
                gdb.execute(f"core-file {self._file}", to_string=True)
            except BaseException:
                self._selected.__exit__()
                raise
        except BaseException:
            os.unlink(self._file)
            raise
        return left_out

    def __exit__(self, *_):
        _try("core-file")
        self._selected.__exit__()
        os.unlink(self._file)


# ---- a live stub as the user side ----

class _Handler:
    """Where a stub that waits in its signal handler has the registers of the program (struct stub_data)."""

    def __init__(self, mm):
        data = gdb.lookup_type("struct stub_data")
        offset = {field.name: field.bitpos // 8 for field in data.fields()}
        self.start = int(gdb.parse_and_eval("stub_start"))
        self._data = self.start + uml.PAGE_SIZE
        self._stack, self._where = offset["sigstack"], offset["mctx_offset"]
        self.end = self._data + data.sizeof

    def _context(self, data):
        """Where the mcontext_t is, if struct stub_data is at @data (int) of the selected inferior."""
        return data + self._stack + _read(data + self._where, 2)

    def registers(self):
        """Return {name: value} of the program; the stub's inferior is selected."""
        where = self._context(self._data)
        return {name: _read(where + 8 * number, 8) for number, name in enumerate(_MCONTEXT)}

    def take_off(self, flag, data):
        """Take @flag (int) off the program's EFLAGS; the kernel's inferior is selected, its stub_data at @data."""
        where = self._context(data) + 8 * _FLAGS
        flags = _read(where, 8)
        if flags & flag:
            gdb.selected_inferior().write_memory(where, (flags & ~flag).to_bytes(8, "little"))


def _read(address, size):
    return int.from_bytes(gdb.selected_inferior().read_memory(address, size).tobytes(), "little")


# gregs of mcontext_t (sys/ucontext.h).
_MCONTEXT = ("r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rdi", "rsi", "rbp", "rbx", "rdx", "rax",
             "rcx", "rsp", "rip")
_FLAGS = 17


class _Unwinder(gdb.unwinder.Unwinder):
    """Goes from the stub's signal handler to the program that it interrupted."""

    def __init__(self):
        super().__init__("umlab-stub")
        self._known = {}
        self.enabled = False

    def know(self, number, handler):
        """The inferior @number (int) is a stub with that @handler (_Handler)."""
        self._known[number] = handler
        self.enabled = True
        gdb.invalidate_cached_frames()

    def forget(self, number):
        """The inferior @number (int) is no stub any more."""
        self._known.pop(number, None)
        self.enabled = bool(self._known)
        gdb.invalidate_cached_frames()

    def __call__(self, pending):
        handler = self._known.get(gdb.selected_inferior().num)
        if handler is None:
            return None
        pc = pending.read_register("rip")
        if not handler.start <= int(pc) < handler.end:
            return None
        try:
            found = handler.registers()
        except gdb.MemoryError:
            return None
        # gdb calls a stack corrupt where an older frame lies below a younger one, and the handler's lies higher.
        word = gdb.lookup_type("unsigned long")
        info = pending.create_unwind_info(stack.FrameId(gdb.Value(found["rsp"] - word.sizeof).cast(word), pc))
        for name, value in found.items():
            info.add_saved_register(name, gdb.Value(value).cast(word))
        return info


    def is_handler(self, number, pc):
        """Return whether @pc (int) is the signal handler of the stub that inferior @number (int) is."""
        handler = self._known.get(number)
        return handler is not None and handler.start <= pc < handler.end


def in_handler(pc):
    """Return whether @pc (int) of the selected inferior is in a stub's signal handler, not in its program."""
    return _unwinder.is_handler(gdb.selected_inferior().num, pc)


_unwinder = _Unwinder()
gdb.unwinder.register_unwinder(None, _unwinder, replace=True)


class _Returning(gdb.Breakpoint):
    """Where the kernel lets a stub go on (wait_stub_done_seccomp()): takes the flag RF off; never stops.

    At a page fault and at a hardware breakpoint the processor sets that flag in the program's
    EFLAGS, with which it skips breakpoints at that instruction once.  When a signal disturbs its stepping there, gdb
    waits at the same instruction for the signal handler to come back: it would wait in vain.
    """

    def __init__(self, mm, handler):
        # A function's name: whatever else gdb looks up in the program as well when that gets symbols.
        super().__init__("-qualified wait_stub_done_seccomp", internal=True)
        self.silent = True
        self._handler = handler
        self._data = int(mm["context"]["id"]["stack"])
        self._id = int(mm["context"]["id"].address)

    def stop(self):
        if int(gdb.selected_frame().read_var("mm_idp")) == self._id:
            self._handler.take_off(_RESUME, self._data)
        return False


def tidy():
    """Forget what has ended: a stub that is gone, and the stubs of a kernel that is gone."""
    global _kernel  # pylint: disable=global-statement
    inferiors = {inf.num: inf for inf in gdb.inferiors()}
    here, ended = gdb.selected_inferior().num, False
    kernel_ended = _kernel is not None and (_kernel not in inferiors or not inferiors[_kernel].pid)
    for side in list(_sides.values()):
        inferior = inferiors.get(side.number)
        if side.mm and (inferior is None or not inferior.pid):
            side.forget()
            ended = ended or side.number == here
        elif side.mm and kernel_ended:
            # The stub died with it, but gdb has it still.
            _try(f"detach inferiors {side.number}")
            side.forget()
        if inferior is None:
            del _sides[side.number]
    if _kernel in inferiors and (ended or kernel_ended and here in _sides):
        _switch(_kernel)


# Not at once where something ends: gdb is busy then, and what gdb.post_event() has not done yet by the
# time that gdb itself ends makes it crash.
gdb.events.before_prompt.connect(tidy)
