# SPDX-License-Identifier: GPL-2.0
"""The user side of a task: its registers, its memory, its program and what it asked the kernel for.

gdb reads the addresses of UML's own process, where no user page is: those of a
process of the guest are mapped in another process of the host, the stub.
So user memory is read as the kernel does it, through the page tables.
"""

import re
import struct
from collections import namedtuple

import gdb

from . import elf, mm as mms, page, pagetable, stub, swap, syscall
from .command import Problem
from .machines import uml

# The order of uml_pt_regs.gp[]: the host's struct user_regs_struct (arch/x86/um/user-offsets.c).
REGISTERS = ("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi",
             "orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs")

_WORD = (1 << 64) - 1

# Entries of saved_auxv (include/uapi/linux/auxvec.h).
_AT_NULL, _AT_PHDR, _AT_ENTRY, _AT_SYSINFO_EHDR = 0, 3, 9, 33

# Flags and advices by name (include/uapi/asm-generic/mman-common.h, mman.h).
_PROT = ((1, "PROT_READ"), (2, "PROT_WRITE"), (4, "PROT_EXEC"))
_MAP = ((0x10, "MAP_FIXED"), (0x20, "MAP_ANONYMOUS"), (0x100, "MAP_GROWSDOWN"), (0x2000, "MAP_LOCKED"),
        (0x4000, "MAP_NORESERVE"), (0x8000, "MAP_POPULATE"), (0x10000, "MAP_NONBLOCK"), (0x20000, "MAP_STACK"),
        (0x40000, "MAP_HUGETLB"), (0x80000, "MAP_SYNC"), (0x100000, "MAP_FIXED_NOREPLACE"))
_MAP_TYPES = {1: "MAP_SHARED", 2: "MAP_PRIVATE", 3: "MAP_SHARED_VALIDATE"}
_MREMAP = ((1, "MREMAP_MAYMOVE"), (2, "MREMAP_FIXED"), (4, "MREMAP_DONTUNMAP"))
_MSYNC = ((1, "MS_ASYNC"), (2, "MS_INVALIDATE"), (4, "MS_SYNC"))
_ADVICE = {
    0: "MADV_NORMAL", 1: "MADV_RANDOM", 2: "MADV_SEQUENTIAL", 3: "MADV_WILLNEED", 4: "MADV_DONTNEED", 8: "MADV_FREE",
    9: "MADV_REMOVE", 10: "MADV_DONTFORK", 11: "MADV_DOFORK", 12: "MADV_MERGEABLE", 13: "MADV_UNMERGEABLE",
    14: "MADV_HUGEPAGE", 15: "MADV_NOHUGEPAGE", 16: "MADV_DONTDUMP", 17: "MADV_DODUMP", 18: "MADV_WIPEONFORK",
    19: "MADV_KEEPONFORK", 20: "MADV_COLD", 21: "MADV_PAGEOUT", 22: "MADV_POPULATE_READ",
    23: "MADV_POPULATE_WRITE", 24: "MADV_DONTNEED_LOCKED", 25: "MADV_COLLAPSE", 100: "MADV_HWPOISON",
    101: "MADV_SOFT_OFFLINE", 102: "MADV_GUARD_INSTALL", 103: "MADV_GUARD_REMOVE"}

# Pages that nobody has used would make a core file of any size.
CORE_LIMIT = 16 << 20
# Enough to tell two builds of a program apart.
PAGES_COMPARED = 64

Part = namedtuple("Part", "start end path size")
Part.__doc__ = """An ELF file that a process has mapped: start (int, of its first page), end (int), path
(str, in the guest), size (int, bytes, of the file)."""

Run = namedtuple("Run", "start pages")
Run.__doc__ = "Neighbouring pages of user memory: start (int), pages (list of int, the kernel's address of each)."


# ---- registers and state ----

def registers(task):
    """Return {name (str): value (int)} of the user registers of @task (struct task_struct *).

    Those with which it entered the kernel last, and will leave it again.
    """
    words = syscall.registers(task)["gp"]
    return {name: int(words[number]) & _WORD for number, name in enumerate(REGISTERS)}


def at_turn(mm):
    """Return the address (int) of the task that has the stub of @mm (struct mm_struct *) to itself, 0 if none.

    Threads share a stub and take turns: who runs user code holds the turnstile, a mutex.
    """
    # The low three bits are flags (kernel/locking/mutex.h).
    return int(mm["context"]["turnstile"]["owner"]["counter"]) & _WORD & ~7


def in_user_space(task):
    """Return whether @task (struct task_struct *) runs user code now, or is about to: userspace()."""
    mm = mms.of_task(task)
    if mm is None or at_turn(mm) != int(task):
        return False
    return not stub.is_seccomp() or stub.has_the_word(mm)


