# SPDX-License-Identifier: GPL-2.0
"""pt-host against pagemap, the host's maps, and what stale.c could read."""

import os
import re
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import gdb  # noqa: E402

import lib  # noqa: E402
from umlab import census, host, lists, page, pagetable, source  # noqa: E402
from umlab.machines import uml  # noqa: E402
from umlab.command import space  # noqa: E402

PRESENT, FRAME = 1 << 63, (1 << 55) - 1
PAGE = uml.PAGE_SIZE

with open(os.path.join(lib.HERE, "stale.h"), encoding="ascii") as header:
    for name, value in re.findall(r"^#define STALE_(\w+)\s+(\w+)", header.read(), re.M):
        lib.LAYOUT[name] = int(value, 0)
L = lib.LAYOUT
TABLE, REPLACED, EMPTIED, SPARSE = L["TABLE"], L["REPLACED"], L["EMPTIED"], L["SPARSE"]
HALF = EMPTIED + TABLE // 2


def verdicts(start, end):
    """Return {verdict: pages} of the pages @start..@end."""
    return dict(host.count(host.compare(MM, start, end)))


def is_mapped(addr):
    """Return (offset, perms) that the host's maps say of @addr, read here with other means; None if not mapped."""
    with open(f"/proc/{host.stub_of(MM)}/maps", encoding="utf-8") as maps:
        for line in maps:
            low, high, perms, offset = re.match(r"(\w+)-(\w+) (\S+) (\w+)", line).groups()
            if int(low, 16) <= addr < int(high, 16):
                return int(offset, 16) + addr - int(low, 16), perms
    return None


def poke(value, number):
    """Write @number (int) to where @value (gdb.Value) is; gdb's `set` looks up each name, which takes a second."""
    size = value.type.sizeof
    gdb.selected_inferior().write_memory(int(value.address), (number & (1 << 8 * size) - 1).to_bytes(size, "little"))


def word(where):
    """Return the word (gdb.Value) at kernel address @where, to poke()."""
    return gdb.Value(where).cast(gdb.lookup_type("unsigned long").pointer()).dereference()


def planted(where, value, check):
    """Run @check (a function) while the word at @where is @value; the kernel stays stopped."""
    before = pagetable.read_entry(where)
    poke(word(where), value)
    check()
    poke(word(where), before)


def mark(start, end):
    """Plant what um_tlb_mark_sync() would leave for @start..@end."""
    poke(MM["context"]["sync_tlb_range_from"], start)
    poke(MM["context"]["sync_tlb_range_to"], end)


def at_sync(start, end):
    """Let the kernel run to the sync that finds @start..@end marked; returns the breakpoint."""
    stop = gdb.Breakpoint("um_tlb_sync", internal=True)
    stop.condition = (f"mm == (void *){int(MM):#x} && mm->context.sync_tlb_range_from <= {start:#x} && "
                      f"mm->context.sync_tlb_range_to >= {end:#x}")
    gdb.execute("continue", to_string=True)
    lib.equal(f"stopped at the sync of {start:#x}", gdb.newest_frame().name(), "um_tlb_sync")
    return stop


def has_bugs():
    """Return (1a, 1b): which of the bugs of docs/uml-bugs.md this kernel has; 1a needs tables that are reclaimed."""
    mended = lists.has_field(gdb.lookup_type("struct vm_ops"), "user")
    return gdb.lookup_static_symbol("tlb_remove_table_rcu") is not None and not mended, not mended


lib.start()
facts = lib.Facts()
SPACE = space("current")
MM = SPACE.mm
BUG_A, BUG_B = has_bugs()

# ---- what is in step ----
lib.like("which stub", f"pt-host {SPARSE:#x}", rf"^stale, pid {facts.pid}, mm {int(MM):#x}; its stub on the host is process \d+$")
frames = {addr: entry & FRAME for addr, entry in facts.pages.items() if entry & PRESENT}
wrong = [hex(addr) for addr, frame in list(frames.items())[::97] if (is_mapped(addr) or [0])[0] != frame * PAGE]
lib.equal("the host maps the frames of pagemap at their offsets", wrong, [])
for what, start, pages in (("a full table", REPLACED, 512), ("a sparse one", SPARSE, 512)):
    lib.equal(f"{what}: all the same", verdicts(start, start + TABLE), {"same": pages})
