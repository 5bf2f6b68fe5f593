// SPDX-License-Identifier: GPL-2.0
/* What the kernel has counted: /proc/vmstat, and the counters of counters.patch. */
#include "workloads.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNTERS "/sys/kernel/debug/pte_frag"

/* The number of `name` in /proc/vmstat, in pages. */
static long vmstat(const char *name)
{
	char line[128];
	size_t len = strlen(name);
	long value = -1;
	FILE *file = fopen("/proc/vmstat", "re");

	if (!file)
		die("/proc/vmstat");
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, name, len) && line[len] == ' ')
			value = atol(line + len);
	fclose(file);
	return value;
}

/*
 * The number of page table pages now: of the whole machine, which has to be quiet. Each CPU keeps some of the
 * count to itself until it is told to give it up.
 */
long exact_page_tables(void)
{
	int fd = open("/proc/sys/vm/stat_refresh", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "1", 1) != 1)
		die("/proc/sys/vm/stat_refresh");
	close(fd);
	return vmstat("nr_page_table_pages");
}

/* What page tables take at most: looked at every 5 ms. */
static volatile int watching;
static volatile long peak;

static void *watch(void *unused)
{
	while (watching) {
		long now = vmstat("nr_page_table_pages");

		if (now > peak)
			peak = now;
		usleep(5000);
	}
	return unused;
}

static pthread_t watcher;

/* Begins to watch what page tables take; when it returns, the thread has all the memory that it takes. */
void start_watching(void)
{
	watching = 1;
	if (pthread_create(&watcher, NULL, watch, NULL))
		die("a thread");
	while (!peak)
		usleep(1000);
}

/* Ends that; returns the most that they took, in KiB. */
long stop_watching(void)
{
	watching = 0;
	pthread_join(watcher, NULL);
	return peak * (getpagesize() / 1024);
}

/* Begins to count anew; does nothing in a kernel without counters. */
void reset_counters(void)
{
	int fd = open(COUNTERS, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, "0", 1) != 1)
		die(COUNTERS);
	close(fd);
}

/* The counter `name`, -1 if there is none. */
static long counter(const char *name)
{
	char line[128];
	size_t len = strlen(name);
	long value = -1;
	FILE *file = fopen(COUNTERS, "re");

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, name, len) && line[len] == '=')
			value = atol(line + len + 1);
	fclose(file);
	return value;
}

/*
 * When all that waits for a grace period has been freed, mmu_gather's batches too, or nothing will be any more: no fragment
 * was freed for 300 ms and none waits, or 10 s are over.
 */
void print_counters(void)
{
	char line[128];
	FILE *file;
	long freed = -1, now;

	for (int i = 0; i < 33; i++) {
		now = counter("fragments_freed");
		if (now == freed && counter("waiting") <= 0)
			break;
		freed = now;
		usleep(300000);
	}
	file = fopen(COUNTERS, "re");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file))
		printf("counter %s", line);
	fclose(file);
}
