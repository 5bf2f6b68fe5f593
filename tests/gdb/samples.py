# SPDX-License-Identifier: GPL-2.0
"""Arguments to try each command and each convenience function with: good ones, and ones that make no sense."""

from umlab.command import COMMANDS, FUNCTIONS

# Of each command one way to call it.
GOOD = {
    "mg-show": "", "mg-batches": "", "pt-break": "gather", "pt-bt": "1", "pt-frame": "1", "pt-help": "", "pt-here": "",
    "pt-host": "0x400000", "pt-into": "", "pt-life": "on", "pt-map": "", "pt-out": "", "pt-ps": "", "pt-race": "",
    "pt-user": "", "pt-user attach": "", "pt-user core": "/nowhere/core", "pt-user detach": "", "pt-user do": "info locals",
    "pt-walk": "0x400000", "pt-x": "0x400000", "rcu-tables": "", "tour": "",
}
# What needs neither a process nor debug information.
ALWAYS = ("pt-help", "tour", "pt-race", "pt-life show", "pt-life off", "pt-life clear", "p $pt_life(0x1000)")
# Good arguments of each function.
CALLS = {
    "mg": "", "mg_tables": "", "mg_pages": "", "pt_break": '"gather"', "pt_empty": "", "pt_entry": '0x400000, "pmd"',
    "pt_life": "0x1000", "pt_page": "0x400000", "pt_stale": "", "pt_tables": "", "pt_user_long": "0x400000",
    "rcu_tables": "", "um_comm": "", "um_current": "", "um_task": "1", "um_waits_in": "1",
}
# Wrong ones of each; those that take any number have an answer for any.
BAD = {
    "mg": ("0", '"x"'), "mg_tables": ("0",), "mg_pages": ("0",),
    "pt_break": ("", "5", '"nosuch"', '"gather", "nosuch"', '"gather", 5', '"gather", "pid == nosuch"', '"gather", "", 1'),
    "pt_empty": ("99999", '"nosuch"', "1, 2", "*(long *)0", "init_task"),
    "pt_entry": ("", "0", "0, 5", '0, "pmx"', '0, "pmd", 99999', '-1, "pmd"', '"x", "pmd"', '0, "pmd", "nosuch"',
                 '0, "pmd", 1, 2', 'init_task, "pmd"'),
    "pt_life": ("", '"x"', "1, 2", "init_task"),
    "pt_page": ("", '"x"', "-1", "0, 99999", "0, 2", "1, 1, 1", "init_task", "0, init_task"),
    "pt_stale": ("99999", '"nosuch"', "1, 2"), "pt_tables": ("99999", '"nosuch"', "1, 2", "(struct task_struct *)16"),
    "pt_user_long": ("", '"x"', "0", "0, 99999", "0, 2", "init_task"),
    "rcu_tables": ("0",), "um_comm": ("0",), "um_current": ("0",),
    "um_task": ("", '"x"', "1, 2", "init_task"),
    "um_waits_in": ("", "99999", '"x"', "init_task"),
}


def missing():
    """Return the names (list of str) of commands and functions that nothing here tries."""
    return sorted(set(COMMANDS) - set(GOOD)) + sorted(set(FUNCTIONS) - set(CALLS)) + sorted(set(CALLS) - set(BAD))
