# SPDX-License-Identifier: GPL-2.0
"""A kernel without debug information: each command and function does its work, or says what it needs."""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import gdb  # noqa: E402

import lib  # noqa: E402
import samples  # noqa: E402

NEEDS = r"\bF=debug\b"


def places():
    """How many breakpoints there are, internal ones of Python's too."""
    return len(re.findall(r"^-?\d+ +\w*breakpoint ", lib.output("maint info breakpoints"), re.M))


def needs_debug(name, command):
    """Check that @command (str) says in one line what it needs, and leaves nothing behind."""
    before, text = places(), lib.output(command)
    lib.check(f"{name}: needs F=debug", text.startswith("ERROR: ") and re.search(NEEDS, text) and
              "\n" not in text, text)
    lib.equal(f"{name}: leaves nothing behind", (places(), gdb.selected_inferior().num, len(gdb.inferiors())), (before, 1, 1))


def works(command):
    """Check that @command (str) does its work."""
    text = lib.output(command)
    lib.check(f"{command}: works", not text.startswith("ERROR: "), text)


def not_running(name, command):
    """Check that @command (str) says in one line that there is no process, or what it needs."""
    text = lib.output(command)
    lib.check(f"{name}: without a process", re.match(rf"ERROR: [^\n]*(: kernel: not running: |{NEEDS})", text), text)


lib.equal("each command and function is tried", samples.missing(), [])
GOOD = {name: f"{name} {arguments}" for name, arguments in samples.GOOD.items() if name not in samples.ALWAYS}
CALLS = {f"${name}()": f"p ${name}({arguments})" for name, arguments in samples.CALLS.items() if name != "pt_life"}
TRIED = list(GOOD.items()) + list(CALLS.items())
for what, how in TRIED:
    if what in ("pt-break", "pt-life"):  # these may be set up before the kernel runs
        needs_debug(what, how)
    else:
        not_running(what, how)
gdb.Breakpoint("tlb_finish_mmu", internal=True, temporary=True)
lib.output("run")
lib.equal("the kernel has no debug information", (gdb.newest_frame().name(), gdb.newest_frame().find_sal().symtab),
          ("tlb_finish_mmu", None))
for what, how in TRIED:
    needs_debug(what, how)
for how in samples.ALWAYS:
    works(how)
lib.like("its frames are gdb's still", "bt 1", "^#0 .*tlb_finish_mmu")
needs_debug("a race", "pt-race uaccess")
needs_debug("a tour", "tour commands")
lib.finish()
