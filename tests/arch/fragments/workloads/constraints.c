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

/* Does the `work` of argv in a process, and a memory control group, of its own. */
void run_in_memcg(long (*work)(char **argv), char **argv)
{
	mkdir(CGROUP, 0755);
	if (mount("none", CGROUP, "cgroup2", 0, NULL) && errno != EBUSY)
		die("cgroup2");
	write_to(CGROUP "cgroup.subtree_control", "+memory");
	if (mkdir(CGROUP "lab", 0755) && errno != EEXIST)
		die(CGROUP "lab");
	if (!child()) {
		write_to(CGROUP "lab/cgroup.procs", "0");
		work(argv);
		_exit(0);
	}
	reap(1);
}

/* What the group still pays for page tables now that nobody is in it, in KiB: looked at until it is nothing, or for 10 s. */
long charged(void)
{
	long kib = -1;

	for (int i = 0; i < 100; i++) {
		kib = read_number(CGROUP "lab/memory.stat", "pagetables ");
		if (kib < 0)
			die("no pagetables in memory.stat");
		kib /= 1024;
		if (!kib)
			break;
		usleep(100000);
	}
	return kib;
}
