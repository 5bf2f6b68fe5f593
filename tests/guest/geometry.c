// SPDX-License-Identifier: GPL-2.0
/*
 * Description: where MADV_DONTNEED begins and ends, and where in the address
 * space: all offsets at both ends of a range, each slot of a table, ranges
 * across the borders of tables, PMD tables and PUD tables, ranges with few
 * tables in much space, the first and the last table that a process can have.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "lib/ops.h"

/* ---- inside of a table ---- */

/* Pages of a table that are written: those at which something may go wrong by one. */
static const size_t edges[] = { 0, 1, 2, 255, 256, TABLE_PAGES - 2, TABLE_PAGES - 1 };
#define EDGES (sizeof(edges) / sizeof(*edges))

static void fill_edges(char *map, size_t tables, unsigned int seed)
{
	for (size_t table = 0; table < tables; table++) {
		for (size_t i = 0; i < EDGES; i++)
			fill(map + table * TABLE_SPAN + edges[i] * PAGE, PAGE, seed);
	}
}

/* The edges hold the pattern outside of [from, to), and zeroes in it. */
static void expect_edges(char *map, size_t tables, unsigned int seed, char *from, char *to)
{
	for (size_t table = 0; table < tables; table++) {
		for (size_t i = 0; i < EDGES; i++) {
			char *page = map + table * TABLE_SPAN + edges[i] * PAGE;

			if (page >= from && page < to)
				expect_zero(page, PAGE);
			else
				expect_filled(page, PAGE, seed);
		}
	}
}

/* The number of whole tables in [from, to). */
static long covered(const char *from, const char *to)
{
	unsigned long first = ((unsigned long)from + TABLE_SPAN - 1) / TABLE_SPAN;
	unsigned long end = (unsigned long)to / TABLE_SPAN;

	return end > first ? (long)(end - first) : 0;
}

/* All begins and all ends: also ranges of a table's length that cover none. */
START_TEST(every_pair_of_ends)
{
	char *map = map_anon(3);
	long start = vmpte_kb();

	for (size_t i = 0; i < EDGES; i++) {
		for (size_t j = 0; j < 3 * EDGES; j++) {
			char *from = map + edges[i] * PAGE;
			char *to = map + j / EDGES * TABLE_SPAN + (edges[j % EDGES] + 1) * PAGE;
			unsigned int seed = (unsigned int)(1 + i * EDGES + j);

			if (to <= from)
				continue;
			fill_edges(map, 3, seed);
			dontneed(from, (size_t)(to - from));
			expect_tables(start, 3 - reclaimed(covered(from, to)));
			expect_edges(map, 3, seed, from, to);
		}
	}
}
END_TEST

START_TEST(one_page_in_each_slot)
{
	char *map = map_anon(1);
	long start = vmpte_kb();

	for (size_t slot = 0; slot < TABLE_PAGES; slot++) {
		fill(map + slot * PAGE, PAGE, 1);
		expect_tables(start, 1);
		dontneed(map, TABLE_SPAN);
		expect_tables(start, 1 - reclaimed(1));
	}
	expect_zero_by_all(map, TABLE_SPAN);
}
END_TEST

START_TEST(one_page_left_in_each_slot)
{
	char *map = map_anon(1);
	long start = vmpte_kb();

	for (size_t slot = 0; slot < TABLE_PAGES; slot++) {
		char *left = map + slot * PAGE;

		fill(map, PAGE, 1);
		fill(map + TABLE_SPAN - PAGE, PAGE, 1);
		fill(left, PAGE, 2);
		if (left > map)
			dontneed(map, (size_t)(left - map));
		if (slot < TABLE_PAGES - 1)
			dontneed(left + PAGE, TABLE_SPAN - (size_t)(left + PAGE - map));
		expect_tables(start, 1);
		expect_filled(left, PAGE, 2);
		dontneed(left, PAGE);
		expect_zero(left, PAGE);
	}
	expect_rss_is_mapped();
}
END_TEST

START_TEST(one_page_at_a_time)
{
	char *map = map_anon(1);
	struct tables start = tables_at_rest();

	/* 512 calls of a page each cover the table, but none of them does. */
	fill(map, TABLE_SPAN, 1);
	for (size_t i = 0; i < TABLE_SPAN; i += PAGE)
		dontneed(map + i, PAGE);
	expect_tables_everywhere(&start, 1);
	expect_zero_by_all(map, TABLE_SPAN);
}
END_TEST

