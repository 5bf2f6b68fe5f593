# SPDX-License-Identifier: GPL-2.0
"""What the host maps for a process of the guest, against what the kernel's page tables say.

User space runs in a process of the host, the stub.  The kernel's tables say what that
should map; entries with NEEDSYNC in the range that was marked (um_tlb_mark_sync())
are what the next um_tlb_sync() tells the stub, as mmap() and munmap() calls that are queued in
the page struct stub_data and run before user space does.  Guest memory is one
file: the offset of a mapping is a physical address (phys_mapping()).
"""

import os
import re
from collections import Counter, namedtuple

import gdb

from . import census, lists, page, pagetable, stub, swap
from .broken import Broken
from .machines import uml

_PAGE = uml.PAGE_SIZE

# enum stub_syscall_type (arch/um/include/shared/skas/stub-data.h).
_MMAP, _MUNMAP = 1, 2

NOTHING = "---"

Mapping = namedtuple("Mapping", "frame perms name")
Mapping.__doc__ = """What one page is mapped to: frame (int, of guest memory; None if it is another file), perms
(str, "rw-"), name (str, of that other file; "" for guest memory)."""

Piece = namedtuple("Piece", "start end mapping")
Piece.__doc__ = """Pages start..end (int) that are mapped (Mapping, of the first one; frames count up) or not (None)."""

Entries = namedtuple("Entries", "start end level kind frame perms full needsync")
Entries.__doc__ = """Equal neighbours in the kernel's tables: start, end (int), level (str) of the entries, kind (one of
census.KINDS, or "corrupt"), frame (int) of the first, perms (str) that the host should give, full (str)
those without regard to accessed and dirty, needsync (bool)."""

Due = namedtuple("Due", "marked queue gathers users error")
Due.__doc__ = """What is due for an mm: marked ((from, to), ints, or None), queue (list of Piece, in order: calls that
the stub has yet to run), gathers (int, mmu_gathers that are open), users (int, mm_users: 0 when nobody will
run there again), error (int, errno of a call that failed, negative, or 0)."""

Range = namedtuple("Range", "start end kernel host verdict why frame is_nothing")
Range.__doc__ = """Neighbouring pages with one verdict: start, end (int), kernel and host (str, in words), verdict
(one of VERDICTS), why (str), frame (int, of the first page on the host, None if it has none of guest
memory), is_nothing (bool, neither has a page there)."""

VERDICTS = {
    "same": "the host does what the kernel's tables say",
    "allowed": "the host gives less, since the page isn't accessed or dirty yet",
    "pending": "what is due will mend it, before the process runs",
    "unmarked": "NEEDSYNC, but nothing is marked: so for a moment after an entry is changed; else forgotten",
    "at risk": "a sync that comes before the next flush would forget it (docs/uml-bugs.md, 1a)",
    "STALE": "the process can use what the kernel has taken away, and nothing will mend it",
    "MISSING": "the host gives less, and nothing will mend it: the process would fault for ever",
    "corrupt": "the kernel's tables can't be followed",
}


# ---- the host's side ----

def stub_of(mm):
    """Return the pid (int, as gdb sees it) of the host process that runs @mm (struct mm_struct *).

    Raises Broken where there is none, or none that can be seen from here.
    """
    inside = int(mm["context"]["id"]["pid"])
    if inside <= 0:
        why = "has none: the kernel itself" if census.is_kernel(mm) else "has none: it died, or isn't there yet"
        raise Broken(f"stub: mm {int(mm):#x}: {why}")
    kernel = gdb.selected_inferior().pid
    if _is_stub(inside, inside, kernel):
        return inside
    # UML may be in a PID namespace of its own, gdb outside of it.
    found = next((pid for pid in _pids() if _is_stub(pid, inside, kernel)), None)
    if found is None:
        raise Broken(f"stub: process {inside}: no child of the kernel's process {kernel} has that pid: "
                           "it has ended, or gdb's /proc is another host's")
    return found


def _is_stub(pid, inside, kernel):
    """Whether process @pid is a child of @kernel (pids of ours) and @inside is its pid in its own namespace."""
    status = _read(pid, "status", missing="")
    parent = re.search(r"^PPid:\s*(\d+)", status, re.M)
    pids = re.search(r"^NSpid:\s*(.*)", status, re.M)
    innermost = int(pids.group(1).split()[-1]) if pids else pid
    return parent is not None and int(parent.group(1)) == kernel and innermost == inside


def _pids():
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())


