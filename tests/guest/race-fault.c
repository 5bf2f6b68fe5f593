// SPDX-License-Identifier: GPL-2.0
/*
 * Description: MADV_DONTNEED takes tables out while other threads fault pages into them,
 * read them, empty them as well or give other advice. The ledger knows what each
 * page may read; a process that lives on freed pages (the tenant) looks that nobody writes
 * to them any more; and no page may go away with its table.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/guest.h"
#include "lib/inject.h"
#include "lib/race.h"

#define RACE_MS 400

static void populate(char *at, size_t len)
{
	if (madvise(at, len, MADV_POPULATE_WRITE) < 0)
		race_wrong("MADV_POPULATE_WRITE of [%p, +0x%zx): %s", (void *)at, len, strerror(errno));
}

/* All tables in one call, so that the batches run out in the middle of some. */
static void reclaimer_of_all(struct party *me)
{
	struct ledger *l = the_ledger();

	(void)me;
	populate(l->base, l->tables * TABLE_SPAN);
	ledger_empty(l, 0, l->tables, op_dontneed);
}

/* Empties pages of a table, never a whole one. */
static void nibbler(struct party *me)
{
	struct ledger *l = the_ledger();
	const size_t page = party_random(me, TABLE_PAGES - 8);
	char *at = l->base + party_random(me, l->tables) * TABLE_SPAN + page * PAGE;

	ledger_empty_part(l, at, (1 + party_random(me, 8)) * PAGE, op_dontneed);
}

/* Advice that leaves the contents alone. */
static void adviser(struct party *me)
{
	struct ledger *l = the_ledger();
	static const int harmless[] = {
		MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED, MADV_NORMAL, MADV_RANDOM,
		MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_MERGEABLE, MADV_UNMERGEABLE,
	};
	const int advice = harmless[party_random(me, sizeof(harmless) / sizeof(*harmless))];
	const size_t table = party_random(me, l->tables);

	/* Not every kernel has each of them. */
	madvise(l->base + table * TABLE_SPAN, TABLE_SPAN, advice);
}

static int op_free(char *at, size_t len)
{
	return madvise(at, len, MADV_FREE);
}

static void freer(struct party *me)
{
	struct ledger *l = the_ledger();

	ledger_empty_part(l, l->base + party_random(me, l->tables) * TABLE_SPAN,
			  TABLE_SPAN, op_free);
}

START_TEST(faults_in_the_same_table)
{
	static const struct party parties[] = {
		PARTY("reclaimer", reclaimer, 0, 10, NULL),
		PARTY("writer", writer, URGENT, 25, NULL),
		PARTY("other writer", other_writer, 0, 50, NULL),
		PARTY("reader", reader, URGENT, 50, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 2, NULL),
	};

	ledger_open(map_anon(1), 1, 2);
	race(parties, 5, RACE_MS);
	ledger_close(the_ledger());
}
END_TEST

START_TEST(faults_while_the_lock_is_dropped)
{
	static const struct party parties[] = {
		PARTY("reclaimer without batches", reclaimer_short_of_memory, 0, 10, NULL),
		PARTY("writer", writer, URGENT, 25, NULL),
		PARTY("other writer", other_writer, URGENT, 25, NULL),
		PARTY("reader", reader, URGENT, 50, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 2, NULL),
	};

	ledger_open(map_anon(1), 1, 2);
	race(parties, 5, RACE_MS);
	require(skipped() || inject_hits() > 100, "%d allocations of a batch page failed: the injection missed", inject_hits());
	ledger_close(the_ledger());
}
END_TEST

START_TEST(faults_while_the_batches_run_out)
{
	static const struct party parties[] = {
		PARTY("reclaimer of all", reclaimer_of_all, 0, 2, NULL),
		PARTY("writer", writer, URGENT, 25, NULL),
		PARTY("reader", reader, URGENT, 30, NULL),
		PARTY("other reader", reader, 0, 10, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 2, NULL),
	};

	ledger_open(map_anon(24), 24, 1);
	race(parties, 5, RACE_MS);
	ledger_close(the_ledger());
}
END_TEST

