# SPDX-License-Identifier: GPL-2.0
"""Kernel stacks that no gdb thread stands on: those of tasks that wait.

gdb knows only the stacks of the threads of UML's process, and those are the guest's
CPUs.  A task without a CPU has its registers saved in memory.  An unwinder takes
gdb from the frame where a thread really stands over to those registers; from there
on gdb's own unwinding serves, with lines, arguments and locals.  Nothing is written to the
kernel.

While such a View is shown, frame #0 is where the thread really stands, and the frames of the
View follow; gdb's numbers of them are used for output, so that `frame N`, `up` and `down` agree.
"""

from collections import namedtuple

import gdb
import gdb.frames
import gdb.unwinder

from .broken import Broken

# No stack of the kernel is so deep; one that is corrupt may never end.
LIMIT = 100

View = namedtuple("View", "thread registers low high")
View.__doc__ = """A stack to look at.

thread: the gdb.InferiorThread that stands on it, or from which gdb is taken there
registers: {name (str): value (int)} that were saved, with rip and rsp; None for the thread's own stack
low, high: ints, high exclusive, where the stack lies; None each if that is not known
"""

FrameId = namedtuple("FrameId", "sp pc")
FrameId.__doc__ = "What gdb knows a frame by (gdb.Values): an unwinder names the frame that it unwinds."


class _Unwinder(gdb.unwinder.Unwinder):
    """Goes from where a thread stands to the registers of a View, while one is set."""

    def __init__(self):
        super().__init__("umlab-task")
        self.enabled = False
        self.view = None
        self._from = None

    def show(self, view):
        """Let gdb unwind to @view (View), or to the selected thread's own frames (None) again."""
        self.enabled = False
        self.view = view if view and view.registers else None
        gdb.invalidate_cached_frames()
        if self.view:
            frame = gdb.newest_frame()
            self._from = (view.thread.global_num, frame.pc(), _sp(frame))
            self.enabled = True
            gdb.invalidate_cached_frames()

    def __call__(self, pending):
        thread = gdb.selected_thread()
        here = (thread.global_num if thread else 0, _register(pending, "rip"), _register(pending, "rsp"))
        if here != self._from:
            return None
        word = gdb.lookup_type("unsigned long")
        saved = {name: gdb.Value(value).cast(word) for name, value in self.view.registers.items()}
        # gdb calls a stack corrupt where an older frame lies below a younger one.
        lowest = gdb.Value(self.view.registers["rsp"] - word.sizeof).cast(word)
        info = pending.create_unwind_info(FrameId(lowest, gdb.Value(here[1]).cast(word)))
        for name, value in saved.items():
            info.add_saved_register(name, value)
        return info


class _Filter:
    """Leaves the frames out of `bt` that are not the shown View's: where the thread really stands."""

    def __init__(self):
        self.name = "umlab-task"
        self.priority = 100
        self.enabled = False
        gdb.frame_filters[self.name] = self

    def filter(self, frames):
        """gdb calls this with an iterator of gdb.FrameDecorators."""
        first = _first_level()
        return (frame for frame in frames if frame.inferior_frame().level() >= first and frame.address())


_unwinder = _Unwinder()
gdb.unwinder.register_unwinder(None, _unwinder, replace=True)
_filter = _Filter()

# The Place to go back to from the View that stay() left on.
_base = None


class _Place:
    """What the user looks at: thread, selected frame and View; to come back to it."""

    def __init__(self):
        self._thread = gdb.selected_thread()
        self._level = gdb.selected_frame().level()
        self._view = _unwinder.view

    def restore(self):
        """Look at it again."""
        if self._thread.is_valid():
            self._thread.switch()
        _unwinder.show(self._view)
        frame = frame_at(self._level)
        if frame is not None:
            frame.select()


class kept:  # pylint: disable=invalid-name
    """Context: thread, selected frame and what gdb's frames are, are as before when it ends."""

    def __init__(self):
        self._place = None

    def __enter__(self):
        self._place = _Place()

    def __exit__(self, *_):
        self._place.restore()


class viewing(kept):  # pylint: disable=invalid-name
    """Context: gdb's frames are those of @view (View); gives the innermost of them (gdb.Frame)."""

    def __init__(self, view):
        super().__init__()
        self._view = view

    def __enter__(self):
        super().__enter__()
        try:
            return _go(self._view)
        except BaseException:
            self.__exit__()
            raise


