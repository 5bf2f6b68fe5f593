// SPDX-License-Identifier: GPL-2.0
/*
 * Description: the guest's side of the races in gdb-scripts/races: two threads (or two
 * processes) on two CPUs, race-a and race-b. Each tells where it is by a mark, a
 * madvise() with an advice that no kernel knows: madvise(VALUE, NUMBER, 4711), and then does what
 * its mode says. When and in which order is up to the script, which parks their CPUs; left alone
 * they rarely meet. Mark 1 is race-a's and mark 2 race-b's, before they begin; what later marks
 * mean stands at each mode, and their VALUE is what was read.
 *
 * usage: race MODE
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "must.h"

#define MARK 4711
#define PAGE 4096UL
#define TABLE 0x200000UL
#define PAGES (TABLE / PAGE)
#define OLD 0x5a5a5a5aU		/* what was in memory that was given back */
#define INTRUDER 0xdeadbeefU	/* what race-a writes to a page that it has lost */
#define OWN 0x11111111U		/* what race-b writes to pages of its own */
#define NEW 0x77777777U		/* what is written while a table is being taken out */

/* Where each mode has its memory: the scripts know the address. */
static char *const base = (char *)0x50000000UL;
/* More pages than an mmu_gather holds in all its batches (7 + 19 * 509), so that it has to free
 * in the middle of a table. */
#define MANY 22UL

static int file;

static void mark(size_t number, unsigned long value)
{
	syscall(SYS_madvise, value, number, MARK);
}

static volatile uint32_t *word_of(char *at)
{
	return (volatile uint32_t *)at;
}

static void map_tables(size_t tables)
{
	must(mmap(base, tables * TABLE, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == base, "mmap");
}

/* Written from user space, so that the host has all of it mapped. */
static void map_filled(size_t tables)
{
	map_tables(tables);
	must(!madvise(base, tables * TABLE, MADV_POPULATE_WRITE), "MADV_POPULATE_WRITE");
	for (size_t page = 0; page < tables * PAGES; page++)
		*word_of(base + page * PAGE) = OLD;
}

static void give_back(size_t tables)
{
	must(!madvise(base, tables * TABLE, MADV_DONTNEED), "MADV_DONTNEED");
}

static void file_of(size_t len)
{
	file = memfd_create("race", MFD_CLOEXEC);
	must(file >= 0 && !ftruncate(file, (off_t)len), "memfd");
}

/* ---- uaccess: race-a has the kernel write to memory whose table race-b gives back ---- */

static void uaccess_prepare(void)
{
	map_tables(1);
	file_of(PAGE);
}

/* Mark 4: how many bytes pread() gave, in the second round, which only a mended kernel lives to see. */
static void uaccess_a(void)
{
	ssize_t got = 0;

	for (int round = 0; round < 2; round++) {
		*word_of(base + PAGE) = OLD;	/* so that there is a table */
		mark(1, 0);
		got = pread(file, base, PAGE, 0);
		printf("pread: %zd\n", got);
	}
	mark(4, (unsigned long)got);
}

/* Mark 3: the table is gone. */
static void uaccess_b(void)
{
	for (int round = 0; round < 2; round++) {
		mark(2, 0);
		give_back(1);
		mark(3, 0);
	}
}

/* ---- stale: race-b has the kernel fill the table again that race-a gave back ---- */

static void stale_prepare(void)
{
	map_filled(1);
	file_of(PAGE);
}

/* Mark 3: what the first page reads now. */
static void stale_a(void)
{
	uint32_t got;

	mark(1, 0);
	give_back(1);
	got = *word_of(base);
	printf("given back, reads 0x%x\n", got);
	mark(3, got);
}

static void stale_b(void)
{
	mark(2, 0);
	must(pread(file, base + TABLE - PAGE, PAGE, 0) == (ssize_t)PAGE, "pread");
	pause();
}

/* ---- flush: race-b returns to user space while race-a's gather has flushed half a table ---- */

static void many_prepare(void)
{
	map_filled(MANY);
}

/* Mark 3: how many pages don't read 0, though all were given back. */
static void flush_a(void)
{
	size_t stale = 0;

	mark(1, 0);
	give_back(MANY);
	for (size_t page = 0; page < MANY * PAGES; page++)
		stale += *word_of(base + page * PAGE) != 0;
	printf("given back, %zu pages do not read 0\n", stale);
	mark(3, stale);
}

static void flush_b(void)
{
	mark(2, 0);
	pause();
}

/* ---- recheck: race-b writes to a table that race-a is in the middle of emptying ---- */

/* Mark 4: in how many tables what race-b wrote is still there. */
static void recheck_a(void)
{
	size_t kept = 0;

	mark(1, 0);
	give_back(MANY);
	for (size_t table = 0; table < MANY; table++)
		kept += *word_of(base + table * TABLE) == NEW;
	printf("written meanwhile: %zu tables have it\n", kept);
	mark(4, kept);
}

/* Mark 3: the first page of each table is written. */
static void recheck_b(void)
{
	mark(2, 0);
	for (size_t table = 0; table < MANY; table++)
		*word_of(base + table * TABLE) = NEW;
	mark(3, 0);
	pause();
}

/* ---- rmap: race-b punches a hole into the file whose mapping race-a gives back ---- */

static volatile int through;

static void rmap_prepare(void)
{
	file_of(TABLE);
	must(mmap(base, TABLE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, file, 0) == base, "mmap");
}

/* Again and again, until race-b is through: the fast way that a table is taken out is not taken
 * when a reschedule is due. The page is dirty, so that its rmap is removed late. */
static void rmap_a(void)
{
	mark(1, 0);
	while (!through) {
		*word_of(base) = NEW;
		give_back(1);
	}
}

/* Mark 3: the hole is punched. */
static void rmap_b(void)
{
	mark(2, 0);
	must(!fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)TABLE), "fallocate");
	mark(3, 0);
	through = 1;
}

