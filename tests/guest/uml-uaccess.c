// SPDX-License-Identifier: GPL-2.0
/*
 * Description: UML: the kernel's own way to user memory (arch/um's uaccess.c)
 * walks the page tables without hardware. What a real MMU would refuse, or
 * record, has to be refused and recorded there too, and the tables may change
 * on another CPU while it looks.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/guest.h"

#define RACE_MS 600
/* Time-out of a race: it is longer where it must fail, or where ROUNDS says so. */
#define RACE_SECONDS (race_rounds(0) ? 3600 : 100)
#define WORDS (PAGE / sizeof(uint32_t))

/* A file whose page n is full of the word n + 1: no word of it is 0. */
static int file_of_words(size_t pages)
{
	int fd = memfd_create("words", MFD_CLOEXEC);
	uint32_t words[WORDS];

	require(fd >= 0, "memfd_create: %s", strerror(errno));
	for (size_t page = 0; page < pages; page++) {
		for (size_t i = 0; i < WORDS; i++)
			words[i] = (uint32_t)page + 1;
		require(write(fd, words, PAGE) == PAGE, "memfd: write: %s", strerror(errno));
	}
	return fd;
}

/* ---- two threads: one takes tables away, the other has the kernel use them ---- */

struct race {
	char *map;
	int fd;
	volatile int stop;
	volatile long rounds;
};

static void *dontneed_until(void *arg)
{
	struct race *race = arg;

	while (!race->stop) {
		madvise(race->map, TABLE_SPAN, MADV_DONTNEED);
		race->rounds++;
	}
	return NULL;
}

static void *unmap_until(void *arg)
{
	struct race *race = arg;

	while (!race->stop) {
		munmap(race->map, TABLE_SPAN);
		if (mmap(race->map, TABLE_SPAN, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != race->map) {
			race->rounds = 0;
			race->stop = 1;
			break;
		}
		race->rounds++;
	}
	return NULL;
}

static void start_race(struct race *race, void *(*fn)(void *), pthread_t *thread)
{
	race->stop = 0;
	race->rounds = 0;
	require(pthread_create(thread, NULL, fn, race) == 0, "pthread_create failed");
}

/* The time is not over, or one of the two has not had a turn: a busy host gives a CPU late. */
static int racing(const struct race *race, double end, long calls)
{
	return !race->stop && (now_ms() < end || calls < race_rounds(0) || !race->rounds);
}

static void end_race(struct race *race, pthread_t thread, long done, const char *what)
{
	race->stop = 1;
	pthread_join(thread, NULL);
	require(race->rounds > 0 && done > 0, "no race: %ld rounds of one thread (0: none, or mmap failed), %ld %s",
		race->rounds, done, what);
}

/* Page n of what pread() filled holds the words n + 1, or 0 where it was taken. */
static void check_pages(const uint32_t *words, const char *where)
{
	for (size_t i = 0; i < TABLE_PAGES * WORDS; i += 64) {
		uint32_t got = ((const volatile uint32_t *)words)[i];

		ck_assert_msg(got == i / WORDS + 1 || got == 0,
			"word %zu of page %zu reads 0x%x, expected 0x%zx or 0: the kernel wrote somebody else's data here (%s)",
			i % WORDS, i / WORDS, got, i / WORDS + 1, where);
	}
}

/* Long calls: the two threads meet in the kernel, user code runs one at a time. */
static void read_against(void *(*fn)(void *), int may_fault, const char *where)
{
	struct race race = { .map = map_anon(1), .fd = file_of_words(TABLE_PAGES) };
	double end = now_ms() + (double)race_ms(RACE_MS);
	long calls = 0;
	pthread_t thread;

	start_race(&race, fn, &thread);
	while (racing(&race, end, calls)) {
		ssize_t got = pread(race.fd, race.map, TABLE_SPAN, 0);

		ck_assert_msg(got == (ssize_t)TABLE_SPAN || may_fault,
			"pread of 2 MiB: %zd: %s (%s)", got, strerror(errno), where);
		/* Where the range itself comes and goes, looking could be fatal. */
		if (!may_fault && calls % 16 == 0)
			check_pages((uint32_t *)race.map, where);
		calls++;
	}
	end_race(&race, thread, calls, "preads");
}

START_TEST(pread_into_tables_that_are_reclaimed)
{
	if (skip_unmended_race())
		return;
	read_against(dontneed_until, 0, HERE);
}
END_TEST

START_TEST(pread_into_tables_that_are_unmapped)
{
	if (skip_unmended_race())
		return;
	read_against(unmap_until, 1, HERE);
}
END_TEST

START_TEST(write_from_tables_that_are_reclaimed)
{
	struct race race = { .map = map_anon(1), .fd = memfd_create("sink", MFD_CLOEXEC) };
	uint32_t *copy = (uint32_t *)map_anon(1);
	int words = file_of_words(TABLE_PAGES);
	double end = now_ms() + (double)race_ms(RACE_MS);
	long calls = 0;
	pthread_t thread;

	if (skip_unmended_race())
		return;
	require(race.fd >= 0, "memfd_create: %s", strerror(errno));
	start_race(&race, dontneed_until, &thread);
	while (racing(&race, end, calls)) {
		if (calls % 8 == 0)
			require(pread(words, race.map, TABLE_SPAN, 0) == (ssize_t)TABLE_SPAN,
				"pread: %s", strerror(errno));
		require(pwrite(race.fd, race.map, TABLE_SPAN, 0) == (ssize_t)TABLE_SPAN,
			"pwrite: %s", strerror(errno));
		if (calls % 16 == 0) {
			require(pread(race.fd, copy, TABLE_SPAN, 0) == (ssize_t)TABLE_SPAN,
				"pread: %s", strerror(errno));
			check_pages(copy, HERE);
		}
		calls++;
	}
	end_race(&race, thread, calls, "pwrites");
}
END_TEST

START_TEST(futex_in_tables_that_are_reclaimed)
{
	struct race race = { .map = map_anon(1) };
	uint32_t *word = (uint32_t *)race.map, *other = word + 1;
	double end = now_ms() + (double)race_ms(RACE_MS);
	long calls = 0;
	pthread_t thread;

	if (skip_unmended_race())
		return;
	start_race(&race, dontneed_until, &thread);
	while (racing(&race, end, calls)) {
		/* Adds 0 to *other in the kernel, nobody waits on either. */
		long got = syscall(SYS_futex, word, FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG, 1, 1L,
				   other, FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_EQ, 1));

		require(got == 0, "FUTEX_WAKE_OP: %ld: %s", got, strerror(errno));
		require(*(volatile uint32_t *)other == 0, "the futex word reads 0x%x, expected 0",
			*other);
		calls++;
	}
	end_race(&race, thread, calls, "futex calls");
}
END_TEST

