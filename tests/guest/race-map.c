// SPDX-License-Identifier: GPL-2.0
/*
 * Description: MADV_DONTNEED takes tables out while another thread maps over them, unmaps
 * them and maps them again, or moves them (mremap). Where the range may not be there at all,
 * readers and writers go through the kernel and take EFAULT for an answer.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/guest.h"
#include "lib/race.h"

#define RACE_MS 400

/* ---- mapped over ---- */

static int op_map_over(char *at, size_t len)
{
	if (mmap(at, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == at)
		return 0;
	race_wrong("mmap over [%p, +0x%zx): %s", (void *)at, len, strerror(errno));
	return -1;
}

static void mapper(struct party *me)
{
	ledger_empty(the_ledger(), party_random(me, the_ledger()->tables), 1, op_map_over);
}

/* Also splits the mapping, so that for a moment it does not cover the table. */
static void protector(struct party *me)
{
	struct ledger *l = the_ledger();
	char *at = l->base + party_random(me, l->tables) * TABLE_SPAN;

	if (mprotect(at, TABLE_SPAN / 2, PROT_READ | PROT_WRITE | PROT_EXEC) < 0 ||
	    mprotect(at, TABLE_SPAN / 2, PROT_READ | PROT_WRITE) < 0)
		race_wrong("mprotect: %s", strerror(errno));
}

START_TEST(mapped_over_meanwhile)
{
	static const struct party parties[] = {
		PARTY("reclaimer", reclaimer, 0, 10, NULL),
		PARTY("mapper", mapper, URGENT, 20, NULL),
		PARTY("protector", protector, 0, 10, NULL),
		PARTY("writer", writer, URGENT, 25, NULL),
		PARTY("reader", reader, 0, 20, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 2, NULL),
	};

	ledger_open(map_anon(2), 2, 1);
	race(parties, 6, RACE_MS);
	ledger_close(the_ledger());
}
END_TEST

/* ---- not always there ---- */

static char *other_place;	/* where mremap moves the range, or NULL */

/* A word by way of the kernel, from where the range is. 0, or -1 when it was nowhere. */
static int fetch(const struct ledger *l, size_t page, unsigned long *word)
{
	struct iovec local = { word, sizeof(*word) }, remote = { l->base + page * PAGE, sizeof(*word) };

	for (int place = 0; place < 2; place++) {
		if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == sizeof(*word))
			return 0;
		if (!other_place)
			break;
		remote.iov_base = other_place + page * PAGE;
	}
	return -1;
}

static void careful_reader(struct party *me)
{
	const struct ledger *l = the_ledger();
	const size_t page = party_random(me, l->tables * TABLE_PAGES);
	const struct ledger_floor floor = ledger_floor(l, page);
	unsigned long got;

	if (fetch(l, page, &got) == 0)
		ledger_judge(l, page, 0, got, &floor, me->name);
}

/* One word by way of the kernel. It is read(2), whose way to user memory has no lock, except
 * before the series: for UML's own bug there (docs/uml-bugs.md, 2) there is no mended kernel
 * to compare with, and uml-uaccess shows it. */
static int put_word(struct party *me, unsigned long *to, unsigned long value)
{
	static __thread int file = -1;
	struct iovec local = { &value, sizeof(value) }, remote = { to, sizeof(value) };

	if (!reclaimed(1))
		return process_vm_writev(getpid(), &local, 1, &remote, 1, 0) == sizeof(value) ? 0 : -1;
	if (file < 0)
		file = memfd_create("word", MFD_CLOEXEC);
	if (pwrite(file, &value, sizeof(value), 0) != sizeof(value))
		race_wrong("%s: pwrite: %s", me->name, strerror(errno));
	return pread(file, to, sizeof(value), 0) == sizeof(value) ? 0 : -1;
}

/* To where the range is, if it is anywhere. */
static int careful_store(struct party *me, unsigned long *to, unsigned long value)
{
	if (put_word(me, to, value) == 0)
		return 0;
	if (!other_place)
		return -1;
	return put_word(me, (unsigned long *)(other_place + ((char *)to - the_ledger()->base)), value);
}

static void careful_writer(struct party *me)
{
	ledger_write(the_ledger(), me, 0, careful_store);
}

/* MADV_DONTNEED of what may not be there; 0 when it was, all of it. */
static int op_dontneed_if_there(char *at, size_t len)
{
	if (madvise(at, len, MADV_DONTNEED) == 0)
		return 0;
	if (errno != ENOMEM)
		race_wrong("MADV_DONTNEED of [%p, +0x%zx): %s", (void *)at, len, strerror(errno));
	return -1;
}

