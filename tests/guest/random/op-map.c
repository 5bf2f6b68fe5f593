// SPDX-License-Identifier: GPL-2.0
/* Operations: what changes the VMAs of own pages, and the size of the file. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "random.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

const char *const mremap_names[] = { "mremap there and back", "mremap(MREMAP_DONTUNMAP) there and back" };
static const int protections[] = { PROT_READ, PROT_READ | PROT_WRITE, PROT_NONE };
const char *const mprotect_names[] = {
	"mprotect(PROT_READ)", "mprotect(PROT_READ | PROT_WRITE)", "mprotect(PROT_NONE)",
};
const char *const uffd_names[] = { "UFFDIO_REGISTER", "UFFDIO_REGISTER", "UFFDIO_UNREGISTER" };
const char *const mlock_names[] = { "mlock", "munlock" };

static void wrong_call(struct me *me, struct region *r, const struct op *op, const char *call, int err)
{
	wrong_page(me, r, op->page, "%s of %u pages: %s", call, op->pages, strerror(err));
}

/* Own pages were mapped anew: nothing private is left, nothing special set. */
static void mapped_anew(struct region *r, const struct op *op)
{
	for (unsigned int i = op->page; i < op->page + op->pages; i++) {
		struct page *p = &r->page[i];

		p->mapped = true;
		p->prot = PROT_READ | PROT_WRITE;
		p->locked = p->guard = p->uffd = false;
	}
	if (drop_loses(r))
		model_dropped(r, op->page, op->pages);
}

/* Unmaps what is mapped, maps what is not. */
int do_munmap(struct me *me, struct region *r, const struct op *op)
{
	int err;

	if (!r->page[op->page].mapped) {
		/* Whoever took the hole would be found by NOREPLACE. */
		err = world_map(r, op->page, op->pages, MAP_FIXED_NOREPLACE);
		if (err)
			wrong_call(me, r, op, "mmap(MAP_FIXED_NOREPLACE)", err);
		else
			mapped_anew(r, op);
		return err;
	}
	err = munmap(page_at(r, op->page), op->pages * PAGE) ? errno : 0;
	if (err) {
		wrong_call(me, r, op, "munmap", err);
		return err;
	}
	mapped_anew(r, op);
	for (unsigned int i = op->page; i < op->page + op->pages; i++)
		r->page[i].mapped = false;
	return 0;
}

/*
 * A call that unmaps a whole table and brings another one there forgets, on UML without
 * its mends, what to unmap on the host (pmd_populate() overwrites the PMD's sync bit):
 * there it is two calls. Returns whether the range is free now.
 */
static bool unmap_before(struct region *r, const struct op *op)
{
	return !uml_mended() && munmap(page_at(r, op->page), op->pages * PAGE) == 0;
}

int do_map_over(struct me *me, struct region *r, const struct op *op)
{
	bool freed = unmap_before(r, op);
	int err = world_map(r, op->page, op->pages, freed ? MAP_FIXED_NOREPLACE : MAP_FIXED);

	if (err)
		wrong_call(me, r, op, "mmap(MAP_FIXED)", err);
	else
		mapped_anew(r, op);
	return err;
}

/* Looks at one own page while it is in the scratch room. */
static void check_away(struct me *me, struct region *r, const struct op *op, const char *at, bool must)
{
	const struct page *p = &r->page[op->page];
	int want = access_expect(p, PROT_READ), sig = access_read(me, at);

	if (sig != want)
		wrong_page(me, r, op->page, "read where mremap moved it: %s, expected %s",
			  sig ? strsignal(sig) : "succeeded", want ? strsignal(want) : "success");
	else if (!sig)
		model_check(me, r, op->page, me->copy, must, "read where mremap moved it");
}

/* What MREMAP_DONTUNMAP leaves behind is mapped and holds nothing of its own. */
static void check_left(struct me *me, struct region *r, const struct op *op)
{
	int want = r->page[op->page].prot & PROT_READ ? 0 : SIGSEGV;
	int sig = access_read(me, page_at(r, op->page));

	if (sig != want) {
		wrong_page(me, r, op->page, "read what MREMAP_DONTUNMAP left: %s, expected %s",
			  sig ? strsignal(sig) : "succeeded", want ? strsignal(want) : "success");
		return;
	}
	for (unsigned int slot = 0; !sig && slot < SLOTS && drop_loses(r); slot++)
		if (me->copy[SLOT_WORD(slot)] != r->page[op->page].base[slot])
			wrong_page(me, r, op->page, "read what MREMAP_DONTUNMAP left: 0x%llx",
				  (unsigned long long)me->copy[SLOT_WORD(slot)]);
}

