// SPDX-License-Identifier: GPL-2.0
/*
 * Description: guard regions. Their markers are entries of a page table that
 * hold no page: MADV_DONTNEED leaves them (zap_nonpresent_ptes() skips them),
 * so the table they are in must stay, wherever in it they are, in memory of any
 * kind, in a child, after mremap; and once they are removed it must go.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/ops.h"
#include "lib/touch.h"

#define guard(at, len) advise(at, len, MADV_GUARD_INSTALL, "MADV_GUARD_INSTALL")
#define unguard(at, len) advise(at, len, MADV_GUARD_REMOVE, "MADV_GUARD_REMOVE")

/* The pages of the range are guarded: by pagemap, and for whoever touches the first ones. */
#define expect_guarded(at, len) do { \
	expect_pagemap(at, len, PAGEMAP_GUARD, (len) / PAGE, "guard markers"); \
	expect_touch(at, (len) < 20 * PAGE ? (len) : 20 * PAGE, SIGSEGV); \
} while (0)

START_TEST(marker_anywhere_keeps_its_table)
{
	static const size_t places[] = { 0, 1, 255, 256, 510, 511 };
	const size_t count = sizeof(places) / sizeof(places[0]);
	char *map = map_anon(count + 1);
	long start = vmpte_kb();

	fill(map, (count + 1) * TABLE_SPAN, 1);
	for (size_t i = 0; i < count; i++)
		guard(map + i * TABLE_SPAN + places[i] * PAGE, PAGE);
	dontneed(map, (count + 1) * TABLE_SPAN);
	/* The last table has no marker. */
	expect_tables(start, (long)count + 1 - reclaimed(1));
	expect_pagemap(map, (count + 1) * TABLE_SPAN, PAGEMAP_GUARD, count, "guard markers");
	for (size_t i = 0; i < count; i++) {
		char *table = map + i * TABLE_SPAN, *page = table + places[i] * PAGE;

		expect_guarded(page, PAGE);
		expect_zero(table, places[i] * PAGE);
		expect_zero(page + PAGE, TABLE_SPAN - (places[i] + 1) * PAGE);
	}
	unguard(map, count * TABLE_SPAN);
	expect_zero_by_all(map, count * TABLE_SPAN);
	dontneed(map, (count + 1) * TABLE_SPAN);
	expect_tables(start, (long)count + 1 - reclaimed((long)count + 1));
}
END_TEST

START_TEST(markers_in_memory_never_touched)
{
	char *map = map_anon(3);
	long start = vmpte_kb();

	/* Installing is what makes the tables here. */
	guard(map + TABLE_SPAN, TABLE_SPAN);
	expect_tables(start, 1);
	dontneed(map, 3 * TABLE_SPAN);
	expect_tables(start, 1);
	expect_guarded(map + TABLE_SPAN, TABLE_SPAN);
	/* Removing empties the table and leaves it; MADV_DONTNEED finds it empty. */
	unguard(map, 3 * TABLE_SPAN);
	expect_tables(start, 1);
	dontneed(map, 3 * TABLE_SPAN);
	expect_tables(start, 1 - reclaimed(1));
	expect_zero_by_all(map, 3 * TABLE_SPAN);
}
END_TEST

START_TEST(installing_over_data_drops_it_and_keeps_the_tables)
{
	char *map = map_anon(3);
	char *middle = map + TABLE_SPAN;
	struct tables start = tables_at_rest();

	fill(map, 3 * TABLE_SPAN, 1);
	guard(middle - 7 * PAGE, TABLE_SPAN + 14 * PAGE);
	expect_tables(start.vmpte, 3);
	expect_guarded(middle - 7 * PAGE, TABLE_SPAN + 14 * PAGE);
	expect_filled_by_all(map, TABLE_SPAN - 7 * PAGE, 1);
	expect_filled_by_all(middle + TABLE_SPAN + 7 * PAGE, TABLE_SPAN - 7 * PAGE, 1);
	unguard(middle - 7 * PAGE, TABLE_SPAN + 14 * PAGE);
	expect_zero_by_all(middle - 7 * PAGE, TABLE_SPAN + 14 * PAGE);
	expect_tables_everywhere(&start, 3);
}
END_TEST

