// SPDX-License-Identifier: GPL-2.0
/*
 * Description: MADV_DONTNEED takes tables out while the kernel itself reads and writes in
 * the range: read(2) and write(2), for which UML walks the page tables without a lock
 * (virt_to_pte()), process_vm_readv() and process_vm_writev() from another process, and
 * the walkers behind pagemap, smaps and mincore.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/guest.h"
#include "lib/race.h"

#define RACE_MS 400

static pid_t owner;	/* of the range */

/* ---- read(2) and write(2) ---- */

/* Before the series nothing mends UML's walk without a lock (docs/uml-bugs.md, 2): a page
 * that is emptied between the walk's fault and its second look gives EFAULT there. */
static int known_efault(void)
{
	return !reclaimed(1);
}

/* Has the kernel write the word: it copies it from a file. */
static int store_by_pread(struct party *me, unsigned long *to, unsigned long value)
{
	static __thread int file = -1;

	if (file < 0)
		file = memfd_create("word", MFD_CLOEXEC);
	if (pwrite(file, &value, sizeof(value), 0) != sizeof(value) ||
	    pread(file, to, sizeof(value), 0) != sizeof(value)) {
		if (!known_efault())
			race_wrong("%s: pread into %p: %s", me->name, (void *)to, strerror(errno));
		return -1;
	}
	return 0;
}

static void pread_writer(struct party *me)
{
	ledger_write(the_ledger(), me, 1, store_by_pread);
}

/* Has the kernel read words: 64 pages in one call, as many lookups. */
static void writev_reader(struct party *me)
{
	static __thread int file = -1;
	const struct ledger *l = the_ledger();
	const size_t first = party_random(me, l->tables * TABLE_PAGES - 64);
	struct ledger_floor floor[64];
	struct iovec from[64];
	unsigned long got[64];

	if (file < 0)
		file = memfd_create("words", MFD_CLOEXEC);
	for (size_t i = 0; i < 64; i++) {
		floor[i] = ledger_floor(l, first + i);
		from[i].iov_base = l->base + (first + i) * PAGE;
		from[i].iov_len = sizeof(long);
	}
	if (pwritev(file, from, 64, 0) != sizeof(got) || pread(file, got, sizeof(got), 0) != sizeof(got)) {
		if (!known_efault())
			race_wrong("%s: pwritev from the range: %s", me->name, strerror(errno));
		return;
	}
	for (size_t i = 0; i < 64; i++)
		ledger_judge(l, first + i, 0, got[i], &floor[i], me->name);
}

/* mincore(2) writes its answer into the range. */
static void mincore_into_range(struct party *me)
{
	const struct ledger *l = the_ledger();
	const size_t page = party_random(me, l->tables * TABLE_PAGES);
	unsigned char resident;

	/* The result goes to the middle of a page, where no stamp is. */
	if (mincore(l->base, PAGE, (unsigned char *)l->base + page * PAGE + 64) < 0 ||
	    mincore(l->base, PAGE, &resident) < 0)
		if (!known_efault())
			race_wrong("%s: mincore: %s", me->name, strerror(errno));
}

START_TEST(read_and_write_into_the_range)
{
	static const struct party parties[] = {
		PARTY("reclaimer", reclaimer, 0, 10, NULL),
		PARTY("quick reclaimer", quick_reclaimer, URGENT, 25, NULL),
		PARTY("pread writer", pread_writer, 0, 20, NULL),
		PARTY("pwritev reader", writev_reader, 0, 20, NULL),
		PARTY("writer", writer, URGENT, 25, NULL),
		PARTY("mincore into the range", mincore_into_range, 0, 20, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 2, NULL),
	};

	ledger_open(map_anon(1), 1, 2);
	race(parties, 7, RACE_MS);
	ledger_close(the_ledger());
}
END_TEST

/* 64 lookups in one call, for words that have no stamp. */
static void pread_burst(struct party *me)
{
	static __thread int file = -1;
	const struct ledger *l = the_ledger();
	const size_t first = party_random(me, TABLE_PAGES - 64);
	struct iovec to[64];

	if (file < 0) {
		file = memfd_create("words", MFD_CLOEXEC);
		if (ftruncate(file, 64 * sizeof(long)) < 0)
			race_wrong("memfd: %s", strerror(errno));
	}
	for (size_t i = 0; i < 64; i++) {
		to[i].iov_base = l->base + (first + i) * PAGE + PAGE / 2;
		to[i].iov_len = sizeof(long);
	}
	if (preadv(file, to, 64, 0) != 64 * sizeof(long) && !known_efault())
		race_wrong("%s: preadv into the range: %s", me->name, strerror(errno));
}

/* Nothing but the two, as fast as they can: for what takes a narrow window. */
START_TEST(pread_head_on)
{
	static const struct party parties[] = {
		PARTY("reclaimer", quick_reclaimer, BUSY, 100, NULL),
		PARTY("pread burst", pread_burst, BUSY, 100, NULL),
	};

	ledger_open(map_anon(1), 1, 2);
	race(parties, 2, 2 * RACE_MS);
	ledger_close(the_ledger());
}
END_TEST

START_TEST(urgent_reads_into_tables_that_come_and_go)
{
	static const struct party parties[] = {
		PARTY("reclaimer without batches", reclaimer_short_of_memory, 0, 5, NULL),
		PARTY("pread writer", pread_writer, URGENT, 25, NULL),
		PARTY("pwritev reader", writev_reader, URGENT, 25, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 2, NULL),
	};

	ledger_open(map_anon(1), 1, 2);
	race(parties, 4, RACE_MS);
	ledger_close(the_ledger());
}
END_TEST

