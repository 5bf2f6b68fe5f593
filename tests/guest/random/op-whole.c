// SPDX-License-Identifier: GPL-2.0
/*
 * Operations over whole tables, whoever owns the pages. Part of the range may be
 * unmapped, locked or protected just now: an error is no failure, it only leaves
 * open which pages were dropped.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "random.h"

int do_drop_tables(struct me *me, struct region *r, const struct op *op)
{
	char *at = page_at(r, op->page);
	uint32_t began;
	int err;

	/* Of shared memory only a mapping goes: either one. */
	if (!drop_loses(r))
		return drop_by(me, op->arg & 8 ? r->alias + op->page * PAGE : at,
			       op->pages * PAGE, op->arg % 3);
	began = model_drop_begins(me, r, op->page, op->pages);
	err = drop_by(me, at, op->pages * PAGE, op->arg % 3);
	/* All but a page: which pages of the table it was is not remembered. */
	model_drop_ends(me, r, op->page, op->pages, began, !err && op->pages % TABLE_PAGES == 0);
	return err;
}

int do_punch_tables(struct me *me, struct region *r, const struct op *op)
{
	uint32_t began = model_drop_begins(me, r, op->page, op->pages);
	int err;

	if (op->arg % 2)
		err = madvise(page_at(r, op->page), op->pages * PAGE, MADV_REMOVE) ? errno : 0;
	else
		err = fallocate(r->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				(off_t)(op->page * PAGE), (off_t)(op->pages * PAGE)) ? errno : 0;
	model_drop_ends(me, r, op->page, op->pages, began, !err);
	return err;
}

int do_populate_tables(struct me *me, struct region *r, const struct op *op)
{
	/* Nobody copies a private file's pages for their owner: it counts on that. */
	int advice = op->arg % 2 && r->plan->kind != FILE_PRIVATE ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;

	(void)me;
	return madvise(page_at(r, op->page), op->pages * PAGE, advice) ? errno : 0;
}

int do_reclaim_tables(struct me *me, struct region *r, const struct op *op)
{
	static const int advice[] = { MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED };

	(void)me;
	return madvise(page_at(r, op->page), op->pages * PAGE, advice[op->arg % 3]) ? errno : 0;
}
