// SPDX-License-Identifier: GPL-2.0
/*
 * Description: MADV_COLLAPSE puts a huge page in the place of a PTE table that MADV_DONTNEED may take out at the same
 * time: anonymous memory, and a file, whose collapse takes the tables of all who map it (retract_page_tables()), under
 * the PMD's and the table's lock but not under mmap_lock. Needs huge pages, which UML has not got.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/guest.h"
#include "lib/race.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define RACE_MS 800
#define TABLES	2
#define WORDS	(PAGE / sizeof(unsigned long))
#define HOLE	3UL	/* the page that is punched, so that there is something to collapse again */

/* How many collapses have succeeded, in all processes. */
static long *collapsed;

static void collapse(struct party *me, char *table)
{
	if (!madvise(table, TABLE_SPAN, MADV_COLLAPSE))
		__atomic_add_fetch(collapsed, 1, __ATOMIC_RELAXED);
	else if (errno != EAGAIN && errno != EBUSY && errno != ENOMEM && errno != EINVAL)
		race_wrong("%s: MADV_COLLAPSE of %p: %s", me->name, (void *)table, strerror(errno));
}

/* Whether this kernel has huge pages at all; skips the test if not. */
static int has_huge_pages(void)
{
	char *map = map_anon(1);

	collapsed = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	require(collapsed != MAP_FAILED, "mmap: %s", strerror(errno));
	fill_sparse(map, TABLE_SPAN, 1);
	if (madvise(map, TABLE_SPAN, MADV_COLLAPSE) == 0)
		return 1;
	skip("no huge pages: MADV_COLLAPSE: %s", strerror(errno));
	return 0;
}

/* ---- anonymous memory ---- */

static void anon_collapser(struct party *me)
{
	struct ledger *l = the_ledger();

	collapse(me, l->base + party_random(me, l->tables) * TABLE_SPAN);
}

START_TEST(anonymous_memory)
{
	static const struct party parties[] = {
		PARTY("reclaimer", reclaimer, 0, 10, NULL),
		PARTY("collapser", anon_collapser, 0, 10, NULL),
		PARTY("writer", writer, URGENT, 25, NULL),
		PARTY("reader", reader, URGENT, 50, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 2, NULL),
	};

	if (!has_huge_pages())
		return;
	ledger_open(map_anon(TABLES), TABLES, 1);
	race(parties, 5, RACE_MS);
	require(skipped() || *collapsed > 0, "no collapse succeeded: that was no race");
	dontneed(the_ledger()->base, TABLES * TABLE_SPAN);
	expect_zero(the_ledger()->base, TABLES * TABLE_SPAN);
}
END_TEST

/* ---- a file that two processes map ---- */

static int file;
static unsigned long *map;

static unsigned long word_of(size_t page)
{
	return 0xf11e000000UL + page;
}

/* In a process of its own: writes, collapses, and punches a hole, which splits. */
static void file_collapser(struct party *me)
{
	static char *own;

	if (!own) {
		own = (char *)map_tables(TABLES, MAP_SHARED, file);
		for (size_t page = 0; page < TABLES * TABLE_PAGES; page++)
			*(unsigned long *)(own + page * PAGE) = word_of(page);
	}
	collapse(me, own + (size_t)(me->done % TABLES) * TABLE_SPAN);
	for (size_t table = 0; table < TABLES; table++) {
		const size_t page = table * TABLE_PAGES + HOLE;

		if (fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(page * PAGE), PAGE) < 0)
			race_wrong("%s: fallocate: %s", me->name, strerror(errno));
		*(volatile unsigned long *)(own + page * PAGE) = word_of(page);
	}
}

static void file_reclaimer(struct party *me)
{
	const size_t table = party_random(me, TABLES);

	race_advise(me, map + table * TABLE_PAGES * WORDS, TABLE_SPAN, MADV_DONTNEED, "MADV_DONTNEED");
}

static void file_reader(struct party *me)
{
	for (int n = 0; n < 32; n++) {
		const size_t page = party_random(me, TABLES * TABLE_PAGES);
		const unsigned long got = __atomic_load_n(map + page * WORDS, __ATOMIC_SEQ_CST);

		if (got != word_of(page) && (got || page % TABLE_PAGES != HOLE))
			race_wrong("%s: page %zu of the file reads 0x%lx, expected 0x%lx; pagemap entry 0x%llx: a table that went while it was collapsed?",
				   me->name, page, got, word_of(page), pagemap_entry(map + page * WORDS));
	}
}

START_TEST(a_file)
{
	static const struct party parties[] = {
		PARTY("collapser", file_collapser, AS_PROCESS, 10, NULL),
		PARTY("reclaimer", file_reclaimer, 0, 50, NULL),
		PARTY("reader", file_reader, URGENT, 50, NULL),
		PARTY("other reader", file_reader, 0, 50, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 2, NULL),
	};

	if (!has_huge_pages())
		return;
	file = memfd_create("race-collapse", MFD_CLOEXEC);
	require(file >= 0, "memfd_create: %s", strerror(errno));
	require(ftruncate(file, TABLES * (off_t)TABLE_SPAN) == 0, "ftruncate: %s", strerror(errno));
	map = (unsigned long *)map_tables(TABLES, MAP_SHARED, file);
	for (size_t page = 0; page < TABLES * TABLE_PAGES; page++)
		map[page * WORDS] = word_of(page);
	race(parties, 5, RACE_MS);
	require(skipped() || *collapsed > 0, "no collapse succeeded: that was no race");
	for (size_t page = 0; page < TABLES * TABLE_PAGES; page++)
		require(map[page * WORDS] == word_of(page), "page %zu of the file reads 0x%lx, expected 0x%lx", page, map[page * WORDS], word_of(page));
	close(file);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("race-collapse", argc, argv);
	suite_modes("seccomp/2");
	suite_add_race(anonymous_memory);
	suite_add_race(a_file);
	return suite_end();
}
