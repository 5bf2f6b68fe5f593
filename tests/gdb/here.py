# SPDX-License-Identifier: GPL-2.0
"""pt-here at stops of every kind, against the runqueues, gdb's own frames and the guest's word."""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import gdb  # noqa: E402

import lib  # noqa: E402
from umlab import meanings, sched  # noqa: E402

L = lib.LAYOUT
# What the first sentence may end in.
CALL, FAULT = r", in a system call\.", r", in a page fault\."
RCU, USER = r", interrupted by RCU: .*\.", r"(, in user space)?\."
KERNEL = r"(?!.*(system call|page fault|user space)).*\."


def go_to(where, condition=None):
    """Let the kernel run to @where (str), if the C expression @condition (str) holds; what gdb says (str)."""
    stop = gdb.Breakpoint(where, internal=True, temporary=True)
    stop.condition = condition
    return lib.output("continue")


def interrupt(after=0.3):
    """Let the kernel run and stop it as Ctrl-C does, @after seconds."""
    command = f"sleep {after}; kill -INT {gdb.selected_inferior().pid}"
    with subprocess.Popen(["sh", "-c", command]):
        lib.output("continue")


def stack():
    """The names (list of str, None without one) of the selected thread's functions, innermost first."""
    found, frame = [], gdb.newest_frame()
    while frame is not None:
        found.append(frame.name())
        frame = frame.older()
    return found


def runs_here(kind):
    """The first sentence (a regex) of a CPU, which is what its runqueue and the number of its thread say."""
    cpu = gdb.selected_thread().num - 1  # UML starts them in this order
    task = sched.per_cpu(gdb.parse_and_eval("runqueues"), cpu)["curr"]
    return rf"CPU {cpu} runs {re.escape(task['comm'].string())}, pid {int(task['pid'])}{kind}"


def says(name, first):
    """Check all that pt-here says at the stop @name (str); its first line must match @first (regex).

    Returns the functions (list of str) that are still to come, the first of each step.
    """
    text, names = lib.output("pt-here"), stack()
    lines = text.split("\n")
    lib.check(f"{name}: who", re.fullmatch(first, lines[0]), f"{lines[0]}\nexpected a match of: {first}\nin {names}")
    symtab = gdb.newest_frame().find_sal().symtab
    where = lib.output("frame").split("\n")[0]
    found = re.search(r" at (\S+:\d+)$", where) if symtab else None
    place = f"{names[0]}({{}}) at {found.group(1) if found else '?'}:"
    lib.check(f"{name}: which function, where", re.sub(r"\(.*\)", "({})", lines[1]) == f"In {place}", f"{lines[1]}\ngdb: {where}")
    if found:
        here = re.search(r"^  => +(\d+) ", text, re.M)
        lib.equal(f"{name}: the line", here and here.group(1), found.group(1).rpartition(":")[2])
    known = [function for function in names if function in meanings.MEANINGS]
    way = text.partition("How it came here")[2].partition("\n\n")[0]
    lib.equal(f"{name}: the way here", re.findall(r"^  (\w+)\(\) ", way, re.M), known[::-1])
    lib.equal(f"{name}: ... to here", re.findall(r"(\w+)\(\) .*<- here$", way, re.M), [n for n in names[:1] if n in known])
    coming = text.partition("Still to come")[2].partition("\n\n")[0]
    steps = [re.findall(r"\w+", found.group().replace(" or ", " ")) for line in coming.split("\n")[1:]
             for found in (re.match(r" +\w+\(\)( or \w+\(\))*", line),) if found]
    lib.equal(f"{name}: what is still to come is in this kernel", [step for step in steps if not is_known(step)], [])
    steps = [step[0] for step in steps]
    further = re.findall(r"^  ((?:pt|mg|rcu)-.*?)  ", text.partition("Look further")[2], re.M)
    failed = [(command, said) for command in further for said in (lib.output(command),) if said.startswith("ERROR")]
    lib.equal(f"{name}: what it advises works", failed, [])
    return steps


def is_known(names):
    """Whether this kernel has one of the functions @names (list of str), inlined or not."""
    for name in names:
        try:
            gdb.decode_line(name)
            return True
        except gdb.error:
            pass
    return False


