# SPDX-License-Identifier: GPL-2.0
"""gdb as an editor's debug adapter (DAP): tools/gdb-mi.sh -i dap. Needs gdb 14.

    gdb -i dap -x gdb-scripts/umlab.py -x gdb-scripts/dap.py --args LINUX ARGUMENTS...

DAP's launch request sets the program's arguments, to none if the editor names none; UML's are umrun's.
"""

import gdb

ARGUMENTS = gdb.selected_inferior().arguments
COMMANDS = ("run", "start", "starti")


def restore():
    """Give the kernel back the arguments that gdb was started with, if it has none."""
    inferior = gdb.selected_inferior()
    if not inferior.arguments:
        inferior.arguments = ARGUMENTS


for command in COMMANDS:
    gdb.execute(f"define hook-{command}\npython restore()\nend")
