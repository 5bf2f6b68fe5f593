// SPDX-License-Identifier: GPL-2.0
/*
 * Who answers for pages that are registered with the run's userfaultfd: a thread that gives a missing page what it
 * would have been without, zeroes. A page may have come, or its mapping gone, before the answer does: whoever waits
 * then looks again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "random.h"

static void answer(int fd, __u64 page)
{
	struct uffdio_zeropage zero = { .range = { page, PAGE } };
	struct uffdio_range range = { page, PAGE };

	/* EAGAIN: the mm is being changed just now, by a fork or another mremap. */
	while (ioctl(fd, UFFDIO_ZEROPAGE, &zero)) {
		if (errno != EAGAIN) {
			ioctl(fd, UFFDIO_WAKE, &range);
			return;
		}
		sched_yield();
	}
}

static void *serve(void *arg)
{
	const struct world *w = arg;
	struct pollfd p = { .fd = w->uffd, .events = POLLIN };
	struct uffd_msg m;

	for (;;) {
		poll(&p, 1, -1);
		while (read(w->uffd, &m, sizeof(m)) == sizeof(m))
			if (m.event == UFFD_EVENT_PAGEFAULT)
				answer(w->uffd, m.arg.pagefault.address & ~(__u64)(PAGE - 1));
	}
	return NULL;
}

void uffd_serve(struct world *w)
{
	struct uffdio_api api = { .api = UFFD_API };
	pthread_t thread;
	int err;

	w->uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (w->uffd < 0)
		return;
	require(ioctl(w->uffd, UFFDIO_API, &api) == 0, "UFFDIO_API: %s", strerror(errno));
	err = pthread_create(&thread, NULL, serve, w);
	require(!err, "pthread_create: %s", strerror(err));
}
