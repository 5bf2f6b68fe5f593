// SPDX-License-Identifier: GPL-2.0
/*
 * Description: mmap(MAP_FIXED) over memory in use unmaps it first, and with it
 * all tables that lie within the new mapping, with and without PT_RECLAIM.
 * Tables shared with a neighbour stay, as does the neighbour's data; the new
 * mapping reads as new.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>

#include "lib/ops.h"

/* Since Linux 4.17. */
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

START_TEST(whole_tables_are_freed)
{
	char *map = map_anon(3);
	struct tables start = tables_at_rest();

	fill(map, 3 * TABLE_SPAN, 1);
	map_anon_at(map, 3 * TABLE_SPAN);
	expect_tables_everywhere(&start, 0);
	expect_zero_by_all(map, 3 * TABLE_SPAN);
	fill(map, 3 * TABLE_SPAN, 2);
	expect_tables(start.vmpte, 3);
	expect_filled_by_all(map, 3 * TABLE_SPAN, 2);
}
END_TEST

START_TEST(middle_table_only)
{
	char *map = map_anon(3), *middle = map + TABLE_SPAN;
	struct tables start = tables_at_rest();

	fill(map, 3 * TABLE_SPAN, 1);
	map_anon_at(middle, TABLE_SPAN);
	expect_tables_everywhere(&start, 2);
	expect_zero_by_all(middle, TABLE_SPAN);
	expect_filled_by_all(map, TABLE_SPAN, 1);
	expect_filled_by_all(middle + TABLE_SPAN, TABLE_SPAN, 1);
}
END_TEST

START_TEST(part_of_a_table_keeps_it)
{
	char *map = map_anon(1), *part = map + 100 * PAGE;
	struct tables start = tables_at_rest();

	fill(map, TABLE_SPAN, 1);
	map_anon_at(part, 100 * PAGE);
	expect_tables_everywhere(&start, 1);
	expect_zero_by_all(part, 100 * PAGE);
	expect_filled_by_all(map, 100 * PAGE, 1);
	expect_filled_by_all(part + 100 * PAGE, TABLE_SPAN - 200 * PAGE, 1);
}
END_TEST

START_TEST(all_but_one_page_keeps_the_table)
{
	const size_t slots[] = { 0, 1, 255, 256, TABLE_PAGES - 2, TABLE_PAGES - 1 };
	char *map = map_anon(1);
	long start = vmpte_kb();

	for (size_t i = 0; i < sizeof(slots) / sizeof(*slots); i++) {
		size_t before = slots[i] * PAGE, after = before + PAGE;

		fill(map, TABLE_SPAN, 1);
		if (before)
			map_anon_at(map, before);
		if (after < TABLE_SPAN)
			map_anon_at(map + after, TABLE_SPAN - after);
		expect_tables(start, 1);
		expect_filled_by_all(map + before, PAGE, 1);
		expect_zero(map, before);
		expect_zero(map + after, TABLE_SPAN - after);
	}
}
END_TEST

START_TEST(from_half_to_half_frees_those_between)
{
	char *map = map_anon(4), *from = map + TABLE_SPAN / 2;
	const size_t len = 3 * TABLE_SPAN;
	struct tables start = tables_at_rest();

	fill(map, 4 * TABLE_SPAN, 1);
	map_anon_at(from, len);
	expect_tables_everywhere(&start, 2);
	expect_zero_by_all(from, len);
	expect_filled_by_all(map, TABLE_SPAN / 2, 1);
	expect_filled_by_all(from + len, TABLE_SPAN / 2, 1);
}
END_TEST

