// SPDX-License-Identifier: GPL-2.0
/* All of it at once. */
#include "workloads.h"

/* `work` in a process of its own, again and again until `end` (milliseconds). */
static void until(long end, void (*work)(void))
{
	if (child())
		return;
	while (milliseconds() < end)
		work();
	_exit(0);
}

static void some_collapses(void)
{
	collapse_loop(2, 8, 2, collapse);
	collapse_exit_loop(3, 4, 2);
}

static void some_munmaps(void) { munmap_loop(1, 128); }
static void some_execs(void) { exec_loop(4); }

static void some_forks(void)
{
	if (!child()) {
		fork_loop(8, 16);
		_exit(0);
	}
	reap(1);
}

void mix(long seconds)
{
	long end = milliseconds() + seconds * 1000;

	until(end, some_collapses);
	until(end, some_munmaps);
	until(end, some_forks);
	until(end, some_execs);
	reap(-1);
}
