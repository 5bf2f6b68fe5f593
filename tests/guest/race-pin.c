// SPDX-License-Identifier: GPL-2.0
/*
 * Description: MADV_DONTNEED takes tables out while pages of theirs are held by others: by a
 * pipe (vmsplice) and by a disk that reads from and writes to them (O_DIRECT on a block device).
 * A page that is held keeps its contents, for whoever holds it; and the disk never gets or
 * writes a page that belongs to somebody else by now.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/guest.h"
#include "lib/race.h"

#define RACE_MS 400
#define AT_ONCE 16	/* pages in one go: what a pipe holds */

/* Judges pages that somebody held, from their first words. */
static void judge_held(const struct party *me, size_t first, const char *pages,
		       const struct ledger_floor *floor)
{
	for (size_t i = 0; i < AT_ONCE; i++)
		ledger_judge(the_ledger(), first + i, 0, *(const unsigned long *)(pages + i * PAGE),
			     &floor[i], me->name);
}

static size_t some_pages(struct party *me, struct ledger_floor *floor)
{
	const struct ledger *l = the_ledger();
	const size_t first = party_random(me, l->tables * TABLE_PAGES - AT_ONCE);

	for (size_t i = 0; i < AT_ONCE; i++)
		floor[i] = ledger_floor(l, first + i);
	return first;
}

/* ---- vmsplice ---- */

static void splicer(struct party *me)
{
	static __thread char got[AT_ONCE * PAGE];
	static __thread int ends[2] = { -1, -1 };
	struct ledger_floor floor[AT_ONCE];
	const size_t first = some_pages(me, floor);
	struct iovec from = { the_ledger()->base + first * PAGE, sizeof(got) };

	if (ends[0] < 0 && pipe2(ends, O_CLOEXEC) < 0)
		race_wrong("pipe: %s", strerror(errno));
	if (vmsplice(ends[1], &from, 1, 0) != (ssize_t)sizeof(got)) {
		race_wrong("%s: vmsplice: %s", me->name, strerror(errno));
		return;
	}
	nap_us((int)party_random(me, 1000));
	for (size_t have = 0; have < sizeof(got);) {
		ssize_t n = read(ends[0], got + have, sizeof(got) - have);

		if (n <= 0) {
			race_wrong("%s: read: %s", me->name, strerror(errno));
			return;
		}
		have += (size_t)n;
	}
	judge_held(me, first, got, floor);
}

START_TEST(pages_in_a_pipe)
{
	static const struct party parties[] = {
		PARTY("reclaimer", reclaimer, 0, 10, NULL),
		PARTY("splicer", splicer, URGENT, 20, NULL),
		PARTY("other splicer", splicer, 0, 20, NULL),
		PARTY("writer", writer, URGENT, 25, NULL),
		PARTY("quick reclaimer", quick_reclaimer, URGENT, 25, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 2, NULL),
	};

	ledger_open(map_anon(1), 1, 1);
	race(parties, 6, RACE_MS);
	ledger_close(the_ledger());
}
END_TEST

/* ---- O_DIRECT ---- */

/* UML's block device, or another one (environment: DISK). */
static const char *disk_name(void)
{
	const char *name = getenv("DISK");

	return name && *name ? name : "/dev/ubda";
}

