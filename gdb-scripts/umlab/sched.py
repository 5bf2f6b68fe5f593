# SPDX-License-Identifier: GPL-2.0
"""Tasks: who runs, who is there.

Defines for use at gdb's prompt and in conditions of breakpoints:
  $um_current()  the running task, a struct task_struct *
  $um_comm()     its name: break zap_pte_range if $_streq($um_comm(), "ptworkload")
  $um_task(PID)  the task of that pid, a struct task_struct *, NULL if there is none
  $um_waits_in(TASK)  the function in which that task, or the task of that pid, sleeps; "" if it does not
"""

from collections import namedtuple

import gdb

from . import lists, page, source, stack, syscall
from .machines import machine

# include/linux/sched.h: the bits of __state and exit_state that /proc shows, then those above.
_REPORT, _REPORT_IDLE = 0x7F, 0x80
_UNINTERRUPTIBLE, _NOLOAD, _RTLOCK_WAIT, _FROZEN = 0x002, 0x400, 0x1000, 0x8000
_KTHREAD = 0x00200000  # PF_KTHREAD

# task_index_to_char(), and what the letters mean.
STATES = (("R", "runnable"), ("S", "sleeping"), ("D", "uninterruptible"), ("T", "stopped"),
          ("t", "traced"), ("X", "dead"), ("Z", "zombie"), ("P", "parked"), ("I", "idle"))

# What switch_buf holds (arch/x86/um/shared/sysdep/archsetjmp_64.h).
_SAVED = ("rbx", "rsp", "rbp", "r12", "r13", "r14", "r15", "rip")
# What a task starts with that has never run (arch/um/kernel/process.c, skas/process.c).
_BEGINNINGS = ("fork_handler", "new_thread_handler", "uml_finishsetup")
# What UML enters the kernel's own code through, when it isn't a system call.
_FAULTS = ("segv", "segv_handler")
_WAITS_FOR_USER = ("wait_stub_done_seccomp", "wait_stub_done")

Frame = namedtuple("Frame", "level function file line pc sp inlined call")
Frame.__doc__ = """One frame of a task's kernel stack.

level: gdb's number of it (int); function: name (str, None if unknown); file: from the top of
the kernel's tree (str, None if unknown); line, pc, sp: ints; inlined: bool; call: the
call with its arguments (str)
"""


def cpu():
    """Return the number (int) of the guest's CPU that the selected gdb thread is.

    Raises Broken where gdb can't tell.
    """
    return machine().cpu()


def cpus(mask="__cpu_online_mask"):
    """Return the numbers (list of int) of the CPUs in @mask (str): those that are online, or "__cpu_possible_mask"."""
    try:
        bits = gdb.parse_and_eval(mask)["bits"]
    except gdb.error:
        return [0]
    word = gdb.lookup_type("unsigned long").sizeof * 8
    first, last = bits.type.range()
    values = {n: int(bits[n]) for n in range(first, last + 1)}
    online = [n * word + bit for n, value in values.items() for bit in range(word) if value >> bit & 1]
    return online or [0]


def per_cpu(variable, number):
    """Return the per-CPU variable @variable (gdb.Value, the static one) of CPU @number (int).

    A kernel without SMP has just the one: per_cpu_ptr(), include/linux/percpu-defs.h.
    """
    offset = machine().per_cpu_offset(number)
    if offset is None:
        return variable
    where = (int(variable.address) + offset) & (1 << 64) - 1
    return gdb.Value(where).cast(variable.type.pointer()).dereference()


def current():
    """Return the running task (struct task_struct *) of the selected gdb thread; NULL until the kernel boots."""
    return machine().current(cpu())


def running():
    """Return {task's address (int): CPU (int)} of the tasks that have a CPU now."""
    return {int(machine().current(number)): number for number in cpus()}


def comm(task):
    """Return the name (str) of @task (struct task_struct *), "" for NULL."""
    if not int(task):
        return ""
    return task["comm"].string(errors="replace")


def processes():
    """Yield the leaders (struct task_struct *) of all thread groups, and the idle task first."""
    idle = gdb.parse_and_eval("init_task").address
    yield idle
    yield from _on_list(idle["tasks"], "tasks")


def threads(process):
    """Yield all threads (struct task_struct *) of the process of @process (struct task_struct *)."""
    yield from _on_list(process["signal"]["thread_head"], "thread_node")


# Offsets in struct task_struct by member: gdb takes long for one of a struct so large.
_offsets = {}
gdb.events.new_objfile.connect(lambda _: _offsets.clear())


def _on_list(head, field):
    """Yield the tasks on the list of @head (struct list_head) by their member @field."""
    kind = gdb.lookup_type("struct task_struct")
    if field not in _offsets:
        _offsets[field] = lists.offset_of(kind, field)
    kind = kind.pointer()
    for node in lists.nodes(head):
        yield gdb.Value(node - _offsets[field]).cast(kind)


