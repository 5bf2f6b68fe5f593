# SPDX-License-Identifier: GPL-2.0
"""umlab/pagetable.py without a kernel:  gdb -q -nx -batch -x gdb-scripts/tests/test_pagetable.py

Exit status: 0 passed, 1 failed; output is TAP.
"""

import os
import sys

import gdb

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from umlab import pagetable  # noqa: E402 pylint: disable=wrong-import-position

CASES = (
    ("a PMD that points to a table", pagetable.describe(0xa0b1e1),
     "present rw user accessed dirty, pfn 0xa0b"),
    ("a cleared PMD still asks for a sync", pagetable.describe(2), "none, needsync"),
    ("NEEDSYNC alone is none", pagetable.is_none(2), True),
    ("PROT_NONE counts as present", pagetable.is_present(0x10), True),
    ("a swap entry is neither none nor present",
     (pagetable.is_none(0x800), pagetable.is_present(0x800)), (False, False)),
    ("the index into a PMD table", pagetable.index(pagetable.Entry("pmd", 0, 0), 0x40200000), 1),
)

failed = 0
print(f"1..{len(CASES)}")
for number, (name, got, expected) in enumerate(CASES, 1):
    ok = got == expected
    failed += not ok
    print(f"{'ok' if ok else 'not ok'} {number} - {name}" + ("" if ok else f" # got {got!r}"))
gdb.execute(f"quit {1 if failed else 0}")
