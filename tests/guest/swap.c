// SPDX-License-Identifier: GPL-2.0
/*
 * Description: tables with swap entries. MADV_PAGEOUT makes them and keeps the
 * tables; MADV_DONTNEED frees the slots and then the tables, unless an entry of
 * a neighbour is left in them; what was not dropped comes back from the disk as
 * it was.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <unistd.h>

#include "lib/ops.h"
#include "lib/swap.h"
#include "lib/touch.h"

#define TABLES 3UL
#define LEN (TABLES * TABLE_SPAN)

/* Most tests use some pages of each table: each costs a way to the disk and back. */
#define STEP (8 * PAGE)
#define SOME(len) ((len) / STEP)

static void fill_some(char *at, size_t len, unsigned int seed)
{
	for (size_t i = 0; i < len; i += STEP)
		fill(at + i, PAGE, seed);
}

static void expect_some(const char *at, size_t len, unsigned int seed)
{
	for (size_t i = 0; i < len; i += STEP)
		expect_filled(at + i, PAGE, seed);
}

#define expect_swapped(at, len) \
	expect_pagemap(at, len, PAGEMAP_SWAP, SOME(len), "swap entries")
#define expect_nothing(at, len) \
	expect_pagemap(at, len, PAGEMAP_SWAP | PAGEMAP_PRESENT, 0, "present or swap entries")

START_TEST(slots_and_tables_are_freed)
{
	char *map = map_anon(1);
	struct tables start;
	long free;

	swap_start();
	start = tables_at_rest();
	free = swap_free_kb();
	fill(map, TABLE_SPAN, 1);
	page_out_all(map, TABLE_SPAN);
	/* All its pages gone, a table with swap entries is still in use. */
	expect_tables(start.vmpte, 1);
	expect_swap_used(free, TABLE_SPAN / PAGE);
	dontneed(map, TABLE_SPAN);
	expect_tables_everywhere(&start, 1 - reclaimed(1));
	expect_swap_used(free, 0);
	expect_nothing(map, TABLE_SPAN);
	expect_zero_by_all(map, TABLE_SPAN);
	swap_stop();
}
END_TEST

START_TEST(contents_come_back_from_the_disk)
{
	char *map = map_anon(1);
	long start = vmpte_kb(), before;

	swap_start();
	fill(map, TABLE_SPAN, 1);
	page_out_to_disk(map, TABLE_SPAN, PAGE);
	before = swap_read_kb();
	expect_filled(map, TABLE_SPAN, 1);
	/* Not each one: another CPU may have had some of the pages in its batches. */
	require(swap_read_kb() - before >= (long)(TABLE_SPAN / 1024 / 2),
		"only %ld of %lu kB were read from the disk: the test tested nothing",
		swap_read_kb() - before, TABLE_SPAN / 1024);
	expect_filled_by_all(map, TABLE_SPAN, 1);
	expect_tables(start, 1);
	dontneed(map, TABLE_SPAN);
	expect_tables(start, 1 - reclaimed(1));
	expect_zero_by_all(map, TABLE_SPAN);
	swap_stop();
}
END_TEST

START_TEST(neighbours_keep_their_entries)
{
	char *map = map_anon(TABLES);
	/* Half of the first table, the second, half of the third. */
	char *hole = map + TABLE_SPAN / 2;
	const size_t hole_len = 2 * TABLE_SPAN;
	struct tables start;
	long free;

	swap_start();
	start = tables_at_rest();
	free = swap_free_kb();
	fill_some(map, LEN, 1);
	page_out_to_disk(map, LEN, STEP);
	dontneed(hole, hole_len);
	expect_tables_everywhere(&start, (long)TABLES - reclaimed(1));
	expect_swap_used(free, SOME(LEN - hole_len));
	expect_nothing(hole, hole_len);
	expect_swapped(map, TABLE_SPAN / 2);
	expect_swapped(hole + hole_len, TABLE_SPAN / 2);
	expect_some(map, TABLE_SPAN / 2, 1);
	expect_some(hole + hole_len, TABLE_SPAN / 2, 1);
	expect_zero_by_all(hole, hole_len);
	swap_stop();
}
END_TEST

