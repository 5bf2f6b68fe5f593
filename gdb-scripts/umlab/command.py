# SPDX-License-Identifier: GPL-2.0
"""What all commands share: arguments, completion, errors.

A command is a class:

    class Walk(Command):
        \"\"\"One line of summary.

        The rest of `help`.\"\"\"
        name = "pt-walk"
        arguments = (Argument("ADDR", address), Argument("TASK", task, "current"))

        def run(self, addr, who): ...

    Walk()

run() prints, and raises Problem when it can't do its work.  What else goes
wrong on the way (memory that can't be read, a symbol that this kernel hasn't
got) becomes a message as well: never a traceback.
"""

import inspect
import re
from collections import namedtuple
from contextlib import contextmanager

import gdb

from . import language, mm, sched
from .broken import Broken
from .machines import machine

Argument = namedtuple("Argument", "name parse default", defaults=(None,))
Argument.__doc__ = """One argument of a command.

name: as `help` calls it; parse: function that makes a value of its text (str),
with an attribute `complete` if it knows how its text may end; default: text
that stands for a missing one, None if it must be given.
"""

# Commands by name, in the order in which they were defined.
COMMANDS = {}

# Convenience functions by name, without the $.
FUNCTIONS = {}


class Problem(Exception):
    """A command can't do its work: what, of which value, and what to do about it (str each)."""

    def __init__(self, what, value, todo):
        super().__init__(f"{what}: {value}: {todo}")


class Command(gdb.Command):
    """Base of all commands; see the module."""

    name = None
    arguments = ()
    #: Whether it needs UML: host processes, UML's stacks, its page tables in detail.
    only_uml = False

    def __init__(self):
        super().__init__(self.name, gdb.COMMAND_DATA)
        COMMANDS[self.name] = self

    def run(self, *values):
        """Do the command's work with the @values that its arguments were parsed into."""
        raise NotImplementedError

    def invoke(self, text, from_tty):
        """gdb calls this with what was typed behind the command's name."""
        with at_kernel(self.name):
            need_debug()
            need_machine(self.only_uml)
            need_process()
            self.run(*self.parse(split(text)))

    def parse(self, words):
        """Return the values (list) of the arguments in @words (list of str), defaults included."""
        if len(words) > len(self.arguments):
            raise Problem("argument", words[len(self.arguments)], f"too many: see help {self.name}")
        values = []
        for number, argument in enumerate(self.arguments):
            word = words[number] if number < len(words) else argument.default
            if word is None:
                raise Problem(argument.name, "missing", f"see help {self.name}")
            values.append(argument.parse(word))
        return values

    def complete(self, text, word):
        """gdb calls this for TAB, with all that was typed and the last word of it; at first without, to learn of a constant."""
        return self.choices(text, re.search(r"\S*$", text).group() if word is None else word)

    def choices(self, text, word):
        """Return what @word (str) may become, the last of @text (str): a list of str, or one of gdb's COMPLETE_ constants."""
        before = split(words_before(text))
        if len(before) >= len(self.arguments):
            return gdb.COMPLETE_NONE
        known = getattr(self.arguments[len(before)].parse, "complete", None)
        if known is None:
            return gdb.COMPLETE_NONE
        if isinstance(known, int):
            return known
        return [name for name in known() if name.startswith(word)]


def words_before(text):
    """Return @text (str) without the argument at its end; for gdb a word begins within it, behind `.` or `(`."""
    return re.sub(r"\S*$", "", text)


class errors_told:  # pylint: disable=invalid-name
    """Context: errors inside become one line for the user, with @name (str) before it; expressions are C."""

    def __init__(self, name):
        self._name = name
        self._language = language.ours()

    def __enter__(self):
        self._language.__enter__()
        return self

    def __exit__(self, kind, error, _):
        self._language.__exit__()
        if kind is None or issubclass(kind, KeyboardInterrupt):
            return False
        text = explain(error)
        # One within another, or a Problem with what the command is called after.
        raise gdb.GdbError(text if text.startswith(self._name + ":") else f"{self._name}: {text}") from None


@contextmanager
def at_kernel(name):
    """Context: errors as errors_told(@name) tells them, and the kernel is the selected inferior.

    What a command reads is the kernel's, wherever `pt-user attach` or `pt-out` led.
    """
    from . import side  # pylint: disable=import-outside-toplevel,cyclic-import
    with errors_told(name), side.on_kernel_side():
        yield


