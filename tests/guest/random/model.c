// SPDX-License-Identifier: GPL-2.0
/* The oracle: what each word of a page may read, and what a look at it taught. */
#include <stdio.h>
#include <string.h>

#include "random.h"

/* A stamp: mark 8 bits, op.id 20, region 4, page 24, slot 8. No stamp is 0. */
#define STAMP_MARK 0x57ULL

uint64_t stamp(unsigned int op, unsigned int region, unsigned int page, unsigned int slot)
{
	return STAMP_MARK << 56 | (uint64_t)op << 36 | (uint64_t)region << 32 |
	       (uint64_t)page << 8 | (slot + 1);
}

const char *stamp_text(uint64_t word, char *buf, size_t size)
{
	unsigned int op = word >> 36 & 0xfffff, region = word >> 32 & 0xf;
	unsigned int page = word >> 8 & 0xffffff;

	if (!word)
		snprintf(buf, size, "0");
	else if (word >> 56 != STAMP_MARK)
		snprintf(buf, size, "0x%llx (no stamp of this test)", (unsigned long long)word);
	else if (op == FILE_OP)
		snprintf(buf, size, "what the file of region %u held in page %u at first", region, page);
	else
		snprintf(buf, size, "what #%u wrote to region %u page %u", op, region, page);
	return buf;
}

uint32_t tick(struct world *w)
{
	return atomic_fetch_add(&w->out->clock, 1) + 1;
}

void model_write_begins(struct me *me, struct region *r, unsigned int page)
{
	r->page[page].wrote_from = tick(me->world);
}

void model_written(struct me *me, struct region *r, unsigned int page)
{
	struct page *p = &r->page[page];

	for (unsigned int slot = 0; slot < SLOTS; slot++)
		p->want[slot] = stamp(me->op->id, r->index, page, slot);
	p->lazy = false;
	p->wrote_to = tick(me->world);
}

void model_dropped(struct region *r, unsigned int page, unsigned int pages)
{
	for (unsigned int i = page; i < page + pages; i++) {
		struct page *p = &r->page[i];

		memcpy(p->want, p->base, sizeof(p->want));
		p->lazy = false;
	}
}

void model_emptied(struct region *r, unsigned int page, unsigned int pages)
{
	for (unsigned int i = page; i < page + pages; i++)
		memset(r->page[i].base, 0, sizeof(r->page[i].base));
	model_dropped(r, page, pages);
}

void model_moved(struct me *me, struct region *r, unsigned int page, unsigned int pages)
{
	uint32_t now = tick(me->world);

	for (unsigned int i = page; i < page + pages; i++)
		r->page[i].wrote_to = now;
}

uint32_t model_drop_begins(struct me *me, struct region *r, unsigned int page, unsigned int pages)
{
	for (unsigned int i = page / TABLE_PAGES * TABLE_PAGES; i < page + pages; i += TABLE_PAGES)
		atomic_fetch_add(&r->table[i / TABLE_PAGES].running, 1);
	return tick(me->world);
}

void model_drop_ends(struct me *me, struct region *r, unsigned int page, unsigned int pages,
		     uint32_t began, bool complete)
{
	uint32_t now = tick(me->world);

	for (unsigned int i = page / TABLE_PAGES * TABLE_PAGES; i < page + pages; i += TABLE_PAGES) {
		struct table *t = &r->table[i / TABLE_PAGES];
		uint32_t old = atomic_load(&t->dropped), end = atomic_load(&t->last_end);

		while (complete && old < began)
			if (atomic_compare_exchange_weak(&t->dropped, &old, began))
				atomic_store(&t->by, me->op->id);
		while (end < now && !atomic_compare_exchange_weak(&t->last_end, &end, now))
			;
		/* Last: who sees no running one sees its times. */
		atomic_fetch_sub(&t->running, 1);
	}
}

bool model_must_drop(const struct region *r, unsigned int page)
{
	return atomic_load(&r->table[page / TABLE_PAGES].dropped) > r->page[page].wrote_to;
}

/* May a drop have hit the page since its last write began? */
static bool may_drop(const struct region *r, unsigned int page)
{
	const struct table *t = &r->table[page / TABLE_PAGES];

	return atomic_load(&t->running) || atomic_load(&t->last_end) > r->page[page].wrote_from;
}

/* One stamp word. Returns false and fails the run when it is not permitted. */
static bool check_slot(struct me *me, struct region *r, unsigned int page, unsigned int slot,
		       uint64_t got, bool must_drop, const char *how)
{
	struct page *p = &r->page[page];
	bool may = p->lazy || may_drop(r, page);
	char have[80], want[80];

	if (got == p->base[slot] && (got == p->want[slot] || may)) {
		p->want[slot] = got;
		return true;
	}
	if (got == p->want[slot] && !must_drop)
		return true;
	stamp_text(got, have, sizeof(have));
	if (got == p->want[slot])
		wrong_page(me, r, page, "%s: stale: word %zu is %s, though #%u dropped the whole table after that",
			  how, (size_t)SLOT_WORD(slot), have,
			  atomic_load(&r->table[page / TABLE_PAGES].by));
	else
		wrong_page(me, r, page, "%s: word %zu is %s, expected %s%s", how,
			  (size_t)SLOT_WORD(slot), have,
			  stamp_text(must_drop ? p->base[slot] : p->want[slot], want, sizeof(want)),
			  may && !must_drop ? ", or its state before" : "");
	return false;
}

bool model_check(struct me *me, struct region *r, unsigned int page, const uint64_t *words,
		 bool must_drop, const char *how)
{
	char have[80];

	for (size_t i = SLOT_WORD(0) + 1; i < SLOT_WORD(1); i++) {
		if (!words[i])
			continue;
		wrong_page(me, r, page, "%s: word %zu is %s, and nobody writes there: expected 0",
			  how, i, stamp_text(words[i], have, sizeof(have)));
		return false;
	}
	for (unsigned int slot = 0; slot < SLOTS; slot++)
		if (!check_slot(me, r, page, slot, words[SLOT_WORD(slot)], must_drop, how))
			return false;
	return true;
}

bool model_absent(struct me *me, struct region *r, unsigned int page)
{
	struct page *p = &r->page[page];
	bool may = p->lazy || may_drop(r, page);
	char want[80];

	if (!drop_loses(r))
		return true;
	for (unsigned int slot = 0; slot < SLOTS; slot++) {
		if (p->want[slot] == p->base[slot])
			continue;
		if (!may) {
			wrong_page(me, r, page, "pagemap has nothing for the page, and it should hold %s, which nobody dropped",
				  stamp_text(p->want[slot], want, sizeof(want)));
			return false;
		}
		/*
		 * Gone for good when who took it is through. Until then the entry may be cleared
		 * and not yet flushed: the page can still be read, and rightly so.
		 */
		if (!p->lazy && !atomic_load(&r->table[page / TABLE_PAGES].running))
			p->want[slot] = p->base[slot];
	}
	return true;
}
