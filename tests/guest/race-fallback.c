// SPDX-License-Identifier: GPL-2.0
/*
 * Description: tables that are freed one by one, since no page for a batch is to be had, while other threads
 * are on their way into them: they have read the PMD, under rcu_read_lock() only, and lose the CPU before they take
 * the table's lock. Only a grace period knows of them: an interrupt on every CPU does not, where the kernel can be
 * preempted. Whoever comes back to a table that was freed too soon takes a lock in memory of somebody else.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "lib/guest.h"
#include "lib/inject.h"
#include "lib/race.h"

#define RACE_MS 400
#define TABLES	4

static char *map;

/*
 * Tables are taken out and freed one by one, and stay away for a moment: what was freed must not be handed out as the next
 * table at once, or who comes back finds a lock that is one. The faulter makes the tables.
 */
static void emptier(struct party *me)
{
	if (!me->done)
		inject_start(NULL, 0, EVERY_TIME);
	for (size_t i = 0; i < TABLES; i++)
		race_advise(me, map + i * TABLE_SPAN, TABLE_SPAN, MADV_DONTNEED, "MADV_DONTNEED");
	nap_us(300);
}

/* Always in a page fault: reads pages that nobody has written, and fresh ones. */
static void faulter(struct party *me)
{
	for (int n = 0; n < 64; n++) {
		char *at = map + party_random(me, TABLES * TABLE_PAGES) * PAGE;

		if (*(volatile char *)at)
			race_wrong("%s: %p reads %d, nobody has written there", me->name, (void *)at, *(volatile char *)at);
		if (n % 2)
			*(volatile char *)at = 0;
	}
}

/* Takes the CPU from a faulter wherever that is, and keeps it while tables go. */
static void robber(struct party *me)
{
	const double end = now_ms() + 1 + (double)party_random(me, 3);

	while (now_ms() < end)
		;
}

START_TEST(a_walker_without_a_cpu)
{
	/* On two CPUs the emptier has one to itself. */
	static const struct party parties[] = {
		PARTY("emptier", emptier, BUSY, 50, NULL),
		PARTY("faulter", faulter, BUSY, 50, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 2, NULL),
		PARTY("robber", robber, URGENT, 50, NULL),
	};

	map = map_anon(TABLES);
	race(parties, 4, RACE_MS);
	inject_stop();
	require(skipped() || inject_hits() > 50 || !reclaimed(1), "%d allocations of a batch page failed: the injection missed", inject_hits());
	dontneed(map, TABLES * TABLE_SPAN);
	expect_zero(map, TABLES * TABLE_SPAN);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("race-fallback", argc, argv);
	suite_modes("seccomp/2");
	suite_add_race(a_walker_without_a_cpu);
	return suite_end();
}