START_TEST(over_several_mappings_and_gaps)
{
	char *map = map_anon(6);
	struct tables start = tables_at_rest();

	fill(map, 6 * TABLE_SPAN, 1);
	unmap(map + TABLE_SPAN, TABLE_SPAN + TABLE_SPAN / 2);
	map_at(map + 4 * TABLE_SPAN, TABLE_SPAN, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fill(map + 4 * TABLE_SPAN, TABLE_SPAN, 2);
	expect_tables(start.vmpte, 5);
	map_anon_at(map, 6 * TABLE_SPAN);
	expect_tables_everywhere(&start, 0);
	expect_zero_by_all(map, 6 * TABLE_SPAN);
}
END_TEST

START_TEST(over_reclaimed_tables)
{
	char *map = map_anon(4);
	struct tables start = tables_at_rest();

	fill(map, 4 * TABLE_SPAN, 1);
	dontneed(map + TABLE_SPAN, 2 * TABLE_SPAN);
	expect_tables(start.vmpte, 4 - reclaimed(2));
	map_anon_at(map, 4 * TABLE_SPAN);
	/* Neither freed twice nor left behind. */
	expect_tables_everywhere(&start, 0);
	expect_zero_by_all(map, 4 * TABLE_SPAN);
}
END_TEST

START_TEST(round_after_round_does_not_drift)
{
	char *map = map_anon(2);
	struct tables start = tables_at_rest();

	for (unsigned int round = 1; round <= 50; round++) {
		map_anon_at(map, 2 * TABLE_SPAN);
		expect_tables(start.vmpte, 0);
		fill_sparse(map, 2 * TABLE_SPAN, round);
		if (round % 2)
			dontneed(map, TABLE_SPAN);
		expect_tables(start.vmpte, 2 - reclaimed(round % 2));
	}
	unmap(map, 2 * TABLE_SPAN);
	expect_tables_everywhere(&start, 0);
}
END_TEST

START_TEST(file_over_anonymous_memory_and_back)
{
	const size_t len = 2 * TABLE_SPAN;
	int fd = new_memfd(len);
	char *map = map_anon(2), *twin = map_tables(2, MAP_SHARED, fd);
	struct tables start = tables_at_rest();

	fill(twin, len, 1);
	fill(map, len, 2);
	map_at(map, len, MAP_SHARED, fd, 0);
	expect_tables_everywhere(&start, 2);
	expect_filled_from(map, twin, len, 1);
	expect_tables(start.vmpte, 4);
	map_anon_at(map, len);
	expect_tables_everywhere(&start, 2);
	expect_zero_by_all(map, len);
	expect_filled_by_all(twin, len, 1);
}
END_TEST

START_TEST(other_offset_of_the_same_file)
{
	const size_t len = TABLE_SPAN;
	int fd = new_memfd(2 * len);
	char *map = map_tables(1, MAP_SHARED, fd), *twin = map_tables(2, MAP_SHARED, fd);
	long start = vmpte_kb();

	fill(twin, 2 * len, 1);
	expect_filled_from(map, twin, len, 1);
	expect_tables(start, 3);
	map_at(map, len, MAP_SHARED, fd, 7 * SHMLBA);
	expect_tables(start, 2);
	expect_filled_from(map, twin + 7 * SHMLBA, len, 1);
}
END_TEST

START_TEST(inaccessible_memory_over_memory_in_use)
{
	char *map = map_anon(2);
	struct tables start = tables_at_rest();

	fill(map, 2 * TABLE_SPAN, 1);
	operation("mmap(MAP_FIXED, PROT_NONE)", map, 2 * TABLE_SPAN);
	require(mmap(map, 2 * TABLE_SPAN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == map,
		"mmap of PROT_NONE: %s", strerror(errno));
	expect_tables_everywhere(&start, 0);
	expect_signal(map, SIGSEGV);
	expect_signal(map + 2 * TABLE_SPAN - PAGE, SIGSEGV);
	require(mprotect(map, 2 * TABLE_SPAN, PROT_READ) == 0, "mprotect: %s", strerror(errno));
	expect_zero_by_all(map, 2 * TABLE_SPAN);
}
END_TEST

START_TEST(refused_mmap_changes_nothing)
{
	char *map = map_anon(2);
	long start = vmpte_kb();

	fill(map, 2 * TABLE_SPAN, 1);
	operation("mmap that fails", map, 2 * TABLE_SPAN);
	require(mmap(map, TABLE_SPAN, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) ==
		MAP_FAILED && errno == EEXIST, "MAP_FIXED_NOREPLACE over memory was not refused with EEXIST");
	require(mmap(map, TABLE_SPAN, PROT_READ, MAP_SHARED | MAP_FIXED, 9999, 0) == MAP_FAILED && errno == EBADF,
		"mmap of a closed file was not refused with EBADF");
	expect_tables(start, 2);
	expect_filled_by_all(map, 2 * TABLE_SPAN, 1);
}
END_TEST

static void child_maps_over(void *arg)
{
	map_anon_at(arg, 2 * TABLE_SPAN);
	expect_zero(arg, 2 * TABLE_SPAN);
	fill(arg, 2 * TABLE_SPAN, 3);
}

START_TEST(mapping_over_in_a_child_costs_the_parent_nothing)
{
	char *private = map_anon(2);
	char *shared = map_tables(2, MAP_SHARED | MAP_ANONYMOUS, -1);
	struct tables start = tables_at_rest();

	fill(private, 2 * TABLE_SPAN, 1);
	fill(shared, 2 * TABLE_SPAN, 2);
	child_wait(child_start(child_maps_over, private));
	child_wait(child_start(child_maps_over, shared));
	expect_tables_everywhere(&start, 4);
	expect_filled_by_all(private, 2 * TABLE_SPAN, 1);
	expect_filled_by_all(shared, 2 * TABLE_SPAN, 2);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("map-fixed", argc, argv);
	suite_differs_as("munmap");
	suite_add(whole_tables_are_freed);
	suite_add(middle_table_only);
	suite_add(part_of_a_table_keeps_it);
	suite_add(all_but_one_page_keeps_the_table);
	suite_add(from_half_to_half_frees_those_between);
	suite_add(over_several_mappings_and_gaps);
	suite_add(over_reclaimed_tables);
	suite_add(round_after_round_does_not_drift);
	suite_add(file_over_anonymous_memory_and_back);
	suite_add(other_offset_of_the_same_file);
	suite_add(inaccessible_memory_over_memory_in_use);
	suite_add(refused_mmap_changes_nothing);
	suite_add(mapping_over_in_a_child_costs_the_parent_nothing);
	return suite_end();
}
