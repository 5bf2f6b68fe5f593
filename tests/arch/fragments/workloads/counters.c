// SPDX-License-Identifier: GPL-2.0
/* What the kernel has counted: /proc/vmstat, and the counters of counters.patch. */
#include "workloads.h"
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>

#define COUNTERS "/sys/kernel/debug/pte_frag"

/* The number of page table pages that /proc/vmstat tells. */
static long page_tables(void) { return read_number("/proc/vmstat", "nr_page_table_pages "); }

/*
 * The number of page table pages now: of the whole machine, which has to be quiet. Each CPU keeps some of the
 * count to itself until it is told to give it up.
 */
long exact_page_tables(void)
{
	write_to("/proc/sys/vm/stat_refresh", "1");
	return page_tables();
}

/* exact_page_tables() once it has not changed for 300 ms: RCU is late with some of what was freed. */
long settled_page_tables(void)
{
	long now = exact_page_tables();

	for (int same = 0; same < 6; same++) {
		long before = now;

		usleep(50000);
		now = exact_page_tables();
		if (now != before)
			same = -1;
	}
	return now;
}

/* What page tables take at most: looked at every 5 ms. */
static volatile int watching;
static volatile long peak;

static void *watch(void *unused)
{
	while (watching) {
		long now = page_tables();

		if (now > peak)
			peak = now;
		usleep(5000);
	}
	return unused;
}

static pthread_t watcher;

/* Begins to watch what page tables take; when it returns, the thread has all the memory that it takes. */
void start_watching(void)
{
	watching = 1;
	if (pthread_create(&watcher, NULL, watch, NULL))
		die("a thread");
	/* Few pages of tables: all may be held back by the CPUs. */
	while (!peak) {
		exact_page_tables();
		usleep(1000);
	}
}

/* Ends that; returns the most that they took, in KiB. */
long stop_watching(void)
{
	watching = 0;
	pthread_join(watcher, NULL);
	return peak * (getpagesize() / 1024);
}

/* Begins to count anew; does nothing in a kernel without counters. */
void reset_counters(void)
{
	if (!access(COUNTERS, W_OK))
		write_to(COUNTERS, "0");
}

/*
 * When all that waits for a grace period has been freed, mmu_gather's batches too, or nothing will be any more: no fragment
 * was freed while a whole grace period passed, and 50 ms for its callbacks, and none waits; or 10 s are over.
 */
void print_counters(void)
{
	char line[128];
	FILE *file;
	long freed = -1, now, end = milliseconds() + 10000;

	if (access(COUNTERS, R_OK))
		return;
	while (milliseconds() < end) {
		now = read_number(COUNTERS, "fragments_freed=");
		if (now == freed && read_number(COUNTERS, "waiting=") <= 0)
			break;
		freed = now;
		/* synchronize_rcu(). */
		if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
			die("membarrier");
		usleep(50000);
	}
	file = fopen(COUNTERS, "re");
	if (!file)
		die(COUNTERS);
	while (fgets(line, sizeof(line), file))
		printf("counter %s", line);
	fclose(file);
}
