# SPDX-License-Identifier: GPL-2.0
"""What the functions on the way of a page table do, in one line each: for pt-here.

By function name.  A function that a kernel hasn't got is no harm: it's never on the stack.
"""

# The life of a PTE table when MADV_DONTNEED empties it, in order: what comes before and after.
RECLAIM = (
    "do_madvise", "madvise_dontneed_single_vma", "zap_pte_range",
    "zap_empty_pte_table|zap_pte_table_if_empty", "tlb_remove_table", "tlb_finish_mmu",
    "tlb_remove_table_free", "tlb_remove_table_rcu", "__tlb_remove_table|pagetable_dtor",
)

# ... and when the mapping or the address space goes.
UNMAP = (
    "unmap_region|exit_mmap", "unmap_vmas", "zap_pte_range", "free_pgtables", "free_pte_range|free_pgd_range",
    "tlb_remove_table", "tlb_finish_mmu", "tlb_remove_table_free", "tlb_remove_table_rcu",
    "__tlb_remove_table|pagetable_dtor",
)

MEANINGS = {
    # system calls
    "do_madvise": "madvise(): checks the range, takes the lock, calls the advice's function for each VMA",
    "do_mmap": "mmap(): finds room for a mapping and makes its VMA",
    "do_munmap": "munmap(): takes mappings away",
    "do_vmi_munmap": "munmap(): takes mappings away",
    "do_vmi_align_munmap": "splits the VMAs at both ends of the range and takes those between away",
    "do_exit": "the task ends",
    "begin_new_exec": "execve(): the old address space goes, the new one comes",
    "copy_process": "fork() or clone(): makes a new task",
    "dup_mmap": "fork(): copies the VMAs and page tables",
    "do_mprotect_pkey": "mprotect(): changes what a range may be used for",
    # reclaim
    "madvise_dontneed_single_vma": "MADV_DONTNEED: drops the pages of one VMA, and lets their PTE tables be reclaimed (details.reclaim_pt)",
    "madvise_free_single_vma": "MADV_FREE: marks pages as ones that may be dropped; tables stay",
    "unmap_vmas": "drops the pages of all VMAs that go away",
    "zap_page_range_single_batched": "drops the pages of one range, as part of a larger operation",
    "zap_vma_range_batched": "drops the pages of one range, as part of a larger operation",
    "zap_pte_range": "clears the entries of one PTE table; the pages go into the mmu_gather",
    "zap_empty_pte_table": "the fast way: all entries were cleared under one lock, so the table is taken out of its PMD",
    "zap_pte_table_if_empty": "the slow way: the lock was dropped midway; takes it again, and the table out of its PMD if all entries are none",
    "unmap_region": "takes the pages and the page tables of a range away",
    "exit_mmap": "the last user of an address space has gone: takes all of it away",
    "free_pgtables": "frees the page tables that served VMAs that are gone",
    "free_pgd_range": "frees the page tables of a range, from the PTE tables up",
    "free_pte_range": "takes one PTE table out of its PMD and hands it to the mmu_gather",
    "free_pmd_range": "frees the PTE tables below one PUD entry, then their PMD table",
    # mmu_gather
    "tlb_gather_mmu": "begins an mmu_gather: pages and tables collect in it until the TLB has been flushed",
    "tlb_gather_mmu_fullmm": "begins an mmu_gather for an address space that goes as a whole",
    "tlb_finish_mmu": "ends the mmu_gather: flushes, frees the pages, hands the tables to RCU",
    "tlb_flush_mmu": "flushes the TLB, then frees what was gathered so far",
    "tlb_flush_mmu_free": "the TLB is flushed: frees the pages, hands the tables to RCU",
    "tlb_table_flush": "hands the batch of tables on, since it is full or the operation ends",
    "tlb_batch_pages_flush": "frees the gathered pages, batch by batch",
    "tlb_next_batch": "the batch of pages is full: takes another page to gather in; without one, a flush is due",
    "tlb_remove_table": "a table joins the mmu_gather's batch: nobody finds it any more, but somebody may be in it",
    "tlb_remove_table_free": "call_rcu() for the batch: its tables are freed after a grace period",
    "tlb_remove_table_one": "the fallback: no page for a batch, so this table waits for RCU alone",
    "__tlb_remove_table_one": "the fallback: no page for a batch, so this table waits for RCU alone",
    "tlb_remove_table_rcu": "RCU's callback: the grace period is over, every walker has left, the batch's tables are freed",
    "__tlb_remove_table_one_rcu": "RCU's callback of the fallback: one table is freed",
    "__tlb_remove_table_free": "frees the tables of one batch, then the batch's own page",
    "__tlb_remove_table": "frees one table",
    "pagetable_dtor": "the table is no table any more: out of the statistics, its type taken away",
    "pte_free_defer": "hands a PTE table to RCU, outside of any mmu_gather",
    "pte_free_now": "RCU's callback of pte_free_defer(): frees the PTE table",
    # making tables
    "handle_mm_fault": "a page fault: gets the page that the address needs",
    "__handle_mm_fault": "a page fault: makes sure of the tables on the way down",
    "handle_pte_fault": "a page fault, at its PTE",
    "do_anonymous_page": "a page fault in anonymous memory: a zeroed page, and its entry",
    "do_fault": "a page fault in a file mapping",
    "do_swap_page": "a page fault at a swap entry: reads the page back",
    "__pte_alloc": "a PTE table is needed and there's none: allocates one and puts it into the PMD",
    "pte_alloc_one": "allocates a PTE table: a zeroed page, a ptdesc",
    "pmd_install": "puts a new PTE table into the PMD, unless somebody was faster",
    # UML
    "um_tlb_sync": "UML: tells the host what has changed in the page tables (the NEEDSYNC bits)",
    "update_pte_range": "UML: maps or unmaps on the host what the entries of one PTE table say",
    "update_pmd_range": "UML: the same for the PMDs; one that is none has its range unmapped",
    "userspace": "UML: runs the process, until a system call, a fault or a signal brings it back",
    "handle_syscall": "UML: a system call has come in from the process",
    "handle_page_fault": "UML: a process, or the kernel in its name, touched a page that isn't there",
    "virt_to_pte": "UML: walks the page tables without a lock, for a copy to or from user space",
    "maybe_map": "UML: finds the page for a copy to or from user space, with a page fault if need be",
    # RCU
    "rcu_do_batch": "runs the callbacks whose grace period is over",
    "rcu_core": "RCU's softirq: looks for grace periods and callbacks",
    "synchronize_rcu": "waits for a grace period",
}