int do_mremap(struct me *me, struct region *r, const struct op *op)
{
	const int fixed = MREMAP_MAYMOVE | MREMAP_FIXED;
	const size_t len = op->pages * PAGE;
	const bool leave = op->arg % 2;
	char *home = page_at(r, op->page);
	/* At the same place in the scratch table, or at its start. */
	char *away = me->world->scratch[me->id] + ((op->arg & 2) ? op->page % TABLE_PAGES * PAGE : 0);
	/* Before it goes: drops of the table miss it while it is away. */
	const bool must = model_must_drop(r, op->page);

	if (!r->page[op->page].mapped || r->page[op->page].locked)
		return -1;
	if (mremap(home, len, len, fixed | (leave ? MREMAP_DONTUNMAP : 0), away) == MAP_FAILED) {
		/* The run can lie in several VMAs that look alike to us. */
		if (errno != EFAULT || op->pages == 1)
			wrong_call(me, r, op, mremap_names[leave], errno);
		return EFAULT;
	}
	check_away(me, r, op, away, must);
	if (leave) {
		check_left(me, r, op);
		unmap_before(r, op);
	}
	if (mremap(away, len, len, fixed, home) == MAP_FAILED)
		wrong_call(me, r, op, "mremap back", errno);
	model_moved(me, r, op->page, op->pages);
	/* Without UFFD_FEATURE_EVENT_REMAP what moves is registered no more. */
	for (unsigned int i = op->page; i < op->page + op->pages; i++)
		r->page[i].uffd = false;
	return 0;
}

int do_mprotect(struct me *me, struct region *r, const struct op *op)
{
	unsigned int variant = op->arg % 3;
	int err = mprotect(page_at(r, op->page), op->pages * PAGE, protections[variant]) ? errno : 0;

	if (err != (r->page[op->page].mapped ? 0 : ENOMEM))
		wrong_call(me, r, op, mprotect_names[variant], err);
	for (unsigned int i = op->page; !err && i < op->page + op->pages; i++)
		r->page[i].prot = protections[variant];
	return err;
}

int do_mlock(struct me *me, struct region *r, const struct op *op)
{
	const struct page *p = &r->page[op->page];
	bool on = op->arg % 2 == 0;
	int err;

	if (!p->mapped)
		return -1;
	err = (on ? mlock : munlock)(page_at(r, op->page), op->pages * PAGE) ? errno : 0;
	/* Pages that cannot be faulted in: it says so, and they are locked all the same. */
	if (err && !(on && access_expect(p, p->prot ? p->prot : PROT_READ)))
		wrong_call(me, r, op, mlock_names[!on], err);
	for (unsigned int i = op->page; i < op->page + op->pages; i++)
		r->page[i].locked = on;
	return err;
}

/* Missing pages become the userfaultfd's business, or the kernel's again. Registered twice is as good as once. */
int do_uffd(struct me *me, struct region *r, const struct op *op)
{
	struct uffdio_register range = {
		.range = { (__u64)page_at(r, op->page), op->pages * PAGE }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	bool on = op->arg % 3 < 2;
	int err;

	if (me->world->uffd < 0 || !r->page[op->page].mapped || (!on && !r->page[op->page].uffd))
		return -1;
	err = ioctl(me->world->uffd, on ? UFFDIO_REGISTER : UFFDIO_UNREGISTER, on ? (void *)&range : (void *)&range.range) ? errno : 0;
	if (err)
		wrong_call(me, r, op, uffd_names[op->arg % 3], err);
	for (unsigned int i = op->page; !err && i < op->page + op->pages; i++)
		r->page[i].uffd = on;
	return err;
}

/* The file loses its last pages, which are all ours, and gets them back empty. */
int do_truncate(struct me *me, struct region *r, const struct op *op)
{
	const struct page *p = &r->page[op->page];
	int want = access_expect(p, PROT_READ), sig;

	if (op->page + op->pages != r->pages)
		return -1;
	if (ftruncate(r->fd, (off_t)(op->page * PAGE))) {
		wrong_call(me, r, op, "ftruncate", errno);
		return EIO;
	}
	sig = access_read(me, page_at(r, op->page));
	if (sig != (want ? want : SIGBUS))
		wrong_page(me, r, op->page, "read behind the end of the file: %s, expected %s",
			  sig ? strsignal(sig) : "succeeded", strsignal(want ? want : SIGBUS));
	if (ftruncate(r->fd, (off_t)(r->pages * PAGE)))
		wrong_call(me, r, op, "ftruncate back", errno);
	model_emptied(r, op->page, op->pages);
	return 0;
}
