/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The model-based random test, between its files:
 *   plan.c    a seed becomes a plan: regions, threads, a list of operations
 *   world.c   the regions of a plan, mapped; what must hold when all threads rest
 *   model.c   the oracle: what each word may read
 *   access.c  loads and stores that may end in a signal
 *   op-*.c    the operations; ops.c is their table
 *   uffd.c    who answers for pages that are registered with a userfaultfd
 *   run.c     one list of operations, run in a process of its own
 *   shrink.c  the smallest list that still fails
 *   text.c    a list and its results, for people
 *   kmsg.c    what the kernel complained about
 *
 * Each page has one owner, a thread. Only the owner writes it, so the owner knows
 * what it reads, while the page tables are shared. An operation over whole tables
 * drops other threads' pages too, at any moment; it leaves its times in the
 * table's record, and a page may then read its base, or must, as the times say.
 */
#ifndef UMLAB_RANDOM_H
#define UMLAB_RANDOM_H

#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../lib/guest.h"

#define MAX_THREADS	4
#define MAX_REGIONS	3
#define MAX_OPS		2048
#define WORDS		(PAGE / sizeof(uint64_t))
#define SLOTS		2		/* words of a page that hold a stamp: the first and the last */
#define SLOT_WORD(slot)	((slot) ? WORDS - 1 : 0)
#define EVERYONE	0xff		/* op.thread: all threads meet */
#define FILE_OP		0xfffff		/* stamp: what a file held at first */

/* ---- the plan ---- */

enum kind { ANON, SHMEM, FILE_PRIVATE };

struct region_plan {
	uint8_t kind;
	uint8_t tables;
	uint8_t shift;		/* 1 << shift pages belong to one thread, the next ones to the next */
	uint8_t first;		/* the owner of the first pages */
	bool calm;		/* no operation splits its VMA, so that tables can be reclaimed */
	bool hosted;		/* FILE_PRIVATE: the file is the host's (hostfs), which has no holes */
	/*
	 * Guard markers, or holes punched by any thread. Not both in shared memory: if a page
	 * that a hole is being punched into is mapped again meanwhile, by a fault through the
	 * other mapping, unmap_mapping_folio() drops the marker too (ZAP_FLAG_DROP_MARKER).
	 */
	bool guards;
};

struct op {
	uint16_t id;		/* its place in the whole list, kept when that shrinks */
	uint8_t what;		/* index in op_kinds */
	uint8_t thread;
	uint8_t region;
	uint16_t page;		/* own pages: the first; whole tables: the first table's */
	uint16_t pages;
	uint32_t arg;		/* picks a variant, or a time in microseconds */
};

struct plan {
	uint32_t seed;
	bool serial;		/* one operation at a time, in the list's order */
	bool large;		/* regions large enough to fill mmu_gather's batches */
	bool storm;		/* one small region, filled and dropped all the time */
	bool unchecked;		/* no checks at the end */
	uint8_t threads, regions;
	uint8_t urgent;		/* bit n: thread n preempts the others when it wakes */
	struct region_plan region[MAX_REGIONS];
	unsigned int ops;
	struct op op[MAX_OPS];
};

/* Fills the plan that the seed stands for: the same one, always and everywhere. */
void plan_make(struct plan *plan, uint32_t seed);
/* What the disk is for, if there is one: every other seed swaps to it, the others read and write it by O_DIRECT. */
static inline bool plan_swaps(const struct plan *plan)
{
	return plan->seed % 2;
}

/* The thread that owns a page of a region. */
unsigned int plan_owner(const struct plan *plan, unsigned int region, unsigned int page);

/* ---- the world: one run's state ---- */

