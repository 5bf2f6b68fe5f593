// SPDX-License-Identifier: GPL-2.0
/*
 * Description: munmap frees tables of all levels (free_pgtables()), with and
 * without PT_RECLAIM, except those that a neighbouring mapping shares. Tables
 * that MADV_DONTNEED gave back before are not freed once more, nor missed.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/mman.h>

#include "lib/ops.h"

START_TEST(lone_page_frees_three_levels)
{
	char *at = space_take(1);
	struct tables start = tables_at_rest();

	if (!at)
		return;
	/* Its PTE table, PMD table and PUD table exist for this page alone. */
	map_anon_at(at, PAGE);
	fill(at, PAGE, 1);
	expect_tables_everywhere(&start, 3);
	unmap(at, PAGE);
	expect_tables_everywhere(&start, 0);
}
END_TEST

START_TEST(upper_levels_go_after_the_table_was_reclaimed)
{
	char *at = space_take(1);
	struct tables start = tables_at_rest();

	if (!at)
		return;
	map_anon_at(at, TABLE_SPAN);
	fill(at, TABLE_SPAN, 1);
	dontneed(at, TABLE_SPAN);
	/* Reclaim stops at PTE tables: an empty PMD table stays until munmap. */
	expect_tables_everywhere(&start, 3 - reclaimed(1));
	unmap(at, TABLE_SPAN);
	expect_tables_everywhere(&start, 0);
}
END_TEST

START_TEST(neighbour_in_the_same_gigabyte_keeps_the_upper_levels)
{
	char *at = space_take(1), *other = at + 100 * TABLE_SPAN;
	struct tables start = tables_at_rest();

	if (!at)
		return;
	map_anon_at(at, TABLE_SPAN);
	map_anon_at(other, TABLE_SPAN);
	fill(at, TABLE_SPAN, 1);
	fill(other, TABLE_SPAN, 2);
	expect_tables(start.vmpte, 4);
	unmap(at, TABLE_SPAN);
	expect_tables_everywhere(&start, 3);
	expect_filled_by_all(other, TABLE_SPAN, 2);
	unmap(other, TABLE_SPAN);
	expect_tables_everywhere(&start, 0);
}
END_TEST

START_TEST(neighbour_in_another_gigabyte_keeps_the_pud_table)
{
	char *at = space_take(1), *other = at + PMD_TABLE_SPAN;
	long start = vmpte_kb();

	if (!at)
		return;
	map_anon_at(other - TABLE_SPAN, 2 * TABLE_SPAN);
	fill_sparse(other - TABLE_SPAN, 2 * TABLE_SPAN, 1);
	expect_tables(start, 2 + 2 + 1);
	unmap(other, TABLE_SPAN);
	expect_tables(start, 1 + 1 + 1);
	unmap(other - TABLE_SPAN, TABLE_SPAN);
	expect_tables(start, 0);
}
END_TEST

START_TEST(one_table_of_three)
{
	char *map = map_anon(3), *middle = map + TABLE_SPAN;
	struct tables start = tables_at_rest();

	fill(map, 3 * TABLE_SPAN, 1);
	unmap(middle, TABLE_SPAN);
	expect_tables_everywhere(&start, 2);
	expect_filled_by_all(map, TABLE_SPAN, 1);
	expect_filled_by_all(map + 2 * TABLE_SPAN, TABLE_SPAN, 1);
	expect_signal(middle, SIGSEGV);
	expect_signal(middle + TABLE_SPAN - PAGE, SIGSEGV);
}
END_TEST