class own:  # pylint: disable=invalid-name
    """Context: gdb's frames are those on which the threads really stand, whatever stay() left on."""

    def __init__(self):
        self._place = None

    def __enter__(self):
        if _unwinder.view is not None:
            self._place = _Place()
            _unwinder.show(None)

    def __exit__(self, *_):
        if self._place is not None:
            self._place.restore()


def innermost():
    """Return the innermost frame (gdb.Frame) of what gdb looks at: of the View that stay() left on, if one is."""
    return frame_at(_first_level())


def stay(view, level):
    """Let gdb look at frame @level (int, gdb's number) of @view (View) until back() or the kernel goes on."""
    global _base  # pylint: disable=global-statement
    _hook_steps()
    _base = _base or _Place()
    _go(view)
    _filter.enabled = _unwinder.enabled
    _show_selected(level)


def stays():
    """Return whether a View is on that stay() left (bool)."""
    return _base is not None


def back():
    """Let gdb look again at what it did before stay(); returns whether there was anything to undo (bool)."""
    global _base  # pylint: disable=global-statement
    if _base is None:
        return False
    place, _base = _base, None
    _filter.enabled = False
    place.restore()
    _show_selected(gdb.selected_frame().level())
    return True


def _show_selected(level):
    """Select the frame with gdb's number @level (int), in the TUI's source window as well."""
    frame = frame_at(level)
    if _has_tui():
        # It follows when a command of gdb's own changes the frame, not when Python does.
        other = frame.newer() or frame.older()
        if other is not None:
            other.select()
        gdb.execute(f"frame level {level}", to_string=True)
    frame.select()


def _has_tui():
    try:
        return "not active" not in gdb.execute("info win", to_string=True)
    except gdb.error:
        return False


def pointer_of(thread):
    """Return the stack pointer (int) of @thread (gdb.InferiorThread); selects the thread."""
    thread.switch()
    return _sp(gdb.newest_frame())


def frame_at(level):
    """Return the frame (gdb.Frame) with gdb's number @level (int), None if there is none."""
    frame = gdb.newest_frame()
    while frame is not None and frame.level() < level:
        frame = frame.older()
    return frame


def frames(innermost, view):
    """Yield the frames (gdb.Frame) of @view (View) from @innermost (gdb.Frame) on, inlined ones as well.

    Ends where the stack does, at the latest after LIMIT frames.
    """
    frame = innermost
    for _ in range(LIMIT):
        if frame is None or frame.pc() == 0:
            return
        if view.high is not None and not view.low <= _sp(frame) < view.high:
            return
        yield frame
        frame = _older(frame)


def _go(view):
    """Make gdb's frames those of @view, and return the innermost."""
    view.thread.switch()
    _unwinder.show(view)
    frame = frame_at(_first_level())
    if frame is None:
        raise Broken("stack: gdb has no frame of it: its registers are corrupt")
    return frame


def _first_level():
    """gdb's number of the innermost frame of the View that is shown.

    What comes before is one frame, and one more for each function that is inlined there.
    """
    if _unwinder.view is None or gdb.selected_thread().global_num != _unwinder.view.thread.global_num:
        return 0
    frame = gdb.newest_frame()
    while frame.type() == gdb.INLINE_FRAME:
        frame = frame.older()
    return frame.level() + 1


def _older(frame):
    try:
        return frame.older()
    except gdb.error:
        return None


def _sp(frame):
    return _register(frame, "rsp")


def _register(frame, name):
    return int(frame.read_register(name)) & (1 << 64) - 1


# What these do depends on where the newest frame says that it is, and #0 has to tell gdb
# that it lies below the View's frames: so they are to find everything as it really is.
_STEPS = ("step", "next", "stepi", "nexti", "until", "advance", "finish")


def _hook_steps():
    """Have gdb call back() before each of _STEPS; a hook of the user's own stays."""
    for name in _STEPS:
        try:
            gdb.execute(f"show user hook-{name}", to_string=True)
        except gdb.error:
            call = 'python __import__("umlab.stack").stack.back()'
            gdb.execute(f"define hook-{name}\n{call}\nend", to_string=True)


def _goes_on(_):
    """The kernel runs again: what was saved is no longer true."""
    global _base  # pylint: disable=global-statement
    _base = None
    _filter.enabled = False
    _unwinder.enabled = False
    _unwinder.view = None


gdb.events.cont.connect(_goes_on)
gdb.events.exited.connect(_goes_on)
