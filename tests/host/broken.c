// SPDX-License-Identifier: GPL-2.0
/*
 * Description: a guest suite that fails on purpose, each test in its own way.
 * tests/host/guest-lib.sh runs it and reads what the library says about it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../guest/lib/guest.h"

/* The kernel as it is gives back what PT_RECLAIM says: expect the opposite. */
START_TEST(wrong_expectation)
{
	char *map = map_anon(2);
	long start = vmpte_kb();

	fill(map, 2 * TABLE_SPAN, 1);
	dontneed(map, 2 * TABLE_SPAN);
	expect_tables(start, reclaimed(2));
}
END_TEST

START_TEST(data_is_changed)
{
	char *map = map_anon(1);

	fill(map, TABLE_SPAN, 1);
	memset(map + 3 * PAGE, 0x77, PAGE);
	expect_filled(map, TABLE_SPAN, 1);
}
END_TEST

START_TEST(data_is_left)
{
	char *map = map_anon(1);

	fill(map + 5 * PAGE, PAGE, 1);
	expect_zero(map, TABLE_SPAN);
}
END_TEST

START_TEST(tables_are_left_in_the_kernel)
{
	char *map = map_anon(8);
	long start = page_tables_quiet_kb();

	fill_sparse(map, 8 * TABLE_SPAN, 1);
	expect_kernel_tables(start, 3);
}
END_TEST

static void child_fails(void *arg)
{
	require(arg == NULL, "the child has a reason");
	require(arg != NULL, "the child has another reason");
}

START_TEST(child_that_fails)
{
	child_wait(child_start(child_fails, NULL));
}
END_TEST

static void child_dies(void *arg)
{
	*(volatile char *)arg = 1;
}

START_TEST(child_that_dies)
{
	child_wait(child_start(child_dies, NULL));
}
END_TEST

START_TEST(test_that_dies)
{
	*(volatile char *)NULL = 1;
}
END_TEST

START_TEST(test_that_hangs)
{
	for (;;)
		pause();
}
END_TEST

/* What a WARN leaves behind (TAINT_WARN): the log is not clean any more. */
START_TEST(kernel_complains)
{
	int fd = open("/proc/sys/kernel/tainted", O_WRONLY);

	require(fd >= 0 && write(fd, "512\n", 4) == 4, "cannot taint the kernel");
	close(fd);
}
END_TEST

/* A real one: the kernel's own test module is asked for a WARN. */
START_TEST(kernel_warns)
{
	int fd = open("/sys/kernel/debug/provoke-crash/DIRECT", O_WRONLY);

	require(fd >= 0 && write(fd, "WARNING", 7) == 7, "lkdtm: cannot provoke a WARNING");
	close(fd);
}
END_TEST

/* The taint bit is there already: only the log tells. */
START_TEST(kernel_warns_again)
{
	kernel_warns_fn(0);
}
END_TEST

/* Nobody can reach this memory any more, but the kernel keeps it: a file in /tmp does that. */
START_TEST(memory_is_left)
{
	int fd = open("/tmp/left", O_RDWR | O_CREAT, 0600);

	require(fd >= 0 && fallocate(fd, 0, 0, 100 * PAGE) == 0, "/tmp/left: cannot allocate");
	close(fd);
}
END_TEST

START_TEST(test_after_the_one_that_left_memory)
{
}
END_TEST

static void stays(void *arg)
{
	(void)arg;
	setsid();
	for (;;)
		pause();
}

START_TEST(process_is_left)
{
	char *map = map_anon(4);

	/* Its tables are its own: one that runs on is reported, not what it has. */
	fill_sparse(map, 4 * TABLE_SPAN, 1);
	child_start(stays, NULL);
}
END_TEST

START_TEST(test_that_is_skipped)
{
	skip("no %s here", "such device");
}
END_TEST

START_TEST(good_test_after_all_that)
{
	char *map = map_anon(1);

	expect_zero(map, TABLE_SPAN);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("broken", argc, argv);
	suite_add(wrong_expectation);
	suite_add(data_is_changed);
	suite_add(data_is_left);
	suite_add_slow(tables_are_left_in_the_kernel, 30);
	suite_add(child_that_fails);
	suite_add(child_that_dies);
	suite_add(test_that_dies);
	suite_add_slow(test_that_hangs, 1);
	suite_add(kernel_complains);
	suite_add(kernel_warns);
	suite_add(kernel_warns_again);
	suite_add(memory_is_left);
	suite_add(test_after_the_one_that_left_memory);
	suite_add(process_is_left);
	suite_add(test_that_is_skipped);
	suite_add(good_test_after_all_that);
	return suite_end();
}
