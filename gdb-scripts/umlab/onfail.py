# SPDX-License-Identifier: GPL-2.0
"""Where the kernel reports that something is wrong, and whose fault it is.

Breakpoints at the places through which all reports go.  Most stop when the report is
complete, so that its text is in the kernel's log: the log has what no debugger knows,
such as who freed what KASAN complains of.  A panic is stopped at its begin, before
the other CPUs are.  Works with symbols alone: all that is read at these places is in registers.
"""

import mmap
import os
import re
import struct
from collections import namedtuple

import gdb

Report = namedtuple("Report", "text until")
Report.__doc__ = """What the kernel reports.

text: in a line (str); until: (pc, sp), ints: the report is complete when the kernel gets to
pc with a stack pointer above sp; None: it is."""

# The taint bits of complaints; the same as in tools/umrun/verdict.c.
TAINTS = {4: "machine check", 5: "bad page, or KASAN report", 7: "oops", 9: "WARNING", 14: "soft lockup"}
_WARN = 9

# Reports that leave no other trace than their text; the same as in tools/umrun/klog.c.
TRACELESS = ("BUG: non-zero pgtables_bytes on freeing mm", "BUG: Bad rss-counter state",
             "pagealloc: memory corruption", "pagealloc: single bit error")

# Functions that report, or that stand between what is wrong and the report.
_MACHINERY = re.compile(r"""
    v?panic | nmi_panic | check_panic_on_warn | panic_on_rcu_stall | add_taint | oops_\w+ | die
    | __warn | warn_slowpath_\w+ | __warn_printk | (__)?report_bug\w* | _?v?printk\w* | dump_stack\w*
    | \w*(kasan|asan|ubsan|kfence|kmsan)\w* | end_report | print_report | check_region_inline
    | bad_page\w* | \w*print_bad_\w+ | free_page_is_bad\w* | page_expected_state | check_(free|new)_pages?\w*
    | slab_(err|bug|fix|pad_check) | object_err | check_(object|bytes_and_report|slab)\w* | \w*free_inconsistent\w*
    | (__)?list_(add|del)_\w*valid\w* | refcount_warn_saturate | debug_print_object | debug_object_\w+
    | __might_(resched|sleep|fault) | check_poison_mem | (__)?kernel_unpoison_pages | unpoison_page | check_mm
    | (__)?debug_locks_off\w* | lockdep_\w+ | (__)?lock_(acquire|release|acquired|contended)\w*
    | validate_chain | check_(noncircular|prev_add|prevs_add|irq_usage|usage|deadlock|wait_context|path)\w*
    | mark_(lock|usage|held_locks)\w* | valid_state | print_\w+ | register_lock_class | match_held_lock
    | (__)?_raw_(spin|read|write)_\w+ | (__)?mutex_(lock|unlock|trylock)\w* | (__)?(down|up)_(read|write)\w*
    | rcu_(read_)?(un)?lock\w* | spin_bug | do_raw_\w+ | rwlock_bug
    | segv | segv_handler | bad_segv | relay_signal | fatal_sigsegv | sig_handler\w* | hard_handler | os_dump_core
""", re.VERBOSE)
# Who finds a stall is the tick; at fault is what it interrupted.
_STALL = re.compile(r"(print|check)_(other_)?cpu_stall|watchdog_\w+")
_TICK = re.compile(r"""
    rcu_\w+ | update_process_times | tick_\w+ | (__)?hrtimer_\w+ | (__)?run_hrtimer\w* | um_timer | \w*handle_\w*irq\w*
    | do_IRQ | timer_handler | timer_(real_)?alarm_handler | irq_\w+ | call_timer_fn | account_\w+
""", re.VERBOSE)
_FRAMES = 60    # of the machinery, at most


def has_debug_info():
    """Return whether the kernel has more than symbols (bool)."""
    return gdb.lookup_global_symbol("start_kernel") is not None


def culprit(frame):
    """Return the first frame (gdb.Frame) from @frame outwards that is no part of reporting."""
    wanted, first = _MACHINERY, frame
    for _ in range(_FRAMES):
        if frame is None:
            break
        name = re.sub(r"\.(isra|constprop|part|cold|lto_priv).*", "", frame.name() or "")
        if _STALL.fullmatch(name):
            wanted = re.compile(f"(?:{_MACHINERY.pattern})|(?:{_STALL.pattern})|(?:{_TICK.pattern})", re.VERBOSE)
        if frame.type() != gdb.SIGTRAMP_FRAME and not wanted.fullmatch(name):
            return frame
        frame = frame.older()
    return first


# What a thread of UML's does that is not at work for the guest.
_IDLE = ("os_idle_sleep", "io_thread", "write_sigio_thread")


