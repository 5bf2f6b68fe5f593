// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kind.h"
#include "ops.h"
#include "touch.h"

#define TABLES 2UL
#define LEN (TABLES * TABLE_SPAN)

char *kind_map(const struct kind *k, size_t tables, int *fd)
{
	char *at = arena_take(tables);
	const size_t len = tables * TABLE_SPAN;
	int file = k->open ? k->open(len) : -1;

	if (k->after == READS_FILE) {
		map_at(at, len, MAP_SHARED, file, 0);
		fill(at, len, FILE_SEED);
	}
	map_at(at, len, k->flags | MAP_NORESERVE, file, 0);
	if (fd)
		*fd = file;
	else if (file >= 0)
		close(file);
	return at;
}

/* What is read where pages with the pattern `seed` were dropped; seed 0: nothing was written. */
static void expect_after(const struct kind *k, const char *at, size_t len, unsigned int seed)
{
	if (k->after == READS_FILE)
		expect_filled_by_all(at, len, FILE_SEED);
	else if (k->after == READS_SAME && seed)
		expect_filled_by_all(at, len, seed);
	else
		expect_zero_by_all(at, len);
}

/* All of it is dropped: the tables go, in both counts. */
void kind_whole(const struct kind *k)
{
	char *map = kind_map(k, TABLES, NULL);
	struct tables start = tables_at_rest();

	fill(map, LEN, 1);
	expect_tables(start.vmpte, (long)TABLES);
	dontneed(map, LEN);
	expect_tables_everywhere(&start, (long)TABLES - reclaimed((long)TABLES));
	expect_pagemap(map, LEN, PAGEMAP_PRESENT, 0, "present");
	expect_after(k, map, LEN, 1);
	unmap(map, LEN);
	expect_tables_everywhere(&start, 0);
}

/* From inside the first table to inside the last: only the one in between goes. */
void kind_straddling(const struct kind *k)
{
	const size_t before = 300 * PAGE, behind = 77 * PAGE;
	const size_t len = 3 * TABLE_SPAN;
	char *map = kind_map(k, 3, NULL);
	long start = vmpte_kb();

	fill(map, len, 1);
	dontneed(map + before, len - before - behind);
	expect_tables(start, 3 - reclaimed(1));
	expect_pagemap(map, len, PAGEMAP_PRESENT, (before + behind) / PAGE, "present");
	expect_filled_by_all(map, before, 1);
	expect_filled_by_all(map + len - behind, behind, 1);
	expect_after(k, map + before, len - before - behind, 1);
}

/* Pages that were only read: the zero page, or the file's own. */
void kind_read_only(const struct kind *k)
{
	char *map = kind_map(k, TABLES, NULL);
	long start = vmpte_kb();

	for (size_t i = 0; i < LEN; i += PAGE)
		(void)*(volatile char *)(map + i);
	expect_tables(start, (long)TABLES);
	dontneed(map, LEN);
	expect_tables(start, (long)TABLES - reclaimed((long)TABLES));
	expect_after(k, map, LEN, 0);
	/* Written now, it is what it would be without all that. */
	fill(map, LEN, 1);
	expect_filled_by_all(map, LEN, 1);
}

void kind_one_page_a_table(const struct kind *k)
{
	char *map = kind_map(k, 3, NULL);
	long start = vmpte_kb();

	for (size_t i = 0; i < 3; i++)
		fill(map + i * TABLE_SPAN + i * 255 * PAGE, PAGE, 1);
	dontneed(map, 2 * TABLE_SPAN);
	expect_tables(start, 3 - reclaimed(2));
	expect_after(k, map, PAGE, 1);
	expect_after(k, map + TABLE_SPAN + 255 * PAGE, PAGE, 1);
	expect_filled_by_all(map + 2 * TABLE_SPAN + 510 * PAGE, PAGE, 1);
	expect_after(k, map + 2 * TABLE_SPAN, 510 * PAGE, 0);
}

