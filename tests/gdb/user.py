# SPDX-License-Identifier: GPL-2.0
"""pt-user, pt-x, pt-into and pt-out on the program user.c, in ptrace and in seccomp mode."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import gdb  # noqa: E402

import lib  # noqa: E402
from umlab import elf, mm as mms, sched, side, stub, user as model  # noqa: E402
from umlab.commands import user  # noqa: E402

AT, LEN = 0x20000000, lib.LAYOUT["TABLE"]
MARK = f"madvise({lib.LAYOUT['FULL']:#x}, {lib.LAYOUT['BUILT']:#x}, {lib.LAYOUT['MARK']})"
PROGRAM = os.environ["UMLAB_USER"]


def lines():
    """Return {mark (str): line (int)} of the lines marked LINE in user.c."""
    with open(os.path.join(lib.HERE, "user.c"), encoding="ascii") as file:
        return {found.group(1): number for number, line in enumerate(file, 1)
                for found in [re.search(r"/\* LINE: (.*) \*/", line)] if found}


def side_and_line():
    """Return (number of the inferior, function, line) of where gdb stands."""
    frame = gdb.selected_frame()
    return gdb.selected_inferior().num, frame.name(), frame.find_sal().line


def stands(name, command, *expected):
    """As lib.check(): after @command gdb stands at one of @expected, each (inferior, function, mark of the line)."""
    text = lib.output(command)
    places = [(number, function, LINE[mark]) for number, function, mark in expected]
    lib.check(name, side_and_line() in places, f"at {side_and_line()}, expected {places}; {command} printed:\n{text}")
    return text


def call_of_kernel(name, function, **arguments):
    """As lib.check(): the kernel stands in @function, called by our program with @arguments."""
    frame = gdb.selected_frame()
    seen = {}
    if frame.name() == function:
        seen = {key: int(frame.read_var(key)) for key in arguments}
    lib.check(name, frame.name() == function and seen == arguments and sched.by_pid(facts.pid) == sched.current(),
              f"{frame.name()} {seen}, expected {function} {arguments}")


def changed_copy(folder):
    """Return the path of a copy of the program, as large, with another byte in its code."""
    path = os.path.join(folder, "other")
    shutil.copy(PROGRAM, path)
    program = elf.Program(path)
    code = next(load for load in program.loads if load.is_code)
    with open(path, "r+b") as file:
        file.seek(code.offset + 0x10)
        byte = file.read(1)
        file.seek(code.offset + 0x10)
        file.write(bytes([byte[0] ^ 0xFF]))
    return path


def test_shown():
    """What pt-user shows of a program that is in a system call."""
    text = lib.output("pt-user")
    lib.check("the system call, in words", f"user{SUFFIX}, pid {facts.pid}: in {MARK}" in text, text)
    lib.check("the program, its symbols in an inferior of their own",
              re.search(rf"^program {re.escape(PROGRAM)}.*symbols in inferior 2$", text, re.M), text)
    lib.check("its source line", re.search(rf"^=> +{LINE['mark']} .*LINE: mark", text, re.M), text)
    stack = [(f.function, f.line) for f in user.frames(TASK)]
    lib.check("its stack", ("mark", LINE["mark"]) in stack and "main" in [f for f, _ in stack], stack)
    lib.equal("the kernel stays selected", side_and_line()[:2], (1, "do_madvise"))
    gdb.execute("up 2", to_string=True)
    before = gdb.selected_frame().name()
    lib.output("pt-user")
    lib.equal("... and its frame", gdb.selected_frame().name(), before)
    gdb.execute("frame 0", to_string=True)
    lib.like("data where the loader put it", "pt-user do print/x (long)&greeting", rf"= {facts.greeting:#x}$")
    lib.like("... and what is there", "pt-user do print greeting", '= "hello from user space"$')
    lib.like("several commands, in a caller's frame", "pt-user do up; info locals; print status + 7",
             r"^status = 0\n(.|\n)*= 7$")
    lib.like("a process that sleeps", f"pt-user {facts.child}",
             rf"pid {facts.child}: in (\w+\(|the kernel|user space)")
    lib.equal("init, which is another program",
              lib.output("pt-user 1").split("\n")[0].startswith("init, pid 1: in poll("), True)
    lib.check("still no breakpoint of ours", "No breakpoints" in lib.output("info breakpoints"),
              lib.output("info breakpoints"))


def test_memory():
    """pt-x and the functions that read user memory."""
    lib.equal("a string", model.string(SPACE, facts.greeting), (b"hello from user space", True))
    lib.like("pt-x/s", f"pt-x/s {facts.greeting}", '^0x[0-9a-f]+:\t"hello from user space"$')
    lib.like("pt-x, over the edge of a page", f"pt-x/8xb {AT + 0xFFC:#x}", "^0x20000ffc:\t0x75(\t0x75){7}$")
    lib.like("COUNT, and an end", f"pt-x/c {AT + LEN - 8:#x} 7", r"^0x201ffff8:\t97 'a'.*\t0 '\\000'$")
    lib.like("a process by its pid", f"pt-x/s {facts.greeting} 1 {facts.child}", '"hello from user space"')
    word = int.from_bytes(b"hello fr", "little")
    lib.equal("$pt_user_long()", int(gdb.parse_and_eval(f"$pt_user_long({facts.greeting})")), word)
    lib.equal("... of another process",
              int(gdb.parse_and_eval(f"$pt_user_long({facts.greeting}, {facts.child})")), word)
    lib.fails("nothing mapped", "pt-x 0x7000000000", "user memory: 0x7000000000: not present: .*nothing mapped")
    lib.fails("the end of what is mapped", f"pt-x/s {AT + LEN - 8} 2", f"user memory: {AT + LEN:#x}: not present")
    lib.fails("the kernel's half", "pt-x -8", "outside of user space")
    lib.fails("a kernel thread", "pt-x 0x400000 1 2", "no address space")
    lib.fails("no such format", "pt-x/q 0", "format: /q: give one of x d u c s")
    lib.fails("no address", "pt-x", "ADDR: missing")
    lib.fails("no count", "pt-x 0 0", "count: 0: ")
    lib.fails("$pt_user_long() of nothing", "print $pt_user_long(0)", "not present")


def test_files():
    """Which file is taken for the program."""
    with tempfile.TemporaryDirectory() as folder:
        lib.fails("another build of the program", f"pt-user current {changed_copy(folder)}",
                  "not what runs: .*other bytes")
        lib.fails("another program", f"pt-user current {os.environ['UMLAB_OTHER']}",
                  "not what runs: it has [0-9]+ bytes")
        lib.fails("no program", f"pt-user current {os.path.join(lib.HERE, 'user.c')}",
                  "not what runs: no ELF file")
        lib.fails("no file", f"pt-user current {folder}/none", "not what runs: No such file")
        same = shutil.copy(PROGRAM, os.path.join(folder, "same"))
        os.environ["UMLAB_PROGRAM"] = same
        lib.like("the file that UMLAB_PROGRAM names", "pt-user",
                 rf"^program {re.escape(same)} \(.*user{SUFFIX} in the guest\)")
        del os.environ["UMLAB_PROGRAM"]
        core = os.path.join(folder, "core")
        lib.like("a core file", f"pt-user core {core}", "KiB, the user side of")
        stack = subprocess.run(["gdb", "-nx", "-batch", "-ex", "bt", PROGRAM, core], check=False, timeout=60,
                               capture_output=True, text=True).stdout
        lib.check("... that gdb takes", re.search(rf" mark \(.*:{LINE['mark']}$", stack, re.M), stack)
        lib.fails("... in no folder", f"pt-user core {folder}/none/core", "No such file")


def test_ptrace():
    """In ptrace mode the user side stands still only."""
    for command in ("pt-user attach", "pt-out"):
        lib.fails(f"{command}: ptrace mode", command, "mode: ptrace: UML itself traces .*seccomp=on")
    lib.fails("pt-into: nothing attached", "pt-into", "program: none: pt-user attach")


def test_attach():
    """Attached: gdb sees the program through the stub's signal handler."""
    lib.fails("pt-into: nothing attached yet", "pt-into", "program: none: pt-user attach")
    lib.fails("pt-user detach: nothing attached", "pt-user detach", "process: none")
    for setting in ("schedule-multiple", "mem inaccessible-by-default", "auto-load libthread-db"):
        SETTINGS[setting] = gdb.parameter(setting)
    lib.like("pt-user attach", "pt-user attach",
             rf"^inferior 2 is user{SUFFIX}, pid {facts.pid}: process [0-9]+ of the host")
    lib.equal("... once more is no harm", "inferior 2 is" in lib.output("pt-user attach"), True)
    lib.equal("the kernel stays selected", side_and_line()[:2], (1, "do_madvise"))
    with side.selected(2):
        text = lib.output("backtrace")
    lib.check("the stack, from inside the stub", re.search(rf" mark \(.*:{LINE['mark']}$", text, re.M), text)
    lib.like("pt-user shows it", "pt-user", rf"in {re.escape(MARK)}(.|\n)*=> +{LINE['mark']} ")


