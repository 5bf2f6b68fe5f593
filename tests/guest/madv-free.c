// SPDX-License-Identifier: GPL-2.0
/*
 * Description: MADV_FREE has a walker of its own (madvise_free_pte_range()),
 * which reclaims no table, whatever it covers, also once the kernel has taken
 * the pages. A page reads what it held or zeroes, and nothing else; one that
 * is written afterwards is kept, as are neighbours and pages shared with a child.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/ops.h"

#define TABLES 3UL
#define LEN (TABLES * TABLE_SPAN)

#define madv_free(at, len) advise(at, len, MADV_FREE, "MADV_FREE")
/* Makes the kernel take freed pages at once, as it does when memory is short. */
#define take_freed(at, len) advise(at, len, MADV_PAGEOUT, "MADV_FREE and MADV_PAGEOUT")

/* Each page's first word is what fill() with `seed` wrote, or 0. Returns how many are 0. */
static size_t pages_taken(const char *at, size_t len, unsigned int seed)
{
	size_t taken = 0;

	for (size_t i = 0; i < len; i += PAGE) {
		if (*(const volatile unsigned long *)(at + i)) {
			expect_filled(at + i, PAGE, seed);
			continue;
		}
		expect_zero(at + i, PAGE);
		taken++;
	}
	return taken;
}

START_TEST(all_tables_stay)
{
	char *map = map_anon(TABLES);
	struct tables start = tables_at_rest();

	fill(map, LEN, 1);
	for (int i = 0; i < 3; i++)
		madv_free(map, LEN);
	expect_tables_everywhere(&start, TABLES);
	pages_taken(map, LEN, 1);
}
END_TEST

START_TEST(one_page_at_each_place_stays)
{
	const size_t slots[] = { 0, 1, 255, 256, TABLE_PAGES - 2, TABLE_PAGES - 1 };
	char *map = map_anon(1);
	long start = vmpte_kb();

	for (size_t i = 0; i < sizeof(slots) / sizeof(*slots); i++) {
		fill(map + slots[i] * PAGE, PAGE, 1);
		madv_free(map, TABLE_SPAN);
		expect_tables(start, 1);
		dontneed(map, TABLE_SPAN);
		expect_tables(start, 1 - reclaimed(1));
	}
}
END_TEST

START_TEST(range_without_tables_gets_none)
{
	char *map = map_anon(4);
	long start = vmpte_kb();

	madv_free(map, 4 * TABLE_SPAN);
	expect_tables(start, 0);
	fill(map + TABLE_SPAN, PAGE, 1);
	madv_free(map, 4 * TABLE_SPAN);
	expect_tables(start, 1);
}
END_TEST

START_TEST(tables_stay_when_the_kernel_took_the_pages)
{
	char *map = map_anon(TABLES);
	struct tables start = tables_at_rest();
	size_t taken;

	fill(map, LEN, 1);
	madv_free(map, LEN);
	take_freed(map, LEN);
	expect_tables_everywhere(&start, TABLES);
	expect_rss_is_mapped();
	taken = pages_taken(map, LEN, 1);
	require(taken > LEN / PAGE / 2,
		"the kernel took %zu of %zu pages that MADV_FREE had given up: this test wants most",
		taken, LEN / PAGE);
	/* Now they hold zero pages; a table of nothing but those is reclaimed. */
	dontneed(map, LEN);
	expect_tables_everywhere(&start, TABLES - reclaimed(TABLES));
	expect_rss_is_mapped();
	expect_zero_by_all(map, LEN);
}
END_TEST

START_TEST(empty_tables_are_left_to_dontneed)
{
	char *map = map_anon(TABLES);
	struct tables start = tables_at_rest();

	fill(map, LEN, 1);
	madv_free(map, LEN);
	take_freed(map, LEN);
	/* Nothing was read meanwhile: the entries are empty, not zero pages. */
	madv_free(map, LEN);
	expect_tables(start.vmpte, TABLES);
	dontneed(map, LEN);
	expect_tables_everywhere(&start, TABLES - reclaimed(TABLES));
}
END_TEST