void kind_again(const struct kind *k)
{
	char *map = kind_map(k, TABLES, NULL);
	struct tables start = tables_at_rest();

	for (unsigned int seed = 1; seed <= 2; seed++) {
		fill(map, LEN, seed);
		expect_tables(start.vmpte, (long)TABLES);
		expect_filled(map, LEN, seed);
		dontneed(map, LEN);
		expect_tables(start.vmpte, (long)TABLES - reclaimed((long)TABLES));
	}
	expect_tables_everywhere(&start, (long)TABLES - reclaimed((long)TABLES));
	expect_after(k, map, LEN, 2);
}

struct child {
	const struct kind *kind;
	char *map;
};

static void child_drops(void *arg)
{
	const struct child *c = arg;
	long start;

	expect_filled(c->map, LEN, 1);
	start = vmpte_kb();
	dontneed(c->map, LEN);
	expect_tables(start, -reclaimed((long)TABLES));
	expect_after(c->kind, c->map, LEN, 1);
	/* What it writes now is its own, or everybody's. */
	fill(c->map, LEN, 2);
}

/* A child drops its view: the parent's tables and contents are another matter. */
void kind_forked(const struct kind *k)
{
	struct child c = { k, kind_map(k, TABLES, NULL) };
	struct tables start = tables_at_rest();

	fill(c.map, LEN, 1);
	child_wait(child_start(child_drops, &c));
	expect_tables_everywhere(&start, (long)TABLES);
	expect_filled_by_all(c.map, LEN, k->after == READS_SAME ? 2 : 1);
	dontneed(c.map, LEN);
	expect_tables(start.vmpte, (long)TABLES - reclaimed((long)TABLES));
	expect_after(k, c.map, LEN, 2);
}

/* The kernel's own writes (a read() into the range) bring tables back as well. */
void kind_by_kernel(const struct kind *k)
{
	char *map = kind_map(k, 1, NULL), *file = arena_take(1);
	int from = new_memfd(TABLE_SPAN);
	long start;

	map_at(file, TABLE_SPAN, MAP_SHARED, from, 0);
	fill(file, TABLE_SPAN, 5);
	start = vmpte_kb();
	for (int round = 0; round < 2; round++) {
		operation("pread", map, TABLE_SPAN);
		require(pread(from, map, TABLE_SPAN, 0) == (ssize_t)TABLE_SPAN,
			"pread: %s", strerror(errno));
		expect_tables(start, 1);
		expect_filled_from(map, file, TABLE_SPAN, 5);
		dontneed(map, TABLE_SPAN);
		expect_tables(start, 1 - reclaimed(1));
	}
	if (k->after == READS_SAME)
		expect_filled_from(map, file, TABLE_SPAN, 5);
	else
		expect_after(k, map, TABLE_SPAN, 0);
}

/* A mapping that goes on where the file ends, in the same table and in one of its own. */
void kind_end_of_file(const struct kind *k)
{
	const size_t part = 100 * PAGE;
	int fd;
	char *map = kind_map(k, 2, &fd);
	long start = vmpte_kb();

	require(ftruncate(fd, part) == 0, "ftruncate: %s", strerror(errno));
	fill(map, part, 1);
	expect_touch(map + part, 3 * PAGE, SIGBUS);
	expect_touch(map + TABLE_SPAN, PAGE, SIGBUS);
	expect_pagemap(map, 2 * TABLE_SPAN, PAGEMAP_PRESENT, part / PAGE, "present");
	dontneed(map, 2 * TABLE_SPAN);
	expect_pagemap(map, 2 * TABLE_SPAN, PAGEMAP_PRESENT, 0, "present");
	if (reclaimed(1))
		expect_tables(start, 0);
	expect_after(k, map, part, 1);
	expect_touch(map + part, 3 * PAGE, SIGBUS);
	expect_touch(map + 2 * TABLE_SPAN - PAGE, PAGE, SIGBUS);
	/* The file grows: the same pages are there now, empty. */
	require(ftruncate(fd, 2 * TABLE_SPAN) == 0, "ftruncate: %s", strerror(errno));
	expect_zero_by_all(map + part, 2 * TABLE_SPAN - part);
	fill(map, 2 * TABLE_SPAN, 2);
	expect_filled_by_all(map, 2 * TABLE_SPAN, 2);
	dontneed(map, 2 * TABLE_SPAN);
	expect_tables(start, 2 - reclaimed(2));
}
