# SPDX-License-Identifier: GPL-2.0
"""Maple trees, as VMAs are kept in (lib/maple_tree.c), read without trust.

A node's address carries its type in bits 3 to 6.  A pivot is the last index of
its slot; the first zero pivot but one stands for the node's own last index.
"""

import gdb

from . import lists
from .broken import Broken
from .machines import machine

_NODE_MASK = ~0xFF
_TYPE_SHIFT, _TYPE_MASK = 3, 0xF
_LEAF = 1           # maple_leaf_64
_RESERVED = 4096    # MAPLE_RESERVED_RANGE
_HEIGHT_MAX = 31    # MAPLE_HEIGHT_MAX
_LAST = (1 << 64) - 1

# enum maple_type -> the struct of such a node.
_STRUCTS = {1: "maple_range_64", 2: "maple_range_64", 3: "maple_arange_64"}


def entries(tree):
    """Return [(first, last, entry)], ints, of all that @tree (struct maple_tree) holds, by index."""
    root = int(tree["ma_root"])
    if not _is_node(root):
        return [(0, 0, root)] if root else []
    return list(_entries(root, 0, _LAST, 0, set()))


def load(tree, index):
    """Return the entry (int, 0 for none) at @index (int) of @tree (struct maple_tree): mtree_load()."""
    entry = int(tree["ma_root"])
    if not _is_node(entry):
        return entry if index == 0 else 0
    low, high = 0, _LAST
    for _ in range(_HEIGHT_MAX + 1):
        kind = entry >> _TYPE_SHIFT & _TYPE_MASK
        low, high, entry = next(slot for slot in _slots(entry, low, high) if slot[1] >= index)
        if kind <= _LEAF or not entry:
            return entry
    raise Broken(f"maple tree at {int(tree.address):#x}: corrupt: deeper than any can be")


def _is_node(entry):
    return entry & 3 == 2 and entry > _RESERVED


def _entries(node, low, high, depth, seen):
    if depth > _HEIGHT_MAX:
        raise Broken(f"maple node {node:#x}: corrupt: deeper than any tree can be")
    if node in seen:
        raise Broken(f"maple node {node:#x}: corrupt: it is in the tree twice")
    seen.add(node)
    leaf = node >> _TYPE_SHIFT & _TYPE_MASK == _LEAF
    for first, last, entry in _slots(node, low, high):
        if not entry:
            continue
        if leaf:
            yield first, last, entry
        else:
            yield from _entries(entry, first, last, depth + 1, seen)


def _slots(encoded, low, high):
    """Yield (first, last, entry) of each slot in use of the node @encoded, which spans low..high."""
    kind = encoded >> _TYPE_SHIFT & _TYPE_MASK
    if kind not in _STRUCTS:
        raise Broken(f"maple node {encoded:#x}: corrupt: type {kind} is none")
    node = gdb.lookup_type("struct " + _STRUCTS[kind]).pointer()
    node = gdb.Value(encoded & _NODE_MASK & _LAST).cast(node).dereference()
    pivots = _array(node["pivot"])
    slots = _array(node["slot"])
    for number, entry in enumerate(slots):
        last = pivots[number] if number < len(pivots) else high
        if last == 0 and number > 0 or last > high:
            last = high
        yield low, last, entry
        if last >= high:
            return
        low = last + 1


def _array(value):
    """Return the elements (list of int) of @value (gdb.Value, an array of 8-byte words) by one read."""
    return lists.words(int(value.address), value.type.sizeof // 8, machine().order)
