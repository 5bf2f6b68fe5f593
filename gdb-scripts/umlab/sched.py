# SPDX-License-Identifier: GPL-2.0
"""Tasks: who runs.

Defines for use at gdb's prompt and in conditions of breakpoints:
  $um_current()  the running task, a struct task_struct *
  $um_comm()     its name: break zap_pte_range if $_streq($um_comm(), "ptworkload")
"""

import gdb


def cpu():
    """Return the number (int) of the guest's CPU that the selected gdb thread is.

    UML keeps it in a thread-local variable (arch/um/os-Linux/smp.c); a
    kernel without SMP has none, and CPU 0 only.
    """
    try:
        return int(gdb.parse_and_eval("__curr_cpu"))
    except gdb.error:
        return 0


def current():
    """Return the running task (struct task_struct *) of the selected gdb thread.

    cpu_tasks[] (arch/um/kernel/process.c) is NULL until the kernel boots.
    """
    return gdb.parse_and_eval("cpu_tasks")[cpu()]


def comm(task):
    """Return the name (str) of @task (struct task_struct *), "" for NULL."""
    if not int(task):
        return ""
    return task["comm"].string(errors="replace")


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


_Current()
_Comm()
