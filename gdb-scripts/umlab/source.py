# SPDX-License-Identifier: GPL-2.0
"""Stack frames and source lines, for people to read."""

import re

import gdb

from . import stack

# Frames that a look at the stack goes through at most: an unwinder that is lost must end.
DEPTH_MAX = 512


def of_kernel(event):
    """Return whether @event (gdb.Event with an inferior) is of the kernel, not of a process that `pt-user attach` added."""
    return event.inferior.num == 1


def frames(innermost, outermost):
    """Return the frames (list) from @innermost (gdb.Frame) out to the function named @outermost.

    Inlined functions count as frames of their own.  Without such a function
    the list goes to the end of the stack.
    """
    found = []
    frame = innermost
    while frame is not None and len(found) < DEPTH_MAX:
        found.append(frame)
        if frame.name() == outermost:
            break
        frame = frame.older()
    return found


def find(frame, name):
    """Return the nearest frame of the function @name, @frame or one that called it, or None."""
    for _ in range(DEPTH_MAX):
        if frame is None or frame.name() == name:
            return frame
        frame = frame.older()
    return None


def find_any(frame, names):
    """Return the nearest frame of a function in @names (str each), @frame or one that called it, or None.

    What the compiler adds to a name (".part.0") does not count.
    """
    for _ in range(DEPTH_MAX):
        if frame is None or (frame.name() or "").partition(".")[0] in names:
            return frame
        frame = frame.older()
    return None


def variable(frame, name):
    """Return the variable @name of @frame as an int, None without it or optimized out."""
    try:
        value = frame.read_var(name)
    except ValueError:
        return None
    return None if value.is_optimized_out else int(value)


def variables(frame, wanted):
    """Return [(name, gdb.Value)] of the variables of @frame that @wanted(gdb.Symbol) is true for.

    Innermost block first, arguments too.  A value may be optimized out.  A frame
    without debug information (the host's C library) has none.
    """
    found = []
    try:
        block = frame.block()
    except RuntimeError:
        return found
    while block is not None:
        for symbol in block:
            if (symbol.is_variable or symbol.is_argument) and wanted(symbol):
                try:
                    found.append((symbol.name, symbol.value(frame)))
                except gdb.error:
                    continue
        if block.function is not None:
            break
        block = block.superblock
    return found


def on_threads(look):
    """Return [(gdb thread's number, what @look(gdb.Frame) returned for its innermost frame)].

    Answers None are left out.  A gdb thread is a CPU of the guest; the one that
    was selected, and its frame, are selected again afterwards.
    """
    if gdb.selected_thread() is None:
        return []
    answers = []
    with stack.kept(), stack.own():
        for thread in sorted(gdb.selected_inferior().threads(), key=lambda t: t.num):
            thread.switch()
            answer = look(gdb.newest_frame())
            if answer is not None:
                answers.append((thread.num, answer))
    return answers


def call(frame):
    """Return the call that made @frame, with the arguments as they are now.

    >>> call(frame)
    'do_madvise(mm=0x609cf700, start=0x40000000, len_in=0x200000, behavior=4)'
    """
    # None in a library, or in a file without debug information.
    function = frame.function()
    block = function is not None and function.symtab and frame.block()
    while block and block.function is None:
        block = block.superblock
    arguments = []
    for symbol in block or ():
        if symbol.is_argument:
            arguments.append(f"{symbol.name}={_short(symbol.value(frame))}")
    return f"{frame.name()}({', '.join(arguments)})"


def place(frame):
    """Return where @frame stands: 'mm/memory.c:1991'."""
    sal = frame.find_sal()
    if sal.symtab is None:
        return "?"
    return f"{relative(sal.symtab.filename)}:{sal.line}"


def relative(path):
    """Return the source file @path (str) as seen from the top of the kernel's tree."""
    # Kbuild hands the compiler absolute names with O=; a file that every
    # kernel has tells how long the part before is.
    known = "init/main.c"
    symbol = gdb.lookup_global_symbol("start_kernel")
    main = symbol.symtab.filename if symbol else ""
    top = main[:-len(known)] if main.endswith(known) else ""
    return path[len(top):] if top and path.startswith(top) else path


def line_of(function, text):
    """Return 'FILE:LINE' of the first line with @text in @function (str), None if there is none.

    So a script can name a statement without a number that the next version
    of the kernel makes wrong.  Needs the source; None without it.
    """
    symbol = gdb.lookup_static_symbol(function) or gdb.lookup_global_symbol(function)
    if symbol is None:
        return None
    lines = read_lines(symbol.symtab)
    for number in range(symbol.line, len(lines) + 1):
        if text in lines[number - 1]:
            return f"{symbol.symtab.filename}:{number}"
        if lines[number - 1].startswith("}"):
            break
    return None


def line_in(symtab, function, text):
    """Return the number (int) of the first line with @text in @function (strs) in @symtab's (gdb.Symtab) source.

    As line_of(), for a function without a symbol of its own: one that is inlined wherever it is called.
    Of several definitions (one for each configuration) the first that has @text.  None if there is none.
    """
    start = re.compile(rf"\w.*\b{re.escape(function)}\(")
    head = inside = False
    for number, line in enumerate(read_lines(symtab), 1):
        if inside and text in line:
            return number
        if start.match(line):
            head = True
        elif head and line.startswith("{"):
            inside = True
        if line.startswith("}") or not inside and line.rstrip().endswith(";"):
            head = inside = False  # its end, or it was a declaration
    return None


def read_lines(symtab):
    """Return the lines (list of str) of @symtab's (gdb.Symtab) source file, [] if it is not there."""
    try:
        with open(symtab.fullname(), encoding="utf-8", errors="replace") as file:
            return file.read().split("\n")
    except OSError:
        return []


def excerpt(frame, before=1, after=0):
    """Return the source lines (list of str) around the one where @frame stands, marked '=>'."""
    sal = frame.find_sal()
    lines = read_lines(sal.symtab) if sal.symtab else []
    shown = []
    for number in range(max(1, sal.line - before), sal.line + after + 1):
        if number <= len(lines):
            mark = "=>" if number == sal.line else "  "
            shown.append(f"{mark} {number:5} {lines[number - 1].expandtabs(4).rstrip()}")
    return shown


def _short(value):
    """Return an argument in few characters: pointers and large numbers in hex, no types."""
    try:
        if value.is_optimized_out:
            return "<optimized out>"
        kind = value.type.strip_typedefs().code
        if kind == gdb.TYPE_CODE_PTR:
            return hex(int(value))
        if kind == gdb.TYPE_CODE_INT:
            number = int(value)
            return str(number) if abs(number) < 4096 else hex(number)
        return value.format_string(max_elements=4)
    except gdb.error:
        return "?"
