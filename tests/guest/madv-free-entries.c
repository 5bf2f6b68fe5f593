// SPDX-License-Identifier: GPL-2.0
/*
 * Description: MADV_FREE of pages that are, or were, something else than memory of this
 * process alone: swap slots shared with a child, pages from the disk that a child shares,
 * poison markers. What somebody else needs is kept.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/ops.h"
#include "lib/swap.h"
#include "lib/uffd.h"

#define LEN (16 * PAGE)

#define madv_free(at, len) advise(at, len, MADV_FREE, "MADV_FREE")
/* Makes the kernel take freed pages at once, as it does when memory is short. */
#define take_freed(at, len) advise(at, len, MADV_PAGEOUT, "MADV_FREE and MADV_PAGEOUT")

static int go[2];
static struct uffd u;

static void expect_when_told(void *map)
{
	char byte;

	require(read(go[0], &byte, 1) == 1, "no word from the parent");
	expect_filled(map, LEN, 1);
}

static int start_child(char *map)
{
	require(pipe(go) == 0, "pipe failed");
	return child_start(expect_when_told, map);
}

static void tell_child(int pid)
{
	require(write(go[1], "x", 1) == 1, "cannot tell the child");
	child_wait(pid);
}

/* Memory of LEN filled and written to the disk, with the swap on. */
static char *paged_out(void)
{
	char *map = map_anon(1);

	swap_start();
	fill(map, LEN, 1);
	page_out_to_disk(map, LEN, PAGE);
	return map;
}

/* A page in the swap cache whose slot a child has too is no page to free. */
START_TEST(slots_of_a_child_are_kept)
{
	char *map = paged_out();
	int pid = start_child(map);

	expect_filled(map, LEN, 1);
	madv_free(map, LEN);
	take_freed(map, LEN);
	expect_filled(map, LEN, 1);
	tell_child(pid);
	swap_stop();
}
END_TEST

/* They are dirty by themselves, not by their PTE: the walker looks at who has them. */
START_TEST(pages_from_the_disk_that_a_child_shares_are_kept)
{
	char *map = paged_out();
	int pid;

	fill(map, LEN, 1);
	pid = start_child(map);
	madv_free(map, LEN);
	take_freed(map, LEN);
	expect_filled(map, LEN, 1);
	tell_child(pid);
	swap_stop();
}
END_TEST

START_TEST(poison_goes)
{
	char *map = map_anon(1);
	long start;

	uffd_start(&u, UFFD_FEATURE_POISON);
	uffd_register(&u, map, TABLE_SPAN);
	start = vmpte_kb();
	uffd_poison(&u, map, TABLE_SPAN);
	expect_tables(start, 1);
	madv_free(map, TABLE_SPAN);
	/* Missing again, and the table stays: MADV_FREE reclaims none. */
	expect_tables(start, 1);
	u.seed = 3;
	expect_filled(map, LEN, 3);
	expect_faults(&u, LEN / PAGE);
	dontneed(map, TABLE_SPAN);
	expect_tables(start, 1 - reclaimed(1));
	uffd_stop(&u);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("madv-free-entries", argc, argv);
	suite_differs();
	suite_add_slow(slots_of_a_child_are_kept, 60);
	suite_add_slow(pages_from_the_disk_that_a_child_shares_are_kept, 60);
	suite_add(poison_goes);
	return suite_end();
}
