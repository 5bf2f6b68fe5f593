// SPDX-License-Identifier: GPL-2.0
/* The regions of a plan, mapped, and what must hold when all threads rest. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../lib/swap.h"
#include "random.h"

/* Of the pages that pagemap calls absent, one in this many is read at a rest. */
#define LOOK_AT_ONE_IN 16

static void *memory(size_t size, int flags)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	require(at != MAP_FAILED, "mmap of %zu bytes for the model: %s", size, strerror(errno));
	return at;
}

int world_map(struct region *r, unsigned int page, unsigned int pages, int more_flags)
{
	int flags = more_flags | MAP_NORESERVE | (r->fd < 0 ? MAP_ANONYMOUS : 0) |
		    (r->plan->kind == SHMEM ? MAP_SHARED : MAP_PRIVATE);
	char *at = mmap(page_at(r, page), pages * PAGE, PROT_READ | PROT_WRITE, flags, r->fd,
			r->fd < 0 ? 0 : (off_t)(page * PAGE));

	if (at == MAP_FAILED)
		return errno;
	if (at != page_at(r, page)) {
		munmap(at, pages * PAGE);
		return EEXIST;
	}
	return 0;
}

/* A private file's pages hold stamps at first, unlike memory that was never written. */
static void fill_file(struct region *r)
{
	for (unsigned int i = 0; i < r->pages; i++) {
		for (unsigned int slot = 0; slot < SLOTS; slot++) {
			uint64_t word = stamp(FILE_OP, r->index, i, slot);

			r->page[i].base[slot] = word;
			require(pwrite(r->fd, &word, sizeof(word),
				       (off_t)(i * PAGE + SLOT_WORD(slot) * sizeof(word))) ==
				sizeof(word), "memfd: pwrite: %s", strerror(errno));
		}
	}
}

/* A file of the host, without a name there; -1: no folder is shared with us. */
static int host_file(void)
{
	static const char name[] = "/share/umlab-random";
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd >= 0)
		unlink(name);
	return fd;
}

static void open_file(struct region *r)
{
	r->fd = r->plan->hosted ? host_file() : -1;
	if (r->fd < 0)
		r->fd = memfd_create("random", MFD_CLOEXEC);
	require(r->fd >= 0, "memfd_create: %s", strerror(errno));
	require(ftruncate(r->fd, (off_t)(r->pages * PAGE)) == 0, "ftruncate: %s", strerror(errno));
	if (r->plan->kind == FILE_PRIVATE)
		fill_file(r);
}

static void open_region(struct world *w, unsigned int index)
{
	struct region *r = &w->region[index];
	int err;

	r->plan = &w->plan->region[index];
	r->index = index;
	r->pages = r->plan->tables * TABLE_PAGES;
	r->fd = -1;
	r->page = memory(r->pages * sizeof(*r->page), MAP_PRIVATE);
	/* A child's drop of a shared file's pages is one for its parent too; others are not. */
	r->table = memory(r->plan->tables * sizeof(*r->table),
			  r->plan->kind == SHMEM ? MAP_SHARED : MAP_PRIVATE);
	if (r->plan->kind != ANON)
		open_file(r);
	for (unsigned int i = 0; i < r->pages; i++) {
		r->page[i].mapped = true;
		r->page[i].prot = PROT_READ | PROT_WRITE;
	}
	model_dropped(r, 0, r->pages);
	r->at = arena_take(r->plan->tables);
	err = world_map(r, 0, r->pages, MAP_FIXED);
	require(!err, "mmap of region %u: %s", index, strerror(err));
	if (r->plan->kind != SHMEM)
		return;
	r->alias = mmap(arena_take(r->plan->tables), r->pages * PAGE, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_FIXED, r->fd, 0);
	require(r->alias != MAP_FAILED, "mmap of region %u's alias: %s", index, strerror(errno));
}