/* What its owner knows of a page. Nobody else touches it while threads run. */
struct page {
	uint64_t want[SLOTS];	/* what was written or seen there last */
	uint64_t base[SLOTS];	/* what it goes back to when it is dropped */
	uint32_t wrote_from;	/* clock before the last write began ... */
	uint32_t wrote_to;	/* ... and after it ended */
	uint8_t prot;
	bool mapped, locked, guard;
	bool uffd;		/* registered: a userfaultfd answers for it while it is missing */
	bool lazy;		/* MADV_FREE: base at any time, until it is written */
};

/* The times of operations that drop whole tables' pages. */
struct table {
	_Atomic uint32_t running;	/* how many there are just now */
	_Atomic uint32_t last_end;	/* clock after the last one that ended */
	_Atomic uint32_t dropped;	/* clock before the latest that ended and dropped every page */
	_Atomic uint32_t by;		/* that one's op.id, for messages */
};

struct region {
	const struct region_plan *plan;
	unsigned int index, pages;
	char *at;
	char *alias;		/* SHMEM: the same memory, mapped a second time */
	int fd;			/* -1: ANON */
	struct page *page;
	struct table *table;
};

/* What happened to an operation; the list for people is printed from it. */
struct trace {
	uint32_t when;		/* clock when it began; 0: it was not run */
	uint16_t page, pages;	/* what it was narrowed to */
	int16_t result;		/* 0 or an errno, -1: nothing to do here */
};

/* Shared by the run's processes and the one that waits for it. */
struct outcome {
	atomic_uint failed;	/* 1: text and failed_op tell what */
	_Atomic uint32_t clock;
	unsigned int failed_op;	/* id, or MAX_OPS: a check while all threads rested */
	atomic_uint done;	/* operations run */
	char text[1024];
	struct trace trace[MAX_OPS];
};

struct world {
	const struct plan *plan;
	struct outcome *out;
	struct region region[MAX_REGIONS];
	char *scratch[MAX_THREADS];	/* a table's room each, nothing mapped there */
	long base_kb;			/* VmPTE when nothing of the world is populated */
	int pidfd, pagemap;
	int uffd;			/* -1: the kernel has none */
	int disk;			/* for O_DIRECT; -1: none, or it is the swap device */
};

/* A thread, and what it is at. */
struct me {
	struct world *world;
	unsigned int id;
	const struct op *op;	/* NULL: checks while all threads rest */
	int post;		/* a memfd of two pages, for what goes through the kernel */
	/* O_DIRECT wants its alignment. */
	uint64_t copy[WORDS] __attribute__((aligned(PAGE)));
};

/* Maps the plan's regions. Fails the test (as Check's main process) when it cannot. */
void world_open(struct world *w, const struct plan *plan, struct outcome *out);
/* Notes VmPTE with nothing populated. All threads must have run once by then. */
void world_baseline(struct world *w);
/*
 * While all threads rest: contents of every page that pagemap calls present and of
 * some that it does not; VmPTE between the tables in use and those that can be.
 */
void world_check(struct me *me, unsigned int round);
/*
 * Last: drops everything, counts tables exactly, unmaps everything, counts again.
 */
void world_close(struct me *me);
/* Opens the world's userfaultfd and starts the thread that answers it. Threads that it blocks go on when it has. */
void uffd_serve(struct world *w);
/* mmap of a run of a region's pages, at home. Returns 0 or an errno. */
int world_map(struct region *r, unsigned int page, unsigned int pages, int more_flags);

static inline char *page_at(const struct region *r, unsigned int page)
{
	return r->at + page * PAGE;
}

/* The pagemap entry of an address; a failed read fails the run. */
uint64_t world_pagemap(struct me *me, const char *at);
#define PM_PRESENT	(1ULL << 63)
#define PM_SWAP		(1ULL << 62)
#define PM_GUARD	(1ULL << 58)

/* ---- the oracle ---- */

/* The word that an operation writes: it tells who wrote it, and where. */
uint64_t stamp(unsigned int op, unsigned int region, unsigned int page, unsigned int slot);
/* "written by #12 to region 0 page 7", for messages. Returns buf. */
const char *stamp_text(uint64_t word, char *buf, size_t size);

