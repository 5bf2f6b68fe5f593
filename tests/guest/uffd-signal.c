// SPDX-License-Identifier: GPL-2.0
/*
 * Description: a page fault that waits for the monitor of a userfaultfd can be interrupted:
 * the thread takes its signals, and waits on without taking the CPU.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/guest.h"
#include "lib/uffd.h"

/* How long the thread is watched while it waits, and how much of that it may compute. */
#define WATCH_MS 400
#define BUSY_MS 100

static volatile sig_atomic_t handled;
static struct uffd u;
static char *map;

static void handler(int sig)
{
	(void)sig;
	handled++;
}

static void *toucher(void *arg)
{
	(void)arg;
	return (void *)(unsigned long)*(volatile unsigned char *)map;
}

/* A range whose faults nobody answers, and a thread that waits in one. */
static void start(pthread_t *thread)
{
	struct sigaction act = { .sa_handler = handler };
	struct uffdio_api api = { .api = UFFD_API };
	struct pollfd p = { .events = POLLIN };

	map = map_anon(1);
	u.fd = (int)syscall(SYS_userfaultfd, O_NONBLOCK);
	require(u.fd >= 0 && !ioctl(u.fd, UFFDIO_API, &api), "userfaultfd: %s", strerror(errno));
	uffd_register(&u, map, TABLE_SPAN);
	require(!sigaction(SIGUSR1, &act, NULL), "sigaction: %s", strerror(errno));
	require(!pthread_create(thread, NULL, toucher, NULL), "pthread_create failed");
	p.fd = u.fd;
	require(poll(&p, 1, KERNEL_WAIT_MS * time_factor()) == 1, "no page fault was reported");
}

/* Answers it: the thread reads what `from` has. */
static void stop(pthread_t thread, const char *from)
{
	void *got;

	uffd_copy(&u, map, from, PAGE);
	pthread_join(thread, &got);
	require(got == (void *)(unsigned long)(unsigned char)*from, "the thread read %p, expected %#x", got, *from);
	close(u.fd);
}

static double cpu_ms(pthread_t thread)
{
	struct timespec t;
	clockid_t clock;

	require(!pthread_getcpuclockid(thread, &clock) && !clock_gettime(clock, &t), "the thread's clock: %s", strerror(errno));
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

START_TEST(handler_runs_while_the_fault_waits)
{
	static const char answer[PAGE] = { 42 };
	const double end = now_ms() + 2000.0 * time_factor();
	pthread_t thread;
	double busy;

	start(&thread);
	for (int n = 1; n <= 3; n++) {
		require(!pthread_kill(thread, SIGUSR1), "pthread_kill failed");
		while (handled < n && now_ms() < end)
			usleep(1000);
		require(handled == n, "a thread whose page fault waits for a userfaultfd has not taken its signal: the fault is tried again for ever");
	}
	busy = cpu_ms(thread);
	usleep(WATCH_MS * 1000);
	busy = cpu_ms(thread) - busy;
	require(busy < BUSY_MS, "a thread whose page fault waits has computed for %.0f of %d ms", busy, WATCH_MS);
	stop(thread, answer);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("uffd-signal", argc, argv);
	suite_modes("ptrace/1 seccomp/2");
	suite_add(handler_runs_while_the_fault_waits);
	return suite_end();
}
