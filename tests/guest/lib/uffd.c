// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"
#include "uffd.h"

/* include/uapi/linux/userfaultfd.h, newer than the libc headers may be. */
struct move {
	__u64 to, from, len, mode;
	__s64 moved;
};
#define IOCTL_MOVE	_IOWR(UFFDIO, 0x05, struct move)

struct poison {
	struct uffdio_range range;
	__u64 mode;
	__s64 done;
};
#define IOCTL_POISON	_IOWR(UFFDIO, 0x08, struct poison)

static void answer_pattern(struct uffd *u, char *page)
{
	static unsigned long from[PAGE / sizeof(long)] __attribute__((aligned(PAGE)));
	struct uffdio_copy copy = { .dst = (__u64)page, .src = (__u64)from, .len = PAGE };

	from[0] = page_pattern(page, u->seed);
	require(ioctl(u->fd, UFFDIO_COPY, &copy) == 0, "UFFDIO_COPY to %p: %s",
		(void *)page, strerror(errno));
}

static void answer_zeroes(struct uffd *u, char *page)
{
	struct uffdio_zeropage zero = { .range = { (__u64)page, PAGE } };

	require(ioctl(u->fd, UFFDIO_ZEROPAGE, &zero) == 0, "UFFDIO_ZEROPAGE at %p: %s",
		(void *)page, strerror(errno));
}

static void answer(struct uffd *u, char *page)
{
	/* Counted first: whoever waits for the page goes on with the ioctl. */
	u->faults++;
	if (u->answer == UFFD_PATTERN)
		answer_pattern(u, page);
	else
		answer_zeroes(u, page);
}

/* One message; reading it is what lets MADV_DONTNEED go on. */
static void take_message(struct uffd *u)
{
	struct uffd_msg m;
	ssize_t n = read(u->fd, &m, sizeof(m));

	if (n < 0 && errno == EAGAIN)
		return;
	require(n == sizeof(m), "userfaultfd: read: %s", strerror(errno));
	if (m.event == UFFD_EVENT_REMOVE) {
		u->removed_from = m.arg.remove.start;
		u->removed_to = m.arg.remove.end;
		u->removals++;
		return;
	}
	require(m.event == UFFD_EVENT_PAGEFAULT, "userfaultfd: unexpected event 0x%x", m.event);
	answer(u, (char *)(m.arg.pagefault.address & ~(PAGE - 1)));
}

static void *serve(void *arg)
{
	struct uffd *u = arg;
	struct pollfd fds[] = { { .fd = u->fd, .events = POLLIN }, { .fd = u->stop, .events = POLLIN } };

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			require(0, "poll: %s", strerror(errno));
		if (fds[0].revents & POLLIN)
			take_message(u);
		else if (fds[1].revents)
			return NULL;
	}
}

/* Lets every way of answering run once. */
static void warm_up(struct uffd *u)
{
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	require(page != MAP_FAILED, "mmap: %s", strerror(errno));
	uffd_register(u, page, PAGE);
	expect_filled(page, PAGE, 0);
	uffd_unregister(u, page, PAGE);
	munmap(page, PAGE);
	expect_faults(u, 1);
}

static void tie(pthread_t thread, int cpu)
{
	cpu_set_t one;
	int error;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	error = pthread_setaffinity_np(thread, sizeof(one), &one);
	require(error == 0, "pthread_setaffinity_np to CPU %d: %s", cpu, strerror(error));
}

void uffd_part(struct uffd *u)
{
	tie(u->thread, (int)sysconf(_SC_NPROCESSORS_ONLN) - 1);
}

void uffd_start(struct uffd *u, unsigned long long features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int error;

	memset(u, 0, sizeof(*u));
	u->fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	require(u->fd >= 0, "userfaultfd: %s: is CONFIG_USERFAULTFD set?", strerror(errno));
	require(ioctl(u->fd, UFFDIO_API, &api) == 0, "UFFDIO_API with features 0x%llx: %s",
		features, strerror(errno));
	tie(pthread_self(), 0);
	u->stop = eventfd(0, EFD_CLOEXEC);
	require(u->stop >= 0, "eventfd: %s", strerror(errno));
	error = pthread_create(&u->thread, NULL, serve, u);
	require(error == 0, "pthread_create: %s", strerror(error));
	warm_up(u);
}