class Function(gdb.Function):
    """A convenience function of gdb's: $NAME, that needs a process; its errors are one line.

    A subclass has name (str, without the $), a docstring, which is its help, and
    value(), which gets the arguments that were given, gdb.Values.  Without needs_process it works before `run`.
    """

    name = None
    needs_process = True
    #: As Command's.
    only_uml = False

    def __init__(self):
        super().__init__(self.name)
        FUNCTIONS[self.name] = self

    def value(self, *arguments):
        """Return what the function gives for @arguments."""
        raise NotImplementedError

    def context(self):
        """Return the context in which value() is called."""
        return at_kernel("$" + self.name)

    def invoke(self, *arguments):
        """gdb calls this with the arguments."""
        with self.context():
            if self.needs_process:
                need_debug()
                need_machine(self.only_uml)
                need_process()
            try:
                inspect.signature(self.value).bind(*arguments)
                found = self.value(*arguments)
                # gdb makes an array without elements of "", and prints that as a pointer.
                return gdb.Value(bytes(1), gdb.lookup_type("char").array(0)) if isinstance(found, str) and not found else found
            except TypeError as error:
                raise Problem("arguments", len(arguments), f"{error}: see help function {self.name}") from None


def explain(error):
    """Return what the exception @error means to the user (str)."""
    if isinstance(error, (Problem, Broken, gdb.GdbError)):
        return str(error)
    if isinstance(error, gdb.MemoryError):
        return f"memory: {error}: the kernel has nothing there, or gdb may not read it"
    text = str(error)
    if isinstance(error, gdb.error):
        if text.startswith(("No symbol", "No struct type", "There is no member", "No enum type")) or "unknown type" in text:
            return f"symbols: {text.rstrip('.')}: needs a kernel with debug information (F=debug) of a range that umlab knows"
        if "optimized out" in text:
            return f"variable: {text}: needs a kernel with F=debug, or another frame"
        return f"gdb: {text}"
    return f"internal: {type(error).__name__} {text}: please report it"


def need_debug():
    """Raise a Problem if gdb has a kernel without debug information."""
    if gdb.lookup_global_symbol("init_task") is not None:
        return
    try:
        gdb.parse_and_eval("&init_task")
    except gdb.error:
        return  # no kernel at all: what is missing is told where it is wanted
    raise Problem("symbols", "none", "needs a kernel with debug information (F=debug)")


def works_here(only_uml):
    """Return whether a command or function works on this machine; @only_uml (bool) as they have it."""
    return not only_uml or machine().name == "uml"


def need_machine(only_uml):
    """Raise a Problem if what is asked for works on UML only (@only_uml, bool), and this is another machine."""
    if not works_here(only_uml):
        walk = "pt-walk, " if machine().knows_tables else ""
        raise Problem("machine", machine().name, f"works on UML only; {walk}pt-here, mg-show, mg-batches, rcu-tables and pt-break work here")


def need_process():
    """Raise a Problem if there is no live process, or one that runs."""
    thread = gdb.selected_thread()
    if thread is None or not gdb.selected_inferior().pid:
        raise Problem("kernel", "not running", "start it with `run`, or attach to one")
    try:
        # A thread in whose breakpoint's condition we are "is running" to gdb, and has frames nevertheless.
        gdb.selected_frame()
    except gdb.error:
        raise Problem("kernel", "runs", "interrupt it first") from None


_CAST = re.compile(r"\([^()]*\*\s*\)")
_OPERATORS = ("+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>")


def split(text):
    """Return the words of @text (str): blanks inside quotes or brackets do not split.

    Nor do those around an operator, or behind a cast to a pointer, as gdb prints them.

    >>> split("0x1000 + 8 current")
    ['0x1000 + 8', 'current']
    >>> split("(0x1000 + 8) current")
    ['(0x1000 + 8)', 'current']
    >>> split("0x1000 (struct mm_struct *) 0x60ad7700")
    ['0x1000', '(struct mm_struct *) 0x60ad7700']
    """
    words, word, depth, quote = [], "", 0, None
    for char in text:
        if quote:
            quote = None if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "([":
            depth += 1
        elif char in ")]":
            depth -= 1
        elif char.isspace() and depth <= 0:
            if word:
                words.append(word)
            word = ""
            continue
        word += char
    words += [word] if word else []
    for at in range(len(words) - 2, -1, -1):
        if _CAST.fullmatch(words[at]):
            words[at:at + 2] = [" ".join(words[at:at + 2])]
    for at in range(len(words) - 2, 0, -1):
        if words[at] in _OPERATORS:
            words[at - 1:at + 2] = [" ".join(words[at - 1:at + 2])]
    return words


