// SPDX-License-Identifier: GPL-2.0
/*
 * Description: memfds, mapped shared and private: with an end inside a table,
 * sealed, and emptied behind the mapping's back.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/kind.h"
#include "lib/ops.h"
#include "lib/touch.h"

static const struct kind shared = { MAP_SHARED, new_memfd, READS_SAME };
static const struct kind private = { MAP_PRIVATE, new_memfd, READS_FILE };

KIND_TESTS(shared)
KIND_TESTS(private)

START_TEST(shared_behind_the_end_of_the_file)
{
	kind_end_of_file(&shared);
}
END_TEST

START_TEST(private_behind_the_end_of_the_file)
{
	static const struct kind holes = { MAP_PRIVATE, new_memfd, READS_ZERO };

	kind_end_of_file(&holes);
}
END_TEST

START_TEST(sealed_and_read_only)
{
	char *writer = arena_take(2), *map = arena_take(2);
	int fd = memfd_create("umlab", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	long start;

	require(fd >= 0 && ftruncate(fd, 2 * TABLE_SPAN) == 0, "memfd: %s", strerror(errno));
	map_at(writer, 2 * TABLE_SPAN, MAP_SHARED, fd, 0);
	fill(writer, 2 * TABLE_SPAN, 1);
	unmap(writer, 2 * TABLE_SPAN);
	require(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) == 0,
		"F_ADD_SEALS: %s", strerror(errno));
	require(mmap(map, 2 * TABLE_SPAN, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == map,
		"mmap of a sealed memfd: %s", strerror(errno));
	start = vmpte_kb();
	expect_filled_from(map, writer, 2 * TABLE_SPAN, 1);
	expect_tables(start, 2);
	dontneed(map, 2 * TABLE_SPAN);
	expect_tables(start, 2 - reclaimed(2));
	expect_filled_from(map, writer, 2 * TABLE_SPAN, 1);
	require(touch_write(map) == SIGSEGV, "writing to a sealed memfd in a new table: no SIGSEGV");
}
END_TEST

START_TEST(hole_punched_while_the_table_is_gone)
{
	int fd;
	char *map = kind_map(&shared, 2, &fd);
	long start = vmpte_kb();

	fill(map, 2 * TABLE_SPAN, 1);
	dontneed(map, 2 * TABLE_SPAN);
	/* Nothing is mapped there: the walk over this mapping finds no table. */
	require(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100 * PAGE,
			  TABLE_SPAN) == 0, "fallocate: %s", strerror(errno));
	expect_tables(start, 2 - reclaimed(2));
	expect_filled_by_all(map, 100 * PAGE, 1);
	expect_zero_by_all(map + 100 * PAGE, TABLE_SPAN);
	expect_filled_by_all(map + 100 * PAGE + TABLE_SPAN, TABLE_SPAN - 100 * PAGE, 1);
}
END_TEST

START_TEST(copies_outlive_a_hole_and_not_an_end)
{
	int fd;
	char *map = kind_map(&private, 2, &fd);
	long start = vmpte_kb();

	fill(map, 2 * TABLE_SPAN, 1);
	/* A hole takes pages of the file away, not the copies (unmap_mapping_range(), even_cows 0). */
	require(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, TABLE_SPAN) == 0,
		"fallocate: %s", strerror(errno));
	expect_filled_by_all(map, 2 * TABLE_SPAN, 1);
	dontneed(map, TABLE_SPAN / 2);
	expect_zero_by_all(map, TABLE_SPAN / 2);
	expect_filled_by_all(map + TABLE_SPAN / 2, TABLE_SPAN / 2, 1);
	/* Truncation takes both, and keeps the tables. */
	require(ftruncate(fd, 0) == 0, "ftruncate: %s", strerror(errno));
	expect_tables(start, 2);
	expect_pagemap(map, 2 * TABLE_SPAN, PAGEMAP_PRESENT, 0, "present");
	dontneed(map, 2 * TABLE_SPAN);
	expect_tables(start, 2 - reclaimed(2));
	expect_touch(map, 2 * PAGE, SIGBUS);
}
END_TEST

/* Copies of every third page, the file's own pages between them. */
START_TEST(copies_and_pages_of_the_file_in_one_table)
{
	const size_t len = 2 * TABLE_SPAN;
	char *map = kind_map(&private, 2, NULL);
	long start = vmpte_kb();

	expect_filled_by_all(map, len, FILE_SEED);
	for (size_t i = 0; i < len; i += 3 * PAGE)
		fill(map + i, PAGE, 1);
	dontneed(map, len);
	expect_tables(start, 2 - reclaimed(2));
	expect_filled_by_all(map, len, FILE_SEED);
}
END_TEST

START_TEST(other_mapping_of_the_file_keeps_its_tables)
{
	const size_t len = 2 * TABLE_SPAN;
	int fd;
	char *one = kind_map(&shared, 2, &fd), *two = arena_take(2);
	long start = vmpte_kb();

	map_at(two, len, MAP_SHARED, fd, 0);
	fill(one, len, 1);
	expect_filled_from(two, one, len, 1);
	expect_tables(start, 4);
	dontneed(one, len);
	expect_tables(start, 4 - reclaimed(2));
	/* What is written through the one comes back in the other. */
	fill(two, len, 2);
	expect_filled_from(one, two, len, 2);
}
END_TEST

/* Tables follow addresses: an odd offset in the file changes nothing. */
START_TEST(mapped_at_an_odd_offset)
{
	char *map = arena_take(1);
	long start = vmpte_kb();

	map_at(map, TABLE_SPAN, MAP_SHARED, new_memfd(2 * TABLE_SPAN), 5 * PAGE);
	fill(map, TABLE_SPAN, 1);
	dontneed(map, TABLE_SPAN);
	expect_tables(start, 1 - reclaimed(1));
	expect_filled_by_all(map, TABLE_SPAN, 1);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("memfd", argc, argv);
	suite_differs_as("tmpfs");
	KIND_ADD(shared);
	KIND_ADD(private);
	suite_add(shared_behind_the_end_of_the_file);
	suite_add(private_behind_the_end_of_the_file);
	suite_add(sealed_and_read_only);
	suite_add(hole_punched_while_the_table_is_gone);
	suite_add(copies_outlive_a_hole_and_not_an_end);
	suite_add(copies_and_pages_of_the_file_in_one_table);
	suite_add(other_mapping_of_the_file_keeps_its_tables);
	suite_add(mapped_at_an_odd_offset);
	return suite_end();
}
