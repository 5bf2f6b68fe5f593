// SPDX-License-Identifier: GPL-2.0
/*
 * Description: mremap moves pages one table at a time (move_ptes(): UML has no
 * HAVE_MOVE_PMD). The contents arrive, the tables of the old place go with
 * its mapping, or stay with MREMAP_DONTUNMAP, empty, for MADV_DONTNEED to
 * take; where a table was reclaimed there is nothing to move.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/ops.h"

#define TABLES 2UL
#define LEN (TABLES * TABLE_SPAN)

START_TEST(tables_go_along)
{
	char *map = map_anon(TABLES), *to = arena_take(TABLES);
	struct tables start = tables_at_rest();

	fill(map, LEN, 1);
	move(map, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	expect_tables_everywhere(&start, TABLES);
	expect_filled_from(to, map, LEN, 1);
	expect_signal(map, SIGSEGV);
	expect_signal(map + LEN - PAGE, SIGSEGV);
	/* The old place, mapped anew, has nothing left of it. */
	map_anon_at(map, LEN);
	expect_zero_by_all(map, LEN);
	expect_filled_from(to, map, LEN, 1);
}
END_TEST

static void child_finds_it_moved(void *arg)
{
	char **place = arg;

	expect_filled_from(place[1], place[0], LEN, 1);
}

START_TEST(child_finds_it_moved_too)
{
	char *place[] = { map_anon(TABLES), arena_take(TABLES) };

	fill(place[0], LEN, 1);
	move(place[0], LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, place[1]);
	/* What fork copies is what the page tables hold. */
	child_wait(child_start(child_finds_it_moved, place));
}
END_TEST

