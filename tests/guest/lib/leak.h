/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the guest's kernel holds, counted so that a test can be asked for what it did
 * not give back. To be used by a process that stands outside the test (outside.c):
 * what the test's process still has is no leak.
 */
#ifndef UMLAB_LEAK_H
#define UMLAB_LEAK_H

#include <stddef.h>

enum { LEAK_KINDS = 16 };

/* How much of each kind (leak.c has the list) was in use; -1: this kernel doesn't say. */
struct leak_level {
	long of[LEAK_KINDS];
};

/* Once, before the first: counting leaves no lines in the kernel's log from now on. */
void leak_hush(void);

/*
 * leak_measure - counts everything, after it has made the kernel give back what it only
 * keeps for later (slabs' spare objects; with `deep` also page cache and pages on their
 * way to the LRU lists). Ends the process with 2 when /proc cannot be read.
 */
void leak_measure(struct leak_level *now, int deep);

/*
 * leak_settle - waits until no kind is above `before` by more than its slack, or until
 * timeout_ms went by: tables and many objects come back only after a grace period.
 * Returns 0, or 1 and in `why` (of `size` bytes) each kind that did not come back, with
 * its numbers. `now` is the last measure.
 */
int leak_settle(const struct leak_level *before, struct leak_level *now,
		int timeout_ms, char *why, size_t size);

/*
 * The level for the next test: what was counted after this one. Kinds that are exact keep
 * their first level, unless this test leaked (`leaked`): the next is not to blame for that.
 */
void leak_next(struct leak_level *level, const struct leak_level *now, int leaked);

/* Prints on stderr what was counted, for people who calibrate the slacks. */
void leak_print(const char *when, const struct leak_level *now);

#endif
