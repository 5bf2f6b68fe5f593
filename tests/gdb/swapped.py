# SPDX-License-Identifier: GPL-2.0
"""What is neither none nor present, in words, against pagemap: swap slots, poison, guard regions (swapped.c)."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import lib  # noqa: E402

PAGE = 4096

lib.start()
with open(os.environ["UMLAB_FACTS"], encoding="ascii") as file:
    FACTS = [tuple(int(word, 16) for word in line.split()) for line in file]
lib.check("the guest swapped pages out", len(FACTS) == 8 and all(entry >> 62 == 1 for _, entry in FACTS), FACTS)

# Documentation/admin-guide/mm/pagemap.rst: bits 0-4 the type, 5-54 the offset.
for address, entry in FACTS:
    lib.like(f"swap: device and slot of {address:#x}", f"pt-walk {address:#x}",
             rf"\bswap: device {entry & 0x1F}, slot {entry >> 5 & (1 << 50) - 1:#x}, exclusive\b")
poisoned = FACTS[-1][0] + PAGE
lib.like("a poisoned page", f"pt-walk {poisoned:#x}", r"\bmarker: poisoned\b")
lib.like("a guard region", f"pt-walk {poisoned + 8 * PAGE:#x}", r"\bmarker: guard\b")
lib.like("what comes behind is none", f"pt-walk {poisoned + 16 * PAGE:#x}", r"^pte\[24\] .* none$")
lib.like("pt-map counts each kind", f"pt-map {FACTS[0][0]:#x}", r"\b8 swap, 16 marker, 488 none\b")
lib.like("an mm as gdb prints it, with a blank behind the cast",
         f"pt-walk {poisoned:#x} (struct mm_struct *) {int(lib.gdb.parse_and_eval('$um_current()->mm')):#x}", r"\bmarker: poisoned\b")
lib.finish()
