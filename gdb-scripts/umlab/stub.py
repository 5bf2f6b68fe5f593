# SPDX-License-Identifier: GPL-2.0
"""The stub: the process of the host in which UML runs a guest's user space (arch/um/os-Linux/skas/)."""

import gdb

_IN_CHILD = 0  # FUTEX_IN_CHILD, arch/um/include/shared/skas/stub-data.h


def is_seccomp():
    """Return whether UML runs user space in seccomp mode; else in ptrace mode: using_seccomp."""
    return bool(int(gdb.parse_and_eval("using_seccomp")))


def data(mm):
    """Return the page (struct stub_data) that the kernel shares with the stub of @mm (struct mm_struct *)."""
    where = gdb.Value(int(mm["context"]["id"]["stack"]))
    return where.cast(gdb.lookup_type("struct stub_data").pointer()).dereference()


def has_the_word(mm):
    """Return whether it's the stub's turn, not the kernel's, in seccomp mode, @mm being a struct mm_struct *."""
    return int(data(mm)["futex"]) == _IN_CHILD
