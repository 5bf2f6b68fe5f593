# SPDX-License-Identifier: GPL-2.0
"""pt-walk against pagemap."""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import gdb  # noqa: E402

import lib  # noqa: E402
import samples  # noqa: E402
from umlab import page, pagetable, sched  # noqa: E402
from umlab.command import space  # noqa: E402
from umlab.commands import walk  # noqa: E402

PRESENT, SWAP = 1 << 63, 1 << 62
FRAME = (1 << 55) - 1


def agrees(addr, entry):
    """Return whether the walk of @addr gives what pagemap's @entry says."""
    last = walk.walk(addr, SPACE)[-1]
    if entry & PRESENT:
        return last.level == "pte" and pagetable.is_present(last.value) and \
            pagetable.pfn(last.value) == entry & FRAME
    if entry & SWAP or entry & 1 << 58:
        return last.level == "pte" and not pagetable.is_none(last.value)
    return pagetable.is_none(last.value)


lib.start()
facts = lib.Facts()
SPACE = space("current")
L = lib.LAYOUT

wrong = [hex(addr) for addr, entry in facts.pages.items() if not agrees(addr, entry)]
lib.equal(f"all {len(facts.pages)} pages are as pagemap says", wrong, [])
present = sum(bool(entry & PRESENT) for entry in facts.pages.values())
lib.check("... and many of them are present", present > 512, f"{present} are")

pfn = facts.pages[L["FULL"]] & FRAME
lib.like("a page that is written", f"pt-walk {L['FULL']:#x}", rf"^pte\[0\] .*present rw user accessed dirty.*pfn {pfn:#x}$")
lib.like("... its page", f"pt-walk {L['FULL']:#x}", rf"-> \(struct page \*\) {int(page.pfn_to_page(pfn)):#x}, references [1-9]")
lib.like("... its VMA", f"pt-walk {L['FULL']:#x}", rf"^VMA +{L['FULL']:#x}-{L['FULL'] + L['TABLE']:#x} rw-p anonymous")
lib.like("... its table is a table", f"pt-walk {L['FULL']:#x}", r"-> pte table at 0x\w+, \(struct ptdesc \*\) 0x\w+, references 1, type table")
lib.like("an empty table", f"pt-walk {L['EMPTY']:#x}", r"^pte\[0\] .* none")
lib.like("a guard marker", f"pt-walk {L['GUARD'] + 8 * 4096:#x}", r"^pte\[8\] .*marker: guard")
lib.like("a page of PROT_NONE", f"pt-walk {L['PROTNONE']:#x}", r"^pte\[0\] .*protnone")
lib.like("a page of a memfd", f"pt-walk {L['SHARED']:#x}", r"^VMA .*rw-s .*memfd:scenario")
lib.like("an address that nothing maps", "pt-walk 0x7000000000", r"^VMA +none")
lib.like("a pid", f"pt-walk {L['FULL']:#x} {facts.pid}", f"in scenario, pid {facts.pid}")
lib.like("a task", f"pt-walk {L['FULL']:#x} $um_task({facts.pid})", f"in scenario, pid {facts.pid}")
lib.like("another process", "pt-walk 0x400000 1", "in init, pid 1")
lib.like("an address space", "pt-walk 0x400000 $um_task(1)->mm", "in init, pid 1")
lib.equal("$pt_page()", int(gdb.parse_and_eval(f"$pt_page({L['FULL']:#x})")), int(page.pfn_to_page(pfn)))
lib.equal("$pt_entry()", int(gdb.parse_and_eval(f'$pt_entry({L["FULL"]:#x}, "pte")')) >> 12, pfn)
lib.like("help tells its arguments", "help pt-walk", "ADDR .*\n.*TASK ")
lib.like("TAB knows the tasks", "complete pt-walk 0x0 cur", "^pt-walk 0x0 current$")
lib.like("TAB knows variables", "complete pt-walk len_", "^pt-walk len_in$")
lib.like("... and their members", "complete pt-walk init_task.com", r"^pt-walk init_task\.comm$")

lib.fails("no address", "pt-walk", "pt-walk: ADDR: missing: ")
lib.fails("too many arguments", "pt-walk 1 current 3", "pt-walk: argument: 3: ")
lib.fails("no such symbol", "pt-walk nosuch", "pt-walk: expression: nosuch: no number: No symbol")
lib.fails("no user address", "pt-walk -1", "pt-walk: address: 0xffffffffffffffff: ")
lib.fails("a kernel thread", "pt-walk 0x0 2", "pt-walk: task: 2 .*no address space")
lib.fails("no such pid", "pt-walk 0x0 99999", "pt-walk: task: 99999: none: ")
lib.fails("no such level", 'p $pt_entry(0x0, "pmx")', "level: pmx")
lib.fails("a task that is none", "pt-walk 0x0 (struct\\ task_struct*)0x10", "pt-walk: ")

# ---- each $function: what makes no sense to it ----
lib.equal("each function is tried", samples.missing(), [])
for name, tried in samples.BAD.items():
    for arguments in tried:
        text = lib.output(f"p ${name}({arguments})")
        lib.check(f"${name}({arguments}): one line", re.fullmatch(r"ERROR: [^\n]+", text), text)

# A table that points to itself, and one that points outside of memory; the kernel stays stopped.
step = walk.walk(L["SPARSE"], SPACE)[2]
for name, value, expected in (("a PMD that names no page frame", 0xFFFFFFF1E1, "corrupt: "),
                              ("a PMD that names its own table", step.address & ~0xFFF, None)):
    if expected is None:
        value = page.virt_to_phys(value) | step.value & 0xFFF
    gdb.execute(f"set *(unsigned long *){step.address:#x} = {value:#x}")
    if expected:
        lib.fails(name, f"pt-walk {L['SPARSE']:#x}", expected)
    else:
        lib.like(name, f"pt-walk {L['SPARSE']:#x}", r"^pte\[0\] ")
    gdb.execute(f"set *(unsigned long *){step.address:#x} = {step.value:#x}")

lib.resume("RECLAIMED")
lib.like("MADV_DONTNEED: the page is gone", f"pt-walk {L['FULL']:#x}", "-> no (page|pte table)")
lib.equal("from the running task", sched.comm(sched.current()), "scenario")
gdb.execute("kill", to_string=True)
lib.fails("without a process", "pt-walk 0x0", "pt-walk: kernel: not running: ")
for name, arguments in samples.CALLS.items():
    if name != "pt_life":  # that asks what was recorded
        lib.fails(f"${name}() without a process", f"p ${name}({arguments})", rf"\${name}: kernel: not running: ")
lib.finish()
