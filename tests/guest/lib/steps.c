// SPDX-License-Identifier: GPL-2.0
/* Steps that many races have in common. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "guest.h"
#include "inject.h"
#include "race.h"

void reclaimer(struct party *me)
{
	struct ledger *l = the_ledger();
	const size_t table = party_random(me, l->tables);

	if (madvise(l->base + table * TABLE_SPAN, TABLE_SPAN, MADV_POPULATE_WRITE) < 0)
		race_wrong("%s: MADV_POPULATE_WRITE: %s", me->name, strerror(errno));
	ledger_empty(l, table, 1, op_dontneed);
}

void reclaimer_short_of_memory(struct party *me)
{
	if (!me->done)
		inject_start(NULL, 0, EVERY_TIME);
	reclaimer(me);
}

void quick_reclaimer(struct party *me)
{
	ledger_empty(the_ledger(), party_random(me, the_ledger()->tables), 1, op_dontneed);
}

void writer(struct party *me)
{
	ledger_write(the_ledger(), me, 0, NULL);
}

void other_writer(struct party *me)
{
	ledger_write(the_ledger(), me, 1, NULL);
}

void reader(struct party *me)
{
	ledger_read(the_ledger(), me);
}