/* ---- shootdown: race-a, a process, writes a page of a file that race-b, another one, truncates ---- */

#define VICTIMS 64UL
static char *victims;

/* The page is allocated here, and pushed out of the CPU's batch for the LRU by others, so
 * that nothing but its mappings keeps it. What is taken later is of the same kind, shared memory. */
static void shootdown_prepare(void)
{
	uint32_t word = OLD;

	file_of(PAGE);
	must(pwrite(file, &word, sizeof(word), 0) == sizeof(word), "pwrite");
	victims = mmap(NULL, 2 * VICTIMS * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(victims != MAP_FAILED, "mmap");
	must(!madvise(victims + VICTIMS * PAGE, VICTIMS * PAGE, MADV_POPULATE_WRITE), "MADV_POPULATE_WRITE");
}

static void shootdown_a(void)
{
	must(mmap(base, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, file, 0) == base, "mmap");
	*word_of(base) = INTRUDER;
	/* Whatever a return from mark() touches is touched: from the next one on nothing traps. */
	mark(0, 0);
	mark(1, 0);
	for (;;)
		*word_of(base) = INTRUDER;
}

/* The first of the fresh pages that is not as it was filled, or NULL. A host that is busy lets
 * the writer wait for its turn, so it looks for two seconds. */
static char *look_for_intruder(void)
{
	const time_t end = time(NULL) + 2;

	for (size_t page = 0; page < VICTIMS; page++)
		*word_of(victims + page * PAGE) = OWN;
	while (time(NULL) <= end)
		for (size_t page = 0; page < 1000 * VICTIMS; page++)
			if (*word_of(victims + page % VICTIMS * PAGE) != OWN)
				return victims + page % VICTIMS * PAGE;
	return NULL;
}

/* Mark 3: what a page of race-b's own reads; mark 4: its address. */
static void shootdown_b(void)
{
	char *found;

	mark(2, 0);
	must(!ftruncate(file, 0), "ftruncate");
	found = look_for_intruder();
	printf("a page of my own reads 0x%x\n", found ? *word_of(found) : OWN);
	mark(3, found ? *word_of(found) : OWN);
	mark(4, (unsigned long)found);
}

/* ---- laps: both come by their marks again and again; for the test of pt-race ---- */

static void nothing(void)
{
}

static void laps_a(void)
{
	for (;;)
		mark(1, 0);
}

static void laps_b(void)
{
	for (;;)
		mark(2, 0);
}

/* ---- all of them ---- */

static const struct mode {
	const char *name;
	void (*prepare)(void);
	void (*a)(void);
	void (*b)(void);
	int processes;	/* two of them instead of two threads; race-b's end is the program's end then */
} modes[] = {
	{ "uaccess", uaccess_prepare, uaccess_a, uaccess_b, 0 },
	{ "stale", stale_prepare, stale_a, stale_b, 0 },
	{ "flush", many_prepare, flush_a, flush_b, 0 },
	{ "recheck", many_prepare, recheck_a, recheck_b, 0 },
	{ "rmap", rmap_prepare, rmap_a, rmap_b, 0 },
	{ "laps", nothing, laps_a, laps_b, 0 },
	{ "shootdown", shootdown_prepare, shootdown_a, shootdown_b, 1 },
};

static pthread_barrier_t *barrier;

/* The caller is called @name from now on and runs on @cpu, where there is one of that number. */
static void become(const char *name, int cpu)
{
	cpu_set_t set;

	prctl(PR_SET_NAME, name);
	CPU_ZERO(&set);
	CPU_SET(cpu % (int)sysconf(_SC_NPROCESSORS_ONLN), &set);
	must(!sched_setaffinity(0, sizeof(set), &set), "sched_setaffinity");
}

/* Neither begins before both are on their CPUs: from then on neither needs the other's. */
static void meet(const char *name, int cpu)
{
	become(name, cpu);
	pthread_barrier_wait(barrier);
}

static void *thread_b(void *arg)
{
	const struct mode *mode = arg;

	meet("race-b", 1);
	mode->b();
	return NULL;
}

static void run_threads(const struct mode *mode)
{
	pthread_t thread;

	must(!pthread_create(&thread, NULL, thread_b, (void *)mode), "pthread_create");
	meet("race-a", 0);
	mode->a();
}

static void run_processes(const struct mode *mode)
{
	pid_t child = fork();

	must(child >= 0, "fork");
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		meet("race-a", 0);
		mode->a();
		_exit(0);
	}
	meet("race-b", 1);
	mode->b();
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static void make_barrier(void)
{
	pthread_barrierattr_t attr;

	barrier = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(barrier != MAP_FAILED, "mmap");
	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	must(!pthread_barrier_init(barrier, &attr, 2), "pthread_barrier_init");
}

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes) && argc == 2; i++) {
		if (strcmp(argv[1], modes[i].name))
			continue;
		setvbuf(stdout, NULL, _IOLBF, 0);
		/* What race-b shall free has to be in the batches of its CPU. */
		if (modes[i].processes)
			become("race-b", 1);
		make_barrier();
		modes[i].prepare();
		(modes[i].processes ? run_processes : run_threads)(&modes[i]);
		return 0;
	}
	fprintf(stderr, "usage: race uaccess|stale|flush|recheck|rmap|shootdown|laps\n");
	return 2;
}
