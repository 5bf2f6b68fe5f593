// SPDX-License-Identifier: GPL-2.0
/*
 * Description: guard markers are installed and removed while their table is being
 * emptied. Both calls hold mmap_lock for reading, so that a marker can arrive in a part of
 * the table that zap_pte_range() is done with, whenever it drops the lock: the table then
 * has to stay, though nothing in it is present.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/guest.h"
#include "lib/inject.h"
#include "lib/race.h"
#include "lib/touch.h"

#define RACE_MS	400
#define GUARDS	64	/* the first pages of the table; the others have data */

static char *map;

/* Fills and empties the table; there may be markers in its first part. */
static void taker(struct party *me)
{
	if (madvise(map + GUARDS * PAGE, TABLE_SPAN - GUARDS * PAGE, MADV_POPULATE_WRITE) < 0)
		race_wrong("%s: MADV_POPULATE_WRITE: %s", me->name, strerror(errno));
	if (madvise(map, TABLE_SPAN, MADV_DONTNEED) < 0)
		race_wrong("%s: MADV_DONTNEED: %s", me->name, strerror(errno));
}

/* The same, short of memory for batches: the lock is dropped every few pages. */
static void taker_short_of_memory(struct party *me)
{
	if (!me->done)
		inject_start(NULL, 0, EVERY_TIME);
	taker(me);
}

/* Is there a marker, as pagemap says? */
static int guarded(const char *at)
{
	return (pagemap_entry(at) & PAGEMAP_GUARD) != 0;
}

/* Installs one marker, looks after a while whether it is there, and removes it. */
static void guardian(struct party *me)
{
	char *at = map + party_random(me, GUARDS) * PAGE;

	if (madvise(at, PAGE, MADV_GUARD_INSTALL) < 0) {
		race_wrong("%s: MADV_GUARD_INSTALL: %s", me->name, strerror(errno));
		return;
	}
	for (int looks = 0; looks < 5; looks++) {
		nap_us(20 + (int)party_random(me, 200));
		if (!guarded(at)) {
			race_wrong("%s: the guard marker of page %zu is gone %d naps after it was installed, while another thread emptied its table with MADV_DONTNEED; pagemap entry 0x%llx",
				   me->name, (size_t)(at - map) / PAGE, looks + 1, pagemap_entry(at));
			return;
		}
	}
	if (madvise(at, PAGE, MADV_GUARD_REMOVE) < 0)
		race_wrong("%s: MADV_GUARD_REMOVE: %s", me->name, strerror(errno));
	if (guarded(at))
		race_wrong("%s: the guard marker of page %zu is there after MADV_GUARD_REMOVE", me->name, (size_t)(at - map) / PAGE);
}

/* One race over one table; without markers the table can go afterwards. */
static void race_for_it(void (*take)(struct party *me))
{
	const struct party parties[] = {
		PARTY("taker", take, 0, 10, NULL),
		PARTY("guardian", guardian, URGENT, 10, NULL),
	};
	long vmpte;

	map = map_anon(1);
	vmpte = vmpte_kb();
	race(parties, 2, RACE_MS);
	dontneed(map, TABLE_SPAN);
	/* Threads leave stacks and arenas of malloc. */
	require(vmpte_kb() <= vmpte + (1 - reclaimed(1) + 8) * TABLE_KB,
		"VmPTE is %ld kB after all was emptied, %ld kB before the race with one table (%s)",
		vmpte_kb(), vmpte, expectation());
	expect_zero(map, TABLE_SPAN);
}

START_TEST(installed_while_the_table_is_emptied)
{
	race_for_it(taker);
}
END_TEST

START_TEST(installed_while_the_lock_is_dropped)
{
	race_for_it(taker_short_of_memory);
	require(skipped() || inject_hits() > 100, "%d allocations of a batch page failed: the injection missed", inject_hits());
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("race-guard", argc, argv);
	suite_modes("seccomp/1 seccomp/2");
	suite_add_race(installed_while_the_table_is_emptied);
	suite_add_race(installed_while_the_lock_is_dropped);
	return suite_end();
}