def number(text):
    """Return the value (int) of the gdb expression @text (str)."""
    try:
        with language.users():
            return int(gdb.parse_and_eval(text))
    except gdb.MemoryError as error:
        raise Problem("expression", text, str(error)) from None
    except (gdb.error, TypeError, ValueError) as error:
        raise Problem("expression", text, f"no number: {str(error).rstrip('.')}") from None


def address(text):
    """Return the address (int, unsigned 64 bit) that the gdb expression @text (str) gives."""
    return number(text) & (1 << 64) - 1


address.complete = gdb.COMPLETE_EXPRESSION


def path(text):
    """Return @text (str): the path of a file on this host."""
    return text


path.complete = gdb.COMPLETE_FILENAME


def span(text):
    """Return (start, end), ints, end exclusive, of @text (str): START-END, START+LENGTH or one address.

    >>> span("0x1000-0x3000")
    (4096, 12288)
    """
    for sign in (r"-(?!>)", r"\+"):
        first, *second = re.split(sign, text, maxsplit=1)
        if second and first.strip() and second[0].strip():
            start, other = address(first), address(second[0])
            end = start + other if sign == r"\+" else other
            if end <= start:
                raise Problem("range", text, "its end must be above its start")
            return start, end
    start = address(text)
    return start, start + 1


span.complete = gdb.COMPLETE_EXPRESSION


def task(text):
    """Return the task (struct task_struct *) that @text (str) names.

    `current`, a pid, or a gdb expression that gives a struct task_struct *.
    """
    if text == "current":
        found = sched.current()
        if not int(found):
            raise Problem("task", text, "the kernel has not set one up yet: let it boot")
        return found
    value = _value_of(text)
    kind = value.type.strip_typedefs() if value is not None else None
    if kind is not None and kind.code == gdb.TYPE_CODE_PTR and kind.target().name == "task_struct":
        if int(value):
            return value
    elif kind is not None and kind.code == gdb.TYPE_CODE_INT:
        found = sched.by_pid(int(value))
        if found is not None:
            return found
    raise Problem("task", text, "none: give a pid, `current` or a struct task_struct *; pt-ps lists them")


def _value_of(text):
    """The value (gdb.Value) of the expression @text (str), None if it has none."""
    try:
        with language.users():
            value = gdb.parse_and_eval(text)
        value.fetch_lazy()
        return value
    except gdb.error:
        return None


def _task_names():
    try:
        return ["current"] + [str(int(t["pid"])) for t in sched.tasks()]
    except gdb.error:
        return ["current"]


task.complete = _task_names

Space = namedtuple("Space", "mm name")
Space.__doc__ = "An address space: mm (struct mm_struct *), name (str, whose it is)."


def space(text):
    """Return the Space that @text (str) names: a task as in task(), or a struct mm_struct *."""
    value = _value_of(text)
    kind = value.type.strip_typedefs() if value is not None else None
    if kind is not None and kind.code == gdb.TYPE_CODE_PTR and kind.target().name == "mm_struct" and int(value):
        owner = next((t for m, t in mm.spaces() if int(m) == int(value)), None)
        return Space(value, sched.describe(owner) if owner is not None else text)
    who = task(text)
    found = mm.of_task(who)
    if found is None:
        raise Problem("task", f"{text} ({sched.describe(who)})",
                      "has no address space of its own: kernel threads and exiting tasks have none; "
                      "&init_mm is the kernel's")
    return Space(found, sched.describe(who))


def _owners():
    try:
        return ["current"] + [str(int(t["pid"])) for t in sched.tasks() if mm.of_task(t) is not None]
    except gdb.error:
        return ["current"]


space.complete = _owners


def space_of(whose):
    """Return the Space of a convenience function's argument @whose: a gdb.Value (pid, task or mm) or a str."""
    if isinstance(whose, gdb.Value):
        kind = whose.type.strip_typedefs().code
        whose = str(int(whose)) if kind == gdb.TYPE_CODE_INT else f"({whose.type}) {int(whose):#x}"
    return space(whose)
