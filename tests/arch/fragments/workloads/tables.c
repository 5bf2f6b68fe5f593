// SPDX-License-Identifier: GPL-2.0
/* mmu_gather: tables that an address space gives up while it lives, when it ends, and when it is thrown away young. */
#include "workloads.h"
#include <sys/mman.h>

/* One page in each table of an anonymous range. */
static char *populate(size_t tables)
{
	char *at = mmap(NULL, tables * area, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		die("mmap of %zu tables", tables);
	/* A page each, not a huge one: it is tables that count. */
	madvise(at, tables * area, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < tables; i++)
		*(volatile char *)(at + i * area) = 1;
	return at;
}

void munmap_loop(int rounds, size_t tables)
{
	for (int i = 0; i < rounds; i++)
		if (munmap(populate(tables), tables * area))
			die("munmap");
}

void munmap_all(int processes, int rounds, size_t tables)
{
	for (int i = 0; i < processes; i++)
		if (!child()) {
			munmap_loop(rounds, tables);
			_exit(0);
		}
	reap(-1);
}

/* So many children of a storm there are at once. */
#define STORM 8

/* The child of number `i` of a storm: for one more than there may be, one has to end first. */
static pid_t storm_child(int i)
{
	if (i >= STORM)
		reap(1);
	return child();
}

void fork_loop(int children, size_t tables)
{
	char *at = populate(tables);

	for (int i = 0; i < children; i++)
		if (!storm_child(i)) {
			expect(at, tables, 1, "in a child");
			_exit(0);
		}
	reap(-1);
	munmap(at, tables * area);
}

void exec_loop(int children)
{
	for (int i = 0; i < children; i++)
		if (!storm_child(i)) {
			execl("/proc/self/exe", "fragments", "nothing", NULL);
			die("exec");
		}
	reap(-1);
}
