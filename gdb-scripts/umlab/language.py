# SPDX-License-Identifier: GPL-2.0
"""The language in which gdb reads expressions: the kernel's own is C, the user may have set another."""

import gdb

# Names of settings under which the kernel's expressions mean what they mean in C.
_AS_C = ("auto", "local", "unknown", "c", "minimal", "asm")

# What the user has set, while ours() is in effect and it differs.
_users = None


class ours:  # pylint: disable=invalid-name
    """Context: expressions are C, whatever `set language` says."""

    def __init__(self):
        self._before = None

    def __enter__(self):
        global _users  # pylint: disable=global-statement
        now = gdb.parameter("language")
        if now not in _AS_C:
            self._before = _users = now
            _set("c")
        return self

    def __exit__(self, *_):
        global _users  # pylint: disable=global-statement
        if self._before:
            _set(self._before)
            _users = None


class users:  # pylint: disable=invalid-name
    """Context, within ours(): expressions are in the user's language again, as what he typed is."""

    def __enter__(self):
        if _users:
            _set(_users)

    def __exit__(self, *_):
        if _users:
            _set("c")


def _set(name):
    # gdb warns where the frame's language is another: that is meant.
    gdb.execute("set language " + name, to_string=True)
