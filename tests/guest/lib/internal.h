/* SPDX-License-Identifier: GPL-2.0 */
/* Between the files of lib/; suites include guest.h. */
#ifndef UMLAB_INTERNAL_H
#define UMLAB_INTERNAL_H

#include <stddef.h>

/* Sets the arena up for one test. Fails the test when it cannot. */
void arena_open(void);

/*
 * Remembers an operation on a range for the messages of the expectations after
 * it: "WHAT of [ADDRESS, +LENGTH: ...)". last_operation() returns that text.
 */
void note_op(const char *what, const char *at, size_t len);
const char *last_operation(void);

/* The first word of the page at `at` as fill() with `seed` writes it. */
unsigned long page_pattern(const char *at, unsigned int seed);

/*
 * outside_prepare - once, before any test: counts what the kernel holds
 * outside_begin - first thing in the process that Check forked for a test. Forks the
 * test's own process and returns there alone; the caller stays outside until it has ended,
 * and fails the test when it left something behind or the kernel complained meanwhile.
 */
void outside_prepare(void);
void outside_begin(void);

/* How long what a test left may take to go: KERNEL_WAIT_MS times time_factor(), or
 * LEAK_WAIT_MS of the environment. */
int outside_patience_ms(void);

/*
 * klog_mark - the kernel's log from now on is what klog_complaint() looks at
 * klog_complaint - finds the first complaint since then: 1, and its first line in `text`;
 * else 0
 */
void klog_mark(void);
int klog_complaint(char *text, size_t size);

#endif