static int op_dontneed_elsewhere(char *at, size_t len)
{
	return op_dontneed_if_there(other_place + (at - the_ledger()->base), len);
}

static void careful_reclaimer(struct party *me)
{
	struct ledger *l = the_ledger();
	const size_t table = party_random(me, l->tables);
	const int elsewhere = other_place && party_random(me, 2);

	madvise((elsewhere ? other_place : l->base) + table * TABLE_SPAN, TABLE_SPAN, MADV_POPULATE_WRITE);
	ledger_empty(l, table, 1, elsewhere ? op_dontneed_elsewhere : op_dontneed_if_there);
}

static int op_unmap_and_map(char *at, size_t len)
{
	if (munmap(at, len) == 0)
		return op_map_over(at, len);
	race_wrong("munmap of [%p, +0x%zx): %s", (void *)at, len, strerror(errno));
	return -1;
}

/* A whole table, or a part of one. */
static void unmapper(struct party *me)
{
	struct ledger *l = the_ledger();
	const size_t table = party_random(me, l->tables), pages = 1 + party_random(me, TABLE_PAGES / 2);
	char *at = l->base + table * TABLE_SPAN;

	if (party_random(me, 2))
		ledger_empty(l, table, 1, op_unmap_and_map);
	else
		ledger_empty_part(l, at + party_random(me, TABLE_PAGES / 2) * PAGE, pages * PAGE, op_unmap_and_map);
}

START_TEST(unmapped_and_mapped_again_meanwhile)
{
	static const struct party parties[] = {
		PARTY("reclaimer", careful_reclaimer, 0, 10, NULL),
		PARTY("unmapper", unmapper, URGENT, 20, NULL),
		PARTY("writer", careful_writer, 0, 20, NULL),
		PARTY("reader", careful_reader, URGENT, 25, NULL),
		PARTY("other reader", careful_reader, 0, 20, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 2, NULL),
	};

	ledger_open(map_anon(2), 2, 1);
	the_ledger()->lossy = 1;
	race(parties, 6, RACE_MS);
	ledger_close(the_ledger());
}
END_TEST

static void mover(struct party *me)
{
	struct ledger *l = the_ledger();
	const size_t len = l->tables * TABLE_SPAN;

	if (mremap(l->base, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, other_place) != other_place)
		race_wrong("%s: mremap there: %s", me->name, strerror(errno));
	nap_us((int)party_random(me, 300));
	if (mremap(other_place, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, l->base) != l->base)
		race_wrong("%s: mremap back: %s", me->name, strerror(errno));
}

/* Where nothing else of the process comes to lie when the range leaves its place:
 * far above what mmap chooses. A page at its end keeps the PMD table. */
#define FAR_AWAY ((char *)(64UL << 30))

static char *map_far_away(size_t tables)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
	char *keeper = FAR_AWAY + (1UL << 30) - PAGE;

	require(mmap(keeper, PAGE, PROT_READ | PROT_WRITE, flags, -1, 0) == keeper &&
		mmap(FAR_AWAY, tables * TABLE_SPAN, PROT_READ | PROT_WRITE, flags, -1, 0) == FAR_AWAY,
		"mmap at %p: %s", (void *)FAR_AWAY, strerror(errno));
	*(volatile char *)keeper = 1;
	return FAR_AWAY;
}

START_TEST(moved_meanwhile)
{
	static const struct party parties[] = {
		PARTY("reclaimer", careful_reclaimer, 0, 10, NULL),
		PARTY("mover", mover, URGENT, 20, NULL),
		PARTY("writer", careful_writer, 0, 20, NULL),
		PARTY("reader", careful_reader, URGENT, 25, NULL),
		PARTY("other reader", careful_reader, 0, 20, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 2, NULL),
	};

	ledger_open(map_far_away(2), 2, 1);
	the_ledger()->lossy = 1;
	other_place = FAR_AWAY + 16 * TABLE_SPAN;
	race(parties, 6, RACE_MS);
	ledger_close(the_ledger());
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("race-map", argc, argv);
	suite_modes("seccomp/1 seccomp/2");
	suite_add_race(mapped_over_meanwhile);
	suite_add_race(unmapped_and_mapped_again_meanwhile);
	suite_add_race(moved_meanwhile);
	return suite_end();
}
