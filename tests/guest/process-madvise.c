// SPDX-License-Identifier: GPL-2.0
/*
 * Description: process_madvise on oneself. Each range of the vector is a
 * MADV_DONTNEED of its own, all in one mmu_gather: what covers a table
 * reclaims it, two ranges that cover it together don't. A failure in the
 * middle leaves the first part done. Another process can't be emptied.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/ops.h"

/* Since Linux 5.10 and 5.3; glibc has no functions for them before 2.36. */
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

#define TABLES 4UL
#define LEN (TABLES * TABLE_SPAN)
#define MANY 64UL	/* more ranges than UIO_FASTIOV */

static int pidfd_of(int pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	require(fd >= 0, "pidfd_open: %s", strerror(errno));
	return fd;
}

static ssize_t advise_vector(int pid, const struct iovec *v, size_t n, int advice)
{
	int fd = pidfd_of(pid), err;
	ssize_t done;

	operation("process_madvise from", v[0].iov_base, v[0].iov_len);
	done = syscall(SYS_process_madvise, fd, v, n, advice, 0);
	err = errno;
	close(fd);
	errno = err;
	return done;
}

/* MADV_DONTNEED of all ranges, all of which must be done. */
static void dontneed_vector(const struct iovec *v, size_t n)
{
	ssize_t all = 0, done = advise_vector(getpid(), v, n, MADV_DONTNEED);

	for (size_t i = 0; i < n; i++)
		all += (ssize_t)v[i].iov_len;
	require(done == all, "process_madvise of %zu ranges did %zd of %zd bytes: %s",
		n, done, all, done < 0 ? strerror(errno) : "");
}

START_TEST(one_range)
{
	char *map = map_anon(TABLES);
	struct iovec v = { map, LEN };
	struct tables start = tables_at_rest();

	fill(map, LEN, 1);
	dontneed_vector(&v, 1);
	expect_tables_everywhere(&start, TABLES - reclaimed(TABLES));
	expect_zero_by_all(map, LEN);
}
END_TEST

START_TEST(ranges_with_gaps_between)
{
	char *map = map_anon(TABLES);
	struct iovec v[] = { { map, TABLE_SPAN }, { map + 2 * TABLE_SPAN, TABLE_SPAN } };
	struct tables start = tables_at_rest();

	fill(map, LEN, 1);
	dontneed_vector(v, 2);
	expect_tables_everywhere(&start, TABLES - reclaimed(2));
	expect_zero_by_all(map, TABLE_SPAN);
	expect_filled_by_all(map + TABLE_SPAN, TABLE_SPAN, 1);
	expect_zero_by_all(map + 2 * TABLE_SPAN, TABLE_SPAN);
	expect_filled_by_all(map + 3 * TABLE_SPAN, TABLE_SPAN, 1);
}
END_TEST

START_TEST(halves_do_not_make_a_whole)
{
	char *map = map_anon(1);
	struct iovec v[] = {
		{ map, TABLE_SPAN / 2 },
		{ map + TABLE_SPAN / 2, TABLE_SPAN / 2 },
	};
	struct tables start = tables_at_rest();

	fill(map, TABLE_SPAN, 1);
	dontneed_vector(v, 2);
	expect_tables_everywhere(&start, 1);
	expect_zero_by_all(map, TABLE_SPAN);
}
END_TEST

START_TEST(ranges_in_any_order_and_twice)
{
	char *map = map_anon(TABLES);
	struct iovec v[] = {
		{ map + 3 * TABLE_SPAN, TABLE_SPAN }, { map, 2 * TABLE_SPAN },
		{ map + TABLE_SPAN, 3 * TABLE_SPAN }, { map, TABLE_SPAN },
	};
	struct tables start = tables_at_rest();

	/* A table that an earlier range reclaimed is not there for a later one. */
	fill(map, LEN, 1);
	dontneed_vector(v, 4);
	expect_tables_everywhere(&start, TABLES - reclaimed(TABLES));
	expect_zero_by_all(map, LEN);
}
END_TEST

START_TEST(many_ranges)
{
	char *map = map_anon(2 * MANY);
	struct iovec v[MANY];
	struct tables start = tables_at_rest();

	/* Every second table, each by a range of its own. */
	for (size_t i = 0; i < MANY; i++)
		v[i] = (struct iovec){ map + 2 * i * TABLE_SPAN, TABLE_SPAN };
	fill_sparse(map, 2 * MANY * TABLE_SPAN, 1);
	dontneed_vector(v, MANY);
	expect_tables_everywhere(&start, 2 * MANY - reclaimed(MANY));
	for (size_t i = 0; i < 2 * MANY; i++) {
		if (i % 2)
			expect_filled(map + i * TABLE_SPAN, PAGE, 1);
		else
			expect_zero(map + i * TABLE_SPAN, PAGE);
	}
}
END_TEST

START_TEST(one_page_a_range)
{
	char *map = map_anon(1);
	struct iovec v[MANY];
	struct tables start = tables_at_rest();

	fill(map, TABLE_SPAN, 1);
	for (size_t i = 0; i < MANY; i++)
		v[i] = (struct iovec){ map + 3 * i * PAGE, PAGE };
	dontneed_vector(v, MANY);
	expect_tables_everywhere(&start, 1);
	for (size_t i = 0; i < TABLE_PAGES; i++) {
		if (i % 3 || i >= 3 * MANY)
			expect_filled(map + i * PAGE, PAGE, 1);
		else
			expect_zero(map + i * PAGE, PAGE);
	}
}
END_TEST