def busy_thread():
    """Return the thread (gdb.InferiorThread) of a CPU that is not idle, the selected one if all are."""
    selected = gdb.selected_thread()
    try:
        for thread in [selected] + sorted(gdb.selected_inferior().threads(), key=lambda t: t.num):
            thread.switch()
            frame, names = gdb.newest_frame(), []
            while frame is not None and len(names) < _FRAMES:
                names.append(frame.name())
                frame = frame.older()
            if not any(name in _IDLE for name in names):
                return thread
        return selected
    finally:
        selected.switch()


class Place(gdb.Breakpoint):
    """A function through which reports go, and whose.

    @function: its name (str); @look: function that tells what it is called for:
    returns a Report, or None if it is none.
    """

    def __init__(self, function, look):
        # The first instruction: the arguments are in their registers.
        super().__init__(f"*{function}", internal=True)
        self._look = look
        self.report = None

    def stop(self):
        """gdb asks this on each call of the function."""
        try:
            self.report = self._look()
        except gdb.error:
            self.report = None
        return self.report is not None


class Return(gdb.Breakpoint):
    """The end of a report (Report)."""

    def __init__(self, report):
        pc, self._sp = report.until
        super().__init__(f"*{pc:#x}", internal=True)
        self.report = Report(report.text, None)

    def stop(self):
        """gdb asks this: others may come this way too."""
        return _register("rsp") > self._sp


def watch():
    """Set the breakpoints."""
    for name, look in (("vpanic", _panic), ("warn_slowpath_fmt", _warning), ("__warn", _other_warning),
                       ("add_taint", _taint), ("debug_locks_off", _locks_off),
                       ("lockdep_rcu_suspicious", _rcu_usage)):
        if _exists(name):
            Place(name, look)
    for address, text in _messages(TRACELESS):
        Place(f"{address:#x}", lambda text=text: Report(text, _until(gdb.newest_frame())))


def _panic():
    return Report("panic: " + formatted(_register("rdi"), _va_list(_register("rsi"))), None)


def _warning():
    if os.environ.get("UMLAB_ALLOW_WARN"):
        return None
    text = f"WARNING at {_source(_register('rdi'))}:{_register('rsi') & 0xffffffff}"
    if _register("rcx"):
        text += ": " + formatted(_register("rcx"), _arguments(("r8", "r9")))
    return Report(text, _until(gdb.newest_frame()))


def _other_warning():
    """__warn(): from report_bug(), which UML has not got so far."""
    if os.environ.get("UMLAB_ALLOW_WARN") or (_caller(gdb.newest_frame()).name() or "").startswith("warn_slowpath"):
        return None
    text = f"WARNING at {_source(_register('rdi'))}:{_register('rsi') & 0xffffffff}"
    return Report(text, _until(gdb.newest_frame()))


def _taint():
    flag = _register("rdi") & 0xff
    caller = _caller(gdb.newest_frame()).name() or ""
    # A WARN() has places above, since its own call of this may be inlined.
    if flag not in TAINTS or caller.startswith(("__warn", "warn_slowpath")):
        return None
    if flag == _WARN and os.environ.get("UMLAB_ALLOW_WARN"):
        return None
    frame = culprit(gdb.newest_frame())
    return Report(f"{TAINTS[flag]} in {frame.name()}()", None)


def _locks_off():
    if not _flag("debug_locks") or _flag("debug_locks_silent"):
        return None
    frame = _caller(gdb.newest_frame())
    if "debug_locks_off" in (frame.name() or ""):
        frame = _caller(frame)
    return Report(f"lock debugging: {frame.name()}()", _until(frame))


def _rcu_usage():
    where, line, text = (_register(name) for name in ("rdi", "rsi", "rdx"))
    return Report(f"suspicious RCU usage: {_source(where)}:{line & 0xffffffff}: {_string(text)}",
                  _until(gdb.newest_frame()))


def _function(frame):
    """Return the frame (gdb.Frame) of the function into which @frame is inlined, or itself."""
    while frame.type() == gdb.INLINE_FRAME:
        frame = frame.older()
    return frame


def _caller(frame):
    """Return the frame (gdb.Frame) of the function that called that of @frame."""
    return _function(_function(frame).older())


def _until(frame):
    """Return (pc, sp) of the return of @frame (gdb.Frame)."""
    return _caller(frame).pc(), int(frame.read_register("rsp")) & (1 << 64) - 1


def _register(name):
    return int(gdb.newest_frame().read_register(name)) & (1 << 64) - 1


def _flag(name):
    try:
        return int(gdb.parse_and_eval(f"*(int *)&{name}"))
    except gdb.error:
        return 0


def _exists(name):
    try:
        gdb.parse_and_eval(f"&{name}")
    except gdb.error:
        return False
    return True


