// SPDX-License-Identifier: GPL-2.0
/*
 * Description: the guest's side of `make tour T=walker`: a thread on one CPU, walker-a, has the
 * kernel write to memory whose page table another one, walker-b, on the other CPU takes away
 * with munmap(). Both tell where they are by a mark, madvise(VALUE, NUMBER, 4711), as in race.c;
 * the tour parks their CPUs.
 *
 * usage: walker
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "must.h"

#define MARK 4711
#define PAGE 4096UL
#define TABLE 0x200000UL
/* Pages that walker-b takes from the allocator. */
#define PIPE_PAGES 16

static char *const base = (char *)0x50000000UL;
static pthread_barrier_t barrier;
static int zeroes, pipe_[2];

static void mark(size_t number, unsigned long value)
{
	syscall(SYS_madvise, value, number, MARK);
}

/* The caller is called @name from now on and runs on @cpu; goes on when both are there. */
static void meet(const char *name, int cpu)
{
	cpu_set_t set;

	prctl(PR_SET_NAME, name);
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	must(!sched_setaffinity(0, sizeof(set), &set), "sched_setaffinity");
	pthread_barrier_wait(&barrier);
}

/*
 * Mark 3: the table is gone. Mark 4: a pipe is full of the letter g. Its pages come
 * from where tables come from and go to, the CPU's list of unmovable pages.
 */
static void *walker_b(void *unused)
{
	char page[PAGE];

	memset(page, 'g', sizeof(page));
	meet("walker-b", 1);
	mark(2, 0);
	must(!munmap(base, TABLE), "munmap");
	mark(3, 0);
	for (int i = 0; i < PIPE_PAGES; i++)
		must(write(pipe_[1], page, PAGE) == (ssize_t)PAGE, "write to a pipe");
	mark(4, 0);
	pause();
	return unused;
}

/* Mark 5: the errno of pread(), 0 if it went well. */
int main(void)
{
	pthread_t thread;
	ssize_t got;

	zeroes = memfd_create("walker", MFD_CLOEXEC);
	must(zeroes >= 0 && !ftruncate(zeroes, (off_t)PAGE), "memfd");
	must(!pipe(pipe_), "pipe");
	must(mmap(base, TABLE, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == base, "mmap");
	base[PAGE] = 1;		/* so that there is a table */
	pthread_barrier_init(&barrier, NULL, 2);
	must(!pthread_create(&thread, NULL, walker_b, NULL), "pthread_create");
	meet("walker-a", 0);
	mark(1, 0);
	/* Not from the beginning of a page: there the kernel looks twice, for no bytes and then for all. */
	got = pread(zeroes, base + 8, 8, 0);
	mark(5, got < 0 ? (unsigned long)errno : 0);
	printf("pread: %zd\n", got);
	return 0;
}
