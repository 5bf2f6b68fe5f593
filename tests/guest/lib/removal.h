/* SPDX-License-Identifier: GPL-2.0 */
/* A way to hold a thread inside madvise(): userfaultfd's event of a removal. */
#ifndef UMLAB_REMOVAL_H
#define UMLAB_REMOVAL_H

#include <stddef.h>

/*
 * A userfaultfd that tells when [at, at + len), bytes of whole pages, is about to be emptied
 * by MADV_DONTNEED or MADV_REMOVE. The call that does it sleeps, without the mmap_lock, until its
 * event (UFFD_EVENT_REMOVE) has been read: process_madvise() of several ranges can so be
 * held between two of them (userfaultfd_remove() in the kernel).
 * Fails the test where there is no such userfaultfd. Close it when done.
 */
int uffd_watch_removal(char *at, size_t len);

#endif