def _read(pid, name, missing=None):
    """Return the text of /proc/@pid/@name; @missing, if given, where there is no such process."""
    try:
        with open(f"/proc/{pid}/{name}", encoding="utf-8", errors="replace") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        if missing is not None:
            return missing
        raise Broken(f"host process {pid}: {name}: it has ended") from None
    except PermissionError:
        raise Broken(f"host process {pid}: {name}: may not be read: be the user that runs UML, or root") from None


Line = namedtuple("Line", "start end perms offset file name")
Line.__doc__ = """A line of maps: start, end (int), perms (str, "rwxs"), offset (int), file ((device, inode)),
name (str)."""


def maps(pid):
    """Return the mappings (list of Line) of the host process @pid (int): /proc/PID/maps.

    Raises Broken if it can't be read, or the process is a zombie.
    """
    found = []
    for line in _read(pid, "maps").splitlines():
        span, perms, offset, device, inode, *name = line.split(None, 5)
        start, end = (int(part, 16) for part in span.split("-"))
        found.append(Line(start, end, perms, int(offset, 16), (device, inode), name[0] if name else "anonymous"))
    if not found:
        raise Broken(f"host process {pid}: maps: empty: it is ending")
    return found


def memory_file(mm):
    """Return the (device, inode) of the file that is the guest's memory.

    It is what UML has mapped where the stub_data of @mm (struct mm_struct *) is.
    """
    where = int(mm["context"]["id"]["stack"])
    for line in maps(gdb.selected_inferior().pid):
        if line.start <= where < line.end:
            return line.file
    raise Broken(f"guest memory: {where:#x}: the kernel's process has nothing mapped there")


def host_pieces(mm, start, end):
    """Return what the stub of @mm (struct mm_struct *) maps in @start..@end (int): (pid, list of Piece).

    The stub's own pages are above TASK_SIZE and not in it.  Raises Broken as stub_of()
    does, and for an mm whose stub isn't there yet.
    """
    pid, memory = stub_of(mm), memory_file(mm)
    lines = maps(pid)
    _must_be_stub(mm, pid, lines, memory)
    pieces = []
    for line in lines:
        low, high = max(line.start, start), min(line.end, end)
        if low >= high:
            continue
        ours = line.file == memory
        frame = line.offset + low - line.start >> uml.PAGE_SHIFT if ours else None
        pieces.append(Piece(low, high, Mapping(frame, line.perms[:3], "" if ours else line.name)))
    return pid, pieces


def _must_be_stub(mm, pid, lines, memory):
    """Raise Broken unless process @pid has the stub_data of @mm mapped where it belongs.

    fork() copies the mm with the pid of the parent's stub, which stays until its own has been started.
    """
    where = int(gdb.parse_and_eval("stub_start")) + _PAGE
    wanted_ = page.virt_to_phys(int(mm["context"]["id"]["stack"]))
    line = next((one for one in lines if one.start <= where < one.end), None)
    if line is None or line.file != memory or line.offset + where - line.start != wanted_:
        raise Broken(f"stub: process {pid}: doesn't run mm {int(mm):#x}: this one's is being started")


def is_running(mm, pid):
    """Return whether the stub @pid (int) of @mm (struct mm_struct *) runs user code now, gdb's stop or not."""
    if stub.is_seccomp():
        return stub.has_the_word(mm)
    state = re.search(r"\) (\S)", _read(pid, "stat"))
    return state is not None and state.group(1) not in "tT"


# ---- what is due ----

def due(mm):
    """Return what is due (Due) for @mm (struct mm_struct *): the marked range, the stub's queue, open gathers."""
    context = mm["context"]
    first, last = int(context["sync_tlb_range_from"]), int(context["sync_tlb_range_to"])
    # The page of the first byte to that of the last one; where `to` is 0 nothing is marked.
    marked = (first & -_PAGE, last + _PAGE - 1 & -_PAGE) if last else None
    length = int(context["id"]["syscall_data_len"])
    error = min(length, 0) or min(int(stub.data(mm)["err"]), 0)
    return Due(marked, _queue(mm, length), int(mm["tlb_flush_pending"]["counter"]),
               int(mm["mm_users"]["counter"]), error)


def _queue(mm, length):
    """The calls (list of Piece) that wait in stub_data; running one of them twice changes nothing.

    One that is just being filled in has a length of 0, or an entry that still says NEEDSYNC.
    """
    calls = stub.data(mm)["syscall_data"]
    memory = int(gdb.parse_and_eval("physmem_fd"))
    found = []
    for number in range(max(0, min(length, calls.type.range()[1] + 1))):
        call = calls[number]["mem"]
        kind, start = int(calls[number]["syscall"]), int(call["addr"])
        piece = Piece(start, start + int(call["length"]), None)
        if kind == _MMAP:
            ours = _fd(mm, int(call["fd"])) == memory
            frame = int(call["offset"]) >> uml.PAGE_SHIFT if ours else None
            piece = piece._replace(mapping=Mapping(frame, _perms(int(call["prot"])), "" if ours else "another file"))
        if kind in (_MMAP, _MUNMAP) and piece.start < piece.end:
            found.append(piece)
    return found