def describe_call(task):
    """Return the system call that @task is in (str), in the words of its header files; None if it is in none.

    >>> describe_call(task)
    'madvise(0x40000000, 0x200000, MADV_DONTNEED)'
    """
    call = syscall.of_task(task)
    if call is None:
        return None
    values = [value & _WORD for value in call.arguments]
    text = syscall.describe(call)
    named = _NAMED.get(call.name, {})
    found = re.fullmatch(r"(\w+)\((.*)\)", text)
    if not named or not found:
        return text
    words = found.group(2).split(", ")
    for number, in_words in named.items():
        if number < len(words):
            words[number] = in_words(values[number])
    return f"{found.group(1)}({', '.join(words)})"


def _flags(table, nothing="0"):
    def in_words(value):
        value &= 0xFFFFFFFF
        names = [name for bit, name in table if value & bit]
        rest = value & ~sum(bit for bit, _ in table)
        return " | ".join(names + ([hex(rest)] if rest else [])) or nothing
    return in_words


def _map_flags(value):
    kind = _MAP_TYPES.get(value & 3)
    rest = _flags(_MAP, "")(value & ~3)
    return " | ".join(word for word in (kind or str(value & 3), rest) if word)


def _one_of(table):
    return lambda value: table.get(value & 0xFFFFFFFF, str(value & 0xFFFFFFFF))


_size = hex

# Which arguments of which calls have names of their own.
_NAMED = {
    "madvise": {1: _size, 2: _one_of(_ADVICE)},
    "process_madvise": {3: _one_of(_ADVICE)},
    "mmap": {1: _size, 2: _flags(_PROT, "PROT_NONE"), 3: _map_flags},
    "munmap": {1: _size},
    "mprotect": {1: _size, 2: _flags(_PROT, "PROT_NONE")},
    "mremap": {1: _size, 2: _size, 3: _flags(_MREMAP)},
    "msync": {1: _size, 2: _flags(_MSYNC)},
}


# ---- memory ----

def read(mm, address, length):
    """Return @length bytes of user memory at @address (int) of @mm (struct mm_struct *).

    Raises Problem at the first page that is not present: none, in swap, or never used.
    """
    parts = []
    while length > 0:
        inside = address & (uml.PAGE_SIZE - 1)
        count = min(length, uml.PAGE_SIZE - inside)
        parts.append(gdb.selected_inferior().read_memory(_present(mm, address), count).tobytes())
        address, length = address + count, length - count
    return b"".join(parts)


def _present(mm, address):
    """The kernel's address of the byte at user @address."""
    if not 0 <= address < 1 << uml.ADDRESS_BITS - 1:
        raise Problem("user memory", hex(address), "outside of user space")
    last = pagetable.walk(mm, address)[-1]
    start = pagetable.reaches(last)
    if start is not None and last.level == "pte":
        return start + (address & (uml.PAGE_SIZE - 1))
    what = "none" if pagetable.is_none(last.value) else swap.describe(last.value)
    vma = mms.find_vma(mm, address)
    raise Problem("user memory", hex(address), f"not present: {last.level} entry {what}, " +
                  (f"in {mms.describe(vma)}" if vma else "nothing mapped"))


def unsigned_long(mm, address):
    """Return the 8 byte word (int) of user memory at @address (int) of @mm; errors as of read()."""
    return int.from_bytes(read(mm, address, 8), "little")


def string(mm, address, limit=200):
    """Return (what, whether it ends) of the string at @address (int) of @mm: bytes, bool, at most @limit bytes."""
    found = b""
    while len(found) < limit:
        count = min(limit - len(found), uml.PAGE_SIZE - (address + len(found)) % uml.PAGE_SIZE)
        part = read(mm, address + len(found), count)
        if b"\0" in part:
            return found + part[:part.index(b"\0")], True
        found += part
    return found, False


def present_runs(mm, limit=None):
    """Return ([Run], left out): the pages of @mm that are present, neighbours together, by address.

    @limit: bytes at most, smaller mappings first; what doesn't fit is left out (list of mm.Vma).
    """
    runs, left_out, total = [], [], 0
    base = page.phys_to_virt(0)
    for vma in sorted(mms.vmas(mm), key=lambda vma: vma.end - vma.start):
        here = []
        for table in pagetable.tables(mm, vma.start, vma.end):
            if table.level == "pte":
                _add_present(here, table, vma, base)
        size = sum(len(run.pages) for run in here) * uml.PAGE_SIZE
        if limit is not None and total + size > limit:
            left_out.append(vma)
            continue
        total += size
        runs += here
    return sorted(runs), left_out