void world_open(struct world *w, const struct plan *plan, struct outcome *out)
{
	memset(w, 0, sizeof(*w));
	w->plan = plan;
	w->out = out;
	for (unsigned int i = 0; i < plan->regions; i++)
		open_region(w, i);
	for (unsigned int i = 0; i < plan->threads; i++)
		w->scratch[i] = arena_take(1);
	w->pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	w->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	w->disk = plan_swaps(plan) ? -1 : open(SWAP_DISK, O_RDWR | O_DIRECT | O_CLOEXEC);
	require(w->pidfd >= 0 && w->pagemap >= 0, "pidfd_open, /proc/self/pagemap: %s", strerror(errno));
}

/* Reads a byte in each table's span of a mapping, so that its tables exist. */
static void populate_tables(unsigned long from, unsigned long to)
{
	for (unsigned long at = from; at < to; at = (at / TABLE_SPAN + 1) * TABLE_SPAN)
		(void)*(volatile char *)at;
}

void world_baseline(struct world *w)
{
	char line[256], prot[8];
	unsigned long from, to;
	FILE *maps = fopen("/proc/self/maps", "re");

	require(maps, "/proc/self/maps: %s", strerror(errno));
	/* Not before: where mmap() looks for room from below the threads' stacks would lie there. */
	for (unsigned int i = 0; i < w->plan->threads; i++)
		munmap(w->scratch[i], TABLE_SPAN);
	/*
	 * What else the process maps has all its tables from here on: only the
	 * world's come and go. (The world's own mappings are in the arena.)
	 */
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %7s", &from, &to, prot) != 3 || prot[0] != 'r')
			continue;
		if (from >= (unsigned long)w->region[0].at &&
		    from < (unsigned long)w->scratch[w->plan->threads - 1])
			continue;
		if (!strstr(line, "[vvar") && !strstr(line, "[vsyscall"))
			populate_tables(from, to);
	}
	fclose(maps);
	w->base_kb = vmpte_kb();
	require(w->base_kb > 0, "VmPTE: cannot read /proc/self/status: %s", strerror(errno));
}

uint64_t world_pagemap(struct me *me, const char *at)
{
	uint64_t entry = 0;

	if (pread(me->world->pagemap, &entry, sizeof(entry),
		  (off_t)((unsigned long)at / PAGE * sizeof(entry))) != sizeof(entry))
		wrong(me, "pagemap of %p: %s", (const void *)at, strerror(errno));
	return entry;
}

/* One page at rest: what pagemap says of it, and what it reads. */
static bool check_page(struct me *me, struct region *r, unsigned int page, uint64_t entry, bool look)
{
	struct page *p = &r->page[page];

	if (p->guard && !(entry & PM_GUARD)) {
		wrong_page(me, r, page, "at rest: its guard marker is gone");
		return false;
	}
	if (!p->mapped)
		return true;
	if (!(entry & (PM_PRESENT | PM_SWAP))) {
		if (!model_absent(me, r, page))
			return false;
	} else if (entry & PM_PRESENT) {
		look = true;
	}
	return !look || access_check(me, r, page, "at rest");
}

/*
 * Entries of one table's pages. Returns whether the table must exist: it has an
 * entry that is not none.
 */
static bool check_table(struct me *me, struct region *r, unsigned int first, unsigned int round)
{
	uint64_t entry[TABLE_PAGES];
	bool used = false;

	if (pread(me->world->pagemap, entry, sizeof(entry),
		  (off_t)((unsigned long)page_at(r, first) / PAGE * sizeof(*entry))) != sizeof(entry)) {
		wrong(me, "pagemap of region %u: %s", r->index, strerror(errno));
		return false;
	}
	for (unsigned int i = 0; i < TABLE_PAGES; i++) {
		if (entry[i] & (PM_PRESENT | PM_SWAP | PM_GUARD))
			used = true;
		if (!check_page(me, r, first + i, entry[i],
				(first + i + round) % LOOK_AT_ONE_IN == 0))
			return false;
	}
	return used;
}

