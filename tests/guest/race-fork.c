// SPDX-License-Identifier: GPL-2.0
/*
 * Description: MADV_DONTNEED takes tables out while a process forks, with threads that
 * write and read meanwhile. A child has what its parent had at the fork: nothing emptied
 * before that, nothing that changes under its hands, nothing of another page; what it then
 * writes or empties itself is nobody's business but its own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/guest.h"
#include "lib/race.h"

#define RACE_MS 500

/* The child: judges its copy of the one table, twice, and then takes it apart. */
static void look_at_copy(const struct ledger_floor *floor)
{
	const struct ledger *l = the_ledger();
	static unsigned long first_look[TABLE_PAGES];
	const size_t pages = l->tables * TABLE_PAGES;

	for (int look = 0; look < 2; look++)
		for (size_t page = 0; page < pages; page++) {
			unsigned long got = *(volatile unsigned long *)(l->base + page * PAGE);

			ledger_judge(l, page, 0, got, floor, "child");
			if (!look)
				first_look[page] = got;
			else if (got != first_look[page])
				race_wrong("child: page %zu of table %zu read 0x%lx after the fork and now 0x%lx: somebody else writes to it",
					   page % TABLE_PAGES, page / TABLE_PAGES, first_look[page], got);
		}
	for (size_t page = 0; page < pages; page += 7)
		*(volatile unsigned long *)(l->base + page * PAGE) = ~0UL;
	if (madvise(l->base, l->tables * TABLE_SPAN, MADV_DONTNEED) < 0)
		race_wrong("child: MADV_DONTNEED: %s", strerror(errno));
	for (size_t page = 0; page < pages; page += 7)
		if (*(volatile unsigned long *)(l->base + page * PAGE))
			race_wrong("child: page %zu is not empty after MADV_DONTNEED", page);
}

static void forker(struct party *me)
{
	const struct ledger_floor floor = ledger_floor(the_ledger(), 0);
	int status;
	pid_t pid = fork();

	if (pid < 0) {
		race_wrong("fork: %s", strerror(errno));
		return;
	}
	if (!pid) {
		look_at_copy(&floor);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status))
		race_wrong("child: wait status 0x%x in round %ld: killed?", status, me->done);
}

START_TEST(fork_meets_reclaim)
{
	static const struct party parties[] = {
		PARTY("reclaimer", reclaimer, 0, 5, NULL),
		PARTY("forker", forker, 0, 2, NULL),
		PARTY("writer", writer, URGENT, 25, NULL),
		PARTY("reader", reader, 0, 20, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 2, NULL),
	};

	ledger_open(map_anon(1), 1, 1);
	race(parties, 5, RACE_MS);
	ledger_close(the_ledger());
}
END_TEST

START_TEST(fork_meets_reclaim_that_drops_the_lock)
{
	static const struct party parties[] = {
		PARTY("reclaimer without batches", reclaimer_short_of_memory, 0, 5, NULL),
		PARTY("forker", forker, URGENT, 3, NULL),
		PARTY("writer", writer, URGENT, 25, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 2, NULL),
	};

	ledger_open(map_anon(1), 1, 1);
	race(parties, 4, RACE_MS);
	ledger_close(the_ledger());
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("race-fork", argc, argv);
	suite_modes("seccomp/1 seccomp/2");
	suite_add_race(fork_meets_reclaim);
	suite_add_race(fork_meets_reclaim_that_drops_the_lock);
	return suite_end();
}
