// SPDX-License-Identifier: GPL-2.0
/*
 * The smallest list that still fails: delta debugging, each candidate in a process
 * of its own, so that one that crashes fails like any other.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

/* How long a list that races is run until it counts as one that passes: bounds, in ms. */
#define LEAST_MS	600.0
#define MOST_MS		8000.0
#define TIMES_LONGER	3	/* than the last one needed to fail */

static double deadline, patience;
static struct outcome *trial;

/* Does the plan fail, in some tries if threads run freely? Its outcome replaces *out then. */
static bool fails(const struct plan *plan, struct outcome *out)
{
	double start = now_ms(), took;

	do {
		if (!run_plan(plan, trial))
			continue;
		memcpy(out, trial, sizeof(*out));
		took = (now_ms() - start) * TIMES_LONGER;
		patience = took < LEAST_MS ? LEAST_MS : took > MOST_MS ? MOST_MS : took;
		return true;
	} while (!plan->serial && now_ms() - start < patience && now_ms() < deadline);
	return false;
}

static const struct outcome *sorted_by;

static int by_time(const void *a, const void *b)
{
	const struct op *x = a, *y = b;
	uint32_t u = sorted_by->trace[x->id].when, v = sorted_by->trace[y->id].when;

	return u < v ? -1 : u > v;
}

/* Drops what did not run before the failure; serial: in the order in which the rest began. */
static void keep_what_ran(struct plan *plan, const struct outcome *out, bool serial)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < plan->ops; i++) {
		const struct op *op = &plan->op[i];

		if (out->trace[op->id].when || (op->thread == EVERYONE && !serial))
			plan->op[n++] = *op;
	}
	plan->ops = n;
	if (!serial)
		return;
	sorted_by = out;
	qsort(plan->op, n, sizeof(*plan->op), by_time);
	plan->serial = true;
}

/* Does an operation touch what the failing one did? Each filter keeps less than the one before. */
static bool same_region(const struct op *op, const struct op *bad)
{
	return op->region == bad->region || op_kinds[op->what].reach == NOWHERE;
}

static bool same_table(const struct op *op, const struct op *bad)
{
	unsigned int first = bad->page / TABLE_PAGES, last = (bad->page + bad->pages - 1U) / TABLE_PAGES;

	return op->region == bad->region && op_kinds[op->what].reach != NOWHERE &&
	       op->page / TABLE_PAGES <= last && (op->page + op->pages - 1U) / TABLE_PAGES >= first;
}

static bool same_pages(const struct op *op, const struct op *bad)
{
	return same_table(op, bad) && op->page < bad->page + bad->pages &&
	       op->page + op->pages > bad->page;
}

/* Keeps only what passes the filter, if that fails too. */
static void keep_only(struct plan *plan, struct outcome *out,
		      bool (*filter)(const struct op *op, const struct op *bad))
{
	static struct plan smaller;
	const struct op *bad = NULL;

	for (unsigned int i = 0; i < plan->ops; i++)
		if (plan->op[i].id == out->failed_op)
			bad = &plan->op[i];
	if (!bad)
		return;
	memcpy(&smaller, plan, sizeof(smaller));
	smaller.ops = 0;
	for (unsigned int i = 0; i < plan->ops; i++)
		if (filter(&plan->op[i], bad))
			smaller.op[smaller.ops++] = plan->op[i];
	if (smaller.ops < plan->ops && fails(&smaller, out))
		memcpy(plan, &smaller, sizeof(*plan));
}

/* The plan without operations [from, from + n). */
static void without(struct plan *to, const struct plan *from, unsigned int at, unsigned int n)
{
	memcpy(to, from, sizeof(*to));
	memmove(&to->op[at], &to->op[at + n], (from->ops - at - n) * sizeof(*to->op));
	to->ops -= n;
}

/* Takes pieces of `size` out, from the end, as long as the rest fails. True: some went. */
static bool take_out(struct plan *plan, struct outcome *out, unsigned int size)
{
	static struct plan smaller;
	bool any = false;

	for (unsigned int end = plan->ops; end > 0 && now_ms() < deadline;) {
		unsigned int n = size < end ? size : end;

		without(&smaller, plan, end - n, n);
		if (smaller.ops && fails(&smaller, out)) {
			memcpy(plan, &smaller, sizeof(*plan));
			any = true;
		}
		end -= n;
	}
	return any;
}

/* Fewer pages and tables where they do: a list that is easier to read. */
static void narrow(struct plan *plan, struct outcome *out)
{
	static struct plan smaller;

	for (unsigned int i = 0; i < plan->ops && now_ms() < deadline; i++) {
		const struct op_kind *kind = &op_kinds[plan->op[i].what];
		unsigned int least = kind->reach == WHOLE ? TABLE_PAGES : 1;

		if (kind->reach == NOWHERE || kind->run == do_truncate || plan->op[i].pages <= least)
			continue;
		memcpy(&smaller, plan, sizeof(smaller));
		smaller.op[i].pages = (uint16_t)least;
		if (fails(&smaller, out))
			memcpy(plan, &smaller, sizeof(*plan));
	}
}

/* How often does it fail? Leaves the last failure in *out. */
static const char *count(const struct plan *plan, struct outcome *out)
{
	static char text[64];
	unsigned int tries = plan->serial ? 3 : 10, bad = 0;

	for (unsigned int i = 0; i < tries; i++) {
		if (!run_plan(plan, trial))
			continue;
		memcpy(out, trial, sizeof(*out));
		bad++;
	}
	snprintf(text, sizeof(text), "%u time%s of %u", bad, bad == 1 ? "" : "s", tries);
	return text;
}

const char *shrink(struct plan *plan, struct outcome *out, unsigned int seconds)
{
	static struct plan try;

	deadline = now_ms() + seconds * 1e3;
	patience = MOST_MS;
	if (!trial)
		trial = outcome_new();
	/* Best: the same order, one at a time. Then every replay is the same. */
	memcpy(&try, plan, sizeof(try));
	keep_what_ran(&try, out, true);
	if (fails(&try, out)) {
		memcpy(plan, &try, sizeof(*plan));
	} else {
		memcpy(&try, plan, sizeof(try));
		keep_what_ran(&try, out, plan->serial);
		if (fails(&try, out))
			memcpy(plan, &try, sizeof(*plan));
	}
	/* What failed at an operation needs no checks at the end: candidates are quicker so. */
	plan->unchecked = out->failed_op < MAX_OPS;
	keep_only(plan, out, same_region);
	keep_only(plan, out, same_table);
	keep_only(plan, out, same_pages);
	for (unsigned int size = (plan->ops + 1) / 2; size; size = size > 1 ? (size + 1) / 2 : 0)
		while (take_out(plan, out, size) && size == 1 && now_ms() < deadline)
			;
	narrow(plan, out);
	return count(plan, out);
}