def tasks():
    """Yield every task (struct task_struct *): for_each_process_thread(), the idle task first."""
    for process in processes():
        if int(process["pid"]) == 0:
            yield process
        else:
            yield from threads(process)


def by_pid(pid):
    """Return the task (struct task_struct *) of @pid (int, as the guest's first namespace has it), or None."""
    return next((t for t in tasks() if int(t["pid"]) == pid), None)


def describe(task):
    """Return @task (struct task_struct *) in few words (str): "ptworkload, pid 31"."""
    return f"{comm(task)}, pid {int(task['pid'])}"


def is_kernel_thread(task):
    """Return whether @task (struct task_struct *) has no user space: PF_KTHREAD, or an idle task."""
    return bool(int(task["flags"]) & _KTHREAD) or int(task["pid"]) == 0


def state(task):
    """Return (letter, word), strs, of the state of @task (struct task_struct *): task_state_to_char().

    >>> state(task)
    ('S', 'sleeping')
    """
    running_, exit_ = int(task["__state"]), int(task["exit_state"])
    bits = (running_ | exit_) & _REPORT
    if running_ & (_UNINTERRUPTIBLE | _NOLOAD) == _UNINTERRUPTIBLE | _NOLOAD:
        bits = _REPORT_IDLE
    if running_ & (_RTLOCK_WAIT | _FROZEN):
        bits = _UNINTERRUPTIBLE
    return STATES[bits.bit_length()]


def cpu_threads():
    """Return {CPU (int): (gdb.InferiorThread, its stack pointer (int))} of the guest's CPUs.

    CPU 0 is the first thread of UML; threads that are no CPU have its number as well.  While a
    breakpoint's condition is evaluated other threads may still run: those are missing.
    """
    found = {}
    with stack.kept():
        for thread in gdb.selected_inferior().threads():
            try:
                pointer = stack.pointer_of(thread)
            except gdb.error:
                continue
            first = thread.ptid[1] == thread.ptid[0]
            number = 0 if first else cpu()
            if number or first:
                found[number] = thread, pointer
    return found


def on_a_cpu():
    """Return whether gdb's selected thread is a CPU of the guest, and no helper of UML's."""
    return machine().name != "uml" or gdb.selected_thread().num in [thread.num for thread, _ in cpu_threads().values()]


def stack_of(task):
    """Return (low, high), ints, high exclusive, of the kernel stack of @task; (0, 0) if it has none."""
    low = int(task["stack"])
    if not low:
        return 0, 0
    try:
        size = gdb.parse_and_eval("cpu_irqstacks").type.target().sizeof
    except gdb.error:
        size = 4 * page.size()
    return low, low + size


def on_cpu():
    """Return {task's address (int): gdb.InferiorThread} of the tasks on whose stacks CPUs stand.

    That is not quite running(): in the middle of __switch_to() the next task has the CPU already,
    and the CPU is still on the stack of the one before.
    """
    found, now = {}, gdb.parse_and_eval("cpu_tasks")
    for number, (thread, pointer) in cpu_threads().items():
        task = now[number]
        low, high = stack_of(task) if int(task) else (0, 0)
        if int(task) and not low <= pointer < high and not _is_for_signals(pointer):
            task = next((t for t in tasks() if stack_of(t)[0] == pointer & ~(high - low - 1)), task)
        found[int(task)] = thread
    return found


def _is_for_signals(pointer):
    """Whether @pointer (int) lies in a stack on which a CPU handles the host's signals: cpu_irqstacks."""
    try:
        stacks = gdb.parse_and_eval("cpu_irqstacks")
    except gdb.error:
        return False
    return 0 <= pointer - int(stacks.address) < stacks.type.sizeof


class NoStack(gdb.GdbError):
    """There is no kernel stack to see; word (str): "gone", "exited", "has never run", "corrupt" or "runs"."""

    def __init__(self, word, task, why):
        name = f"{int(task):#x}" if word == "gone" else describe(task)
        super().__init__(f"task {name}: {word}: {why}")
        self.word = word