START_TEST(length_is_rounded_up_to_pages)
{
	char *map = map_anon(1);
	long start = vmpte_kb();

	/* A byte less than a table is a table; a page less is not. */
	fill(map, TABLE_SPAN, 1);
	dontneed(map, TABLE_SPAN - PAGE);
	expect_tables(start, 1);
	dontneed(map, TABLE_SPAN - 1);
	expect_tables(start, 1 - reclaimed(1));
	fill(map, TABLE_SPAN, 2);
	dontneed(map, TABLE_SPAN - PAGE + 1);
	expect_tables(start, 1 - reclaimed(1));
	expect_zero_by_all(map, TABLE_SPAN);
}
END_TEST

START_TEST(range_over_a_hole_between_mappings)
{
	char *map = map_anon(5);
	struct tables start = tables_at_rest();

	fill(map, 5 * TABLE_SPAN, 1);
	unmap(map + TABLE_SPAN + TABLE_SPAN / 2, 2 * TABLE_SPAN);
	expect_tables(start.vmpte, 4);
	/* ENOMEM tells of the hole; the parts on both sides are done. */
	operation("MADV_DONTNEED over a hole", map, 5 * TABLE_SPAN);
	require(madvise(map, 5 * TABLE_SPAN, MADV_DONTNEED) == -1 && errno == ENOMEM,
		"MADV_DONTNEED over a hole: %s, expected ENOMEM", strerror(errno));
	expect_tables_everywhere(&start, 4 - reclaimed(2));
	expect_zero_by_all(map, TABLE_SPAN + TABLE_SPAN / 2);
	expect_zero_by_all(map + 3 * TABLE_SPAN + TABLE_SPAN / 2, TABLE_SPAN + TABLE_SPAN / 2);
}
END_TEST

/* ---- across borders ---- */

/*
 * Four tables about `border`, which also is one of upper tables: MADV_DONTNEED
 * reclaims the PTE tables, `upper` tables of higher levels stay until munmap.
 */
static void across(char *border, long upper)
{
	char *map = border - 2 * TABLE_SPAN;
	const size_t len = 4 * TABLE_SPAN;
	struct tables start = tables_at_rest();

	map_anon_at(map, len);
	fill_edges(map, 4, 1);
	expect_tables(start.vmpte, upper + 4);
	dontneed(border - PAGE, 2 * PAGE);
	expect_tables(start.vmpte, upper + 4);
	expect_edges(map, 4, 1, border - PAGE, border + PAGE);
	fill_edges(map, 4, 2);
	dontneed(map + PAGE, len - 2 * PAGE);
	expect_tables(start.vmpte, upper + 4 - reclaimed(2));
	expect_edges(map, 4, 2, map + PAGE, map + len - PAGE);
	fill_edges(map, 4, 3);
	dontneed(map, len);
	expect_tables_everywhere(&start, upper + 4 - reclaimed(4));
	expect_zero_by_all(map, len);
	unmap(map, len);
	expect_tables_everywhere(&start, 0);
}

START_TEST(across_the_border_of_a_pte_table)
{
	char *space = space_take(1);

	if (space)
		across(space + 10 * TABLE_SPAN, 2);
}
END_TEST

START_TEST(across_the_border_of_a_pmd_table)
{
	char *space = space_take(1);

	if (space)
		across(space + 10 * PMD_TABLE_SPAN, 3);
}
END_TEST

START_TEST(across_the_border_of_a_pud_table)
{
	char *space = space_take(2);

	if (space)
		across(space + PUD_TABLE_SPAN, 4);
}
END_TEST

START_TEST(whole_pmd_table)
{
	const size_t tables = PMD_TABLE_SPAN / TABLE_SPAN;
	char *space = space_take(1), *map = space + PMD_TABLE_SPAN;
	struct tables start = tables_at_rest();

	if (!space)
		return;
	/* All of a gigabyte, and a table of each neighbour that must stay. */
	map_anon_at(map - TABLE_SPAN, PMD_TABLE_SPAN + 2 * TABLE_SPAN);
	fill_sparse(map - TABLE_SPAN, PMD_TABLE_SPAN + 2 * TABLE_SPAN, 1);
	expect_tables(start.vmpte, 1 + 3 + (long)tables + 2);
	dontneed(map, PMD_TABLE_SPAN);
	expect_tables_everywhere(&start, 1 + 3 + (long)tables + 2 - reclaimed((long)tables));
	expect_filled(map - TABLE_SPAN, PAGE, 1);
	expect_filled(map + PMD_TABLE_SPAN, PAGE, 1);
	unmap(map - TABLE_SPAN, PMD_TABLE_SPAN + 2 * TABLE_SPAN);
	expect_tables_everywhere(&start, 0);
}
END_TEST

