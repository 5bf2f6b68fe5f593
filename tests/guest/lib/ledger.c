// SPDX-License-Identifier: GPL-2.0
/* What each page of a range may read while it is being emptied. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "guest.h"
#include "race.h"

/* A stamp: the page's number plus 1, the writer, the writer's count. */
#define COUNT_BITS	36
#define WRITER_BITS	4
#define stamp_count(s)	((s) & ((1UL << COUNT_BITS) - 1))
#define stamp_writer(s)	((s) >> COUNT_BITS & ((1UL << WRITER_BITS) - 1))
#define stamp_page(s)	(((s) >> (COUNT_BITS + WRITER_BITS)) - 1)

static struct ledger *current;

static unsigned long load(const unsigned long *from)
{
	return __atomic_load_n(from, __ATOMIC_SEQ_CST);
}

/*
 * Anonymous pages that the mm counts (RssAnon) and no page table maps, in kB. The
 * kernel finds the latter by walking the tables (smaps_rollup). 0 at any quiet moment.
 */
static long lost_kb(void)
{
	long mapped = proc_number("/proc/self/smaps_rollup", "Anonymous");
	long counted = proc_number("/proc/self/status", "RssAnon");

	require(mapped >= 0 && counted >= 0, "smaps_rollup, status: cannot read: %s", strerror(errno));
	return counted - mapped;
}

struct ledger *ledger_open(char *base, size_t tables, int writers)
{
	struct ledger *l = mmap(NULL, sizeof(*l), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	require(l != MAP_FAILED, "ledger: mmap: %s", strerror(errno));
	require(tables <= LEDGER_TABLES && writers <= LEDGER_WRITERS,
		"ledger: %zu tables, %d writers: enlarge it", tables, writers);
	l->base = base;
	l->tables = tables;
	l->writers = (unsigned long)writers;
	current = l;
	return l;
}

struct ledger *the_ledger(void)
{
	return current;
}

struct ledger_floor ledger_floor(const struct ledger *l, size_t page)
{
	struct ledger_floor floor;

