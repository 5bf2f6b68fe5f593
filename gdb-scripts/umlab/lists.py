# SPDX-License-Identifier: GPL-2.0
"""The kernel's linked lists, read without trust: a torn or corrupt one ends, it never hangs."""

import gdb

# More than any list that is looked at here has; a longer one is a loop that misses its head.
LIMIT = 1 << 20


def offset_of(kind, field):
    """Return the offset (int, bytes) of @field (str, dots allowed) in @kind (gdb.Type, a struct)."""
    total = 0
    for part in field.split("."):
        kind = kind.strip_typedefs()
        found = next(f for f in kind.fields() if f.name == part)
        total += found.bitpos // 8
        kind = found.type
    return total


def container_of(pointer, kind, field):
    """Return the @kind (gdb.Type) * whose member @field (str) is at @pointer (gdb.Value or int)."""
    return gdb.Value(int(pointer) - offset_of(kind, field)).cast(kind.pointer())


def entries(head, kind, field):
    """Yield each @kind (gdb.Type) * on the list of @head (struct list_head): list_for_each_entry().

    Raises gdb.MemoryError where a link leads nowhere, gdb.GdbError on a list that has no end.
    """
    offset = offset_of(kind, field)
    pointer = kind.pointer()
    end = int(head.address)
    node = head["next"]
    seen = set()
    while int(node) != end:
        here = int(node)
        if here in seen or len(seen) >= LIMIT:
            raise gdb.GdbError(f"list at {end:#x}: corrupt: its links never come back to its head")
        seen.add(here)
        yield gdb.Value(here - offset).cast(pointer)
        node = node.dereference()["next"]


def has_field(kind, field):
    """Return whether @kind (gdb.Type, a struct) has @field (str), in an anonymous member or not."""
    for found in kind.strip_typedefs().fields():
        if found.name == field:
            return True
        if not found.name and has_field(found.type, field):
            return True
    return False
