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

static struct ledger *ledger;

static void populate(char *at, size_t len)
{
	if (madvise(at, len, MADV_POPULATE_WRITE) < 0)
		race_wrong("MADV_POPULATE_WRITE of [%p, +0x%zx): %s", (void *)at, len, strerror(errno));
}

/* Fills one table with pages and takes it out. */
static void reclaimer(struct party *me)
{
	const size_t table = party_random(me, ledger->tables);

	populate(ledger->base + table * TABLE_SPAN, TABLE_SPAN);
	ledger_empty(ledger, table, 1, op_dontneed);
}

/* The same without memory for batches of pages: zap_pte_range() drops the lock every few pages. */
static void short_of_memory(struct party *me)
{
	if (!me->done)
		inject_start(NULL, 0, EVERY_TIME);
	reclaimer(me);
}

/* All tables in one call, so that the batches run out in the middle of some. */
static void reclaimer_of_all(struct party *me)
{
	(void)me;
	populate(ledger->base, ledger->tables * TABLE_SPAN);
	ledger_empty(ledger, 0, ledger->tables, op_dontneed);
}

/* Takes out a table in which there is next to nothing. */
static void reclaimer_of_empty(struct party *me)
{
	ledger_empty(ledger, party_random(me, ledger->tables), 1, op_dontneed);
}

static void writer(struct party *me)
{
	ledger_write(ledger, me, *(const unsigned long *)me->arg, NULL);
}

static void reader(struct party *me)
{
	ledger_read(ledger, me);
}

/* Empties pages of a table, never a whole one. */
static void nibbler(struct party *me)
{
	const size_t page = party_random(me, TABLE_PAGES - 8);
	char *at = ledger->base + party_random(me, ledger->tables) * TABLE_SPAN + page * PAGE;

	ledger_empty_part(ledger, at, (1 + party_random(me, 8)) * PAGE, op_dontneed);
}

/* Advice that leaves the contents alone. */
static void adviser(struct party *me)
{
	static const int harmless[] = {
		MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED, MADV_NORMAL, MADV_RANDOM,
		MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_MERGEABLE, MADV_UNMERGEABLE,
	};
	const int advice = harmless[party_random(me, sizeof(harmless) / sizeof(*harmless))];
	const size_t table = party_random(me, ledger->tables);

	/* Not every kernel has each of them. */
	madvise(ledger->base + table * TABLE_SPAN, TABLE_SPAN, advice);
}

static int op_free(char *at, size_t len)
{
	return madvise(at, len, MADV_FREE);
}

static void freer(struct party *me)
{
	ledger_empty_part(ledger, ledger->base + party_random(me, ledger->tables) * TABLE_SPAN,
			  TABLE_SPAN, op_free);
}

static const unsigned long first = 0, second = 1;

START_TEST(faults_in_the_same_table)
{
	static const struct party parties[] = {
		PARTY("reclaimer", reclaimer, 0, 10, NULL),
		PARTY("writer", writer, URGENT, 100, (void *)&first),
		PARTY("other writer", writer, 0, 100, (void *)&second),
		PARTY("reader", reader, URGENT, 100, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 5, NULL),
	};

	ledger = ledger_open(map_anon(1), 1, 2);
	race(parties, 5, RACE_MS);
	ledger_close(ledger);
}
END_TEST

START_TEST(faults_while_the_lock_is_dropped)
{
	static const struct party parties[] = {
		PARTY("reclaimer without batches", short_of_memory, 0, 10, NULL),
		PARTY("writer", writer, URGENT, 100, (void *)&first),
		PARTY("other writer", writer, URGENT, 100, (void *)&second),
		PARTY("reader", reader, URGENT, 100, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 5, NULL),
	};

	ledger = ledger_open(map_anon(1), 1, 2);
	race(parties, 5, RACE_MS);
	require(inject_hits() > 100, "%d allocations of a batch page failed: the injection missed", inject_hits());
	ledger_close(ledger);
}
END_TEST

START_TEST(faults_while_the_batches_run_out)
{
	static const struct party parties[] = {
		PARTY("reclaimer of all", reclaimer_of_all, 0, 3, NULL),
		PARTY("writer", writer, URGENT, 100, (void *)&first),
		PARTY("reader", reader, URGENT, 100, NULL),
		PARTY("other reader", reader, 0, 100, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 5, NULL),
	};

	ledger = ledger_open(map_anon(24), 24, 1);
	race(parties, 5, RACE_MS);
	ledger_close(ledger);
}
END_TEST

START_TEST(two_reclaim_the_same_tables)
{
	static const struct party parties[] = {
		PARTY("reclaimer", reclaimer, 0, 10, NULL),
		PARTY("other reclaimer", reclaimer, 0, 10, NULL),
		PARTY("urgent reclaimer", reclaimer_of_empty, URGENT, 50, NULL),
		PARTY("writer", writer, URGENT, 100, (void *)&first),
		PARTY("reader", reader, 0, 100, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 5, NULL),
	};

	ledger = ledger_open(map_anon(2), 2, 1);
	race(parties, 6, RACE_MS);
	ledger_close(ledger);
}
END_TEST

START_TEST(pages_are_emptied_and_advised_meanwhile)
{
	static const struct party parties[] = {
		PARTY("reclaimer", reclaimer, 0, 10, NULL),
		PARTY("nibbler", nibbler, URGENT, 20, NULL),
		PARTY("adviser", adviser, 0, 20, NULL),
		PARTY("writer", writer, URGENT, 100, (void *)&first),
		PARTY("reader", reader, 0, 100, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 5, NULL),
	};

	ledger = ledger_open(map_anon(2), 2, 1);
	race(parties, 6, RACE_MS);
	ledger_close(ledger);
}
END_TEST

START_TEST(pages_are_freed_lazily_meanwhile)
{
	static const struct party parties[] = {
		PARTY("reclaimer", reclaimer, 0, 10, NULL),
		PARTY("freer", freer, URGENT, 50, NULL),
		PARTY("writer", writer, URGENT, 100, (void *)&first),
		PARTY("reader", reader, 0, 100, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 5, NULL),
	};

	ledger = ledger_open(map_anon(2), 2, 1);
	ledger->lossy = 1;
	race(parties, 5, RACE_MS);
	ledger_close(ledger);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("race-fault", argc, argv);
	suite_modes("seccomp/2");
	suite_add_race(faults_in_the_same_table);
	suite_add_race(faults_while_the_lock_is_dropped);
	suite_add_race(faults_while_the_batches_run_out);
	suite_add_race(two_reclaim_the_same_tables);
	suite_add_race(pages_are_emptied_and_advised_meanwhile);
	suite_add_race(pages_are_freed_lazily_meanwhile);
	return suite_end();
}