START_TEST(two_reclaim_the_same_tables)
{
	static const struct party parties[] = {
		PARTY("reclaimer", reclaimer, 0, 10, NULL),
		PARTY("other reclaimer", reclaimer, 0, 10, NULL),
		PARTY("urgent reclaimer", quick_reclaimer, URGENT, 25, NULL),
		PARTY("writer", writer, URGENT, 25, NULL),
		PARTY("reader", reader, 0, 30, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 2, NULL),
	};

	ledger_open(map_anon(2), 2, 1);
	race(parties, 6, RACE_MS);
	ledger_close(the_ledger());
}
END_TEST

START_TEST(pages_are_emptied_and_advised_meanwhile)
{
	static const struct party parties[] = {
		PARTY("reclaimer", reclaimer, 0, 10, NULL),
		PARTY("nibbler", nibbler, URGENT, 20, NULL),
		PARTY("adviser", adviser, 0, 20, NULL),
		PARTY("writer", writer, URGENT, 25, NULL),
		PARTY("reader", reader, 0, 30, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 2, NULL),
	};

	ledger_open(map_anon(2), 2, 1);
	race(parties, 6, RACE_MS);
	ledger_close(the_ledger());
}
END_TEST

/* mmu_gather holds 7 pages in itself, and 509 in each of 19 batches (MAX_GATHER_BATCH_COUNT):
 * the batches run out with the last page of the last of 19 tables. Then all that is freed,
 * which takes long, before somebody looks whether that table is empty. */
#define EDGE_TABLES 19UL
#define EDGE_PAGES (7 + 19 * 509UL)

static int edge;	/* which end of the last table the writer brings in again */

static void edge_reclaimer(struct party *me)
{
	struct ledger *l = the_ledger();
	const size_t unused = EDGE_TABLES * TABLE_PAGES - EDGE_PAGES;

	edge = (int)(me->done % 2);
	populate(l->base + unused * PAGE, EDGE_PAGES * PAGE);
	ledger_empty(l, 0, EDGE_TABLES, op_dontneed);
}

static void edge_writer(struct party *me)
{
	ledger_write_page(the_ledger(), me, EDGE_TABLES * TABLE_PAGES - (edge ? 1 : TABLE_PAGES), NULL);
}

START_TEST(faults_at_the_edges_of_a_table)
{
	static const struct party parties[] = {
		PARTY("reclaimer", edge_reclaimer, BUSY, 4, NULL),
		PARTY("writer", edge_writer, URGENT, 25, NULL),
	};

	ledger_open(map_anon(EDGE_TABLES), EDGE_TABLES, 2);
	race(parties, 2, 2 * RACE_MS);
	ledger_close(the_ledger());
}
END_TEST

/* A table with next to nothing in it, which must be looked at again nevertheless. */
static void relooker(struct party *me)
{
	struct ledger *l = the_ledger();

	if (!me->done)
		inject_start(NULL, 0, EVERY_TIME);
	populate(l->base + 8 * PAGE, 7 * PAGE);
	ledger_empty(l, 0, 1, op_dontneed);
}

/* Brings a page in without leaving the kernel, so that it takes no time on UML. */
static void populator(struct party *me)
{
	for (int i = 0; i < 32; i++)
		populate(the_ledger()->base + party_random(me, 4) * PAGE, PAGE);
}

START_TEST(edges_head_on)
{
	static const struct party parties[] = {
		PARTY("reclaimer without batches", relooker, BUSY, 1000, NULL),
		PARTY("populator", populator, BUSY, 50, NULL),
	};

	ledger_open(map_anon(1), 1, 2);
	race(parties, 2, 2 * RACE_MS);
	require(skipped() || inject_hits() > 100, "%d allocations of a batch page failed: the injection missed", inject_hits());
	ledger_close(the_ledger());
}
END_TEST

