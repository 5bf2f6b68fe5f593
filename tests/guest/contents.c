// SPDX-License-Identifier: GPL-2.0
/*
 * Description: what private anonymous memory reads after MADV_DONTNEED: zeroes
 * in the range, whatever it was next to it, and new data where it is written
 * again, whether or not the table in between was reclaimed.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "lib/guest.h"

START_TEST(pages_read_zero_afterwards)
{
	char *map = map_anon(2);

	fill(map, 2 * TABLE_SPAN, 1);
	dontneed(map, 2 * TABLE_SPAN);
	expect_zero(map, 2 * TABLE_SPAN);
}
END_TEST

START_TEST(neighbouring_tables_keep_their_data)
{
	char *map = map_anon(3);
	char *middle = map + TABLE_SPAN, *last = map + 2 * TABLE_SPAN;
	long start = vmpte_kb();

	fill(map, 3 * TABLE_SPAN, 1);
	dontneed(middle, TABLE_SPAN);
	expect_tables(start, 3 - reclaimed(1));
	expect_filled(map, TABLE_SPAN, 1);
	expect_filled(last, TABLE_SPAN, 1);
	expect_zero(middle, TABLE_SPAN);
}
END_TEST

START_TEST(neighbouring_pages_keep_their_data)
{
	char *map = map_anon(1);
	char *hole = map + 100 * PAGE, *rest = map + 200 * PAGE;

	fill(map, TABLE_SPAN, 1);
	dontneed(hole, 100 * PAGE);
	expect_filled(map, 100 * PAGE, 1);
	expect_filled(rest, TABLE_SPAN - 200 * PAGE, 1);
	expect_zero(hole, 100 * PAGE);
}
END_TEST

START_TEST(range_can_be_used_again)
{
	char *map = map_anon(2);
	long start = vmpte_kb();

	for (unsigned int round = 1; round <= 4; round++) {
		fill(map, 2 * TABLE_SPAN, round);
		expect_tables(start, 2);
		expect_filled(map, 2 * TABLE_SPAN, round);
		dontneed(map, 2 * TABLE_SPAN);
		expect_tables(start, 2 - reclaimed(2));
	}
}
END_TEST

START_TEST(one_page_comes_back_alone)
{
	char *map = map_anon(1);
	char *page = map + 77 * PAGE;
	long start = vmpte_kb();

	fill(map, TABLE_SPAN, 1);
	dontneed(map, TABLE_SPAN);
	/* The first write brings a table back, with nothing else in it. */
	fill(page, PAGE, 2);
	expect_tables(start, 1);
	expect_filled(page, PAGE, 2);
	expect_zero(map, 77 * PAGE);
	expect_zero(page + PAGE, TABLE_SPAN - 78 * PAGE);
}
END_TEST

START_TEST(second_call_on_nothing_is_harmless)
{
	char *map = map_anon(2);
	long start = vmpte_kb();

	fill_sparse(map, 2 * TABLE_SPAN, 1);
	dontneed(map, 2 * TABLE_SPAN);
	dontneed(map, 2 * TABLE_SPAN);
	expect_tables(start, 2 - reclaimed(2));
	expect_zero(map, PAGE);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("contents", argc, argv);
	suite_modes("ptrace/1");
	suite_differs();
	suite_add(pages_read_zero_afterwards);
	suite_add(neighbouring_tables_keep_their_data);
	suite_add(neighbouring_pages_keep_their_data);
	suite_add(range_can_be_used_again);
	suite_add(one_page_comes_back_alone);
	suite_add(second_call_on_nothing_is_harmless);
	return suite_end();
}
