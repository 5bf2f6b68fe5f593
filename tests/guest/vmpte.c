// SPDX-License-Identifier: GPL-2.0
/*
 * Description: what private anonymous memory costs in PTE tables before and
 * after MADV_DONTNEED, to the table. zap_pte_range() gives a table back when
 * one call covers all that it maps and no entry in it was skipped.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "lib/guest.h"

START_TEST(one_table_is_reclaimed)
{
	char *map = map_anon(1);
	long start = vmpte_kb();

	fill(map, TABLE_SPAN, 1);
	expect_tables(start, 1);
	dontneed(map, TABLE_SPAN);
	expect_tables(start, 1 - reclaimed(1));
}
END_TEST

START_TEST(table_of_one_page_is_reclaimed)
{
	char *map = map_anon(1);
	long start = vmpte_kb();

	/* The last page: the scan has to get that far. */
	fill(map + TABLE_SPAN - PAGE, PAGE, 1);
	expect_tables(start, 1);
	dontneed(map, TABLE_SPAN);
	expect_tables(start, 1 - reclaimed(1));
}
END_TEST

START_TEST(many_tables_in_one_call)
{
	char *map = map_anon(64);
	long start = vmpte_kb();

	fill_sparse(map, 64 * TABLE_SPAN, 1);
	expect_tables(start, 64);
	dontneed(map, 64 * TABLE_SPAN);
	expect_tables(start, 64 - reclaimed(64));
}
END_TEST

START_TEST(many_tables_one_by_one)
{
	char *map = map_anon(64);
	long start = vmpte_kb();

	for (long i = 0; i < 64; i++) {
		char *table = map + (size_t)i * TABLE_SPAN;

		fill_sparse(table, TABLE_SPAN, 1);
		expect_tables(start, 1 + i - reclaimed(i));
		dontneed(table, TABLE_SPAN);
		expect_tables(start, 1 + i - reclaimed(1 + i));
	}
}
END_TEST

/* More pages than mmu_gather's batches hold: zap_pte_range() has to stop in
 * the middle of a table, flush, come back, and check the whole table again. */
START_TEST(more_pages_than_the_batches_hold)
{
	const size_t tables = 24;
	char *map = map_anon(tables);
	long start = vmpte_kb();

	fill(map, tables * TABLE_SPAN, 1);
	expect_tables(start, (long)tables);
	dontneed(map, tables * TABLE_SPAN);
	expect_tables(start, (long)tables - reclaimed((long)tables));
}
END_TEST

START_TEST(table_of_zero_pages_is_reclaimed)
{
	char *map = map_anon(1);
	long start = vmpte_kb();

	/* Reading maps the zero page, which is no "normal" page to the zap. */
	expect_zero(map, 8 * PAGE);
	expect_tables(start, 1);
	dontneed(map, TABLE_SPAN);
	expect_tables(start, 1 - reclaimed(1));
}
END_TEST

START_TEST(range_without_tables_stays_so)
{
	char *map = map_anon(4);
	long start = vmpte_kb();

	dontneed(map, 4 * TABLE_SPAN);
	expect_tables(start, 0);
}
END_TEST

START_TEST(unaligned_start_keeps_the_first_table)
{
	char *map = map_anon(3);
	long start = vmpte_kb();

	fill_sparse(map, 3 * TABLE_SPAN, 1);
	dontneed(map + PAGE, 3 * TABLE_SPAN - PAGE);
	expect_tables(start, 3 - reclaimed(2));
	expect_filled(map, PAGE, 1);
}
END_TEST

START_TEST(unaligned_end_keeps_the_last_table)
{
	char *map = map_anon(3);
	char *last = map + 3 * TABLE_SPAN - PAGE;
	long start = vmpte_kb();

	fill_sparse(map, 3 * TABLE_SPAN, 1);
	fill(last, PAGE, 2);
	dontneed(map, 3 * TABLE_SPAN - PAGE);
	expect_tables(start, 3 - reclaimed(2));
	expect_filled(last, PAGE, 2);
}
END_TEST

START_TEST(unaligned_at_both_ends)
{
	char *map = map_anon(4);
	char *last = map + 4 * TABLE_SPAN - PAGE;
	long start = vmpte_kb();

	fill_sparse(map, 4 * TABLE_SPAN, 1);
	fill(last, PAGE, 2);
	dontneed(map + PAGE, 4 * TABLE_SPAN - 2 * PAGE);
	expect_tables(start, 4 - reclaimed(2));
	expect_filled(map, PAGE, 1);
	expect_filled(last, PAGE, 2);
}
END_TEST

START_TEST(less_than_a_table_keeps_it)
{
	char *map = map_anon(1);
	long start = vmpte_kb();

	fill(map, PAGE, 1);
	dontneed(map, TABLE_SPAN - PAGE);
	expect_tables(start, 1);
	dontneed(map + PAGE, TABLE_SPAN - PAGE);
	expect_tables(start, 1);
}
END_TEST

