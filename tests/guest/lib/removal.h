/* SPDX-License-Identifier: GPL-2.0 */
/* A way to hold a thread inside madvise(): userfaultfd's event of a removal. */
#ifndef UMLAB_REMOVAL_H
#define UMLAB_REMOVAL_H

#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/uio.h>

/*
 * A userfaultfd that tells when [at, at + len), bytes of whole pages, is about to be emptied
 * by MADV_DONTNEED or MADV_REMOVE. The call that does it sleeps, without the mmap_lock, until its
 * event (UFFD_EVENT_REMOVE) has been read: process_madvise() of several ranges can so be
 * held between two of them (userfaultfd_remove() in the kernel).
 * Fails the test where there is no such userfaultfd. Close it when done.
 */
int uffd_watch_removal(char *at, size_t len);

/*
 * A process_madvise(MADV_DONTNEED) of two ranges by a thread of its own, held between them: its
 * mmu_gather has what it took from the first one and has not freed it, and the mmap_lock is free.
 */
struct held {
	struct iovec ranges[2];
	int uffd;		/* watches the second range */
	pthread_t thread;
	pid_t reader;		/* the thread that has to sleep in held_end() first, or 0 */
	volatile int reads;	/* its next sleep is that one */
	ssize_t done;
	int error;
};

/*
 * Starts it, on two ranges of `len` bytes, whole pages of private anonymous memory.
 * held_start_for_read: it begins only when the caller sleeps in the read() of held_end(), so that between
 * the first range and the arrival of the event in msg nobody of this process is in user code, and UML syncs nothing.
 * held_wait: returns when it sleeps between the two.
 * held_end: reads the event into msg, so that it goes on, waits for its end and checks it.
 * Each fails the test on errors.
 */
void held_start(struct held *h, char *first, char *second, size_t len);
void held_start_for_read(struct held *h, char *first, char *second, size_t len);
void held_wait(struct held *h);
void held_end(struct held *h, struct uffd_msg *msg);

#endif
