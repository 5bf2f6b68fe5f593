// SPDX-License-Identifier: GPL-2.0
/* What all workloads are made of: processes, files, the memory that a table spans. */
#include "workloads.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

size_t area;

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "fragments: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, ": %s\n", strerror(errno));
	va_end(args);
	exit(1);
}

long milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

pid_t child(void)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork");
	return pid;
}

/* Waits for `n` children, each of which has to be well; -1: all. */
void reap(int n)
{
	int status;

	while (n-- && wait(&status) > 0)
		if (status)
			die("a child: status %#x", status);
}

/* A file of `areas` PMDs' worth in tmpfs. */
int make_file(size_t areas)
{
	int fd = memfd_create("fragments", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, areas * area))
		die("a file of %zu areas", areas);
	return fd;
}

/* Maps `areas` of `fd`, -1: of nothing, where a PMD begins. */
char *map_aligned(int fd, size_t areas)
{
	size_t len = areas * area;
	char *at = mmap(NULL, len + area, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		die("no room for %zu areas", areas);
	at = (char *)(((unsigned long)at + area - 1) / area * area);
	if (mmap(at, len, PROT_READ | PROT_WRITE, (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED) | MAP_FIXED, fd, 0) == MAP_FAILED)
		die("mmap");
	return at;
}

void touch(volatile char *at, size_t areas)
{
	for (size_t i = 0; i < areas; i++)
		at[i * area] = 1;
}

/* The byte that touch() wrote in each table's worth, or none. */
void expect(const volatile char *at, size_t areas, char byte, const char *when)
{
	for (size_t i = 0; i < areas; i++)
		if (at[i * area] != byte) {
			fprintf(stderr, "fragments: %s: byte %zu is %d, not %d\n", when, i * area, at[i * area], byte);
			exit(1);
		}
}

void tell(int fd, int n)
{
	while (n--)
		if (write(fd, "", 1) != 1)
			die("tell");
}

void wait_for(int fd, int n)
{
	char c;

	while (n--)
		if (read(fd, &c, 1) != 1)
			die("a process has ended");
}

void write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die("%s", path);
	close(fd);
}

/* The number in the line of `path` that begins with `name`, or of the first line that is one. */
long read_number(const char *path, const char *name)
{
	char line[256];
	long value = -1;
	FILE *file = fopen(path, "re");

	if (!file)
		die("%s", path);
	while (value < 0 && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)))
			value = atol(line + strlen(name));
	fclose(file);
	return value;
}