lib.like("... in one line", f"pt-host {REPLACED:#x}-{REPLACED + TABLE:#x}",
         rf"^{REPLACED:#x}-{REPLACED + TABLE:#x} +512  pfn {frames[REPLACED]:#x} .*rwx +pfn {frames[REPLACED]:#x} .*rwx +same$")
lib.like("one page, and what it is", f"pt-host {SPARSE:#x}",
         rf"^{SPARSE:#x}-{SPARSE + PAGE:#x} +1  pfn {frames[SPARSE]:#x} rwx +pfn {frames[SPARSE]:#x} rwx +same\n"
         r"1 same\nwhat the host maps: \(struct page \*\) 0x\w+, references [1-9]")
lib.like("a page that isn't there", f"pt-host {SPARSE + PAGE:#x}", r" 1  none +not mapped +same\n1 that neither maps")
lib.equal("read but not written: the host gives less", verdicts(L["CLEAN"], L["CLEAN"] + L["CLEAN_PAGES"] * PAGE), {"allowed": L["CLEAN_PAGES"]})
lib.equal("... from the middle of a mapping on", verdicts(L["CLEAN"] + 3 * PAGE, L["CLEAN"] + 5 * PAGE), {"allowed": 2})
lib.like("... and why", f"pt-host {L['CLEAN']:#x}", r" rwx clean +pfn \w+ r-x +allowed: read-only until it is dirty$")
lib.like("PROT_NONE", f"pt-host {L['PROTNONE']:#x}", r" pfn \w+ --- +pfn \w+ --- +same$")
everything = verdicts(0, census.limit_of(MM))
lib.equal("nothing is wrong in all of the address space", set(everything), {"same", "allowed"})
lib.equal("$pt_stale()", int(gdb.parse_and_eval("$pt_stale()")), 0)
lib.equal("$pt_stale() of init", int(gdb.parse_and_eval("$pt_stale(1)")), 0)
lib.like("another process", "pt-host 0x400000+0x1000 1", r"^init, pid 1, ")

# ---- entries that are planted; the kernel stays stopped ----
pte = pagetable.walk(MM, SPARSE)[-1]
hole = pagetable.walk(MM, SPARSE + PAGE)[-1]
here = f"pt-host {SPARSE:#x}"
planted(pte.address, 0, lambda: lib.like("taken away, no NEEDSYNC", here, "none +pfn .*STALE: no NEEDSYNC in the pte entry"))
planted(pte.address, 2, lambda: lib.like("taken away, not marked", here, "none, needsync +pfn .*unmarked: "))
planted(pte.address, pte.value + PAGE, lambda: lib.like("another page", here, "STALE: "))
planted(pte.address, pte.value & ~uml.RW, lambda: lib.like("write-protected", here, "r-x +pfn .* rwx +STALE: "))
planted(pte.address, pte.value & ~uml.ACCESSED, lambda: lib.like("not accessed", here, "rwx old +pfn .* rwx +STALE: "))
planted(hole.address, pte.value, lambda: lib.like("there, but not on the host", f"pt-host {SPARSE + PAGE:#x}", "not mapped +MISSING: "))
planted(hole.address, pte.value | 2, lambda: lib.like("... and not marked", f"pt-host {SPARSE + PAGE:#x}", "not mapped +unmarked: "))
mark(SPARSE, SPARSE + 2 * PAGE)
planted(pte.address, 2, lambda: lib.like("taken away and marked", here, "pending: marked for the next sync"))
planted(pte.address, 0, lambda: lib.like("marked does not help without NEEDSYNC", here, "STALE: "))
planted(hole.address, pte.value | 2, lambda: lib.like("put in and marked", f"pt-host {SPARSE + PAGE:#x}", "pending: marked"))
mark(SPARSE + PAGE, SPARSE + 2 * PAGE)
planted(pte.address, 2, lambda: lib.like("its neighbour is marked", here, "unmarked: "))
mark(SPARSE, SPARSE + 2 * PAGE)
lib.like("the mark is shown", here, f"^marked for sync: {SPARSE:#x}-{SPARSE + 2 * PAGE:#x}; ")
mark(0, 0)
pmd = pagetable.walk(MM, SPARSE)[2]
planted(pmd.address, 0xFFFFFFF000 | 0x1E1, lambda: lib.like("a PMD that names no page frame", here, "corrupt pmd entry .* corrupt: "))
planted(pmd.address, page.virt_to_phys(pmd.address & ~0xFFF) | 0x1E1,
        lambda: lib.like("a PMD that names its own table", here, "corrupt pmd entry"))

