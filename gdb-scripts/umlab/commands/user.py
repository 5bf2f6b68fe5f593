# SPDX-License-Identifier: GPL-2.0
"""pt-user, pt-x, pt-into, pt-out: the user side of a task, and the way from there into the kernel and out again."""

import re
from collections import namedtuple
from contextlib import contextmanager

import gdb

from .. import mm as mms, sched, side, source, stub, user
from ..command import (COMMANDS, Argument, Command, Function, Problem, Space, address, errors_told, need_debug, need_machine,
                       need_process, number, path, space_of, split, task)
from ..files import whole_file

Frame = namedtuple("Frame", "pc function file line")
Frame.__doc__ = "A frame of user space: pc (int), function, file (str, None if unknown), line (int, 0 if unknown)."

# Other threads of the program may come by where one of them is waited for.
PASSERS_BY = 1000


def need_kernel():
    """Raise Problem unless the kernel, whose inferior is selected, is there and stands still."""
    need_debug()
    need_process()
    try:
        with open(f"/proc/{gdb.selected_inferior().pid}/stat", encoding="utf-8", errors="replace") as file:
            state = file.read().rpartition(")")[2].split()[0]
    except OSError:
        return
    if state in "ZX":
        raise Problem("kernel", "not running", "it has ended, gdb was not told yet: `kill` and `run` again")


class _OnKernelSide(Command):
    """A command that looks at the kernel, whichever side is selected."""

    only_uml = True

    def invoke(self, text, from_tty):
        with errors_told(self.name), _FromAnySide():
            need_machine(self.only_uml)
            self.run(*self.parse(split(text)))


class _FromAnySide:
    """Context: the kernel's inferior is selected, and task_here() knows on which side the user is."""

    # The Side that is selected, None for the kernel's.
    here = None

    def __enter__(self):
        self._context = side.on_kernel_side()
        _FromAnySide.here = side.of_inferior(gdb.selected_inferior().num)
        self._context.__enter__()
        try:
            need_kernel()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        _FromAnySide.here = None
        self._context.__exit__()


def task_here(text):
    """As command.task(), but `current` on the user side is the task that runs there."""
    here = _FromAnySide.here
    return _task_of(here) if text == "current" and here and here.mm else task(text)


def space_here(text):
    """As command.space(), with `current` as in task_here()."""
    here = _FromAnySide.here
    if isinstance(text, str) and text == "current" and here and here.mm:
        who = _task_of(here)
        return Space(mms.of_task(who), sched.describe(who))
    return space_of(text)


task_here.complete = task.complete
space_here.complete = task.complete


class User(_OnKernelSide):
    """Show the user side of a task: pt-user [TASK] [FILE]

    Loads the symbols of its program, where the program lies, into an inferior of their own, and
    shows the system call it is in, with its arguments, and the program's stack
    and source line there.  What a task has that runs user code now only the stub knows: attach.

    TASK  `current` (the default), a pid or a struct task_struct *
    FILE  the program on this host; without it umlab looks for the file of the same name, that in
          $UMLAB_ROOT, and that which $UMLAB_PROGRAM names.  A file that isn't what runs is refused.

    pt-user do COMMAND [args]   any command of gdb on the user side of `current`, standing still:
                                pt-user do info locals; pt-user do print *argv@argc
    pt-user core FILE [TASK]    writes its memory and registers as a core file, for `gdb PROGRAM FILE`
    pt-user attach [TASK]       attaches gdb to the process that runs it (seccomp mode only): see its help
    pt-user detach              lets it go

    In scripts:
      umlab.commands.user.frames(task)  the program's stack as a list
      umlab.user.read(mm, addr, size)   its memory"""

    name = "pt-user"
    arguments = (Argument("TASK", task_here, "current"), Argument("FILE", path, ""))

    def __init__(self):
        # A prefix: its subcommands are commands of their own.
        gdb.Command.__init__(self, self.name, gdb.COMMAND_DATA, gdb.COMPLETE_NONE, True)
        COMMANDS[self.name] = self

    def run(self, who, file):  # pylint: disable=arguments-differ
        need_user_space(who)
        attached = side.attached_to(mms.of_task(who))
        print(f"{sched.describe(who)}: {state_in_words(who, attached)}")
        here = side.of_task(who, file or None)
        program, bias = here.files[0]
        guest = user.program_of(mms.of_task(who))[0]
        print(f"program {program}" + (f" ({guest} in the guest)" if guest != program else "") +
              (f", moved by {bias:#x}" if bias else "") + f"; symbols in inferior {here.number}")
        for path in here.missing:
            print(f"library {path}: no such file on this host, or another build: no symbols")
        if here.mm or not user.in_user_space(who):
            text, place = shown(who)
            print(text + "".join(place), end="")


