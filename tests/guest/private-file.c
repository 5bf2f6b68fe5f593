// SPDX-License-Identifier: GPL-2.0
/*
 * Description: private mappings of a tmpfs file. MADV_DONTNEED drops the
 * copies (COW) with the tables: the range reads as the file again, and the
 * file was never changed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/guest.h"

#define TABLES 2UL
#define LEN (TABLES * TABLE_SPAN)

/* The first bytes of each page of the file: its number, from 1. */
static unsigned long file_word(size_t page)
{
	return 0xf11e000000000000UL | (page + 1);
}

static int new_file(void)
{
	int fd = open("/tmp/umlab-private", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	require(fd >= 0, "/tmp/umlab-private: %s", strerror(errno));
	unlink("/tmp/umlab-private");
	require(ftruncate(fd, LEN) == 0, "ftruncate: %s", strerror(errno));
	for (size_t page = 0; page < LEN / PAGE; page++) {
		unsigned long word = file_word(page);

		require(pwrite(fd, &word, sizeof(word), (off_t)(page * PAGE)) == sizeof(word),
			"pwrite of page %zu: %s", page, strerror(errno));
	}
	return fd;
}

static void expect_file(const char *map, const char *when)
{
	for (size_t page = 0; page < LEN / PAGE; page++) {
		unsigned long word = *(const volatile unsigned long *)(map + page * PAGE);

		require(word == file_word(page),
			"page %zu (%p) reads 0x%lx %s, expected the file's 0x%lx; pagemap entry 0x%llx",
			page, (const void *)(map + page * PAGE), word, when,
			file_word(page), pagemap_entry(map + page * PAGE));
	}
}

static void expect_file_unchanged(int fd)
{
	for (size_t page = 0; page < LEN / PAGE; page++) {
		unsigned long word = 0;

		require(pread(fd, &word, sizeof(word), (off_t)(page * PAGE)) == sizeof(word) &&
			word == file_word(page),
			"page %zu of the file holds 0x%lx, expected 0x%lx: a private write got through",
			page, word, file_word(page));
	}
}

START_TEST(pages_of_the_file)
{
	char *map = map_tables(TABLES, MAP_PRIVATE, new_file());
	long start = vmpte_kb();

	expect_file(map, "at first");
	expect_tables(start, (long)TABLES);
	dontneed(map, LEN);
	expect_tables(start, (long)TABLES - reclaimed((long)TABLES));
	expect_file(map, "after MADV_DONTNEED");
}
END_TEST

START_TEST(copied_pages_return_to_the_file)
{
	int fd = new_file();
	char *map = map_tables(TABLES, MAP_PRIVATE, fd);
	long start = vmpte_kb();

	fill(map, LEN, 1);
	expect_filled(map, LEN, 1);
	expect_file_unchanged(fd);
	dontneed(map, LEN);
	expect_tables(start, (long)TABLES - reclaimed((long)TABLES));
	expect_file(map, "after MADV_DONTNEED of its copies");
	expect_file_unchanged(fd);
}
END_TEST

START_TEST(copies_and_file_pages_in_one_table)
{
	int fd = new_file();
	char *map = map_tables(TABLES, MAP_PRIVATE, fd);
	long start = vmpte_kb();

	expect_file(map, "at first");
	for (size_t page = 0; page < LEN / PAGE; page += 3)
		fill(map + page * PAGE, PAGE, 1);
	dontneed(map, LEN);
	expect_tables(start, (long)TABLES - reclaimed((long)TABLES));
	expect_file(map, "after MADV_DONTNEED of every third page's copy");
	expect_file_unchanged(fd);
}
END_TEST

START_TEST(copies_outside_the_range_stay)
{
	char *map = map_tables(TABLES, MAP_PRIVATE, new_file());
	long start = vmpte_kb();

	fill(map, LEN, 1);
	dontneed(map, TABLE_SPAN);
	expect_tables(start, (long)TABLES - reclaimed(1));
	expect_filled(map + TABLE_SPAN, TABLE_SPAN, 1);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("private-file", argc, argv);
	suite_add(pages_of_the_file);
	suite_add(copied_pages_return_to_the_file);
	suite_add(copies_and_file_pages_in_one_table);
	suite_add(copies_outside_the_range_stay);
	return suite_end();
}
