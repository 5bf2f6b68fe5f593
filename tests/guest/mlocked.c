// SPDX-License-Identifier: GPL-2.0
/*
 * Description: locked memory of each kind, where dontneed-locked.c has private
 * anonymous memory: MADV_DONTNEED is refused and changes nothing,
 * MADV_DONTNEED_LOCKED works, and a lock that is gone (munlock, a child) is
 * no obstacle any more.
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

static const struct kind anonymous = { MAP_PRIVATE | MAP_ANONYMOUS, NULL, READS_ZERO };
static const struct kind shared_anonymous = { MAP_SHARED | MAP_ANONYMOUS, NULL, READS_SAME };
static const struct kind copies = { MAP_PRIVATE, new_memfd, READS_FILE };

static void expect_refused(char *at, size_t len)
{
	operation("MADV_DONTNEED (refused)", at, len);
	require(madvise(at, len, MADV_DONTNEED) == -1 && errno == EINVAL,
		"MADV_DONTNEED of locked memory at %p: %s, expected EINVAL", (void *)at, strerror(errno));
}

#define dontneed_locked(at, len) advise(at, len, MADV_DONTNEED_LOCKED, "MADV_DONTNEED_LOCKED")

static void lock(char *at, size_t len)
{
	require(mlock(at, len) == 0, "mlock: %s", strerror(errno));
}

static void refused_and_done(const struct kind *k)
{
	char *map = kind_map(k, TABLES, NULL);
	struct tables start = tables_at_rest();

	fill(map, LEN, 1);
	lock(map, LEN);
	expect_refused(map, LEN);
	expect_refused(map + TABLE_SPAN, PAGE);
	expect_tables(start.vmpte, (long)TABLES);
	expect_filled_by_all(map, LEN, 1);
	dontneed_locked(map, LEN);
	expect_tables_everywhere(&start, (long)TABLES - reclaimed((long)TABLES));
	if (k->after == READS_SAME)
		expect_filled_by_all(map, LEN, 1);
	else if (k->after == READS_FILE)
		expect_filled_by_all(map, LEN, FILE_SEED);
	else
		expect_zero_by_all(map, LEN);
	/* Read or written again, it is locked memory as before. */
	fill(map, LEN, 2);
	expect_refused(map, LEN);
	expect_filled_by_all(map, LEN, 2);
}

START_TEST(anonymous_memory)
{
	refused_and_done(&anonymous);
}
END_TEST

START_TEST(shared_anonymous_memory)
{
	refused_and_done(&shared_anonymous);
}
END_TEST

START_TEST(copies_of_a_file)
{
	refused_and_done(&copies);
}
END_TEST

START_TEST(locked_part_of_a_table)
{
	char *map = map_anon(3);
	char *part = map + TABLE_SPAN + 200 * PAGE;
	long start = vmpte_kb();

	fill(map, 3 * TABLE_SPAN, 1);
	lock(part, 10 * PAGE);
	/* Up to the lock it is done, and there it ends: the rest is untouched. */
	expect_refused(map, 3 * TABLE_SPAN);
	expect_tables(start, 3 - reclaimed(1));
	expect_filled_by_all(part, 10 * PAGE, 1);
	expect_filled_by_all(map + 2 * TABLE_SPAN, TABLE_SPAN, 1);
	expect_zero_by_all(map, TABLE_SPAN);
	/* Three mappings share the table: in none of them is it whole. */
	dontneed_locked(map, 3 * TABLE_SPAN);
	expect_tables(start, 3 - reclaimed(2));
	expect_pagemap(map, 3 * TABLE_SPAN, PAGEMAP_PRESENT, 0, "present");
	/* Unlocked they are one mapping again, and the table goes. */
	require(munlock(part, 10 * PAGE) == 0, "munlock: %s", strerror(errno));
	dontneed(map, 3 * TABLE_SPAN);
	expect_tables(start, 3 - reclaimed(3));
}
END_TEST

START_TEST(unlocked_again)
{
	char *map = map_anon(TABLES);
	long start = vmpte_kb();

	lock(map, LEN);
	/* mlock has brought every page in, with its table. */
	expect_tables(start, (long)TABLES);
	expect_pagemap(map, LEN, PAGEMAP_PRESENT, LEN / PAGE, "present");
	expect_refused(map, LEN);
	require(munlock(map, LEN) == 0, "munlock: %s", strerror(errno));
	fill(map, LEN, 1);
	dontneed(map, LEN);
	expect_tables(start, (long)TABLES - reclaimed((long)TABLES));
	expect_zero_by_all(map, LEN);
}
END_TEST

static void child_drops(void *arg)
{
	char *map = arg;
	long start = vmpte_kb();

	/* A child's memory is not locked. */
	dontneed(map, LEN);
	expect_tables(start, -reclaimed((long)TABLES));
	expect_zero_by_all(map, LEN);
}

START_TEST(child_of_a_locked_parent)
{
	char *map = map_anon(TABLES);

	fill(map, LEN, 1);
	lock(map, LEN);
	child_wait(child_start(child_drops, map));
	expect_refused(map, LEN);
	expect_filled_by_all(map, LEN, 1);
}
END_TEST

START_TEST(everything_locked_from_now_on)
{
	char *map;
	long start = vmpte_kb();

	require(mlockall(MCL_FUTURE) == 0, "mlockall: %s", strerror(errno));
	map = mmap(arena_take(TABLES), LEN, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	require(map != MAP_FAILED, "mmap: %s", strerror(errno));
	expect_tables(start, (long)TABLES);
	expect_refused(map, LEN);
	dontneed_locked(map, LEN);
	expect_tables(start, (long)TABLES - reclaimed((long)TABLES));
	expect_pagemap(map, LEN, PAGEMAP_PRESENT, 0, "present");
	require(munlockall() == 0, "munlockall: %s", strerror(errno));
	expect_zero_by_all(map, LEN);
	dontneed(map, LEN);
	expect_tables(start, (long)TABLES - reclaimed((long)TABLES));
}
END_TEST

START_TEST(locked_on_fault)
{
	char *map = map_anon(TABLES);
	long start = vmpte_kb();

	require(mlock2(map, LEN, MLOCK_ONFAULT) == 0, "mlock2: %s", strerror(errno));
	expect_tables(start, 0);
	fill(map + TABLE_SPAN, 5 * PAGE, 1);
	expect_refused(map, LEN);
	expect_filled_by_all(map + TABLE_SPAN, 5 * PAGE, 1);
	dontneed_locked(map, LEN);
	expect_tables(start, 1 - reclaimed(1));
	expect_zero_by_all(map + TABLE_SPAN, 5 * PAGE);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("mlocked", argc, argv);
	suite_differs_as("anonymous");
	suite_add(anonymous_memory);
	suite_add(shared_anonymous_memory);
	suite_add(copies_of_a_file);
	suite_add(locked_part_of_a_table);
	suite_add(unlocked_again);
	suite_add(child_of_a_locked_parent);
	suite_add(everything_locked_from_now_on);
	suite_add(locked_on_fault);
	return suite_end();
}