def need_user_space(who):
    """Raise Problem unless @who (struct task_struct *) has a user side that has run."""
    if mms.of_task(who) is None:
        raise Problem("task", sched.describe(who), "has no user side: kernel threads and exiting tasks have none")
    if not user.in_user_space(who) and not user.registers(who)["rip"]:
        raise Problem("task", sched.describe(who), "has not been in user space yet")


def state_in_words(who, attached):
    """Return what @who (struct task_struct *) does (str): "in madvise(...)"; @attached: its Side, or None."""
    if user.in_user_space(who):
        return "in user space" if attached else "in user space; where, only its stub knows: pt-user attach"
    call = user.describe_call(who)
    return f"in {call}" if call else "in the kernel for a page fault or an interrupt, not for a system call"


def _looking_at(who, file=None):
    """A context in which the user side of @who is selected: live if its stub is there, else standing still."""
    here = side.of_task(who, file)
    if here.mm:
        with side.selected(here.number):
            frame = _program_frame()
            live = frame is not None and (user_runs(who) or frame.pc() == user_pc(who))
        if live:
            return side.selected(here.number)
        # Another thread of the program is there.
        here = side.of_task(who, file, live=False)
    return side.standing_still(here, who)


def user_runs(who):
    """Return whether @who (struct task_struct *) runs user code now, whichever side is selected."""
    with side.on_kernel_side():
        return user.in_user_space(who)


def user_pc(who):
    """Return where (int) @who (struct task_struct *) goes on in user space."""
    with side.on_kernel_side():
        return user.registers(who)["rip"]


def _program_frame():
    """The innermost frame (gdb.Frame) of the program, without the stub's signal handler; None if there is none."""
    frame = gdb.newest_frame()
    if frame is not None and side.in_handler(frame.pc()):
        frame = frame.older()
    return frame


def frames(who, file=None):
    """Return the program's stack (list of Frame) where @who (struct task_struct *) entered the kernel.

    @file: the program on the host (str), None to look for it.  Errors: Problem.
    """
    with _looking_at(who, file):
        return list(_frames())


def _frames():
    frame = _program_frame()
    for _ in range(100):
        if frame is None or not frame.pc():
            return
        sal = frame.find_sal()
        yield Frame(frame.pc(), frame.name(), sal.symtab.filename if sal.symtab else None,
                    sal.line if sal.symtab else 0)
        frame = frame.older()


def shown(who):
    """Return (backtrace, source lines) (str, list of str) of the program of @who where it entered the kernel."""
    with _looking_at(who) as left_out:
        text = gdb.execute("backtrace -frame-arguments scalars 30", to_string=True)
        frame = _with_source(_program_frame())
        lines = [line + "\n" for line in source.excerpt(frame, before=2, after=1)] if frame else []
    for vma in left_out or ():
        text += f"(not looked at, for its size: {mms.describe(vma)})\n"
    return text, lines


def _with_source(frame, without=()):
    """@frame or the nearest that called it whose source lines are there, None if there is none.

    @without: types of frames that won't do.  One that ended with a tail call is not come back to.
    """
    for _ in range(source.DEPTH_MAX):
        if frame is None:
            break
        sal = frame.find_sal()
        if sal.symtab and frame.type() not in without and source.read_lines(sal.symtab):
            return frame
        frame = frame.older()
    return None


class _Do(_OnKernelSide):
    """Run a command of gdb on the user side: pt-user do COMMAND [args]

    COMMAND sees the program of the running task as it entered the kernel: pt-user do info
    locals; pt-user do print variable.  In ptrace mode too.  Unless it is attached the program
    stands still: commands that let it run do not work.  Several commands are separated by semicolons:
      pt-user do up; info locals
    It begins in the frame whose source line pt-user shows."""

    name = "pt-user do"

    def invoke(self, text, from_tty):
        with errors_told(self.name):
            need_machine(self.only_uml)
            if not text.strip():
                raise Problem("COMMAND", "missing", "see help pt-user do")
            with _FromAnySide():
                who = task_here("current")
                need_user_space(who)
                with _looking_at(who):
                    frame = _program_frame()
                    if frame is None:
                        raise Problem("task", sched.describe(who), "has no stack that gdb can read")
                    (_with_source(frame) or frame).select()
                    for command in _commands(text):
                        _execute(command)

    def choices(self, text, word):
        return gdb.COMPLETE_COMMAND


