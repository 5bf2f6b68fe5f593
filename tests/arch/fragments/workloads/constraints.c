// SPDX-License-Identifier: GPL-2.0
/* Under which a workload runs: no memory without waiting for it, a memory control group. */
#include "workloads.h"
#include <errno.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define FAIL "/sys/kernel/debug/fail_page_alloc/"
#define FAIL_TIMES 1000000000

/* From now on who asks for a page and can't wait for it gets none. */
void inject(void)
{
	char times[16];

	snprintf(times, sizeof(times), "%d", FAIL_TIMES);
	write_to(FAIL "task-filter", "N");
	write_to(FAIL "ignore-gfp-wait", "Y");
	write_to(FAIL "min-order", "0");
	write_to(FAIL "verbose", "0");
	write_to(FAIL "interval", "1");
	write_to(FAIL "times", times);
	write_to(FAIL "probability", "100");
}

/* Ends that; returns how many were refused. */
long failed(void)
{
	write_to(FAIL "probability", "0");
	return FAIL_TIMES - read_number(FAIL "times", "");
}

#define CGROUP "/tmp/cgroup/"

/* Does the `work` of argv in a process, and a memory control group, of its own; returns what `work` returns. */
long run_in_memcg(long (*work)(char **argv), char **argv)
{
	int ends[2];
	long count;

	if (pipe(ends))
		die("pipe");
	mkdir(CGROUP, 0755);
	if (mount("none", CGROUP, "cgroup2", 0, NULL) && errno != EBUSY)
		die("cgroup2");
	write_to(CGROUP "cgroup.subtree_control", "+memory");
	if (mkdir(CGROUP "lab", 0755) && errno != EEXIST)
		die(CGROUP "lab");
	if (!child()) {
		write_to(CGROUP "lab/cgroup.procs", "0");
		count = work(argv);
		_exit(write(ends[1], &count, sizeof(count)) != sizeof(count));
	}
	reap(1);
	if (read(ends[0], &count, sizeof(count)) != sizeof(count))
		die("a count");
	close(ends[0]);
	close(ends[1]);
	return count;
}

/* What the group pays for page tables, in KiB. */
static long charged_now(void)
{
	long bytes = read_number(CGROUP "lab/memory.stat", "pagetables ");

	if (bytes < 0)
		die("no pagetables in memory.stat");
	return bytes / 1024;
}

/* ... when nobody is in it any more: looked at until it is nothing, or for 10 s. */
long charged(void)
{
	for (int i = 0; i < 100 && charged_now(); i++)
		usleep(100000);
	return charged_now();
}

/* What the kernel has taken for the group and not given back, in KiB: pages of page tables are charged here when they are allocated. */
long kernel_charged(void) { return read_number(CGROUP "lab/memory.stat", "kernel ") / 1024; }