def test_stepping():
    """From system call to system call, as in a program."""
    text = lib.output("pt-out")
    lib.check("pt-out: what the call gave", f"{MARK} = -22\n" in text, text)
    lib.check("... in main()", side_and_line()[:2] == (2, "main"), side_and_line())
    lib.like("pt-break, from the user side", "pt-break free if pid == 1", "^pt-break [0-9, ]+: stops where a table's memory")
    lib.like("pt-life, from there", "pt-life on", "^Recording the lives of PTE tables")
    lib.output("pt-life off")
    gdb.execute("delete", to_string=True)
    lib.equal("... and gdb stays there", side_and_line()[:2], (2, "main"))
    # The child runs this all the time, and lives on: user.c looks at that.
    gdb.execute("break tick", to_string=True)
    stands("a breakpoint in code that another process runs too", "continue", (2, "tick", "tick"))
    gdb.execute("delete", to_string=True)
    gdb.execute("finish", to_string=True)
    lib.equal("finish", side_and_line()[:2], (2, "reclaim"))
    seen = [side_and_line()[2]]
    while len(seen) < 5 and seen[-1] != LINE["madvise"]:
        gdb.execute("next", to_string=True)
        seen.append(side_and_line()[2])
    lib.check("next, over a page fault up to the call of madvise()", seen[-1] == LINE["madvise"], seen)
    lib.equal("what the program wrote is in memory", model_byte(AT), b"u")
    lib.output("pt-into")
    call_of_kernel("pt-into: the kernel is in madvise()", "__se_sys_madvise", start=AT, len_in=LEN, behavior=4)
    lib.like("pt-user: its caller in the program", "pt-user", rf"MADV_DONTNEED\)(.|\n)*=> +{LINE['madvise']} ")
    text = stands("pt-out: behind the call", "pt-out", (2, "reclaim", "madvise"), (2, "reclaim", "after madvise"))
    lib.like("... the other commands see who runs it", "pt-here", r"runs user(-static)?(-pie)?, pid [0-9]+")
    lib.check("... and its result", f"madvise({AT:#x}, {LEN:#x}, MADV_DONTNEED) = 0" in text, text)
    lib.fails("... where the memory is gone", f"pt-x {AT:#x}", "not present")
    lib.fails("pt-out in user space", "pt-out", "is in user space: pt-into")
    lib.output("finish")
    lib.equal("finish, into its caller", side_and_line()[:2], (2, "main"))
    lib.output("pt-into")
    call_of_kernel("the next one is mmap()", "__se_sys_mmap", addr=0, len=LEN, prot=3, flags=0x22)
    text = lib.output("pt-out")
    found = re.search(r"^mmap\(0, 0x200000, PROT_READ \| PROT_WRITE, MAP_PRIVATE \| MAP_ANONYMOUS, -1, 0\) = "
                      r"(0x\w+)$", text, re.M)
    lib.check("... which gives an address", found, text)
    with side.on_kernel_side():
        vma = mms.find_vma(SPACE, int(found.group(1), 16)) if found else None
        lib.check("... where the kernel has a mapping", vma is not None and vma.end - vma.start >= LEN, vma)
    text = lib.output("pt-into")
    lib.equal("a breakpoint of the kernel's stops the program's step too", gdb.selected_inferior().num, 1)


