// SPDX-License-Identifier: GPL-2.0
/*
 * Description: zap_pte_table_if_empty() looks at all entries of a table that
 * may have been filled again while the lock was dropped. Without memory for
 * batches the zap drops it every seven pages (MMU_GATHER_BUNDLE); an urgent
 * thread writes one page, in a slot that the zap has passed by then: the first,
 * the last, and others. The table must stay for it.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "lib/inject.h"
#include "lib/ops.h"
#include "lib/race.h"

#define SCAN_MS 250
/*
 * Pages that fit into mmu_gather itself (MMU_GATHER_BUNDLE, less the one entry that
 * __tlb_remove_folio_pages_size() keeps free): after as many the zap drops its lock.
 */
#define BUNDLE 7UL

/* The table, the page that is written in it, and those that are there at first. */
static char *table, *page, *from;
static size_t len;

/*
 * Three bundles of pages from the slot on; or, at the end of the table, the one that ends
 * there: so the lock is dropped when all is cleared, right before the scan.
 */
static void choose(size_t slot)
{
	size_t first = slot + 3 * BUNDLE > TABLE_PAGES ? TABLE_PAGES - BUNDLE : slot;

	table = map_anon(1);
	page = table + slot * PAGE;
	from = table + first * PAGE;
	len = slot + 3 * BUNDLE > TABLE_PAGES ? BUNDLE * PAGE : 3 * BUNDLE * PAGE;
}

static void zapper(struct party *me)
{
	if (me->done == 0)
		inject_start(NULL, 0, EVERY_TIME);
	/* In the kernel at once: the less time elsewhere, the more in the zap. */
	if (madvise(from, len, MADV_POPULATE_WRITE) < 0)
		race_wrong("MADV_POPULATE_WRITE failed");
	dontneed(table, TABLE_SPAN);
}

static void page_writer(struct party *me)
{
	unsigned long value = (unsigned long)me->done + 1;

	*(volatile unsigned long *)page = value;
}

static void scan_finds(size_t slot)
{
	static const struct party parties[] = {
		PARTY("zapper", zapper, BUSY, 200, NULL),
		PARTY("writer", page_writer, URGENT, 200, NULL),
	};
	long start;

	choose(slot);
	race(parties, 2, SCAN_MS);
	require(skipped() || inject_hits() > 200, "%d allocations of a batch page failed: the injection missed", inject_hits());
	operation("the race for the slot", page, PAGE);
	/* A page whose table went away is counted, but in no table. */
	expect_rss_is_mapped();
	/* And the table is sound: it can be filled and reclaimed in peace. */
	fill(page, PAGE, 1);
	start = vmpte_kb();
	dontneed(table, TABLE_SPAN);
	expect_tables(start, -reclaimed(1));
	expect_zero_by_all(table, TABLE_SPAN);
}

START_TEST(first_slot)
{
	scan_finds(0);
}
END_TEST

START_TEST(second_slot)
{
	scan_finds(1);
}
END_TEST

START_TEST(slot_in_the_middle)
{
	scan_finds(TABLE_PAGES / 2);
}
END_TEST

START_TEST(last_slot_but_one)
{
	scan_finds(TABLE_PAGES - 2);
}
END_TEST

START_TEST(last_slot)
{
	scan_finds(TABLE_PAGES - 1);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("scan", argc, argv);
	suite_add_race(first_slot);
	suite_add_race(second_slot);
	suite_add_race(slot_in_the_middle);
	suite_add_race(last_slot_but_one);
	suite_add_race(last_slot);
	return suite_end();
}
