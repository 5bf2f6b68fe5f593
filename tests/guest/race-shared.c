// SPDX-License-Identifier: GPL-2.0
/*
 * Description: shared memory is reclaimed while others write to it. Its dirty pages make
 * zap_pte_range() flush before it drops the lock and free them after that, at which point it
 * may be scheduled away: with the entries cleared, and the table still to be looked at.
 * The file keeps what was written; what must not happen is that a page goes away
 * with its table and stays mapped for ever in the books of the mm.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/guest.h"
#include "lib/inject.h"
#include "lib/race.h"

#define RACE_MS 400
#define FEW 12UL	/* more than the mmu_gather holds without a batch page: MMU_GATHER_BUNDLE */

static unsigned long *map;

static unsigned long *word(size_t page)
{
	return map + page * (PAGE / sizeof(*map));
}

/* Pages that the mm counts and no page table maps, in kB: the kernel finds the latter
 * by walking the tables (smaps_rollup). All kinds, since the program lies in a tmpfs too. */
static long lost_kb(void)
{
	long mapped = proc_number("/proc/self/smaps_rollup", "Rss");
	long counted = proc_number("/proc/self/status", "VmRSS");

	require(mapped >= 0 && counted >= 0, "smaps_rollup, status: cannot read: %s", strerror(errno));
	return counted - mapped;
}

/* Fills the table with dirty pages in the kernel, and empties it. */
static void taker(struct party *me)
{
	race_advise(me, map, TABLE_SPAN, MADV_POPULATE_WRITE, "MADV_POPULATE_WRITE");
	race_advise(me, map, TABLE_SPAN, MADV_DONTNEED, "MADV_DONTNEED");
}

/* The same, short of memory for batches: the lock is dropped every few pages. */
static void taker_short_of_memory(struct party *me)
{
	if (!me->done)
		inject_start(NULL, 0, EVERY_TIME);
	taker(me);
}

/* Writes one page and reads it again: what was written stays, in the file. */
static void put_and_look(struct party *me, size_t page)
{
	const unsigned long value = (unsigned long)me->done + 1;
	unsigned long got;

	__atomic_store_n(word(page), value, __ATOMIC_SEQ_CST);
	got = __atomic_load_n(word(page), __ATOMIC_SEQ_CST);
	if (got != value)
		race_wrong("%s: page %zu of shared memory reads 0x%lx right after 0x%lx was written; pagemap entry 0x%llx",
			   me->name, page, got, value, pagemap_entry(word(page)));
}

static void writer_of_the_first(struct party *me)
{
	put_and_look(me, 0);
}

static void writer_of_the_last(struct party *me)
{
	put_and_look(me, TABLE_PAGES - 1);
}

/* Each page has one writer, which so knows what it must read. */
static void writer_of_odd(struct party *me)
{
	put_and_look(me, 1 + 2 * party_random(me, TABLE_PAGES / 2 - 1));
}

static void writer_of_even(struct party *me)
{
	put_and_look(me, 2 + 2 * party_random(me, TABLE_PAGES / 2 - 1));
}

/*
 * A few pages: the lock is dropped once amid them, and once more, to free the last ones, before the
 * table is looked at again. There the other taker may have had it.
 */
static void taker_of_few(struct party *me)
{
	if (!me->done)
		inject_start(NULL, 0, EVERY_TIME);
	race_advise(me, map, FEW * PAGE, MADV_POPULATE_WRITE, "MADV_POPULATE_WRITE");
	race_advise(me, map, TABLE_SPAN, MADV_DONTNEED, "MADV_DONTNEED");
}

static void other_taker(struct party *me)
{
	race_advise(me, map, TABLE_SPAN, MADV_DONTNEED, "MADV_DONTNEED");
}

/* One race over one table. All that it mapped must be gone from the books afterwards. */
static void race_for_it(const struct party *parties, size_t n, int ms)
{
	long lost = lost_kb(), vmpte = vmpte_kb();

	map = (unsigned long *)map_tables(1, MAP_SHARED | MAP_ANONYMOUS, -1);
	race(parties, n, ms);
	dontneed((char *)map, TABLE_SPAN);
	lost = lost_kb() - lost;
	require(lost == 0, "VmRSS counts %ld kB more than the page tables map: %ld pages went away with their tables",
		lost, lost / 4);
	/* Threads leave stacks and arenas of malloc. */
	require(vmpte_kb() <= vmpte + (1 - reclaimed(1) + 8) * TABLE_KB,
		"VmPTE is %ld kB after all was emptied, %ld kB before the race with one table (%s)",
		vmpte_kb(), vmpte, expectation());
}

static void race_with_writers(void (*take)(struct party *me))
{
	const struct party parties[] = {
		PARTY("taker", take, 0, 10, NULL),
		PARTY("writer of the first page", writer_of_the_first, URGENT, 25, NULL),
		PARTY("writer of the last page", writer_of_the_last, URGENT, 25, NULL),
		PARTY("writer", writer_of_odd, URGENT, 25, NULL),
		PARTY("busy writer", writer_of_even, 0, 50, NULL),
	};

	race_for_it(parties, 5, RACE_MS);
}

START_TEST(written_while_it_is_emptied)
{
	race_with_writers(taker);
}
END_TEST

START_TEST(written_while_the_lock_is_dropped)
{
	race_with_writers(taker_short_of_memory);
	require(skipped() || inject_hits() > 100, "%d allocations of a batch page failed: the injection missed", inject_hits());
}
END_TEST

START_TEST(two_take_the_same_table)
{
	static const struct party parties[] = {
		PARTY("taker of few", taker_of_few, 0, 10, NULL),
		PARTY("other taker", other_taker, BUSY, 10, NULL),
	};

	race_for_it(parties, 2, 3 * RACE_MS);
	require(skipped() || inject_hits() > 10, "%d allocations of a batch page failed: the injection missed", inject_hits());
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("race-shared", argc, argv);
	suite_modes("seccomp/1 seccomp/2");
	suite_add_race(written_while_it_is_emptied);
	suite_add_race(written_while_the_lock_is_dropped);
	suite_add_race(two_take_the_same_table);
	return suite_end();
}
