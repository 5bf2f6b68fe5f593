/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Page allocations that fail on demand (fail_page_alloc), for this thread and
 * the children that it forks, in one function of the kernel.
 */
#ifndef UMLAB_INJECT_H
#define UMLAB_INJECT_H

/*
 * Is `function` in KERNEL_SYMBOLS ("NAME=0xSTART-0xEND ...", set by tests/run)?
 * A kernel that has inlined it, or is built without it, has no such symbol.
 * Fails the test when the variable is missing: it would not know either way.
 */
int kernel_has(const char *function);

/*
 * From now on: of this thread's page allocations within `function`, but for those of the
 * stack depot, the first `skip` succeed, and `times` after them fail. `function` NULL is any
 * function, for allocations that may not sleep. Fails the test where the kernel has no
 * fault injection (CONFIG_FAIL_PAGE_ALLOC, its debugfs and stacktrace filter)
 * or the function is not known. One injection at a time, for the whole guest.
 */
#define EVERY_TIME 1000000
void inject_start(const char *function, int skip, int times);

/* The number of allocations that failed since inject_start(). */
int inject_hits(void);

/*
 * Whether just `want` failed. More are right too in a kernel that checks itself: on the way
 * into call_rcu() debugobjects may want a page, again and again if there is none.
 */
int inject_hit(int want);

/*
 * The number of those that succeeded, as long as there were no more than `skip`.
 * With a large `skip` (and 1 for `times`: 0 is off) it counts and fails none.
 */
int inject_passed(void);

/* Ends it. A test that fails before needs no such call: its task is gone. */
void inject_stop(void);

#endif
