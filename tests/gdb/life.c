// SPDX-License-Identifier: GPL-2.0
/*
 * Description: PTE tables whose number, addresses and ways to go are known, for the tests of
 * pt-life and pt-break. life.h has the layout. As scenario.c does, it announces each step by an
 * madvise() with an advice that no kernel knows, and the step as its length.
 *
 * usage: life [PAGES-PER-TABLE]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../guest/lib/proc.h"
#include "life.h"
#include "must.h"
#include "scenario.h"

static const size_t page = 4096, table = SCENARIO_TABLE;

static char *map_at(uintptr_t at, size_t tables, int prot, int flags, int fd)
{
	char *where = mmap((void *)at, tables * table, prot, flags | MAP_FIXED_NOREPLACE, fd, 0);

	must(where == (char *)at, "mmap");
	return where;
}

/* Private memory with tables of its own, one page in each `stride` written. */
static void fill(uintptr_t at, size_t tables, size_t stride)
{
	char *where = map_at(at, tables, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	for (size_t i = 0; i < tables * table; i += stride)
		where[i] = 'u';
}

static void dontneed(uintptr_t at, size_t len)
{
	must(!madvise((void *)at, len, MADV_DONTNEED), "MADV_DONTNEED");
}

static void mark(size_t step)
{
	syscall(SYS_madvise, LIFE_RECLAIM, step, SCENARIO_MARK);
}

/* A file's page is there before it is mapped: the read fault maps those around it, too. */
static void read_shared(void)
{
	int fd = memfd_create("life", 0);
	char *at;

	must(fd >= 0 && !ftruncate(fd, (off_t)table) && pwrite(fd, "u", 1, 0) == 1, "memfd");
	at = map_at(LIFE_SHARED, 1, PROT_READ, MAP_SHARED, fd);
	must(*(volatile char *)at == 'u', "read of the memfd");
	close(fd);
}

/* Makes tables, and gives them back, on the last CPU. */
static void *on_last_cpu(void *arg)
{
	cpu_set_t set;

	(void)arg;
	CPU_ZERO(&set);
	CPU_SET(sysconf(_SC_NPROCESSORS_ONLN) - 1, &set);
	must(!sched_setaffinity(0, sizeof(set), &set), "sched_setaffinity");
	fill(LIFE_CPU, LIFE_CPU_TABLES, table);
	dontneed(LIFE_CPU, LIFE_CPU_TABLES * table);
	return NULL;
}

static void use_last_cpu(void)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, on_last_cpu, NULL);
	must(!errno, "pthread_create");
	errno = pthread_join(thread, NULL);
	must(!errno, "pthread_join");
}

int main(int argc, char **argv)
{
	size_t stride = argc > 1 ? table / (size_t)atoi(argv[1]) : page;

	fill(LIFE_RECLAIM, LIFE_RECLAIM_TABLES, table);
	fill(LIFE_UNMAP, LIFE_UNMAP_TABLES, table);
	read_shared();
	mark(SCENARIO_BUILT);
	for (size_t i = 0; i < LIFE_RECLAIM_TABLES; i++)
		dontneed(LIFE_RECLAIM + i * table, table);
	mark(LIFE_RECLAIMED);
	must(!munmap((void *)LIFE_UNMAP, LIFE_UNMAP_TABLES * table), "munmap");
	mark(LIFE_UNMAPPED);
	use_last_cpu();
	fill(LIFE_AGAIN, 1, table);
	dontneed(LIFE_AGAIN, table);
	for (int i = 1; i < LIFE_AGAIN_TIMES; i++) {
		*(volatile char *)LIFE_AGAIN = 'u';
		dontneed(LIFE_AGAIN, table);
	}
	mark(LIFE_REPEATED);
	fill(LIFE_MANY, LIFE_MANY_TABLES, stride);
	dontneed(LIFE_MANY, LIFE_MANY_TABLES * table);
	mark(LIFE_EMPTIED);
	fill(LIFE_LATE, LIFE_LATE_TABLES, table);
	mark(LIFE_LATE_READY);
	dontneed(LIFE_LATE, LIFE_LATE_TABLES * table);
	page_tables_quiet_kb();
	mark(LIFE_FREED);
	return 0;
}
