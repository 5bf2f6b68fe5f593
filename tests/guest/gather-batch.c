// SPDX-License-Identifier: GPL-2.0
/*
 * Description: mmu_gather with as many tables in one operation as a batch holds, one
 * less, one more, and several batches of them. Counted are the pages that are
 * allocated for batches, the tables that leave VmPTE at once, and those that RCU
 * gives back; and nobody else's page changes, the one behind a full batch least of all.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/guest.h"
#include "lib/inject.h"

#define TABLE_BATCH	"tlb_remove_table"		/* allocates a table batch */
#define PAGE_BATCH	"__tlb_remove_folio_pages"	/* calls tlb_next_batch() */
#define MAX_TABLE_BATCH	509L	/* (PAGE - sizeof(struct mmu_table_batch)) / 8 */
/* MAX_GATHER_BATCH_COUNT: 10000 / MAX_GATHER_BATCH, which is (PAGE - 16) / 8 */
#define PAGE_BATCHES	(10000 / 510)
/* What is used where the arena's 511 tables are too few. */
#define MANY_TABLES	2040L

/* Pages that n tables in one operation take for their batches. */
static long batches(long n)
{
	return (n + MAX_TABLE_BATCH - 1) / MAX_TABLE_BATCH;
}

/* Counts allocations in `function` from now on, where the kernel has it. */
static void count_start(const char *function)
{
	if (kernel_has(function))
		inject_start(function, EVERY_TIME, 1);
}

static void count_expect(const char *function, long want, long tables)
{
	if (!kernel_has(function))
		return;
	require(inject_passed() == want, "%d pages were allocated for batches of %ld tables, expected %ld (%s)",
		inject_passed(), tables, want, expectation());
	inject_stop();
}

static void madvise_tables(long tables)
{
	char *map = map_anon((size_t)tables);
	long kernel = page_tables_quiet_kb(), start = vmpte_kb();

	fill_sparse(map, (size_t)tables * TABLE_SPAN, 1);
	count_start(TABLE_BATCH);
	dontneed(map, (size_t)tables * TABLE_SPAN);
	count_expect(TABLE_BATCH, batches(reclaimed(tables)), reclaimed(tables));
	expect_tables(start, tables - reclaimed(tables));
	expect_kernel_tables(kernel, tables - reclaimed(tables));
}

static void munmap_tables(long tables)
{
	char *map = map_anon((size_t)tables);
	long kernel = page_tables_quiet_kb(), start = vmpte_kb();

	fill_sparse(map, (size_t)tables * TABLE_SPAN, 1);
	count_start(TABLE_BATCH);
	require(munmap(map, (size_t)tables * TABLE_SPAN) == 0, "munmap: %s", strerror(errno));
	count_expect(TABLE_BATCH, batches(tables), tables);
	expect_tables(start, 0);
	expect_kernel_tables(kernel, 0);
}

START_TEST(madvise_one_less_than_a_batch)
{
	madvise_tables(MAX_TABLE_BATCH - 1);
}
END_TEST

START_TEST(madvise_exactly_a_batch)
{
	madvise_tables(MAX_TABLE_BATCH);
}
END_TEST

START_TEST(madvise_one_more_than_a_batch)
{
	madvise_tables(MAX_TABLE_BATCH + 1);
}
END_TEST

START_TEST(munmap_one_less_than_a_batch)
{
	munmap_tables(MAX_TABLE_BATCH - 1);
}
END_TEST

START_TEST(munmap_exactly_a_batch)
{
	munmap_tables(MAX_TABLE_BATCH);
}
END_TEST

START_TEST(munmap_one_more_than_a_batch)
{
	munmap_tables(MAX_TABLE_BATCH + 1);
}
END_TEST