def _execute(command):
    try:
        gdb.execute(command)
    except gdb.error as error:
        raise Problem("COMMAND", command, str(error).rstrip(".")) from None


def _commands(text):
    """The commands (list of str) in @text (str), which semicolons outside quotes separate."""
    parts = re.findall(r"""((?:[^;"']|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|["'])+)""", text)
    return [part.strip() for part in parts if part.strip()]


class _Core(_OnKernelSide):
    """Write the user side of a task as a core file: pt-user core FILE [TASK]

    All its pages that are present, and its registers as it entered the kernel.  Look at it with
    `gdb PROGRAM FILE`.  FILE is overwritten.

    TASK  `current` (the default), a pid or a struct task_struct *"""

    name = "pt-user core"
    arguments = (Argument("FILE", path), Argument("TASK", task_here, "current"))

    def run(self, where, who):  # pylint: disable=arguments-differ
        need_user_space(who)
        if user.in_user_space(who):
            raise Problem("task", sched.describe(who), "is in user space, its registers are not saved: "
                          "attach, then gcore")
        with whole_file(where, "wb") as file:
            user.write_core(who, file)
            size = file.tell()
        print(f"{where}: {size >> 10} KiB, the user side of {sched.describe(who)}")


class _Attach(_OnKernelSide):
    """Attach gdb to the process that runs a task's user code: pt-user attach [TASK]

    From then on the program can be debugged as any other, in an inferior of its own: `inferior N`
    goes there, `inferior 1` to the kernel; breakpoints, step, next, finish and watch work in its
    source.  The kernel and the program run together and stop together.

      pt-into  goes on into the next system call of the program, and stops in the kernel's function for it
      pt-out   lets the kernel finish the system call, and stops in the program behind it

    Only in seccomp mode (umrun --append seccomp=on, or more than one CPU).  In ptrace mode UML itself
    traces that process, and a process has one tracer.

    The program's pages are guest memory, shared with all that run the same file: a breakpoint
    written there would be everybody's.  So breakpoints in it are the processor's own, as `hbreak`
    makes them, of which there are four; next, finish and until need one for themselves.

    TASK  `current` (the default), a pid or a struct task_struct *"""

    name = "pt-user attach"
    arguments = (Argument("TASK", task_here, "current"),)

    def run(self, who):  # pylint: disable=arguments-differ
        here = attach(who)
        print(f"inferior {here.number} is {sched.describe(who)}: process {here.pid} of the host; "
              "pt-into and pt-out go from side to side")


def attach(who):
    """Attach to the stub of @who (struct task_struct *), unless that is so already, and return the Side.

    Errors: Problem.
    """
    need_user_space(who)
    if not stub.is_seccomp():
        raise Problem("mode", "ptrace", "UML itself traces the process that runs user space, and a process has "
                      "one tracer: boot with seccomp=on (umrun --append seccomp=on); pt-user, pt-user do work as it is")
    here = side.of_task(who)
    if not here.mm:
        here.attach(who)
    return here


class _Detach(_OnKernelSide):
    """Let go the processes that pt-user attach took: pt-user detach"""

    name = "pt-user detach"

    def invoke(self, text, from_tty):
        with errors_told(self.name):
            need_debug()
            need_machine(self.only_uml)
            sides = side.anyone_attached()
            if not sides:
                raise Problem("process", "none", "pt-user attach attaches to one")
            with side.on_kernel_side():
                for here in sides:
                    here.detach()
            side.leave_empty()


# ---- from side to side ----

class _Hit(gdb.Breakpoint):
    """A breakpoint at address @where (int) of the selected inferior that stops where @wanted() says so."""

    def __init__(self, where, wanted, kind=gdb.BP_BREAKPOINT):
        super().__init__(f"*{where:#x}", kind, internal=True)
        self.silent = True
        self._wanted = wanted
        self.hit = False

    def stop(self):
        self.hit = bool(self._wanted())
        return self.hit


class _Across(Command):
    """A command that goes from side to side: the one where it ends stays selected."""

    only_uml = True

    def invoke(self, text, from_tty):
        with errors_told(self.name):
            with _FromAnySide():
                need_machine(self.only_uml)
                values = self.parse(split(text))
            print(self.cross(*values), end="")
            gdb.execute("frame")

    def cross(self, *values):
        """Go to the other side; return what to say (str)."""
        raise NotImplementedError