START_TEST(hole_between_neighbours_keeps_their_table)
{
	char *map = map_anon(1), *hole = map + 100 * PAGE, *rest = map + 200 * PAGE;
	struct tables start = tables_at_rest();

	fill(map, TABLE_SPAN, 1);
	unmap(hole, 100 * PAGE);
	expect_tables_everywhere(&start, 1);
	expect_signal(hole, SIGSEGV);
	expect_signal(rest - PAGE, SIGSEGV);
	/* What is mapped there next finds nothing of what was there before. */
	map_anon_at(hole, 100 * PAGE);
	expect_zero_by_all(hole, 100 * PAGE);
	expect_filled_by_all(map, 100 * PAGE, 1);
	expect_filled_by_all(rest, TABLE_SPAN - 200 * PAGE, 1);
	expect_tables(start.vmpte, 1);
}
END_TEST

START_TEST(range_from_table_to_table_frees_those_between)
{
	char *map = map_anon(4), *from = map + TABLE_SPAN / 2;
	const size_t len = 3 * TABLE_SPAN;
	struct tables start = tables_at_rest();

	fill(map, 4 * TABLE_SPAN, 1);
	unmap(from, len);
	/* The first and the last table are the neighbours' as well. */
	expect_tables_everywhere(&start, 2);
	expect_filled_by_all(map, TABLE_SPAN / 2, 1);
	expect_filled_by_all(from + len, TABLE_SPAN / 2, 1);
	map_anon_at(from, len);
	expect_zero_by_all(from, len);
}
END_TEST

START_TEST(one_page_left_keeps_its_table)
{
	const size_t slots[] = { 0, 1, 255, 256, TABLE_PAGES - 2, TABLE_PAGES - 1 };
	char *map = map_anon(1);
	long start = vmpte_kb();

	for (size_t i = 0; i < sizeof(slots) / sizeof(*slots); i++) {
		size_t before = slots[i] * PAGE, after = before + PAGE;

		map_anon_at(map, TABLE_SPAN);
		fill(map, TABLE_SPAN, 1);
		if (before)
			unmap(map, before);
		if (after < TABLE_SPAN)
			unmap(map + after, TABLE_SPAN - after);
		expect_tables(start, 1);
		expect_filled_by_all(map + before, PAGE, 1);
		unmap(map + before, PAGE);
		expect_tables(start, 0);
	}
}
END_TEST

START_TEST(mapping_without_pages_keeps_the_table_too)
{
	char *map = map_anon(1), *half = map + TABLE_SPAN / 2;
	long start = vmpte_kb();

	/* free_pgd_range() looks at mappings (floor, ceiling), not at entries. */
	fill(map, TABLE_SPAN / 2, 1);
	unmap(map, TABLE_SPAN / 2);
	expect_tables(start, 1);
	unmap(half, TABLE_SPAN / 2);
	expect_tables(start, 0);
}
END_TEST

START_TEST(table_goes_with_the_last_of_its_mappings)
{
	char *map = map_anon(1);
	const size_t quarter = TABLE_SPAN / 4;
	const size_t order[] = { 2, 0, 3, 1 };
	long start = vmpte_kb();

	fill(map, TABLE_SPAN, 1);
	for (size_t i = 0; i < 4; i++) {
		expect_tables(start, 1);
		expect_filled(map + order[i] * quarter, quarter, 1);
		unmap(map + order[i] * quarter, quarter);
	}
	expect_tables(start, 0);
}
END_TEST