START_TEST(straddling_two_halves_keeps_both)
{
	char *map = map_anon(2);
	long start = vmpte_kb();

	/* As long as a table, but no table is covered. */
	fill_sparse(map + TABLE_SPAN / 2, 2 * TABLE_SPAN - TABLE_SPAN / 2, 1);
	dontneed(map + TABLE_SPAN / 2, TABLE_SPAN);
	expect_tables(start, 2);
}
END_TEST

START_TEST(emptied_by_halves_then_reclaimed_whole)
{
	char *map = map_anon(1);
	long start = vmpte_kb();

	fill(map, TABLE_SPAN, 1);
	dontneed(map, TABLE_SPAN / 2);
	dontneed(map + TABLE_SPAN / 2, TABLE_SPAN / 2);
	expect_tables(start, 1);
	/* Nothing is left to zap: an empty table is reclaimed all the same. */
	dontneed(map, TABLE_SPAN);
	expect_tables(start, 1 - reclaimed(1));
}
END_TEST

START_TEST(table_of_two_mappings_stays)
{
	char *map = map_anon(1);
	long start = vmpte_kb();

	/* Two VMAs in one table: neither of them covers it, both together do. */
	fill(map, TABLE_SPAN, 1);
	require(mprotect(map + TABLE_SPAN / 2, TABLE_SPAN / 2, PROT_READ) == 0,
		"mprotect failed");
	dontneed(map, TABLE_SPAN);
	expect_tables(start, 1);
	expect_zero(map, TABLE_SPAN);
}
END_TEST

START_TEST(table_shared_with_a_neighbour_stays)
{
	char *map = map_anon(2);
	char *ours = map + TABLE_SPAN / 2;
	long start = vmpte_kb();

	/* Ours begins and ends inside a table, the neighbour has the rest. */
	require(mprotect(map, TABLE_SPAN / 2, PROT_READ | PROT_WRITE | PROT_EXEC) == 0,
		"mprotect failed");
	fill(map, 2 * TABLE_SPAN, 1);
	dontneed(ours, 2 * TABLE_SPAN - TABLE_SPAN / 2);
	expect_tables(start, 2 - reclaimed(1));
	expect_filled(map, TABLE_SPAN / 2, 1);
	expect_zero(ours, TABLE_SPAN / 2);
}
END_TEST

START_TEST(munmap_gives_tables_back_everywhere)
{
	char *map = map_anon(16);
	long start = vmpte_kb();

	fill_sparse(map, 16 * TABLE_SPAN, 1);
	expect_tables(start, 16);
	require(munmap(map, 16 * TABLE_SPAN) == 0, "munmap failed");
	expect_tables(start, 0);
}
END_TEST

START_TEST(many_rounds_do_not_drift)
{
	char *map = map_anon(4);
	long start = vmpte_kb();

	for (int round = 0; round < 100; round++) {
		fill_sparse(map, 4 * TABLE_SPAN, 1);
		expect_tables(start, 4);
		dontneed(map, 4 * TABLE_SPAN);
		expect_tables(start, 4 - reclaimed(4));
	}
}
END_TEST

START_TEST(rcu_gives_the_memory_back)
{
	const long tables = 200;
	char *map = map_anon((size_t)tables);
	long start = page_tables_quiet_kb(), full;

	fill_sparse(map, (size_t)tables * TABLE_SPAN, 1);
	full = page_tables_kb();
	require(full >= start + tables * TABLE_KB,
		"nr_page_table_pages is %ld kB with %ld tables more than at %ld kB",
		full, tables, start);
	dontneed(map, (size_t)tables * TABLE_SPAN);
	expect_kernel_tables(start, tables - reclaimed(tables));
	/* And without PT_RECLAIM they really stay. */
	full = page_tables_quiet_kb();
	require(full >= start + (tables - reclaimed(tables)) * TABLE_KB,
		"nr_page_table_pages is %ld kB after MADV_DONTNEED, expected at least %ld kB (%s)",
		full, start + (tables - reclaimed(tables)) * TABLE_KB, expectation());
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("vmpte", argc, argv);
	suite_modes("ptrace/1");
	suite_differs();
	suite_add(one_table_is_reclaimed);
	suite_add(table_of_one_page_is_reclaimed);
	suite_add(many_tables_in_one_call);
	suite_add(many_tables_one_by_one);
	suite_add_slow(more_pages_than_the_batches_hold, 60);
	suite_add(table_of_zero_pages_is_reclaimed);
	suite_add(range_without_tables_stays_so);
	suite_add(unaligned_start_keeps_the_first_table);
	suite_add(unaligned_end_keeps_the_last_table);
	suite_add(unaligned_at_both_ends);
	suite_add(less_than_a_table_keeps_it);
	suite_add(straddling_two_halves_keeps_both);
	suite_add(emptied_by_halves_then_reclaimed_whole);
	suite_add(table_of_two_mappings_stays);
	suite_add(table_shared_with_a_neighbour_stays);
	suite_add(munmap_gives_tables_back_everywhere);
	suite_add(many_rounds_do_not_drift);
	suite_add(rcu_gives_the_memory_back);
	return suite_end();
}
