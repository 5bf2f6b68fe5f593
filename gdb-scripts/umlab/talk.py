# SPDX-License-Identifier: GPL-2.0
"""What tours and races share: their own account, with nothing of gdb's between the lines, and a reader who types."""

import contextlib
import signal

import gdb

# What would come between the lines of the account.
_QUIET = (("pagination", "off"), ("confirm", "off"), ("suppress-cli-notifications", "on"),
          ("print inferior-events", "off"), ("print thread-events", "off"))


@contextlib.contextmanager
def quiet():
    """Context: gdb asks nothing and announces nothing inside; its settings are as before afterwards."""
    before = [(name, gdb.parameter(name)) for name, _ in _QUIET]
    for name, value in _QUIET:
        gdb.execute(f"set {name} {value}", to_string=True)
    try:
        yield
    finally:
        for name, value in before:
            gdb.execute(f"set {name} {'on' if value else 'off'}", to_string=True)


def asked(prompt):
    """Return the line (str, stripped) that a reader types at @prompt (str); raises EOFError, and KeyboardInterrupt at once."""
    # gdb has SIGINT restart the read that input() waits in: Ctrl-C would do nothing until ENTER.
    signal.siginterrupt(signal.SIGINT, True)
    try:
        return input(prompt).strip()
    finally:
        signal.siginterrupt(signal.SIGINT, False)


def typed(line):
    """Run gdb's command @line (str) that a reader has typed at a prompt of ours; an error is printed."""
    told = gdb.parameter("suppress-cli-notifications")
    gdb.execute("set suppress-cli-notifications off")
    try:
        gdb.execute(line, True)
    except gdb.error as error:
        print(error)
    except KeyboardInterrupt:
        print("Quit")
    finally:
        gdb.execute(f"set suppress-cli-notifications {'on' if told else 'off'}")