START_TEST(removing_half_of_the_markers_is_not_enough)
{
	char *map = map_anon(1);
	long start = vmpte_kb();

	guard(map, TABLE_SPAN);
	unguard(map, TABLE_SPAN - PAGE);
	dontneed(map, TABLE_SPAN);
	expect_tables(start, 1);
	expect_guarded(map + TABLE_SPAN - PAGE, PAGE);
	expect_zero(map, TABLE_SPAN - PAGE);
	unguard(map, TABLE_SPAN);
	dontneed(map, TABLE_SPAN);
	expect_tables(start, 1 - reclaimed(1));
}
END_TEST

/* A zap of this much runs out of batches on its way and starts tables anew. */
#define MANY 40UL

START_TEST(markers_survive_a_zap_that_is_interrupted)
{
	char *map = map_anon(MANY);
	long start = vmpte_kb();

	advise(map, MANY * TABLE_SPAN, MADV_POPULATE_WRITE, "MADV_POPULATE_WRITE");
	/* At the head of a table: before the place where an interrupted zap goes on. */
	for (size_t i = 0; i < MANY; i += 2)
		guard(map + i * TABLE_SPAN + (i % 5) * PAGE, PAGE);
	dontneed(map, MANY * TABLE_SPAN);
	expect_tables(start, (long)MANY - reclaimed((long)MANY / 2));
	expect_pagemap(map, MANY * TABLE_SPAN, PAGEMAP_GUARD, MANY / 2, "guard markers");
	expect_pagemap(map, MANY * TABLE_SPAN, PAGEMAP_PRESENT, 0, "present");
	for (size_t i = 0; i < MANY; i += 2)
		expect_guarded(map + i * TABLE_SPAN + (i % 5) * PAGE, PAGE);
	unguard(map, MANY * TABLE_SPAN);
	dontneed(map, MANY * TABLE_SPAN);
	expect_tables(start, (long)MANY - reclaimed((long)MANY));
}
END_TEST

static void child_drops(void *arg)
{
	char *map = arg;
	long full = vmpte_kb();

	expect_guarded(map + 9 * PAGE, PAGE);
	dontneed(map, 2 * TABLE_SPAN);
	expect_tables(full, -reclaimed(1));
	expect_guarded(map + 9 * PAGE, PAGE);
	expect_zero(map + 10 * PAGE, TABLE_SPAN - 10 * PAGE);
	unguard(map, TABLE_SPAN);
	dontneed(map, 2 * TABLE_SPAN);
	expect_zero_by_all(map, 2 * TABLE_SPAN);
}

START_TEST(fork_takes_markers_along)
{
	char *map = map_anon(2);
	struct tables start = tables_at_rest();

	fill(map, 2 * TABLE_SPAN, 1);
	guard(map + 9 * PAGE, PAGE);
	child_wait(child_start(child_drops, map));
	/* What the child removed is its own. */
	expect_guarded(map + 9 * PAGE, PAGE);
	expect_filled_by_all(map + 10 * PAGE, 2 * TABLE_SPAN - 10 * PAGE, 1);
	expect_tables_everywhere(&start, 2);
}
END_TEST

