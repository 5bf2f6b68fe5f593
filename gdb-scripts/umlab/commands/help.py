# SPDX-License-Identifier: GPL-2.0
"""pt-help: all that umlab adds to gdb, a line each."""

from ..command import COMMANDS, FUNCTIONS, Command, Problem, errors_told


class Help(Command):
    """List umlab's commands and functions: pt-help

    `help NAME` tells all of a command, `help function NAME` all of a function."""

    name = "pt-help"

    def invoke(self, text, from_tty):
        # There is help without a process, too.
        with errors_told(self.name):
            if text:
                raise Problem("argument", text, "too many: help NAME tells all of a command")
            for name in sorted(COMMANDS):
                print(f"{name:15} {summary(COMMANDS[name])}")
            print("\nIn expressions and conditions:")
            for name in sorted(FUNCTIONS):
                print(f"${name:14} {summary(FUNCTIONS[name])}")


def summary(what):
    """Return the first line (str) of the help of @what (a command or function), without how to call it."""
    return what.__doc__.split("\n", 1)[0].partition(": ")[0].rstrip(".")


Help()
