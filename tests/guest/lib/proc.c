// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proc.h"

/* vmstat is the largest file read here, about 4 kB. */
#define PROC_FILE_MAX 16384

/* Reads a /proc file whole into buf and ends it with a NUL; -1 with errno. */
static ssize_t slurp(const char *file, char *buf, size_t size)
{
	size_t have = 0;
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	while (have < size - 1) {
		ssize_t n = read(fd, buf + have, size - 1 - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int err = errno;

			close(fd);
			errno = err;
			return -1;
		}
		if (n == 0)
			break;
		have += (size_t)n;
	}
	close(fd);
	buf[have] = '\0';
	return (ssize_t)have;
}

long proc_number(const char *file, const char *name)
{
	static char buf[PROC_FILE_MAX];
	size_t len = strlen(name);

	if (slurp(file, buf, sizeof(buf)) < 0)
		return -1;
	for (char *line = buf; line; line = strchr(line, '\n')) {
		if (*line == '\n')
			line++;
		/* lockdep_stats indents its names */
		line += strspn(line, " ");
		if (strncmp(line, name, len) == 0 &&
		    (line[len] == ':' || isspace((unsigned char)line[len])))
			return strtol(line + len + strspn(line + len, ": \t"),
				      NULL, 10);
	}
	errno = ENOENT;
	return -1;
}

long proc_number_only(const char *file)
{
	char buf[64];

	return slurp(file, buf, sizeof(buf)) < 0 ? -1 : strtol(buf, NULL, 10);
}

long vmpte_kb(void)
{
	return proc_number("/proc/self/status", "VmPTE");
}

long vmpte_kb_of(int pid)
{
	char file[64];
	long kb;

	snprintf(file, sizeof(file), "/proc/%d/status", pid);
	kb = proc_number(file, "VmPTE");
	/* A zombie has no mm and so no Vm lines, but a status with a State. */
	if (kb < 0 && errno == ENOENT && proc_number(file, "State") >= 0)
		return 0;
	return kb;
}

/*
 * An idle CPU keeps the mm that it ran last (lazy TLB), and so the top-level table of
 * a process that has ended. Having run there for a moment, it keeps this one's.
 */
static void visit_cpus(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t mine, one;

	if (cpus < 2 || sched_getaffinity(0, sizeof(mine), &mine))
		return;
	for (int cpu = 0; cpu < cpus; cpu++) {
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof(one), &one);
	}
	sched_setaffinity(0, sizeof(mine), &mine);
}

long page_tables_kb(void)
{
	int fd;
	long pages;

	visit_cpus();
	fd = open("/proc/sys/vm/stat_refresh", O_WRONLY | O_CLOEXEC);
	/* Without it (no SMP) there are no per-cpu deltas to fold either. */
	if (fd >= 0) {
		ssize_t n = write(fd, "1\n", 2);

		(void)n;
		close(fd);
	}
	pages = proc_number("/proc/vmstat", "nr_page_table_pages");
	return pages < 0 ? -1 : pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void pause_ms(int ms)
{
	const struct timespec t = { .tv_nsec = ms * 1000000L };

	nanosleep(&t, NULL);
}

long page_tables_quiet_kb(void)
{
	double end = now_ms() + 1000;
	long last = page_tables_kb();

	for (int same = 0; same < 5 && last >= 0 && now_ms() < end; same++) {
		long kb;

		pause_ms(10);
		kb = page_tables_kb();
		if (kb != last)
			same = -1;
		last = kb;
	}
	return last;
}

long page_tables_settle_kb(long target, int timeout_ms)
{
	double end = now_ms() + timeout_ms;
	long kb = page_tables_kb();

	while (kb > target && now_ms() < end) {
		pause_ms(5);
		kb = page_tables_kb();
	}
	return kb;
}

unsigned long long pagemap_entry(const void *at)
{
	unsigned long long entry = 0;
	off_t index = (off_t)((unsigned long)at /
			      (unsigned long)sysconf(_SC_PAGESIZE));
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (pread(fd, &entry, sizeof(entry), index * (off_t)sizeof(entry)) !=
	    sizeof(entry))
		entry = 0;
	close(fd);
	return entry;
}

double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}
