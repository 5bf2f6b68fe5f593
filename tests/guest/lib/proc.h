/* SPDX-License-Identifier: GPL-2.0 */
/* Numbers that the guest kernel prints in /proc. No Check in here: ptworkload uses it too. */
#ifndef UMLAB_PROC_H
#define UMLAB_PROC_H

/*
 * One number from a "name value" or "name: value" line of a /proc file.
 * Returns it in the unit that the file uses, or -1 (errno says why; ENOENT
 * also when the file has no such line).
 */
long proc_number(const char *file, const char *name);

/* The number that is all a /proc file has, such as a sysctl; -1 with errno. */
long proc_number_only(const char *file);

/*
 * VmPTE of this process in kB: PTE, PMD and PUD tables of the mm
 * (mm_pgtables_bytes() in the kernel). It is exact at any moment: a table
 * leaves it when it is taken out of its PMD, before RCU frees it.
 * Returns -1 with errno when /proc is not readable.
 */
long vmpte_kb(void);

/*
 * VmPTE of another process in kB (a child that the caller has not reaped).
 * Returns -1 with errno, 0 for a zombie: exit_mm() has run.
 */
long vmpte_kb_of(int pid);

/*
 * Page table pages of the whole guest, in kB (NR_PAGETABLE). Unlike VmPTE,
 * a table counts until its memory is given back, after the RCU grace period
 * where the kernel has MMU_GATHER_RCU_TABLE_FREE.
 * The per-cpu deltas are folded first (vm.stat_refresh), so that it is exact,
 * and no CPU is left holding the mm of a process that has ended.
 * Returns -1 with errno.
 */
long page_tables_kb(void);

/*
 * The value of page_tables_kb() once nothing is being freed any more: it read
 * the same for 50 ms, which is longer than a grace period takes to begin to
 * show here, or 1 s went by. Take starting values with it: what ran before
 * (a shell, an exec) may still have tables on their way through RCU.
 * Returns -1 with errno.
 */
long page_tables_quiet_kb(void);

/*
 * Waits until page_tables_kb() is at most `target` kB, polling, for at most
 * `timeout_ms`. Returns the last value read, or -1 with errno.
 */
long page_tables_settle_kb(long target, int timeout_ms);

/*
 * The pagemap entry of the page at `at` in this process (bit 63: present, bits
 * 0-54: frame number, as root). 0 also when /proc/self/pagemap is not there.
 */
unsigned long long pagemap_entry(const void *at);

/* Milliseconds of CLOCK_MONOTONIC, for measuring. */
double now_ms(void);

#endif
