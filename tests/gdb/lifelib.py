# SPDX-License-Identifier: GPL-2.0
"""What the suites on life.c share: its layout, and a kernel that is out of pages for batches."""

import os
import re

import gdb

import lib


def _layout():
    with open(os.path.join(lib.HERE, "life.h"), encoding="ascii") as file:
        found = re.findall(r"^#define LIFE_(\w+)\s+(\w+)", file.read(), re.M)
    return {name: int(value, 0) for name, value in found}


# LIFE_* of life.h; lib.resume() knows its steps as well.
LAYOUT = {"TABLE": lib.LAYOUT["TABLE"], **_layout()}
lib.LAYOUT.update({step: LAYOUT[step] for step in
                   ("RECLAIMED", "UNMAPPED", "REPEATED", "EMPTIED", "LATE_READY", "FREED")})


def step():
    """Return the step (int) of the mark at which the kernel stands, None if it stands elsewhere."""
    if gdb.selected_thread() is None or gdb.newest_frame().name() != "do_madvise":
        return None
    return int(gdb.newest_frame().read_var("len_in"))


class NoBatch(gdb.Breakpoint):
    """While it lasts, tlb_remove_table() gets no page for a batch."""

    def __init__(self):
        super().__init__(lib.BATCH_PAGE, internal=True)
        self.times = 0

    def stop(self):
        """gdb asks whether to stop."""
        return lib.for_batch(gdb.newest_frame())

    def go_on(self):
        """Continue; a stop where a batch's page is asked for is none.  Returns what gdb said (str) of the next."""
        while True:
            text = lib.output("continue")
            if gdb.selected_thread() is None or gdb.newest_frame().pc() != self.locations[0].address:
                return text
            self.times += 1
            lib.give_none()

    def end(self):
        """Pages are to be had again."""
        self.delete()
