// SPDX-License-Identifier: GPL-2.0
/*
 * Description: UML: what the host still maps after a PTE table went away. UML
 * keeps a NEEDSYNC bit in its page tables and unmaps on the host later, in
 * um_tlb_sync(); where the bit gets lost, the process goes on reading pages
 * that the kernel has freed, though its PTEs say that nothing is there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/guest.h"
#include "lib/removal.h"

#define PRESENT (1ULL << 63)
#define SEED 0x5a

/* ---- reading a page that may not be there ---- */

static sigjmp_buf on_bus;

static void bus_handler(int sig)
{
	(void)sig;
	siglongjmp(on_bus, 1);
}

/* The first word of the page, or -1 where it can't be read (SIGBUS, SIGSEGV). */
static long peek(const char *at)
{
	if (sigsetjmp(on_bus, 1))
		return -1;
	return *(volatile const int *)at;
}

/* With ROUNDS, time is for the rounds: a look at some pages, the last of each table among them,
 * which is stale whenever one before it is. Each look costs a page fault. */
static int looked_at(size_t page)
{
	return !race_rounds(0) || page % 16 == 0 || page % TABLE_PAGES == TABLE_PAGES - 1;
}

/*
 * Each page of the range that pagemap calls "not present" reads `expected` (0,
 * or -1 for "a signal"). Pages that are present are somebody's, and not looked at.
 */
static void expect_nothing_stale(const char *at, size_t len, long expected, const char *where)
{
	struct sigaction act = { .sa_handler = bus_handler };
	size_t stale = 0, first = 0;
	long got, first_got = 0;

	sigaction(SIGBUS, &act, NULL);
	sigaction(SIGSEGV, &act, NULL);
	for (size_t page = 0; page < len / PAGE; page++) {
		const char *p = at + page * PAGE;

		if (!looked_at(page) || pagemap_entry(p) & PRESENT)
			continue;
		got = peek(p);
		if (got == expected)
			continue;
		if (!stale++) {
			first = page;
			first_got = got;
		}
	}
	ck_assert_msg(stale == 0,
		"%zu of %zu pages read memory that was freed: table %zu page %zu read 0x%lx, expected %s, and pagemap says that it is not present: the host still maps it (%s)",
		stale, len / PAGE, first / TABLE_PAGES, first % TABLE_PAGES, first_got,
		expected ? "a signal" : "0", where);
}

/*
 * Cause a: mmu_gather runs out of batches in the middle of a table (about every
 * 18 tables) and marks what it has so far; then the table is reclaimed. A sync
 * that comes now, for another thread that faults, unmaps up to the mark and
 * takes the bit off the whole PMD. What lies behind is marked a moment later.
 */
struct toucher {
	char *map;
	size_t tables;
	volatile int stop;
};

static void *touch_tables(void *arg)
{
	struct toucher *t = arg;

	while (!t->stop)
		for (size_t i = 0; i < t->tables && !t->stop; i++)
			*(volatile char *)(t->map + i * TABLE_SPAN) = 1;
	return NULL;
}

START_TEST(tail_behind_a_partial_flush_is_unmapped)
{
	/* Long behind the partial flush: that is the time for a sync to come. Many rounds have time
	 * enough, and libcheck can't count that of a test of more than 35 minutes. */
	const size_t tables = race_rounds(0) ? 24 : 36, len = tables * TABLE_SPAN;
	struct toucher toucher = { .map = map_anon(tables), .tables = tables };
	const char *point = getenv("POINT");
	pthread_t thread;

	if (point && strncmp(point, "series", 6) == 0 && !getenv("KNOWN_BUG")) {
		skip("with two CPUs, or in a slow kernel, the thread rarely comes back at that moment, and this kernel has the bug: see it on one, in flavour fast or debug");
		return;
	}
	for (long round = 0; round < race_rounds(getenv("KNOWN_BUG") ? 20 : 1); round++) {
		/* All faults in one call; what the host maps is the same afterwards. */
		if (race_rounds(0))
			madvise(toucher.map, len, MADV_POPULATE_WRITE);
		fill(toucher.map, len, SEED);
		toucher.stop = 0;
		require(pthread_create(&thread, NULL, touch_tables, &toucher) == 0,
			"pthread_create failed");
		dontneed(toucher.map, len);
		toucher.stop = 1;
		pthread_join(thread, NULL);
		/* Pages that the thread touched after the fact are present. */
		expect_nothing_stale(toucher.map, len, 0, HERE);
		dontneed(toucher.map, len);
	}
}
END_TEST

/*
 * Cause b: the PMD gets a new table before anyone synced what the old one had,
 * and pmd_populate() overwrites the bit. The moment is made certain: after the
 * first of its ranges process_madvise() sleeps in the kernel until somebody has
 * read the userfaultfd event of the second one, and who reads it, from inside a
 * system call too, has the event written to where the first range was.
 */
