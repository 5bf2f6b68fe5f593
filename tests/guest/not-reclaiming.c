// SPDX-License-Identifier: GPL-2.0
/*
 * Description: what must not reclaim tables, with or without PT_RECLAIM. Only
 * madvise_dontneed_single_vma() sets reclaim_pt; MADV_FREE has a walker of its
 * own (madvise_free_pte_range()), and a table with an entry that the zap
 * skipped (a guard marker) is still in use.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/guest.h"

START_TEST(madv_free_keeps_tables)
{
	char *map = map_anon(4);
	long start = vmpte_kb();

	fill_sparse(map, 4 * TABLE_SPAN, 1);
	advise(map, 4 * TABLE_SPAN, MADV_FREE, "MADV_FREE");
	expect_tables(start, 4);
	/* MADV_DONTNEED on the lazily freed pages does reclaim. */
	dontneed(map, 4 * TABLE_SPAN);
	expect_tables(start, 4 - reclaimed(4));
	expect_zero(map, PAGE);
}
END_TEST

START_TEST(madv_cold_keeps_tables_and_data)
{
	char *map = map_anon(2);
	long start = vmpte_kb();

	fill(map, 2 * TABLE_SPAN, 1);
	advise(map, 2 * TABLE_SPAN, MADV_COLD, "MADV_COLD");
	expect_tables(start, 2);
	expect_filled(map, 2 * TABLE_SPAN, 1);
}
END_TEST

START_TEST(mlocked_range_is_refused)
{
	char *map = map_anon(1);
	long start = vmpte_kb();

	fill(map, TABLE_SPAN, 1);
	require(mlock(map, TABLE_SPAN) == 0, "mlock: %s", strerror(errno));
	require(madvise(map, TABLE_SPAN, MADV_DONTNEED) == -1 && errno == EINVAL,
		"MADV_DONTNEED of mlocked memory: %s, expected EINVAL", strerror(errno));
	expect_tables(start, 1);
	expect_filled(map, TABLE_SPAN, 1);
}
END_TEST

static void child_touches(void *arg)
{
	*(volatile char *)arg = 1;
}

START_TEST(guard_marker_keeps_its_table)
{
	char *map = map_anon(2);
	char *guard = map + 300 * PAGE;
	long start = vmpte_kb();
	int pid, status;

	fill(map, 2 * TABLE_SPAN, 1);
	advise(guard, PAGE, MADV_GUARD_INSTALL, "MADV_GUARD_INSTALL");
	dontneed(map, 2 * TABLE_SPAN);
	/* The table of the guard page stays for it, the other one goes. */
	expect_tables(start, 2 - reclaimed(1));

	pid = child_start(child_touches, guard);
	require(waitpid(pid, &status, 0) == pid, "waitpid: %s", strerror(errno));
	require(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV,
		"writing to the guard page after MADV_DONTNEED: status 0x%x, expected SIGSEGV: the marker is lost",
		(unsigned int)status);

	advise(guard, PAGE, MADV_GUARD_REMOVE, "MADV_GUARD_REMOVE");
	dontneed(map, 2 * TABLE_SPAN);
	expect_tables(start, 2 - reclaimed(2));
	expect_zero(map, 2 * TABLE_SPAN);
}
END_TEST

START_TEST(protection_change_keeps_tables)
{
	char *map = map_anon(2);
	long start = vmpte_kb();

	fill(map, 2 * TABLE_SPAN, 1);
	require(mprotect(map, 2 * TABLE_SPAN, PROT_NONE) == 0,
		"mprotect: %s", strerror(errno));
	expect_tables(start, 2);
	require(mprotect(map, 2 * TABLE_SPAN, PROT_READ | PROT_WRITE) == 0,
		"mprotect: %s", strerror(errno));
	expect_filled(map, 2 * TABLE_SPAN, 1);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("not-reclaiming", argc, argv);
	suite_differs();
	suite_add(madv_free_keeps_tables);
	suite_add(madv_cold_keeps_tables_and_data);
	suite_add(mlocked_range_is_refused);
	suite_add(guard_marker_keeps_its_table);
	suite_add(protection_change_keeps_tables);
	return suite_end();
}
