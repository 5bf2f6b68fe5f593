// SPDX-License-Identifier: GPL-2.0
/*
 * Description: a process whose host mappings go stale in a kernel that has the
 * bugs (docs/uml-bugs.md, 1), for the tests of pt-host. It writes what it sees
 * itself to a file on the shared folder: pagemap, and how many pages it could read
 * that the kernel had taken away. It calls madvise() as scenario.c does, for
 * the test to stop it.
 *
 * usage: stale FACTS-FILE
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../guest/lib/proc.h"
#include "must.h"
#include "scenario.h"
#include "stale.h"

#define PRESENT (1ULL << 63)

static const size_t page = 4096;
static FILE *facts;
static sigjmp_buf on_signal;

static char *map_at(uintptr_t at, size_t len, int flags, int fd)
{
	char *where = mmap((void *)at, len, PROT_READ | PROT_WRITE, flags | MAP_FIXED_NOREPLACE, fd, 0);

	must(where == (char *)at, "mmap");
	return where;
}

static char *map_private(uintptr_t at)
{
	return map_at(at, STALE_TABLE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static void fill(char *at, size_t len, size_t stride)
{
	for (size_t i = 0; i < len; i += stride)
		at[i] = 'u';
}

static void handler(int sig)
{
	(void)sig;
	siglongjmp(on_signal, 1);
}

/*
 * How many pages can be read where nothing is mapped, says pagemap, and do not read
 * as `fresh` (-1: reading raises a signal).
 */
static int count_stale(const char *at, size_t len, int fresh)
{
	volatile int stale = 0;

	for (volatile size_t i = 0; i < len; i += page) {
		if (pagemap_entry(at + i) & PRESENT)
			continue;
		if (!sigsetjmp(on_signal, 1) && *(volatile const char *)(at + i) != fresh)
			stale++;
	}
	return stale;
}

static void fact(const char *name, int value)
{
	must(fprintf(facts, "%s %d\n", name, value) > 0 && !fflush(facts), "facts");
}

static void write_pages(uintptr_t start, size_t len)
{
	for (size_t i = 0; i < len; i += page)
		fprintf(facts, "page %#" PRIxPTR " %#llx\n", start + i, pagemap_entry((void *)(start + i)));
}

static int file_of(size_t pages)
{
	int fd = memfd_create("stale", MFD_CLOEXEC);

	must(fd >= 0 && !ftruncate(fd, (off_t)(pages * page)), "memfd");
	return fd;
}

static void build(void)
{
	char *at;

	fill(map_private(STALE_ANCHOR), page, page);
	fill(map_private(STALE_REPLACED), STALE_TABLE, page);
	fill(map_private(STALE_EMPTIED), STALE_TABLE, page);
	fill(map_private(STALE_SPARSE), STALE_TABLE, 2 * page);
	at = map_at(STALE_CLEAN, STALE_CLEAN_PAGES * page, MAP_SHARED, file_of(STALE_CLEAN_PAGES));
	for (size_t i = 0; i < STALE_CLEAN_PAGES; i++)
		must(*(volatile char *)(at + i * page) == 0, "read of a memfd");
	at = map_private(STALE_PROTNONE);
	fill(at, 4 * page, page);
	must(!mprotect(at, 4 * page, PROT_NONE), "mprotect");
	write_pages(STALE_REPLACED, STALE_TABLE);
	write_pages(STALE_EMPTIED, STALE_TABLE);
	write_pages(STALE_SPARSE, STALE_TABLE);
	write_pages(STALE_CLEAN, STALE_CLEAN_PAGES * page);
	fact("pid", getpid());
}

/* Where a test stops: do_madvise() if behavior == SCENARIO_MARK; `step` is its len_in. */
static void mark(size_t step)
{
	syscall(SYS_madvise, STALE_ANCHOR, step, SCENARIO_MARK);
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = handler };
	char *at = (char *)STALE_REPLACED;

	if (argc < 2) {
		fprintf(stderr, "usage: stale FACTS-FILE\n");
		return 2;
	}
	facts = fopen(argv[1], "w");
	must(facts != NULL, argv[1]);
	sigaction(SIGBUS, &act, NULL);
	sigaction(SIGSEGV, &act, NULL);
	build();
	mark(SCENARIO_BUILT);

	must(mmap(at, STALE_TABLE, PROT_READ, MAP_SHARED | MAP_FIXED | MAP_POPULATE, file_of(1), 0) == at, "mmap");
	fact("replaced_stale", count_stale(at, STALE_TABLE, -1));
	mark(STALE_POPULATED);

	at = (char *)STALE_EMPTIED;
	must(!madvise(at, STALE_TABLE, MADV_DONTNEED), "MADV_DONTNEED");
	mark(STALE_GONE);
	fact("emptied_stale", count_stale(at, STALE_TABLE, 0));
	mark(STALE_READ);
	return 0;
}
