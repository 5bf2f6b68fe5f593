// SPDX-License-Identifier: GPL-2.0
/*
 * Description: each table that mmu_gather gets is freed once: nr_page_table_pages comes back
 * to exactly what it was, not to less. Tables reach RCU in a batch, alone when there is no
 * page for a batch, and in a mixture of both, where one could be in both.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/guest.h"
#include "lib/inject.h"

#define TABLE_BATCH	"tlb_remove_table"	/* allocates a table batch */
#define ROUNDS		3

/*
 * Fills `tables` tables sparsely and takes them out, with the batch pages that come after
 * `skip` others failing `times` times; then unmaps them, so that all tables are gone also
 * without PT_RECLAIM. The first round brings what the process itself needs.
 */
static void free_tables(size_t tables, int skip, int times)
{
	const size_t len = tables * TABLE_SPAN;
	char *map = map_anon(tables);
	long before = 0, after;

	for (int round = 0; round <= ROUNDS; round++) {
		if (round)
			before = page_tables_quiet_kb();
		fill_sparse(map, len, 1);
		if (times && kernel_has(TABLE_BATCH))
			inject_start(TABLE_BATCH, skip, times);
		dontneed(map, len);
		if (times && kernel_has(TABLE_BATCH)) {
			require(!reclaimed(1) || inject_hits() > 0, "no allocation of a batch page failed: the injection missed");
			inject_stop();
		}
		require(munmap(map, len) == 0, "munmap: %s", strerror(errno));
		require(mmap(map, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
			     -1, 0) == map,
			"mmap: %s", strerror(errno));
		if (!round)
			continue;
		expect_kernel_tables(before, 0);
		after = page_tables_quiet_kb();
		require(after == before,
			"nr_page_table_pages is %ld kB after %zu tables were freed, %ld kB before they were made: %ld were freed more than once",
			after, tables, before, (before - after) / TABLE_KB);
	}
}

START_TEST(tables_of_a_batch)
{
	free_tables(64, 0, 0);
}
END_TEST

START_TEST(tables_of_two_batches)
{
	free_tables(511, 0, 0);
}
END_TEST

START_TEST(tables_alone)
{
	free_tables(64, 0, EVERY_TIME);
}
END_TEST

START_TEST(first_table_alone)
{
	free_tables(64, 0, 1);
}
END_TEST

START_TEST(some_tables_alone)
{
	free_tables(64, 0, 5);
}
END_TEST

START_TEST(first_table_after_a_batch_alone)
{
	free_tables(511, 1, 1);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("freed-once", argc, argv);
	suite_differs();
	suite_add(tables_of_a_batch);
	suite_add(tables_of_two_batches);
	suite_add(tables_alone);
	suite_add(first_table_alone);
	suite_add(some_tables_alone);
	suite_add(first_table_after_a_batch_alone);
	return suite_end();
}