def _fd(mm, number):
    """The kernel's file descriptor for the number @number in a queued call: get_stub_fd()."""
    known = mm["context"]["id"]["syscall_fd_map"]
    if int(gdb.parse_and_eval("using_seccomp")) and 0 <= number <= known.type.range()[1]:
        return int(known[number])
    return number


def _perms(prot):
    """>>> _perms(5)
    'r-x'
    """
    return "".join(name if prot & bit else "-" for bit, name in ((1, "r"), (2, "w"), (4, "x")))


def unmaps_whole_entries():
    """Return whether um_tlb_sync() unmaps all that an empty upper entry covers, or only what is marked of it.

    That is how this kernel has bug 1a of docs/uml-bugs.md mended, which gave vm_ops a field.
    """
    return lists.has_field(gdb.lookup_type("struct vm_ops"), "user")


# ---- the kernel's side ----

def kernel_entries(mm, start, end):
    """Yield the Entries of @mm (struct mm_struct *) that cover @start..@end (int, whole pages) without a gap.

    An entry that can't be followed has kind "corrupt".
    """
    reader = _Reader(start, end)
    last = None
    for found in reader.below(int(mm["pgd"]), 0, 0):
        if last and _continues(last, found):
            last = last._replace(end=found.end)
            continue
        if last:
            yield last
        last = found
    if last:
        yield last


def _continues(last, found):
    """Whether @found goes on where @last ends, with nothing new to tell.

    Upper entries with NEEDSYNC stay single: each is visited by a sync, or not.
    """
    if last[2:4] != found[2:4] or last[5:] != found[5:] or found.needsync and found.level != "pte":
        return False
    return last.frame is None or found.frame == last.frame + (last.end - last.start >> uml.PAGE_SHIFT)


class _Reader:
    """Reads tables for kernel_entries()."""

    def __init__(self, start, end):
        self._start, self._end = start, end
        self._devices, self._seen = swap.devices(), set()
        self._frames = int(gdb.parse_and_eval("max_mapnr"))
        self._base = page.phys_to_virt(0)

    def below(self, table, depth, base):
        """Yield the Entries of the table at @table, whose level is LEVELS[@depth], that serves @base on."""
        level, shift = uml.LEVELS[depth]
        self._seen.add(table)
        values = pagetable.entries(table)
        first = max(0, self._start - base >> shift)
        last = min(uml.ENTRIES, -(base - self._end >> shift))
        for number in range(first, last):
            value, at = values[number], base + (number << shift)
            low, high = max(at, self._start), min(at + (1 << shift), self._end)
            if level == "pte":
                yield self._leaf(value, low, high)
            elif not value & ~uml.NEEDSYNC:
                yield Entries(low, high, level, "none", None, NOTHING, NOTHING, pagetable.needsync(value))
            else:
                yield from self._follow(value, depth, at, low, high)

    def _follow(self, value, depth, at, low, high):
        frame = pagetable.pfn(value)
        table = self._base + (frame << uml.PAGE_SHIFT)
        if not value & uml.PRESENT or frame >= self._frames or table in self._seen:
            yield Entries(low, high, uml.LEVELS[depth][0], "corrupt", None, NOTHING, NOTHING, False)
        else:
            yield from self.below(table, depth + 1, at)

    def _leaf(self, value, low, high):
        kind = census.kind(value, self._devices)
        if kind in ("present", "protnone"):
            return Entries(low, high, "pte", kind, pagetable.pfn(value), *permissions(value), pagetable.needsync(value))
        return Entries(low, high, "pte", kind, None, NOTHING, NOTHING, pagetable.needsync(value))


def permissions(value):
    """Return (perms, full) for the present PTE @value (int): update_pte_range().

    perms: what the host is to give, without write until the page is dirty and without
    either until it is accessed; full: what the PTE allows

    >>> permissions(0xa0b0e1)
    ('r-x', 'rwx')
    """
    if value & uml.PROTNONE:
        return NOTHING, NOTHING
    full = "rwx" if value & uml.RW else "r-x"
    if not value & uml.ACCESSED:
        return "--x", full
    return full if value & uml.DIRTY else "r-x", full


# ---- side by side ----

