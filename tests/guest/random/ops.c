// SPDX-License-Identifier: GPL-2.0
/* The table of operations, and how one is run. */
#define _GNU_SOURCE
#include <string.h>

#include "random.h"

#define VARIANTS(names, n) .variants = (names), .nvariants = (n)

const struct op_kind op_kinds[] = {
	{ "meet", NOWHERE, ON_ANY, false, 0, NULL, NULL, 0 },
	/* own pages: contents are exact */
	{ "write", OWN, ON_ANY, false, 30, do_write, NULL, 0 },
	{ "read", OWN, ON_ANY, false, 20, do_read, NULL, 0 },
	{ "read through the second mapping", OWN, ON(SHMEM), false, 6, do_read_alias, NULL, 0 },
	{ "pagemap", OWN, ON_ANY, false, 6, do_pagemap, NULL, 0 },
	{ "mincore", OWN, ON_ANY, false, 2, do_mincore, NULL, 0 },
	{ "pread into it", OWN, ON_ANY, false, 5, do_pread_into, NULL, 0 },
	{ "pwrite from it", OWN, ON_ANY, false, 5, do_write_from, NULL, 0 },
	{ "process_vm_readv", OWN, ON_ANY, false, 3, do_vm_readv, NULL, 0 },
	{ "process_vm_writev", OWN, ON_ANY, false, 2, do_vm_writev, NULL, 0 },
	{ "pread of its file", OWN, ON(SHMEM), false, 4, do_file_read, NULL, 0 },
	{ "pwrite to its file", OWN, ON(SHMEM) | ON(FILE_PRIVATE), false, 3, do_file_write, NULL, 0 },
	{ "O_DIRECT read into it", OWN, ON_ANY, false, 3, do_direct_read, NULL, 0 },
	{ "O_DIRECT write from it", OWN, ON_ANY, false, 3, do_direct_write, NULL, 0 },
	{ "vmsplice, drop, read the pipe", OWN, ON_ANY, false, 1, do_vmsplice, NULL, 0 },
	{ "dontneed", OWN, ON_ANY, false, 8, do_dontneed, VARIANTS(dontneed_names, 3) },
	{ "madvise(MADV_FREE)", OWN, ON(ANON), false, 4, do_free, NULL, 0 },
	{ "reclaim", OWN, ON_ANY, false, 4, do_reclaim, VARIANTS(reclaim_names, 3) },
	{ "populate", OWN, ON_ANY, false, 4, do_populate, VARIANTS(populate_names, 2) },
	{ "punch", OWN, ON(SHMEM) | ON(FILE_PRIVATE), false, 4, do_punch, VARIANTS(punch_names, 2) },
	{ "guard", OWN, ON_ANY, false, 5, do_guard, VARIANTS(guard_names, 2) },
	{ "munmap, or mmap where unmapped", OWN, ON_ANY, true, 6, do_munmap, NULL, 0 },
	{ "mmap(MAP_FIXED) over it", OWN, ON_ANY, true, 3, do_map_over, NULL, 0 },
	{ "mremap", OWN, ON_ANY, true, 5, do_mremap, VARIANTS(mremap_names, 2) },
	{ "mprotect", OWN, ON_ANY, true, 5, do_mprotect, VARIANTS(mprotect_names, 3) },
	{ "mlock", OWN, ON_ANY, true, 3, do_mlock, VARIANTS(mlock_names, 2) },
	{ "userfaultfd", OWN, ON(ANON) | ON(SHMEM), true, 4, do_uffd, VARIANTS(uffd_names, 3) },
	{ "ftruncate, and back", OWN, ON(SHMEM) | ON(FILE_PRIVATE), false, 1, do_truncate, NULL, 0 },
	{ "fork, check in the child", OWN, ON_ANY, false, 1, do_fork, NULL, 0 },
	/* whole tables: other threads' pages too */
	{ "drop tables", WHOLE, ON_ANY, false, 14, do_drop_tables, VARIANTS(dontneed_names, 3) },
	{ "punch tables", WHOLE, ON(SHMEM), false, 3, do_punch_tables, VARIANTS(punch_names, 2) },
	{ "populate tables", WHOLE, ON_ANY, false, 1, do_populate_tables, VARIANTS(populate_names, 2) },
	{ "reclaim tables", WHOLE, ON_ANY, false, 2, do_reclaim_tables, VARIANTS(reclaim_names, 3) },
	/* others run meanwhile */
	{ "sleep", NOWHERE, ON_ANY, false, 8, do_nap, NULL, 0 },
	{ "sched_yield", NOWHERE, ON_ANY, false, 4, do_yield, NULL, 0 },
};
const unsigned int op_kinds_count = sizeof(op_kinds) / sizeof(*op_kinds);
const unsigned int OP_MEET = 0;

static bool same_state(const struct page *a, const struct page *b)
{
	return a->mapped == b->mapped && a->prot == b->prot && a->locked == b->locked &&
	       a->guard == b->guard && a->uffd == b->uffd;
}

/* How many pages from the first on are in its state: for them one result is right. */
static unsigned int same_from(const struct region *r, const struct op *op)
{
	unsigned int n = 1;

	while (n < op->pages && same_state(&r->page[op->page], &r->page[op->page + n]))
		n++;
	return n;
}

void op_run(struct me *me, const struct op *op)
{
	const struct op_kind *kind = &op_kinds[op->what];
	struct region *r = &me->world->region[op->region];
	struct trace *trace = &me->world->out->trace[op->id];
	struct op narrowed = *op;

	if (kind->reach == OWN)
		narrowed.pages = (uint16_t)same_from(r, op);
	me->op = &narrowed;
	trace->page = narrowed.page;
	trace->pages = narrowed.pages;
	trace->result = -1;
	trace->when = tick(me->world);
	trace->result = (int16_t)kind->run(me, r, &narrowed);
	atomic_fetch_add(&me->world->out->done, 1);
	me->op = NULL;
}
