# SPDX-License-Identifier: GPL-2.0
"""Tasks: who runs, who is there.

Defines for use at gdb's prompt and in conditions of breakpoints:
  $um_current()  the running task, a struct task_struct *
  $um_comm()     its name: break zap_pte_range if $_streq($um_comm(), "ptworkload")
  $um_task(PID)  the task of that pid, a struct task_struct *, NULL if there is none
"""

import gdb

from . import lists


def cpu():
    """Return the number (int) of the guest's CPU that the selected gdb thread is.

    UML keeps it in a thread-local variable (arch/um/os-Linux/smp.c); a
    kernel without SMP has none, and CPU 0 only.
    """
    try:
        return int(gdb.parse_and_eval("__curr_cpu"))
    except gdb.error:
        return 0


def cpus():
    """Return the numbers (list of int) of the CPUs that are online: __cpu_online_mask."""
    try:
        bits = gdb.parse_and_eval("__cpu_online_mask")["bits"]
    except gdb.error:
        return [0]
    word = gdb.lookup_type("unsigned long").sizeof * 8
    first, last = bits.type.range()
    online = [n * word + bit for n in range(first, last + 1) for bit in range(word)
              if int(bits[n]) >> bit & 1]
    return online or [0]


def per_cpu(variable, number):
    """Return the per-CPU variable @variable (gdb.Value, the static one) of CPU @number (int).

    A kernel without SMP has just the one: per_cpu_ptr(), include/linux/percpu-defs.h.
    """
    try:
        offset = int(gdb.parse_and_eval("__per_cpu_offset")[number])
    except gdb.error:
        return variable
    where = (int(variable.address) + offset) & (1 << 64) - 1
    return gdb.Value(where).cast(variable.type.pointer()).dereference()


def current():
    """Return the running task (struct task_struct *) of the selected gdb thread.

    cpu_tasks[] (arch/um/kernel/process.c) is NULL until the kernel boots.
    """
    return gdb.parse_and_eval("cpu_tasks")[cpu()]


def running():
    """Return {task's address (int): CPU (int)} of the tasks that have a CPU now."""
    tasks_ = gdb.parse_and_eval("cpu_tasks")
    return {int(tasks_[number]): number for number in cpus()}


def comm(task):
    """Return the name (str) of @task (struct task_struct *), "" for NULL."""
    if not int(task):
        return ""
    return task["comm"].string(errors="replace")


def processes():
    """Yield the leaders (struct task_struct *) of all thread groups, and the idle task first."""
    idle = gdb.parse_and_eval("init_task").address
    yield idle
    yield from lists.entries(idle["tasks"], idle.type.target(), "tasks")


def threads(process):
    """Yield all threads (struct task_struct *) of the process of @process (struct task_struct *)."""
    yield from lists.entries(process["signal"]["thread_head"], process.type.target().unqualified(),
                             "thread_node")


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


class _Current(gdb.Function):
    """Return the running task, a struct task_struct *."""

    def __init__(self):
        super().__init__("um_current")

    def invoke(self):
        return current()


class _Comm(gdb.Function):
    """Return the name of the running task."""

    def __init__(self):
        super().__init__("um_comm")

    def invoke(self):
        return comm(current())


class _Task(gdb.Function):
    """Return the task of the pid given, a struct task_struct *; NULL if there is none."""

    def __init__(self):
        super().__init__("um_task")

    def invoke(self, pid):
        found = by_pid(int(pid))
        if found is not None:
            return found
        return gdb.Value(0).cast(gdb.lookup_type("struct task_struct").pointer())


_Current()
_Comm()
_Task()