	for (unsigned long w = 0; w < LEDGER_WRITERS; w++)
		floor.of[w] = load(&l->floor[page / TABLE_PAGES][w]);
	return floor;
}

void ledger_judge(const struct ledger *l, size_t page, int last, unsigned long got,
		  const struct ledger_floor *floor, const char *how)
{
	const unsigned long w = stamp_writer(got);
	const char *why;

	if (!got)
		return;
	if (stamp_page(got) != page)
		why = stamp_page(got) < l->tables * TABLE_PAGES && w < l->writers ?
			"that was written to another page" : "nobody wrote that into this range: freed and used by somebody else?";
	else if (w != page % l->writers)
		why = "not what its writer writes";
	else if (stamp_count(got) <= floor->of[w])
		why = "that was written before it was emptied: a stale mapping?";
	else
		return;
	race_wrong("%s: page %zu of table %zu (%p, %s word) reads 0x%lx (page %lu, writer %lu, write %lu; emptied since write %lu): %s; pagemap entry 0x%llx",
		   how, page % TABLE_PAGES, page / TABLE_PAGES, (void *)(l->base + page * PAGE),
		   last ? "last" : "first", got, stamp_page(got), w, stamp_count(got),
		   floor->of[page % l->writers], why, pagemap_entry(l->base + page * PAGE));
}

/* The first or the last word of a page. */
static unsigned long *word_of(const struct ledger *l, size_t page, int last)
{
	return (unsigned long *)(l->base + page * PAGE + (last ? PAGE - sizeof(long) : 0));
}

void ledger_read(const struct ledger *l, struct party *me)
{
	const size_t page = party_random(me, l->tables * TABLE_PAGES);
	const struct ledger_floor floor = ledger_floor(l, page);

	for (int last = 0; last < 2; last++)
		ledger_judge(l, page, last, load(word_of(l, page, last)), &floor, me->name);
}

static int store_in_user_space(struct party *me, unsigned long *to, unsigned long value)
{
	(void)me;
	__atomic_store_n(to, value, __ATOMIC_SEQ_CST);
	return 0;
}

void ledger_write(struct ledger *l, struct party *me, unsigned long w, ledger_store *store)
{
	ledger_write_page(l, me, party_random(me, l->tables * TABLE_PAGES / l->writers) * l->writers + w, store);
}

void ledger_write_page(struct ledger *l, struct party *me, size_t page, ledger_store *store)
{
	const size_t table = page / TABLE_PAGES;
	const unsigned long w = page % l->writers;
	const unsigned long count = l->written[w] + 1;
	const unsigned long stamp = (page + 1) << (COUNT_BITS + WRITER_BITS) | w << COUNT_BITS | count;
	/* `over` first: if it then equals `begun`, nothing was under way between. */
	const unsigned long over = load(&l->over[table]), begun = load(&l->begun[table]);
	int failed = 0;

	for (int last = 0; last < 2; last++)
		failed |= (store ? store : store_in_user_space)(me, word_of(l, page, last), stamp);
	__atomic_store_n(&l->written[w], count, __ATOMIC_SEQ_CST);
	if (failed || l->lossy)
		return;
	for (int last = 0; last < 2; last++) {
		unsigned long got = load(word_of(l, page, last));

		if (got == stamp)
			continue;
		if (got || (over == begun && load(&l->begun[table]) == begun))
			race_wrong("%s: page %zu of table %zu (%p, %s word) reads 0x%lx right after 0x%lx was written, and nothing has emptied it meanwhile: the write is lost; pagemap entry 0x%llx",
				   me->name, page % TABLE_PAGES, table, (void *)word_of(l, page, last),
				   last ? "last" : "first", got, stamp, pagemap_entry(word_of(l, page, last)));
	}
}

/* Raises *floor to at least `to`; others may do so at the same time. */
static void raise_floor(unsigned long *floor, unsigned long to)
{
	unsigned long old = load(floor);

	while (old < to && !__atomic_compare_exchange_n(floor, &old, to, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
}

void ledger_empty(struct ledger *l, size_t first, size_t tables, int (*op)(char *at, size_t len))
{
	unsigned long written[LEDGER_WRITERS];
	int failed;

	for (unsigned long w = 0; w < LEDGER_WRITERS; w++)
		written[w] = load(&l->written[w]);
	for (size_t t = first; t < first + tables; t++)
		__atomic_add_fetch(&l->begun[t], 1, __ATOMIC_SEQ_CST);
	failed = op(l->base + first * TABLE_SPAN, tables * TABLE_SPAN);
	for (size_t t = first; t < first + tables; t++) {
		for (unsigned long w = 0; w < LEDGER_WRITERS && !failed; w++)
			raise_floor(&l->floor[t][w], written[w]);
		__atomic_add_fetch(&l->over[t], 1, __ATOMIC_SEQ_CST);
	}
}

void ledger_empty_part(struct ledger *l, char *at, size_t len, int (*op)(char *at, size_t len))
{
	const size_t table = (size_t)(at - l->base) / TABLE_SPAN;

	__atomic_add_fetch(&l->begun[table], 1, __ATOMIC_SEQ_CST);
	op(at, len);
	__atomic_add_fetch(&l->over[table], 1, __ATOMIC_SEQ_CST);
}

int op_dontneed(char *at, size_t len)
{
	if (madvise(at, len, MADV_DONTNEED) == 0)
		return 0;
	race_wrong("MADV_DONTNEED of [%p, +0x%zx): %s", (void *)at, len, strerror(errno));
	return -1;
}

void ledger_close_at(struct ledger *l, const char *where)
{
	const size_t len = l->tables * TABLE_SPAN;
	const long left = (long)l->tables - reclaimed((long)l->tables);
	long lost, full, empty;

	dontneed(l->base, len);
	lost = lost_kb();
	ck_assert_msg(lost == 0,
		      "RssAnon counts %ld kB more than the page tables map: %ld pages went away with their tables (%s)",
		      lost, lost / 4, where);
	expect_zero_at(l->base, len, where);
	dontneed(l->base, len);
	/* The threads' stacks and buffers have tables too: those of the range are what munmap frees. */
	full = vmpte_kb();
	ck_assert_msg(munmap(l->base, len) == 0, "munmap: %s", strerror(errno));
	empty = vmpte_kb();
	ck_assert_msg(full - empty == left * TABLE_KB,
		      "munmap freed %ld tables of an emptied range of %zu, expected %ld (%s) (%s)",
		      (full - empty) / TABLE_KB, l->tables, left, expectation(), where);
	munmap(l, sizeof(*l));
}