/* The next time; every call returns another one. */
uint32_t tick(struct world *w);

/* Before and after a write of stamps by me->op into one page. */
void model_write_begins(struct me *me, struct region *r, unsigned int page);
void model_written(struct me *me, struct region *r, unsigned int page);
/* Own pages went back to their base, for certain. */
void model_dropped(struct region *r, unsigned int page, unsigned int pages);
/* Own pages of the file were emptied: their base is 0 now, and what is there too. */
void model_emptied(struct region *r, unsigned int page, unsigned int pages);
/* Own pages were elsewhere for a while: drops of whole tables may have missed them. */
void model_moved(struct me *me, struct region *r, unsigned int page, unsigned int pages);

/* Does dropping pages change contents here, and not only take the mapping away? */
static inline bool drop_loses(const struct region *r)
{
	return r->plan->kind != SHMEM;
}

/* Brackets an operation that drops whole tables' pages: returns its time ... */
uint32_t model_drop_begins(struct me *me, struct region *r, unsigned int page, unsigned int pages);
/* ... which goes back in here. complete: every page was dropped. */
void model_drop_ends(struct me *me, struct region *r, unsigned int page, unsigned int pages,
		     uint32_t began, bool complete);

/* Before a page is looked at: must it read its base? Goes into model_check. */
bool model_must_drop(const struct region *r, unsigned int page);
/*
 * Are these WORDS words what the page may read? Fails the run if not (how: "read
 * through pread"), else remembers what was seen. Returns whether they are.
 */
bool model_check(struct me *me, struct region *r, unsigned int page, const uint64_t *words,
		 bool must_drop, const char *how);
/* The page table holds nothing for the page: it must be its base from here on. */
bool model_absent(struct me *me, struct region *r, unsigned int page);

/* ---- loads and stores ---- */

/* Installs the handler for SIGSEGV and SIGBUS. */
void access_open(void);
/* Copies a page / writes two stamps; returns 0 or the signal that this raised. */
int access_read(struct me *me, const char *at);
int access_write(struct me *me, char *at, const uint64_t stamps[SLOTS]);
/* The signal that the owner's access to a page at home must raise, or 0. */
int access_expect(const struct page *p, int prot);
/* Reads one own page at home, checks signal and contents. False: the run failed. */
bool access_check(struct me *me, struct region *r, unsigned int page, const char *how);

/* ---- failing ---- */

