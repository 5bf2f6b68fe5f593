// SPDX-License-Identifier: GPL-2.0
/*
 * Description: two threads empty the same pages, and each reads zeroes as soon as its own
 * call is over. The second one finds entries that the first has cleared and not
 * flushed yet: tlb_finish_mmu() has to flush for it what it has not gathered itself.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "lib/guest.h"
#include "lib/race.h"

#define RACE_MS 400
#define TABLES	8	/* what the first thread empties: it takes its time */
#define PAGES	8	/* what the second one does, at the beginning of it */
#define WORDS	(PAGE / sizeof(unsigned long))

static unsigned long *map;
static unsigned long rounds;	/* odd: full, and being emptied; even: being filled */
static unsigned long met;	/* calls of the second within one of the first */

static unsigned long state(void)
{
	return __atomic_load_n(&rounds, __ATOMIC_SEQ_CST);
}

/* Fills the tables, and empties them in one call. */
static void first(struct party *me)
{
	race_advise(me, map, TABLES * TABLE_SPAN, MADV_POPULATE_WRITE, "MADV_POPULATE_WRITE");
	for (size_t page = 0; page < PAGES; page++)
		__atomic_store_n(map + page * WORDS, 0xf111ed0000UL + page, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&rounds, 1, __ATOMIC_SEQ_CST);
	race_advise(me, map, TABLES * TABLE_SPAN, MADV_DONTNEED, "MADV_DONTNEED");
	__atomic_add_fetch(&rounds, 1, __ATOMIC_SEQ_CST);
}

/* Empties some of it meanwhile. Nobody writes there before the first is through. */
static void second(struct party *me)
{
	const unsigned long before = state();

	if (!(before & 1))
		return;
	race_advise(me, map, PAGES * PAGE, MADV_DONTNEED, "MADV_DONTNEED");
	for (size_t page = 0; page < PAGES; page++) {
		const unsigned long got = __atomic_load_n(map + page * WORDS, __ATOMIC_SEQ_CST);

		if (state() != before)
			return;
		met++;
		if (!got)
			continue;
		race_wrong("%s: page %zu reads 0x%lx after MADV_DONTNEED of it, while another thread was emptying its table as well; nobody has written since; pagemap entry 0x%llx: cleared, but not flushed?",
			   me->name, page, got, pagemap_entry(map + page * WORDS));
		return;
	}
}

START_TEST(both_read_zeroes)
{
	static const struct party parties[] = {
		PARTY("first", first, 0, 15, NULL),
		PARTY("second", second, URGENT, 60, NULL),
	};

	map = (unsigned long *)map_anon(TABLES);
	race(parties, 2, RACE_MS);
	/* With one CPU they take turns, and may never meet. */
	require(skipped() || met > 0 || sysconf(_SC_NPROCESSORS_ONLN) == 1, "the second thread never came while the first one emptied its tables: that was no race");
	expect_zero((char *)map, TABLE_SPAN);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("race-empty", argc, argv);
	suite_modes("seccomp/1 seccomp/2");
	suite_add_race(both_read_zeroes);
	return suite_end();
}
