// SPDX-License-Identifier: GPL-2.0
/*
 * Description: however a process ends, it leaves no page tables: the kernel's
 * nr_page_table_pages returns to its start within a bounded time. A table that
 * was reclaimed must not be freed by exit once more, nor be forgotten.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/guest.h"

#define TABLES 128UL

static void child_fills(void *arg)
{
	fill_sparse(arg, TABLES * TABLE_SPAN, 1);
}

static void child_fills_and_drops(void *arg)
{
	child_fills(arg);
	dontneed(arg, TABLES * TABLE_SPAN);
}

static void child_drops_half(void *arg)
{
	child_fills(arg);
	dontneed(arg, TABLES / 2 * TABLE_SPAN);
	fill_sparse(arg, TABLES / 4 * TABLE_SPAN, 2);
}

/* Says on a pipe that it is ready, then waits to be killed. */
static void child_waits(void *arg)
{
	char *map = map_anon(TABLES);

	child_drops_half(map);
	require(write(*(int *)arg, "x", 1) == 1, "the parent ended early");
	pause();
}

static void child_execs(void *arg)
{
	char *argv[] = { (char *)"exit", (char *)"--list", NULL };
	char *envp[] = { NULL };

	child_drops_half(arg);
	/* Its list of tests must not get into this suite's results. */
	close(STDOUT_FILENO);
	execve("/proc/self/exe", argv, envp);
	require(0, "execve: %s", strerror(errno));
}

static void tables_come_back_after(void (*child)(void *arg))
{
	char *map = map_anon(TABLES);
	long start = page_tables_quiet_kb();

	child_wait(child_start(child, map));
	expect_kernel_tables(start, 0);
}

START_TEST(exit_leaves_no_tables)
{
	tables_come_back_after(child_fills);
}
END_TEST

START_TEST(exit_after_dontneed_leaves_no_tables)
{
	tables_come_back_after(child_fills_and_drops);
}
END_TEST

START_TEST(exit_after_dontneed_of_half_leaves_no_tables)
{
	tables_come_back_after(child_drops_half);
}
END_TEST

START_TEST(execve_leaves_no_tables)
{
	tables_come_back_after(child_execs);
}
END_TEST

START_TEST(killed_process_leaves_no_tables)
{
	long start = page_tables_quiet_kb();
	int ready[2], pid, status;
	char c;

	require(pipe(ready) == 0, "pipe: %s", strerror(errno));
	pid = child_start(child_waits, &ready[1]);
	close(ready[1]);
	require(read(ready[0], &c, 1) == 1, "the child ended early");
	require(vmpte_kb_of(pid) > 0, "VmPTE of the child cannot be read");
	require(page_tables_kb() > start, "nr_page_table_pages does not show the child's tables");
	kill(pid, SIGKILL);
	require(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status),
		"the child was not killed: status 0x%x", (unsigned int)status);
	expect_kernel_tables(start, 0);
}
END_TEST

START_TEST(many_short_processes_leave_no_tables)
{
	char *map = map_anon(TABLES);
	long start = page_tables_quiet_kb();

	for (int i = 0; i < 10; i++)
		child_wait(child_start(child_fills_and_drops, map));
	expect_kernel_tables(start, 0);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("exit", argc, argv);
	suite_modes("ptrace/1");
	suite_add(exit_leaves_no_tables);
	suite_add(exit_after_dontneed_leaves_no_tables);
	suite_add(exit_after_dontneed_of_half_leaves_no_tables);
	suite_add(execve_leaves_no_tables);
	suite_add(killed_process_leaves_no_tables);
	suite_add(many_short_processes_leave_no_tables);
	return suite_end();
}