/* ---- from another process ---- */

static void outside_reader(struct party *me)
{
	const struct ledger *l = the_ledger();
	const size_t first = party_random(me, l->tables * TABLE_PAGES - 64);
	struct ledger_floor floor[64];
	struct iovec remote[64], local = { .iov_len = 64 * sizeof(long) };
	unsigned long got[64];

	local.iov_base = got;
	for (size_t i = 0; i < 64; i++) {
		floor[i] = ledger_floor(l, first + i);
		remote[i].iov_base = l->base + (first + i) * PAGE;
		remote[i].iov_len = sizeof(long);
	}
	if (process_vm_readv(owner, &local, 1, remote, 64, 0) != (ssize_t)local.iov_len) {
		race_wrong("%s: process_vm_readv: %s", me->name, strerror(errno));
		return;
	}
	for (size_t i = 0; i < 64; i++)
		ledger_judge(l, first + i, 0, got[i], &floor[i], me->name);
}

static int store_from_outside(struct party *me, unsigned long *to, unsigned long value)
{
	struct iovec local = { &value, sizeof(value) }, remote = { to, sizeof(value) };

	if (process_vm_writev(owner, &local, 1, &remote, 1, 0) == sizeof(value))
		return 0;
	race_wrong("%s: process_vm_writev: %s", me->name, strerror(errno));
	return -1;
}

/* Looks not at its own copy of the range for what it has written: that is not its owner's. */
static void outside_writer(struct party *me)
{
	ledger_write(the_ledger(), me, 1, store_from_outside);
}

START_TEST(another_process_reads_and_writes_the_range)
{
	static const struct party parties[] = {
		PARTY("reclaimer", reclaimer, 0, 10, NULL),
		PARTY("outside reader", outside_reader, AS_PROCESS | URGENT, 25, NULL),
		PARTY("outside writer", outside_writer, AS_PROCESS | URGENT, 25, NULL),
		PARTY("writer", writer, URGENT, 25, NULL),
		PARTY("reader", reader, 0, 20, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 2, NULL),
	};

	ledger_open(map_anon(1), 1, 2);
	the_ledger()->lossy = 1;
	owner = getpid();
	race(parties, 6, RACE_MS);
	ledger_close(the_ledger());
}
END_TEST

/* ---- walkers ---- */

/* Frames that pagemap shows for a table: none is that of another page there. */
static void pagemap_walker(struct party *me)
{
	const struct ledger *l = the_ledger();
	static unsigned long long entry[TABLE_PAGES];
	const size_t first = party_random(me, l->tables) * TABLE_PAGES;
	const off_t at = (off_t)(((unsigned long)l->base / PAGE + first) * sizeof(*entry));
	static int file = -1;

	if (file < 0)
		file = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (pread(file, entry, sizeof(entry), at) != (ssize_t)sizeof(entry))
		race_wrong("%s: pagemap: %s", me->name, strerror(errno));
	for (size_t i = 0; i < TABLE_PAGES; i++) {
		const unsigned long long frame = entry[i] & ((1ULL << 55) - 1);

		if (entry[i] >> 63 && (!frame || frame > (64UL << 30) / PAGE))
			race_wrong("%s: page %zu has the frame 0x%llx (entry 0x%llx)", me->name, i, frame, entry[i]);
		if (entry[i] >> 62 & 1)
			race_wrong("%s: page %zu is swapped (entry 0x%llx), and there is no swap", me->name, i, entry[i]);
	}
}

static void smaps_walker(struct party *me)
{
	static const char *const files[] = {
		"/proc/self/smaps", "/proc/self/smaps_rollup", "/proc/self/numa_maps", "/proc/self/maps",
	};
	static char text[65536];
	int file = open(files[party_random(me, 4)], O_RDONLY | O_CLOEXEC);

	if (file < 0)
		return; /* no NUMA here */
	while (read(file, text, sizeof(text)) > 0)
		;
	close(file);
}

static void mincore_walker(struct party *me)
{
	const struct ledger *l = the_ledger();
	static unsigned char resident[TABLE_PAGES];

	(void)me;
	if (mincore(l->base + party_random(me, l->tables) * TABLE_SPAN, TABLE_SPAN, resident) < 0)
		race_wrong("mincore: %s", strerror(errno));
	for (size_t i = 0; i < TABLE_PAGES; i++)
		if (resident[i] & ~1)
			race_wrong("mincore says 0x%x of page %zu", resident[i], i);
}

START_TEST(walkers_of_tables_that_come_and_go)
{
	static const struct party parties[] = {
		PARTY("reclaimer without batches", reclaimer_short_of_memory, 0, 5, NULL),
		PARTY("pagemap", pagemap_walker, URGENT, 20, NULL),
		PARTY("smaps", smaps_walker, 0, 5, NULL),
		PARTY("mincore", mincore_walker, URGENT, 20, NULL),
		PARTY("writer", writer, URGENT, 25, NULL),
		PARTY("reader", reader, 0, 20, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 2, NULL),
	};

	ledger_open(map_anon(2), 2, 1);
	race(parties, 7, RACE_MS);
	ledger_close(the_ledger());
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("race-read", argc, argv);
	suite_modes("seccomp/1 seccomp/2");
	suite_add_race(read_and_write_into_the_range);
	suite_add_race(pread_head_on);
	suite_add_race(urgent_reads_into_tables_that_come_and_go);
	suite_add_race(another_process_reads_and_writes_the_range);
	suite_add_race(walkers_of_tables_that_come_and_go);
	return suite_end();
}
