// SPDX-License-Identifier: GPL-2.0
/*
 * Description: MADV_REMOVE punches a hole into the file of a shared mapping
 * (madvise_remove(), shmem_fallocate()). It empties tables in every process
 * that maps the file, through the file's rmap, and reclaims none of them:
 * only MADV_DONTNEED does, later. Contents are gone for all, neighbours are not.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/ops.h"

#define TABLES 3UL
#define LEN (TABLES * TABLE_SPAN)

#define madv_remove(at, len) advise(at, len, MADV_REMOVE, "MADV_REMOVE")

static long file_kb(int fd)
{
	struct stat st;

	require(fstat(fd, &st) == 0, "fstat: %s", strerror(errno));
	return (long)st.st_blocks / 2;
}

START_TEST(all_tables_stay)
{
	int fd = new_memfd(LEN);
	char *map = map_tables(TABLES, MAP_SHARED, fd);
	struct tables start = tables_at_rest();

	fill(map, LEN, 1);
	madv_remove(map, LEN);
	expect_tables_everywhere(&start, TABLES);
	expect_rss_is_mapped();
	require(file_kb(fd) == 0, "the file keeps %ld kB after MADV_REMOVE of all", file_kb(fd));
	expect_zero_by_all(map, LEN);
}
END_TEST

START_TEST(emptied_tables_are_left_to_dontneed)
{
	char *map = map_tables(TABLES, MAP_SHARED, new_memfd(LEN));
	struct tables start = tables_at_rest();

	fill(map, LEN, 1);
	madv_remove(map, LEN);
	expect_tables(start.vmpte, TABLES);
	dontneed(map, LEN);
	expect_tables_everywhere(&start, TABLES - reclaimed(TABLES));
	expect_zero_by_all(map, LEN);
}
END_TEST

START_TEST(nothing_left_after_dontneed_to_empty)
{
	char *map = map_tables(TABLES, MAP_SHARED, new_memfd(LEN));
	struct tables start = tables_at_rest();

	/* The pages live on in the file after MADV_DONTNEED, without tables. */
	fill(map, LEN, 1);
	dontneed(map, LEN);
	madv_remove(map + TABLE_SPAN, TABLE_SPAN);
	expect_tables_everywhere(&start, TABLES - reclaimed(TABLES));
	expect_filled_by_all(map, TABLE_SPAN, 1);
	expect_zero_by_all(map + TABLE_SPAN, TABLE_SPAN);
	expect_filled_by_all(map + 2 * TABLE_SPAN, TABLE_SPAN, 1);
}
END_TEST

START_TEST(part_of_a_table)
{
	int fd = new_memfd(TABLE_SPAN);
	char *map = map_tables(1, MAP_SHARED, fd), *part = map + 100 * PAGE;
	struct tables start = tables_at_rest();

	fill(map, TABLE_SPAN, 1);
	madv_remove(part, 100 * PAGE);
	expect_tables_everywhere(&start, 1);
	require(file_kb(fd) == (long)((TABLE_SPAN - 100 * PAGE) / 1024),
		"the file keeps %ld kB, expected %lu kB", file_kb(fd), (TABLE_SPAN - 100 * PAGE) / 1024);
	expect_zero_by_all(part, 100 * PAGE);
	expect_filled_by_all(map, 100 * PAGE, 1);
	expect_filled_by_all(part + 100 * PAGE, TABLE_SPAN - 200 * PAGE, 1);
}
END_TEST

START_TEST(unaligned_over_three_tables)
{
	char *map = map_tables(TABLES, MAP_SHARED, new_memfd(LEN));
	struct tables start = tables_at_rest();

	fill(map, LEN, 1);
	madv_remove(map + PAGE, LEN - 2 * PAGE);
	expect_tables_everywhere(&start, TABLES);
	expect_filled_by_all(map, PAGE, 1);
	expect_filled_by_all(map + LEN - PAGE, PAGE, 1);
	expect_zero_by_all(map + PAGE, LEN - 2 * PAGE);
}
END_TEST

START_TEST(other_mappings_are_emptied_and_keep_their_tables)
{
	int fd = new_memfd(LEN);
	char *map = map_tables(TABLES, MAP_SHARED, fd), *twin = map_tables(TABLES, MAP_SHARED, fd);
	struct tables start = tables_at_rest();

	fill(map, LEN, 1);
	expect_filled_from(twin, map, LEN, 1);
	madv_remove(map, 2 * TABLE_SPAN);
	expect_tables_everywhere(&start, 2 * TABLES);
	expect_rss_is_mapped();
	expect_zero_by_all(twin, 2 * TABLE_SPAN);
	expect_filled_from(twin + 2 * TABLE_SPAN, map + 2 * TABLE_SPAN, TABLE_SPAN, 1);
	dontneed(twin, LEN);
	expect_tables_everywhere(&start, 2 * TABLES - reclaimed(TABLES));
}
END_TEST

