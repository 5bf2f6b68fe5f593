// SPDX-License-Identifier: GPL-2.0
/*
 * pte_frag_destroy() against who has read a PMD, in pte_offset_map_lock(), and has not taken the table's lock yet: as
 * often as chance wants it (race), or held there by window.patch or a debugger (window).
 */
#include "workloads.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* Room for more tables than a page has fragments. */
#define FILL_MAX 300

static char *fill_room(void)
{
	char *at = mmap(NULL, FILL_MAX * area, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		die("no room for %d tables", FILL_MAX);
	madvise(at, FILL_MAX * area, MADV_NOHUGEPAGE);
	return at;
}

/*
 * How many tables a child of ours has to make for the next one to be the first fragment of a page. Only a page of
 * which all fragments were deferred or never handed out is freed by pte_frag_destroy().
 */
static int tables_to_a_new_page(void)
{
	int ends[2], n = 0;

	if (pipe(ends))
		die("pipe");
	if (!child()) {
		char *at = fill_room();
		long before = settled_page_tables(), now;

		for (n = 0; n < FILL_MAX; n++) {
			*(volatile char *)(at + n * area) = 1;
			now = exact_page_tables();
			if (now > before)
				break;
			before = now;
		}
		if (write(ends[1], &n, sizeof(n)) != sizeof(n))
			die("write");
		_exit(0);
	}
	close(ends[1]);
	if (read(ends[0], &n, sizeof(n)) != sizeof(n) || n == FILL_MAX)
		die("%d tables, and none began a page", n);
	reap(1);
	close(ends[0]);
	return n;
}

/*
 * Has the table of `fd`, alone in a page, when `ready` is told; once `go` is, collapses it, and ends. With the hash MMU a huge page
 * has a table deposited, the next fragment of that page: it is given back first.
 */
static void __attribute__((noreturn)) victim(int fd, int fill, int ready, int go)
{
	char *room = fill_room(), *at = map_aligned(fd, 1), c;

	touch(room, fill);
	touch(at, 1);
	tell(ready, 1);
	if (read(go, &c, 1) < 0)
		die("go");
	collapse(at, 1);
	if (madvise(at, area, MADV_DONTNEED))
		die("MADV_DONTNEED");
	_exit(0);
}

static void punch(int fd, size_t from, size_t len)
{
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, len))
		die("a hole");
}

/* On which CPU we run from now on, and our children; on any other if there is no such CPU. */
static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* Of the race: who loses tables, for how many mappings of a file, all in one page, and who punches holes, each in a file. */
#define VICTIMS 4
#define MAPPINGS 4
#define READERS 2

/* Runs only while nobody else wants that CPU: whoever wakes up there stops it wherever it is, in the window, too. */
static void __attribute__((noreturn)) idle_reader(int fd, int page, long end)
{
	struct sched_param none = { 0 };

	if (sched_setscheduler(0, SCHED_IDLE, &none))
		die("SCHED_IDLE");
	while (milliseconds() < end)
		punch(fd, page, page);
	_exit(0);
}

/* As victim(), but somebody else collapses the files, and `go` comes right after that. */
static void __attribute__((noreturn)) racer(const int *files, int fill, int ready, int go)
{
	char c;

	touch(fill_room(), fill);
	for (int i = 0; i < MAPPINGS * READERS; i++)
		touch(map_aligned(files[i % READERS], 1), 1);
	tell(ready, 1);
	if (read(go, &c, 1) < 0)
		die("go");
	_exit(0);
}

