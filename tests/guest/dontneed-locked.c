// SPDX-License-Identifier: GPL-2.0
/*
 * Description: MADV_DONTNEED_LOCKED drops the pages of locked memory too, and
 * reclaims tables as MADV_DONTNEED does (madvise_dontneed_single_vma()). The
 * memory stays locked; MADV_DONTNEED over it stops with EINVAL where the locked
 * part begins, and has done what lies before.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/ops.h"

#define dontneed_locked(at, len) \
	advise(at, len, MADV_DONTNEED_LOCKED, "MADV_DONTNEED_LOCKED")

#define TABLES 3UL
#define LEN (TABLES * TABLE_SPAN)

static void lock(char *at, size_t len)
{
	operation("mlock", at, len);
	require(mlock(at, len) == 0, "mlock of %zu bytes: %s", len, strerror(errno));
}

static long locked_kb(void)
{
	return proc_number("/proc/self/status", "VmLck");
}

START_TEST(tables_of_locked_memory_are_reclaimed)
{
	char *map = map_anon(TABLES);
	struct tables start = tables_at_rest();

	lock(map, LEN);
	fill(map, LEN, 1);
	expect_tables(start.vmpte, TABLES);
	dontneed_locked(map, LEN);
	expect_tables_everywhere(&start, TABLES - reclaimed(TABLES));
	expect_zero_by_all(map, LEN);
}
END_TEST

START_TEST(memory_stays_locked)
{
	char *map = map_anon(1);

	lock(map, TABLE_SPAN);
	dontneed_locked(map, TABLE_SPAN);
	require(locked_kb() == (long)(TABLE_SPAN / 1024),
		"VmLck is %ld kB after MADV_DONTNEED_LOCKED, expected %lu kB", locked_kb(), TABLE_SPAN / 1024);
	require(madvise(map, TABLE_SPAN, MADV_DONTNEED) == -1 && errno == EINVAL,
		"MADV_DONTNEED of memory that was locked before MADV_DONTNEED_LOCKED: not EINVAL");
	/* Locking again finds no page and brings all in, with their table. */
	fill(map, PAGE, 1);
	lock(map, TABLE_SPAN);
	expect_filled_by_all(map, PAGE, 1);
	expect_zero_by_all(map + PAGE, TABLE_SPAN - PAGE);
}
END_TEST

START_TEST(pages_leave_the_count_of_locked_ones)
{
	char *map = map_anon(TABLES);
	long before = proc_number("/proc/meminfo", "Mlocked"), with, after;

	lock(map, LEN);
	with = proc_number("/proc/meminfo", "Mlocked");
	dontneed_locked(map, LEN);
	after = proc_number("/proc/meminfo", "Mlocked");
	/* Batches of pages on their way are not counted yet. */
	require(with > before + (long)(LEN / 1024) / 2 && after < before + (long)(LEN / 1024) / 2,
		"Mlocked of /proc/meminfo: %ld kB at first, %ld kB with %lu kB locked, %ld kB after MADV_DONTNEED_LOCKED",
		before, with, LEN / 1024, after);
}
END_TEST

START_TEST(memory_that_is_not_locked)
{
	char *map = map_anon(TABLES);
	struct tables start = tables_at_rest();

	fill(map, LEN, 1);
	dontneed_locked(map, LEN);
	expect_tables_everywhere(&start, TABLES - reclaimed(TABLES));
	expect_zero_by_all(map, LEN);
}
END_TEST

START_TEST(unaligned_ends_keep_their_tables)
{
	char *map = map_anon(TABLES);
	struct tables start = tables_at_rest();

	lock(map, LEN);
	fill(map, LEN, 1);
	dontneed_locked(map + PAGE, LEN - 2 * PAGE);
	expect_tables_everywhere(&start, TABLES - reclaimed(TABLES - 2));
	expect_filled_by_all(map, PAGE, 1);
	expect_filled_by_all(map + LEN - PAGE, PAGE, 1);
	expect_zero_by_all(map + PAGE, LEN - 2 * PAGE);
}
END_TEST

START_TEST(dontneed_stops_at_the_locked_part)
{
	char *map = map_anon(4), *locked = map + 2 * TABLE_SPAN;
	struct tables start = tables_at_rest();

	fill(map, 4 * TABLE_SPAN, 1);
	lock(locked, TABLE_SPAN);
	operation("MADV_DONTNEED up to locked memory", map, 4 * TABLE_SPAN);
	require(madvise(map, 4 * TABLE_SPAN, MADV_DONTNEED) == -1 && errno == EINVAL,
		"MADV_DONTNEED over locked memory: not EINVAL");
	expect_tables_everywhere(&start, 4 - reclaimed(2));
	expect_zero_by_all(map, 2 * TABLE_SPAN);
	expect_filled_by_all(locked, 2 * TABLE_SPAN, 1);
	dontneed_locked(map, 4 * TABLE_SPAN);
	expect_tables_everywhere(&start, 4 - reclaimed(4));
	expect_zero_by_all(map, 4 * TABLE_SPAN);
}
END_TEST

START_TEST(locked_half_of_a_table)
{
	char *map = map_anon(1), *half = map + TABLE_SPAN / 2;
	struct tables start = tables_at_rest();

	/* Two mappings in one table, and one call for both: none covers it. */
	fill(map, TABLE_SPAN, 1);
	lock(half, TABLE_SPAN / 2);
	dontneed_locked(map, TABLE_SPAN);
	expect_tables_everywhere(&start, 1);
	expect_zero_by_all(map, TABLE_SPAN);
	/* One mapping again: it does. */
	require(munlock(half, TABLE_SPAN / 2) == 0, "munlock: %s", strerror(errno));
	dontneed_locked(map, TABLE_SPAN);
	expect_tables_everywhere(&start, 1 - reclaimed(1));
}
END_TEST

START_TEST(locked_on_fault)
{
	char *map = map_anon(2);
	long start = vmpte_kb();

	operation("mlock2(MLOCK_ONFAULT)", map, 2 * TABLE_SPAN);
	require(mlock2(map, 2 * TABLE_SPAN, MLOCK_ONFAULT) == 0, "mlock2: %s", strerror(errno));
	expect_tables(start, 0);
	for (unsigned int round = 1; round <= 5; round++) {
		fill_sparse(map, 2 * TABLE_SPAN, round);
		expect_tables(start, 2);
		dontneed_locked(map, 2 * TABLE_SPAN);
		expect_tables(start, 2 - reclaimed(2));
	}
	expect_zero_by_all(map, 2 * TABLE_SPAN);
}
END_TEST

START_TEST(locked_shared_memory_keeps_its_contents)
{
	const size_t len = 2 * TABLE_SPAN;
	char *map = map_tables(2, MAP_SHARED, new_memfd(len));
	struct tables start = tables_at_rest();

	lock(map, len);
	fill(map, len, 1);
	dontneed_locked(map, len);
	expect_tables_everywhere(&start, 2 - reclaimed(2));
	expect_filled_by_all(map, len, 1);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("dontneed-locked", argc, argv);
	suite_differs_as("anonymous");
	suite_add(tables_of_locked_memory_are_reclaimed);
	suite_add(memory_stays_locked);
	suite_add(pages_leave_the_count_of_locked_ones);
	suite_add(memory_that_is_not_locked);
	suite_add(unaligned_ends_keep_their_tables);
	suite_add(dontneed_stops_at_the_locked_part);
	suite_add(locked_half_of_a_table);
	suite_add(locked_on_fault);
	suite_add(locked_shared_memory_keeps_its_contents);
	return suite_end();
}