/* The disk, or -1 when the guest has none (umrun --disk). */
static int open_disk(void)
{
	int fd = open(disk_name(), O_RDWR | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		skip("%s: %s: run it with umrun --disk 256M, as tests/run does", disk_name(), strerror(errno));
	return fd;
}

static int disk;

/* A buffer that O_DIRECT takes. */
static char *aligned(void)
{
	void *buffer = NULL;

	if (posix_memalign(&buffer, PAGE, AT_ONCE * PAGE))
		race_wrong("posix_memalign failed");
	return buffer;
}

/* Writes pages of the range to the disk, in a place of this party, and looks at what came there. */
static void disk_writer(struct party *me)
{
	static __thread char *got;
	const off_t place = (off_t)(me->index + 1) << 20;
	struct ledger_floor floor[AT_ONCE];
	const size_t first = some_pages(me, floor);

	if (!got)
		got = aligned();
	if (pwrite(disk, the_ledger()->base + first * PAGE, AT_ONCE * PAGE, place) != (ssize_t)(AT_ONCE * PAGE) ||
	    pread(disk, got, AT_ONCE * PAGE, place) != (ssize_t)(AT_ONCE * PAGE)) {
		race_wrong("%s: O_DIRECT: %s", me->name, strerror(errno));
		return;
	}
	judge_held(me, first, got, floor);
}

/* A pattern of the disk for the middle of pages, where no stamp is. */
#define PATTERN(page) (0xd15c000000000000UL | (page))
#define MIDDLE (PAGE / 2)

/* The disk writes into the range, sector by sector in the middle of each page: afterwards
 * it is there or the page was emptied. The tenant sees it if it went elsewhere. */
static void disk_reader(struct party *me)
{
	struct ledger_floor floor[AT_ONCE];
	const struct ledger *l = the_ledger();
	const size_t first = some_pages(me, floor);
	struct iovec to[AT_ONCE];

	for (size_t i = 0; i < AT_ONCE; i++) {
		to[i].iov_base = l->base + (first + i) * PAGE + MIDDLE;
		to[i].iov_len = 512;
	}
	if (preadv(disk, to, AT_ONCE, (off_t)first * 512) != AT_ONCE * 512) {
		race_wrong("%s: O_DIRECT preadv: %s", me->name, strerror(errno));
		return;
	}
	for (size_t i = 0; i < AT_ONCE; i++) {
		unsigned long got = *(volatile unsigned long *)to[i].iov_base;

		if (got && got != PATTERN(first + i))
			race_wrong("%s: the middle of page %zu reads 0x%lx, the disk wrote 0x%lx there or nothing", me->name,
				   first + i, got, PATTERN(first + i));
	}
}

/* Sector i of the disk has the pattern of page i. */
static void prepare_disk(void)
{
	const size_t size = TABLE_PAGES * 512;
	unsigned long *sectors;

	require(posix_memalign((void **)&sectors, PAGE, size) == 0, "posix_memalign failed");
	for (size_t i = 0; i < size / sizeof(long); i++)
		sectors[i] = PATTERN(i / (512 / sizeof(long)));
	require(pwrite(disk, sectors, size, 0) == (ssize_t)size, "%s: pwrite: %s", disk_name(), strerror(errno));
	free(sectors);
}

START_TEST(pages_on_their_way_to_a_disk)
{
	static const struct party parties[] = {
		PARTY("reclaimer", reclaimer, 0, 10, NULL),
		PARTY("disk writer", disk_writer, 0, 10, NULL),
		PARTY("other disk writer", disk_writer, URGENT, 10, NULL),
		PARTY("writer", writer, URGENT, 25, NULL),
		PARTY("quick reclaimer", quick_reclaimer, URGENT, 25, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 2, NULL),
	};

	disk = open_disk();
	if (disk < 0)
		return;
	ledger_open(map_anon(1), 1, 1);
	race(parties, 6, RACE_MS);
	ledger_close(the_ledger());
}
END_TEST

START_TEST(pages_that_a_disk_writes_to)
{
	static const struct party parties[] = {
		PARTY("reclaimer", reclaimer, 0, 10, NULL),
		PARTY("disk reader", disk_reader, 0, 10, NULL),
		PARTY("other disk reader", disk_reader, URGENT, 10, NULL),
		PARTY("writer", writer, URGENT, 25, NULL),
		PARTY("quick reclaimer", quick_reclaimer, URGENT, 25, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 2, NULL),
	};

	disk = open_disk();
	if (disk < 0)
		return;
	prepare_disk();
	ledger_open(map_anon(1), 1, 1);
	race(parties, 6, RACE_MS);
	ledger_close(the_ledger());
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("race-pin", argc, argv);
	suite_modes("seccomp/1 seccomp/2");
	suite_add_race(pages_in_a_pipe);
	suite_add_race(pages_on_their_way_to_a_disk);
	suite_add_race(pages_that_a_disk_writes_to);
	return suite_end();
}