/*
 * One holds a table's lock when it wants the PMD's, as a table is emptied in one go; the other the PMD's when it wants
 * the table's, since it has to look again.
 */
START_TEST(two_reclaim_head_on)
{
	static const struct party parties[] = {
		PARTY("reclaimer", quick_reclaimer, BUSY, 50, NULL),
		PARTY("reclaimer without batches", relooker, BUSY, 50, NULL),
	};

	ledger_open(map_anon(1), 1, 1);
	race(parties, 2, RACE_MS);
	require(skipped() || inject_hits() > 20, "%d allocations of a batch page failed: the injection missed", inject_hits());
	ledger_close(the_ledger());
}
END_TEST

/* Nothing but the two, as fast as they can: for what takes a narrow window. */
START_TEST(faults_head_on)
{
	static const struct party parties[] = {
		PARTY("reclaimer", quick_reclaimer, BUSY, 100, NULL),
		PARTY("writer", writer, BUSY, 100, NULL),
	};

	ledger_open(map_anon(1), 1, 1);
	race(parties, 2, 2 * RACE_MS);
	ledger_close(the_ledger());
}
END_TEST

/* Reads and writes two pages again and again without a system call: on another
 * CPU than the reclaimer's nothing but a shootdown tells it that they are gone. */
static void spinner(struct party *me)
{
	const struct ledger *l = the_ledger();
	const size_t page = party_random(me, TABLE_PAGES / 2) * 2;
	unsigned long *word = (unsigned long *)(l->base + page * PAGE);

	for (int i = 0; i < 2000 && !race_over(); i++) {
		const struct ledger_floor floor = ledger_floor(l, page);

		ledger_judge(l, page, 0, __atomic_load_n(word, __ATOMIC_SEQ_CST), &floor, me->name);
		/* The middle of the page has no stamp: it may be written by anybody. */
		__atomic_store_n(word + 100, ~0UL, __ATOMIC_SEQ_CST);
	}
}

START_TEST(a_thread_that_never_traps)
{
	static const struct party parties[] = {
		PARTY("reclaimer", reclaimer, 0, 10, NULL),
		PARTY("spinner", spinner, BUSY, 3, NULL),
		PARTY("writer", writer, URGENT, 25, NULL),
		PARTY("other spinner", spinner, BUSY, 3, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 2, NULL),
	};

	ledger_open(map_anon(1), 1, 1);
	race(parties, 5, RACE_MS);
	ledger_close(the_ledger());
}
END_TEST

START_TEST(pages_are_freed_lazily_meanwhile)
{
	static const struct party parties[] = {
		PARTY("reclaimer", reclaimer, 0, 10, NULL),
		PARTY("freer", freer, URGENT, 25, NULL),
		PARTY("writer", writer, URGENT, 25, NULL),
		PARTY("reader", reader, 0, 30, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 2, NULL),
	};

	ledger_open(map_anon(2), 2, 1);
	the_ledger()->lossy = 1;
	race(parties, 5, RACE_MS);
	ledger_close(the_ledger());
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("race-fault", argc, argv);
	suite_modes("seccomp/1 seccomp/2");
	suite_add_race(faults_in_the_same_table);
	suite_add_race(faults_while_the_lock_is_dropped);
	suite_add_race(faults_while_the_batches_run_out);
	suite_add_race(two_reclaim_the_same_tables);
	suite_add_race(pages_are_emptied_and_advised_meanwhile);
	suite_add_race(faults_at_the_edges_of_a_table);
	suite_add_race(edges_head_on);
	suite_add_race(two_reclaim_head_on);
	suite_add_race(faults_head_on);
	suite_add_race(a_thread_that_never_traps);
	suite_add_race(pages_are_freed_lazily_meanwhile);
	return suite_end();
}
