// SPDX-License-Identifier: GPL-2.0
/* Operations: what the kernel itself reads and writes in the range, or in its file. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "random.h"

/* Me's copy is a page of stamps by me->op. */
static void make_page(struct me *me, struct region *r, unsigned int page)
{
	memset(me->copy, 0, sizeof(me->copy));
	for (unsigned int slot = 0; slot < SLOTS; slot++)
		me->copy[SLOT_WORD(slot)] = stamp(me->op->id, r->index, page, slot);
}

/*
 * Judges a call that moved a page between me->copy and the range. Returns 0 when it
 * did, an errno when it failed as it had to; the run has failed for anything else.
 */
static int judge(struct me *me, struct region *r, unsigned int page, ssize_t n, int prot,
		 const char *call)
{
	int want = access_expect(&r->page[page], prot) ? EFAULT : 0;
	int err = n < 0 ? errno : n == (ssize_t)PAGE ? 0 : EIO;

	if (err == want || (!r->page[page].mapped && err == ENOMEM))
		return err;
	/* Without its mends UML's copy_from_user() reads the page of a PTE with PROT_NONE. */
	if (!uml_mended() && !err && r->page[page].mapped && !r->page[page].guard && r->page[page].prot == PROT_NONE &&
	    prot == PROT_READ)
		return 0;
	wrong_page(me, r, page, "%s: returned %zd (%s), expected %s", call, n, strerror(err), strerror(want));
	return err;
}

/*
 * UML without its mends forgets that copy_to_user() made a page dirty that was only read
 * before (maybe_map() looks at the PTE's write bit, not at its dirty bit), and drops a
 * clean page when it reclaims: there the user writes first.
 */
static void make_dirty(struct me *me, struct region *r, unsigned int page)
{
	const uint64_t stamps[SLOTS] = { me->copy[SLOT_WORD(0)], me->copy[SLOT_WORD(1)] };

	if (!uml_mended())
		access_write(me, page_at(r, page), stamps);
}

int do_pread_into(struct me *me, struct region *r, const struct op *op)
{
	int err = 0;

	for (unsigned int i = op->page; !err && i < op->page + op->pages; i++) {
		make_page(me, r, i);
		if (pwrite(me->post, me->copy, PAGE, 0) != (ssize_t)PAGE) {
			wrong(me, "pwrite to a memfd: %s", strerror(errno));
			return EIO;
		}
		if (!access_expect(&r->page[i], PROT_READ | PROT_WRITE))
			model_write_begins(me, r, i);
		make_dirty(me, r, i);
		err = judge(me, r, i, pread(me->post, page_at(r, i), PAGE, 0),
			    PROT_READ | PROT_WRITE, "pread into it");
		if (!err)
			model_written(me, r, i);
	}
	return err;
}

int do_write_from(struct me *me, struct region *r, const struct op *op)
{
	int err = 0;

	for (unsigned int i = op->page; !err && i < op->page + op->pages; i++) {
		bool must = model_must_drop(r, i);

		err = judge(me, r, i, pwrite(me->post, page_at(r, i), PAGE, PAGE), PROT_READ,
			    "pwrite from it");
		if (err)
			break;
		if (pread(me->post, me->copy, PAGE, PAGE) != (ssize_t)PAGE)
			wrong(me, "pread from a memfd: %s", strerror(errno));
		else if (model_check(me, r, i, me->copy, must, "pwrite from it"))
			continue;
		return EIO;
	}
	return err;
}

int do_vm_readv(struct me *me, struct region *r, const struct op *op)
{
	int err = 0;

	for (unsigned int i = op->page; !err && i < op->page + op->pages; i++) {
		const struct iovec to = { me->copy, PAGE }, from = { page_at(r, i), PAGE };
		bool must = model_must_drop(r, i);

		err = judge(me, r, i, process_vm_readv(getpid(), &to, 1, &from, 1, 0), PROT_READ,
			    "process_vm_readv");
		if (!err && !model_check(me, r, i, me->copy, must, "process_vm_readv"))
			return EIO;
	}
	return err;
}

int do_vm_writev(struct me *me, struct region *r, const struct op *op)
{
	int err = 0;

	for (unsigned int i = op->page; !err && i < op->page + op->pages; i++) {
		const struct iovec from = { me->copy, PAGE }, to = { page_at(r, i), PAGE };

		make_page(me, r, i);
		if (!access_expect(&r->page[i], PROT_READ | PROT_WRITE))
			model_write_begins(me, r, i);
		err = judge(me, r, i, process_vm_writev(getpid(), &from, 1, &to, 1, 0),
			    PROT_READ | PROT_WRITE, "process_vm_writev");
		if (!err)
			model_written(me, r, i);
	}
	return err;
}