START_TEST(mremap_takes_markers_along)
{
	char *map = map_anon(2), *to = arena_take(2);
	long start = vmpte_kb();

	fill(map, 2 * TABLE_SPAN, 1);
	guard(map + 9 * PAGE, PAGE);
	guard(map + TABLE_SPAN + 511 * PAGE, PAGE);
	move(map, 2 * TABLE_SPAN, 2 * TABLE_SPAN, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	expect_tables(start, 2);
	dontneed(to, 2 * TABLE_SPAN);
	expect_tables(start, 2);
	expect_guarded(to + 9 * PAGE, PAGE);
	expect_guarded(to + TABLE_SPAN + 511 * PAGE, PAGE);
	expect_zero(to, 9 * PAGE);
	unguard(to, 2 * TABLE_SPAN);
	dontneed(to, 2 * TABLE_SPAN);
	expect_tables(start, 2 - reclaimed(2));
	/* The old place has nothing of it. */
	map_anon_at(map, 2 * TABLE_SPAN);
	expect_zero(map, 2 * TABLE_SPAN);
}
END_TEST

START_TEST(mremap_by_half_a_table_splits_the_markers_tables)
{
	char *map = map_anon(2), *to = arena_take(3);
	char *moved = to + TABLE_SPAN / 2;
	long start = vmpte_kb();

	fill(map, 2 * TABLE_SPAN, 1);
	guard(map + 300 * PAGE, PAGE);
	move(map, 2 * TABLE_SPAN, 2 * TABLE_SPAN, MREMAP_MAYMOVE | MREMAP_FIXED, moved);
	expect_tables(start, 3);
	dontneed(moved, 2 * TABLE_SPAN);
	/* One table is in the range whole, and that one has the marker (page 556). */
	expect_tables(start, 3);
	expect_guarded(moved + 300 * PAGE, PAGE);
	unguard(moved, 2 * TABLE_SPAN);
	dontneed(moved, 2 * TABLE_SPAN);
	expect_tables(start, 3 - reclaimed(1));
}
END_TEST

START_TEST(munmap_drops_markers_and_tables)
{
	char *map = map_anon(3);
	struct tables start = tables_at_rest();

	fill(map, 3 * TABLE_SPAN, 1);
	guard(map + TABLE_SPAN, TABLE_SPAN + PAGE);
	unmap(map, 3 * TABLE_SPAN);
	expect_tables_everywhere(&start, 0);
	map_anon_at(map, 3 * TABLE_SPAN);
	expect_zero_by_all(map, 3 * TABLE_SPAN);
}
END_TEST

START_TEST(madv_free_leaves_markers)
{
	char *map = map_anon(1);
	long start = vmpte_kb();

	fill(map, TABLE_SPAN, 1);
	guard(map + 100 * PAGE, PAGE);
	advise(map, TABLE_SPAN, MADV_FREE, "MADV_FREE");
	expect_tables(start, 1);
	expect_guarded(map + 100 * PAGE, PAGE);
	dontneed(map, TABLE_SPAN);
	expect_tables(start, 1);
	expect_guarded(map + 100 * PAGE, PAGE);
}
END_TEST

START_TEST(mlocked_range_with_markers)
{
	char *map = map_anon(2);
	long start = vmpte_kb();

	fill(map, 2 * TABLE_SPAN, 1);
	guard(map + 100 * PAGE, PAGE);
	/* MLOCK_ONFAULT: a plain mlock would touch the guard page and fail. */
	require(mlock2(map, 2 * TABLE_SPAN, MLOCK_ONFAULT) == 0, "mlock2: %s", strerror(errno));
	require(madvise(map, PAGE, MADV_GUARD_INSTALL) == -1 && errno == EINVAL,
		"MADV_GUARD_INSTALL on mlocked memory: %s, expected EINVAL", strerror(errno));
	advise(map, 2 * TABLE_SPAN, MADV_DONTNEED_LOCKED, "MADV_DONTNEED_LOCKED");
	expect_tables(start, 2 - reclaimed(1));
	expect_guarded(map + 100 * PAGE, PAGE);
	/* Removing them there is allowed. */
	unguard(map, 2 * TABLE_SPAN);
	advise(map, 2 * TABLE_SPAN, MADV_DONTNEED_LOCKED, "MADV_DONTNEED_LOCKED");
	expect_tables(start, 2 - reclaimed(2));
	expect_zero(map, 2 * TABLE_SPAN);
}
END_TEST

START_TEST(markers_in_shared_memory)
{
	int fd = new_memfd(2 * TABLE_SPAN);
	char *map = map_tables(2, MAP_SHARED, fd);
	char *other = map_tables(2, MAP_SHARED, fd);
	long start = vmpte_kb();

	fill(map, 2 * TABLE_SPAN, 1);
	guard(map + 100 * PAGE, 5 * PAGE);
	expect_tables(start, 2);
	dontneed(map, 2 * TABLE_SPAN);
	expect_tables(start, 2 - reclaimed(1));
	expect_guarded(map + 100 * PAGE, 5 * PAGE);
	expect_filled_by_all(map, 100 * PAGE, 1);
	expect_filled_by_all(map + 105 * PAGE, 2 * TABLE_SPAN - 105 * PAGE, 1);
	/* They belong to the mapping: the file's pages are there behind them. */
	expect_filled_from(other, map, 2 * TABLE_SPAN, 1);
	unguard(map, 2 * TABLE_SPAN);
	dontneed(map, 2 * TABLE_SPAN);
	expect_tables(start, 4 - reclaimed(2));
	expect_filled_by_all(map, 2 * TABLE_SPAN, 1);
}
END_TEST

START_TEST(hole_in_the_file_leaves_markers)
{
	int fd = new_memfd(TABLE_SPAN);
	char *map = map_tables(1, MAP_SHARED, fd);
	long start = vmpte_kb();

	fill(map, TABLE_SPAN, 1);
	guard(map + 100 * PAGE, PAGE);
	advise(map, 100 * PAGE, MADV_REMOVE, "MADV_REMOVE");
	require(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 101 * PAGE,
			  TABLE_SPAN - 101 * PAGE) == 0, "fallocate: %s", strerror(errno));
	expect_tables(start, 1);
	expect_guarded(map + 100 * PAGE, PAGE);
	dontneed(map, TABLE_SPAN);
	expect_tables(start, 1);
	expect_guarded(map + 100 * PAGE, PAGE);
	unguard(map, TABLE_SPAN);
	expect_zero_by_all(map, 100 * PAGE);
	expect_filled_by_all(map + 100 * PAGE, PAGE, 1);
	expect_zero_by_all(map + 101 * PAGE, TABLE_SPAN - 101 * PAGE);
	dontneed(map, TABLE_SPAN);
	expect_tables(start, 1 - reclaimed(1));
}
END_TEST