START_TEST(written_again_is_kept)
{
	char *map = map_anon(1);
	char *kept = map + 100 * PAGE;
	long start = vmpte_kb();

	fill(map, TABLE_SPAN, 1);
	madv_free(map, TABLE_SPAN);
	fill(kept, 100 * PAGE, 2);
	take_freed(map, TABLE_SPAN);
	expect_tables(start, 1);
	expect_filled_by_all(kept, 100 * PAGE, 2);
	pages_taken(map, 100 * PAGE, 1);
	pages_taken(kept + 100 * PAGE, TABLE_SPAN - 200 * PAGE, 1);
}
END_TEST

START_TEST(neighbours_in_the_table_keep_their_data)
{
	char *map = map_anon(1);
	char *part = map + 100 * PAGE;

	fill(map, TABLE_SPAN, 1);
	madv_free(part, 100 * PAGE);
	take_freed(map, TABLE_SPAN);
	expect_filled_by_all(map, 100 * PAGE, 1);
	expect_filled_by_all(part + 100 * PAGE, TABLE_SPAN - 200 * PAGE, 1);
	pages_taken(part, 100 * PAGE, 1);
}
END_TEST

START_TEST(unaligned_range_over_three_tables)
{
	char *map = map_anon(TABLES);
	struct tables start = tables_at_rest();

	fill(map, LEN, 1);
	madv_free(map + PAGE, LEN - 2 * PAGE);
	take_freed(map, LEN);
	expect_tables_everywhere(&start, TABLES);
	expect_filled_by_all(map, PAGE, 1);
	expect_filled_by_all(map + LEN - PAGE, PAGE, 1);
	pages_taken(map + PAGE, LEN - 2 * PAGE, 1);
}
END_TEST

static void child_frees(void *arg)
{
	madv_free(arg, TABLE_SPAN);
	take_freed(arg, TABLE_SPAN);
	pages_taken(arg, TABLE_SPAN, 1);
}

START_TEST(pages_shared_with_the_parent_are_the_parents)
{
	char *map = map_anon(1);
	long start = vmpte_kb();

	fill(map, TABLE_SPAN, 1);
	child_wait(child_start(child_frees, map));
	expect_tables(start, 1);
	expect_filled_by_all(map, TABLE_SPAN, 1);
}
END_TEST

START_TEST(shared_memory_is_refused)
{
	char *map = map_tables(1, MAP_SHARED | MAP_ANONYMOUS, -1);
	long start = vmpte_kb();

	fill(map, TABLE_SPAN, 1);
	operation("MADV_FREE of shared memory", map, TABLE_SPAN);
	require(madvise(map, TABLE_SPAN, MADV_FREE) == -1 && errno == EINVAL,
		"MADV_FREE of shared memory was not refused with EINVAL");
	expect_tables(start, 1);
	expect_filled_by_all(map, TABLE_SPAN, 1);
}
END_TEST

START_TEST(locked_memory_is_refused)
{
	char *map = map_anon(1);
	long start = vmpte_kb();

	fill(map, TABLE_SPAN, 1);
	require(mlock(map, TABLE_SPAN) == 0, "mlock: %s", strerror(errno));
	operation("MADV_FREE of locked memory", map, TABLE_SPAN);
	require(madvise(map, TABLE_SPAN, MADV_FREE) == -1 && errno == EINVAL,
		"MADV_FREE of locked memory was not refused with EINVAL");
	expect_tables(start, 1);
	expect_filled_by_all(map, TABLE_SPAN, 1);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("madv-free", argc, argv);
	suite_differs();
	suite_add(all_tables_stay);
	suite_add(one_page_at_each_place_stays);
	suite_add(range_without_tables_gets_none);
	suite_add(tables_stay_when_the_kernel_took_the_pages);
	suite_add(empty_tables_are_left_to_dontneed);
	suite_add(written_again_is_kept);
	suite_add(neighbours_in_the_table_keep_their_data);
	suite_add(unaligned_range_over_three_tables);
	suite_add(pages_shared_with_the_parent_are_the_parents);
	suite_add(shared_memory_is_refused);
	suite_add(locked_memory_is_refused);
	return suite_end();
}