/* MANY_TABLES at a 1 GiB boundary, with a page in each table. */
static char *map_many(void)
{
	const size_t giga = 1UL << 30, size = (size_t)MANY_TABLES * TABLE_SPAN;
	char *map = mmap(NULL, size + giga, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	require(map != MAP_FAILED, "mmap of %zu MiB: %s", (size + giga) >> 20, strerror(errno));
	map = (char *)(((unsigned long)map + giga - 1) & ~(giga - 1));
	fill_sparse(map, size, 1);
	return map;
}

START_TEST(madvise_several_batches)
{
	const size_t size = (size_t)MANY_TABLES * TABLE_SPAN;
	char *map = map_many();
	long kernel = page_tables_quiet_kb(), start = vmpte_kb();

	for (int round = 0; round < 3; round++) {
		count_start(TABLE_BATCH);
		dontneed(map, size);
		count_expect(TABLE_BATCH, batches(reclaimed(MANY_TABLES)), reclaimed(MANY_TABLES));
		expect_tables(start, -reclaimed(MANY_TABLES));
		expect_kernel_tables(kernel, -reclaimed(MANY_TABLES));
		fill_sparse(map, size, 2);
		expect_tables(start, 0);
	}
}
END_TEST

START_TEST(munmap_several_batches)
{
	const size_t size = (size_t)MANY_TABLES * TABLE_SPAN;
	char *map = map_many();
	long kernel = page_tables_quiet_kb();

	require(munmap(map, size) == 0, "munmap: %s", strerror(errno));
	expect_kernel_tables(kernel, -MANY_TABLES);
}
END_TEST

static void exit_with_many(void *unused)
{
	(void)unused;
	map_many();
}

START_TEST(exit_several_batches)
{
	long kernel = page_tables_quiet_kb();

	child_wait(child_start(exit_with_many, NULL));
	expect_kernel_tables(kernel, 0);
}
END_TEST

/* Pages and tables in one operation: when there is no room for more pages, what
 * was gathered so far goes, tables included, and the operation goes on. */
START_TEST(pages_run_out_of_batches_first)
{
	const long tables = 24;
	char *map = map_anon((size_t)tables);
	long kernel = page_tables_quiet_kb(), start = vmpte_kb();

	fill(map, (size_t)tables * TABLE_SPAN, 1);
	count_start(PAGE_BATCH);
	dontneed(map, (size_t)tables * TABLE_SPAN);
	if (kernel_has(PAGE_BATCH))
		require(inject_passed() == PAGE_BATCHES, "%d pages were allocated for batches of %ld pages, expected %d",
			inject_passed(), tables * (long)TABLE_PAGES, PAGE_BATCHES);
	inject_stop();
	expect_tables(start, tables - reclaimed(tables));
	expect_kernel_tables(kernel, tables - reclaimed(tables));
	expect_zero(map, (size_t)tables * TABLE_SPAN);
}
END_TEST

/* ---- what lies behind a full batch ---- */

#define PIPES 4
#define PIPE_PAGES 256

/* Pages of pipes come from the same lists as those of batches, one after another. Of a pair
 * of pipes that are filled in turns, one is then closed: behind each page that has become
 * free lies, in physical memory and for the most part, a page of the other. */
static void comb_of_pages(int keep[PIPES], const unsigned long *page)
{
	for (int i = 0; i < PIPES; i++) {
		int pair[2][2];

		for (int p = 0; p < 2; p++)
			require(pipe(pair[p]) == 0 && fcntl(pair[p][1], F_SETPIPE_SZ, PIPE_PAGES * PAGE) > 0,
				"pipe of %d pages: %s", PIPE_PAGES, strerror(errno));
		for (int n = 0; n < 2 * PIPE_PAGES; n++)
			if (write(pair[n % 2][1], page, PAGE) != (ssize_t)PAGE)
				require(0, "pipe: write: %s", strerror(errno));
		close(pair[0][0]);
		close(pair[0][1]);
		close(pair[1][1]);
		keep[i] = pair[1][0];
	}
}

/* Reads all and fails the test when a page is not as it was written. */
static void expect_neighbours_unchanged(const int keep[PIPES], const unsigned long *page)
{
	static unsigned long got[PAGE / sizeof(long)];

	for (int i = 0; i < PIPES; i++) {
		for (int n = 0; n < PIPE_PAGES; n++) {
			size_t at = 0;

			if (read(keep[i], got, PAGE) != (ssize_t)PAGE)
				require(0, "pipe: read: %s", strerror(errno));
			if (memcmp(got, page, PAGE) == 0)
				continue;
			while (got[at] == page[at])
				at++;
			require(0, "byte %zu of a page of a pipe reads 0x%lx, 0x%lx was written: something was written behind the end of a batch that lay before it?",
				at * sizeof(long), got[at], page[at]);
		}
		close(keep[i]);
	}
}

START_TEST(nothing_is_written_behind_a_full_batch)
{
	const long tables = 511;
	char *map = map_anon((size_t)tables);
	unsigned long page[PAGE / sizeof(long)];
	int keep[PIPES];

	for (size_t i = 0; i < PAGE / sizeof(long); i++)
		page[i] = 0xba7c000000000000UL | i;
	for (int round = 0; round < 3; round++) {
		fill_sparse(map, (size_t)tables * TABLE_SPAN, 1);
		comb_of_pages(keep, page);
		if (round == 2)
			require(munmap(map, (size_t)tables * TABLE_SPAN) == 0, "munmap: %s", strerror(errno));
		else
			dontneed(map, (size_t)tables * TABLE_SPAN);
		expect_neighbours_unchanged(keep, page);
	}
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("gather-batch", argc, argv);
	suite_differs();
	/* First: a kernel that does so may not get any further. */
	suite_add(nothing_is_written_behind_a_full_batch);
	suite_add(madvise_one_less_than_a_batch);
	suite_add(madvise_exactly_a_batch);
	suite_add(madvise_one_more_than_a_batch);
	suite_add(munmap_one_less_than_a_batch);
	suite_add(munmap_exactly_a_batch);
	suite_add(munmap_one_more_than_a_batch);
	suite_add(madvise_several_batches);
	suite_add(munmap_several_batches);
	suite_add(exit_several_batches);
	suite_add(pages_run_out_of_batches_first);
	return suite_end();
}