# ---- the stub's queue ----
in_seccomp = int(gdb.parse_and_eval("using_seccomp"))
physmem_fd = int(gdb.parse_and_eval("physmem_fd"))
queue = gdb.Value(int(MM["context"]["id"]["stack"])).cast(gdb.lookup_type("struct stub_data").pointer())["syscall_data"]
for number, (kind, start) in enumerate(((host._MUNMAP, SPARSE), (host._MMAP, SPARSE + PAGE))):  # pylint: disable=protected-access
    for name, value in (("addr", start), ("length", PAGE), ("fd", 0 if in_seccomp else physmem_fd), ("prot", 7),
                        ("offset", frames[SPARSE] * PAGE)):
        poke(queue[number]["mem"][name], value)
    poke(queue[number]["syscall"], kind)
poke(MM["context"]["id"]["syscall_fd_map"][0], physmem_fd)
length = MM["context"]["id"]["syscall_data_len"]
poke(length, 2)
lib.like("queued calls are shown", here, "queued in the stub: 2 calls; ")
planted(pte.address, 0, lambda: lib.like("an munmap() that is queued", here, "pending: queued in the stub"))
lib.like("... of a page that is there", here, "MISSING: ")
planted(hole.address, pte.value, lambda: lib.like("an mmap() that is queued", f"pt-host {SPARSE + PAGE:#x}", "pending: queued in the stub"))
lib.like("... of a page that is not there", f"pt-host {SPARSE + PAGE:#x}", "not mapped +STALE: soon: ")
poke(length, 1000000)
lib.like("a queue that is longer than it can be", here, "queued in the stub: [0-9]+ calls")
poke(length, -12)
lib.like("a call that failed", here, "a call on the host failed: errno 12$")
poke(length, 0)

# ---- arguments and errors ----
lib.like("help tells its arguments", "help pt-host", "ADDR (.*\n)+ *RANGE (.*\n)+ *TASK ")
lib.like("TAB knows the tasks", "complete pt-host 0x0 cur", "^pt-host 0x0 current$")
lib.fails("no address", "pt-host", r"pt-host: ADDR\|RANGE: missing: ")
lib.fails("no user address", "pt-host -1", "pt-host: address: 0xffffffffffffffff: user space ends at ")
lib.fails("a range that ends before it starts", "pt-host 0x2000-0x1000", "pt-host: range: ")
lib.fails("a kernel thread", "pt-host 0x0 2", "pt-host: task: 2 .*no address space")
lib.fails("the kernel itself", "pt-host 0x0 &init_mm", "stub: .*the kernel itself")
pid = MM["context"]["id"]["pid"]
real = int(pid)
for what, number, pattern in (("a stub that died", -1, "stub: .*it died"), ("a process that is no stub", 1, "stub: process 1: no child "),
                              ("a process that is not there", 999999, "stub: process 999999: no child "),
                              ("another one's stub", int(space("1").mm["context"]["id"]["pid"]), "stub: process .*: doesn't run mm ")):
    poke(pid, number)
    lib.fails(what, here, pattern)
poke(pid, real)


def refuse(*_, **__):
    """open(), where the host says no."""
    raise PermissionError(13, "Permission denied")


host.open = refuse
lib.fails("maps that may not be read", here, "host process .*: may not be read: be the user ")
del host.open

