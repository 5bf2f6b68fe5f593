# SPDX-License-Identifier: GPL-2.0
"""RCU: grace periods, the callbacks that wait for one, and the clock that RCU lives by.

Tree RCU has a list of callbacks for each CPU, in four segments by the grace
period that they wait for (include/linux/rcu_segcblist.h); tiny RCU, of kernels
without SMP, has one list of two (kernel/rcu/tiny.c).  Callbacks whose grace
period is over are moved to a list on the stack of the function that runs them.
"""

from collections import namedtuple

import gdb

from . import gather, lists, sched, source

# The low bits of gp_seq say in which phase the grace period is
# (RCU_SEQ_CTR_SHIFT, kernel/rcu/rcu.h).
_SEQ_SHIFT = 2
_STATE_MASK = (1 << _SEQ_SHIFT) - 1

# The counter starts that many below zero, so that a wrap is seen early (kernel/rcu/tree.c).
_START = 300

# What a segment's gp_seq can be besides a number (RCU_GET_STATE_*, kernel/rcu/rcu.h).
_COMPLETED, _NOT_TRACKED = 1, 2

# More callbacks than this in one list are not read: they would take seconds.
CALLBACKS_MAX = 100000

SEGMENTS = ("done", "wait", "next-ready", "next")

# Callback of synchronize_rcu() and its like; its rcu_head is in a struct rcu_synchronize.
_WAKE = "wakeme_after_rcu"

# In place of a function's name: it was cleared, since the callback is called; no function is there.
_CALLED, _UNKNOWN = "called already", "unknown"

_LOST = "the callbacks that follow: optimized out, not counted"

Callback = namedtuple("Callback", "head function")
Callback.__doc__ = "One callback: head (int, address of its rcu_head), function (str, what it calls)."

Segment = namedtuple("Segment", "name period over callbacks")
Segment.__doc__ = """Callbacks that wait for the same: name (str), period (int, number of the grace period,
None if none is assigned), over (bool, they may run), callbacks (list of Callback)."""

List = namedtuple("List", "cpu segments wrong")
List.__doc__ = """The callbacks of one CPU: cpu (int), segments (list of Segment, the oldest first), wrong
(str, why some may be missing or in the wrong segment, or None)."""

Running = namedtuple("Running", "thread cpu now gone rest wrong")
Running.__doc__ = """Callbacks that are being run: thread (int, gdb's number), cpu (int), now (Callback or
None), gone (int, how many of its tables are freed already), rest (list of Callback, those that
follow), wrong (str, why some are missing, or None)."""

Freed = namedtuple("Freed", "how batch tables wrong")
Freed.__doc__ = """What a callback frees: how (str, in words), batch (int, address of the struct
mmu_table_batch, None for a single table), tables (list of int, addresses of struct ptdesc), wrong
(str, why the batch can't be trusted, or None)."""


def grace_period():
    """Return how many grace periods (int) have begun or ended so far; differences count.

    rcu_state is that of tree RCU; a kernel without SMP has tiny RCU and no number: None.
    """
    try:
        return int(gdb.parse_and_eval("rcu_state.gp_seq")) >> _SEQ_SHIFT
    except gdb.error:
        return None


def jiffies():
    """Return the kernel's clock (int, ticks); the time that gdb holds the kernel counts too."""
    return int(gdb.parse_and_eval("jiffies_64"))


def tick_ms():
    """Return the length (float, ms) of one jiffy, 1000 / CONFIG_HZ.

    CONFIG_HZ is a macro; the jiffies clocksource has it as a scaled number.
    """
    clock = gdb.parse_and_eval("clocksource_jiffies")
    return (int(clock["mult"]) >> int(clock["shift"])) / 1e6


# ---- grace periods ----

def is_tiny():
    """Return whether this kernel has tiny RCU."""
    return gdb.lookup_static_symbol("rcu_ctrlblk") is not None


def period_number(sequence):
    """Return which grace period (int, the first one after boot is 1) ends when gp_seq is @sequence (int)."""
    return _signed(sequence >> _SEQ_SHIFT, _word_bits() - _SEQ_SHIFT) + _START


def progress():
    """Return (ended, running): the number of the last grace period that ended, whether the next one runs now.

    (None, False) with tiny RCU, which has no such number: there, any pass of
    the scheduler is the end of one.
    """
    if is_tiny():
        return None, False
    # rcu_gp_cleanup() ends a grace period at the root of the tree first, and callbacks go by that.
    ended = period_number(_root_sequence())
    sequence = int(gdb.parse_and_eval("rcu_state.gp_seq"))
    return ended, bool(sequence & _STATE_MASK) and period_number(sequence) == ended


def is_over(sequence):
    """Return whether the grace period that ends at @sequence (int) is over: rcu_seq_done() of the root."""
    return sequence == _COMPLETED or _done(_root_sequence(), sequence)