/* ---- what an MMU would do ---- */

/*
 * After MADV_FREE a page may be dropped until it is written again. A write by
 * the kernel counts: it has to make the PTE dirty like one of the process does.
 */
START_TEST(page_written_by_the_kernel_after_madv_free_stays)
{
	const size_t pages = 64;
	char *map = map_anon(1);
	int fd = file_of_words(pages);

	fill(map, pages * PAGE, 1);
	advise(map, pages * PAGE, MADV_FREE, "MADV_FREE");
	require(pread(fd, map, pages * PAGE, 0) == (ssize_t)(pages * PAGE), "pread: %s",
		strerror(errno));
	advise(map, pages * PAGE, MADV_PAGEOUT, "MADV_PAGEOUT");
	for (size_t page = 0; page < pages; page++)
		require(*(volatile uint32_t *)(map + page * PAGE) == page + 1,
			"page %zu reads 0x%x, expected 0x%zx: pread() wrote it after MADV_FREE, and it was dropped as if nobody had",
			page, *(uint32_t *)(map + page * PAGE), page + 1);
}
END_TEST

START_TEST(kernel_does_not_read_prot_none)
{
	char *map = map_anon(1);
	int pipes[2];
	ssize_t got;

	fill(map, PAGE, 1);
	require(mprotect(map, PAGE, PROT_NONE) == 0, "mprotect: %s", strerror(errno));
	require(pipe(pipes) == 0, "pipe: %s", strerror(errno));
	got = write(pipes[1], map, 8);
	require(got == -1 && errno == EFAULT,
		"write() from a PROT_NONE page: %zd (%s), expected EFAULT", got,
		got < 0 ? strerror(errno) : "no error");
}
END_TEST

START_TEST(kernel_does_not_write_read_only)
{
	char *map = map_anon(1);
	int fd = file_of_words(1);
	ssize_t got;

	fill(map, PAGE, 1);
	require(mprotect(map, PAGE, PROT_READ) == 0, "mprotect: %s", strerror(errno));
	got = pread(fd, map, PAGE, 0);
	require(got == -1 && errno == EFAULT,
		"pread() into a read-only page: %zd (%s), expected EFAULT", got,
		got < 0 ? strerror(errno) : "no error");
	expect_filled(map, PAGE, 1);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("uml-uaccess", argc, argv);
	suite_modes("ptrace/1 seccomp/2");
	suite_add_slow(pread_into_tables_that_are_reclaimed, RACE_SECONDS);
	suite_add_slow(pread_into_tables_that_are_unmapped, RACE_SECONDS);
	suite_add_slow(write_from_tables_that_are_reclaimed, RACE_SECONDS);
	suite_add_slow(futex_in_tables_that_are_reclaimed, RACE_SECONDS);
	suite_add(page_written_by_the_kernel_after_madv_free_stays);
	suite_add(kernel_does_not_read_prot_none);
	suite_add(kernel_does_not_write_read_only);
	return suite_end();
}
