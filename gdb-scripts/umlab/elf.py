# SPDX-License-Identifier: GPL-2.0
"""ELF files of the host: what programs are, and core files of guest processes.  64 bit, little endian."""

import struct
from collections import namedtuple

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_LOAD, _NOTE = 1, 4
_CODE = 1  # PF_X
_EXEC, _DYN, _CORE = 2, 3, 4
_X86_64 = 62
PAGE = 4096

# Notes of a core file (include/uapi/linux/elf.h).
_PRSTATUS, _AUXV = 1, 6

Segment = namedtuple("Segment", "offset address filesz is_code")
Segment.__doc__ = "One part that is mapped: offset in the file, linked address, filesz (int, bytes), is_code (bool)."


class NotElf(ValueError):
    """This file is no program; the message says why."""


class Program:
    """An ELF program or library of the host.

    path (str), size (int, bytes), entry (int), is_fixed (bool: runs at its linked addresses only), loads
    (list of Segment), header (int: the linked address of its program headers).
    """

    def __init__(self, path):
        """Read the file @path (str).  Errors: OSError, NotElf."""
        self.path = path
        with open(path, "rb") as file:
            self._data = file.read()
        self.size = len(self._data)
        if self._data[:6] != b"\x7fELF\x02\x01" or self.size < _HEADER.size:
            raise NotElf("no ELF file of 64 bit")
        kind, machine, _, self.entry, where = _HEADER.unpack_from(self._data)[1:6]
        size, count = _HEADER.unpack_from(self._data)[9:11]
        if kind not in (_EXEC, _DYN) or machine != _X86_64 or size != _SEGMENT.size:
            raise NotElf("no program or library for x86-64")
        if where + size * count > self.size:
            raise NotElf("cut off in its program headers")
        self.is_fixed = kind == _EXEC
        segments = [_SEGMENT.unpack_from(self._data, where + size * n) for n in range(count)]
        self.loads = [Segment(s[2], s[3], s[5], bool(s[1] & _CODE)) for s in segments if s[0] == _LOAD]
        if not self.loads:
            raise NotElf("has nothing to load")
        self.header = self.loads[0].address - self.loads[0].offset + where

    def pages(self):
        """Yield (linked address, bytes) of the pages that no loader changes: the first, and those with code."""
        first = self.loads[0]
        for load in [first._replace(filesz=min(first.filesz, PAGE))] + [load for load in self.loads if load.is_code]:
            start = load.address & -PAGE
            for at in range(start, load.address + load.filesz, PAGE):
                found = self._data[load.offset - load.address + at:][:PAGE]
                if len(found) == PAGE:
                    yield at, found


def core(registers, pid, auxv, runs):
    """Yield the pieces (bytes) of a core file of one thread, for gdb.

    @registers: 27 ints, as struct user_regs_struct has them; @pid: int
    @auxv: bytes, as in the process; @runs: list of (address, length, pieces), the pieces
    bytes-like and of that length together
    """
    status = struct.pack("<32xiiii64x27Q8x", pid, 0, 0, 0, *registers)
    notes = _note(_PRSTATUS, status) + (_note(_AUXV, auxv) if auxv else b"")
    at = _HEADER.size + _SEGMENT.size * (1 + len(runs))
    yield _HEADER.pack(b"\x7fELF\x02\x01\x01", _CORE, _X86_64, 1, 0, _HEADER.size, 0, 0,
                       _HEADER.size, _SEGMENT.size, 1 + len(runs), 0, 0, 0)
    yield _SEGMENT.pack(_NOTE, 0, at, 0, 0, len(notes), len(notes), 4)
    data = first = -(-(at + len(notes)) // PAGE) * PAGE
    for address, length, _ in runs:
        yield _SEGMENT.pack(_LOAD, 7, data, address, 0, length, length, PAGE)
        data += length
    yield notes + bytes(first - at - len(notes))
    for _, _, pieces in runs:
        yield from pieces


def _note(kind, data):
    return struct.pack("<III8s", 5, len(data), kind, b"CORE") + data + bytes(-len(data) % 4)