def _root_sequence():
    """gp_seq of rcu_get_root(); before rcu_init() has set that up, of rcu_state."""
    root, state = (int(gdb.parse_and_eval(f"rcu_state.{field}")) for field in ("node[0].gp_seq", "gp_seq"))
    # They differ by a grace period at most, while one begins or ends.
    return root if abs(_signed(root - state, _word_bits())) <= 1 << _SEQ_SHIFT else state


def _done(now, sequence):
    return _signed(now - sequence, _word_bits()) >= 0


def _word_bits():
    return gdb.lookup_type("unsigned long").sizeof * 8


def _signed(value, bits):
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value


# ---- callbacks that wait ----

class _Reader:
    """Reads lists of rcu_heads: one read a callback, each function's name looked up once."""

    def __init__(self):
        self._order = lists.byte_order()
        self._names = {}
        head = gdb.lookup_type("struct callback_head")
        word = gdb.lookup_type("unsigned long").sizeof
        self._next = lists.offset_of(head, "next") // word
        self._func = lists.offset_of(head, "func") // word

    def chain(self, first):
        """Return ([Callback], wrong) of the list that begins with the rcu_head at @first (int, 0: empty)."""
        found, seen = [], set()
        while first:
            if first in seen:
                return found, f"corrupt: from {found[-1].head:#x} it leads back to {first:#x}, a loop"
            if len(found) >= CALLBACKS_MAX:
                return found, f"cut: more than {CALLBACKS_MAX} callbacks"
            seen.add(first)
            callback, after = self._read(first)
            if callback is None:
                return found, f"corrupt: it leads to {first:#x}, which can't be read"
            found.append(callback)
            first = after
        return found, None

    def one(self, head):
        """Return the Callback whose rcu_head is at @head (int), None if that can't be read."""
        return self._read(head)[0]

    def _read(self, head):
        try:
            words = lists.words(head, 2, self._order)
        except gdb.MemoryError:
            return None, None
        function = words[self._func]
        if function not in self._names:
            self._names[function] = _function_name(function)
        return Callback(head, self._names[function]), words[self._next]


def _function_name(address):
    """The name of the function at @address; kfree_rcu() used to put the rcu_head's offset in its place."""
    if address < 4096:
        return f"kfree_rcu, offset {address}" if address else _CALLED
    text = gdb.execute(f"info symbol {address:#x}", to_string=True)
    if text.startswith("No symbol"):
        return f"{_UNKNOWN} {address:#x}"
    return text.split(" ", 1)[0].partition(".")[0]


def callback_lists():
    """Return the callback lists (list of List), one a CPU.

    Read without trust: a stop may be in the middle of an enqueue.
    """
    reader = _Reader()
    if is_tiny():
        return [_tiny_list(reader)]
    data, online = gdb.parse_and_eval("rcu_data"), sched.cpus()
    found = [_cpu_list(reader, number, sched.per_cpu(data, number)) for number in sched.cpus("__cpu_possible_mask")]
    # A panic takes CPUs down without a word to RCU: what waits there waits.
    return [one if one.cpu in online else one._replace(wrong=one.wrong or "offline") for one in found
            if one.cpu in online or any(segment.callbacks for segment in one.segments)]


def _cpu_list(reader, number, data):
    """The List of CPU @number, whose struct rcu_data is @data."""
    cblist = data["cblist"]
    callbacks, wrong = reader.chain(int(cblist["head"]))
    tails = [int(cblist["tails"][n]) for n in range(len(SEGMENTS))]
    if not any(tails):
        return List(number, [], wrong or "not set up yet")
    parts, torn = _split(callbacks, int(cblist["head"].address), tails)
    segments = [_segment(name, parts[n], cblist["gp_seq"][n]) for n, name in enumerate(SEGMENTS)]
    if lists.has_field(data.type, "nocb_bypass"):
        bypass, torn_too = reader.chain(int(data["nocb_bypass"]["head"]))
        segments.append(Segment("bypass", None, False, bypass))
        torn = torn or torn_too
    return List(number, segments, wrong or torn)


def _segment(name, callbacks, value):
    """The Segment @name; @value is its gp_seq: a struct rcu_gp_seq, one number in older kernels.

    The first segment holds what may run, and the last was not given a grace period yet.
    """
    if not callbacks or name in (SEGMENTS[0], SEGMENTS[-1]):
        return Segment(name, None, name == SEGMENTS[0], callbacks)
    normal, expedited = value, _NOT_TRACKED
    if value.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
        normal, expedited = value["norm"], int(value["exp"])
    # poll_state_synchronize_rcu_full()
    over = is_over(int(normal)) or expedited == _COMPLETED or expedited != _NOT_TRACKED and \
        _done(int(gdb.parse_and_eval("rcu_state.expedited_sequence")), expedited)
    return Segment(name, period_number(int(normal)), over, callbacks)


