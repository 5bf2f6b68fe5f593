/* SPDX-License-Identifier: GPL-2.0 */
/* userfaultfd with a thread that answers it. */
#ifndef UMLAB_UFFD_H
#define UMLAB_UFFD_H

#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "guest.h"

/* Features since Linux 6.6, 6.8 and 7.3; the libc headers may be older. */
#ifndef UFFD_FEATURE_POISON
#define UFFD_FEATURE_POISON	(1 << 14)
#endif
#ifndef UFFD_FEATURE_MOVE
#define UFFD_FEATURE_MOVE	(1 << 16)
#endif

struct uffd {
	int fd, stop;		/* the userfaultfd; an eventfd that ends the thread */
	pthread_t thread;
	/* How a missing page is answered: what is read there then. */
	enum { UFFD_PATTERN, UFFD_ZEROES } answer;
	_Atomic unsigned int seed;	/* UFFD_PATTERN: the pattern of fill() with it */
	_Atomic size_t faults;		/* answered so far */
	_Atomic size_t removals;	/* with UFFD_FEATURE_EVENT_REMOVE: calls announced */
	unsigned long removed_from, removed_to;	/* the last one's range */
};

/*
 * Opens a userfaultfd with these features and starts the thread. It has answered
 * one fault when this returns, so that all its tables are there. The caller and it
 * take turns, so both are tied to one CPU; uffd_part() gives the thread another.
 * Fails the test when the kernel lacks any of it.
 */
void uffd_start(struct uffd *u, unsigned long long features);
void uffd_part(struct uffd *u);
/* Ends the thread and closes the descriptor; ranges are plain memory then. */
void uffd_stop(struct uffd *u);

/*
 * Registers the range for missing pages; uffd_register_mode for any mode:
 * 0, or the errno with which the kernel refused.
 */
void uffd_register(struct uffd *u, char *at, size_t len);
int uffd_register_mode(struct uffd *u, char *at, size_t len, unsigned long long mode);
void uffd_unregister(struct uffd *u, char *at, size_t len);

/*
 * UFFDIO_COPY, UFFDIO_MOVE and UFFDIO_POISON (whoever touches it gets a SIGBUS) of the
 * whole range at once, before anybody asks for it. Fail the test unless all of it was done.
 */
void uffd_copy(struct uffd *u, char *to, const char *from, size_t len);
void uffd_move(struct uffd *u, char *to, char *from, size_t len);
void uffd_poison(struct uffd *u, char *at, size_t len);

/* The thread has answered `count` faults since it was last asked. */
#define expect_faults(u, count) expect_faults_at(u, count, HERE)
void expect_faults_at(struct uffd *u, size_t count, const char *where);

/*
 * With UFFD_FEATURE_EVENT_REMOVE: the thread was told of one removal since it was last
 * asked, of just this range. Waits for it at most KERNEL_WAIT_MS.
 */
#define expect_removal(u, at, len) expect_removal_at(u, at, len, HERE)
void expect_removal_at(struct uffd *u, const char *at, size_t len, const char *where);

#endif
