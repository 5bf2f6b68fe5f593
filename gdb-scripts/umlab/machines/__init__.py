# SPDX-License-Identifier: GPL-2.0
"""What differs between the machines that a kernel is built for: one module each.

    machine().name          "uml", "x86_64"...
    machine().levels()      the levels of its page tables

User-mode Linux runs as a process under gdb and is known best: some commands work there only.  The
other architectures of the series run in qemu, to whose stub gdb connects: a gdb thread is a CPU.
"""

import gdb

_found = None


def machine():
    """Return the Machine (base.Machine) that the kernel which gdb has loaded is built for."""
    global _found  # pylint: disable=global-statement
    if _found is None:
        _found = _look()
    return _found


def _look():
    from . import base, ppc64, sparc64, uml, x86_64  # pylint: disable=import-outside-toplevel,cyclic-import
    if gdb.lookup_global_symbol("uml_physmem") is not None:
        return uml.Uml()
    name = gdb.selected_inferior().architecture().name()
    known = {"i386:x86-64": x86_64.X8664, "powerpc:common64": ppc64.Ppc64, "sparc:v9": sparc64.Sparc64}
    # Without symbols it is not known to be another.
    if gdb.lookup_global_symbol("init_task") is None:
        return uml.Uml()
    return known.get(name, base.Machine)()


def _forget(_):
    global _found  # pylint: disable=global-statement
    _found = None


gdb.events.new_objfile.connect(_forget)
gdb.events.clear_objfiles.connect(_forget)