def view_of(task, standing=None):
    """Return the stack.View of the kernel stack of @task (struct task_struct *).

    Of a running task, that of the thread that is its CPU; @standing: on_cpu(), if it is known already.
    Raises NoStack if there is nothing to see: the task is gone, has never run, or what was saved of
    it is corrupt.
    """
    if standing is None:
        if not is_known(task):
            raise NoStack("gone", task, "it is in no list of tasks; pt-ps shows the others")
        standing = on_cpu()
    thread = standing.get(int(task))
    if thread is not None:
        return stack.View(thread, None, None, None)
    if int(task) in running() and len(standing) < len(cpus()):
        raise NoStack("runs", task, "on a CPU that gdb has not stopped")
    low, high = stack_of(task)
    if not low:
        raise NoStack("exited", task, "its stack is freed")
    buffer = task["thread"]["switch_buf"][0]
    saved = {name: int(buffer["__" + name]) for name in _SAVED}
    beginning = _beginnings().get(saved["rip"])
    if beginning:
        raise NoStack("has never run", task, f"it will begin in {beginning}()")
    if not low <= saved["rsp"] < high or saved["rsp"] % 8 or gdb.block_for_pc(saved["rip"]) is None:
        raise NoStack("corrupt", task, f"switch_buf: rsp {saved['rsp']:#x}, rip {saved['rip']:#x}, "
                      f"its stack is {low:#x}-{high:#x}")
    return stack.View(gdb.selected_thread(), saved, low, high)


def is_known(task):
    """Return whether @task (struct task_struct *) is one: in the list of tasks, or the idle task of a CPU."""
    return int(task) in running() or any(int(t) == int(task) for t in tasks())


def _beginnings():
    """{address: name of the function} of _BEGINNINGS."""
    found = {}
    for name in _BEGINNINGS:
        try:
            found[int(gdb.parse_and_eval(f"(unsigned long)&{name}"))] = name
        except gdb.error:
            pass
    return found


def frames_of(task):
    """Return the frames (list of Frame, innermost first) of the kernel stack of @task (struct task_struct *).

    Errors as in view_of().
    """
    view = view_of(task)
    with stack.viewing(view) as innermost:
        return [_frame(frame) for frame in stack.frames(innermost, view)]


def _frame(frame):
    sal = frame.find_sal()
    return Frame(frame.level(), frame.name(), sal.symtab and source.relative(sal.symtab.filename), sal.line,
                 frame.pc(), int(frame.read_register("rsp")), frame.type() == gdb.INLINE_FRAME,
                 source.call(frame) if frame.function() else f"{frame.name() or '??'}()")


def waits_in(task):
    """Return the function (str) in which @task (struct task_struct *) sleeps or was preempted.

    The one that called the scheduler, inlined or not: __get_wchan() of UML, wchan of /proc/PID.
    "" for a task that is on a CPU, that has never run or that can't be unwound.
    """
    return what_of(task).waits_in


What = namedtuple("What", "waits_in does")
What.__doc__ = """What a task is up to.

waits_in: function (str) as in waits_in(); does: why it is in the kernel (str): a system call with its
arguments, "page fault at ADDRESS", "signal", "preempted", "exited", "has never run", "user space"; "" for a
kernel thread
"""


def what_of(task, standing=None):
    """Return the What of @task (struct task_struct *); @standing: on_cpu(), if it is known already."""
    try:
        view = view_of(task, standing)
    except NoStack as error:
        return What("", error.word)
    with stack.viewing(view) as innermost:
        names = [(f.name(), f.pc(), f.type(), f.function()) for f in stack.frames(innermost, view)]
    return What(_waits_in(names) if view.registers else "", _does(task, names, view.registers is None))


def _waits_in(frames):
    """The first function outside of .sched.text, from the scheduler on, of @frames."""
    low = int(gdb.parse_and_eval("(unsigned long)&__sched_text_start"))
    high = int(gdb.parse_and_eval("(unsigned long)&__sched_text_end"))
    seen = False
    for name, pc, _, _ in frames:
        inside = low <= pc < high
        if seen and not inside:
            return name or f"{pc:#x}"
        seen = seen or inside
    return ""


def _does(task, frames, has_cpu):
    if int(task["exit_state"]):
        return "exited"
    if is_kernel_thread(task):
        return ""
    names = [frame[0] for frame in frames]
    if has_cpu and _is_in_user_space(frames):
        return "user space"
    # Once it has left user space again a task has a number that is not -1 still.
    call = syscall.of_task(task)
    if call is not None and ("handle_syscall" in names or not has_cpu):
        return syscall.describe(call)
    if any(name in _FAULTS for name in names):
        return f"page fault at {int(syscall.registers(task)['faultinfo']['cr2']):#x}"
    if "do_signal" in names:
        return "signal"
    return "preempted" if "interrupt_end" in names else "kernel"


def _is_in_user_space(frames):
    """Whether userspace() waits for the process that runs the task's user space, in UML's or libc's function."""
    inside = None
    for name, _, kind, function in frames:
        if name == "userspace":
            return inside is not None and (inside[0] in _WAITS_FOR_USER or inside[1] is None)
        if kind != gdb.INLINE_FRAME:
            inside = name, function and function.symtab
    return False
