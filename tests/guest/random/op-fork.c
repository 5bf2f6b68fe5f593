// SPDX-License-Identifier: GPL-2.0
/* Operations: fork with a check in the child; and those that let other threads run. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "random.h"

/* Own pages of the table at `first`, as the child of a fork sees them. */
static void check_own(struct me *me, struct region *r, unsigned int first, const char *how)
{
	/* Not all: a page that is not there costs a fault. */
	for (unsigned int i = first; i < first + TABLE_PAGES; i += 4 + me->op->arg % 13)
		if (plan_owner(me->world->plan, r->index, i) == me->id && !access_check(me, r, i, how))
			return;
}

/* Writes to own pages that only the child must see. */
static void write_own(struct me *me, struct region *r, unsigned int first)
{
	static const uint64_t junk[SLOTS] = { ~0ULL, ~0ULL };

	for (unsigned int i = first; i < first + TABLE_PAGES; i += 8 + me->op->arg % 11)
		if (plan_owner(me->world->plan, r->index, i) == me->id)
			access_write(me, page_at(r, i), junk);
}

static void child(struct me *me, struct region *r, const struct op *op)
{
	unsigned int first = op->page / TABLE_PAGES * TABLE_PAGES;

	/* Locks are not inherited. */
	for (unsigned int i = first; i < first + TABLE_PAGES; i++)
		r->page[i].locked = false;
	check_own(me, r, first, "read in a forked child");
	if (op->arg & 0x100) {
		struct op drop = *op;

		drop.page = first;
		drop.pages = TABLE_PAGES;
		drop.arg = 0;
		do_drop_tables(me, r, &drop);
		check_own(me, r, first, "read in a forked child, dropped there");
	}
	if (drop_loses(r))
		write_own(me, r, first);
}

int do_fork(struct me *me, struct region *r, const struct op *op)
{
	int status;
	pid_t pid = fork();

	if (pid < 0) {
		wrong(me, "fork: %s", strerror(errno));
		return errno;
	}
	if (!pid) {
		child(me, r, op);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status)
		wrong(me, "forked child: %s %d", WIFSIGNALED(status) ? "killed by signal" : "exit",
		     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return 0;
}

int do_nap(struct me *me, struct region *r, const struct op *op)
{
	const struct timespec t = { .tv_nsec = (long)(20 + op->arg % 500) * 1000 };

	(void)me;
	(void)r;
	nanosleep(&t, NULL);
	return 0;
}

int do_yield(struct me *me, struct region *r, const struct op *op)
{
	(void)me;
	(void)r;
	(void)op;
	sched_yield();
	return 0;
}