START_TEST(markers_in_copies_of_a_file)
{
	int fd = new_memfd(2 * TABLE_SPAN);
	char *map = map_tables(2, MAP_PRIVATE, fd);
	long start = vmpte_kb();

	fill(map, 2 * TABLE_SPAN, 1);
	guard(map + TABLE_SPAN + 511 * PAGE, PAGE);
	dontneed(map, 2 * TABLE_SPAN);
	expect_tables(start, 2 - reclaimed(1));
	expect_guarded(map + TABLE_SPAN + 511 * PAGE, PAGE);
	/* The file is all holes, and nothing was written to it. */
	expect_zero_by_all(map, 2 * TABLE_SPAN - PAGE);
	unguard(map, 2 * TABLE_SPAN);
	dontneed(map, 2 * TABLE_SPAN);
	expect_tables(start, 2 - reclaimed(2));
}
END_TEST

static void child_exits_with_markers(void *arg)
{
	char *map = arg;

	guard(map, 2 * TABLE_SPAN);
	dontneed(map, 4 * TABLE_SPAN);
	guard(map + 3 * TABLE_SPAN, PAGE);
}

START_TEST(exit_with_markers_gives_tables_back)
{
	char *map = map_anon(4);
	struct tables start = tables_at_rest();

	child_wait(child_start(child_exits_with_markers, map));
	expect_tables_everywhere(&start, 0);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("guard", argc, argv);
	suite_differs();
	suite_add(marker_anywhere_keeps_its_table);
	suite_add(markers_in_memory_never_touched);
	suite_add(installing_over_data_drops_it_and_keeps_the_tables);
	suite_add(removing_half_of_the_markers_is_not_enough);
	suite_add(markers_survive_a_zap_that_is_interrupted);
	suite_add(fork_takes_markers_along);
	suite_add(mremap_takes_markers_along);
	suite_add(mremap_by_half_a_table_splits_the_markers_tables);
	suite_add(munmap_drops_markers_and_tables);
	suite_add(madv_free_leaves_markers);
	suite_add(mlocked_range_with_markers);
	suite_add(markers_in_shared_memory);
	suite_add(hole_in_the_file_leaves_markers);
	suite_add(markers_in_copies_of_a_file);
	suite_add(exit_with_markers_gives_tables_back);
	return suite_end();
}