def _add_present(runs, table, vma, base):
    """Add what is present in @table (pagetable.Table), of @vma, to @runs; @base: where physical memory begins."""
    for number, value in enumerate(pagetable.entries(table.address)):
        start = table.start + (number << uml.PAGE_SHIFT)
        if not vma.start <= start < vma.end or not value & uml.PRESENT:
            continue
        if not runs or runs[-1].start + len(runs[-1].pages) * uml.PAGE_SIZE != start:
            runs.append(Run(start, []))
        runs[-1].pages.append(base + (pagetable.pfn(value) << uml.PAGE_SHIFT))


def write_core(task, file, limit=None, libraries=True):
    """Write the user side of @task (struct task_struct *) as a core file for gdb to @file (binary, open).

    @limit as in present_runs(); without @libraries gdb does not look for libraries by itself.  Returns
    the mappings (list of mm.Vma) that were left out.
    """
    mm = mms.of_task(task)
    runs, left_out = present_runs(mm, limit)
    told = _auxv_bytes(mm)
    if not libraries:
        told = struct.pack("<4Q", _AT_SYSINFO_EHDR, auxv(mm).get(_AT_SYSINFO_EHDR, 0), _AT_NULL, 0)
    pieces = [(run.start, len(run.pages) * uml.PAGE_SIZE, map(_page_or_zeroes, run.pages)) for run in runs]
    for piece in elf.core(list(registers(task).values()), int(task["pid"]), told, pieces):
        file.write(piece)
    return left_out


def _page_or_zeroes(where):
    """The page at @where (int) of the kernel's memory; zeroes if a corrupt entry says that it is there."""
    try:
        return gdb.selected_inferior().read_memory(where, uml.PAGE_SIZE)
    except (gdb.error, OverflowError):
        return bytes(uml.PAGE_SIZE)


# ---- the program ----

def auxv(mm):
    """Return {type: value} (ints) of what the kernel told the program at its start: saved_auxv."""
    words = [value for value, in struct.iter_unpack("<Q", _auxv_bytes(mm))]
    return dict(zip(words[::2], words[1::2]))


def _auxv_bytes(mm):
    vector = mm["saved_auxv"]
    return gdb.selected_inferior().read_memory(int(vector.address), vector.type.sizeof).tobytes()


def program_of(mm):
    """Return (path in the guest (str), bytes (int)) of the program of @mm, None if it has none: exe_file."""
    file = mm["exe_file"]
    return (mms.path_of(file), _size_of(file)) if int(file) else None


def _size_of(file):
    return int(file["f_inode"]["i_size"])


def parts(mm):
    """Return the files (list of Part) that @mm has mapped with code in them: its program and libraries."""
    found = {}
    for vma in mms.vmas(mm):
        file = vma.value["vm_file"]
        if int(file):
            found.setdefault(int(file["f_inode"]), []).append(vma)
    return [_part(vmas) for vmas in found.values() if any("x" in mms.permissions(vma) for vma in vmas)]


def _part(vmas):
    # The mapping of the file's start is the one that its addresses count from.
    first = next((vma for vma in vmas if int(vma.value["vm_pgoff"]) == 0), vmas[0])
    file = first.value["vm_file"]
    return Part(first.start, vmas[-1].end, mms.path_of(file), _size_of(file))


def bias_of_program(mm, program):
    """Return by how much (int) the program of @mm is moved from its linked addresses.

    @program: elf.Program.  Raises ValueError, with the reason, if @program can't be what @mm runs.
    """
    told = auxv(mm)
    bias = told.get(_AT_PHDR, 0) - program.header
    if _AT_PHDR not in told:
        raise ValueError("the process has not started it yet")
    if told.get(_AT_ENTRY) != program.entry + bias or bias % uml.PAGE_SIZE or program.is_fixed and bias:
        raise ValueError("its program headers and its entry are not where the process has them")
    must_be(mm, program, bias)
    return bias


def bias_of_part(mm, part, library):
    """Return by how much (int) the library of @part (Part) of @mm is moved; @library and errors as above."""
    bias = part.start - (library.loads[0].address & -uml.PAGE_SIZE)
    must_be(mm, library, bias)
    return bias


def must_be(mm, program, bias):
    """Raise ValueError if the guest has other bytes in a page of @program (elf.Program, moved by @bias).

    Looks at the headers and the code, which are the same wherever a program was moved, as far as it is
    present, and at PAGES_COMPARED at most.
    """
    memory, compared = gdb.selected_inferior().read_memory, 0
    base = page.phys_to_virt(0)
    for start, expected in program.pages():
        if compared >= PAGES_COMPARED:
            return
        value = pagetable.walk(mm, start + bias)[-1]
        if value.level != "pte" or not value.value & uml.PRESENT:
            continue
        found = memory(base + (pagetable.pfn(value.value) << uml.PAGE_SHIFT), uml.PAGE_SIZE)
        if found.tobytes() != expected:
            raise ValueError(f"the process has other bytes at {start + bias:#x}: another build of it?")
        compared += 1
