// SPDX-License-Identifier: GPL-2.0
/*
 * Description: a program whose lines are known, for the tests of pt-user. It
 * writes what it knows of itself to a file on the shared folder, announces
 * itself as scenario.c does, and makes the system calls at the lines marked
 * LINE below. A child runs the same code all the time: what a debugger does to
 * the parent's code must not reach it.
 *
 * usage: user FACTS-FILE
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "must.h"
#include "scenario.h"

/* Where no program and no library is. */
#define AT ((void *)0x20000000)
#define LEN ((size_t)SCENARIO_TABLE)

char greeting[] = "hello from user space";
unsigned long counter;

/* Called by parent and child; a breakpoint here must stop the parent only. */
static __attribute__((noinline)) unsigned long tick(unsigned long by)
{
	counter += by;			/* LINE: tick */
	return counter;
}

static __attribute__((noinline)) int reclaim(char *at, size_t len)
{
	unsigned long seen = tick(1);
	int result;

	at[0] = 'u';			/* LINE: fault */
	result = madvise(at, len, MADV_DONTNEED);	/* LINE: madvise */
	seen += tick(2);		/* LINE: after madvise */
	return result + (seen == 0);
}

static __attribute__((noinline)) char *more(size_t len)
{
	char *where;

	where = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);	/* LINE: mmap */
	tick(3);			/* LINE: after mmap */
	return where;
}

static __attribute__((noinline)) void mark(size_t step)
{
	syscall(SYS_madvise, SCENARIO_FULL, step, SCENARIO_MARK);	/* LINE: mark */
}

static void write_facts(const char *file, pid_t child)
{
	FILE *f = fopen(file, "w");

	must(f != NULL, file);
	fprintf(f, "pid %d\nchild %d\n", getpid(), child);
	fprintf(f, "main %ld\ngreeting %ld\ncounter_at %ld\n", (long)(uintptr_t)write_facts,
		(long)(uintptr_t)greeting, (long)(uintptr_t)&counter);
	must(!fclose(f), file);
}

static pid_t start_child(void)
{
	pid_t child = fork();

	must(child >= 0, "fork");
	if (child)
		return child;
	while (getppid() > 1) {
		for (int i = 0; i < 1000; i++)
			tick(1);
		usleep(1000);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	char *at;
	pid_t child;
	int status;

	must(argc > 1, "usage: user FACTS-FILE");
	at = mmap(AT, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	must(at == AT, "mmap");
	memset(at, 'u', LEN);
	strcpy(at + LEN - 8, "across");
	child = start_child();
	write_facts(argv[1], child);
	mark(SCENARIO_BUILT);
	must(!reclaim(at, LEN), "madvise");
	must(more(LEN) != MAP_FAILED, "mmap");
	must(waitpid(child, &status, WNOHANG) == 0, "the child ended");
	mark(SCENARIO_RECLAIMED);
	kill(child, SIGKILL);
	return 0;
}
