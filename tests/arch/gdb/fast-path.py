# SPDX-License-Identifier: GPL-2.0
"""Which way a table goes that one madvise() has emptied, with nobody else about."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qemu import Stop, at_dontneed, connect, go, in_pid_1, lib  # noqa: E402 pylint: disable=wrong-import-position
from umlab import events  # noqa: E402 pylint: disable=wrong-import-position

connect()
if not events.has_pt_reclaim():
    lib.skip_all("no PT_RECLAIM: MADV_DONTNEED takes no table out")
at_dontneed()
fast, slow = (Stop(function, in_pid_1, count=True) for function in ("zap_empty_pte_table", "zap_pte_table_if_empty"))
joins = Stop("tlb_remove_table", in_pid_1, count=True)
go(Stop("tlb_finish_mmu", in_pid_1))
lib.equal("the table is taken out", joins.hits, 1)
lib.check("... tried by the fast way", fast.hits > 0)
lib.equal("... and not looked through again", slow.hits, 0)
lib.finish()