# ---- the kernel's file ----

# How x86-64 loads the address of a format into printk's first argument, by code model, and how
# many bytes of address follow: movabs $x,%rdi (UML's), mov $x,%rdi, mov $x,%edi.
_LOADS = ((b"\x48\xbf", 8), (b"\x48\xc7\xc7", 4), (b"\xbf", 4))


def _messages(texts):
    """Yield (address (int), text (str)) of the instructions that are about to print one of @texts (tuple of str).

    A breakpoint at printk itself would cost some milliseconds a line.
    """
    with open(gdb.current_progspace().filename, "rb") as file, \
            mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
        segments = list(_segments(data))
        for text in texts:
            # Behind the level: KERN_SOH and a digit.
            wanted = (base + data.find(text.encode(), begin, end) - begin - 2 for _, base, begin, end in segments
                      if data.find(text.encode(), begin, end) >= 0)
            for fmt in wanted:
                yield from ((address, text) for address in _loads(data, segments, fmt))


def _segments(data):
    """Yield (executable, address, begin, end) of what is loaded of the ELF file @data (bytes-like)."""
    table, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    for number in range(count):
        kind, flags, begin, address, _, length = struct.unpack_from("<IIQQQQ", data, table + number * size)
        if kind == 1 and length:    # PT_LOAD
            yield bool(flags & 1), address, begin, begin + length


def _loads(data, segments, value):
    """Yield the addresses (int) of instructions that load @value (int) as a first argument."""
    for executable, base, begin, end in segments:
        for opcode, size in _LOADS if executable else ():
            found = data.find(opcode + value.to_bytes(8, "little")[:size], begin, end)
            if found >= 0:
                yield base + found - begin
                break


# ---- printf ----

def _word(address, size=8):
    return int.from_bytes(gdb.selected_inferior().read_memory(address, size), "little")


def _string(address, limit=512):
    """Return the C string (str) at @address (int), at most @limit bytes; "?" if there is none."""
    data, memory = b"", gdb.selected_inferior()
    try:
        while len(data) < limit and b"\0" not in data:
            # Not over the end of a page: the next may not be there.
            data += bytes(memory.read_memory(address + len(data), 64 - (address + len(data)) % 64))
    except gdb.MemoryError:
        if not data:
            return "?"
    return data.split(b"\0")[0][:limit].decode(errors="replace")


def _source(address):
    """Return the name of the source file (str) at @address (int) as seen from the top of the kernel's tree."""
    return re.sub(r"^\.\./[^/]*/", "", _string(address))


def _arguments(registers):
    """Yield the arguments (int) of the function at whose first instruction the kernel stands."""
    for name in registers:
        yield _register(name)
    stack = _register("rsp") + 8
    while True:
        yield _word(stack)
        stack += 8


def _va_list(address):
    """Yield the arguments (int) in the va_list at @address (int), as x86-64's ABI has it."""
    used, stack, saved = _word(address, 4), _word(address + 8), _word(address + 16)
    while True:
        if used < 48:
            yield _word(saved + used)
            used += 8
        else:
            yield _word(stack)
            stack += 8


_CONVERSION = re.compile(r"%([-+ #0]*)(\*|\d*)(?:\.(\*|\d*))?(hh|h|ll|l|z|t|L)?([a-zA-Z%])([a-zA-Z]*)")


def formatted(fmt, arguments):
    """Return what printk would make of the format at @fmt (int) and @arguments (iterator of int): one line."""
    def convert(match):
        flags, width, precision, size, kind, _ = match.groups()
        if kind == "%":
            return "%" + match.group(6)
        width, precision = (str(next(arguments) & 0xffffffff) if v == "*" else v for v in (width, precision))
        rest = "" if kind == "p" else match.group(6)
        return _one(kind, next(arguments), flags + width, precision, size) + rest

    text = _string(fmt)
    text = re.sub(r"\x01.", "", text)
    try:
        text = _CONVERSION.sub(convert, text)
    except (gdb.error, ValueError):
        pass    # as far as it goes: the format says enough
    return " ".join(text.split())


def _one(kind, value, field, precision, size):
    """Return the argument @value (int) as conversion @kind (str) with @field and @precision shows it."""
    bits = 64 if size in ("l", "ll", "z", "t", "L") else 32
    if kind == "s":
        text = _string(value)
        return text[:int(precision)] if precision else text
    if kind == "p":
        return f"{value:#x}"
    if kind == "c":
        return chr(value & 0x7f)
    value &= (1 << bits) - 1
    if kind in "di" and value >> bits - 1:
        value -= 1 << bits
    return ("%" + field + {"i": "d", "u": "d"}.get(kind, kind)) % value