# ---- the bugs: a table populated again before the sync (1b) ----
stop = at_sync(REPLACED, REPLACED + TABLE)
expected = {"pending": 1, "STALE": 511} if BUG_B else {"pending": 512}
lib.equal("a file over a full table, before the sync", verdicts(REPLACED, REPLACED + TABLE), expected)
stop.delete()
lib.resume("POPULATED")
facts = lib.Facts()
expected = {"same": 1, "STALE": 511} if BUG_B else {"same": 512}
lib.equal("... and after it", verdicts(REPLACED, REPLACED + TABLE), expected)
lib.equal("... so many the process could read", facts.replaced_stale, expected.get("STALE", 0))
lib.equal("$pt_stale()", int(gdb.parse_and_eval("$pt_stale()")), facts.replaced_stale)
if BUG_B:
    lib.like("... it looks so", f"pt-host {REPLACED:#x}-{REPLACED + TABLE:#x}",
             rf"^{REPLACED + PAGE:#x}-{REPLACED + TABLE:#x} +511  none +pfn {frames[REPLACED + PAGE]:#x} .* rwx +STALE: ")

# ---- while the table is in an mmu_gather ----
# Flavours other than debug have that function inlined, and no such line.
line = source.line_of("zap_pte_range", "pte_unmap_unlock(start_pte, ptl)")
if line:
    gather = gdb.Breakpoint(line, internal=True)
    gather.condition = f"tlb->mm == (void *){int(MM):#x} && end == {EMPTIED + TABLE:#x}"
    gdb.execute("continue", to_string=True)
    lib.equal("in an mmu_gather, not flushed yet", verdicts(EMPTIED, EMPTIED + TABLE), {"pending": 512})
    lib.like("... which is why", f"pt-host {EMPTIED:#x}",
             r"mmu_gathers open: 1\n(.*\n)*.*needsync .*pending: not marked yet: an mmu_gather is open")
    gather.delete()

# ---- a sync that comes when half of a table is marked (1a) ----
stop = at_sync(EMPTIED, EMPTIED + TABLE)
lib.equal("MADV_DONTNEED, before the sync", verdicts(EMPTIED, EMPTIED + TABLE), {"pending": 512})
mark(EMPTIED, HALF)
by_table = gdb.lookup_static_symbol("tlb_remove_table_rcu") is not None
other = ("at risk" if BUG_A else "pending") if by_table else "unmarked"
lib.equal("half of it marked: this half", verdicts(EMPTIED, HALF), {"pending": 256})
lib.equal("... and the other", verdicts(HALF, EMPTIED + TABLE), {other: 256})
poke(MM["tlb_flush_pending"]["counter"], 1)
lib.equal("... with an mmu_gather open", verdicts(HALF, EMPTIED + TABLE), {"pending" if other == "unmarked" else other: 256})
poke(MM["tlb_flush_pending"]["counter"], 0)
stop.delete()
lib.resume("GONE")
left = ("STALE" if BUG_A else "same") if by_table else "unmarked"
lib.equal("after that sync: this half", verdicts(EMPTIED, HALF), {"same": 256})
lib.equal("... and the other", verdicts(HALF, EMPTIED + TABLE), {left: 256})
mark(HALF, EMPTIED + TABLE)
lib.equal("the other half is marked at last", verdicts(HALF, EMPTIED + TABLE), {"pending" if left == "unmarked" else left: 256})
lib.resume("READ")
facts = lib.Facts()
lib.equal("... and so many the process could read", facts.emptied_stale, 256 if BUG_A else 0)
lib.equal("... which are what is stale", verdicts(EMPTIED, EMPTIED + TABLE).get("STALE", 0), facts.emptied_stale)

# ---- the stub goes ----
process = host.stub_of(MM)
os.kill(process, signal.SIGKILL)
for _ in range(100):
    with open(f"/proc/{process}/maps", encoding="utf-8") as maps:
        if not maps.read():
            break
    time.sleep(0.02)
lib.fails("a stub that was killed", here, "maps: empty: it is ending|stub: process")
gdb.execute("kill", to_string=True)
lib.fails("without a process", here, "pt-host: kernel: not running: ")
lib.finish()
