// SPDX-License-Identifier: GPL-2.0
/*
 * Description: MADV_DONTNEED waits, without the mmap_lock, until the monitor of a range has
 * read that it will be removed. What the monitor does to the mapping meanwhile counts: the
 * range is walked as it is then.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/ops.h"
#include "lib/touch.h"

#define TABLES 2UL
#define LEN (TABLES * TABLE_SPAN)

static int fd;
static char *map;
static void (*meanwhile)(void);
static int failed;	/* errno of what the monitor did */

/* Does its work before it reads the first event, and so lets madvise go on. */
static void *monitor(void *arg)
{
	struct pollfd p = { fd, POLLIN, 0 };
	struct uffd_msg event;

	(void)arg;
	if (poll(&p, 1, KERNEL_WAIT_MS * time_factor()) != 1)
		return NULL;
	meanwhile();
	while (poll(&p, 1, 300) == 1 && read(fd, &event, sizeof(event)) == sizeof(event))
		;
	return NULL;
}

/* Filled first: a missing page would have to be answered. */
static void start(pthread_t *thread, void (*what)(void))
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_EVENT_REMOVE };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	map = map_anon(TABLES);
	fill_sparse(map, LEN, 1);
	fd = (int)syscall(SYS_userfaultfd, O_NONBLOCK);
	reg.range.start = (unsigned long)map;
	reg.range.len = LEN;
	require(fd >= 0 && !ioctl(fd, UFFDIO_API, &api) && !ioctl(fd, UFFDIO_REGISTER, &reg),
		"userfaultfd: %s", strerror(errno));
	meanwhile = what;
	require(!pthread_create(thread, NULL, monitor, NULL), "pthread_create failed");
	/* The thread's stack and the tables of what it calls. */
	usleep(50000);
}

static void stop(pthread_t thread)
{
	pthread_join(thread, NULL);
	require(!failed, "the monitor: %s", strerror(failed));
	close(fd);
}

static void split(void)
{
	if (mprotect(map + TABLE_SPAN, TABLE_SPAN, PROT_READ))
		failed = errno;
}

START_TEST(mapping_is_split_meanwhile)
{
	pthread_t thread;

	start(&thread, split);
	dontneed(map, LEN);
	stop(thread);
	/* The first mapping up to its end, and then the next one. */
	expect_pagemap(map, LEN, PAGEMAP_PRESENT, 0, "present");
	expect_zero(map, LEN);
}
END_TEST

static void unmap_all(void)
{
	if (munmap(map, LEN))
		failed = errno;
}

/* MADV_DONTNEED fails with this errno after what the monitor did, which takes or leaves tables. */
static void expect_refusal(void (*what)(void), int expected, long tables)
{
	pthread_t thread;
	long vmpte;
	int rc;

	start(&thread, what);
	vmpte = vmpte_kb();
	rc = madvise(map, LEN, MADV_DONTNEED);
	require(rc == -1 && errno == expected, "madvise of a range that changed meanwhile: %s, expected: %s",
		rc ? strerror(errno) : "no error", strerror(expected));
	stop(thread);
	expect_tables(vmpte, tables);
}

START_TEST(mapping_goes_meanwhile)
{
	expect_refusal(unmap_all, ENOMEM, -(long)TABLES);
}
END_TEST

static void lock_all(void)
{
	/* Without faults: they would wait for the monitor, which is us. */
	if (mlock2(map, LEN, MLOCK_ONFAULT))
		failed = errno;
}

START_TEST(mapping_is_locked_meanwhile)
{
	expect_refusal(lock_all, EINVAL, 0);
	for (size_t i = 0; i < LEN; i += TABLE_SPAN)
		expect_filled(map + i, PAGE, 1);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("uffd-split", argc, argv);
	suite_modes("ptrace/1 seccomp/2");
	suite_add(mapping_is_split_meanwhile);
	suite_add(mapping_goes_meanwhile);
	suite_add(mapping_is_locked_meanwhile);
	return suite_end();
}