/* Tables that the world may have, at most: its regions' and aliases'; rooms are empty at rest. */
static long most_tables(const struct world *w)
{
	long n = 0;

	for (unsigned int i = 0; i < w->plan->regions; i++)
		n += w->plan->region[i].tables * (w->region[i].alias ? 2 : 1);
	return n;
}

/* VmPTE lies between least and most tables of the world. */
static void check_count(struct me *me, long least, long most, const char *when)
{
	struct world *w = me->world;
	long kb = vmpte_kb(), tables = (kb - w->base_kb) / TABLE_KB;

	if (tables < least || tables > most)
		wrong(me, "%s: VmPTE is %ld kB: %ld tables more than the %ld kB with nothing populated, expected %ld to %ld (%s)",
		     when, kb, tables, w->base_kb, least, most, expectation());
}

void world_check(struct me *me, unsigned int round)
{
	struct world *w = me->world;
	long used = 0;

	for (unsigned int i = 0; i < w->plan->regions; i++) {
		struct region *r = &w->region[i];

		for (unsigned int page = 0; page < r->pages; page += TABLE_PAGES) {
			used += check_table(me, r, page, round);
			if (failed(me))
				return;
		}
	}
	check_count(me, used, most_tables(w), "at rest");
}

/* Does one VMA cover the table from its first page to its last? */
static bool in_one_vma(const char *at)
{
	char line[256];
	unsigned long from, to, want = (unsigned long)at;
	bool found = false;
	FILE *maps = fopen("/proc/self/maps", "re");

	while (maps && !found && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx", &from, &to) == 2)
			found = from <= want && to >= want + TABLE_SPAN;
	if (maps)
		fclose(maps);
	return found;
}

/* Tables of a range that MADV_DONTNEED of it must not have reclaimed, at least and at most. */
static void count_kept(struct me *me, struct region *r, char *at, long *least, long *most)
{
	for (unsigned int page = 0; page < r->pages; page += TABLE_PAGES) {
		bool marked = false;

		for (unsigned int i = page; at == r->at && i < page + TABLE_PAGES; i++)
			marked |= r->page[i].guard;
		*least += marked;
		*most += marked || !in_one_vma(at + page * PAGE);
	}
	(void)me;
}

/* Drops every page of every region; tables stay or go as the kernel is configured. */
static void drop_all(struct me *me)
{
	struct world *w = me->world;
	long before = (vmpte_kb() - w->base_kb) / TABLE_KB, least = 0, most = 0;

	for (unsigned int i = 0; i < w->plan->regions; i++) {
		struct region *r = &w->region[i];

		/* ENOMEM where pages are not mapped; what is gets dropped all the same. */
		madvise(r->at, r->pages * PAGE, MADV_DONTNEED_LOCKED);
		count_kept(me, r, r->at, &least, &most);
		if (!r->alias)
			continue;
		madvise(r->alias, r->pages * PAGE, MADV_DONTNEED_LOCKED);
		count_kept(me, r, r->alias, &least, &most);
	}
	if (reclaimed(1))
		check_count(me, least, most < before ? most : before, "after MADV_DONTNEED_LOCKED of every region");
	else
		check_count(me, before, before, "after MADV_DONTNEED_LOCKED of every region");
}

void world_close(struct me *me)
{
	struct world *w = me->world;

	/* Every other time tables are full of swap entries, if there is swap. */
	for (unsigned int i = 0; plan_swaps(w->plan) && i < w->plan->regions; i++)
		madvise(w->region[i].at, w->region[i].pages * PAGE, MADV_PAGEOUT);
	drop_all(me);
	for (unsigned int i = 0; i < w->plan->regions; i++) {
		struct region *r = &w->region[i];

		munmap(r->at, r->pages * PAGE);
		if (r->alias)
			munmap(r->alias, r->pages * PAGE);
	}
	for (unsigned int i = 0; i < w->plan->threads; i++)
		munmap(w->scratch[i], TABLE_SPAN);
	check_count(me, 0, 0, "after munmap of every region");
}