def compare(mm, start, end):
    """Return the pages @start..@end (int) of @mm (struct mm_struct *) with verdicts: list of Range, by address.

    Asks of each page: if the calls in the stub's queue ran now, and after them um_tlb_sync(), to
    its end, would the host give more than the kernel's tables do?  Raises Broken
    where the stub can't be looked at.
    """
    start, end = start & -_PAGE, min(end + _PAGE - 1 & -_PAGE, census.limit_of(mm))
    waiting = due(mm)
    _, pieces = host_pieces(mm, start, end)
    return _compare(list(kernel_entries(mm, start, end)), pieces, waiting, unmaps_whole_entries())


def stale_pages(mm):
    """Return the number (int) of pages of @mm (struct mm_struct *) that are STALE."""
    return count(compare(mm, 0, census.limit_of(mm)))["STALE"]


def pages_of(found):
    """Return the number (int) of pages in @found (Range)."""
    return found.end - found.start >> uml.PAGE_SHIFT


def count(ranges):
    """Return the pages (Counter: verdict -> int) of @ranges (list of Range)."""
    pages = Counter()
    for found in ranges:
        pages[found.verdict] += pages_of(found)
    return pages


def _compare(entries, pieces, waiting, whole):
    """compare() with everything read: @entries of the kernel, @pieces of the host, Due @waiting, @whole entries."""
    if not entries:
        return []
    queued = overlay(waiting.queue)
    start, end = entries[0].start, entries[-1].end
    edges = {edge for group in (entries, pieces, queued) for one in group for edge in one[:2]}
    edges.update(waiting.marked or ())
    edges = sorted(edge for edge in edges if start <= edge <= end)
    kernel, host, queue = _Cursor(entries), _Cursor(pieces), _Cursor(queued)
    folder = _Folder()
    for low, high in zip(edges, edges[1:]):
        entry = kernel.at(low)
        want = wanted(entry, low)
        now = _mapping(host.at(low), low)
        call = queue.at(low)
        after = now if call is None else _mapping(call, low)
        synced, later = sync(entry, low, waiting.marked, whole)
        if synced:
            after = want
        folder.add(low, high, entry, want, now, judge(entry, want, now, after, later, synced, waiting))
    return folder.done()


class _Cursor:
    """The one of @items (sorted, each with start and end) that holds an address; addresses only go up."""

    def __init__(self, items):
        self._items, self._at = items, 0

    def at(self, address):
        """Return the item that holds @address (int), or None."""
        while self._at < len(self._items) and self._items[self._at].end <= address:
            self._at += 1
        if self._at < len(self._items) and self._items[self._at].start <= address:
            return self._items[self._at]
        return None


def overlay(calls):
    """Return what @calls (list of Piece, in order) leave behind, as sorted Pieces that do not overlap."""
    left = []
    for call in calls:
        kept = []
        for piece in left:
            if piece.start < call.start:
                kept.append(piece._replace(end=min(piece.end, call.start)))
            if piece.end > call.end:
                low = max(piece.start, call.end)
                kept.append(Piece(low, piece.end, _mapping(piece, low)))
        left = kept + [call]
    return sorted(piece for piece in left if piece.start < piece.end)


def _mapping(piece, address):
    """What @piece (Piece or None) maps @address to."""
    if piece is None or piece.mapping is None:
        return None
    frame = piece.mapping.frame
    return piece.mapping._replace(frame=frame + (address - piece.start >> uml.PAGE_SHIFT)) if frame is not None \
        else piece.mapping


def wanted(entry, address):
    """Return what um_tlb_sync() would map (Mapping or None) for @address (int) in @entry (Entries)."""
    if entry.frame is None:
        return None
    return Mapping(entry.frame + (address - entry.start >> uml.PAGE_SHIFT), entry.perms, "")


def sync(entry, address, marked, whole):
    """Return what um_tlb_sync() would do now for @address (int) in @entry (Entries): (synced, later).

    @marked: the range that it walks, or None; @whole: as unmaps_whole_entries()

    synced: bool, it maps or unmaps the page as the entry says
    later: "kept" if the entry still has NEEDSYNC after that, for a flush to come; "lost" if the
    bit is taken off though the page was left out; "" if there is nothing to keep
    """
    if not entry.needsync:
        return False, ""
    if marked is None:
        return False, "kept"
    inside = marked[0] <= address < marked[1]
    if entry.level == "pte":
        return inside, "" if inside else "kept"
    size = 1 << dict(uml.LEVELS)[entry.level]
    first = address & -size
    if not (marked[0] < first + size and marked[1] > first):
        return False, "kept"
    return (True, "") if inside or whole else (False, "lost")


def _useful(mapping):
    return None if mapping is None or mapping.perms == NOTHING else mapping