START_TEST(one_entry_keeps_its_table)
{
	char *map = map_anon(1);
	long start, free;

	swap_start();
	start = vmpte_kb();
	free = swap_free_kb();
	fill_some(map, TABLE_SPAN, 1);
	page_out_to_disk(map, TABLE_SPAN, STEP);
	dontneed(map, TABLE_SPAN - STEP);
	expect_tables(start, 1);
	expect_swap_used(free, 1);
	dontneed(map + TABLE_SPAN - STEP + PAGE, STEP - PAGE);
	expect_tables(start, 1);
	expect_filled_by_all(map + TABLE_SPAN - STEP, PAGE, 1);
	dontneed(map, TABLE_SPAN);
	expect_tables(start, 1 - reclaimed(1));
	expect_swap_used(free, 0);
	swap_stop();
}
END_TEST

START_TEST(pages_entries_and_holes_in_one_table)
{
	char *map = map_anon(2);
	long start, free;

	swap_start();
	start = vmpte_kb();
	free = swap_free_kb();
	/* Page 0 of nine is swapped out, 1 is present, the others were never there. */
	for (size_t page = 0; page < 2 * TABLE_PAGES; page += 9)
		fill(map + page * PAGE, PAGE, 1);
	page_out(map, 2 * TABLE_SPAN, (2 * TABLE_PAGES + 8) / 9);
	for (size_t page = 1; page < 2 * TABLE_PAGES; page += 9)
		fill(map + page * PAGE, PAGE, 2);
	dontneed(map, TABLE_SPAN);
	expect_tables(start, 2 - reclaimed(1));
	expect_nothing(map, TABLE_SPAN);
	for (size_t page = TABLE_PAGES; page < 2 * TABLE_PAGES; page++) {
		char *at = map + page * PAGE;

		if (page % 9 > 1)
			expect_zero(at, PAGE);
		else
			expect_filled(at, PAGE, page % 9 + 1);
	}
	dontneed(map, 2 * TABLE_SPAN);
	expect_tables(start, 2 - reclaimed(2));
	expect_swap_used(free, 0);
	swap_stop();
}
END_TEST

START_TEST(rounds_of_out_and_in)
{
	char *map = map_anon(1);
	struct tables start;
	long free;

	swap_start();
	start = tables_at_rest();
	free = swap_free_kb();
	for (unsigned int round = 1; round <= 4; round++) {
		fill_some(map, TABLE_SPAN, round);
		page_out(map, TABLE_SPAN, SOME(TABLE_SPAN));
		/* Back in at once, from the swap cache or from the disk. */
		expect_some(map, TABLE_SPAN / 2, round);
		dontneed(map, TABLE_SPAN);
		expect_tables(start.vmpte, 1 - reclaimed(1));
		expect_zero(map, 3 * PAGE);
	}
	dontneed(map, TABLE_SPAN);
	expect_swap_used(free, 0);
	expect_tables_everywhere(&start, 1 - reclaimed(1));
	swap_stop();
}
END_TEST

static void child_drops(void *arg)
{
	char *map = arg;
	long full = vmpte_kb();

	expect_swapped(map, LEN);
	dontneed(map, LEN);
	expect_tables(full, -reclaimed((long)TABLES));
	expect_zero_by_all(map, LEN);
}

START_TEST(forked_child_drops_its_own_entries_only)
{
	char *map = map_anon(TABLES);
	struct tables start;
	long free;

	swap_start();
	start = tables_at_rest();
	free = swap_free_kb();
	fill_some(map, LEN, 1);
	page_out_to_disk(map, LEN, STEP);
	child_wait(child_start(child_drops, map));
	expect_swapped(map, LEN);
	expect_swap_used(free, SOME(LEN));
	expect_some(map, LEN, 1);
	dontneed(map, LEN);
	expect_tables_everywhere(&start, (long)TABLES - reclaimed((long)TABLES));
	expect_swap_used(free, 0);
	swap_stop();
}
END_TEST