START_TEST(failure_in_the_middle_leaves_the_rest)
{
	char *map = map_anon(TABLES), *locked = map + 2 * TABLE_SPAN;
	struct iovec v[] = {
		{ map, 2 * TABLE_SPAN }, { locked, TABLE_SPAN },
		{ map + 3 * TABLE_SPAN, TABLE_SPAN },
	};
	struct tables start = tables_at_rest();
	ssize_t done;

	fill(map, LEN, 1);
	require(mlock(locked, TABLE_SPAN) == 0, "mlock: %s", strerror(errno));
	done = advise_vector(getpid(), v, 3, MADV_DONTNEED);
	require(done == 2 * TABLE_SPAN,
		"process_madvise that meets locked memory did %zd bytes, expected the %lu before it",
		done, 2 * TABLE_SPAN);
	expect_tables_everywhere(&start, TABLES - reclaimed(2));
	expect_zero_by_all(map, 2 * TABLE_SPAN);
	expect_filled_by_all(locked, 2 * TABLE_SPAN, 1);
}
END_TEST

START_TEST(bad_range_ends_it)
{
	char *map = map_anon(TABLES);
	const struct iovec v[] = {
		{ map, TABLE_SPAN },
		{ map + TABLE_SPAN, 0 },		/* nothing to do is no error */
		{ map + TABLE_SPAN, TABLE_SPAN },
		{ map + 2 * TABLE_SPAN + 1, PAGE },	/* not at a page's beginning */
		{ map + 3 * TABLE_SPAN, TABLE_SPAN },
	};
	ssize_t done;
	long start;

	fill(map, LEN, 1);
	start = vmpte_kb();
	done = advise_vector(getpid(), v, 5, MADV_DONTNEED);
	require(done == 2 * (ssize_t)TABLE_SPAN, "process_madvise did %zd bytes, expected %zu: those before the bad range",
		done, 2 * TABLE_SPAN);
	expect_tables(start, -reclaimed(2));
	expect_filled(map + 2 * TABLE_SPAN, 2 * TABLE_SPAN, 1);
	done = advise_vector(getpid(), v + 3, 2, MADV_DONTNEED);
	require(done == -1 && errno == EINVAL, "process_madvise of a bad range alone: %s, expected EINVAL",
		done < 0 ? strerror(errno) : "no error");
	expect_zero(map, 2 * TABLE_SPAN);
	dontneed(map, LEN);
}
END_TEST

START_TEST(other_advice_keeps_tables)
{
	char *map = map_anon(TABLES);
	struct iovec v = { map, LEN };
	struct tables start = tables_at_rest();

	fill(map, LEN, 1);
	require(advise_vector(getpid(), &v, 1, MADV_COLD) == (ssize_t)LEN, "MADV_COLD: %s", strerror(errno));
	expect_filled(map, LEN, 1);
	require(advise_vector(getpid(), &v, 1, MADV_FREE) == (ssize_t)LEN, "MADV_FREE: %s", strerror(errno));
	expect_tables_everywhere(&start, TABLES);
}
END_TEST

static void child_asks_for_the_parents_memory(void *arg)
{
	struct iovec v = { arg, TABLE_SPAN };

	require(advise_vector(getppid(), &v, 1, MADV_DONTNEED) == -1 && errno == EINVAL,
		"process_madvise(MADV_DONTNEED) of the parent: %s, expected EINVAL", strerror(errno));
	require(advise_vector(getppid(), &v, 1, MADV_COLD) == (ssize_t)TABLE_SPAN,
		"process_madvise(MADV_COLD) of the parent: %s", strerror(errno));
}

START_TEST(another_process_is_refused)
{
	char *map = map_anon(1);
	struct tables start = tables_at_rest();

	fill(map, TABLE_SPAN, 1);
	child_wait(child_start(child_asks_for_the_parents_memory, map));
	expect_tables_everywhere(&start, 1);
	expect_filled_by_all(map, TABLE_SPAN, 1);
}
END_TEST

START_TEST(round_after_round_does_not_drift)
{
	char *map = map_anon(2);
	struct iovec v[] = { { map, TABLE_SPAN }, { map + TABLE_SPAN, TABLE_SPAN } };
	struct tables start = tables_at_rest();

	for (unsigned int round = 1; round <= 50; round++) {
		fill_sparse(map, 2 * TABLE_SPAN, round);
		expect_tables(start.vmpte, 2);
		dontneed_vector(v, 2);
		expect_tables(start.vmpte, 2 - reclaimed(2));
	}
	unmap(map, 2 * TABLE_SPAN);
	expect_tables_everywhere(&start, 0);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("process-madvise", argc, argv);
	suite_differs_as("anonymous");
	suite_add(one_range);
	suite_add(ranges_with_gaps_between);
	suite_add(halves_do_not_make_a_whole);
	suite_add(ranges_in_any_order_and_twice);
	suite_add(many_ranges);
	suite_add(one_page_a_range);
	suite_add(failure_in_the_middle_leaves_the_rest);
	suite_add(bad_range_ends_it);
	suite_add(other_advice_keeps_tables);
	suite_add(another_process_is_refused);
	suite_add(round_after_round_does_not_drift);
	return suite_end();
}
