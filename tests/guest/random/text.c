// SPDX-License-Identifier: GPL-2.0
/* A list of operations and what came of it, for people. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

#define MAX_LINES 60	/* a list longer than that tells nobody anything */

static const char *const kinds[] = {
	"private anonymous memory", "a memfd, MAP_SHARED, mapped twice", "a memfd, MAP_PRIVATE",
};

static void print_regions(FILE *to, const struct plan *plan)
{
	for (unsigned int i = 0; i < plan->regions; i++) {
		const struct region_plan *r = &plan->region[i];

		fprintf(to, "#   region %u: %u tables (%lu pages) of %s; page p is thread (p / %u + %u) %% %u's\n",
			i, r->tables, r->tables * TABLE_PAGES, r->hosted ? "a file of the host, MAP_PRIVATE" : kinds[r->kind], 1U << r->shift,
			r->first, plan->threads);
	}
}

static void print_op(FILE *to, const struct plan *plan, const struct outcome *out, const struct op *op)
{
	const struct op_kind *kind = &op_kinds[op->what];
	const struct trace *t = &out->trace[op->id];
	const char *name = kind->variants ? kind->variants[op->arg % kind->nvariants] : kind->name;
	char where[96] = "";

	if (op->thread == EVERYONE) {
		fprintf(to, "#   all threads rest: contents, pagemap and VmPTE are checked\n");
		return;
	}
	/* What the variant is not for falls back to the first. */
	if (kind->run == do_punch && plan->region[op->region].kind != SHMEM)
		name = punch_names[0];
	if (kind->run == do_populate_tables && plan->region[op->region].kind == FILE_PRIVATE)
		name = populate_names[0];
	if (kind->reach == WHOLE)
		snprintf(where, sizeof(where), " of region %u tables %lu to %lu%s", op->region,
			 t->page / TABLE_PAGES, (t->page + t->pages - 1) / TABLE_PAGES,
			 t->page % TABLE_PAGES ? " but the first page" :
			 t->pages % TABLE_PAGES ? " but the last page" : "");
	else if (kind->reach == OWN)
		snprintf(where, sizeof(where), " of region %u page %u (table %lu), %u page%s",
			 op->region, t->page, t->page / TABLE_PAGES, t->pages, t->pages == 1 ? "" : "s");
	fprintf(to, "#   thread %u #%u: %s%s%s%s%s\n", op->thread, op->id, name, where,
	       t->result > 0 ? ": " : "", t->result > 0 ? strerror(t->result) : "",
	       out->failed_op == op->id ? "   <-- fails" : "");
}

static const struct outcome *sorted_by;

static int earlier(const void *a, const void *b)
{
	const struct op *const *x = a, *const *y = b;
	uint32_t u = sorted_by->trace[(*x)->id].when, v = sorted_by->trace[(*y)->id].when;

	/* Meetings have no time of their own: the list's order does for them. */
	if (!u || !v || u == v)
		return (*x)->id < (*y)->id ? -1 : 1;
	return u < v ? -1 : 1;
}

/* Operations that were run, in the order in which they began. */
static void print_ops(FILE *to, const struct plan *plan, const struct outcome *out)
{
	static const struct op *list[MAX_OPS];
	unsigned int n = 0, first;

	for (unsigned int i = 0; i < plan->ops; i++)
		if (out->trace[plan->op[i].id].when || plan->op[i].thread == EVERYONE)
			list[n++] = &plan->op[i];
	sorted_by = out;
	qsort(list, n, sizeof(*list), earlier);
	first = n > MAX_LINES ? n - MAX_LINES : 0;
	if (first)
		fprintf(to, "#   ... %u operations before\n", first);
	for (unsigned int i = first; i < n; i++)
		print_op(to, plan, out, list[i]);
}

static void print_replay(FILE *to, const struct plan *plan, unsigned int total)
{
	fprintf(to, "# replay: make check T=random SEED=%u", plan->seed);
	if (plan->ops < total && plan->ops <= MAX_LINES) {
		for (unsigned int i = 0; i < plan->ops; i++)
			fprintf(to, "%s%u", i ? "," : " OPS=", plan->op[i].id);
		if (plan->serial)
			fprintf(to, " SERIAL=1");
	}
	fprintf(to, "\n");
}

char *text_of(const struct plan *plan, const struct outcome *out, unsigned int total,
	      const char *how_often)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (!to)
		return NULL;
	fprintf(to, "seed %u: %s\n", plan->seed, out->text);
	fprintf(to, "# smallest failing list: %u of %u operations, %u threads, %s; fails %s\n",
		plan->ops, total, plan->threads,
		plan->serial ? "one operation at a time" : "threads run freely", how_often);
	print_regions(to, plan);
	print_ops(to, plan, out);
	print_replay(to, plan, total);
	fclose(to);
	return text;
}