int do_file_read(struct me *me, struct region *r, const struct op *op)
{
	for (unsigned int i = op->page; i < op->page + op->pages; i++) {
		bool must = model_must_drop(r, i);

		if (pread(r->fd, me->copy, PAGE, (off_t)(i * PAGE)) != (ssize_t)PAGE)
			wrong_page(me, r, i, "pread of its file: %s", strerror(errno));
		else if (model_check(me, r, i, me->copy, must, "pread of its file"))
			continue;
		return EIO;
	}
	return 0;
}

int do_file_write(struct me *me, struct region *r, const struct op *op)
{
	/* A page of a private file may have been copied: only once dropped it is the file's. */
	if (r->plan->kind == FILE_PRIVATE && do_dontneed(me, r, op))
		return EINVAL;
	for (unsigned int i = op->page; i < op->page + op->pages; i++) {
		struct page *p = &r->page[i];

		make_page(me, r, i);
		model_write_begins(me, r, i);
		if (pwrite(r->fd, me->copy, PAGE, (off_t)(i * PAGE)) != (ssize_t)PAGE) {
			wrong_page(me, r, i, "pwrite to its file: %s", strerror(errno));
			return EIO;
		}
		model_written(me, r, i);
		if (r->plan->kind == FILE_PRIVATE)
			memcpy(p->base, p->want, sizeof(p->base));
	}
	return 0;
}

/* Where me has a page of the disk to itself; not at its start, where the header of a swap device is. */
static off_t place(const struct me *me)
{
	return (off_t)((1 + me->id) * PAGE);
}

/* The disk writes into the page itself, which is pinned for as long as that takes. */
int do_direct_read(struct me *me, struct region *r, const struct op *op)
{
	int err = 0;

	if (me->world->disk < 0)
		return -1;
	for (unsigned int i = op->page; !err && i < op->page + op->pages; i++) {
		make_page(me, r, i);
		if (pwrite(me->world->disk, me->copy, PAGE, place(me)) != (ssize_t)PAGE) {
			wrong(me, "O_DIRECT write: %s", strerror(errno));
			return EIO;
		}
		if (!access_expect(&r->page[i], PROT_READ | PROT_WRITE))
			model_write_begins(me, r, i);
		make_dirty(me, r, i);
		err = judge(me, r, i, pread(me->world->disk, page_at(r, i), PAGE, place(me)),
			    PROT_READ | PROT_WRITE, "O_DIRECT read into it");
		if (!err)
			model_written(me, r, i);
	}
	return err;
}

int do_direct_write(struct me *me, struct region *r, const struct op *op)
{
	int err = 0;

	if (me->world->disk < 0)
		return -1;
	for (unsigned int i = op->page; !err && i < op->page + op->pages; i++) {
		bool must = model_must_drop(r, i);

		err = judge(me, r, i, pwrite(me->world->disk, page_at(r, i), PAGE, place(me)), PROT_READ,
			    "O_DIRECT write from it");
		if (err)
			break;
		if (pread(me->world->disk, me->copy, PAGE, place(me)) != (ssize_t)PAGE)
			wrong(me, "O_DIRECT read: %s", strerror(errno));
		else if (model_check(me, r, i, me->copy, must, "O_DIRECT write from it"))
			continue;
		return EIO;
	}
	return err;
}

/* A page in a pipe stays what it was when vmsplice pinned it, whatever happens to the range. */
int do_vmsplice(struct me *me, struct region *r, const struct op *op)
{
	const struct iovec from = { page_at(r, op->page), PAGE };
	bool must = model_must_drop(r, op->page);
	int err, end[2];

	if (access_expect(&r->page[op->page], PROT_READ) || pipe2(end, O_CLOEXEC))
		return -1;
	err = judge(me, r, op->page, vmsplice(end[1], &from, 1, 0), PROT_READ, "vmsplice");
	/* What is seen in the pipe is what was there before: look, then drop it. */
	if (!err && drop_loses(r) && !r->page[op->page].locked)
		err = madvise(page_at(r, op->page), PAGE, MADV_DONTNEED) ? errno : 0;
	if (!err && read(end[0], me->copy, PAGE) == (ssize_t)PAGE)
		model_check(me, r, op->page, me->copy, must, "vmsplice, dropped, read from the pipe");
	if (!err && drop_loses(r) && !r->page[op->page].locked)
		model_dropped(r, op->page, 1);
	close(end[0]);
	close(end[1]);
	return err;
}
