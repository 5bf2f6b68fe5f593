# SPDX-License-Identifier: GPL-2.0
"""System calls: which one a task is in, and what it passed (arch/um/kernel/skas/syscall.c)."""

import functools
import re
from collections import namedtuple

import gdb

# Where UML keeps the registers of an argument in uml_pt_regs.gp[]: the host's struct user_regs_struct.
_ARGUMENTS = (14, 13, 12, 7, 9, 8)  # rdi rsi rdx r10 r8 r9
_PC, _SP = 16, 19

Call = namedtuple("Call", "number name arguments")
Call.__doc__ = """A system call: number (int), name (str), arguments (list of int: all six registers)."""


def registers(task):
    """Return the registers (struct uml_pt_regs) with which @task (struct task_struct *) entered the kernel."""
    return task["thread"]["regs"]["regs"]


def of_task(task):
    """Return the Call that @task (struct task_struct *), which is in the kernel, is in; None if in none.

    That of /proc/PID/syscall.  UML notes the number on the way in and -1 when something
    else than a system call led into the kernel.  A task in user space has that of its last one still.
    """
    regs = registers(task)
    number = int(regs["syscall"])
    if number < 0:
        return None
    return Call(number, name(number), [int(regs["gp"][n]) for n in _ARGUMENTS])


def user_pc(task):
    """Return where (int) @task (struct task_struct *) left user space."""
    return int(registers(task)["gp"][_PC])


def user_sp(task):
    """Return the stack pointer (int) with which @task (struct task_struct *) left user space."""
    return int(registers(task)["gp"][_SP])


def name(number):
    """Return the name (str) of the system call @number (int): "nanosleep"; its number if it is unknown.

    sys_call_table's function tells it.
    """
    try:
        table = gdb.parse_and_eval("sys_call_table")
        first, last = table.type.range()
        if not first <= number <= last and last > 0:
            return f"syscall {number}"
        text = gdb.execute(f"info symbol {int(table[number]):#x}", to_string=True)
    except gdb.error:
        return f"syscall {number}"
    found = re.match(r"(?:__)?(?:x64_|se_|do_)?sys_(\w+)", text)
    return found.group(1) if found else f"syscall {number}"


def describe(call):
    """Return @call (Call) as in C: 'read(77, 0x4bd520, 4321)'."""
    kinds = _parameters(call.name)
    if kinds is None:
        return f"{call.name}({', '.join(hex(value) for value in call.arguments)})"
    return f"{call.name}({', '.join(map(_in_c, call.arguments, kinds))})"


@functools.lru_cache(maxsize=None)
def _parameters(call):
    """[(size in bytes, whether signed, whether a pointer)] of each parameter of the call, None if unknown."""
    symbol = (gdb.lookup_static_symbol("__do_sys_" + call) or gdb.lookup_global_symbol("__se_sys_" + call)
              or gdb.lookup_global_symbol("sys_" + call))
    if symbol is None:
        return None
    kinds = [field.type.strip_typedefs() for field in symbol.type.fields()]
    return [(kind.sizeof, kind.code == gdb.TYPE_CODE_INT and kind.is_signed, kind.code == gdb.TYPE_CODE_PTR)
            for kind in kinds]


def _in_c(value, kind):
    size, signed, pointer = kind
    if signed and size == 8 and value >> 16 == 0xFFFF:
        size = 4  # an int whose function gdb does not know, but only the one that takes longs, such as AT_FDCWD
    value &= (1 << 8 * size) - 1
    negative = signed and value >> 8 * size - 1
    if pointer or value >= 1 << 16 and not negative:
        return hex(value)
    return str(value - (1 << 8 * size) if negative else value)
