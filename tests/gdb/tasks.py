# SPDX-License-Identifier: GPL-2.0
"""pt-ps, pt-bt and pt-frame against what /proc of the guest says of the tasks of tasks.c."""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import gdb  # noqa: E402

import lib  # noqa: E402
from umlab import sched, stack, syscall  # noqa: E402
from umlab.commands import tasks  # noqa: E402

with open(os.path.join(lib.HERE, "tasks.h"), encoding="ascii") as header:
    # What tasks.c calls with.
    T = {name: int(value) for name, value in re.findall(r"^#define TASKS_(\w+)\s+(\d+)", header.read(), re.M)}
# Where /proc/PID/wchan would be, if this kernel had one.
WAITS_IN = {"t-nap": "nanosleep", "t-read": "pipe", "t-wait": "wait", "t-thread": "pause", "t-futex": "futex",
            "t-vfork": "vfork|clone", "t-stop": "signal"}
# The switch out itself: /proc/PID/stack begins behind.
SWITCH = "switch_threads"


class Facts:
    """What the guest said: {pid: {name of a line: its text, the stack's a list}}, pid by name."""

    def __init__(self):
        self.of, self.pid = {}, {}
        with open(os.environ["UMLAB_FACTS"], encoding="utf-8") as file:
            for line in file:
                what, pid, *rest = line.split()
                known = self.of.setdefault(int(pid), {"stack": []})
                if what == "stack":
                    known["stack"].append(rest[-1])
                else:
                    known[what] = rest
                if what == "task":
                    self.pid[rest[0]] = int(pid)


def start():
    """Boot to start_kernel() and see what the commands say so early, then on to the scenario's first mark."""
    lib.fails("without a process", "pt-ps", "pt-ps: kernel: not running: ")
    gdb.Breakpoint("start_kernel", internal=True, temporary=True)
    gdb.execute("run >/dev/null 2>&1 </dev/null" if os.environ.get("UMLAB_QUIET") else "run", to_string=True)
    lib.like("before the boot: no user process", "pt-ps", "no user process yet; `pt-ps all`")
    lib.like("... but the idle task", "pt-ps all", r"^\* +0 +0 +0 R running .*\[swapper")
    lib.like("... its backtrace", "pt-bt", r"^#0 +start_kernel\(\) at init/main\.c:\d+")
    lib.fails("... and no process 1", "pt-bt 1", "pt-bt: task: 1: none: ")
    # The guest's clock goes on while gdb looks: on a slow machine RCU would call that a stall, and panic.
    gdb.execute("set var rcu_cpu_stall_suppress = 1")
    stop = gdb.Breakpoint("do_madvise", internal=True)
    stop.condition = f"behavior == {lib.LAYOUT['MARK']}"
    lib.resume("BUILT")


def check_rows():
    """Each task's row is what /proc/PID says of it."""
    everyone = list(tasks.rows(True))
    rows = {int(row.task["pid"]): row for row in everyone}
    for name, pid in FACTS.pid.items():
        known, row = FACTS.of[pid], rows[pid]
        lib.equal(f"{name}: name, process, state",
                  (sched.comm(row.task), int(row.task["tgid"]), row.state[0]),
                  (name, int(known["tgid"][0]), known["state"][0]))
        if "vmpte" in known:
            lib.equal(f"{name}: VmPTE, VmRSS", (row.vmpte_kb, row.rss_kb),
                      (int(known["vmpte"][0]), int(known["vmrss"][0])))
        if name in WAITS_IN:
            lib.check(f"{name}: where it waits", re.search(WAITS_IN[name], row.waits_in), row.waits_in)
    # Each CPU has an idle task of its own, all of them with the number 0.
    running = [int(row.task["pid"]) for row in everyone if row.running]
    lib.check("the running ones", len(running) == len(sched.cpus()) and FACTS.main in running, running)


def check_calls():
    """Each sleeping task's system call, arguments and user registers are those of /proc/PID/syscall."""
    for name, pid in FACTS.pid.items():
        known = FACTS.of[pid]["syscall"]
        if known[0] in ("running", "-1"):
            continue
        task = sched.by_pid(pid)
        call = syscall.of_task(task)
        lib.equal(f"{name}: /proc/PID/syscall",
                  [call.number, *call.arguments, syscall.user_sp(task), syscall.user_pc(task)],
                  [int(word, 0) for word in known])