START_TEST(table_populated_again_before_the_sync)
{
	char *map = map_anon(1), *second = map_anon(1);
	/* In the last page, so that 511 others are left to be stale. */
	struct uffd_msg *msg = (struct uffd_msg *)(map + TABLE_SPAN - PAGE);
	struct held held;

	fill(map, TABLE_SPAN, SEED);
	held_start_for_read(&held, map, second, TABLE_SPAN);
	held_end(&held, msg);
	expect_nothing_stale(map, TABLE_SPAN - PAGE, 0, HERE);
}
END_TEST

/* ---- the same causes where nothing is reclaimed: in one call each ---- */

/* A file of one page, so that all else of a mapping of it raises SIGBUS. */
static int file_of_one_page(void)
{
	int fd = memfd_create("one-page", MFD_CLOEXEC);

	require(fd >= 0 && ftruncate(fd, PAGE) == 0, "memfd: %s", strerror(errno));
	return fd;
}

START_TEST(mmap_fixed_populate_over_a_full_table)
{
	char *map = map_anon(1), *got;
	int fd = file_of_one_page();

	fill(map, TABLE_SPAN, SEED);
	got = mmap(map, TABLE_SPAN, PROT_READ, MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, 0);
	require(got == map, "mmap(MAP_FIXED): %s", strerror(errno));
	require(peek(map) == 0, "the file's page reads 0x%lx, expected 0", peek(map));
	expect_nothing_stale(map, TABLE_SPAN, -1, HERE);
}
END_TEST

/* Tables of 1 GiB and more: the PUD's bit, and the PMDs below. */
START_TEST(mmap_fixed_populate_over_a_full_pmd_table)
{
	const size_t giga = 1UL << 30;
	char *raw = mmap(NULL, 3 * giga, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *map = (char *)(((unsigned long)raw + giga) & ~(giga - 1)), *got;
	int fd = file_of_one_page();

	require(raw != MAP_FAILED, "mmap of 3 GiB: %s", strerror(errno));
	/* Around it nothing, so that the PMD table goes too. */
	munmap(raw, 3 * giga);
	got = mmap(map, giga, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	require(got == map, "mmap(MAP_FIXED): %s", strerror(errno));
	fill_sparse(map, giga, SEED);
	got = mmap(map, giga, PROT_READ, MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, 0);
	require(got == map, "mmap(MAP_FIXED): %s", strerror(errno));
	for (size_t i = 1; i < giga / TABLE_SPAN; i++)
		expect_nothing_stale(map + i * TABLE_SPAN, PAGE, -1, HERE);
	munmap(map, giga);
}
END_TEST

START_TEST(mremap_of_one_page_over_a_full_table)
{
	char *target = map_anon(1), *source = map_anon(1), *got;

	fill(target, TABLE_SPAN, SEED);
	*source = 7;
	got = mremap(source, TABLE_SPAN, TABLE_SPAN, MREMAP_MAYMOVE | MREMAP_FIXED, target);
	require(got == target, "mremap: %s", strerror(errno));
	require(*target == 7, "the moved page reads %d, expected 7", *target);
	expect_nothing_stale(target + PAGE, TABLE_SPAN - PAGE, 0, HERE);
}
END_TEST

/* munmap in one thread, mmap in another that has waited for the lock meanwhile. */
struct remapper {
	char *map;
	int fd;
	volatile int go;
};

static void *remap_same_place(void *arg)
{
	struct remapper *r = arg;

	while (!r->go)
		sched_yield();
	while (mmap(r->map, TABLE_SPAN, PROT_READ,
		    MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, r->fd, 0) != r->map)
		;
	return NULL;
}

START_TEST(munmap_then_mmap_in_another_thread)
{
	struct remapper r = { .map = map_anon(1), .fd = file_of_one_page() };
	pthread_t thread;

	/* Where the other thread comes before the sync by chance, as it does in a slow kernel. */
	if (skip_unmended("uml-bugs.md 1b: populating an entry loses its bit"))
		return;
	for (long round = 0; round < race_rounds(10); round++) {
		r.go = 0;
		fill(r.map, TABLE_SPAN, SEED);
		require(pthread_create(&thread, NULL, remap_same_place, &r) == 0,
			"pthread_create failed");
		r.go = 1;
		require(munmap(r.map, TABLE_SPAN) == 0, "munmap: %s", strerror(errno));
		pthread_join(thread, NULL);
		expect_nothing_stale(r.map, TABLE_SPAN, -1, HERE);
		require(mmap(r.map, TABLE_SPAN, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == r.map,
			"mmap: %s", strerror(errno));
	}
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("uml-stale", argc, argv);
	suite_modes("ptrace/1 seccomp/2");
	suite_add_slow(tail_behind_a_partial_flush_is_unmapped, race_rounds(0) ? 3600 : 100);
	suite_add(table_populated_again_before_the_sync);
	suite_add(mmap_fixed_populate_over_a_full_table);
	suite_add(mmap_fixed_populate_over_a_full_pmd_table);
	suite_add(mremap_of_one_page_over_a_full_table);
	suite_add_slow(munmap_then_mmap_in_another_thread, race_rounds(0) ? 3600 : 60);
	return suite_end();
}