def on_each_thread(name):
    """Check what pt-here says on each thread after a Ctrl-C: CPUs, and the thread of the disk, which is none."""
    selected, cpus = gdb.selected_thread(), len(sched.cpus())
    for thread in sorted(gdb.selected_inferior().threads(), key=lambda thread: thread.num):
        thread.switch()
        names = stack()
        if thread.num > cpus:
            says(f"{name}, a thread that is no CPU", r"(?!CPU \d+ runs ).+")
        elif "do_idle" in names:
            says(f"{name}, CPU {thread.num - 1} idle", runs_here(KERNEL))
        else:
            says(f"{name}, CPU {thread.num - 1}", runs_here(USER if is_in_user_space(names) else CALL))
    selected.switch()


def is_in_user_space(names):
    """Whether userspace() itself, or UML's wait, stands in libc: the process runs."""
    return names[1] == "userspace" or names[1:3] == ["wait_stub_done_seccomp", "userspace"]


# ---- boot ----
lib.output("starti")
lib.like("the first instruction", "pt-here", r"\A.*\.\nIn _start\(\) at \?:\n")
lib.check("... where no task runs yet", "CPU 0 runs" not in lib.output("pt-here"), lib.output("pt-here"))
go_to("start_kernel")
says("start_kernel()", runs_here(KERNEL) if int(gdb.parse_and_eval("runqueues")["curr"]) else r".*swapper.*\.|.*no task yet\.")
go_to("worker_thread")
says("a kernel thread", runs_here(KERNEL))

# ---- a process ----
go_to("do_anonymous_page", f"vmf->address == {L['FULL']:#x}")
says("a page fault", runs_here(FAULT))
go_to("do_madvise", f"behavior == {L['MARK']}")
lib.at_mark("BUILT")
FACTS = lib.Facts()
says("a system call", rf"CPU \d runs scenario, pid {FACTS.pid}" + CALL)
RECLAIMS = gdb.lookup_static_symbol("tlb_remove_table_rcu") is not None
go_to("zap_pte_range")
COMING = says("MADV_DONTNEED", rf"CPU \d runs scenario, pid {FACTS.pid}" + CALL)
lib.equal("... a table will go, where it does", "tlb_remove_table" in COMING, RECLAIMS)
TABLE = 0
if RECLAIMS:
    go_to("tlb_remove_table")
    TABLE = int(gdb.newest_frame().read_var("table"))
    LATER = says("its table goes", runs_here(CALL))
    lib.equal("... the rest of the way", LATER, COMING[COMING.index("tlb_remove_table") + 1:])
go_to("tlb_finish_mmu")
LATER = says("the end of the mmu_gather", runs_here(CALL))
lib.equal("... nothing that has been", [step for step in LATER if step in ("madvise_dontneed_single_vma", "zap_pte_range")], [])
lib.equal("... RCU is still to come", "tlb_remove_table_rcu" in LATER, RECLAIMS)
# In a condition, for which gdb has the other threads run.
SAID = go_to("do_madvise", f'$_streq($um_comm(), "scenario") && behavior == {L["MARK"]}')
lib.check("$um_comm() in a condition", "Error in testing" not in SAID, SAID)
lib.at_mark("RECLAIMED")
go_to("tlb_remove_table_rcu" if RECLAIMS else "delayed_put_task_struct")
says("a callback of RCU's", runs_here(RCU))
go_to("update_process_times", '$_any_caller_is("userspace", 60) && !$_any_caller_is("handle_syscall", 60)')
says("a tick while a process runs", runs_here(KERNEL))

# ---- user space, then nothing to do ----
for _ in range(20):
    interrupt()
    if any(is_in_user_space(names) for _, names in
           ((thread.switch(), stack()) for thread in gdb.selected_inferior().threads())):
        break
on_each_thread("Ctrl-C")
with open(os.path.join(os.path.dirname(os.environ["UMLAB_FACTS"]), "idle"), "w", encoding="ascii"):
    pass
go_to("do_nanosleep")
go_to("os_idle_sleep")
says("the idle task", runs_here(KERNEL))
interrupt()
on_each_thread("Ctrl-C at an idle guest")

# ---- what is written by itself: that the stop is no RCU stall ----
for setting, expected in (("off", 7), ("on", -1)):
    gdb.execute(f"set umlab-forgive-stalls {setting}")
    gdb.execute("set var rcu_state.jiffies_stall = 7")
    gdb.execute("stepi", to_string=True)
    lib.equal(f"umlab-forgive-stalls {setting}", int(gdb.parse_and_eval("(long)rcu_state.jiffies_stall")), expected)
lib.like("... and says so", "show umlab-forgive-stalls", "begins anew at each stop: on")
gdb.execute("kill", to_string=True)
lib.fails("without a process", "pt-here", "pt-here: kernel: not running: ")
lib.fails("too many arguments", "pt-here 1", "pt-here: ")
lib.finish()
