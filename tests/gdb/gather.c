// SPDX-License-Identifier: GPL-2.0
/*
 * Description: a process that gives back tables and pages in known numbers, for the
 * tests of mg-show, mg-batches and rcu-tables. It maps and writes what gather.h says,
 * writes to a file on the shared folder what the kernel says of itself, and then gives
 * one region after the other back. Each step ends with the call that no kernel knows,
 * where a test stops it; the last thing to go is the whole address space.
 *
 * usage: gather FACTS-FILE
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../guest/lib/proc.h"
#include "gather.h"
#include "must.h"
#include "scenario.h"

static const size_t page = 4096;
static FILE *facts;

/* Maps @len bytes and writes a byte each @stride. */
static void map_at(uintptr_t at, size_t len, size_t stride, int flags, int fd)
{
	char *where = mmap((void *)at, len, PROT_READ | PROT_WRITE, flags | MAP_FIXED_NOREPLACE, fd, 0);

	must(where == (char *)at, "mmap");
	for (size_t i = 0; i < len; i += stride)
		where[i] = 'u';
}

static void map_private(uintptr_t at, size_t tables, size_t stride)
{
	map_at(at, tables * GATHER_TABLE, stride, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
}

static void build(void)
{
	int memfd = memfd_create("gather", 0);

	must(memfd >= 0 && !ftruncate(memfd, GATHER_SHARED_PAGES * page), "memfd");
	map_private(GATHER_ANCHOR, 1, GATHER_TABLE);
	map_private(GATHER_FEW, GATHER_FEW_TABLES, GATHER_TABLE);
	map_private(GATHER_PAGES, GATHER_PAGES_TABLES, page);
	map_at(GATHER_SHARED, GATHER_SHARED_PAGES * page, page, MAP_SHARED, memfd);
	map_private(GATHER_ONE, 1, GATHER_TABLE);
	map_private(GATHER_MANY, GATHER_MANY_TABLES, GATHER_TABLE);
}

/* The page at each @stride; a frame number in pagemap has 55 bits, and only root sees it. */
static void write_pages(uintptr_t start, size_t len, size_t stride)
{
	for (size_t i = 0; i < len; i += stride)
		fprintf(facts, "page %#" PRIxPTR " %#llx\n", start + i, pagemap_entry((void *)(start + i)));
}

/*
 * The pages of page tables, once RCU is through with what was given back: as many in 15 ticks in
 * a row. A limit in time, as page_tables_quiet_kb() has, would be over after a stop in gdb.
 */
static long quiet_kb(void)
{
	const struct timespec tick = { .tv_nsec = 10000000 };
	long last = -1;

	for (int same = 0, all = 0; same < 15 && all < 300; all++) {
		long kb;

		nanosleep(&tick, NULL);
		kb = page_tables_kb();
		same = kb == last ? same + 1 : 0;
		last = kb;
	}
	return last;
}

static void write_counts(const char *when)
{
	fprintf(facts, "page_tables_kb_%s %ld\n", when, quiet_kb());
	fprintf(facts, "vmpte_kb_%s %ld\n", when, vmpte_kb());
	must(!fflush(facts), "write of the facts");
}

/* Where a test stops: do_madvise() if behavior == SCENARIO_MARK; `step` is its len_in. */
static void mark(size_t step, const char *when)
{
	write_counts(when);
	syscall(SYS_madvise, GATHER_ANCHOR, step, SCENARIO_MARK);
}

static void dontneed(uintptr_t at, size_t len)
{
	must(!madvise((void *)at, len, MADV_DONTNEED), "MADV_DONTNEED");
}

int main(int argc, char **argv)
{
	must(argc == 2 && (facts = fopen(argv[1], "w")), "usage: gather FACTS-FILE");
	build();
	fprintf(facts, "pid %d\n", getpid());
	write_pages(GATHER_FEW, GATHER_FEW_TABLES * GATHER_TABLE, GATHER_TABLE);
	write_pages(GATHER_PAGES, GATHER_PAGES_TABLES * GATHER_TABLE, page);
	write_pages(GATHER_SHARED, GATHER_SHARED_PAGES * page, page);
	mark(SCENARIO_BUILT, "built");
	dontneed(GATHER_FEW, GATHER_FEW_TABLES * GATHER_TABLE);
	mark(GATHER_FEW_GONE, "few_gone");
	must(!munmap((void *)GATHER_PAGES, GATHER_PAGES_TABLES * GATHER_TABLE), "munmap");
	mark(GATHER_PAGES_GONE, "pages_gone");
	dontneed(GATHER_SHARED, GATHER_SHARED_PAGES * page);
	mark(GATHER_SHARED_GONE, "shared_gone");
	dontneed(GATHER_ONE, GATHER_TABLE);
	mark(GATHER_ONE_GONE, "one_gone");
	must(!munmap((void *)GATHER_MANY, GATHER_MANY_TABLES * GATHER_TABLE), "munmap");
	mark(GATHER_MANY_GONE, "many_gone");
	/* Waits for a grace period, with more than one CPU; rcu.py looks at the one who waits. */
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
	return 0;
}