/* ---- few tables in much space ---- */

/* One page each `step` in [map, map + len), all given back in one call. */
static void sparse(char *map, size_t len, size_t step, long upper)
{
	struct tables start = tables_at_rest();
	long tables = (long)(len / step);

	map_anon_at(map, len);
	for (size_t i = 0; i < len; i += step)
		fill(map + i + i / step % TABLE_PAGES * PAGE, PAGE, 1);
	expect_tables(start.vmpte, upper + tables);
	dontneed(map, len);
	expect_tables_everywhere(&start, upper + tables - reclaimed(tables));
	for (size_t i = 0; i < len; i += step)
		expect_zero(map + i + i / step % TABLE_PAGES * PAGE, PAGE);
	unmap(map, len);
	expect_tables_everywhere(&start, 0);
}

START_TEST(every_seventh_table)
{
	char *space = space_take(1);

	/* 70 of 490 tables of one PMD table. */
	if (space)
		sparse(space, 70 * 7 * TABLE_SPAN, 7 * TABLE_SPAN, 2);
}
END_TEST

START_TEST(one_table_each_gigabyte)
{
	char *space = space_take(1);

	if (space)
		sparse(space, 64 * PMD_TABLE_SPAN, PMD_TABLE_SPAN, 1 + 64);
}
END_TEST

START_TEST(one_table_each_512_gigabytes)
{
	char *space = space_take(4);

	if (space)
		sparse(space, 4 * PUD_TABLE_SPAN, PUD_TABLE_SPAN, 4 + 4);
}
END_TEST

START_TEST(range_in_the_middle_of_much_space)
{
	char *map = space_take(2);
	char *from = map + 100 * PMD_TABLE_SPAN, *to = map + PUD_TABLE_SPAN + 100 * PMD_TABLE_SPAN;
	struct tables start = tables_at_rest();
	long upper = 2 + 4, tables = 4;

	if (!map)
		return;
	/* Pages right before and behind both ends of half a terabyte. */
	map_anon_at(map, 2 * PUD_TABLE_SPAN);
	fill(from - PAGE, 2 * PAGE, 1);
	fill(to - PAGE, 2 * PAGE, 1);
	expect_tables(start.vmpte, upper + tables);
	dontneed(from, (size_t)(to - from));
	expect_tables_everywhere(&start, upper + tables - reclaimed(2));
	expect_filled(from - PAGE, PAGE, 1);
	expect_zero(from, PAGE);
	expect_zero(to - PAGE, PAGE);
	expect_filled(to, PAGE, 1);
}
END_TEST

/* ---- the ends of the address space ---- */

/* The smallest address that may be mapped, a setting of the guest. */
static void set_lowest_address(long bytes)
{
	static const char file[] = "/proc/sys/vm/mmap_min_addr";
	int fd = open(file, O_WRONLY | O_CLOEXEC);

	require(fd >= 0 && dprintf(fd, "%ld\n", bytes) > 0 && close(fd) == 0, "%s: %s", file, strerror(errno));
}

/* Where the linker has put the program. */
extern const char __executable_start[];

START_TEST(first_table)
{
	long lowest = proc_number_only("/proc/sys/vm/mmap_min_addr");
	/* The host has a limit of its own for what is touched: 64 KiB usually. */
	char *first = NULL, *used = (char *)(16 * PAGE);
	const size_t len = TABLE_SPAN - 16 * PAGE;
	struct tables start;

	if ((unsigned long)__executable_start < TABLE_SPAN) {
		skip("the program itself lies in the first table");
		return;
	}
	set_lowest_address(0);
	start = tables_at_rest();
	/* Without MAP_FIXED an address of 0 would mean any. */
	operation("mmap", first, TABLE_SPAN);
	require(mmap(first, TABLE_SPAN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		first, "mmap of the first 2 MiB: %s", strerror(errno));
	set_lowest_address(lowest);
	fill(used, len, 1);
	expect_tables(start.vmpte, 1);
	/* Not quite the table, at either end. */
	dontneed(first + PAGE, TABLE_SPAN - PAGE);
	expect_tables(start.vmpte, 1);
	expect_zero_by_all(used, len);
	fill(used, len, 2);
	dontneed(first, TABLE_SPAN - PAGE);
	expect_tables(start.vmpte, 1);
	expect_filled_by_all(used + len - PAGE, PAGE, 2);
	dontneed(first, TABLE_SPAN);
	expect_tables_everywhere(&start, 1 - reclaimed(1));
	expect_zero_by_all(used, len);
	unmap(first, TABLE_SPAN);
	expect_tables_everywhere(&start, 0);
}
END_TEST

/* The end of the address space: where the vdso or the stack ends, above everything. */
static char *task_size(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long from, to, end = 0;
	char line[256];

	require(maps, "/proc/self/maps: %s", strerror(errno));
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx", &from, &to) == 2 && to > end)
			end = to;
	}
	fclose(maps);
	return (char *)end;
}

