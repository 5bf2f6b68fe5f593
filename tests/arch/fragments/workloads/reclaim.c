// SPDX-License-Identifier: GPL-2.0
/* PT_RECLAIM: tables that MADV_DONTNEED has emptied, where a table is a part of a page. */
#include "workloads.h"
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>

/* An anonymous range of so many tables, the first byte of each is 1: a page, not a huge one. */
static char *make_tables(size_t tables)
{
	char *at = map_aligned(-1, tables);

	madvise(at, tables * area, MADV_NOHUGEPAGE);
	touch(at, tables);
	return at;
}

static long vmpte(void) { return read_number("/proc/self/status", "VmPTE:"); }

/*
 * Of 16 tables that are made one after the other, MADV_DONTNEED empties all but one, and in each round that follows, all but one
 * more: what the process has of tables, and what pages they take.
 */
void sparse(int rounds, size_t tables)
{
	char *at = make_tables(tables);
	long full = vmpte(), full_pages, page_kb = getpagesize() / 1024;

	full_pages = settled_page_tables();
	for (int r = 0; r < rounds; r++) {
		touch(at, tables);
		for (size_t i = 0; i < tables; i++)
			if (i % 16 > (size_t)r && madvise(at + i * area, area, MADV_DONTNEED))
				die("MADV_DONTNEED");
	}
	snprintf(more, MORE_MAX, " vmpte_full=%ld tables_full_kb=%ld vmpte=%ld tables_kb=%ld", full, full_pages * page_kb, vmpte(),
		 settled_page_tables() * page_kb);
	for (size_t i = 0; i < tables; i++)
		if (at[i * area] != (i % 16 < (size_t)rounds)) {
			fprintf(stderr, "fragments: table %zu: its byte is %d\n", i, at[i * area]);
			_exit(1);
		}
}

static volatile int over;
static long written;
static char *contended;

/* Writes to each page of the table that goes, and reads it: what was written, or nothing. */
static void *writer(void *wrong)
{
	size_t page = getpagesize();

	for (unsigned int n = 1; !over; n++, written++)
		for (size_t i = 0; i < area && !over; i += page) {
			volatile unsigned int *word = (volatile unsigned int *)(contended + i);
			unsigned int seen;

			*word = n;
			seen = *word;
			if (seen && seen != n && !*(long *)wrong)
				*(long *)wrong = 1 + i / page;
		}
	return NULL;
}

/*
 * A thread makes the table that MADV_DONTNEED empties, between two that have to stay as they are. Returns how often
 * it was asked for; how often the thread has written to all of it is in `more`.
 */
long dontneed(int seconds)
{
	long end = milliseconds() + seconds * 1000, wrong = 0, rounds = 0;
	char *at = make_tables(3);
	pthread_t thread;

	contended = at + area;
	if (pthread_create(&thread, NULL, writer, &wrong))
		die("a thread");
	for (; milliseconds() < end; rounds++)
		if (madvise(contended, area, MADV_DONTNEED))
			die("MADV_DONTNEED");
	over = 1;
	pthread_join(thread, NULL);
	if (madvise(contended, area, MADV_DONTNEED))
		die("MADV_DONTNEED");
	expect(contended, 1, 0, "after MADV_DONTNEED");
	expect(at, 1, 1, "in the table before");
	expect(at + 2 * area, 1, 1, "in the table behind");
	if (wrong) {
		fprintf(stderr, "fragments: page %ld: neither what was written nor nothing\n", wrong - 1);
		_exit(1);
	}
	snprintf(more, MORE_MAX, " written=%ld", written);
	return rounds;
}
