// SPDX-License-Identifier: GPL-2.0
/*
 * Description: mmu_gather when there is no memory for its batches. The page for a
 * batch of tables comes from an allocation that may not wait; without it
 * tlb_remove_table() hands tables to RCU one by one. Without a page for a batch of
 * pages zap_pte_range() has to stop, flush, drop the lock and look again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/guest.h"
#include "lib/inject.h"

#define TABLE_BATCH	"tlb_remove_table"		/* allocates a table batch */
#define PAGE_BATCH	"__tlb_remove_folio_pages"	/* calls tlb_next_batch() */
#define MAX_TABLE_BATCH	509	/* (PAGE - sizeof(struct mmu_table_batch)) / 8 */

/* Exactly `want` allocations failed: else the test has tested something else. */
#define expect_hits(want) do { \
	require(inject_hit((int)(want)), "%d allocations of a batch page failed, expected %d (%s): the fallback was not taken as often as it should", \
		inject_hits(), (int)(want), expectation()); \
} while (0)

/* Of n tables that munmap or exit frees, those that ask for a batch. */
static long batched(long n)
{
	return kernel_has(TABLE_BATCH) ? n : 0;
}

/* Lets the kernel be short of table batches, where it knows such a thing. */
static void no_table_batch(int skip, int times)
{
	if (kernel_has(TABLE_BATCH))
		inject_start(TABLE_BATCH, skip, times);
	else
		inject_start(NULL, EVERY_TIME, 1);
}

START_TEST(every_table_goes_alone)
{
	const long tables = 64;
	char *map = map_anon((size_t)tables);
	long kernel = page_tables_quiet_kb(), start = vmpte_kb();

	fill_sparse(map, (size_t)tables * TABLE_SPAN, 1);
	no_table_batch(0, EVERY_TIME);
	dontneed(map, (size_t)tables * TABLE_SPAN);
	expect_hits(reclaimed(tables));
	inject_stop();
	expect_tables(start, tables - reclaimed(tables));
	expect_kernel_tables(kernel, tables - reclaimed(tables));
	expect_zero(map, TABLE_SPAN);
}
END_TEST

START_TEST(alone_until_a_batch_is_to_be_had)
{
	const long tables = 64, alone = 5;
	char *map = map_anon((size_t)tables);
	long kernel = page_tables_quiet_kb(), start = vmpte_kb();

	fill_sparse(map, (size_t)tables * TABLE_SPAN, 1);
	no_table_batch(0, alone);
	dontneed(map, (size_t)tables * TABLE_SPAN);
	expect_hits(reclaimed(alone));
	inject_stop();
	expect_tables(start, tables - reclaimed(tables));
	expect_kernel_tables(kernel, tables - reclaimed(tables));
}
END_TEST

START_TEST(alone_after_a_full_batch)
{
	const long tables = 511;
	char *map = map_anon((size_t)tables);
	long kernel = page_tables_quiet_kb(), start = vmpte_kb();

	fill_sparse(map, (size_t)tables * TABLE_SPAN, 1);
	no_table_batch(1, EVERY_TIME);
	dontneed(map, (size_t)tables * TABLE_SPAN);
	expect_hits(reclaimed(tables - MAX_TABLE_BATCH));
	inject_stop();
	expect_tables(start, tables - reclaimed(tables));
	expect_kernel_tables(kernel, tables - reclaimed(tables));
}
END_TEST

START_TEST(munmap_one_by_one)
{
	const long tables = 64;
	char *map = map_anon((size_t)tables);
	long kernel = page_tables_quiet_kb(), start = vmpte_kb();

	fill_sparse(map, (size_t)tables * TABLE_SPAN, 1);
	no_table_batch(0, EVERY_TIME);
	require(munmap(map, (size_t)tables * TABLE_SPAN) == 0, "munmap: %s", strerror(errno));
	expect_hits(batched(tables));
	inject_stop();
	expect_tables(start, 0);
	expect_kernel_tables(kernel, 0);
}
END_TEST