START_TEST(swapoff_beside_reclaimed_tables)
{
	char *map = map_anon(TABLES);
	long start;

	swap_start();
	start = vmpte_kb();
	fill_some(map, LEN, 1);
	page_out_to_disk(map, LEN, STEP);
	dontneed(map + TABLE_SPAN, TABLE_SPAN);
	/* It looks for entries in every table that there is, and not where none is. */
	swap_stop();
	expect_tables(start, (long)TABLES - reclaimed(1));
	expect_pagemap(map, LEN, PAGEMAP_SWAP, 0, "swap entries");
	expect_nothing(map + TABLE_SPAN, TABLE_SPAN);
	expect_some(map, TABLE_SPAN, 1);
	expect_some(map + 2 * TABLE_SPAN, TABLE_SPAN, 1);
	expect_zero_by_all(map + TABLE_SPAN, TABLE_SPAN);
}
END_TEST

START_TEST(mremap_moves_entries)
{
	char *map = map_anon(TABLES), *to = arena_take(TABLES);
	long start, free;

	swap_start();
	start = vmpte_kb();
	free = swap_free_kb();
	fill_some(map, LEN, 1);
	page_out_to_disk(map, LEN, STEP);
	move(map, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	expect_tables(start, (long)TABLES);
	dontneed(to + TABLE_SPAN, TABLE_SPAN);
	expect_tables(start, (long)TABLES - reclaimed(1));
	for (size_t i = 0; i < TABLE_SPAN; i += STEP) {
		expect_filled_from(to + i, map + i, PAGE, 1);
		expect_filled_from(to + 2 * TABLE_SPAN + i, map + 2 * TABLE_SPAN + i, PAGE, 1);
	}
	expect_zero_by_all(to + TABLE_SPAN, TABLE_SPAN);
	dontneed(to, LEN);
	expect_tables(start, (long)TABLES - reclaimed((long)TABLES));
	expect_swap_used(free, 0);
	swap_stop();
}
END_TEST

START_TEST(madv_free_frees_slots_and_keeps_tables)
{
	char *map = map_anon(TABLES);
	long start, free;

	swap_start();
	start = vmpte_kb();
	free = swap_free_kb();
	fill_some(map, LEN, 1);
	page_out_to_disk(map, LEN, STEP);
	advise(map, LEN, MADV_FREE, "MADV_FREE");
	expect_tables(start, (long)TABLES);
	expect_nothing(map, LEN);
	expect_swap_used(free, 0);
	expect_zero_by_all(map, TABLE_SPAN);
	dontneed(map, LEN);
	expect_tables(start, (long)TABLES - reclaimed((long)TABLES));
	swap_stop();
}
END_TEST

START_TEST(shared_memory_comes_back_into_a_new_table)
{
	char *map = map_tables(TABLES, MAP_SHARED | MAP_ANONYMOUS, -1);
	long start, free;

	swap_start();
	start = vmpte_kb();
	free = swap_free_kb();
	fill(map, LEN, 1);
	/* Of shared memory the file has the swap entries; the table becomes empty and stays. */
	page_out_shared(map, LEN);
	expect_swap_used(free, LEN / PAGE);
	expect_tables(start, (long)TABLES);
	dontneed(map, LEN);
	expect_tables(start, (long)TABLES - reclaimed((long)TABLES));
	expect_swap_used(free, LEN / PAGE);
	expect_filled_by_all(map, LEN, 1);
	/* MADV_REMOVE frees what is left of them with the pages. */
	page_out_shared(map, LEN);
	advise(map, LEN, MADV_REMOVE, "MADV_REMOVE");
	expect_swap_used(free, 0);
	expect_zero_by_all(map, LEN);
	swap_stop();
}
END_TEST

/*
 * A page that is read first and written then is dirty in its entry alone: dropping
 * the entry must tell the page, or whoever pages it out later throws it away.
 */
START_TEST(shared_memory_dirty_in_its_entry_alone)
{
	int fd = new_memfd(TABLE_SPAN);
	char *map = map_tables(1, MAP_SHARED, fd), *other = map_tables(1, MAP_SHARED, fd);
	long start, free;

	swap_start();
	start = vmpte_kb();
	free = swap_free_kb();
	for (size_t i = 0; i < TABLE_SPAN; i += STEP)
		expect_zero(map + i, PAGE);
	fill_some(map, TABLE_SPAN, 1);
	dontneed(map, TABLE_SPAN);
	expect_tables(start, 1 - reclaimed(1));
	for (size_t i = 0; i < TABLE_SPAN; i += STEP)
		expect_filled_from(other + i, map + i, PAGE, 1);
	page_out_shared(other, TABLE_SPAN);
	expect_swap_used(free, SOME(TABLE_SPAN));
	expect_some(map, TABLE_SPAN, 1);
	swap_stop();
}
END_TEST

START_TEST(copies_of_a_file_in_swap)
{
	int fd = new_memfd(LEN);
	char *at = arena_take(TABLES), *map = at;
	long start, free;

	/* The file's own contents, then copies over them. */
	map_at(at, LEN, MAP_SHARED, fd, 0);
	fill(map, LEN, 7);
	map_at(at, LEN, MAP_PRIVATE, fd, 0);
	swap_start();
	start = vmpte_kb();
	free = swap_free_kb();
	fill(map, LEN, 1);
	page_out_all(map, LEN);
	expect_tables(start, (long)TABLES);
	dontneed(map, 2 * TABLE_SPAN);
	expect_tables(start, (long)TABLES - reclaimed(2));
	expect_filled_by_all(map, 2 * TABLE_SPAN, 7);
	expect_filled_by_all(map + 2 * TABLE_SPAN, TABLE_SPAN, 1);
	dontneed(map, LEN);
	expect_swap_used(free, 0);
	swap_stop();
}
END_TEST

START_TEST(mlocked_entries_come_in_and_are_refused)
{
	char *map = map_anon(1);
	long start, free;

	swap_start();
	start = vmpte_kb();
	free = swap_free_kb();
	fill_some(map, TABLE_SPAN, 1);
	page_out_to_disk(map, TABLE_SPAN, STEP);
	require(mlock(map, TABLE_SPAN) == 0, "mlock: %s", strerror(errno));
	expect_pagemap(map, TABLE_SPAN, PAGEMAP_PRESENT, TABLE_PAGES, "present");
	require(madvise(map, TABLE_SPAN, MADV_DONTNEED) == -1 && errno == EINVAL,
		"MADV_DONTNEED of mlocked memory: %s, expected EINVAL", strerror(errno));
	expect_some(map, TABLE_SPAN, 1);
	advise(map, TABLE_SPAN, MADV_DONTNEED_LOCKED, "MADV_DONTNEED_LOCKED");
	expect_tables(start, 1 - reclaimed(1));
	expect_swap_used(free, 0);
	expect_zero_by_all(map, TABLE_SPAN);
	swap_stop();
}
END_TEST

START_TEST(munmap_and_exit_free_slots)
{
	char *map = map_anon(TABLES);
	struct tables start;
	long free;

	swap_start();
	start = tables_at_rest();
	free = swap_free_kb();
	fill_some(map, LEN, 1);
	page_out_to_disk(map, LEN, STEP);
	dontneed(map, TABLE_SPAN);
	unmap(map, LEN);
	expect_tables_everywhere(&start, 0);
	expect_swap_used(free, 0);
	swap_stop();
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("swap", argc, argv);
	suite_differs();
	suite_add(slots_and_tables_are_freed);
	suite_add(contents_come_back_from_the_disk);
	suite_add(neighbours_keep_their_entries);
	suite_add(one_entry_keeps_its_table);
	suite_add(pages_entries_and_holes_in_one_table);
	suite_add(rounds_of_out_and_in);
	suite_add(forked_child_drops_its_own_entries_only);
	suite_add(swapoff_beside_reclaimed_tables);
	suite_add(mremap_moves_entries);
	suite_add(madv_free_frees_slots_and_keeps_tables);
	suite_add(shared_memory_comes_back_into_a_new_table);
	suite_add(shared_memory_dirty_in_its_entry_alone);
	suite_add(copies_of_a_file_in_swap);
	suite_add(mlocked_entries_come_in_and_are_refused);
	suite_add(munmap_and_exit_free_slots);
	return suite_end();
}