def outer_places(frames):
    """Return @frames (list of sched.Frame) as /proc/PID/stack has them: addresses, or names if the kernel knows those."""
    known = "+" in FACTS.of[FACTS.pid["t-nap"]]["stack"][0]
    # The switch out itself is not in it.
    return [in_words(frame.pc) if known else f"0x{frame.pc:016x}" for frame in frames if not frame.inlined][1:]


def in_words(pc):
    """Return @pc (int) as the kernel's %pB prints it, but for the function's length."""
    name, offset = re.match(r"(\S+)(?: \+ (\d+))?", gdb.execute(f"info symbol {pc - 1:#x}", to_string=True)).groups()
    return f"{name}+{int(offset or 0) + 1:#x}"


def check_stacks():
    """Each sleeping task's frames are those of /proc/PID/stack, with the functions' lines."""
    for name in WAITS_IN:
        frames = sched.frames_of(sched.by_pid(FACTS.pid[name]))
        lib.equal(f"{name}: /proc/PID/stack", outer_places(frames),
                  [place.partition("/")[0] for place in FACTS.of[FACTS.pid[name]]["stack"]])
        lib.check(f"{name}: ... each with its line", frames[0].function == SWITCH and
                  all(frame.file and frame.line > 0 for frame in frames), frames)


def check_ps():
    """What pt-ps prints."""
    read, wait, futex = (FACTS.pid[name] for name in ("t-read", "t-wait", "t-futex"))
    lib.like("pt-ps: a read", "pt-ps", rf"^  +{read} +{read} +\d S sleeping .* t-read .* "
                                       rf"read\({T['FD']}, 0x\w+, {T['LENGTH']}\)$")
    lib.like("... a wait4", "pt-ps", rf"^  +{wait} .* wait4\({int(FACTS.of[wait]['syscall'][1], 0)}, 0x0, 0x40000000, 0x0\)$")
    lib.like("... a futex, of a thread", "pt-ps", rf"^  +{futex} +{FACTS.pid['t-thread']} .* t-futex .* "
                                                  rf"futex\({FACTS.futex}, 128, {T['FUTEX_VALUE']}, ")
    lib.like("... the running one", "pt-ps", rf"^\* +{FACTS.main} .* R running .* madvise\(0x40000000, 1, 4711\)$")
    lib.like("... an uninterruptible, a stopped one, a zombie", "pt-ps",
             r"D uninterruptible .*t-vfork(.|\n)*T stopped .*t-stop(.|\n)*Z zombie .*t-zombie .*exited$")
    lib.like("... one in user space, or kept from it", "pt-ps", r" R (running|runnable) .*t-spin .*(user space|preempted)$")
    lib.check("... no kernel thread", "[" not in lib.output("pt-ps"), lib.output("pt-ps"))
    lib.like("pt-ps all: kernel threads", "pt-ps all", r"^  +2 +2 .* \[kthreadd\] +kthreadd$")
    lib.fails("... another word", "pt-ps every", "argument: every: give all, or nothing")


def check_bt():
    """What pt-bt prints, and that it leaves everything as it was."""
    before = lib.output("bt")
    gdb.execute("frame 2", to_string=True)
    where = lib.output("frame")
    read = FACTS.pid["t-read"]
    lib.like("pt-bt: functions with lines", f"pt-bt {read}",
             r"^#1 +switch_threads\(.*\) at arch/um/os-Linux/skas/process\.c:\d+\n#2 +__switch_to\(")
    lib.like("... and arguments", f"pt-bt {read}",
             rf"^#\d+ +ksys_read\(.*buf={FACTS.of[read]['syscall'][2]}, count=0x{T['LENGTH']:x}.*\) at fs/read_write\.c:\d+$")
    lib.like("... what it waits for", f"pt-bt {read}", rf"^t-read, pid {read}: S sleeping in \w*pipe\w*\(\), read\({T['FD']}, ")
    lib.like("... locals", f"pt-bt {read} full", rf"pipe_read\(.*\n(      .*\n)*      total_len = {T['LENGTH']}\n")
    lib.like("... of a kernel thread", "pt-bt 2", r"^kthreadd, pid 2: (S|R|I) (.|\n)* kthreadd\(.*\) at kernel/kthread\.c:")
    lib.like("... of an idle task", "pt-bt 0", r"^#\d+ +(do_idle|start_kernel)\(")
    lib.like("... by task", f"pt-bt $um_task({read})", "^t-read, pid ")
    lib.like("... of the running one", "pt-bt", rf"^tasks, pid {FACTS.main}: R on CPU \d, gdb thread \d, madvise\(0x40000000, 1, "
             r"4711\)\n#0 +do_madvise\(mm=0x\w+, start=0x40000000, len_in=1, behavior=0x1267\) at mm/madvise\.c:\d+\n#1 +__do_sys_madvise")
    lib.like("... of one that spins", f"pt-bt {FACTS.pid['t-spin']}", r"^#\d+ +userspace\(")
    lib.equal("... thread and frame are as before", lib.output("frame"), where)
    lib.equal("... gdb's own backtrace as well", lib.output("bt"), before)
    gdb.execute("frame 0", to_string=True)
    lib.equal("$um_waits_in() of a pid", gdb.parse_and_eval(f"$um_waits_in({FACTS.pid['t-wait']})").string(), "do_wait")
    lib.equal("... of a task that runs", gdb.parse_and_eval("$um_waits_in($um_current())").string(), "")
    lib.fails("... of no pid", "p $um_waits_in(31000)", "um_waits_in: task: 31000: none")