class Into(_Across):
    """Go on into the next system call: pt-into

    The program runs until it makes its next system call; then the kernel stops in the function
    for it, with its arguments.  Page faults on the way are no system calls.  From the kernel side
    it does the same: the call that is being made comes to its end first.

    Needs a program that is attached: pt-user attach.  See pt-out for the way back."""

    name = "pt-into"

    def cross(self):  # pylint: disable=arguments-differ
        into()
        return ""


def into():
    """Let the attached program run until the kernel is in the function of its next system call.

    With several threads it is the next call of the one that runs now.  Errors: Problem.
    """
    here = _attached()
    with side.on_kernel_side():
        who = _task_of(here)
        regs = int(user.syscall.registers(who).address)
        entry = _Hit(_address("handle_syscall"), lambda: int(gdb.parse_and_eval("$rdi")) == regs)
    _run([entry], here, "made a system call")
    at = user.registers(who)["orig_rax"]
    if user.syscall.name(at) == f"syscall {at}":
        return  # the kernel knows none of that number
    function, leave = int(gdb.parse_and_eval(f"sys_call_table[{at}]")), _address("syscall_trace_leave")
    call = _Hit(function, lambda: int(sched.current()) == int(who))
    refused = _Hit(leave, lambda: int(gdb.parse_and_eval("$rdi")) == regs)
    _run([call, refused], here, "ran the system call")


class Out(_Across):
    """Let the kernel finish a system call: pt-out [TASK]

    The kernel goes on until the program runs again behind its system call; gdb stops there, on the user
    side, in the innermost function that has source lines.  Where a page fault or an interrupt led into the
    kernel, or into the stub's signal handler, it stops at the instruction that is to go on.
    Attaches to the program if need be.
    Breakpoints on the way stop it as ever.  A system call that does not come back (exit, execve) does not stop.

    TASK  `current` (the default), a pid or a struct task_struct *"""

    name = "pt-out"
    arguments = (Argument("TASK", task_here, "current"),)

    def cross(self, who):  # pylint: disable=arguments-differ
        return out(who) + "\n"


def out(who):
    """Let @who (struct task_struct *) come back from the kernel; the user side is selected then.

    Returns the call and what it gave (str): "madvise(...) = 0".  Errors: Problem.
    """
    with side.on_kernel_side():
        here = attach(who)
        in_user_space = user.in_user_space(who)
        call = None if in_user_space else user.describe_call(who)
        back = _handled_pc(here, who) if in_user_space else user.registers(who)["rip"]
    _continue_to(here, back, who)
    if call is None:
        return "back from a page fault or an interrupt"
    result = int(gdb.parse_and_eval("(long) $rax"))
    frame = _with_source(gdb.newest_frame(), (gdb.TAILCALL_FRAME,))
    if frame is not None and frame.level():
        _continue_to(here, frame.pc(), who)
    return f"{call} = {result if -4096 < result < 4096 else hex(result & (1 << 64) - 1)}"


def _handled_pc(here, who):
    """Where the program of the Side @here goes on (int) whose stub is in its signal handler; Problem if it isn't."""
    with side.selected(here.number):
        frame = gdb.newest_frame()
        if side.in_handler(frame.pc()) and frame.older() is not None:
            return frame.older().pc()
    raise Problem("task", sched.describe(who), "is in user space: pt-into goes into its next system call")


def _continue_to(here, where, who):
    """Let both sides run until @who is at @where (int) in its program, of the Side @here."""
    for _ in range(PASSERS_BY):
        with side.selected(here.number):
            stop = _Hit(where, lambda: True, gdb.BP_HARDWARE_BREAKPOINT)
        _run([stop], here, "came back")
        with side.on_kernel_side():
            if user.at_turn(mms.of_task(who)) == int(who):
                return
    raise Problem("task", "pt-out", "other threads of the program keep coming by")


def _run(stops, here, what):
    """Let both sides run until one of @stops (list of _Hit, used up by this); Problem if something
    else came before the program of the Side @here did @what (str)."""
    try:
        text = gdb.execute("continue", to_string=True)
    finally:
        for stop in stops:
            stop.delete()
    if any(stop.hit for stop in stops):
        return
    kernel = next((inf for inf in gdb.inferiors() if inf.num == side.kernel_number()), None)
    if here.inferior() is None or not here.inferior().pid or kernel is None or not kernel.pid:
        side.tidy()
        raise Problem("program", "ended", f"it did so before it {what}")
    print(text, end="")
    raise Problem("stop", "another one", f"it came before the program {what}")


def _address(function):
    """The address of the kernel's @function, where its arguments still are in their registers."""
    return int(gdb.parse_and_eval(f"(unsigned long) &{function}"))


