// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"
#include "touch.h"

static sigjmp_buf back;

static void jump_back(int sig)
{
	siglongjmp(back, sig);
}

/* Nothing of the caller's is changed between sigsetjmp and siglongjmp. */
static int touch(volatile char *at, int write)
{
	const struct sigaction catch = { .sa_handler = jump_back };
	struct sigaction segv, bus;
	int sig;

	sigaction(SIGSEGV, &catch, &segv);
	sigaction(SIGBUS, &catch, &bus);
	sig = sigsetjmp(back, 1);
	if (!sig) {
		char byte = *at;

		if (write)
			*at = byte;
	}
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGBUS, &bus, NULL);
	return sig;
}

int touch_read(const char *at)
{
	return touch((volatile char *)(unsigned long)at, 0);
}

int touch_write(char *at)
{
	return touch(at, 1);
}

static const char *signal_text(int sig)
{
	return sig ? sigabbrev_np(sig) : "no signal";
}

void expect_touch_at(char *at, size_t len, int sig, const char *where)
{
	for (size_t i = 0; i < len; i += PAGE) {
		int read = touch_read(at + i), write = touch_write(at + i);

		ck_assert_msg(read == sig && write == sig,
			      "page %p: reading raises %s, writing %s, expected %s, after %s; pagemap entry 0x%llx (%s)",
			      (void *)(at + i), signal_text(read), signal_text(write), signal_text(sig),
			      last_operation(), pagemap_entry(at + i), where);
	}
}

size_t pagemap_count(const char *at, size_t len, unsigned long long bits)
{
	unsigned long long entries[TABLE_PAGES];
	size_t left = len / PAGE, count = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	require(fd >= 0, "/proc/self/pagemap: %s", strerror(errno));
	while (left) {
		size_t n = left < TABLE_PAGES ? left : TABLE_PAGES;
		size_t size = n * sizeof(entries[0]);
		off_t from = (off_t)((unsigned long)at / PAGE * sizeof(entries[0]));

		require(pread(fd, entries, size, from) == (ssize_t)size,
			"/proc/self/pagemap: pread for %p: %s", (const void *)at, strerror(errno));
		for (size_t i = 0; i < n; i++)
			count += (entries[i] & bits) != 0;
		at += n * PAGE;
		left -= n;
	}
	close(fd);
	return count;
}

void expect_pagemap_at(const char *at, size_t len, unsigned long long bits, size_t pages,
		       const char *what, const char *where)
{
	size_t count = pagemap_count(at, len, bits);

	ck_assert_msg(count == pages,
		      "%zu of %zu pages at %p are %s, expected %zu, after %s (%s)",
		      count, len / PAGE, (const void *)at, what, pages, last_operation(), where);
}
