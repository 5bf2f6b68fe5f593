// SPDX-License-Identifier: GPL-2.0
/*
 * Description: files of the host (hostfs), mapped shared and private. Unlike those
 * in memory they have something behind the page cache: what was written through
 * a mapping is still dirty when MADV_DONTNEED takes its entry away, and must
 * reach the host; what was copied must not.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/kind.h"
#include "lib/ops.h"
#include "lib/touch.h"

#define TABLES 2UL
#define LEN (TABLES * TABLE_SPAN)

static int new_file(size_t len)
{
	static const char name[] = "/share/umlab-hostfs";
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	require(fd >= 0, "%s: %s: run the suite with umrun --share FOLDER", name, strerror(errno));
	unlink(name);
	require(ftruncate(fd, (off_t)len) == 0, "%s: ftruncate: %s", name, strerror(errno));
	return fd;
}

static const struct kind shared = { MAP_SHARED, new_file, READS_SAME };
static const struct kind private = { MAP_PRIVATE, new_file, READS_FILE };

KIND_TESTS(shared)
KIND_TESTS(private)

START_TEST(shared_behind_the_end_of_the_file)
{
	kind_end_of_file(&shared);
}
END_TEST

/* Throws clean pages of files away: the next read asks the host. */
static void drop_caches(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);

	require(fd >= 0 && write(fd, "1", 1) == 1, "drop_caches: %s", strerror(errno));
	close(fd);
}

/* Nothing of the file is in the page cache, by the count of cached pages mapped there. */
static void expect_uncached(char *map, size_t len)
{
	unsigned char there[TABLE_PAGES];
	size_t count = 0;

	for (size_t i = 0; i < len; i += TABLE_SPAN) {
		require(mincore(map + i, TABLE_SPAN, there) == 0, "mincore: %s", strerror(errno));
		for (size_t page = 0; page < TABLE_PAGES; page++)
			count += there[page] & 1;
	}
	require(count == 0, "%zu pages of the file are still in the page cache: the test tests nothing", count);
}

START_TEST(dirty_pages_reach_the_host)
{
	int fd;
	char *map = kind_map(&shared, TABLES, &fd);
	long start = vmpte_kb();

	fill(map, LEN, 1);
	dontneed(map, LEN);
	expect_tables(start, (long)TABLES - reclaimed((long)TABLES));
	/* The entries said that the pages are dirty; the pages themselves must know. */
	require(fsync(fd) == 0, "fsync: %s", strerror(errno));
	drop_caches();
	expect_uncached(map, LEN);
	expect_filled_by_all(map, LEN, 1);
	expect_tables(start, (long)TABLES);
}
END_TEST

START_TEST(pages_written_again_after_writeback_reach_the_host)
{
	int fd;
	char *map = kind_map(&shared, TABLES, &fd);

	fill(map, LEN, 1);
	require(msync(map, LEN, MS_SYNC) == 0, "msync: %s", strerror(errno));
	/* Clean and read-only now: the next write is a fault, in a new table. */
	dontneed(map, TABLE_SPAN);
	fill(map, LEN, 2);
	dontneed(map, LEN);
	require(fsync(fd) == 0, "fsync: %s", strerror(errno));
	drop_caches();
	expect_uncached(map, LEN);
	expect_filled_by_all(map, LEN, 2);
}
END_TEST

START_TEST(copies_do_not_reach_the_host)
{
	int fd;
	char *map = kind_map(&private, TABLES, &fd);
	long start = vmpte_kb();

	/* Every second page is a copy, the others are the file's own. */
	for (size_t i = 0; i < LEN; i += 2 * PAGE)
		fill(map + i, PAGE, 1);
	for (size_t i = PAGE; i < LEN; i += 2 * PAGE)
		expect_filled(map + i, PAGE, FILE_SEED);
	dontneed(map + TABLE_SPAN, TABLE_SPAN);
	expect_tables(start, (long)TABLES - reclaimed(1));
	require(fsync(fd) == 0, "fsync: %s", strerror(errno));
	expect_filled_by_all(map + TABLE_SPAN, TABLE_SPAN, FILE_SEED);
	for (size_t i = 0; i < TABLE_SPAN; i += PAGE)
		expect_filled(map + i, PAGE, i / PAGE % 2 ? FILE_SEED : 1);
	dontneed(map, LEN);
	drop_caches();
	expect_uncached(map, LEN);
	expect_filled_by_all(map, LEN, FILE_SEED);
}
END_TEST

START_TEST(writes_by_descriptor_show_in_a_new_table)
{
	int fd;
	char *map = kind_map(&shared, TABLES, &fd);
	const unsigned long word = 0x1234567890abcdefUL;

	fill(map, LEN, 1);
	dontneed(map, LEN);
	require(pwrite(fd, &word, sizeof(word), 5 * PAGE) == sizeof(word), "pwrite: %s", strerror(errno));
	require(*(volatile unsigned long *)(map + 5 * PAGE) == word,
		"page 5 reads 0x%lx after pwrite of 0x%lx, in a new table",
		*(volatile unsigned long *)(map + 5 * PAGE), word);
	expect_filled_by_all(map, 5 * PAGE, 1);
	expect_filled_by_all(map + 6 * PAGE, LEN - 6 * PAGE, 1);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("hostfs", argc, argv);
	suite_differs_as("tmpfs");
	KIND_ADD(shared);
	KIND_ADD(private);
	suite_add(shared_behind_the_end_of_the_file);
	suite_add(dirty_pages_reach_the_host);
	suite_add(pages_written_again_after_writeback_reach_the_host);
	suite_add(copies_do_not_reach_the_host);
	suite_add(writes_by_descriptor_show_in_a_new_table);
	return suite_end();
}