static void child_removes(void *arg)
{
	char *map = arg;

	expect_filled(map, LEN, 1);
	madv_remove(map + TABLE_SPAN, TABLE_SPAN);
	expect_zero(map + TABLE_SPAN, TABLE_SPAN);
}

START_TEST(hole_made_by_another_process)
{
	char *map = map_tables(TABLES, MAP_SHARED | MAP_ANONYMOUS, -1);
	struct tables start = tables_at_rest();

	fill(map, LEN, 1);
	child_wait(child_start(child_removes, map));
	expect_tables_everywhere(&start, TABLES);
	expect_rss_is_mapped();
	expect_zero_by_all(map + TABLE_SPAN, TABLE_SPAN);
	expect_filled_by_all(map, TABLE_SPAN, 1);
	expect_filled_by_all(map + 2 * TABLE_SPAN, TABLE_SPAN, 1);
}
END_TEST

START_TEST(private_copies_survive)
{
	int fd = new_memfd(TABLE_SPAN);
	char *map = map_tables(1, MAP_SHARED, fd), *copy = map_tables(1, MAP_PRIVATE, fd);
	char *copied = copy + 100 * PAGE;
	long start = vmpte_kb();

	/* A hole takes the file's pages, not the copies (even_cows is false). */
	fill(map, TABLE_SPAN, 1);
	expect_filled_from(copy, map, TABLE_SPAN, 1);
	fill(copied, 100 * PAGE, 2);
	madv_remove(map, TABLE_SPAN);
	expect_tables(start, 2);
	expect_rss_is_mapped();
	expect_filled_by_all(copied, 100 * PAGE, 2);
	expect_zero_by_all(copy, 100 * PAGE);
	expect_zero_by_all(copied + 100 * PAGE, TABLE_SPAN - 200 * PAGE);
	dontneed(copy, TABLE_SPAN);
	expect_tables(start, 2 - reclaimed(1));
	expect_zero_by_all(copy, TABLE_SPAN);
}
END_TEST

START_TEST(hole_can_be_filled_again)
{
	char *map = map_tables(2, MAP_SHARED, new_memfd(2 * TABLE_SPAN));
	long start = vmpte_kb();

	for (unsigned int round = 1; round <= 4; round++) {
		fill(map, 2 * TABLE_SPAN, round);
		expect_tables(start, 2);
		expect_filled(map, 2 * TABLE_SPAN, round);
		madv_remove(map, 2 * TABLE_SPAN);
		expect_tables(start, 2);
		expect_zero(map, PAGE);
		if (round % 2)
			continue;
		dontneed(map, 2 * TABLE_SPAN);
		expect_tables(start, 2 - reclaimed(2));
	}
	expect_zero_by_all(map, 2 * TABLE_SPAN);
}
END_TEST

static void refused(char *map, size_t len, int error, const char *what)
{
	operation("MADV_REMOVE that is refused", map, len);
	require(madvise(map, len, MADV_REMOVE) == -1 && errno == error,
		"MADV_REMOVE of %s: %s, expected %s", what, strerror(errno), strerror(error));
}

START_TEST(refused_hole_changes_nothing)
{
	int fd = new_memfd(TABLE_SPAN);
	char *anon = map_anon(1), *private = map_tables(1, MAP_PRIVATE, fd);
	char *locked = map_tables(1, MAP_SHARED | MAP_ANONYMOUS, -1);
	long start = vmpte_kb();

	fill(anon, TABLE_SPAN, 1);
	fill(private, TABLE_SPAN, 1);
	fill(locked, TABLE_SPAN, 1);
	require(mlock(locked, TABLE_SPAN) == 0, "mlock: %s", strerror(errno));
	refused(anon, TABLE_SPAN, EINVAL, "anonymous memory");
	refused(private, TABLE_SPAN, EACCES, "a private mapping");
	refused(locked, TABLE_SPAN, EINVAL, "locked memory");
	expect_tables(start, 3);
	expect_filled_by_all(anon, TABLE_SPAN, 1);
	expect_filled_by_all(private, TABLE_SPAN, 1);
	expect_filled_by_all(locked, TABLE_SPAN, 1);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("madv-remove", argc, argv);
	suite_differs_as("tmpfs");
	suite_add(all_tables_stay);
	suite_add(emptied_tables_are_left_to_dontneed);
	suite_add(nothing_left_after_dontneed_to_empty);
	suite_add(part_of_a_table);
	suite_add(unaligned_over_three_tables);
	suite_add(other_mappings_are_emptied_and_keep_their_tables);
	suite_add(hole_made_by_another_process);
	suite_add(private_copies_survive);
	suite_add(hole_can_be_filled_again);
	suite_add(refused_hole_changes_nothing);
	return suite_end();
}
