# SPDX-License-Identifier: GPL-2.0
"""struct mmu_gather: pages and page tables on their way out (mm/mmu_gather.c)."""

import gdb

from . import page


def tables(batch):
    """Return the tables (list of int, addresses of struct ptdesc) in @batch.

    @batch is a struct mmu_table_batch *: what one RCU callback frees.
    """
    first = batch["tables"][0].address
    return [int((first + n).dereference()) for n in range(int(batch["nr"]))]


def max_tables():
    """Return how many tables (int) fit into one batch: MAX_TABLE_BATCH."""
    size = gdb.lookup_type("struct mmu_table_batch").sizeof
    return (page.PAGE_SIZE - size) // gdb.lookup_type("unsigned long").sizeof


def batch_of(rcu_head):
    """Return the struct mmu_table_batch * around @rcu_head (struct rcu_head *)."""
    batch = gdb.lookup_type("struct mmu_table_batch")
    offset = next(f.bitpos // 8 for f in batch.fields() if f.name == "rcu")
    return gdb.Value(int(rcu_head) - offset).cast(batch.pointer())
