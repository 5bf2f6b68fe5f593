// SPDX-License-Identifier: GPL-2.0
/*
 * Description: a table that was taken out is not given back before a grace period
 * is over. nr_page_table_pages counts it until then. A grace period takes about 10 ms
 * here (ticks and switches on every CPU), the look at the count comes 0.1 ms after the
 * system call. So on a right kernel the count is still high, unless the machine stopped
 * us just there; a kernel that frees at once has it low in every one of many rounds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/guest.h"
#include "lib/inject.h"

#define TABLE_BATCH "tlb_remove_table"
#define TABLES 200L	/* more than the per-cpu deltas of the counter can hide */
#define ROUNDS 10	/* at most: the first one that tells is the last */

/* nr_page_table_pages as it stands, in tables. Folding the per-cpu deltas would
 * take work on every CPU, and with it the quiescent states that must not come. */
static long tables_now(void)
{
	return proc_number("/proc/vmstat", "nr_page_table_pages");
}

/* Does this kernel free tables through RCU, when munmap or exit frees them? */
static int through_rcu(void)
{
	return kernel_has(TABLE_BATCH);
}

struct way {
	const char *name;
	void (*take_out)(char *map);
	int alone;	/* without a batch page, each table by itself */
};

static void by_madvise(char *map)
{
	dontneed(map, (size_t)TABLES * TABLE_SPAN);
}

static void by_munmap(char *map)
{
	require(munmap(map, (size_t)TABLES * TABLE_SPAN) == 0, "munmap: %s", strerror(errno));
}

/* How often this thread went to sleep. */
static long sleeps(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

/* Takes TABLES tables out. Returns how many of them are still counted right after it,
 * and sets *slept to the times that the system call slept. */
static long still_counted(const struct way *way, char *map, long *slept)
{
	long full, left, before;

	map = mmap(map, (size_t)TABLES * TABLE_SPAN, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	require(map != MAP_FAILED, "mmap: %s", strerror(errno));
	fill_sparse(map, (size_t)TABLES * TABLE_SPAN, 1);
	page_tables_quiet_kb();
	full = tables_now();
	if (way->alone)
		inject_start(TABLE_BATCH, 0, EVERY_TIME);
	before = sleeps();
	way->take_out(map);
	*slept = sleeps() - before;
	left = TABLES - (full - tables_now());
	if (way->alone) {
		require(inject_hit(TABLES), "%d tables went alone, expected %ld: the injection missed",
			inject_hits(), TABLES);
		inject_stop();
	}
	return left;
}

/* Fails unless in some round the tables were still counted. */
static void expect_kept(const struct way *way)
{
	char *map = arena_take((size_t)TABLES);
	long most = 0;
	long slept;

	for (int round = 0; round < ROUNDS && most < TABLES / 2; round++) {
		long left = still_counted(way, map, &slept);

		most = left > most ? left : most;
	}
	require(most >= TABLES / 2,
		"%s: right after it at most %ld of the %ld tables taken out were still counted in nr_page_table_pages, in each of %d rounds: they were freed without waiting for a grace period (%s)",
		way->name, most, TABLES, ROUNDS, expectation());
}

/* The control: where tables don't go through RCU, this sees that they are free at once. */
static void expect_gone(const struct way *way)
{
	char *map = arena_take((size_t)TABLES);
	long least = TABLES;
	long slept;

	for (int round = 0; round < ROUNDS && least > TABLES / 2; round++) {
		long left = still_counted(way, map, &slept);

		least = left < least ? left : least;
	}
	require(least <= TABLES / 2,
		"%s: right after it at least %ld of %ld tables were still counted, in each of %d rounds, though this kernel has no MMU_GATHER_RCU_TABLE_FREE: the count can't tell",
		way->name, least, TABLES, ROUNDS);
}

/* Fails when it did not sleep for each table: no grace period ends before its CPU has
 * switched to somebody else. (One may end before we come to sleep for it.) */
static void expect_waited(const struct way *way)
{
	long slept;

	still_counted(way, arena_take((size_t)TABLES), &slept);
	require(slept >= TABLES / 2, "%s of %ld tables slept %ld times: it can't have waited for as many grace periods",
		way->name, TABLES, slept);
}

START_TEST(madvise_keeps_tables_for_a_grace_period)
{
	static const struct way way = { "MADV_DONTNEED", by_madvise, 0 };

	expect_kept(&way);
}
END_TEST

START_TEST(munmap_keeps_tables_for_a_grace_period)
{
	static const struct way way = { "munmap", by_munmap, 0 };

	if (through_rcu())
		expect_kept(&way);
	else
		expect_gone(&way);
}
END_TEST

START_TEST(madvise_alone_keeps_tables_for_a_grace_period)
{
	static const struct way way = { "MADV_DONTNEED without batch pages", by_madvise, 1 };

	if (!reclaimed(1)) {
		skip("%s: MADV_DONTNEED takes no table out", expectation());
		return;
	}
	expect_kept(&way);
}
END_TEST

/* With PT_RECLAIM a single table has its own call_rcu(); a kernel without it waits
 * for the grace period there and then (tlb_remove_table_sync_rcu). */
START_TEST(munmap_alone_keeps_tables_for_a_grace_period)
{
	static const struct way way = { "munmap without batch pages", by_munmap, 1 };

	if (!through_rcu()) {
		skip("no MMU_GATHER_RCU_TABLE_FREE: munmap needs no batch page");
		return;
	}
	if (reclaimed(1))
		expect_kept(&way);
	else if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
		expect_waited(&way);
	else
		skip("one CPU, without preemption: a synchronize_rcu() there has nobody to wait for");
}
END_TEST

static void exit_with_tables(void *map)
{
	fill_sparse(map, (size_t)TABLES * TABLE_SPAN, 1);
}

START_TEST(exit_keeps_tables_for_a_grace_period)
{
	char *map = map_anon((size_t)TABLES);
	long most = 0;

	for (int round = 0; round < ROUNDS && most < TABLES / 2; round++) {
		long empty = page_tables_quiet_kb() / TABLE_KB, left;
		int pid = child_start(exit_with_tables, map);

		child_wait(pid);
		left = tables_now() - empty;
		most = left > most ? left : most;
	}
	if (through_rcu())
		require(most >= TABLES / 2,
			"right after a process with %ld tables had exited at most %ld were still counted in nr_page_table_pages, in each of %d rounds: they were freed without waiting for a grace period",
			TABLES, most, ROUNDS);
	else
		require(most < TABLES / 2,
			"%ld of the %ld tables of a process that had exited were still counted, though this kernel has no MMU_GATHER_RCU_TABLE_FREE",
			most, TABLES);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("gather-grace", argc, argv);
	suite_differs();
	suite_modes("ptrace/1 seccomp/2");
	suite_add(madvise_keeps_tables_for_a_grace_period);
	suite_add(munmap_keeps_tables_for_a_grace_period);
	suite_add(madvise_alone_keeps_tables_for_a_grace_period);
	suite_add(munmap_alone_keeps_tables_for_a_grace_period);
	suite_add(exit_keeps_tables_for_a_grace_period);
	return suite_end();
}
