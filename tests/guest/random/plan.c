// SPDX-License-Identifier: GPL-2.0
/* A seed becomes a plan. Nothing here depends on the machine, the mode or the time. */
#include <string.h>

#include "random.h"

#define OPS_SMALL	900
#define OPS_LARGE	200
#define MEET_EVERY	450
#define TABLES_LARGE	32	/* more pages than mmu_gather's batches take in one call */

/* splitmix64: a good generator in three lines, from any seed. */
static uint64_t state;

static uint32_t any(uint32_t below)
{
	uint64_t z = state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (uint32_t)((z ^ (z >> 31)) >> 32) % below;
}

static bool one_in(uint32_t n)
{
	return any(n) == 0;
}

static void make_region(struct region_plan *r, unsigned int threads, bool large, bool storm)
{
	/* The last one: a whole table. */
	static const uint8_t shifts[] = { 0, 2, 4, 6, __builtin_ctzl(TABLE_PAGES) };

	r->kind = large ? ANON : (uint8_t)any(3);
	r->tables = large ? TABLES_LARGE : (uint8_t)(1 + any(storm ? 2 : 4));
	r->shift = shifts[any(storm ? 3 : sizeof(shifts))];
	r->first = (uint8_t)any(threads);
	r->calm = large || storm || one_in(2);
	r->guards = r->kind != SHMEM || one_in(2);
	r->hosted = r->kind == FILE_PRIVATE && one_in(2);
}

unsigned int plan_owner(const struct plan *plan, unsigned int region, unsigned int page)
{
	return ((page >> plan->region[region].shift) + plan->region[region].first) % plan->threads;
}

static unsigned int pages_of(const struct plan *plan, unsigned int region)
{
	return plan->region[region].tables * TABLE_PAGES;
}

/* Pages from this one on that belong to the same thread, without a break. */
static unsigned int run_from(const struct plan *plan, unsigned int region, unsigned int page)
{
	unsigned int block = 1U << plan->region[region].shift;

	return block - page % block;
}

/* A page; often one at the edge of a table, where scans begin and end. */
static unsigned int pick_page(const struct plan *plan, unsigned int region)
{
	unsigned int page = any(pages_of(plan, region));

	if (plan->storm ? !one_in(4) : one_in(3))
		page = page / TABLE_PAGES * TABLE_PAGES + (one_in(2) ? 0 : TABLE_PAGES - 1);
	return page;
}

/* A run of pages of one thread: mostly short, sometimes all that hang together. */
static void pick_own(const struct plan *plan, struct op *op)
{
	unsigned int block = 1U << plan->region[op->region].shift, page = pick_page(plan, op->region);
	unsigned int most;

	op->thread = (uint8_t)plan_owner(plan, op->region, page);
	if (one_in(plan->storm ? 32 : 8)) {
		op->page = (uint16_t)(page / block * block);
		op->pages = (uint16_t)block;
		return;
	}
	most = run_from(plan, op->region, page);
	op->page = (uint16_t)page;
	op->pages = (uint16_t)(plan->storm ? 1 : 1 + any(most < 12 ? most : 12));
}

/* Whole tables: one, or some, or all; sometimes all but a page at one end. */
static void pick_tables(const struct plan *plan, struct op *op)
{
	unsigned int tables = plan->region[op->region].tables;
	unsigned int first = any(tables), n = 1;

	if (one_in(plan->large ? 2 : 3)) {
		first = 0;
		n = tables;
	} else if (one_in(2)) {
		n = 1 + any(tables - first);
	}
	op->page = (uint16_t)(first * TABLE_PAGES);
	op->pages = (uint16_t)(n * TABLE_PAGES);
	if (op_kinds[op->what].run == do_drop_tables && one_in(8)) {
		op->page += one_in(2);
		op->pages--;
	}
}

