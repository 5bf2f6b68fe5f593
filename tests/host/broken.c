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
	suite_add(test_that_is_skipped);
	suite_add(good_test_after_all_that);
	return suite_end();
}