static void exit_without_batches(void *map)
{
	fill_sparse(map, 16 * TABLE_SPAN, 2);
	no_table_batch(0, EVERY_TIME);
}

START_TEST(exit_one_by_one)
{
	char *map = map_anon(16);
	long kernel = page_tables_quiet_kb();
	int pid = child_start(exit_without_batches, map), hits, at_least = (int)batched(16);

	child_wait(pid);
	/* The child armed it: our copy of the count begins where its did. */
	hits = EVERY_TIME - (int)proc_number_only("/sys/kernel/debug/fail_page_alloc/times");
	if (at_least)
		require(hits >= at_least, "%d allocations of a batch page failed in the child's exit, expected %d or more",
			hits, at_least);
	expect_kernel_tables(kernel, 0);
}
END_TEST

/* The lock is dropped every few pages: what was looked at before does not count,
 * and the table that is looked at again must be this one, not the next. */
START_TEST(short_of_page_batches)
{
	char *map = map_anon(3);
	long kernel = page_tables_quiet_kb(), start = vmpte_kb();
	int hits;

	fill(map, 3 * TABLE_SPAN, 1);
	inject_start(PAGE_BATCH, 0, EVERY_TIME);
	dontneed(map, 2 * TABLE_SPAN);
	hits = inject_hits();
	inject_stop();
	require(hits >= 2 * 512 / 16, "%d allocations of a page batch failed in 2 tables of 512 pages: the injection missed", hits);
	expect_tables(start, 3 - reclaimed(2));
	expect_kernel_tables(kernel, 3 - reclaimed(2));
	expect_zero(map, 2 * TABLE_SPAN);
	expect_filled(map + 2 * TABLE_SPAN, TABLE_SPAN, 1);
}
END_TEST

/* Empty tables on both sides of a full one, so that a wrong one would be found empty. */
START_TEST(short_of_page_batches_beside_empty_tables)
{
	char *map = map_anon(3);
	long start = vmpte_kb();

	fill(map, 3 * TABLE_SPAN, 1);
	dontneed(map, TABLE_SPAN - PAGE);
	dontneed(map + TABLE_SPAN - PAGE, PAGE);
	dontneed(map + 2 * TABLE_SPAN, TABLE_SPAN - PAGE);
	dontneed(map + 3 * TABLE_SPAN - PAGE, PAGE);
	expect_tables(start, 3);
	inject_start(PAGE_BATCH, 0, EVERY_TIME);
	dontneed(map + TABLE_SPAN, TABLE_SPAN);
	require(inject_hits() > 0, "no allocation of a page batch failed: the injection missed");
	inject_stop();
	expect_tables(start, 3 - reclaimed(1));
	fill(map, 3 * TABLE_SPAN, 2);
	expect_filled(map, 3 * TABLE_SPAN, 2);
	expect_tables(start, 3);
}
END_TEST

START_TEST(short_of_both)
{
	const long tables = 2;
	char *map = map_anon((size_t)tables);
	long kernel = page_tables_quiet_kb(), start = vmpte_kb();

	for (int round = 0; round < 3; round++) {
		fill(map, (size_t)tables * TABLE_SPAN, 1);
		inject_start(NULL, 0, EVERY_TIME);
		dontneed(map, (size_t)tables * TABLE_SPAN);
		require(inject_hits() > reclaimed(tables),
			"%d allocations failed: the injection missed", inject_hits());
		inject_stop();
		expect_tables(start, tables - reclaimed(tables));
		expect_zero(map, PAGE);
		dontneed(map, (size_t)tables * TABLE_SPAN);
	}
	expect_kernel_tables(kernel, tables - reclaimed(tables));
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("gather-fallback", argc, argv);
	suite_differs();
	suite_add(every_table_goes_alone);
	suite_add(alone_until_a_batch_is_to_be_had);
	suite_add(alone_after_a_full_batch);
	suite_add(munmap_one_by_one);
	suite_add(exit_one_by_one);
	suite_add(short_of_page_batches);
	suite_add(short_of_page_batches_beside_empty_tables);
	suite_add(short_of_both);
	return suite_end();
}
