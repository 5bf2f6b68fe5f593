# SPDX-License-Identifier: GPL-2.0
"""pt-ps, pt-bt, pt-frame: the guest's tasks, and the kernel stacks of those that wait."""

from collections import namedtuple

import gdb

from .. import mm, sched, source, stack
from ..command import Argument, Command, Function, Problem, task
from ..machines import uml

Row = namedtuple("Row", "task cpu running state mm vmpte_kb rss_kb waits_in does")
Row.__doc__ = """A task as pt-ps lists it.

task: struct task_struct *; cpu: int, where it runs or ran last; running: whether it has that CPU
now; state: (letter, word); mm: int, 0 for none; vmpte_kb, rss_kb: ints, None without mm;
waits_in, does: see sched.What
"""


def _one_of(*words):
    """Return a parser (as of command.Argument) that takes one of @words (str)."""
    def parse(text):
        if text not in words:
            raise Problem("argument", text, f"give {' or '.join(filter(None, words))}, or nothing")
        return text
    parse.complete = lambda: list(filter(None, words))
    return parse


_HEADER = ("     PID   TGID CPU STATE              MM              VmPTE     VmRSS  COMM              "
           "WAITS IN                  DOES")


class Ps(Command):
    """List the guest's tasks: pt-ps [all]

    For each its pid, process (TGID), CPU, state, address space (MM), size of its page
    tables and of its memory, where in the kernel it sleeps, and what for: the system call
    with its arguments as the process passed them, a page fault, or user space.
    A * marks the task that a CPU runs now; of one that runs, CPU says where, of others where it ran last.

    all  kernel threads as well, their names in brackets

    In scripts:
      umlab.commands.tasks.rows(everyone)  the same as a list
      $um_waits_in(TASK)                   the function in which a task (or a pid's) sleeps, a string
      $um_task(PID)                        the struct task_struct * of a pid"""

    name = "pt-ps"
    only_uml = True
    arguments = (Argument("all", _one_of("", "all"), ""),)

    def run(self, which):  # pylint: disable=arguments-differ
        print(_HEADER)
        count = 0
        for count, row in enumerate(rows(which == "all"), 1):
            print(in_line(row))
        if not count:
            print("     no user process yet; `pt-ps all` lists the kernel's own threads")


def rows(everyone):
    """Yield the tasks (Row) that have user space, or all of them if @everyone."""
    running, standing = sched.running(), sched.on_cpu()
    shown = {int(t): t for t in sched.tasks()}
    # The idle tasks but for the first CPU's are in no list.
    pointer = gdb.lookup_type("struct task_struct").pointer()
    idle = [gdb.Value(where).cast(pointer) for where in running if where and where not in shown]
    for who in idle + list(shown.values()):
        if everyone or not sched.is_kernel_thread(who):
            yield _row(who, running, standing)


def _row(who, running, standing):
    space = mm.of_task(who)
    what = sched.what_of(who, standing)
    cpu = running.get(int(who))
    tables = memory = None
    if space is not None:
        tables, memory = mm.pgtables_bytes(space) >> 10, mm.resident_pages(space) * uml.PAGE_SIZE >> 10
    return Row(who, int(who["thread_info"]["cpu"]) if cpu is None else cpu, cpu is not None,
               sched.state(who), int(space or 0), tables, memory, what.waits_in, what.does)


def in_line(row):
    """Return @row (Row) as one line of pt-ps."""
    letter, word = row.state
    if letter == "R" and row.running:
        word = "running"
    name = sched.comm(row.task)
    if sched.is_kernel_thread(row.task):
        name = f"[{name}]"
    space = f"{row.mm:#x}", f"{row.vmpte_kb} kB", f"{row.rss_kb} kB"
    space = "{:<12} {:>8} {:>9}".format(*(space if row.mm else "---"))
    return (f"{'*' if row.running else ' '} {int(row.task['pid']):6} {int(row.task['tgid']):6} {row.cpu:3} "
            f"{letter} {word:<15}  {space}  {name:<16}  {row.waits_in or '-':<24}  {row.does}").rstrip()


class Bt(Command):
    """Show the kernel backtrace of a task: pt-bt [TASK] [full]

    Also of one that sleeps: gdb has no thread for it, so its stack is unwound from the registers
    that the kernel saved when it was switched out (thread.switch_buf).  Of a task that runs, it is
    the backtrace of the gdb thread that is its CPU.  Leaves thread and frame as they were.

    TASK  `current` (the default), a pid or a struct task_struct *; pt-ps lists them
    full  the local variables of each frame as well

    The frames have the numbers that pt-frame takes.  In scripts:
      umlab.sched.frames_of(TASK)  a list of frames: function, file, line, pc..."""

    name = "pt-bt"
    only_uml = True
    arguments = (Argument("TASK", task, "current"), Argument("full", _one_of("", "full"), ""))

    def run(self, who, full):  # pylint: disable=arguments-differ
        view = sched.view_of(who)
        print(headline(who, view))
        with stack.viewing(view) as innermost:
            last = None
            for last in stack.frames(innermost, view):
                print(frame_in_line(last))
                if full:
                    print(locals_of(last))
            reason = last.unwind_stop_reason() if last else gdb.FRAME_UNWIND_NO_REASON
            if reason not in (gdb.FRAME_UNWIND_NO_REASON, gdb.FRAME_UNWIND_OUTERMOST):
                print(f"(the stack ends here for gdb: {gdb.frame_stop_reason_string(reason)})")