def _tiny_list(reader):
    """The one List of tiny RCU: what may run, and what waits for the next quiescent state."""
    block = gdb.lookup_static_symbol("rcu_ctrlblk").value()
    callbacks, wrong = reader.chain(int(block["rcucblist"]))
    tails = [int(block["donetail"]), int(block["curtail"])]
    (done, wait), torn = _split(callbacks, int(block["rcucblist"].address), tails)
    return List(0, [Segment(SEGMENTS[0], None, True, done), Segment(SEGMENTS[1], None, False, wait)],
                wrong or torn)


def _split(callbacks, start, tails):
    """Divide @callbacks where @tails say; returns (parts, wrong).

    Each tail is the address of the pointer behind its segment's last callback;
    the first pointer of all is at @start.  What no tail covers is taken for the
    last segment's, where an enqueue puts it before it moves the tail.
    """
    place = {start: 0}
    link = lists.offset_of(gdb.lookup_type("struct callback_head"), "next")
    for number, callback in enumerate(callbacks):
        place[callback.head + link] = number + 1
    parts, at, wrong = [], 0, None
    for tail in tails:
        end = place.get(tail)
        if end is None or end < at:
            wrong, end = "the stop is amid a change: callbacks may be in another segment", at
        parts.append(callbacks[at:end])
        at = end
    if at < len(callbacks):
        wrong = wrong or "the stop is amid an enqueue"
        parts[-1] = parts[-1] + callbacks[at:]
    return parts, wrong


# ---- callbacks that run ----

def running():
    """Return what RCU runs now (list of Running), by the stacks of all gdb threads."""
    reader = _Reader()
    return [Running(thread, *rest) for thread, rest in
            source.on_threads(lambda frame: _running_on(reader, frame))]


def _running_on(reader, frame):
    """What Running has but the thread, of that with the innermost @frame; None if it runs no callbacks."""
    runner = source.find_any(frame, _RUNNERS)
    if runner is None:
        return None
    now, wrong = _current_callback(reader, frame, runner)
    rest, torn = _RUNNERS[_base_name(runner)](reader, runner, now)
    return sched.cpu(), now, _tables_gone(frame, now), rest, wrong or torn


def _base_name(frame):
    """The function of @frame (gdb.Frame or None), without what the compiler adds to its name; "" for none."""
    return (frame.name() or "").partition(".")[0] if frame is not None else ""


def _current_callback(reader, frame, runner):
    """(Callback, wrong) of what the frames from @frame out to @runner (gdb.Frame) call, or are about to."""
    called, at = None, frame
    while at is not None and at != runner:
        called, at = at, at.older()
    head = _head_of_call(frame, called)
    if head is not None:
        # Its function is cleared just before the call; then the frame says which it was.
        callback = reader.one(head)
        return callback if _is_to_come(callback) else Callback(head, _base_name(called)), None
    if _base_name(called) in _FREES:
        return None, f"{_base_name(called)}() runs, its argument is optimized out, its tables are not counted"
    for _, value in source.variables(runner, lambda symbol: symbol.name == "rhp"):
        try:
            callback = reader.one(int(value))
        except gdb.error:
            continue
        # After the call it may be free memory.
        if _is_to_come(callback):
            return callback, None
    return None, None


def _is_to_come(callback):
    """Whether @callback (Callback or None) has a function that it can call."""
    return callback is not None and not callback.function.startswith((_CALLED, _UNKNOWN))


def _head_of_call(frame, called):
    """The rcu_head (int) that the callback @called (gdb.Frame or None) was given, from @frame on; or None."""
    if called is None:
        return None
    for _, value in source.variables(called, lambda symbol: symbol.is_argument and _is_head(symbol.type)):
        try:
            return int(value)
        except gdb.error:
            continue
    function, name, kind, field = _INSIDE.get(_base_name(called), (None,) * 4)
    inner = source.find_any(frame, (function,)) if function else None
    within = source.variable(inner, name) if inner is not None else None
    return within + lists.offset_of(gdb.lookup_type(kind), field) if within is not None else None


def _is_head(kind):
    kind = kind.strip_typedefs()
    return kind.code == gdb.TYPE_CODE_PTR and kind.target().strip_typedefs().name == "callback_head"


def _tables_gone(frame, now):
    """How many tables of @now (Callback) are freed, by __tlb_remove_table_free()'s `i`; 0 if unknown."""
    batch = frees(now) if now is not None else None
    inner = source.find_any(frame, ("__tlb_remove_table_free",)) if batch is not None else None
    if inner is None:
        return 0
    gone = source.variable(inner, "i")
    return gone if gone is not None and 0 <= gone <= len(batch.tables) else 0


