/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Races on purpose: parties that each do one thing again and again, at the same
 * time, on all CPUs; and a ledger that knows what each page may read meanwhile.
 */
#ifndef UMLAB_RACE_H
#define UMLAB_RACE_H

#include <check.h>
#include <stddef.h>

/* ---- parties ---- */

/*
 * One who takes part. It is a thread of the test, or a process forked from it.
 * step() does one round and returns. An urgent one has real-time priority and sleeps
 * some microseconds between rounds: so it breaks into what the others do in the kernel
 * wherever that can be scheduled away, on one CPU too.
 */
struct party {
	const char *name;
	void (*step)(struct party *me);
	unsigned int flags;
#define AS_PROCESS	1
#define URGENT		2
#define BUSY		4	/* doesn't let go of the CPU between rounds */
	long want;		/* rounds without which it was no race */
	void *arg;
	/* Set by race(): */
	long done;		/* rounds so far: 0 in the first call of step() */
	unsigned long random;
	int index;		/* in the list */
};
#define PARTY(name_, step_, flags_, want_, arg_) \
	{ .name = name_, .step = step_, .flags = flags_, .want = want_, .arg = arg_ }

/*
 * Runs the n parties for `ms` milliseconds, or longer until each has had the rounds
 * that it wants, or until one says race_wrong(). Fails the test for that, for a
 * process that died, and when rounds are missing after RACE_LIMIT_MS times time_factor().
 * RACE_TIMES in the environment has it last that many times as long.
 * Prints how many rounds each had when RACE_VERBOSE is in the environment (umrun --env
 * RACE_VERBOSE=y).
 */
#define RACE_LIMIT_MS 30000
#define RACE_PARTIES 8
void race(const struct party *list, size_t n, int ms);

/* suite_add() with time enough for one race on a busy machine. */
void suite_add_race(const TTest *test);

/* Ends the race as a failure. The first caller's message is the test's. */
void race_wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* madvise(); a failure fails the race. name: of the advice, for the message. */
void race_advise(struct party *me, void *at, size_t len, int advice, const char *name);

/* Is the race over? For a party with a loop of its own in step(). */
int race_over(void);

/* A number from 0 to below - 1. */
unsigned long party_random(struct party *me, unsigned long below);

/* Sleeps `us` microseconds: lets the others run. */
void nap_us(int us);

/*
 * A step for AS_PROCESS: takes pages that were freed (movable ones in a tmpfs file,
 * others in a pipe), writes each word of them, waits, and fails when one has changed:
 * somebody went on using memory that he had given back.
 */
void tenant(struct party *me);

/* ---- the ledger of a range of private memory ----
 *
 * Each page has one writer, which writes the page's number, its own and a count into the
 * page's first and last word. A word may always read zero, when the page was emptied,
 * or hold what was written to that very page, but nothing that was written before a reclaim began which
 * was over when the reader began.
 */

#define LEDGER_TABLES	32
#define LEDGER_WRITERS	4

struct ledger {
	char *base;
	size_t tables;
	unsigned long writers;
	int lossy;	/* pages may be emptied at any time (MADV_FREE): no write is missed */
	/* the count of the last write that is over, of each writer */
	unsigned long written[LEDGER_WRITERS];
	/* writes up to this are gone from the table */
	unsigned long floor[LEDGER_TABLES][LEDGER_WRITERS];
	/* emptyings of the table that began, and that are over */
	unsigned long begun[LEDGER_TABLES], over[LEDGER_TABLES];
};

/* A ledger for whole tables at base, shared with children forked later. */
struct ledger *ledger_open(char *base, size_t tables, int writers);

/* What readers need to know from before they read. */
struct ledger_floor {
	unsigned long of[LEDGER_WRITERS];
};
struct ledger_floor ledger_floor(const struct ledger *l, size_t page);

/*
 * Judges the word `got` that was read from the page, first (0) or last (1), as `how` says,
 * after `floor` was taken. Says race_wrong() when it can't be.
 */
void ledger_judge(const struct ledger *l, size_t page, int last, unsigned long got,
		  const struct ledger_floor *floor, const char *how);

/* Reads a random page in user space and judges it. */
void ledger_read(const struct ledger *l, struct party *me);

/*
 * Writes one of the pages of writer w, chosen at random, with `store` (NULL: in user
 * space), and looks whether it is there unless something emptied it just then.
 * store returns 0, or -1 when the page could not be written.
 */
typedef int ledger_store(struct party *me, unsigned long *to, unsigned long value);
void ledger_write(struct ledger *l, struct party *me, unsigned long w, ledger_store *store);

/* The same for the page given, whose writer is page modulo writers. */
void ledger_write_page(struct ledger *l, struct party *me, size_t page, ledger_store *store);

/*
 * Empties `tables` tables from `first` on with op(at, len), which does so like MADV_DONTNEED:
 * returns 0 when it did.
 */
void ledger_empty(struct ledger *l, size_t first, size_t tables, int (*op)(char *at, size_t len));

/* The same for a part of a table, about which readers learn nothing. */
void ledger_empty_part(struct ledger *l, char *at, size_t len, int (*op)(char *at, size_t len));

/* op for the two above: madvise(MADV_DONTNEED). */
int op_dontneed(char *at, size_t len);

/* ---- what many races have in common: steps on the ledger that was opened last ---- */

/* The ledger that was opened last. */
struct ledger *the_ledger(void);
/* Fills one table with pages, in the kernel, and takes it out. */
void reclaimer(struct party *me);
/* The same without memory for batches: zap_pte_range() drops its lock every few pages. */
void reclaimer_short_of_memory(struct party *me);
/* Empties a table in which there may be next to nothing. */
void quick_reclaimer(struct party *me);
/* The writers of a ledger. */
void writer(struct party *me);
void other_writer(struct party *me);
/* Reads a page in user space. */
void reader(struct party *me);

/*
 * After the race: empties the range and unmaps it. Fails the test when the mm counts
 * anonymous pages that no table maps (they went away with their table), when something
 * does not read zero, and when the range has tables too many or too few.
 */
#define ledger_close(l) ledger_close_at(l, HERE)
void ledger_close_at(struct ledger *l, const char *where);

#endif
