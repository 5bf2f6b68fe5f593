# SPDX-License-Identifier: GPL-2.0
"""pt-here: where the kernel stands, for somebody who has never seen this code."""

import gdb

from .. import events, meanings, mm, sched, source, stack
from ..command import COMMANDS, Command, works_here
from ..drive import panic_message
from .gather import in_use

_DONTNEED = 4  # MADV_DONTNEED, include/uapi/asm-generic/mman-common.h

# What UML handles an interrupt in (arch/um/kernel): the tick, and what the host's signals tell.
_INTERRUPTS = {"timer_handler", "timer_real_alarm_handler", "sigio_handler", "sigio_run_timetravel_handlers", "do_IRQ"}

# What a machine enters the kernel through for a system call: UML, x86-64, powerpc, and what others call by name.
_SYSCALLS = {"handle_syscall", "do_syscall_64", "system_call_exception", "do_syscall"}


class Here(Command):
    """Say where the kernel stands, in words: pt-here

    Which task and CPU, in which system call, the function and line, what that
    does, how the kernel came here, and what comes next in the life of a page
    table.  The first command to type at any stop; `tour` has more to tell."""

    name = "pt-here"

    def run(self):  # pylint: disable=arguments-differ
        with stack.own():
            print(who(source.frames(gdb.newest_frame(), None)))
        if stack.stays():
            print("gdb looks at a task that waits, by pt-frame: `pt-frame off` goes back.")
        frame = gdb.selected_frame()
        way = source.frames(frame, None)
        print(f"In {source.call(frame)} at {source.place(frame)}:")
        for line in source.excerpt(frame, 1, 1):
            print("  " + line)
        _tell_way(way)
        _tell_next(way)
        _tell_more(way)


def who(way):
    """Return in words who runs on this CPU, and why; @way (list of gdb.Frame) is the stack."""
    task = sched.current()
    names = [frame.name() for frame in way]
    if not int(task) or int(gdb.parse_and_eval("system_state")) == 0 and int(task["pid"]) == 0 and "start_kernel" not in names:
        return "The kernel has just started: no task yet."
    if not sched.on_a_cpu():
        return "This thread of the host is a helper of UML's and no CPU of the guest: `info threads`, `thread 1` is CPU 0."
    words = f"CPU {sched.cpu()} runs {sched.describe(task)}"
    if "vpanic" in names:
        return f"The kernel has panicked: {panic_message(way[names.index('vpanic')])}\n{words}."
    if "rcu_do_batch" in names:
        return words + ", interrupted by RCU: what happens here has nothing to do with it."
    if _INTERRUPTS & set(names):
        return words + ", in an interrupt: what happens here has nothing to do with it."
    # In libc, called by userspace() itself or by its wait: the process runs.
    if names[1:2] == ["userspace"] or names[1:3] == ["wait_stub_done_seccomp", "userspace"]:
        return words + ", in user space."
    if not set(names) & set(meanings.MEANINGS):
        return words + "."
    call = _SYSCALLS & set(names)
    kind = "in a page fault" if {"handle_page_fault", "segv"} & set(names) and not call else \
        "in a system call" if call else "in the kernel"
    return f"{words}, {kind}."


def _tell_way(way):
    known = [(frame, meanings.MEANINGS[frame.name()]) for frame in way if frame.name() in meanings.MEANINGS]
    if not known:
        print("\nThis is none of the functions that page tables are made or freed by; `bt` shows the way here.")
        return
    print("\nHow it came here, the outermost first:")
    for frame, meaning in reversed(known):
        mark = "  <- here" if frame == way[0] else ""
        print(f"  {frame.name() + '()':30} {meaning}{mark}")


def _tell_next(way):
    """Where this is in the life of a table, and what is still to come."""
    names = {frame.name() for frame in way}
    for story in ((meanings.RECLAIM,) if events.has_pt_reclaim() else ()) + (meanings.UNMAP,):
        steps = [step.split("|") for step in story]
        if not names & set(steps[1]) and not names & set(steps[0]):
            continue
        reached = max(n for n, step in enumerate(steps) if names & set(step))
        if reached == 0 and not _is_dontneed(way):
            continue
        if reached + 1 < len(steps):
            print("\nStill to come in the life of a table:")
            for step in [[name for name in step if _is_there(name)] for step in steps[reached + 1:]]:
                if not step:
                    continue
                print(f"  {' or '.join(name + '()' for name in step):30} {meanings.MEANINGS.get(step[0], '')}")
        return


def _is_there(function):
    """Whether this kernel has @function (str), inlined or not."""
    try:
        gdb.decode_line(function)
        return True
    except gdb.error:
        return False


def _is_dontneed(way):
    """Whether the madvise() that is about to begin is one that gives pages back."""
    return any(frame.name() == "do_madvise" and source.variable(frame, "behavior") == _DONTNEED for frame in way)


def _tell_more(way):
    hints = []
    address = next((value for frame in way for name in ("addr", "start", "address")
                    for value in (source.variable(frame, name),) if _is_mapped(value)), None)
    if address is not None:
        hints.append((f"pt-walk {address:#x}", "the page tables for that address, entry by entry"))
    if in_use() is not None:
        hints.append(("mg-show", "what has been gathered so far"))
    running = sched.current()
    if int(running) and mm.of_task(running) is not None:
        hints.append(("pt-map", "all tables of this address space"))
    hints += [("rcu-tables", "tables that wait for a grace period"), ("pt-ps", "the tasks"),
              ("tour", "guided tours through this code"), ("pt-help", "all commands")]
    print("\nLook further:")
    for command, what in [hint for hint in hints if _works(hint[0])]:
        print(f"  {command:22} {what}")


def _works(line):
    """Whether the command of @line (str) works on this machine."""
    command = COMMANDS.get(line.split()[0])
    return command is None or works_here(command.only_uml)


def _is_mapped(address):
    """Whether @address (int or None) is in a VMA of the running task."""
    space = mm.of_task(sched.current()) if address and int(sched.current()) else None
    return space is not None and mm.find_vma(space, address) is not None


Here()