def model_byte(address):
    """The byte of the program's memory at @address, by the page tables."""
    with side.on_kernel_side():
        return model.read(SPACE, address, 1)


def test_detach():
    """What was set is as before, and nothing is left behind."""
    pid = side.of_inferior(2).pid
    lib.equal("pt-user detach", lib.output("pt-user detach"), "")
    lib.equal("... the settings", {name: gdb.parameter(name) for name in SETTINGS}, SETTINGS)
    lib.check("... no memory region", "There are no memory regions" in lib.output("info mem"), lib.output("info mem"))
    lib.equal("... no breakpoint", [b.number for b in gdb.breakpoints() if b.number > 0], [])
    stop = gdb.Breakpoint("do_madvise", internal=True)
    stop.condition = f"behavior == {lib.LAYOUT['MARK']}"
    lib.resume("RECLAIMED")
    lib.like("the program goes on without gdb", "pt-user", rf"=> +{LINE['mark']} ")
    lib.output("pt-user attach")
    lib.equal("attached again", side.of_inferior(2).pid, pid)
    gdb.execute("kill", to_string=True)
    deadline = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    lib.check("killed with the kernel: the stub is gone", not alive(pid), pid)


def alive(pid):
    """Whether process @pid is there, other than as a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


gdb.execute("set suppress-cli-notifications on")
lib.fails("without a process", "pt-user", "pt-user: kernel: not running")
lib.start()
facts = lib.Facts()
LINE = lines()
SETTINGS = {}
SUFFIX = os.path.basename(PROGRAM)[len("user"):]
TASK = sched.current()
SPACE = mms.of_task(TASK)
test_shown()
test_memory()
test_files()
lib.fails("a kernel thread", "pt-user 2", "has no user side")
lib.fails("no such task", "pt-user 99999", "task: 99999: none")
lib.fails("pt-user do: nothing", "pt-user do", "COMMAND: missing")
lib.fails("pt-user do: no command", "pt-user do nosuch", "Undefined command")
if stub.is_seccomp():
    test_attach()
    test_stepping()
    test_detach()
else:
    test_ptrace()
    lib.resume("RECLAIMED")
    lib.like("further on", "pt-user", rf"=> +{LINE['mark']} ")
    gdb.execute("kill", to_string=True)
lib.fails("after the kernel", "pt-user", "kernel: not running")
lib.finish()