void uffd_stop(struct uffd *u)
{
	const unsigned long long one = 1;

	require(write(u->stop, &one, sizeof(one)) == sizeof(one), "eventfd: %s", strerror(errno));
	pthread_join(u->thread, NULL);
	close(u->stop);
	close(u->fd);
}

int uffd_register_mode(struct uffd *u, char *at, size_t len, unsigned long long mode)
{
	struct uffdio_register r = { .range = { (__u64)at, len }, .mode = mode };

	return ioctl(u->fd, UFFDIO_REGISTER, &r) ? errno : 0;
}

void uffd_register(struct uffd *u, char *at, size_t len)
{
	int error = uffd_register_mode(u, at, len, UFFDIO_REGISTER_MODE_MISSING);

	require(error == 0, "UFFDIO_REGISTER of %p: %s", (void *)at, strerror(error));
}

void uffd_unregister(struct uffd *u, char *at, size_t len)
{
	struct uffdio_range r = { (__u64)at, len };

	require(ioctl(u->fd, UFFDIO_UNREGISTER, &r) == 0, "UFFDIO_UNREGISTER of %p: %s",
		(void *)at, strerror(errno));
}

void uffd_copy(struct uffd *u, char *to, const char *from, size_t len)
{
	struct uffdio_copy copy = { .dst = (__u64)to, .src = (__u64)from, .len = len };

	note_op("UFFDIO_COPY", to, len);
	require(ioctl(u->fd, UFFDIO_COPY, &copy) == 0 && copy.copy == (long long)len,
		"%s: %s, %lld bytes copied", last_operation(), strerror(errno), (long long)copy.copy);
}

void uffd_move(struct uffd *u, char *to, char *from, size_t len)
{
	struct move move = { .to = (__u64)to, .from = (__u64)from, .len = len };

	note_op("UFFDIO_MOVE", to, len);
	require(ioctl(u->fd, IOCTL_MOVE, &move) == 0 && move.moved == (long long)len,
		"%s: %s, %lld bytes moved", last_operation(), strerror(errno), (long long)move.moved);
}

void uffd_poison(struct uffd *u, char *at, size_t len)
{
	struct poison poison = { .range = { (__u64)at, len } };

	note_op("UFFDIO_POISON", at, len);
	require(ioctl(u->fd, IOCTL_POISON, &poison) == 0 && poison.done == (long long)len,
		"%s: %s, %lld bytes poisoned", last_operation(), strerror(errno), (long long)poison.done);
}

void expect_faults_at(struct uffd *u, size_t count, const char *where)
{
	size_t got = u->faults;

	u->faults = 0;
	ck_assert_msg(got == count, "userfaultfd was asked for %zu pages, expected %zu, after %s (%s)",
		      got, count, last_operation(), where);
}

void expect_removal_at(struct uffd *u, const char *at, size_t len, const char *where)
{
	const struct timespec t = { .tv_nsec = 1000000L };
	double end = now_ms() + KERNEL_WAIT_MS;
	size_t got;

	/* The event was read before madvise returned, but maybe not looked at yet. */
	while (!u->removals && now_ms() < end)
		nanosleep(&t, NULL);
	got = u->removals;
	u->removals = 0;
	ck_assert_msg(got == 1 && u->removed_from == (unsigned long)at &&
		      u->removed_to == (unsigned long)at + len,
		      "userfaultfd was told of %zu removals, the last of [0x%lx, 0x%lx), expected one of [%p, +0x%zx), after %s (%s)",
		      got, u->removed_from, u->removed_to, (const void *)at, len, last_operation(), where);
}
