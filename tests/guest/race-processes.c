// SPDX-License-Identifier: GPL-2.0
/*
 * Description: two processes map the same tmpfs file, and each takes the tables of its own
 * mapping out with MADV_DONTNEED. The pages stay, so that nothing may ever be missing: each
 * read returns the last value written, or one that was being written then, in both.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/guest.h"
#include "lib/race.h"

#define RACE_MS 400
#define PAGES TABLE_PAGES

/* What a page holds: its number, and the count of its writes. */
#define VALUE(page, count) ((page) << 40 | (count))

static char *map;	/* of the file, in each process */
/* Of the writes to a page: the last that began, the last that is over. */
static struct {
	unsigned long begun[PAGES], over[PAGES];
} *writes;

static void shared_reclaimer(struct party *me)
{
	/* A read fault maps the pages around it too: the table is well filled. */
	for (size_t page = party_random(me, 8); page < PAGES; page += 8)
		(void)*(volatile char *)(map + page * PAGE);
	if (madvise(map, TABLE_SPAN, MADV_DONTNEED) < 0)
		race_wrong("%s: MADV_DONTNEED: %s", me->name, strerror(errno));
}

static void read_page(struct party *me, size_t page)
{
	const unsigned long from = __atomic_load_n(&writes->over[page], __ATOMIC_SEQ_CST);
	const unsigned long got = *(volatile unsigned long *)(map + page * PAGE);
	const unsigned long to = __atomic_load_n(&writes->begun[page], __ATOMIC_SEQ_CST);

	if (got < VALUE(page, from) || got > VALUE(page, to))
		race_wrong("%s: page %zu reads 0x%lx, expected write %lu to %lu (0x%lx to 0x%lx); pagemap entry 0x%llx",
			   me->name, page, got, from, to, VALUE(page, from), VALUE(page, to),
			   pagemap_entry(map + page * PAGE));
}

static void shared_reader(struct party *me)
{
	read_page(me, party_random(me, PAGES));
}

/* Each party writes pages of its own. */
static void shared_writer(struct party *me)
{
	const size_t page = party_random(me, PAGES / RACE_PARTIES) * RACE_PARTIES + (size_t)me->index;
	const unsigned long count = writes->over[page] + 1;

	__atomic_store_n(&writes->begun[page], count, __ATOMIC_SEQ_CST);
	__atomic_store_n((unsigned long *)(map + page * PAGE), VALUE(page, count), __ATOMIC_SEQ_CST);
	__atomic_store_n(&writes->over[page], count, __ATOMIC_SEQ_CST);
	read_page(me, page);
}

/* Sets the file and the counts up; each page holds its number. */
static void open_file(void)
{
	int fd = memfd_create("shared", MFD_CLOEXEC);

	require(fd >= 0 && ftruncate(fd, (off_t)TABLE_SPAN) == 0, "memfd: %s", strerror(errno));
	map = map_tables(1, MAP_SHARED, fd);
	close(fd);
	writes = mmap(NULL, sizeof(*writes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	require(writes != MAP_FAILED, "mmap: %s", strerror(errno));
	for (size_t page = 0; page < PAGES; page++)
		*(unsigned long *)(map + page * PAGE) = VALUE(page, 0);
}

START_TEST(share_pages_not_tables)
{
	static const struct party parties[] = {
		PARTY("reclaimer", shared_reclaimer, 0, 5, NULL),
		PARTY("reclaimer of the other process", shared_reclaimer, AS_PROCESS, 5, NULL),
		PARTY("writer", shared_writer, URGENT, 25, NULL),
		PARTY("writer of the other process", shared_writer, AS_PROCESS | URGENT, 25, NULL),
		PARTY("reader", shared_reader, 0, 20, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 2, NULL),
	};

	open_file();
	race(parties, 6, RACE_MS);
	for (size_t page = 0; page < PAGES; page++) {
		unsigned long got = *(volatile unsigned long *)(map + page * PAGE);

		if (got != VALUE(page, writes->over[page]))
			require(0, "page %zu reads 0x%lx after the race, 0x%lx was written last",
				page, got, VALUE(page, writes->over[page]));
	}
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("race-processes", argc, argv);
	suite_modes("seccomp/1 seccomp/2");
	suite_add_race(share_pages_not_tables);
	return suite_end();
}
