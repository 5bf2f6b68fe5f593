// SPDX-License-Identifier: GPL-2.0
/*
 * Description: shared memory of all kinds (shared anonymous, memfd, a tmpfs
 * file). MADV_DONTNEED takes it out of this mapping only: the tables go, the
 * contents stay in the file and come back on the next touch.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/guest.h"

#define TABLES 3UL
#define LEN (TABLES * TABLE_SPAN)

/* A file of LEN bytes: in memory only, or by a name in the tmpfs /tmp. */
static int new_file(int by_name)
{
	int fd = by_name ? open("/tmp/umlab-shmem", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) :
			   memfd_create("umlab", MFD_CLOEXEC);

	require(fd >= 0, "%s: %s", by_name ? "/tmp/umlab-shmem" : "memfd_create", strerror(errno));
	if (by_name)
		unlink("/tmp/umlab-shmem");
	require(ftruncate(fd, LEN) == 0, "ftruncate: %s", strerror(errno));
	return fd;
}

/* Tables go with MADV_DONTNEED, the data is still there, tables come back. */
static void drop_and_look(char *map, long start)
{
	fill(map, LEN, 1);
	expect_tables(start, (long)TABLES);
	dontneed(map, LEN);
	expect_tables(start, (long)TABLES - reclaimed((long)TABLES));
	expect_filled(map, LEN, 1);
	expect_tables(start, (long)TABLES);
}

START_TEST(shared_anonymous_memory)
{
	char *map = map_tables(TABLES, MAP_SHARED | MAP_ANONYMOUS, -1);

	drop_and_look(map, vmpte_kb());
}
END_TEST

START_TEST(memfd)
{
	char *map = map_tables(TABLES, MAP_SHARED, new_file(0));

	drop_and_look(map, vmpte_kb());
}
END_TEST

START_TEST(tmpfs_file)
{
	char *map = map_tables(TABLES, MAP_SHARED, new_file(1));

	drop_and_look(map, vmpte_kb());
}
END_TEST

START_TEST(other_mapping_of_the_file_keeps_its_tables)
{
	int fd = new_file(0);
	char *one = map_tables(TABLES, MAP_SHARED, fd);
	char *two = map_tables(TABLES, MAP_SHARED, fd);
	long start = vmpte_kb();

	fill(one, LEN, 1);
	for (size_t i = 0; i < LEN; i += PAGE)
		require(memcmp(one + i, two + i, PAGE) == 0,
			"two mappings of a memfd differ in page %zu", i / PAGE);
	expect_tables(start, 2 * (long)TABLES);
	dontneed(one, LEN);
	expect_tables(start, 2 * (long)TABLES - reclaimed((long)TABLES));
	/* What is written through the one comes back in the other. */
	memset(two, 0x5a, PAGE);
	require(memcmp(one, two, PAGE) == 0,
		"the dropped mapping reads 0x%02x, not what the other one wrote (0x5a)",
		*(unsigned char *)one);
}
END_TEST

START_TEST(part_of_a_table_keeps_it)
{
	char *map = map_tables(TABLES, MAP_SHARED, new_file(0));
	long start = vmpte_kb();

	fill(map, LEN, 1);
	dontneed(map + PAGE, LEN - 2 * PAGE);
	expect_tables(start, (long)TABLES - reclaimed((long)TABLES - 2));
	expect_filled(map, LEN, 1);
}
END_TEST

START_TEST(file_offset_inside_a_table)
{
	int fd = new_file(0);
	char *at = arena_take(2);
	char *map = mmap(at, TABLE_SPAN, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, fd, 5 * PAGE);
	long start = vmpte_kb();

	/* Tables follow addresses: an odd offset in the file changes nothing. */
	require(map == at, "mmap: %s", strerror(errno));
	fill(map, TABLE_SPAN, 1);
	dontneed(map, TABLE_SPAN);
	expect_tables(start, 1 - reclaimed(1));
	expect_filled(map, TABLE_SPAN, 1);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("shmem", argc, argv);
	suite_add(shared_anonymous_memory);
	suite_add(memfd);
	suite_add(tmpfs_file);
	suite_add(other_mapping_of_the_file_keeps_its_tables);
	suite_add(part_of_a_table_keeps_it);
	suite_add(file_offset_inside_a_table);
	return suite_end();
}
