// SPDX-License-Identifier: GPL-2.0
/*
 * Description: fork gives the child tables of its own. What one of the two
 * gives back with MADV_DONTNEED costs the other neither tables nor data.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "lib/guest.h"

#define TABLES 4UL

struct shared_range {
	char *map;
	long start;	/* VmPTE of the parent before the range was filled */
};

/* VmPTE of the child in kB that is not due to the range. */
static long child_start_kb(void)
{
	return vmpte_kb() - (long)TABLES * TABLE_KB;
}

static void child_drops(void *arg)
{
	struct shared_range *r = arg;
	long start;

	/* Twice: the first call faults in the code's own tables. */
	vmpte_kb();
	start = child_start_kb();
	expect_filled(r->map, TABLES * TABLE_SPAN, 1);
	dontneed(r->map, TABLES * TABLE_SPAN);
	expect_tables(start, (long)TABLES - reclaimed((long)TABLES));
	expect_zero(r->map, PAGE);
}

START_TEST(child_gives_back_parent_keeps)
{
	struct shared_range r = { map_anon(TABLES), vmpte_kb() };

	fill(r.map, TABLES * TABLE_SPAN, 1);
	child_wait(child_start(child_drops, &r));
	expect_tables(r.start, (long)TABLES);
	expect_filled(r.map, TABLES * TABLE_SPAN, 1);
}
END_TEST

/* The child waits for its parent's word through a pipe, then looks. */
struct told_range {
	struct shared_range r;
	int pipe[2];
};

static void child_looks(void *arg)
{
	struct told_range *t = arg;
	long start;
	char c;

	vmpte_kb();
	start = child_start_kb();
	close(t->pipe[1]);
	require(read(t->pipe[0], &c, 1) == 1, "the parent ended early");
	expect_tables(start, (long)TABLES);
	expect_filled(t->r.map, TABLES * TABLE_SPAN, 1);
}

START_TEST(parent_gives_back_child_keeps)
{
	struct told_range t = { { map_anon(TABLES), vmpte_kb() }, { -1, -1 } };
	int pid;

	require(pipe(t.pipe) == 0, "pipe failed");
	fill(t.r.map, TABLES * TABLE_SPAN, 1);
	pid = child_start(child_looks, &t);
	dontneed(t.r.map, TABLES * TABLE_SPAN);
	expect_tables(t.r.start, (long)TABLES - reclaimed((long)TABLES));
	require(write(t.pipe[1], "x", 1) == 1, "the child ended early");
	child_wait(pid);
	expect_zero(t.r.map, PAGE);
}
END_TEST

static void child_writes(void *arg)
{
	struct shared_range *r = arg;

	fill(r->map, TABLES * TABLE_SPAN, 2);
	expect_filled(r->map, TABLES * TABLE_SPAN, 2);
	dontneed(r->map, TABLES * TABLE_SPAN);
	expect_zero(r->map, TABLES * TABLE_SPAN);
}

START_TEST(copied_pages_of_the_child_do_not_reach_the_parent)
{
	struct shared_range r = { map_anon(TABLES), vmpte_kb() };

	fill(r.map, TABLES * TABLE_SPAN, 1);
	child_wait(child_start(child_writes, &r));
	expect_filled(r.map, TABLES * TABLE_SPAN, 1);
	/* And the parent's pages, shared no more, are its to give back. */
	dontneed(r.map, TABLES * TABLE_SPAN);
	expect_tables(r.start, (long)TABLES - reclaimed((long)TABLES));
}
END_TEST

static void child_inherits_holes(void *arg)
{
	struct shared_range *r = arg;

	/* The parent gave tables 0-1 back; the child finds zeroes there. */
	expect_zero(r->map, 2 * TABLE_SPAN);
	expect_filled(r->map + 2 * TABLE_SPAN, 2 * TABLE_SPAN, 1);
}

START_TEST(child_of_a_reclaimed_range)
{
	struct shared_range r = { map_anon(TABLES), vmpte_kb() };

	fill(r.map, TABLES * TABLE_SPAN, 1);
	dontneed(r.map, 2 * TABLE_SPAN);
	child_wait(child_start(child_inherits_holes, &r));
	expect_tables(r.start, (long)TABLES - reclaimed(2));
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("fork", argc, argv);
	suite_modes("ptrace/1");
	suite_differs();
	suite_add(child_gives_back_parent_keeps);
	suite_add(parent_gives_back_child_keeps);
	suite_add(copied_pages_of_the_child_do_not_reach_the_parent);
	suite_add(child_of_a_reclaimed_range);
	return suite_end();
}