def check_frame():
    """pt-frame: gdb's own commands work in the task's frames, and nothing is left of it."""
    before, read, nap = lib.output("bt"), FACTS.pid["t-read"], FACTS.pid["t-nap"]
    lib.like("pt-frame: the line where it waits, marked", f"pt-frame {read}", r"\n=> +\d+ .*wait_event")
    lib.equal("... print", int(gdb.parse_and_eval("total_len")), T["LENGTH"])
    gdb.execute("up", to_string=True)
    lib.like("... up", "frame", "vfs_read|new_sync_read")
    lib.like("... info locals", "info locals", " = ")
    level = gdb.selected_frame().level()
    lib.like("... another command leaves it so", f"pt-bt {nap}", "t-nap")
    lib.equal("... in its frame", gdb.selected_frame().level(), level)
    lib.like("... bt", "bt", r"\A#1 .* switch_threads(.|\n)*fork_handler \(.*\n\Z")
    lib.like("... by number", f"pt-frame {read} {level}", rf"^#{level} ")
    lib.like("... another task, by function", f"pt-frame {nap} hrtimer_nanosleep", r"^#\d+ +hrtimer_nanosleep\(")
    asked = T["SECONDS"] * 10 ** 9 + T["NANOSECONDS"]
    late = int(gdb.parse_and_eval("t.timer._softexpires")) - asked
    lib.check("... which sleeps as long as it asked for, from some time after boot", 0 < late < 600 * 10 ** 9, late)
    lib.like("... its registers", "info registers rip", r"<hrtimer_nanosleep\+")
    gdb.execute(f"pt-frame {nap} switch_threads", to_string=True)
    saved = sched.view_of(NAP).registers
    lib.equal("... all that was saved", {name: int(gdb.selected_frame().read_register(name)) for name in saved}, saved)
    lib.fails("... no such frame", f"pt-frame {nap} 77", f"pt-frame: frame: 77: none of that number or function: pt-bt {nap} ")
    lib.fails("... no such function", f"pt-frame {nap} nosuch", "frame: nosuch: none")
    lib.fails("... no task", "pt-frame", "pt-frame: TASK: missing")
    gdb.execute("pt-frame off", to_string=True)
    lib.equal("pt-frame off: gdb's backtrace is as before", lib.output("bt"), before)
    lib.like("... once is enough", "pt-frame off", "is off")
    gdb.execute(f"pt-frame {read}", to_string=True)
    gdb.execute("next", to_string=True)
    lib.equal("next in a task's frame steps the CPU", gdb.newest_frame().name(), "do_madvise")
    lib.like("... whose frames are back", "bt", r"\A#0 +do_madvise (.|\n)*__do_sys_madvise")
    lib.equal("... and the task's gone", (stack.back(), gdb.selected_frame().level()), (False, 0))
    gdb.execute(f"pt-frame {read}", to_string=True)
    gdb.execute("finish", to_string=True)
    lib.equal("finish is the CPU's as well", gdb.newest_frame().name(), "__do_sys_madvise")