START_TEST(several_mappings_and_gaps_in_one_call)
{
	char *map = map_anon(8);
	struct tables start = tables_at_rest();

	fill(map, 8 * TABLE_SPAN, 1);
	/* Three mappings, a gap of one and a half tables, and a shared one. */
	operation("mprotect", map, TABLE_SPAN / 2);
	require(mprotect(map, TABLE_SPAN / 2, PROT_READ) == 0, "mprotect failed");
	unmap(map + 3 * TABLE_SPAN, TABLE_SPAN + TABLE_SPAN / 2);
	map_at(map + 6 * TABLE_SPAN, TABLE_SPAN, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fill(map + 6 * TABLE_SPAN, TABLE_SPAN, 2);
	expect_tables(start.vmpte, 7);
	unmap(map, 8 * TABLE_SPAN);
	expect_tables_everywhere(&start, 0);
	map_anon_at(map, 8 * TABLE_SPAN);
	expect_zero_by_all(map, 8 * TABLE_SPAN);
}
END_TEST

START_TEST(reclaimed_and_used_tables_mixed)
{
	char *map = map_anon(16);
	struct tables start = tables_at_rest();

	fill_sparse(map, 16 * TABLE_SPAN, 1);
	for (size_t i = 0; i < 16; i += 2)
		dontneed(map + i * TABLE_SPAN, TABLE_SPAN);
	fill_sparse(map, 4 * TABLE_SPAN, 2);
	expect_tables(start.vmpte, 16 - reclaimed(6));
	unmap(map, 16 * TABLE_SPAN);
	expect_tables_everywhere(&start, 0);
}
END_TEST

START_TEST(mapped_anew_reads_zero_round_after_round)
{
	char *map = map_anon(2);
	struct tables start = tables_at_rest();

	for (unsigned int round = 1; round <= 3; round++) {
		fill(map, 2 * TABLE_SPAN, round);
		if (round % 2)
			dontneed(map, TABLE_SPAN);
		unmap(map, 2 * TABLE_SPAN);
		expect_tables(start.vmpte, 0);
		map_anon_at(map, 2 * TABLE_SPAN);
		expect_zero_by_all(map, 2 * TABLE_SPAN);
	}
	unmap(map, 2 * TABLE_SPAN);
	expect_tables_everywhere(&start, 0);
}
END_TEST

static void child_unmaps(void *arg)
{
	unmap(arg, 2 * TABLE_SPAN);
	expect_signal(arg, SIGSEGV);
}

START_TEST(unmapping_in_a_child_costs_the_parent_nothing)
{
	char *private = map_anon(2);
	char *shared = map_tables(2, MAP_SHARED | MAP_ANONYMOUS, -1);
	struct tables start = tables_at_rest();

	fill(private, 2 * TABLE_SPAN, 1);
	fill(shared, 2 * TABLE_SPAN, 2);
	child_wait(child_start(child_unmaps, private));
	child_wait(child_start(child_unmaps, shared));
	expect_tables_everywhere(&start, 4);
	expect_filled_by_all(private, 2 * TABLE_SPAN, 1);
	expect_filled_by_all(shared, 2 * TABLE_SPAN, 2);
}
END_TEST

START_TEST(refused_munmap_changes_nothing)
{
	char *map = map_anon(1);
	long start = vmpte_kb();

	fill(map, TABLE_SPAN, 1);
	operation("munmap that fails", map + 1, TABLE_SPAN);
	require(munmap(map + 1, TABLE_SPAN) == -1, "munmap of an odd address succeeded");
	require(munmap(map, 0) == -1, "munmap of no byte succeeded");
	expect_tables(start, 1);
	expect_filled_by_all(map, TABLE_SPAN, 1);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("munmap", argc, argv);
	suite_modes("ptrace/1");
	suite_differs();
	suite_add(lone_page_frees_three_levels);
	suite_add(upper_levels_go_after_the_table_was_reclaimed);
	suite_add(neighbour_in_the_same_gigabyte_keeps_the_upper_levels);
	suite_add(neighbour_in_another_gigabyte_keeps_the_pud_table);
	suite_add(one_table_of_three);
	suite_add(hole_between_neighbours_keeps_their_table);
	suite_add(range_from_table_to_table_frees_those_between);
	suite_add(one_page_left_keeps_its_table);
	suite_add(mapping_without_pages_keeps_the_table_too);
	suite_add(table_goes_with_the_last_of_its_mappings);
	suite_add(several_mappings_and_gaps_in_one_call);
	suite_add(reclaimed_and_used_tables_mixed);
	suite_add(mapped_anew_reads_zero_round_after_round);
	suite_add(unmapping_in_a_child_costs_the_parent_nothing);
	suite_add(refused_munmap_changes_nothing);
	return suite_end();
}
