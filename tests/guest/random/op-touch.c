// SPDX-License-Identifier: GPL-2.0
/* Operations: the owner's own loads and stores, and looks at what is populated. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "random.h"

int do_write(struct me *me, struct region *r, const struct op *op)
{
	for (unsigned int i = op->page; i < op->page + op->pages; i++) {
		const uint64_t stamps[SLOTS] = { stamp(op->id, r->index, i, 0), stamp(op->id, r->index, i, 1) };
		int want = access_expect(&r->page[i], PROT_READ | PROT_WRITE), sig;

		if (!want)
			model_write_begins(me, r, i);
		sig = access_write(me, page_at(r, i), stamps);
		if (sig != want) {
			wrong_page(me, r, i, "write: %s, expected %s",
				  sig ? strsignal(sig) : "succeeded", want ? strsignal(want) : "success");
			return EFAULT;
		}
		if (sig)
			return EFAULT;
		model_written(me, r, i);
	}
	return 0;
}

int do_read(struct me *me, struct region *r, const struct op *op)
{
	for (unsigned int i = op->page; i < op->page + op->pages; i++)
		if (!access_check(me, r, i, "read"))
			return EFAULT;
	return access_expect(&r->page[op->page], PROT_READ) ? EFAULT : 0;
}

int do_read_alias(struct me *me, struct region *r, const struct op *op)
{
	for (unsigned int i = op->page; i < op->page + op->pages; i++) {
		bool must = model_must_drop(r, i);
		int sig = access_read(me, r->alias + i * PAGE);

		if (sig)
			wrong_page(me, r, i, "read through the second mapping: %s", strsignal(sig));
		else if (model_check(me, r, i, me->copy, must, "read through the second mapping"))
			continue;
		return EFAULT;
	}
	return 0;
}

int do_pagemap(struct me *me, struct region *r, const struct op *op)
{
	for (unsigned int i = op->page; i < op->page + op->pages; i++) {
		const struct page *p = &r->page[i];
		uint64_t entry = world_pagemap(me, page_at(r, i));

		if (p->guard && !(entry & PM_GUARD)) {
			wrong_page(me, r, i, "pagemap: its guard marker is gone");
			return EFAULT;
		}
		if (!p->guard && (entry & PM_GUARD)) {
			wrong_page(me, r, i, "pagemap: a guard marker that nobody installed");
			return EFAULT;
		}
		if (!(entry & (PM_PRESENT | PM_SWAP)) && p->mapped && !model_absent(me, r, i))
			return EFAULT;
		/* Every fourth is looked at: what is not there reads as its base. */
		if ((i + op->arg) % 4 == 0 && !access_check(me, r, i, "read after pagemap"))
			return EFAULT;
	}
	return 0;
}

int do_mincore(struct me *me, struct region *r, const struct op *op)
{
	unsigned char bits[TABLE_PAGES];
	int err = mincore(page_at(r, op->page), op->pages * PAGE, bits) ? errno : 0;
	int want = r->page[op->page].mapped ? 0 : ENOMEM;

	if (err != want)
		wrong_page(me, r, op->page, "mincore of %u pages: %s, expected %s",
			  op->pages, strerror(err), strerror(want));
	return err;
}
