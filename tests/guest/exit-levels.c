// SPDX-License-Identifier: GPL-2.0
/*
 * Description: the exit of a process frees its tables of all levels, however
 * many and wherever they are, whether MADV_DONTNEED reclaimed some before or
 * not; the exit of a thread frees none, nor that of a vfork child, for the
 * address space lives on. What others share with them keeps its contents.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/ops.h"

/* ---- of a process ---- */

/* 64 gigabytes about the border of a PUD table, a page in each: 64 PTE and 64
 * PMD tables, 2 PUD tables. */
#define GIGABYTES 64UL
#define UPPER (GIGABYTES + 2)

static void fill_far_pages(char *border)
{
	char *map = border - GIGABYTES / 2 * PMD_TABLE_SPAN;

	map_anon_at(map, GIGABYTES * PMD_TABLE_SPAN);
	for (size_t i = 0; i < GIGABYTES; i++)
		fill(map + i * PMD_TABLE_SPAN + i * PAGE, PAGE, 1);
}

static void child_has_tables_of_all_levels(void *arg)
{
	long start;

	/* Twice: the first call faults in the code's own tables. */
	vmpte_kb();
	start = vmpte_kb();
	fill_far_pages(arg);
	expect_tables(start, GIGABYTES + UPPER);
}

static void child_keeps_upper_tables_only(void *arg)
{
	char *border = arg;
	long start;

	child_has_tables_of_all_levels(arg);
	start = vmpte_kb();
	dontneed(border - GIGABYTES / 2 * PMD_TABLE_SPAN, GIGABYTES * PMD_TABLE_SPAN);
	expect_tables(start, -reclaimed(GIGABYTES));
}

static void child_has_all_but_the_middle(void *arg)
{
	char *border = arg;
	long start;

	child_has_tables_of_all_levels(arg);
	start = vmpte_kb();
	dontneed(border - 5 * PMD_TABLE_SPAN, 10 * PMD_TABLE_SPAN);
	expect_tables(start, -reclaimed(10));
	fill(border, PAGE, 2);
	expect_tables(start, reclaimed(1) - reclaimed(10));
}

static void nothing_stays_of(void (*child)(void *arg))
{
	char *space = space_take(2), *border = space + PUD_TABLE_SPAN;
	struct tables start = tables_at_rest();

	if (!space)
		return;
	child_wait(child_start(child, border));
	expect_tables_everywhere(&start, 0);
}

START_TEST(tables_of_all_levels)
{
	nothing_stays_of(child_has_tables_of_all_levels);
}
END_TEST

START_TEST(upper_tables_over_reclaimed_ones)
{
	nothing_stays_of(child_keeps_upper_tables_only);
}
END_TEST

START_TEST(upper_tables_over_some_reclaimed_ones)
{
	nothing_stays_of(child_has_all_but_the_middle);
}
END_TEST

#define MANY 3000UL

static void child_has_many_tables(void *arg)
{
	map_anon_at(arg, MANY * TABLE_SPAN);
	fill_sparse(arg, MANY * TABLE_SPAN, 1);
	dontneed((char *)arg + 1000 * TABLE_SPAN, 500 * TABLE_SPAN);
}

START_TEST(many_tables)
{
	char *at = space_take(1);
	struct tables start = tables_at_rest();

	if (!at)
		return;
	child_wait(child_start(child_has_many_tables, at));
	expect_tables_everywhere(&start, 0);
}
END_TEST

/* What a child inherits, and what it shares. */
struct ranges {
	char *private, *shared;
};

static void child_writes_and_drops(void *arg)
{
	struct ranges *r = arg;

	fill(r->private, 2 * TABLE_SPAN, 3);
	fill(r->shared, TABLE_SPAN, 4);
	dontneed(r->private, TABLE_SPAN);
	dontneed(r->shared, 2 * TABLE_SPAN);
}

START_TEST(memory_of_the_parent_outlives_a_child)
{
	struct ranges r = { map_anon(2), map_tables(2, MAP_SHARED | MAP_ANONYMOUS, -1) };
	struct tables start = tables_at_rest();

	fill(r.private, 2 * TABLE_SPAN, 1);
	fill(r.shared, 2 * TABLE_SPAN, 2);
	child_wait(child_start(child_writes_and_drops, &r));
	expect_tables_everywhere(&start, 4);
	expect_rss_is_mapped();
	expect_filled_by_all(r.private, 2 * TABLE_SPAN, 1);
	expect_filled_by_all(r.shared, TABLE_SPAN, 4);
	expect_filled_by_all(r.shared + TABLE_SPAN, TABLE_SPAN, 2);
}
END_TEST

/* ---- of what shares the address space ---- */

START_TEST(vfork_child)
{
	char *map = map_anon(2);
	struct tables start = tables_at_rest();
	int status, pid;

	fill(map, TABLE_SPAN, 1);
	pid = vfork();
	if (pid == 0) {
		*(volatile unsigned long *)(map + TABLE_SPAN) = 1;
		_exit(0);
	}
	require(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0, "vfork: %s", strerror(errno));
	operation("a vfork child's exit", map, 2 * TABLE_SPAN);
	expect_tables_everywhere(&start, 2);
	expect_filled_by_all(map, TABLE_SPAN, 1);
	dontneed(map, 2 * TABLE_SPAN);
	expect_tables_everywhere(&start, 2 - reclaimed(2));
}
END_TEST

static void vfork_and_exec(void)
{
	static char *argv[] = { (char *)"exit-levels", (char *)"--list", NULL };
	static char *envp[] = { NULL };
	int status, pid = vfork();

	if (pid == 0) {
		/* Its list of tests must not get into this suite's results. */
		close(STDOUT_FILENO);
		execve("/proc/self/exe", argv, envp);
		_exit(2);
	}
	/* 0 or 1: with its standard output closed, writing the list may fail. */
	require(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) < 2,
		"vfork and execve: status 0x%x", (unsigned int)status);
}