START_TEST(other_offset_in_a_table_takes_one_table_more)
{
	char *map = map_anon(TABLES), *to = arena_take(TABLES + 1) + 5 * PAGE;
	struct tables start = tables_at_rest();

	fill(map, LEN, 1);
	move(map, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	expect_tables_everywhere(&start, TABLES + 1);
	expect_filled_from(to, map, LEN, 1);
	expect_signal(to - PAGE, SIGSEGV);
	expect_signal(to + LEN, SIGSEGV);
	/* The first and the last of the four tables are covered in part only. */
	dontneed(to, LEN);
	expect_tables(start.vmpte, TABLES + 1 - reclaimed(TABLES - 1));
	expect_zero_by_all(to, LEN);
	/* With the rest of the arena in these two tables. */
	unmap(to - 5 * PAGE, LEN + TABLE_SPAN);
	expect_tables_everywhere(&start, 0);
}
END_TEST

START_TEST(part_of_a_table_leaves_its_neighbours)
{
	char *map = map_anon(1), *to = arena_take(1) + 100 * PAGE;
	char *part = map + 100 * PAGE;
	const size_t len = 50 * PAGE;
	struct tables start = tables_at_rest();

	/* The same offset in a table: move_page_tables() may align to the table,
	 * but must not take along what lies before and behind. */
	fill(map, TABLE_SPAN, 1);
	move(part, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	expect_tables_everywhere(&start, 2);
	expect_filled_from(to, part, len, 1);
	expect_filled_by_all(map, 100 * PAGE, 1);
	expect_filled_by_all(part + len, TABLE_SPAN - 150 * PAGE, 1);
	expect_signal(part, SIGSEGV);
	expect_signal(part + len - PAGE, SIGSEGV);
	expect_signal(to + len, SIGSEGV);
}
END_TEST

START_TEST(range_ahead_of_a_neighbour_at_the_target)
{
	char *map = map_anon(2), *target = map_anon(2);
	const size_t half = TABLE_SPAN / 2;
	long start = vmpte_kb();

	/* From the middle of a table on, to the middle of one that is in use. */
	fill(map, 2 * TABLE_SPAN, 1);
	fill(target, 2 * TABLE_SPAN, 2);
	move(map + half, TABLE_SPAN, TABLE_SPAN, MREMAP_MAYMOVE | MREMAP_FIXED, target + half);
	expect_tables(start, 4);
	expect_filled_from(target + half, map + half, TABLE_SPAN, 1);
	expect_filled_by_all(target, half, 2);
	expect_filled_by_all(target + half + TABLE_SPAN, half, 2);
	expect_filled_by_all(map, half, 1);
	expect_filled_by_all(map + half + TABLE_SPAN, half, 1);
	expect_signal(map + half, SIGSEGV);
}
END_TEST

START_TEST(populated_target_is_replaced)
{
	char *map = map_anon(TABLES), *to = map_anon(TABLES);
	struct tables start = tables_at_rest();

	fill(map, LEN, 1);
	fill(to, LEN, 2);
	expect_tables(start.vmpte, 2 * TABLES);
	move(map, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	expect_tables_everywhere(&start, TABLES);
	expect_filled_from(to, map, LEN, 1);
	dontneed(to, LEN);
	expect_tables_everywhere(&start, TABLES - reclaimed(TABLES));
	expect_zero_by_all(to, LEN);
}
END_TEST

START_TEST(shrink_frees_the_tail)
{
	char *map = map_anon(4);
	struct tables start = tables_at_rest();

	fill(map, 4 * TABLE_SPAN, 1);
	move(map, 4 * TABLE_SPAN, TABLE_SPAN + PAGE, 0, NULL);
	expect_tables_everywhere(&start, 2);
	expect_filled_by_all(map, TABLE_SPAN + PAGE, 1);
	expect_signal(map + TABLE_SPAN + PAGE, SIGSEGV);
	move(map, TABLE_SPAN + PAGE, TABLE_SPAN, 0, NULL);
	expect_tables_everywhere(&start, 1);
	expect_filled_by_all(map, TABLE_SPAN, 1);
}
END_TEST

START_TEST(growth_costs_no_table_until_it_is_written)
{
	char *map = map_anon(1);
	long start = vmpte_kb();

	/* Room to grow. */
	unmap(arena_take(3), 3 * TABLE_SPAN);
	fill(map, TABLE_SPAN, 1);
	require(move(map, TABLE_SPAN, 4 * TABLE_SPAN, 0, NULL) == map, "grown memory moved");
	expect_tables(start, 1);
	fill(map + 3 * TABLE_SPAN, TABLE_SPAN, 2);
	expect_tables(start, 2);
	expect_filled_by_all(map, TABLE_SPAN, 1);
	expect_filled_by_all(map + 3 * TABLE_SPAN, TABLE_SPAN, 2);
	/* The grown mapping is one: one call gives all back. */
	dontneed(map, 4 * TABLE_SPAN);
	expect_tables(start, 2 - reclaimed(2));
	expect_zero_by_all(map, 4 * TABLE_SPAN);
}
END_TEST

START_TEST(growth_after_the_tables_were_reclaimed)
{
	char *map = map_anon(2);
	long start = vmpte_kb();

	unmap(arena_take(2), 2 * TABLE_SPAN);
	fill(map, 2 * TABLE_SPAN, 1);
	dontneed(map, 2 * TABLE_SPAN);
	move(map, 2 * TABLE_SPAN, 4 * TABLE_SPAN, 0, NULL);
	expect_tables(start, 2 - reclaimed(2));
	expect_zero_by_all(map, 4 * TABLE_SPAN);
}
END_TEST

START_TEST(growth_that_has_to_move)
{
	char *map = map_anon(2), *wall = map_anon(1), *to = arena_take(4);
	struct tables start = tables_at_rest();

	fill(map, 2 * TABLE_SPAN, 1);
	fill(wall, TABLE_SPAN, 2);
	move(map, 2 * TABLE_SPAN, 4 * TABLE_SPAN, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	expect_tables_everywhere(&start, 3);
	expect_filled_from(to, map, 2 * TABLE_SPAN, 1);
	expect_zero_by_all(to + 2 * TABLE_SPAN, 2 * TABLE_SPAN);
	expect_filled_by_all(wall, TABLE_SPAN, 2);
}
END_TEST

START_TEST(reclaimed_tables_are_not_moved)
{
	char *map = map_anon(4), *to = arena_take(4);
	struct tables start = tables_at_rest();

	fill(map, 4 * TABLE_SPAN, 1);
	dontneed(map + TABLE_SPAN, 2 * TABLE_SPAN);
	move(map, 4 * TABLE_SPAN, 4 * TABLE_SPAN, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	/* A table that is there but empty costs one at the target as well. */
	expect_tables_everywhere(&start, 4 - reclaimed(2));
	expect_filled_from(to, map, TABLE_SPAN, 1);
	expect_filled_from(to + 3 * TABLE_SPAN, map + 3 * TABLE_SPAN, TABLE_SPAN, 1);
	expect_zero_by_all(to + TABLE_SPAN, 2 * TABLE_SPAN);
}
END_TEST
#define KEEP_OLD (MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)

START_TEST(dontunmap_leaves_empty_tables)
{
	char *map = map_anon(TABLES), *to = arena_take(TABLES);
	struct tables start = tables_at_rest();
	long old = moves_tables() ? 0 : TABLES;

	fill(map, LEN, 1);
	move(map, LEN, LEN, KEEP_OLD, to);
	expect_tables_everywhere(&start, TABLES + old);
	expect_filled_from(to, map, LEN, 1);
	/* Nothing in them to zap: MADV_DONTNEED takes them all the same. */
	dontneed(map, LEN);
	expect_tables_everywhere(&start, TABLES + old - reclaimed(old));
	expect_zero_by_all(map, LEN);
	expect_filled_from(to, map, LEN, 1);
}
END_TEST

START_TEST(dontunmap_old_place_can_be_used)
{
	char *map = map_anon(TABLES), *to = arena_take(TABLES);
	struct tables start = tables_at_rest();

	fill(map, LEN, 1);
	move(map, LEN, LEN, KEEP_OLD, to);
	expect_zero_by_all(map, LEN);
	fill(map, LEN, 2);
	expect_filled_by_all(map, LEN, 2);
	expect_filled_from(to, map, LEN, 1);
	unmap(map, LEN);
	expect_tables_everywhere(&start, TABLES);
	expect_filled_from(to, map, LEN, 1);
	unmap(to, LEN);
	expect_tables_everywhere(&start, 0);
}
END_TEST

START_TEST(shared_memory_moves_and_stays_shared)
{
	int fd = new_memfd(LEN);
	char *map = map_tables(TABLES, MAP_SHARED, fd), *twin = map_tables(TABLES, MAP_SHARED, fd);
	char *to = arena_take(TABLES);
	struct tables start = tables_at_rest();

	fill(map, LEN, 1);
	expect_filled_from(twin, map, LEN, 1);
	move(map, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	expect_tables_everywhere(&start, 2 * TABLES);
	expect_filled_from(to, map, LEN, 1);
	fill(to, LEN, 2);
	expect_filled_from(twin, to, LEN, 2);
	dontneed(to, LEN);
	expect_tables(start.vmpte, 2 * TABLES - reclaimed(TABLES));
	expect_filled_by_all(to, LEN, 2);
}
END_TEST

START_TEST(shared_memory_mapped_twice_by_a_length_of_zero)
{
	char *map = map_tables(TABLES, MAP_SHARED | MAP_ANONYMOUS, -1), *to = arena_take(TABLES);
	long start = vmpte_kb();

	fill(map, LEN, 1);
	move(map, 0, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	/* A second mapping, nothing moved: it has no tables before it is read. */
	expect_tables(start, TABLES);
	expect_filled_from(to, map, LEN, 1);
	expect_tables(start, 2 * TABLES);
	dontneed(map, LEN);
	expect_tables(start, 2 * TABLES - reclaimed(TABLES));
	expect_filled_from(to, map, LEN, 1);
	expect_filled_by_all(map, LEN, 1);
}
END_TEST

START_TEST(moving_to_and_fro_does_not_drift)
{
	char *map = map_anon(2), *to = arena_take(2);
	struct tables start = tables_at_rest();

	for (unsigned int round = 1; round <= 20; round++) {
		fill_sparse(map, 2 * TABLE_SPAN, round);
		move(map, 2 * TABLE_SPAN, 2 * TABLE_SPAN, MREMAP_MAYMOVE | MREMAP_FIXED, to);
		expect_tables(start.vmpte, 2);
		if (round % 2)
			dontneed(to, 2 * TABLE_SPAN);
		move(to, 2 * TABLE_SPAN, 2 * TABLE_SPAN, MREMAP_MAYMOVE | MREMAP_FIXED, map);
		expect_tables(start.vmpte, 2 - reclaimed(round % 2 ? 2 : 0));
	}
	unmap(map, 2 * TABLE_SPAN);
	expect_tables_everywhere(&start, 0);
}
END_TEST

START_TEST(refused_move_changes_nothing)
{
	char *map = map_anon(1), *wall = map_anon(1);
	long start = vmpte_kb();

	fill(map, TABLE_SPAN, 1);
	fill(wall, TABLE_SPAN, 2);
	operation("mremap that fails", map, TABLE_SPAN);
	require(mremap(map, TABLE_SPAN, 2 * TABLE_SPAN, 0) == MAP_FAILED && errno == ENOMEM,
		"growth over a neighbour was not refused with ENOMEM");
	require(mremap(map, TABLE_SPAN, TABLE_SPAN, MREMAP_MAYMOVE | MREMAP_FIXED, map + PAGE) == MAP_FAILED &&
		errno == EINVAL, "a move to an overlapping place was not refused with EINVAL");
	expect_tables(start, 2);
	expect_filled_by_all(map, TABLE_SPAN, 1);
	expect_filled_by_all(wall, TABLE_SPAN, 2);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("mremap", argc, argv);
	suite_differs_as("munmap");
	suite_add(tables_go_along);
	suite_add(child_finds_it_moved_too);
	suite_add(other_offset_in_a_table_takes_one_table_more);
	suite_add(part_of_a_table_leaves_its_neighbours);
	suite_add(range_ahead_of_a_neighbour_at_the_target);
	suite_add(populated_target_is_replaced);
	suite_add(shrink_frees_the_tail);
	suite_add(growth_costs_no_table_until_it_is_written);
	suite_add(growth_after_the_tables_were_reclaimed);
	suite_add(growth_that_has_to_move);
	suite_add(reclaimed_tables_are_not_moved);
	suite_add(dontunmap_leaves_empty_tables);
	suite_add(dontunmap_old_place_can_be_used);
	suite_add(shared_memory_moves_and_stays_shared);
	suite_add(shared_memory_mapped_twice_by_a_length_of_zero);
	suite_add(moving_to_and_fro_does_not_drift);
	suite_add(refused_move_changes_nothing);
	return suite_end();
}
