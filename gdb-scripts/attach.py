# SPDX-License-Identifier: GPL-2.0
"""gdb on a kernel that runs already: umrun --attach, make attach.

    gdb -x gdb-scripts/attach.py -p PID LINUX

Sets gdb up as umlab.py does, and says what ends what.
"""

import os

import gdb

gdb.execute("source " + os.path.join(os.path.dirname(os.path.abspath(__file__)), "umlab.py"))

# Each process of the guest is one of the host that UML starts: gdb lets it go, and would tell each time.
for setting in ("print inferior-events off", "print thread-events off"):
    gdb.execute("set " + setting)
if gdb.selected_inferior().pid:
    print("quit lets the kernel go, and the run goes on; kill ends it; continue and Ctrl-C as ever")