def _attached():
    """The Side that is attached; that of the selected inferior if there are several."""
    sides = side.anyone_attached()
    if not sides:
        raise Problem("program", "none", "pt-user attach attaches to one")
    here = gdb.selected_inferior().num
    return next((one for one in sides if one.number == here), sides[0])


def _task_of(here):
    """The task that runs in the Side @here now, or the one that is in the kernel for it."""
    mm = gdb.Value(here.mm).cast(gdb.lookup_type("struct mm_struct").pointer())
    owner = user.at_turn(mm)
    of_mm = [t for t in sched.tasks() if int(t["mm"]) == here.mm]
    found = [t for t in of_mm if int(t) == owner] or [t for t in of_mm if int(t) in sched.running()] or of_mm
    if not found:
        raise Problem("program", "none", "it has ended")
    return found[0]


# ---- memory ----

_FORMATS = {"x": "hexadecimal", "d": "decimal", "u": "unsigned", "c": "characters", "s": "a string"}
_SIZES = {"b": 1, "h": 2, "w": 4, "g": 8}


class X(_OnKernelSide):
    """Examine user memory: pt-x[/FMT] ADDR [COUNT] [TASK]

    As gdb's `x`, but of a process of the guest: gdb itself reads UML's own addresses.  The page
    tables are walked; a page that isn't present is said to be so, and what it is instead.

    FMT    x (the default), d, u, c or s (a string), and a size: b h w g (1 2 4 8 bytes, 8 the default)
    ADDR   an expression
    COUNT  of values, or of strings; 1 by default
    TASK   `current` (the default), a pid, a struct task_struct * or a struct mm_struct *

    In expressions and conditions: $pt_user_long(ADDR[, TASK]), the 8 bytes there as an unsigned long"""

    name = "pt-x"
    arguments = (Argument("ADDR", address), Argument("COUNT", number, "1"), Argument("TASK", space_here, "current"))

    def parse(self, words):
        form = words.pop(0) if words and words[0].startswith("/") else "/"
        found = re.fullmatch(r"/(\d*)([xducs]?)([bhwg]?)|/(\d*)([bhwg])([xducs])", form)
        if not found:
            raise Problem("format", form, f"give one of {' '.join(_FORMATS)}, and one of {' '.join(_SIZES)}")
        if found.group(5):
            count, size, kind = found.group(4, 5, 6)
        else:
            count, kind, size = found.group(1, 2, 3)
        if count and len(words) == 1:
            words.append(count)
        return [kind or "x", _SIZES.get(size, 1 if kind == "c" else 8), *super().parse(words)]

    def choices(self, text, word):
        form = re.match(r"/\S*\s+", text)
        return super().choices(text[form.end():] if form else text, word)

    def run(self, kind, size, addr, count, whose):  # pylint: disable=arguments-differ
        if not 0 < count <= 1 << 16:
            raise Problem("count", str(count), "give 1 to 65536")
        for line in lines(whose.mm, addr, count, kind, size):
            print(line)


def lines(mm, addr, count, kind, size):
    """Yield lines (str): @count values of @size bytes at @addr of @mm in format @kind (a key of _FORMATS)."""
    if kind == "s":
        for _ in range(count):
            data, ends = user.string(mm, addr)
            yield f'{addr:#x}:\t"{data.decode(errors="backslashreplace")}"' + ("" if ends else "...")
            addr += len(data) + ends
        return
    each = max(1, {"x": 16, "c": 8}.get(kind, 32 if size > 1 else 8) // size)
    for at in range(0, count, each):
        where = addr + at * size
        data = user.read(mm, where, size * min(each, count - at))
        yield f"{where:#x}:\t" + "\t".join(_value(data[n:n + size], kind) for n in range(0, len(data), size))


def _value(data, kind):
    value = int.from_bytes(data, "little", signed=kind == "d")
    if kind == "c":
        return f"{value} {chr(value)!r}" if 32 <= value < 127 else f"{value} '\\{value:03o}'"
    return f"{value:#0{2 + 2 * len(data)}x}" if kind == "x" else str(value)


class _Long(Function):
    """Return the 8 bytes of user memory at an address as an unsigned long."""

    name = "pt_user_long"
    only_uml = True

    @contextmanager
    def context(self):
        with errors_told("$" + self.name), _FromAnySide():
            yield

    def value(self, addr, whose="current"):
        found = user.unsigned_long(space_here(whose).mm, int(addr) & (1 << 64) - 1)
        return gdb.Value(found).cast(gdb.lookup_type("unsigned long"))


User()
_Do()
_Core()
_Attach()
_Detach()
Into()
Out()
X()
_Long()
