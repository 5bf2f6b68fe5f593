# SPDX-License-Identifier: GPL-2.0
"""Entries that are neither none nor present: swap slots and what is stored like them.

The types above the swap devices mean something else: migration, hardware
poison, markers (include/linux/swap.h, leafops.h).  How many there are is
configuration; swap_info[] has one element for each real swap device, and
markers always come last.
"""

import gdb

from .machines import machine

# The largest type, on all machines: SWP_TYPE_BITS is 5.
_TYPE_MASK = 0x1F

# PTE_MARKER_* (include/linux/leafops.h, swapops.h before).
MARKERS = ((1, "uffd-wp"), (2, "poisoned"), (4, "guard"))

_MIGRATION = ("migration, read", "migration, read, exclusive", "migration, write")
_DEVICE = ("device, write", "device, read", "device, exclusive")


def kind_and_offset(value):
    """Return (type, offset), ints, of the swap entry @value (int): __swp_type(), __swp_offset()."""
    return machine().swap_parts(value)


def special_names(devices):
    """Return the meanings (list of str) of the types above @devices (int, MAX_SWAPFILES), in order.

    >>> special_names(31)
    ['marker']
    >>> special_names(28)
    ['migration, read', 'migration, read, exclusive', 'migration, write', 'marker']
    """
    others = _TYPE_MASK + 1 - devices - 1
    names = []
    if others % 3 == 1:
        names.append("hardware poison")
    if others >= 3:
        names += _MIGRATION
    if others >= 6:
        names += _DEVICE
    return names + ["marker"]


def devices():
    """Return how many types (int) are real swap devices: MAX_SWAPFILES."""
    try:
        first, last = gdb.parse_and_eval("swap_info").type.range()
    except gdb.error:
        return _TYPE_MASK  # no CONFIG_SWAP
    return last - first + 1


def is_marker(value):
    """Return whether the swap entry @value (int) is a marker: a guard region, poison."""
    return kind_and_offset(value)[0] == _TYPE_MASK


def describe(value):
    """Return the swap entry @value (int) in words.

    >>> describe(0x2000 | 31 << 5 | 2)
    'marker: guard'
    """
    kind, offset = kind_and_offset(value)
    if kind == _TYPE_MASK:
        names = [name for bit, name in MARKERS if offset & bit]
        return "marker: " + (" ".join(names) or f"unknown {offset:#x}")
    first = devices()
    if kind < first:
        exclusive = ", exclusive" if value & machine().SWAP_EXCLUSIVE else ""
        return f"swap: device {kind}, slot {offset:#x}{exclusive}"
    names = special_names(first)
    name = names[kind - first] if kind - first < len(names) else f"swap type {kind}"
    return f"{name}, offset {offset:#x}"
