// SPDX-License-Identifier: GPL-2.0
/*
 * What changes in UML's memory management could make slower, in nanoseconds:
 * page faults, fork and exec, madvise, and copies to user space. Run inside UML,
 * on each of the kernels to be compared; tests/bench/fixes.sh does. Prints a
 * line "name nanoseconds" for each.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096UL
#define TABLE_SPAN (2UL << 20)

static void die(const char *what)
{
	fprintf(stderr, "mmbench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static char *anon(size_t len)
{
	char *raw = mmap(NULL, len + TABLE_SPAN, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (raw == MAP_FAILED)
		die("mmap");
	return (char *)(((unsigned long)raw + TABLE_SPAN - 1) & ~(TABLE_SPAN - 1));
}

static void touch(char *map, size_t len, size_t step)
{
	for (size_t at = 0; at < len; at += step)
		*(volatile char *)(map + at) = 1;
}

/* First touches of anonymous pages: one page fault each. */
static double page_fault(void)
{
	const size_t len = 8 * TABLE_SPAN;
	char *map = anon(len);
	double start = now_ns();

	touch(map, len, PAGE);
	return (now_ns() - start) / (double)(len / PAGE);
}

/* fork, exec of this program, which ends at once, wait. */
static double fork_exec(void)
{
	const int rounds = 60;
	double start = now_ns();

	for (int i = 0; i < rounds; i++) {
		pid_t pid = fork();
		int status;

		if (pid < 0)
			die("fork");
		if (!pid) {
			execl("/proc/self/exe", "mmbench", "nothing", (char *)NULL);
			_exit(1);
		}
		if (waitpid(pid, &status, 0) != pid || status)
			die("exec");
	}
	return (now_ns() - start) / rounds;
}

/* A table of 512 pages filled, then MADV_DONTNEED: the call alone. */
static double dontneed_full(void)
{
	char *map = anon(TABLE_SPAN);
	double sum = 0, start;

	for (int i = 0; i < 10; i++) {
		touch(map, TABLE_SPAN, PAGE);
		start = now_ns();
		if (madvise(map, TABLE_SPAN, MADV_DONTNEED))
			die("madvise");
		sum += now_ns() - start;
	}
	return sum / 10;
}

/* The same with one page in it: page fault, table, call. */
static double dontneed_sparse(void)
{
	const int rounds = 1000;
	char *map = anon(TABLE_SPAN);
	double start = now_ns();

	for (int i = 0; i < rounds; i++) {
		*(volatile char *)map = 1;
		if (madvise(map, TABLE_SPAN, MADV_DONTNEED))
			die("madvise");
	}
	return (now_ns() - start) / rounds;
}

/* Copies of 4 KiB and of one byte to user memory that is there. */
static double copy_to_user(size_t len)
{
	const int rounds = 5000;
	char *map = anon(TABLE_SPAN);
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	double start;

	if (fd < 0)
		die("/dev/zero");
	touch(map, PAGE, PAGE);
	start = now_ns();
	for (int i = 0; i < rounds; i++)
		if (read(fd, map, len) != (ssize_t)len)
			die("read");
	start = (now_ns() - start) / rounds;
	close(fd);
	return start;
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "nothing") == 0)
		return 0;
	printf("page_fault %.0f\n", page_fault());
	printf("fork_exec %.0f\n", fork_exec());
	printf("madvise_full_table %.0f\n", dontneed_full());
	printf("fault_and_madvise %.0f\n", dontneed_sparse());
	printf("read_4_KiB %.0f\n", copy_to_user(PAGE));
	printf("read_1_byte %.0f\n", copy_to_user(1));
	return 0;
}
