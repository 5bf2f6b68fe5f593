// SPDX-License-Identifier: GPL-2.0
/*
 * Description: a hole is punched into a file while another thread reclaims the table that
 * maps it. The pages are dirty, so that zap_pte_range() gives their rmaps up late, after a
 * flush; truncation has to find them unmapped or wait, also where the table is gone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/guest.h"
#include "lib/race.h"

#define RACE_MS 500

static unsigned long *map;
static int file;
static long tainted;

/* Fills the table with dirty pages in the kernel, and empties it. */
static void taker(struct party *me)
{
	race_advise(me, map, TABLE_SPAN, MADV_POPULATE_WRITE, "MADV_POPULATE_WRITE");
	race_advise(me, map, TABLE_SPAN, MADV_DONTNEED, "MADV_DONTNEED");
}

/* The kernel's complaint is the failure, and ends the race at once. */
static void look(struct party *me)
{
	if (proc_number_only("/proc/sys/kernel/tainted") != tainted)
		race_wrong("%s: the kernel complained when the last page of a table that is being reclaimed was truncated: still mapped, \"Bad page cache\"? See its log",
			   me->name);
}

/* The last page: there the zap is about to be through. */
static void puncher(struct party *me)
{
	if (fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, TABLE_SPAN - PAGE, PAGE) < 0)
		race_wrong("%s: fallocate: %s", me->name, strerror(errno));
	look(me);
}

static void remover(struct party *me)
{
	race_advise(me, (char *)map + TABLE_SPAN - PAGE, PAGE, MADV_REMOVE, "MADV_REMOVE");
	look(me);
}

static void race_with(void (*truncate_it)(struct party *me), const char *name)
{
	const struct party parties[] = {
		PARTY("taker", taker, BUSY, 50, NULL),
		PARTY(name, truncate_it, BUSY, 50, NULL),
	};

	file = memfd_create("holes", MFD_CLOEXEC);
	require(file >= 0 && ftruncate(file, TABLE_SPAN) == 0, "memfd: %s", strerror(errno));
	map = (unsigned long *)map_tables(1, MAP_SHARED, file);
	tainted = proc_number_only("/proc/sys/kernel/tainted");
	race(parties, 2, (int)race_ms(RACE_MS));
}

START_TEST(hole_punched_while_it_is_emptied)
{
	race_with(puncher, "puncher");
}
END_TEST

START_TEST(removed_while_it_is_emptied)
{
	race_with(remover, "remover");
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("race-truncate", argc, argv);
	suite_modes("seccomp/1 seccomp/2");
	suite_add_race(hole_punched_while_it_is_emptied);
	suite_add_race(removed_while_it_is_emptied);
	return suite_end();
}