def _rest_tree(reader, runner, _):
    """([Callback], wrong): what rcu_do_batch(), @runner (gdb.Frame), has still to run, its `rcl`.

    Before that is set up it is garbage: its tail tells.
    """
    link = lists.offset_of(gdb.lookup_type("struct callback_head"), "next")
    for _, value in source.variables(runner, lambda symbol: symbol.name == "rcl"):
        try:
            if value.is_optimized_out:
                continue
            callbacks, wrong = reader.chain(int(value["head"]))
            ends = {int(value["head"].address)} | {callback.head + link for callback in callbacks}
            return (callbacks, wrong) if int(value["tail"]) in ends else ([], None)
        except gdb.error:
            continue
    return [], _LOST


def _rest_tiny(reader, runner, now):
    """([Callback], wrong): what rcu_process_callbacks(), @runner (gdb.Frame), has still to run.

    Its `list` is the one to run or being run, and freed after that; `next` is set before.
    """
    first, after = source.variable(runner, "list"), source.variable(runner, "next")
    if now is None and first and _is_to_come(reader.one(first)):
        return reader.chain(first)
    return reader.chain(after) if after is not None else ([], _LOST)


# Functions that run callbacks -> function(reader, frame, Callback or None) that returns those to follow.
_RUNNERS = {"rcu_do_batch": _rest_tree, "rcu_process_callbacks": _rest_tiny}


# ---- what they free ----

def frees(callback):
    """Return the page tables that @callback (Callback) frees (Freed), None if it is of another kind."""
    read = _FREES.get(callback.function)
    return read(callback) if read is not None else None


def _frees_batch(callback):
    batch = gather.read_tables(gather.batch_of(callback.head))
    return Freed("batch", batch.address, batch.tables, batch.wrong)


def _frees_one(how):
    def read(callback):
        kind, field = gdb.lookup_type("struct ptdesc"), "pt_rcu_head"
        if not lists.has_field(kind, field):
            kind, field = gdb.lookup_type("struct page"), "rcu_head"
        return Freed(how, None, [callback.head - lists.offset_of(kind, field)], None)
    return read


# Callbacks that free page tables -> function(Callback) that returns a Freed.
_FREES = {
    "tlb_remove_table_rcu": _frees_batch,
    "__tlb_remove_table_one_rcu": _frees_one("alone, since no page for a batch was to be had"),
    "pte_free_now": _frees_one("alone, by pte_free_defer()"),
}

# Those whose argument is lost on the way -> function inside, its variable, the struct and its rcu_head.
_INSIDE = {
    "tlb_remove_table_rcu": ("__tlb_remove_table_free", "batch", "struct mmu_table_batch", "rcu"),
    "__tlb_remove_table_one_rcu": ("__tlb_remove_table", "table", "struct ptdesc", "pt_rcu_head"),
}


def waiting_tables():
    """Return the tables (list of int, addresses of ptdesc) that wait for RCU or are being freed by it."""
    callbacks = [c for found in callback_lists() for segment in found.segments for c in segment.callbacks]
    gone = {}
    for found in running():
        callbacks += found.rest
        if found.now is not None:
            callbacks.append(found.now)
            gone[found.now.head] = found.gone
    tables = []
    # A list that is being moved is seen twice.
    for callback in {c.head: c for c in callbacks}.values():
        freed = frees(callback)
        tables += freed.tables[gone.get(callback.head, 0):] if freed is not None else []
    return tables


# ---- callers of synchronize_rcu() ----

def is_waiter(callback):
    """Return whether @callback (Callback) wakes a task that waits in synchronize_rcu() or its like."""
    return callback.function == _WAKE


def waiter_of(head):
    """Return the task (struct task_struct *) that waits for the rcu_head at @head (int); None if unknown."""
    try:
        waiter = lists.container_of(head, gdb.lookup_type("struct rcu_synchronize"), "head")
        queue = waiter["completion"]["wait"]["task_list"]
        for entry in lists.entries(queue, gdb.lookup_type("struct swait_queue"), "task_list"):
            return entry["task"]
    except gdb.error:
        pass
    return None


def synchronizers():
    """Return the rcu_heads (list of int) that synchronize_rcu() waits for without a callback: srs_next."""
    if is_tiny() or not lists.has_field(gdb.lookup_type("struct rcu_state"), "srs_next"):
        return []
    state = gdb.parse_and_eval("rcu_state")
    marks = state["srs_wait_nodes"]
    first, last = int(marks.address), int(marks.address) + marks.type.sizeof
    node, found = int(state["srs_next"]["first"]), {}
    while node and node not in found and len(found) < CALLBACKS_MAX:
        found[node] = None
        try:
            node = lists.words(node, 1)[0]
        except gdb.MemoryError:
            break
    # Nodes of rcu_state itself mark what each grace period ends.
    return [node for node in found if not first <= node < last]