def excess(mapping, want):
    """Return whether @mapping lets a process do what @want (both Mapping or None) does not."""
    mapping, want = _useful(mapping), _useful(want)
    if mapping is None:
        return False
    if want is None or mapping.frame != want.frame or mapping.name != want.name:
        return True
    return any(have not in ("-", may) for have, may in zip(mapping.perms, want.perms))


def judge(entry, want, now, after, later, synced, waiting):
    """Return (verdict, why), strs, for a page.

    @entry: its Entries; @want: what they ask for; @now: what the host maps; @after: what it will when
    all that is due has run (each a Mapping or None); @later, @synced: as of sync(); @waiting: Due
    """
    if entry.kind == "corrupt":
        return "corrupt", f"the {entry.level} entry can't be followed: see pt-map"
    fits = _useful(after) == _useful(want)
    if not fits and not waiting.users:
        return "pending", "no one runs here any more: the stub will be ended"
    if not fits and later == "lost":
        return "at risk", f"not marked; a sync now takes NEEDSYNC off the whole {entry.level} entry"
    if not fits and later == "kept":
        if waiting.gathers:
            return "pending", "not marked yet: an mmu_gather is open, its flush will"
        return "unmarked", "NEEDSYNC, but not marked: just changed, or forgotten"
    if excess(after, want):
        if not excess(now, want):
            return "STALE", "soon: by a call in the stub's queue, and no sync comes after that"
        return "STALE", f"no NEEDSYNC in the {entry.level} entry: no sync will look here"
    if not fits:
        return "MISSING", "no sync is due that maps it"
    if _useful(now) != _useful(want):
        return "pending", "marked for the next sync" if synced else "queued in the stub"
    if now != want:
        return "allowed", "no access either way"
    if entry.perms != entry.full:
        return "allowed", "not accessed yet" if entry.perms == "--x" else "read-only until it is dirty"
    return "same", ""


# ---- in words ----

class _Folder:
    """Folds pages that have the same to tell into Ranges."""

    def __init__(self):
        self._found, self._open = [], None

    def add(self, low, high, entry, want, now, verdict):
        """Add the pages @low..@high: Entries, what they ask for, what the host maps, (verdict, why)."""
        alike = (entry.level, entry.kind, entry.perms, entry.full, entry.needsync, now and now[1:],
                 now and want and now.frame == want.frame, verdict)
        frames = [m.frame if m else None for m in (want, now)]
        if self._open and self._open[1] == alike:
            self._open[2].extend([low, high, frames])
            return
        self._close()
        self._open = (low, alike, [low, high, frames], entry, now)

    def _close(self):
        if not self._open:
            return
        start, alike, steps, entry, now = self._open
        verdict, why = alike[-1]
        self._found.append(Range(start, steps[-2], kernel_words(entry, _frames(steps, 0)),
                                 host_words(now, _frames(steps, 1)), verdict, why,
                                 now.frame if now else None, now is None and entry.frame is None))
        self._open = None

    def done(self):
        """Return the list of Range."""
        self._close()
        return self._found


def _frames(steps, which):
    """The frames of the pieces in @steps in words: '0x10', '0x10 up', '0x10 ...'.

    @steps: list of low, high, (kernel's frame, host's frame), flat; @which: of these two
    """
    first = steps[2][which]
    if first is None:
        return ""
    start = steps[0]
    straight = all(steps[at + 2][which] == first + (steps[at] - start >> uml.PAGE_SHIFT)
                   for at in range(0, len(steps), 3))
    if steps[-2] - start <= _PAGE:
        return hex(first)
    return f"{first:#x} up" if straight else f"{first:#x} ..."


def kernel_words(entry, frames):
    """Return @entry (Entries) in words; @frames (str) names its page frames."""
    sync_ = ", needsync" if entry.needsync else ""
    if entry.kind == "corrupt":
        return f"corrupt {entry.level} entry"
    if entry.kind == "none" and entry.level != "pte":
        names = [name for name, _ in uml.LEVELS]
        return f"no {names[names.index(entry.level) + 1].upper()} table{sync_}"
    if entry.frame is None:
        return entry.kind + sync_
    lacks = "" if entry.perms == entry.full else " old" if entry.perms == "--x" else " clean"
    return f"pfn {frames} {entry.full}{lacks}{sync_}"


def host_words(mapping, frames):
    """Return @mapping (Mapping or None) in words; @frames (str) names its page frames."""
    if mapping is None:
        return "not mapped"
    return f"{mapping.name} {mapping.perms}" if mapping.frame is None else f"pfn {frames} {mapping.perms}"