def check_corrupt():
    """A saved stack that makes no sense: a message or a short backtrace, never a traceback or a hang."""
    pid = FACTS.pid["t-wait"]
    task = sched.by_pid(pid)
    gdb.set_convenience_variable("waits", task)  # gdb takes seconds for an expression with a cast
    buffer = "$waits->thread.switch_buf[0]"
    low, high = sched.stack_of(task)
    for register, value, expected in (
            ("rip", "0", r"corrupt: switch_buf: rsp 0x\w+, rip 0x0, its stack is 0x"),
            ("rsp", "0x10", "corrupt: switch_buf: rsp 0x10, "), ("rsp", str(high), "corrupt: switch_buf"),
            ("rip", "(long)&fork_handler", r"has never run: it will begin in fork_handler\(\)"),
            ("rip", "(long)&do_madvise", None), ("rsp", str(low), None), ("rsp", str(high - 64), None),
            ("rbp", "0", None), ("rbp", str(low), None), ("rbp", "-8", None)):
        old = int(gdb.parse_and_eval(f"{buffer}.__{register}"))
        gdb.execute(f"set {buffer}.__{register} = {value}")
        name = f"a saved {register} of {value}"
        for command in ("pt-bt", "pt-frame"):
            if expected:
                lib.fails(f"{name}: {command}", f"{command} {pid}", expected)
            else:
                text = lib.output(f"{command} {pid}")
                lib.check(f"{name}: {command}", "Traceback" not in text and "internal" not in text and
                          text.count("\n#") <= stack.LIMIT, text)
        lib.like(f"{name}: pt-ps", "pt-ps", rf"^  +{pid} ")
        gdb.execute(f"set {buffer}.__{register} = {old}")
        gdb.execute("pt-frame off", to_string=True)
    gdb.execute("set $waits->stack = 0")
    lib.fails("a stack that is freed", f"pt-bt {pid}", "exited: its stack is freed")
    gdb.execute(f"set $waits->stack = {low}")
    lib.equal("mended again", len(outer_places(sched.frames_of(task))), len(FACTS.of[pid]["stack"]))


def check_switch():
    """In the middle of __switch_to() a CPU belongs to the next task, and stands on the stack of the one before."""
    gdb.Breakpoint("switch_threads", internal=True, temporary=True)
    gdb.execute(f"pt-frame {FACTS.pid['t-read']}", to_string=True)
    gdb.execute("continue", to_string=True)
    lib.equal("pt-frame ends when the kernel goes on", stack.back(), False)
    lib.like("... gdb's frames are the CPU's", "bt", r"\A#0 +switch_threads")
    before = gdb.newest_frame().older().read_var("from")
    lib.check("while tasks switch: the one before has the thread", int(sched.current()) != int(before) and
              sched.on_cpu()[int(before)].num == gdb.selected_thread().num, lib.output("bt 3"))
    lib.equal("... and its backtrace", sched.frames_of(before)[0].function, SWITCH)
    lib.check("... the next one's is that which was saved", sched.view_of(sched.current()).registers, lib.output("pt-ps all"))


def check_ends(nap):
    """Tasks that have not run yet, and tasks that are gone."""
    stop = gdb.Breakpoint("wake_up_new_task", internal=True, temporary=True)
    stop.condition = "p->mm != 0"  # no worker that the kernel starts meanwhile
    gdb.execute("continue", to_string=True)
    pid = int(gdb.parse_and_eval("p->pid"))
    lib.fails("a task that has never run", "pt-bt p", rf"task tasks, pid {pid}: has never run: it will begin in fork_handler\(\)")
    lib.fails("... its frames", f"pt-frame {pid}", "has never run")
    lib.like("... in the list", "pt-ps", rf"^  +{pid} .* has never run$")
    lib.resume("RECLAIMED")
    lib.fails("a pid that is gone", f"pt-bt {int(FACTS.pid['t-nap'])}", "pt-bt: task: .*: none: ")
    gdb.set_convenience_variable("nap", nap)
    lib.fails("a task that is gone", "pt-bt $nap", "gone: it is in no list of tasks")
    gdb.set_convenience_variable("nap", gdb.Value(0x10).cast(nap.type))
    lib.fails("a task that never was", "pt-bt $nap", "gone: it is in no list")


start()
FACTS = Facts()
FACTS.main = next(pid for pid, known in FACTS.of.items() if "main" in known)
FACTS.futex = FACTS.of[FACTS.main]["futex"][0]
NAP = sched.by_pid(FACTS.pid["t-nap"])
check_rows()
check_calls()
check_stacks()
check_ps()
check_bt()
check_frame()
check_corrupt()
lib.like("help tells the arguments", "help pt-bt", "TASK .*\n.*full ")
lib.like("TAB knows the tasks", f"complete pt-bt {FACTS.main}", f"^pt-bt {FACTS.main}$")
check_switch()
check_ends(NAP)
gdb.execute("kill", to_string=True)
lib.fails("without a process", "pt-bt", "pt-bt: kernel: not running: ")
lib.finish()
