// SPDX-License-Identifier: GPL-2.0
/*
 * Description: while one thread empties a large range, another process takes new pages
 * and marks them, and a third thread looks at the range: a mark there means that a page was
 * freed, and became somebody else's, before the range was flushed (tlb_flush_mmu(): flush,
 * then free; CVE-2018-18281). A guard marker keeps each table, since tlb_table_flush()
 * flushes, too, before it frees one.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "lib/guest.h"
#include "lib/race.h"

#define RACE_MS 600
#define TABLES	6	/* what the first thread empties: freeing it takes its time */
#define RANGE	(TABLES * TABLE_SPAN)
#define TAKEN	16UL	/* new pages at a time */
#define WORDS	(PAGE / sizeof(unsigned long))
#define MARK	0x0ddba11c0ffeeUL

static unsigned long *map, *scratch;
static unsigned long *rounds;	/* odd: full, and being emptied; even: being filled; shared */

static unsigned long state(void)
{
	return __atomic_load_n(rounds, __ATOMIC_SEQ_CST);
}

/* The first page of each table is a guard region. */
static int is_guard(size_t page)
{
	return page % TABLE_PAGES == 0;
}

static void fill_range(struct party *me)
{
	for (size_t page = 1; page < RANGE / PAGE; page += TABLE_PAGES)
		race_advise(me, map + page * WORDS, TABLE_SPAN - PAGE, MADV_POPULATE_WRITE, "MADV_POPULATE_WRITE");
	for (size_t page = 0; page < RANGE / PAGE; page++)
		if (!is_guard(page))
			map[page * WORDS] = ~page;
}

static void emptier(struct party *me)
{
	fill_range(me);
	__atomic_add_fetch(rounds, 1, __ATOMIC_SEQ_CST);
	race_advise(me, map, RANGE, MADV_DONTNEED, "MADV_DONTNEED");
	__atomic_add_fetch(rounds, 1, __ATOMIC_SEQ_CST);
}

/*
 * Another process on the emptier's CPU, which it gets whenever the emptier, in the middle of
 * freeing, may be scheduled away. It keeps what it takes, or it would get its own pages again.
 */
static void taker(struct party *me)
{
	static size_t taken;

	if (!(state() & 1)) {
		if (taken)
			race_advise(me, scratch, TABLE_SPAN, MADV_DONTNEED, "MADV_DONTNEED");
		taken = 0;
	}
	for (size_t n = 0; n < TAKEN && taken < TABLE_PAGES && (state() & 1); n++, taken++)
		scratch[taken * WORDS] = MARK;
}

/*
 * On the other CPU: looks for a mark, round and round, and stays in user space as long as the
 * pages read what they should: on UML each way back from the kernel would flush what is due.
 * The first page that reads zero has been flushed, and ends the look.
 */
static void looker(struct party *me)
{
	while (!(state() & 1))
		if (race_over())
			return;
	for (size_t page = 1; page < RANGE / PAGE; page++) {
		unsigned long got;

		if (is_guard(page))
			continue;
		got = __atomic_load_n(map + page * WORDS, __ATOMIC_SEQ_CST);
		if (!got)
			return;
		if (got == ~page)
			continue;
		race_wrong("%s: page %zu of the range that another thread empties reads 0x%lx%s; pagemap entry 0x%llx: freed before it was flushed?",
			   me->name, page, got, got == MARK ? ", what another process wrote to a page of its own" : "",
			   pagemap_entry(map + page * WORDS));
		return;
	}
}

START_TEST(freed_pages_cannot_be_reached)
{
	static const struct party parties[] = {
		PARTY("emptier", emptier, 0, 2, NULL),
		PARTY("looker", looker, BUSY, 100, NULL),
		/* The third is on the CPU of the first: race() takes turns. */
		PARTY("taker", taker, AS_PROCESS | URGENT, 20, NULL),
	};

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		skip("one CPU: nobody looks while another one frees");
		return;
	}
	map = (unsigned long *)map_anon(TABLES);
	scratch = (unsigned long *)map_anon(1);
	rounds = (unsigned long *)map_tables(1, MAP_SHARED | MAP_ANONYMOUS, -1);
	for (size_t page = 0; page < RANGE / PAGE; page += TABLE_PAGES)
		advise((char *)(map + page * WORDS), PAGE, MADV_GUARD_INSTALL, "MADV_GUARD_INSTALL");
	race(parties, 3, RACE_MS);
	for (size_t page = 1; page < RANGE / PAGE; page += TABLE_PAGES)
		expect_zero((char *)(map + page * WORDS), TABLE_SPAN - PAGE);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("race-freed", argc, argv);
	suite_modes("seccomp/2");
	suite_add_race(freed_pages_cannot_be_reached);
	return suite_end();
}
