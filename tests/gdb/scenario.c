// SPDX-License-Identifier: GPL-2.0
/*
 * Description: a process whose page tables are known, for the tests of the gdb
 * commands. It makes one mapping of each kind at a fixed place, writes what the
 * kernel's own interfaces say of them (VmPTE, pagemap, maps) to a file on the
 * shared folder, and calls madvise() with an advice that no kernel knows: there
 * the test stops it and compares. After that it frees tables, once a step, each
 * announced by the same call with the step's number as length.
 *
 * usage: scenario FACTS-FILE [PAUSE-SECONDS]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../guest/lib/proc.h"
#include "must.h"
#include "scenario.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

static const size_t page = 4096;

static char *map_at(uintptr_t at, size_t len, int prot, int flags, int fd)
{
	char *where = mmap((void *)at, len, prot, flags | MAP_FIXED_NOREPLACE, fd, 0);

	must(where == (char *)at, "mmap");
	return where;
}

static void fill(char *at, size_t len, size_t stride)
{
	for (size_t i = 0; i < len; i += stride)
		at[i] = 'u';
}

/* One mapping of each kind; scenario.h says what is where. */
static void build(void)
{
	int memfd = memfd_create("scenario", 0);
	char *at;

	must(memfd >= 0 && !ftruncate(memfd, SCENARIO_TABLE), "memfd");

	fill(map_at(SCENARIO_FULL, SCENARIO_TABLE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1),
	     SCENARIO_TABLE, page);
	fill(map_at(SCENARIO_SPARSE, 4 * SCENARIO_TABLE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1),
	     4 * SCENARIO_TABLE, SCENARIO_STRIDE);

	/* Emptied in two halves: no call covers the table, so that every kernel keeps it. */
	at = map_at(SCENARIO_EMPTY, SCENARIO_TABLE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	fill(at, SCENARIO_TABLE, page);
	must(!madvise(at, SCENARIO_TABLE / 2, MADV_DONTNEED) &&
	     !madvise(at + SCENARIO_TABLE / 2, SCENARIO_TABLE / 2, MADV_DONTNEED), "MADV_DONTNEED");

	at = map_at(SCENARIO_GUARD, SCENARIO_TABLE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	fill(at, 8 * page, page);
	must(!madvise(at + 8 * page, SCENARIO_GUARDS * page, MADV_GUARD_INSTALL), "MADV_GUARD_INSTALL");

	at = map_at(SCENARIO_PROTNONE, SCENARIO_TABLE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	fill(at, 4 * page, page);
	must(!mprotect(at, 4 * page, PROT_NONE), "mprotect");

	at = map_at(SCENARIO_ZERO, SCENARIO_TABLE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	must(*(volatile char *)at == 0, "read of the zero page");

	fill(map_at(SCENARIO_SHARED, SCENARIO_TABLE, PROT_READ | PROT_WRITE, MAP_SHARED, memfd),
	     16 * page, page);
	close(memfd);
}

/* A frame number in pagemap has 55 bits; only root sees it. */
static void write_pages(FILE *f, uintptr_t start, size_t len)
{
	for (size_t i = 0; i < len; i += page)
		fprintf(f, "page %#" PRIxPTR " %#llx\n", start + i, pagemap_entry((void *)(start + i)));
}

static void copy_lines(FILE *f, const char *name, const char *file)
{
	char line[512];
	FILE *in = fopen(file, "r");

	must(in != NULL, file);
	while (fgets(line, sizeof(line), in))
		fprintf(f, "%s %s", name, line);
	fclose(in);
}

/* What the kernel says of itself; read last, since writing takes no tables any more. */
static void write_facts(const char *file)
{
	FILE *f = fopen(file, "w");

	must(f != NULL, file);
	fprintf(f, "pid %d\n", getpid());
	write_pages(f, SCENARIO_FULL, SCENARIO_TABLE);
	write_pages(f, SCENARIO_SPARSE, 4 * SCENARIO_TABLE);
	write_pages(f, SCENARIO_EMPTY, SCENARIO_TABLE);
	write_pages(f, SCENARIO_GUARD, SCENARIO_TABLE);
	write_pages(f, SCENARIO_PROTNONE, SCENARIO_TABLE);
	write_pages(f, SCENARIO_ZERO, SCENARIO_TABLE);
	write_pages(f, SCENARIO_SHARED, SCENARIO_TABLE);
	copy_lines(f, "maps", "/proc/self/maps");
	fflush(f);
	fprintf(f, "page_tables_kb %ld\n", page_tables_quiet_kb());
	fprintf(f, "vmpte_kb %ld\n", vmpte_kb());
	must(!fclose(f), file);
}

/* Where a test stops: do_madvise() if behavior == SCENARIO_MARK; `step` is its len_in. */
static void mark(size_t step)
{
	syscall(SYS_madvise, SCENARIO_FULL, step, SCENARIO_MARK);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: scenario FACTS-FILE [PAUSE-SECONDS]\n");
		return 2;
	}
	build();
	write_facts(argv[1]);
	mark(SCENARIO_BUILT);
	if (argc > 2)
		sleep(atoi(argv[2]));
	must(!madvise((void *)SCENARIO_FULL, SCENARIO_TABLE, MADV_DONTNEED), "MADV_DONTNEED");
	mark(SCENARIO_RECLAIMED);
	must(!munmap((void *)SCENARIO_SPARSE, 4 * SCENARIO_TABLE), "munmap");
	mark(SCENARIO_UNMAPPED);
	return 0;
}
