// SPDX-License-Identifier: GPL-2.0
/* userfaultfd as a way to hold a thread inside madvise(). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest.h"
#include "removal.h"

int uffd_watch_removal(char *at, size_t len)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_EVENT_REMOVE };
	struct uffdio_register reg = {
		.range = { (unsigned long)at, len },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	/* Without O_NONBLOCK poll() would return at once, with POLLERR. */
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	require(uffd >= 0, "userfaultfd: %s", strerror(errno));
	require(ioctl(uffd, UFFDIO_API, &api) == 0, "UFFDIO_API: %s", strerror(errno));
	require(ioctl(uffd, UFFDIO_REGISTER, &reg) == 0, "UFFDIO_REGISTER: %s", strerror(errno));
	return uffd;
}

/* Whether a thread of this process sleeps, by the third field of its stat. */
static bool sleeps(pid_t thread)
{
	char path[64], state = '?';
	FILE *stat;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", thread);
	stat = fopen(path, "re");
	if (stat) {
		if (fscanf(stat, "%*d (%*[^)]) %c", &state) != 1)
			state = '?';
		fclose(stat);
	}
	return state == 'S';
}

static void *advise_both(void *arg)
{
	struct held *h = arg;
	int self = (int)syscall(SYS_pidfd_open, getpid(), 0);

	while (h->reader && !(h->reads && sleeps(h->reader)))
		sched_yield();
	h->done = syscall(SYS_process_madvise, self, h->ranges, 2, MADV_DONTNEED, 0);
	h->error = errno;
	close(self);
	return NULL;
}

static void start(struct held *h, char *first, char *second, size_t len)
{
	h->ranges[0] = (struct iovec){ first, len };
	h->ranges[1] = (struct iovec){ second, len };
	h->uffd = uffd_watch_removal(second, len);
	require(pthread_create(&h->thread, NULL, advise_both, h) == 0, "pthread_create failed");
}

void held_start(struct held *h, char *first, char *second, size_t len)
{
	h->reader = 0;
	start(h, first, second, len);
}

void held_start_for_read(struct held *h, char *first, char *second, size_t len)
{
	h->reader = gettid();
	h->reads = 0;
	start(h, first, second, len);
}

void held_wait(struct held *h)
{
	struct pollfd event = { .fd = h->uffd, .events = POLLIN };

	require(poll(&event, 1, KERNEL_WAIT_MS * time_factor()) == 1 && event.revents == POLLIN,
		"process_madvise of two ranges: no event of the second one; it returned %zd (%s)",
		h->done, strerror(h->error));
}

void held_end(struct held *h, struct uffd_msg *msg)
{
	ssize_t len = (ssize_t)(h->ranges[0].iov_len + h->ranges[1].iov_len);

	require(fcntl(h->uffd, F_SETFL, 0) == 0, "fcntl: %s", strerror(errno));
	h->reads = 1;
	require(read(h->uffd, msg, sizeof(*msg)) == sizeof(*msg), "userfaultfd: read: %s",
		strerror(errno));
	pthread_join(h->thread, NULL);
	require(h->done == len, "process_madvise(MADV_DONTNEED): %zd: %s", h->done, strerror(h->error));
	require(msg->event == UFFD_EVENT_REMOVE, "userfaultfd: event %d, expected %d: what was read into the emptied range is gone",
		msg->event, UFFD_EVENT_REMOVE);
	close(h->uffd);
}
