// SPDX-License-Identifier: GPL-2.0
/* Operations on ranges, and what page tables and memory look like after them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal.h"
#include "ops.h"

#define PAGE_KB ((long)(PAGE / 1024))

char *space_take(size_t puds)
{
	/* Room for the alignment, and an unused top-level entry on both sides. */
	const size_t len = (puds + 3) * PUD_TABLE_SPAN;
	char *raw = mmap(NULL, len, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	unsigned long at = (unsigned long)raw;

	if (raw == MAP_FAILED) {
		skip("no %zu GiB of address space: %s", len >> 30, strerror(errno));
		return NULL;
	}
	require(munmap(raw, len) == 0, "munmap: %s", strerror(errno));
	at = (at + PUD_TABLE_SPAN - 1) & ~(PUD_TABLE_SPAN - 1);
	return (char *)(at + PUD_TABLE_SPAN);
}

void operation(const char *what, const char *at, size_t len)
{
	note_op(what, at, len);
}

void map_at(char *at, size_t len, int flags, int fd, size_t offset)
{
	note_op("mmap(MAP_FIXED)", at, len);
	require(mmap(at, len, PROT_READ | PROT_WRITE, flags | MAP_FIXED | MAP_NORESERVE,
		     fd, (off_t)offset) == at, "%s: %s", last_operation(), strerror(errno));
}

