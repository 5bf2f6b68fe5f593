// SPDX-License-Identifier: GPL-2.0
/*
 * Description: process_mrelease, which takes the memory of a killed process before that has had a
 * CPU to exit on, as the OOM reaper does: private pages go, shared ones stay, and no table is
 * reclaimed; those go when the process exits.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/ops.h"

/* Since Linux 5.15 and 5.3. */
#ifndef SYS_process_mrelease
#define SYS_process_mrelease 448
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

#define TABLES 3UL
#define LEN (TABLES * TABLE_SPAN)

/* Whoever runs first, real-time or not: nothing else does until we sleep. */
static void keep_the_cpu(void)
{
	const struct sched_param first = { .sched_priority = 1 };
	cpu_set_t here;

	CPU_ZERO(&here);
	CPU_SET(0, &here);
	require(!sched_setaffinity(0, sizeof(here), &here) && !sched_setscheduler(0, SCHED_FIFO, &first),
		"real-time scheduling: %s", strerror(errno));
}

/* A process with full private tables, and shared pages of ours; on the same CPU, after us. */
static int victim(char *shared, size_t len)
{
	const struct sched_param plain = { 0 };
	int ready[2], pid;
	char byte;

	require(!pipe(ready), "pipe: %s", strerror(errno));
	pid = fork();
	require(pid >= 0, "fork: %s", strerror(errno));
	if (!pid) {
		char *map = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		for (size_t i = 0; i < LEN; i += PAGE)
			map[i] = 1;
		for (size_t i = 0; i < len; i += PAGE)
			shared[i]++;
		sched_setscheduler(0, SCHED_OTHER, &plain);
		if (write(ready[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	require(read(ready[0], &byte, 1) == 1, "the process to be killed: %s", strerror(errno));
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static long status_of(int pid, const char *name)
{
	char file[32];
	long kb;

	snprintf(file, sizeof(file), "/proc/%d/status", pid);
	kb = proc_number(file, name);
	require(kb >= 0, "%s: %s: %s", file, name, strerror(errno));
	return kb;
}

START_TEST(killed_process_is_reaped_by_another)
{
	char *shared = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long vmpte, pages;
	int pid, fd;

	require(shared != MAP_FAILED, "mmap: %s", strerror(errno));
	keep_the_cpu();
	pid = victim(shared, 16 * PAGE);
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	require(fd >= 0, "pidfd_open: %s", strerror(errno));
	vmpte = status_of(pid, "VmPTE");
	require(status_of(pid, "RssAnon") >= (long)(LEN >> 10), "the process has %ld kB of its own pages", status_of(pid, "RssAnon"));
	require(syscall(SYS_process_mrelease, fd, 0) == -1 && errno == EINVAL, "process_mrelease of a process that lives: no EINVAL");

	require(!kill(pid, SIGKILL), "kill: %s", strerror(errno));
	require(!syscall(SYS_process_mrelease, fd, 0), "process_mrelease: %s", strerror(errno));
	pages = status_of(pid, "RssAnon");
	require(pages == 0, "the reaper left %ld kB of private pages", pages);
	require(status_of(pid, "VmPTE") == vmpte,
		"VmPTE of the reaped process: %ld kB, before %ld kB: the reaper takes no tables", status_of(pid, "VmPTE"), vmpte);
	for (size_t i = 0; i < 16; i++)
		require(shared[i * PAGE] == 1, "shared page %zu reads %d, expected 1", i, shared[i * PAGE]);
	require(waitpid(pid, NULL, 0) == pid, "waitpid: %s", strerror(errno));
	close(fd);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("reaped", argc, argv);
	suite_add(killed_process_is_reaped_by_another);
	return suite_end();
}