/* Runs on a stack elsewhere, and does not return to that of the process, which is gone. */
static void use_last_table(void)
{
	char *end = task_size(), *last = end - TABLE_SPAN, *below = last - TABLE_SPAN;
	long start;

	/* Over the vdso, and the stack if it lies there, which nobody may look
	 * at any more: Check looks for variables of the environment. */
	environ = NULL;
	map_anon_at(below, 2 * TABLE_SPAN);
	/* The upper tables are there whatever was above. */
	fill(last - PAGE, PAGE, 1);
	start = vmpte_kb();
	fill(last, TABLE_SPAN, 2);
	expect_tables(start, 1);
	dontneed(last, TABLE_SPAN - PAGE);
	expect_tables(start, 1);
	expect_filled(end - PAGE, PAGE, 2);
	fill(last, TABLE_SPAN, 3);
	dontneed(last, TABLE_SPAN);
	expect_tables(start, 1 - reclaimed(1));
	expect_filled(last - PAGE, PAGE, 1);
	expect_zero(last, TABLE_SPAN);
	fill(end - PAGE, PAGE, 4);
	dontneed(last - PAGE, TABLE_SPAN + PAGE);
	expect_tables(start, 1 - reclaimed(1));
	expect_zero(last - PAGE, TABLE_SPAN + PAGE);
	unmap(last, TABLE_SPAN);
	expect_tables(start, 0);
	_exit(0);
}

static void child_uses_the_last_table(void *arg)
{
	static ucontext_t here, there;

	require(getcontext(&there) == 0, "getcontext: %s", strerror(errno));
	there.uc_stack.ss_sp = arg;
	there.uc_stack.ss_size = TABLE_SPAN;
	makecontext(&there, use_last_table, 0);
	swapcontext(&here, &there);
}

START_TEST(last_table)
{
	char *stack = map_anon(1);
	struct tables start = tables_at_rest();

	if ((unsigned long)task_size() % PUD_TABLE_SPAN != 0) {
		skip("the address space ends at %p, amid a table", (void *)task_size());
		return;
	}
	child_wait(child_start(child_uses_the_last_table, stack));
	expect_tables_everywhere(&start, 0);
}
END_TEST

START_TEST(range_beyond_the_address_space_is_refused)
{
	char *map = map_anon(1), *end = task_size();
	long start = vmpte_kb();

	fill(map, TABLE_SPAN, 1);
	operation("MADV_DONTNEED beyond TASK_SIZE", end, TABLE_SPAN);
	require(madvise(end, TABLE_SPAN, MADV_DONTNEED) == -1 && errno == ENOMEM,
		"MADV_DONTNEED beyond the address space: %s, expected ENOMEM", strerror(errno));
	require(madvise(map, -TABLE_SPAN, MADV_DONTNEED) == -1,
		"MADV_DONTNEED of a length that wraps round succeeded");
	expect_tables(start, 1);
	expect_filled_by_all(map, TABLE_SPAN, 1);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("geometry", argc, argv);
	suite_differs_as("anonymous");
	suite_add(every_pair_of_ends);
	suite_add(one_page_in_each_slot);
	suite_add(one_page_left_in_each_slot);
	suite_add(one_page_at_a_time);
	suite_add(length_is_rounded_up_to_pages);
	suite_add(range_over_a_hole_between_mappings);
	suite_add(across_the_border_of_a_pte_table);
	suite_add(across_the_border_of_a_pmd_table);
	suite_add(across_the_border_of_a_pud_table);
	suite_add(whole_pmd_table);
	suite_add(every_seventh_table);
	suite_add(one_table_each_gigabyte);
	suite_add(one_table_each_512_gigabytes);
	suite_add(range_in_the_middle_of_much_space);
	suite_add(first_table);
	suite_add(last_table);
	suite_add(range_beyond_the_address_space_is_refused);
	return suite_end();
}
