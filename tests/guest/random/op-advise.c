// SPDX-License-Identifier: GPL-2.0
/* Operations: madvise and fallocate of own pages. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "random.h"

enum { BY_DONTNEED, BY_DONTNEED_LOCKED, BY_PROCESS_MADVISE };
const char *const dontneed_names[] = {
	"madvise(MADV_DONTNEED)", "madvise(MADV_DONTNEED_LOCKED)", "process_madvise(MADV_DONTNEED)",
};
static const int reclaim_advice[] = { MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED };
const char *const reclaim_names[] = {
	"madvise(MADV_COLD)", "madvise(MADV_PAGEOUT)", "madvise(MADV_WILLNEED)",
};
static const int populate_advice[] = { MADV_POPULATE_READ, MADV_POPULATE_WRITE };
const char *const populate_names[] = { "madvise(MADV_POPULATE_READ)", "madvise(MADV_POPULATE_WRITE)" };
const char *const punch_names[] = { "fallocate(FALLOC_FL_PUNCH_HOLE)", "madvise(MADV_REMOVE)" };
const char *const guard_names[] = { "madvise(MADV_GUARD_INSTALL)", "madvise(MADV_GUARD_REMOVE)" };

/* Fails the run unless a call on own pages ended as it had to. */
static int judge(struct me *me, struct region *r, const struct op *op, const char *call, int err, int want)
{
	if (err != want)
		wrong_page(me, r, op->page, "%s of %u pages: %s, expected %s", call, op->pages,
			  strerror(err), strerror(want));
	return err;
}

int drop_by(struct me *me, char *at, size_t len, unsigned int variant)
{
	const struct iovec range = { at, len };
	ssize_t n;

	if (variant != BY_PROCESS_MADVISE)
		return madvise(at, len, variant == BY_DONTNEED ? MADV_DONTNEED : MADV_DONTNEED_LOCKED) ? errno : 0;
	n = syscall(SYS_process_madvise, me->world->pidfd, &range, 1UL, MADV_DONTNEED, 0U);
	return n < 0 ? errno : (size_t)n == len ? 0 : EAGAIN;
}

int do_dontneed(struct me *me, struct region *r, const struct op *op)
{
	const struct page *p = &r->page[op->page];
	unsigned int variant = op->arg % 3;
	int want = !p->mapped ? ENOMEM : p->locked && variant != BY_DONTNEED_LOCKED ? EINVAL : 0;
	int err = drop_by(me, page_at(r, op->page), op->pages * PAGE, variant);

	if (!judge(me, r, op, dontneed_names[variant], err, want) && drop_loses(r))
		model_dropped(r, op->page, op->pages);
	return err;
}

int do_free(struct me *me, struct region *r, const struct op *op)
{
	const struct page *p = &r->page[op->page];
	int err = madvise(page_at(r, op->page), op->pages * PAGE, MADV_FREE) ? errno : 0;

	judge(me, r, op, "madvise(MADV_FREE)", err, !p->mapped ? ENOMEM : p->locked ? EINVAL : 0);
	for (unsigned int i = op->page; !err && i < op->page + op->pages; i++)
		r->page[i].lazy = true;
	return err;
}

int do_reclaim(struct me *me, struct region *r, const struct op *op)
{
	const struct page *p = &r->page[op->page];
	int advice = reclaim_advice[op->arg % 3];
	int err = madvise(page_at(r, op->page), op->pages * PAGE, advice) ? errno : 0;

	/* WILLNEED takes locked memory, and reads nothing in without swap. */
	if (advice == MADV_WILLNEED && err == EBADF)
		return err;
	return judge(me, r, op, reclaim_names[op->arg % 3], err,
		     !p->mapped ? ENOMEM : p->locked && advice != MADV_WILLNEED ? EINVAL : 0);
}

int do_populate(struct me *me, struct region *r, const struct op *op)
{
	unsigned int variant = op->arg % 2;
	const struct page *p = &r->page[op->page];
	int prot = variant ? PROT_READ | PROT_WRITE : PROT_READ;
	int err = madvise(page_at(r, op->page), op->pages * PAGE, populate_advice[variant]) ? errno : 0;

	/* Which errno it is depends on what forbids it: any is right there. */
	if (access_expect(p, prot) && err)
		return err;
	return judge(me, r, op, populate_names[variant], err, access_expect(p, prot) ? EFAULT : 0);
}

int do_punch(struct me *me, struct region *r, const struct op *op)
{
	const struct page *p = &r->page[op->page];
	const bool remove = op->arg % 2 && r->plan->kind == SHMEM && p->mapped;
	struct op drop = *op;
	int err;

	/* Private pages survive a hole in the file: gone first, they are the file's. */
	drop.arg = p->locked ? BY_DONTNEED_LOCKED : BY_DONTNEED;
	if (r->plan->kind == FILE_PRIVATE && p->mapped && do_dontneed(me, r, &drop))
		return EINVAL;
	if (remove)
		err = madvise(page_at(r, op->page), op->pages * PAGE, MADV_REMOVE) ? errno : 0;
	else
		err = fallocate(r->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				(off_t)(op->page * PAGE), (off_t)(op->pages * PAGE)) ? errno : 0;
	if (!judge(me, r, op, punch_names[remove], err, remove && p->locked ? EINVAL : 0))
		model_emptied(r, op->page, op->pages);
	return err;
}

int do_guard(struct me *me, struct region *r, const struct op *op)
{
	const struct page *p = &r->page[op->page];
	unsigned int variant = op->arg % 2;
	int want = !p->mapped ? ENOMEM : variant == 0 && p->locked ? EINVAL : 0;
	int err = madvise(page_at(r, op->page), op->pages * PAGE,
			  variant ? MADV_GUARD_REMOVE : MADV_GUARD_INSTALL) ? errno : 0;

	if (judge(me, r, op, guard_names[variant], err, want))
		return err;
	for (unsigned int i = op->page; i < op->page + op->pages; i++)
		r->page[i].guard = variant == 0;
	if (variant == 0 && drop_loses(r))
		model_dropped(r, op->page, op->pages);
	return 0;
}
