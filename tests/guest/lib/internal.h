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

#endif