void map_anon_at(char *at, size_t len)
{
	map_at(at, len, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

void unmap(char *at, size_t len)
{
	note_op("munmap", at, len);
	require(munmap(at, len) == 0, "%s: %s", last_operation(), strerror(errno));
}

char *move(char *at, size_t old_len, size_t new_len, int flags, char *to)
{
	char *now;

	note_op("mremap", at, old_len);
	now = mremap(at, old_len, new_len, flags, to);
	require(now != MAP_FAILED, "%s to %zu bytes at %p, flags 0x%x: %s",
		last_operation(), new_len, (void *)to, (unsigned int)flags, strerror(errno));
	return now;
}

int new_memfd(size_t len)
{
	int fd = memfd_create("umlab", MFD_CLOEXEC);

	require(fd >= 0 && ftruncate(fd, (off_t)len) == 0, "memfd of %zu bytes: %s", len, strerror(errno));
	return fd;
}

struct tables tables_at_rest(void)
{
	struct tables t;

	t.kernel = page_tables_quiet_kb();
	t.vmpte = vmpte_kb();
	require(t.kernel > 0 && t.vmpte > 0, "page tables cannot be counted: %s", strerror(errno));
	return t;
}

void expect_tables_everywhere_at(const struct tables *start, long n, const char *where)
{
	long want = start->kernel + n * TABLE_KB, kb;

	expect_tables_at(start->vmpte, n, where);
	expect_kernel_tables_at(start->kernel, n, where);
	kb = page_tables_quiet_kb();
	ck_assert_msg(kb == want,
		      "nr_page_table_pages is %ld kB after %s, expected %ld kB (%ld at first, and %ld tables; %s): %ld table(s) %s, while VmPTE is right (%s)",
		      kb, last_operation(), want, start->kernel, n, expectation(),
		      labs(kb - want) / TABLE_KB,
		      kb < want ? "freed that the process still counts" : "too many", where);
}

void expect_rss_is_mapped_at(const char *where)
{
	long counted, mapped, again;

	/* Reading may fault pages of its own in: then once more. */
	for (int i = 0; i < 10; i++) {
		counted = proc_number("/proc/self/status", "VmRSS");
		mapped = proc_number("/proc/self/smaps_rollup", "Rss");
		again = proc_number("/proc/self/status", "VmRSS");
		if (counted == again)
			break;
	}
	require(counted > 0 && mapped > 0, "VmRSS, Rss: cannot read /proc/self/status, smaps_rollup: %s",
		strerror(errno));
	ck_assert_msg(counted == mapped,
		      "VmRSS counts %ld pages after %s, the page tables hold %ld (smaps_rollup): %ld %s (%s)",
		      counted / PAGE_KB, last_operation(), mapped / PAGE_KB,
		      labs(counted - mapped) / PAGE_KB,
		      counted > mapped ? "were in a table when it was freed" : "are in tables and were uncounted",
		      where);
}

static void wrong_word(const char *at, const char *seen_by, unsigned long got,
		       unsigned long want, const char *where)
{
	ck_abort_msg("page %p reads 0x%lx%s, expected 0x%lx, after %s; pagemap entry 0x%llx (%s)",
		     (const void *)at, got, seen_by, want, last_operation(),
		     pagemap_entry(at), where);
}

void expect_filled_from_at(const char *at, const char *from, size_t len,
			   unsigned int seed, const char *where)
{
	for (size_t i = 0; i < len; i += PAGE) {
		unsigned long word = *(const volatile unsigned long *)(at + i);

		if (word != page_pattern(from + i, seed))
			wrong_word(at + i, "", word, page_pattern(from + i, seed), where);
	}
}

/* Reads [at, at + len) as another process would, by the page tables. */
static void read_by_tables(char *buf, const char *at, size_t len)
{
	struct iovec to = { buf, len }, from = { (void *)at, len };
	ssize_t n = process_vm_readv(getpid(), &to, 1, &from, 1, 0);

	require(n == (ssize_t)len, "process_vm_readv of [%p, +0x%zx): %zd %s, after %s",
		(const void *)at, len, n, n < 0 ? strerror(errno) : "", last_operation());
}

#define CHUNK (16 * PAGE)

/* The range as page tables say: the pattern of `seed`, or zeroes without one. */
static void expect_by_tables(const char *at, size_t len, unsigned int seed, const char *where)
{
	static char buf[CHUNK];
	static const char zero[PAGE];

	for (size_t i = 0; i < len; i += CHUNK) {
		size_t n = len - i < CHUNK ? len - i : CHUNK;

		read_by_tables(buf, at + i, n);
		for (size_t page = 0; page < n; page += PAGE) {
			unsigned long word = *(unsigned long *)(buf + page);
			unsigned long want = seed ? page_pattern(at + i + page, seed) : 0;

			if (word != want || (!seed && memcmp(buf + page, zero, PAGE)))
				wrong_word(at + i + page, " by process_vm_readv", word, want, where);
		}
	}
}

struct view {
	const char *at;
	size_t len;
	unsigned int seed;
	const char *where;
};

static void child_views_page(const struct view *v, size_t offset)
{
	if (v->seed)
		expect_filled_at(v->at + offset, PAGE, v->seed, v->where);
	else
		expect_zero_at(v->at + offset, PAGE, v->where);
}

/* A sample with both ends: each page is a fault here, and costs as much. */
static void child_views(void *arg)
{
	struct view *v = arg;

	for (size_t i = 0; i < v->len; i += 31 * PAGE)
		child_views_page(v, i);
	child_views_page(v, v->len - PAGE);
}

static void expect_by_others(const char *at, size_t len, unsigned int seed, const char *where)
{
	struct view v = { at, len, seed, where };

	expect_by_tables(at, len, seed, where);
	child_wait_at(child_start(child_views, &v), where);
}

void expect_filled_by_all_at(const char *at, size_t len, unsigned int seed, const char *where)
{
	expect_filled_at(at, len, seed, where);
	expect_by_others(at, len, seed, where);
}

void expect_zero_by_all_at(const char *at, size_t len, const char *where)
{
	expect_zero_at(at, len, where);
	expect_by_others(at, len, 0, where);
}

static void child_reads(void *arg)
{
	/* The signal is expected: nothing to report. */
	*(volatile char *)arg;
}

void expect_signal_at(const char *at, int sig, const char *where)
{
	int status, pid = child_start(child_reads, (void *)at);

	ck_assert_msg(waitpid(pid, &status, 0) == pid, "waitpid: %s (%s)", strerror(errno), where);
	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == sig,
		      "reading %p after %s: status 0x%x, expected signal %d (%s) (%s)",
		      (const void *)at, last_operation(), (unsigned int)status, sig, strsignal(sig), where);
}
