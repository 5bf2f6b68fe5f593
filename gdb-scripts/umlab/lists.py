# SPDX-License-Identifier: GPL-2.0
"""The kernel's linked lists, read without trust: a torn or corrupt one ends, it never hangs."""

import gdb

from .broken import Broken

# More than any list that is looked at here has; a longer one is a loop that misses its head.
LIMIT = 1 << 20


def offset_of(kind, field):
    """Return the offset (int, bytes) of @field (str, dots allowed) in @kind (gdb.Type, a struct)."""
    total = 0
    for part in field.split("."):
        offset, kind = _member(kind, part)
        total += offset
    return total


def _member(kind, name):
    """Return (offset, type) of the member @name (str) of @kind (gdb.Type), in an anonymous member or not."""
    for field in kind.strip_typedefs().fields():
        if field.name == name:
            return field.bitpos // 8, field.type
        if not field.name and has_field(field.type, name):
            offset, found = _member(field.type, name)
            return field.bitpos // 8 + offset, found
    raise gdb.error(f"There is no member named {name}.")


def container_of(pointer, kind, field):
    """Return the @kind (gdb.Type) * whose member @field (str) is at @pointer (gdb.Value or int)."""
    return gdb.Value(int(pointer) - offset_of(kind, field)).cast(kind.pointer())


def entries(head, kind, field):
    """Yield each @kind (gdb.Type) * on the list of @head (struct list_head): list_for_each_entry().

    Raises gdb.MemoryError where a link leads nowhere, Broken on a list that has no end.
    """
    offset = offset_of(kind, field)
    pointer = kind.pointer()
    for node in nodes(head):
        yield gdb.Value(node - offset).cast(pointer)


def nodes(head):
    """Yield the address (int) of each struct list_head on the list of @head (another); errors as entries()."""
    end = int(head.address)
    node = head["next"]
    seen = set()
    while int(node) != end:
        here = int(node)
        if here in seen or len(seen) >= LIMIT:
            raise Broken(f"list at {end:#x}: corrupt: its links never come back to its head")
        seen.add(here)
        yield here
        node = node.dereference()["next"]


def has_field(kind, field):
    """Return whether @kind (gdb.Type, a struct) has @field (str), in an anonymous member or not."""
    for found in kind.strip_typedefs().fields():
        if found.name == field:
            return True
        if not found.name and has_field(found.type, field):
            return True
    return False


def byte_order():
    """Return the byte order (str) of the kernel's machine: "little" or "big"."""
    return "big" if "big endian" in gdb.execute("show endian", to_string=True) else "little"


def words(address, count, order=None):
    """Return the @count (int) words (list of int, unsigned long each) at @address (int), by one read.

    @order is what byte_order() gives, for callers that read often.  Raises gdb.MemoryError.
    """
    size = gdb.lookup_type("unsigned long").sizeof
    memory = gdb.selected_inferior().read_memory(address, size * count).tobytes()
    order = order or byte_order()
    return [int.from_bytes(memory[at:at + size], order) for at in range(0, size * count, size)]