/* Fails the run: the first reason counts. From any thread or child of the run. */
void wrong(struct me *me, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool failed(const struct me *me);
/* Fails the run for a page, with all that tells how it came. */
void wrong_page(struct me *me, struct region *r, unsigned int page, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* ---- operations ---- */

enum reach { OWN, WHOLE, NOWHERE };
#define ON(kind)	(1U << (kind))
#define ON_ANY		(ON(ANON) | ON(SHMEM) | ON(FILE_PRIVATE))

struct op_kind {
	const char *name;
	enum reach reach;
	unsigned int kinds;	/* ON(...): the regions it is for */
	bool splits;		/* may leave a VMA split */
	unsigned int weight;
	/*
	 * Does it. Own pages come narrowed to those in one state, in *op; the result
	 * (0, errno, -1) is for the trace.
	 */
	int (*run)(struct me *me, struct region *r, const struct op *op);
	const char *const *variants;	/* what arg % count picks, for the text; NULL: none */
	unsigned int nvariants;
};

extern const struct op_kind op_kinds[];
extern const unsigned int op_kinds_count;
extern const unsigned int OP_MEET;	/* index of the meeting of all threads */

/* Runs one operation of me's and notes it in the trace. */
void op_run(struct me *me, const struct op *op);

/* op-touch.c */
int do_write(struct me *me, struct region *r, const struct op *op);
int do_read(struct me *me, struct region *r, const struct op *op);
int do_read_alias(struct me *me, struct region *r, const struct op *op);
int do_pagemap(struct me *me, struct region *r, const struct op *op);
int do_mincore(struct me *me, struct region *r, const struct op *op);
/* op-kernel.c */
int do_pread_into(struct me *me, struct region *r, const struct op *op);
int do_write_from(struct me *me, struct region *r, const struct op *op);
int do_vm_readv(struct me *me, struct region *r, const struct op *op);
int do_vm_writev(struct me *me, struct region *r, const struct op *op);
int do_file_read(struct me *me, struct region *r, const struct op *op);
int do_file_write(struct me *me, struct region *r, const struct op *op);
int do_vmsplice(struct me *me, struct region *r, const struct op *op);
int do_direct_read(struct me *me, struct region *r, const struct op *op);
int do_direct_write(struct me *me, struct region *r, const struct op *op);
/* op-advise.c */
int do_dontneed(struct me *me, struct region *r, const struct op *op);
int do_free(struct me *me, struct region *r, const struct op *op);
int do_reclaim(struct me *me, struct region *r, const struct op *op);
int do_populate(struct me *me, struct region *r, const struct op *op);
int do_punch(struct me *me, struct region *r, const struct op *op);
int do_guard(struct me *me, struct region *r, const struct op *op);
/* op-map.c */
int do_munmap(struct me *me, struct region *r, const struct op *op);
int do_map_over(struct me *me, struct region *r, const struct op *op);
int do_mremap(struct me *me, struct region *r, const struct op *op);
int do_mprotect(struct me *me, struct region *r, const struct op *op);
int do_mlock(struct me *me, struct region *r, const struct op *op);
int do_truncate(struct me *me, struct region *r, const struct op *op);
int do_uffd(struct me *me, struct region *r, const struct op *op);
/* op-whole.c */
int do_drop_tables(struct me *me, struct region *r, const struct op *op);
int do_punch_tables(struct me *me, struct region *r, const struct op *op);
int do_populate_tables(struct me *me, struct region *r, const struct op *op);
int do_reclaim_tables(struct me *me, struct region *r, const struct op *op);
/* op-fork.c */
int do_fork(struct me *me, struct region *r, const struct op *op);
int do_nap(struct me *me, struct region *r, const struct op *op);
int do_yield(struct me *me, struct region *r, const struct op *op);

extern const char *const dontneed_names[], *const reclaim_names[], *const populate_names[],
	*const punch_names[], *const guard_names[], *const mremap_names[],
	*const mprotect_names[], *const mlock_names[], *const uffd_names[];

/* madvise by variant of do_dontneed: 0 or an errno; a partial process_madvise is EAGAIN. */
int drop_by(struct me *me, char *at, size_t len, unsigned int variant);

/* ---- runs ---- */

/*
 * Runs the plan's list in a process of its own. Returns true when it failed, with
 * the reason in *out (also when the process died, hung, or the kernel complained).
 */
bool run_plan(const struct plan *plan, struct outcome *out);
/* Memory that run_plan's processes share; fails the test when there is none. */
struct outcome *outcome_new(void);

/*
 * Shrinks a plan that failed with *out to the smallest list that still fails, for
 * at most `seconds`, and leaves its outcome in *out. Returns how the smallest one
 * fails, for people: "3 times of 8".
 */
const char *shrink(struct plan *plan, struct outcome *out, unsigned int seconds);

/*
 * Plan and outcome for people, as TAP takes it: a reason, and lines that begin with #.
 * total: operations of the whole list. The caller frees it; NULL: no memory.
 */
char *text_of(const struct plan *plan, const struct outcome *out, unsigned int total,
	      const char *how_often);

/* What the kernel complained about since the last call (or kmsg_open); NULL: nothing. */
void kmsg_open(void);
const char *kmsg_complaint(void);

#endif
