/* SPDX-License-Identifier: GPL-2.0 */
/* Accesses that may fault for good, from this very process. */
#ifndef UMLAB_TOUCH_H
#define UMLAB_TOUCH_H

#include <stddef.h>

#include "guest.h"

/*
 * Reads or writes back the first byte of the page at `at`. Returns 0 when that went
 * through, or the signal it raised (SIGSEGV, SIGBUS). For the main thread.
 * Unlike a forked child it goes by the mappings that this process has on the
 * host, where a stale one would still let it through.
 */
int touch_read(const char *at);
int touch_write(char *at);

/*
 * Reading and writing each page of the range raises `sig`, 0: neither does.
 * Both give pages to what is not there yet: count tables first.
 */
#define expect_touch(at, len, sig) expect_touch_at(at, len, sig, HERE)
void expect_touch_at(char *at, size_t len, int sig, const char *where);

/* Bits of a pagemap entry: fs/proc/task_mmu.c. */
#define PAGEMAP_GUARD	(1ULL << 58)
#define PAGEMAP_SWAP	(1ULL << 62)
#define PAGEMAP_PRESENT	(1ULL << 63)

/* The number of pages of the range whose pagemap entry has one of the bits. */
size_t pagemap_count(const char *at, size_t len, unsigned long long bits);

/* That number is `pages`; `what` names the bits in the message ("swapped out"). */
#define expect_pagemap(at, len, bits, pages, what) \
	expect_pagemap_at(at, len, bits, pages, what, HERE)
void expect_pagemap_at(const char *at, size_t len, unsigned long long bits, size_t pages,
		       const char *what, const char *where);

#endif
