// SPDX-License-Identifier: GPL-2.0
/*
 * Description: ftruncate and fallocate(FALLOC_FL_PUNCH_HOLE) on shared memory
 * take pages out of every mapping (unmap_mapping_range()) and reclaim no table
 * anywhere. Beyond the end there is SIGBUS, private copies included; in a hole
 * there are zeroes, and private copies live on.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/ops.h"

#define TABLES 3UL
#define LEN (TABLES * TABLE_SPAN)

static void truncate_to(int fd, const char *map, size_t len)
{
	operation("ftruncate to the length", map, len);
	require(ftruncate(fd, (off_t)len) == 0, "ftruncate to %zu: %s", len, strerror(errno));
}

/* Punches [offset, offset + len) of the file that begins at `map`. */
static void punch(int fd, const char *map, size_t offset, size_t len)
{
	operation("a hole punched", map + offset, len);
	require(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)len) == 0,
		"fallocate(PUNCH_HOLE) of %zu bytes at %zu: %s", len, offset, strerror(errno));
}

START_TEST(truncation_keeps_all_tables)
{
	int fd = new_memfd(LEN);
	char *map = map_tables(TABLES, MAP_SHARED, fd);
	struct tables start = tables_at_rest();

	fill(map, LEN, 1);
	truncate_to(fd, map, 0);
	expect_tables_everywhere(&start, TABLES);
	expect_rss_is_mapped();
	expect_signal(map, SIGBUS);
	expect_signal(map + LEN - PAGE, SIGBUS);
	/* MADV_DONTNEED reclaims tables of memory that can't be read. */
	dontneed(map, LEN);
	expect_tables_everywhere(&start, TABLES - reclaimed(TABLES));
	expect_signal(map, SIGBUS);
}
END_TEST

START_TEST(truncation_inside_a_table)
{
	int fd = new_memfd(LEN);
	char *map = map_tables(TABLES, MAP_SHARED, fd);
	const size_t end = TABLE_SPAN + 100 * PAGE;
	struct tables start = tables_at_rest();

	fill(map, LEN, 1);
	truncate_to(fd, map, end);
	expect_tables_everywhere(&start, TABLES);
	expect_filled_by_all(map, end, 1);
	expect_signal(map + end, SIGBUS);
	expect_signal(map + LEN - PAGE, SIGBUS);
	/* Longer again: what was cut off is gone. */
	truncate_to(fd, map, LEN);
	expect_filled_by_all(map, end, 1);
	expect_zero_by_all(map + end, LEN - end);
	expect_tables(start.vmpte, TABLES);
}
END_TEST

START_TEST(truncation_inside_a_page)
{
	int fd = new_memfd(TABLE_SPAN);
	char *map = map_tables(1, MAP_SHARED, fd);
	long start = vmpte_kb();

	memset(map, 0x5a, 2 * PAGE);
	truncate_to(fd, map, PAGE + 100);
	truncate_to(fd, map, TABLE_SPAN);
	expect_tables(start, 1);
	for (size_t i = 0; i < 2 * PAGE; i++)
		require(map[i] == (i < PAGE + 100 ? 0x5a : 0),
			"byte %zu reads 0x%02x after ftruncate to %lu and back", i,
			(unsigned int)(unsigned char)map[i], PAGE + 100);
}
END_TEST

START_TEST(truncation_after_reclaim)
{
	int fd = new_memfd(LEN);
	char *map = map_tables(TABLES, MAP_SHARED, fd);
	struct tables start = tables_at_rest();

	fill(map, LEN, 1);
	dontneed(map, LEN);
	truncate_to(fd, map, TABLE_SPAN);
	truncate_to(fd, map, LEN);
	expect_tables_everywhere(&start, TABLES - reclaimed(TABLES));
	expect_filled_by_all(map, TABLE_SPAN, 1);
	expect_zero_by_all(map + TABLE_SPAN, LEN - TABLE_SPAN);
}
END_TEST

START_TEST(truncation_takes_private_copies)
{
	int fd = new_memfd(LEN);
	char *copy = map_tables(TABLES, MAP_PRIVATE, fd);
	struct tables start = tables_at_rest();

	fill(copy, LEN, 2);
	truncate_to(fd, copy, TABLE_SPAN);
	expect_tables_everywhere(&start, TABLES);
	expect_rss_is_mapped();
	expect_filled_by_all(copy, TABLE_SPAN, 2);
	expect_signal(copy + TABLE_SPAN, SIGBUS);
	truncate_to(fd, copy, LEN);
	expect_zero_by_all(copy + TABLE_SPAN, LEN - TABLE_SPAN);
}
END_TEST

START_TEST(hole_keeps_all_tables)
{
	int fd = new_memfd(LEN);
	char *map = map_tables(TABLES, MAP_SHARED, fd);
	struct tables start = tables_at_rest();

	fill(map, LEN, 1);
	punch(fd, map, TABLE_SPAN, TABLE_SPAN);
	expect_tables_everywhere(&start, TABLES);
	expect_rss_is_mapped();
	expect_zero_by_all(map + TABLE_SPAN, TABLE_SPAN);
	expect_filled_by_all(map, TABLE_SPAN, 1);
	expect_filled_by_all(map + 2 * TABLE_SPAN, TABLE_SPAN, 1);
}
END_TEST