/* Racers that are ready; their files are collapsed, and they go. Returns how many of the files were collapsed. */
static long one_race(const int *files, char **at, int fill)
{
	int ready[2], go[2];
	long collapsed = 0;

	if (pipe(ready) || pipe(go))
		die("pipe");
	for (int i = 0; i < VICTIMS; i++)
		if (!child()) {
			for (int n = 0; n < READERS; n++)
				munmap(at[n], area);
			close(go[1]);
			racer(files, fill, ready[1], go[0]);
		}
	close(ready[1]);
	wait_for(ready[0], VICTIMS);
	for (int i = 0; i < READERS; i++) {
		touch(at[i], 1);
		collapsed += collapse(at[i], 1);
	}
	close(go[1]);
	close(go[0]);
	reap(VICTIMS);
	close(ready[0]);
	for (int i = 0; i < READERS; i++)
		punch(files[i], 0, area);
	return collapsed;
}

/* A process that has the kernel tell what all others wait for if there is no end in time; nothing else would. */
static pid_t watch_over(long seconds)
{
	pid_t pid = child();

	if (pid)
		return pid;
	sleep(seconds);
	fprintf(stderr, "fragments: no end after %ld s\n", seconds);
	write_to("/proc/sysrq-trigger", "t");
	_exit(1);
}

/*
 * Readers punch holes all the time; racers come, lose their tables, and end, all on one CPU. A lock in a page that was
 * freed shows where that page has become a part of a larger one: CPUs keep few pages to themselves. Returns
 * how many files were collapsed.
 */
long race(long seconds)
{
	long end = milliseconds() + seconds * 1000, collapsed = 0;
	int files[READERS], fill, page = getpagesize();
	pid_t watcher = watch_over(seconds + 60);
	char *at[READERS];

	pin(1);
	fill = tables_to_a_new_page();
	write_to("/proc/sys/vm/percpu_pagelist_high_fraction", "1000000");
	for (int i = 0; i < READERS; i++) {
		files[i] = make_file(1);
		if (!child())
			idle_reader(files[i], page, end);
		at[i] = map_aligned(files[i], 1);
	}
	while (milliseconds() < end)
		collapsed += one_race(files, at, fill);
	reap(READERS);
	kill(watcher, SIGKILL);
	waitpid(watcher, NULL, 0);
	return collapsed;
}

/*
 * In the window as long as window.patch or a debugger holds the CPU. A CPU that stands still must have nothing that
 * others wait for: MADV_COLLAPSE drains the folio batches of every CPU that has folios in them.
 */
static void __attribute__((noreturn)) reader(int fd, int page, int ready)
{
	pin(1);
	write_to("/proc/sys/vm/drop_caches", "1");
	prctl(PR_SET_NAME, "window");
	tell(ready, 1);
	punch(fd, page, page);
	_exit(0);
}

/* Until the kernel's log says that somebody is in the window (window.patch), or for 5 s: others say nothing. */
static void wait_for_window(int log)
{
	char line[1024];

	for (int i = 0; i < 500; i++) {
		ssize_t n;

		while ((n = read(log, line, sizeof(line) - 1)) > 0) {
			line[n] = '\0';
			if (strstr(line, "window: open"))
				return;
		}
		usleep(10000);
	}
}

/* One victim and one reader, who is in the window when the victim collapses and ends. */
long window(int rounds)
{
	int fd, fill, page = getpagesize();

	pin(0);
	fd = make_file(1);
	fill = tables_to_a_new_page();
	for (int i = 0; i < rounds; i++) {
		int mapped[2], ready[2], go[2], log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

		if (log < 0 || lseek(log, 0, SEEK_END) || pipe(mapped) || pipe(go))
			die("/dev/kmsg or a pipe");
		if (!child()) {
			close(go[1]);
			victim(fd, fill, mapped[1], go[0]);
		}
		close(mapped[1]);
		wait_for(mapped[0], 1);
		close(mapped[0]);
		if (pipe(ready))
			die("pipe");
		if (!child()) {
			close(go[1]);
			reader(fd, page, ready[1]);
		}
		close(ready[1]);
		wait_for(ready[0], 1);
		wait_for_window(log);
		close(go[0]);
		close(go[1]);
		reap(2);
		punch(fd, 0, area);
		close(log);
		close(ready[0]);
	}
	return rounds;
}