START_TEST(vfork_child_that_executes)
{
	char *map = map_anon(2);
	struct tables start = tables_at_rest();

	fill(map, 2 * TABLE_SPAN, 1);
	vfork_and_exec();
	operation("a vfork child's execve", map, 2 * TABLE_SPAN);
	expect_tables_everywhere(&start, 2);
	expect_filled_by_all(map, 2 * TABLE_SPAN, 1);
}
END_TEST

/* Runs fn(arg) in a thread whose stack is `stack`, of one table, and waits for its end. */
static void in_thread(void *(*fn)(void *arg), void *arg, char *stack)
{
	pthread_t thread;
	pthread_attr_t attr;

	require(pthread_attr_init(&attr) == 0 && pthread_attr_setstack(&attr, stack, TABLE_SPAN) == 0 &&
		pthread_create(&thread, &attr, fn, arg) == 0 && pthread_join(thread, NULL) == 0,
		"a thread cannot be run");
	operation("the exit of a thread with its stack at", stack, TABLE_SPAN);
}

static void *thread_fills(void *arg)
{
	fill(arg, 2 * TABLE_SPAN, 1);
	return NULL;
}

static void *thread_fills_and_drops(void *arg)
{
	thread_fills(arg);
	dontneed(arg, 2 * TABLE_SPAN);
	return NULL;
}

/* Whatever else the first thread of a process costs: the heap of its own that malloc
 * opens, for one. */
static void warm_up_threads(char *stack)
{
	char *map = map_anon(2);

	in_thread(thread_fills_and_drops, map, stack);
	unmap(map, 2 * TABLE_SPAN);
}

START_TEST(thread_leaves_what_it_filled)
{
	char *stack = map_anon(1), *map = map_anon(2);
	struct tables start;

	warm_up_threads(stack);
	start = tables_at_rest();
	in_thread(thread_fills, map, stack);
	expect_tables_everywhere(&start, 2);
	expect_filled_by_all(map, 2 * TABLE_SPAN, 1);
	dontneed(map, 2 * TABLE_SPAN);
	expect_tables_everywhere(&start, 2 - reclaimed(2));
}
END_TEST

START_TEST(thread_ends_right_after_reclaim)
{
	char *stack = map_anon(1), *map = map_anon(2);
	struct tables start;

	warm_up_threads(stack);
	start = tables_at_rest();
	for (int i = 0; i < 5; i++)
		in_thread(thread_fills_and_drops, map, stack);
	expect_tables_everywhere(&start, 2 - reclaimed(2));
	expect_zero_by_all(map, 2 * TABLE_SPAN);
}
END_TEST

START_TEST(stack_of_a_thread_that_ended)
{
	char *stack = map_anon(1), *map = map_anon(2);
	struct tables start;

	warm_up_threads(stack);
	start = tables_at_rest();
	/* An ended thread's stack is memory like any other. */
	dontneed(stack, TABLE_SPAN);
	expect_tables_everywhere(&start, -reclaimed(1));
	in_thread(thread_fills, map, stack);
	expect_tables_everywhere(&start, 2);
}
END_TEST

static void *thread_executes(void *arg)
{
	static char *argv[] = { (char *)"exit-levels", (char *)"--list", NULL };
	static char *envp[] = { NULL };

	fill(arg, 2 * TABLE_SPAN, 1);
	dontneed(arg, TABLE_SPAN);
	close(STDOUT_FILENO);
	execve("/proc/self/exe", argv, envp);
	_exit(2);
}

static void child_executes_in_a_thread(void *arg)
{
	pthread_t thread;

	fill_far_pages(arg);
	require(pthread_create(&thread, NULL, thread_executes, map_anon(2)) == 0, "pthread_create failed");
	/* The thread that executes ends this one. */
	pause();
}

START_TEST(thread_that_executes)
{
	char *space = space_take(2), *border = space + PUD_TABLE_SPAN;
	struct tables start = tables_at_rest();
	int status, pid;

	if (!space)
		return;
	pid = child_start(child_executes_in_a_thread, border);
	require(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) < 2,
		"execve in a thread: status 0x%x", (unsigned int)status);
	operation("execve in a thread with pages about", border, PAGE);
	expect_tables_everywhere(&start, 0);
}
END_TEST

static void *thread_sleeps(void *arg)
{
	fill(arg, TABLE_SPAN, 1);
	pause();
	return NULL;
}

static void child_exits_with_threads(void *arg)
{
	char *map = arg;
	pthread_t thread;

	for (size_t i = 0; i < 4; i++)
		require(pthread_create(&thread, NULL, thread_sleeps, map + i * TABLE_SPAN) == 0,
			"pthread_create failed");
	dontneed(map, 2 * TABLE_SPAN);
}

START_TEST(process_with_threads)
{
	char *map = map_anon(4);
	struct tables start = tables_at_rest();

	child_wait(child_start(child_exits_with_threads, map));
	expect_tables_everywhere(&start, 0);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("exit-levels", argc, argv);
	suite_differs();
	suite_add(tables_of_all_levels);
	suite_add(upper_tables_over_reclaimed_ones);
	suite_add(upper_tables_over_some_reclaimed_ones);
	suite_add(many_tables);
	suite_add(memory_of_the_parent_outlives_a_child);
	suite_add(vfork_child);
	suite_add(vfork_child_that_executes);
	suite_add(thread_leaves_what_it_filled);
	suite_add(thread_ends_right_after_reclaim);
	suite_add(stack_of_a_thread_that_ended);
	suite_add(thread_that_executes);
	suite_add(process_with_threads);
	return suite_end();
}