START_TEST(hole_that_is_no_whole_page)
{
	int fd = new_memfd(TABLE_SPAN);
	char *map = map_tables(1, MAP_SHARED, fd);
	long start = vmpte_kb();

	/* Pages 0 and 3 are zeroed in part, in place; 1 and 2 go. */
	memset(map, 0x5a, 4 * PAGE);
	punch(fd, map, 100, 3 * PAGE);
	expect_tables(start, 1);
	for (size_t i = 0; i < 4 * PAGE; i++)
		require(map[i] == (i < 100 || i >= 3 * PAGE + 100 ? 0x5a : 0),
			"byte %zu reads 0x%02x after a hole from byte 100 on, of 3 pages' length", i,
			(unsigned int)(unsigned char)map[i]);
}
END_TEST

START_TEST(hole_in_a_file_mapped_at_an_odd_offset)
{
	int fd = new_memfd(TABLE_SPAN + 5 * PAGE);
	char *whole = map_tables(2, MAP_SHARED, fd), *map = arena_take(1);
	long start;

	/* File offset and address have different places in their tables. */
	map_at(map, TABLE_SPAN, MAP_SHARED, fd, 5 * PAGE);
	start = vmpte_kb();
	fill(map, TABLE_SPAN, 1);
	punch(fd, whole, 10 * PAGE, 20 * PAGE);
	expect_tables(start, 1);
	expect_filled(map, 5 * PAGE, 1);
	expect_zero_by_all(map + 5 * PAGE, 20 * PAGE);
	expect_filled_by_all(map + 25 * PAGE, TABLE_SPAN - 25 * PAGE, 1);
	expect_zero_by_all(whole + 10 * PAGE, 20 * PAGE);
}
END_TEST

START_TEST(hole_spares_private_copies)
{
	int fd = new_memfd(TABLE_SPAN);
	char *copy = map_tables(1, MAP_PRIVATE, fd), *copied = copy + 200 * PAGE;
	struct tables start = tables_at_rest();

	expect_zero(copy, TABLE_SPAN);
	fill(copied, 100 * PAGE, 2);
	punch(fd, copy, 0, TABLE_SPAN);
	expect_tables_everywhere(&start, 1);
	expect_rss_is_mapped();
	expect_filled_by_all(copied, 100 * PAGE, 2);
	expect_zero_by_all(copy, 200 * PAGE);
}
END_TEST

/* A second process that maps the file, and is asked what it sees. */
struct other {
	char *map;
	int fd;
	int ready[2], go[2];
};

static void child_is_truncated(void *arg)
{
	struct other *o = arg;
	long start;
	char c;

	/* Twice: the first call faults in the code's own tables. */
	vmpte_kb();
	start = vmpte_kb();
	expect_filled(o->map, LEN, 1);
	expect_tables(start, TABLES);
	require(write(o->ready[1], "x", 1) == 1 && read(o->go[0], &c, 1) == 1, "the parent ended early");
	operation("ftruncate by another process", o->map, LEN);
	expect_tables(start, TABLES);
	expect_rss_is_mapped();
	expect_filled(o->map, TABLE_SPAN, 1);
	expect_zero(o->map + TABLE_SPAN, LEN - TABLE_SPAN);
	dontneed(o->map, LEN);
	expect_tables(start, TABLES - reclaimed(TABLES));
}

START_TEST(other_process_keeps_its_tables)
{
	struct other o = { .fd = new_memfd(LEN) };
	char c;
	int pid;

	o.map = map_tables(TABLES, MAP_SHARED, o.fd);
	fill(o.map, LEN, 1);
	/* Fork copies no entries of shared mappings: the child starts with none. */
	require(pipe(o.ready) == 0 && pipe(o.go) == 0, "pipe: %s", strerror(errno));
	pid = child_start(child_is_truncated, &o);
	require(close(o.ready[1]) == 0 && read(o.ready[0], &c, 1) == 1, "the child ended early");
	truncate_to(o.fd, o.map, TABLE_SPAN);
	truncate_to(o.fd, o.map, LEN);
	require(write(o.go[1], "x", 1) == 1, "the child ended early");
	child_wait(pid);
	expect_filled(o.map, TABLE_SPAN, 1);
	expect_zero(o.map + TABLE_SPAN, LEN - TABLE_SPAN);
}
END_TEST

START_TEST(round_after_round_does_not_drift)
{
	int fd = new_memfd(LEN);
	char *map = map_tables(TABLES, MAP_SHARED, fd);
	struct tables start = tables_at_rest();

	for (unsigned int round = 1; round <= 20; round++) {
		fill_sparse(map, LEN, round);
		expect_tables(start.vmpte, TABLES);
		if (round % 2)
			truncate_to(fd, map, 0);
		else
			punch(fd, map, 0, LEN);
		truncate_to(fd, map, LEN);
		expect_tables(start.vmpte, TABLES);
		dontneed(map, LEN);
		expect_tables(start.vmpte, TABLES - reclaimed(TABLES));
	}
	unmap(map, LEN);
	expect_tables_everywhere(&start, 0);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("truncate", argc, argv);
	suite_differs_as("tmpfs");
	suite_add(truncation_keeps_all_tables);
	suite_add(truncation_inside_a_table);
	suite_add(truncation_inside_a_page);
	suite_add(truncation_after_reclaim);
	suite_add(truncation_takes_private_copies);
	suite_add(hole_keeps_all_tables);
	suite_add(hole_that_is_no_whole_page);
	suite_add(hole_in_a_file_mapped_at_an_odd_offset);
	suite_add(hole_spares_private_copies);
	suite_add(other_process_keeps_its_tables);
	suite_add(round_after_round_does_not_drift);
	return suite_end();
}