def headline(who, view):
    """Return what stands above the frames of @who (struct task_struct *), whose stack is @view (stack.View)."""
    letter, word = sched.state(who)
    text = f"{sched.describe(who)}: {letter} "
    what = sched.what_of(who)
    if view.registers is None:
        number = sched.running().get(int(who), int(who["thread_info"]["cpu"]))
        text += f"on CPU {number}, gdb thread {view.thread.num}"
    else:
        text += word + (f" in {what.waits_in}()" if what.waits_in else "")
    return f"{text}, {what.does}" if what.does else text


def frame_in_line(frame):
    """Return @frame (gdb.Frame) as one line of a backtrace."""
    if frame.function() is None:
        return f"#{frame.level():<3} {frame.name() or '??'}() at {frame.pc():#x}"
    return f"#{frame.level():<3} {source.call(frame)} at {source.place(frame)}"


def locals_of(frame):
    """Return the local variables of @frame (gdb.Frame) in lines, indented; selects the frame."""
    frame.select()
    try:
        text = gdb.execute("info locals", to_string=True)
    except gdb.error as error:
        text = f"{error}"
    return "\n".join("      " + line for line in text.rstrip("\n").split("\n"))


def _which(text):
    """A frame's number (int), or a function's name (str); None for the function where the task waits."""
    if text == "":
        return None
    return int(text) if text.isdigit() else text


_which.complete = gdb.COMPLETE_SYMBOL


def _task_or_off(text):
    return text if text == "off" else task(text)


_task_or_off.complete = lambda: ["off"] + task.complete()


class Frame(Command):
    """Look at a frame of a task that sleeps: pt-frame TASK [N] | pt-frame off

    Shows the frame with its source, arguments and locals, and selects it: `up`, `down`, `bt`,
    `info locals`, `print VARIABLE` work in the frames of that task, until `pt-frame off` or the
    kernel goes on.  `step`, `next`, `finish` and the like are about the CPU that gdb looks from,
    not about the task: they begin with `pt-frame off`.

    TASK  a pid, a struct task_struct *, or `current`
    N     a number that pt-bt shows, or the name of a function in it;
          by default the function in which the task waits"""

    name = "pt-frame"
    only_uml = True
    arguments = (Argument("TASK", _task_or_off), Argument("N", _which, ""))

    def run(self, who, which):  # pylint: disable=arguments-differ
        if isinstance(who, str):
            if not stack.back():
                print("pt-frame is off")
            return
        view = sched.view_of(who)
        level = find(who, view, which)
        stack.stay(view, level)
        frame = gdb.selected_frame()
        print(headline(who, view))
        print(frame_in_line(frame))
        for line in source.excerpt(frame, before=2, after=1):
            print(line)
        print(locals_of(frame))


def find(who, view, which):
    """Return gdb's number (int) of a frame of @view (stack.View), the stack of @who (struct task_struct *).

    @which: that number, the name (str) of the frame's function, or None for the one in which it waits.
    Raises Problem if there is no such frame.
    """
    if which is None:
        which = sched.waits_in(who) or None
    with stack.viewing(view) as innermost:
        for frame in stack.frames(innermost, view):
            if which in (None, frame.level(), frame.name()):
                return frame.level()
    raise Problem("frame", which, f"none of that number or function: pt-bt {int(who['pid'])} shows them")


class _Current(Function):
    """Return the running task, a struct task_struct *."""

    name = "um_current"

    def value(self):
        return sched.current()


class _Comm(Function):
    """Return the name of the running task."""

    name = "um_comm"

    def value(self):
        return sched.comm(sched.current())


class _Task(Function):
    """Return the task of the pid given, a struct task_struct *; NULL if there is none."""

    name = "um_task"

    def value(self, pid):
        found = sched.by_pid(int(pid))
        if found is not None:
            return found
        return gdb.Value(0).cast(gdb.lookup_type("struct task_struct").pointer())


class _WaitsIn(Function):
    """Return the function in which a task, or the task of a pid, sleeps; "" if it does not."""

    name = "um_waits_in"
    only_uml = True

    def value(self, whose):
        if whose.type.strip_typedefs().code == gdb.TYPE_CODE_INT:
            found = sched.by_pid(int(whose))
            if found is None:
                raise Problem("task", int(whose), "none: give a pid or a task")
            return sched.what_of(found, sched.on_cpu()).waits_in
        return sched.waits_in(whose)


Ps()
Bt()
Frame()
_Current()
_Comm()
_Task()
_WaitsIn()