/* The file's last pages, as many as belong to one thread: that thread cuts them off. */
static void pick_tail(const struct plan *plan, struct op *op)
{
	unsigned int last = pages_of(plan, op->region) - 1;
	unsigned int block = 1U << plan->region[op->region].shift;

	op->thread = (uint8_t)plan_owner(plan, op->region, last);
	op->pages = (uint16_t)(1 + any(block));
	op->page = (uint16_t)(last + 1 - op->pages);
}

/*
 * Weight of an operation. Large rounds are for filling and dropping; so are storms, where
 * a thread that wakes in the middle of that is to find the table half done.
 */
static unsigned int weight(const struct plan *plan, const struct op_kind *kind)
{
	if (!plan->large && !plan->storm)
		return kind->weight;
	if (kind->run == do_populate_tables)
		return 20;
	if (kind->run == do_drop_tables)
		return 30;
	return plan->storm && (kind->run == do_fork || kind->run == do_nap) ? 0 : kind->weight;
}

static unsigned int pick_kind(const struct plan *plan)
{
	unsigned int total = 0, at, i;

	for (i = 0; i < op_kinds_count; i++)
		total += weight(plan, &op_kinds[i]);
	at = any(total);
	for (i = 0; at >= weight(plan, &op_kinds[i]); i++)
		at -= weight(plan, &op_kinds[i]);
	return i;
}

/* Is the operation for this region? */
static bool suits(const struct plan *plan, const struct op_kind *kind, unsigned int region)
{
	const struct region_plan *r = &plan->region[region];

	if ((kind->run == do_guard && !r->guards) || (kind->run == do_punch_tables && r->guards) ||
	    (kind->run == do_punch && r->hosted))
		return false;
	return (kind->kinds & ON(r->kind)) && !(kind->splits && r->calm && r->shift < 9);
}

static void make_op(const struct plan *plan, struct op *op)
{
	const struct op_kind *kind;

	do {
		op->what = (uint8_t)pick_kind(plan);
		op->region = (uint8_t)any(plan->regions);
		kind = &op_kinds[op->what];
	} while (!suits(plan, kind, op->region));
	op->thread = (uint8_t)any(plan->threads);
	op->arg = any(1U << 30);
	if (kind->reach == WHOLE) {
		pick_tables(plan, op);
	} else if (kind->run == do_truncate) {
		pick_tail(plan, op);
	} else if (kind->reach == OWN) {
		pick_own(plan, op);
		/* In a calm region whole tables change hands, so that no VMA ends inside one. */
		if (kind->splits && plan->region[op->region].calm) {
			op->page = (uint16_t)(op->page / TABLE_PAGES * TABLE_PAGES);
			op->pages = TABLE_PAGES;
		}
	}
}

void plan_make(struct plan *plan, uint32_t seed)
{
	memset(plan, 0, sizeof(*plan));
	state = seed * 0x2545f4914f6cdd1dULL;
	plan->seed = seed;
	plan->large = one_in(12);
	plan->storm = !plan->large && one_in(2);
	plan->serial = !plan->storm && one_in(4);
	plan->threads = (uint8_t)(2 + any(MAX_THREADS - 1));
	/* Never thread 0: somebody has to be preempted. */
	plan->urgent = (uint8_t)(any(1U << (plan->threads - 1)) << 1 | (plan->storm ? 2 : 0));
	plan->regions = plan->large || plan->storm ? 1 : (uint8_t)(1 + any(MAX_REGIONS));
	for (unsigned int i = 0; i < plan->regions; i++)
		make_region(&plan->region[i], plan->threads, plan->large, plan->storm);
	plan->ops = plan->large ? OPS_LARGE : OPS_SMALL;
	for (unsigned int i = 0; i < plan->ops; i++) {
		struct op *op = &plan->op[i];

		op->id = (uint16_t)i;
		if ((i + 1) % MEET_EVERY == 0)
			op->what = (uint8_t)OP_MEET, op->thread = EVERYONE;
		else
			make_op(plan, op);
	}
}
