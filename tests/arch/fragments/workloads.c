// SPDX-License-Identifier: GPL-2.0
/*
 * Description: what makes and frees powerpc's fragments of page table pages, and how long it takes.
 *
 *   fragments collapse PROCESSES ROUNDS AREAS       pte_free_defer(): MADV_COLLAPSE of a file that all map, then MADV_REMOVE
 *   fragments collapse-exit PROCESSES ROUNDS AREAS  the same, and each process ends right after its tables were taken
 *   fragments khugepaged PROCESSES ROUNDS AREAS     as collapse, but khugepaged does it
 *   fragments munmap PROCESSES ROUNDS TABLES        mmu_gather: tables of one page each, unmapped at once
 *   fragments fork ROUNDS TABLES                    children that have as many tables as their parent, and end
 *   fragments exec ROUNDS                           address spaces that are thrown away young
 *   fragments mix SECONDS                           all of it at once
 *   fragments race SECONDS                          pte_frag_destroy() against a hole that is punched, until it goes wrong
 *   fragments window ROUNDS                         the same with a reader that window.patch holds in the window
 *
 * Before any of them: "inject", no page without waiting for it, and so none for mmu_gather's batches; "memcg", in a memory
 * control group of its own, from which page tables have to be gone at the end.
 *
 * Without arguments: each of those in WORKLOADS (environment; separated by ';'), in a process of its own.
 *
 * Prints one line "result KEY=VALUE ..." (milliseconds, KiB), and then, where the kernel has counters (counters.patch),
 * what they have come to, "counter NAME=VALUE" each. A table spans AREA_KB (environment).
 * Exit status: 0 done, 1 the kernel refused something or one of several failed, 2 wrong usage.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define COUNTERS "/sys/kernel/debug/pte_frag"

static size_t area;

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "fragments: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, ": %s\n", strerror(errno));
	va_end(args);
	exit(1);
}

static long milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The number of `name` in /proc/vmstat, in pages. */
static long vmstat(const char *name)
{
	char line[128];
	size_t len = strlen(name);
	long value = -1;
	FILE *file = fopen("/proc/vmstat", "re");

	if (!file)
		die("/proc/vmstat");
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, name, len) && line[len] == ' ')
			value = atol(line + len);
	fclose(file);
	return value;
}

/* What page tables take at most: looked at every 5 ms. */
static volatile int watching;
static volatile long peak;

static void *watch(void *unused)
{
	while (watching) {
		long now = vmstat("nr_page_table_pages");

		if (now > peak)
			peak = now;
		usleep(5000);
	}
	return unused;
}

/* Begins to count anew; does nothing in a kernel without counters. */
static void reset_counters(void)
{
	int fd = open(COUNTERS, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, "0", 1) != 1)
		die(COUNTERS);
	close(fd);
}

/* The counter `name`, -1 if there is none. */
static long counter(const char *name)
{
	char line[128];
	size_t len = strlen(name);
	long value = -1;
	FILE *file = fopen(COUNTERS, "re");

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, name, len) && line[len] == '=')
			value = atol(line + len + 1);
	fclose(file);
	return value;
}

/*
 * When all that waits for a grace period has been freed, mmu_gather's batches too, or nothing will be any more: no fragment
 * was freed for 300 ms and none waits, or 10 s are over.
 */
static void print_counters(void)
{
	char line[128];
	FILE *file;
	long freed = -1, now;

	for (int i = 0; i < 33; i++) {
		now = counter("fragments_freed");
		if (now == freed && counter("waiting") <= 0)
			break;
		freed = now;
		usleep(300000);
	}
	file = fopen(COUNTERS, "re");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file))
		printf("counter %s", line);
	fclose(file);
}

static pid_t child(void)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork");
	return pid;
}

/* Waits for `n` children, each of which has to be well; -1: all. */
static void reap(int n)
{
	int status;

	while (n-- && wait(&status) > 0)
		if (status)
			die("a child: status %#x", status);
}

/* A file of `areas` PMDs' worth in tmpfs. */
static int make_file(size_t areas)
{
	int fd = memfd_create("fragments", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, areas * area))
		die("a file of %zu areas", areas);
	return fd;
}

/* Maps `areas` of `fd` where a PMD begins. */
static char *map_aligned(int fd, size_t areas)
{
	size_t len = areas * area;
	char *at = mmap(NULL, len + area, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		die("no room for %zu areas", areas);
	at = (char *)(((unsigned long)at + area - 1) / area * area);
	if (mmap(at, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
		die("mmap");
	return at;
}

static void touch(volatile char *at, size_t areas)
{
	for (size_t i = 0; i < areas; i++)
		at[i * area] = 1;
}

/* The byte that touch() wrote in each table's worth, or none. */
static void expect(const volatile char *at, size_t areas, char byte, const char *when)
{
	for (size_t i = 0; i < areas; i++)
		if (at[i * area] != byte) {
			fprintf(stderr, "fragments: %s: byte %zu is %d, not %d\n", when, i * area, at[i * area], byte);
			exit(1);
		}
}

/* Why it was not done the last time. */
static int collapse_error;

/* Whether the kernel made huge pages of it: short of memory, or while others punch holes, it may not. */
static int collapse(char *at, size_t areas)
{
	if (!madvise(at, areas * area, MADV_COLLAPSE))
		return 1;
	collapse_error = errno;
	if (errno != EAGAIN && errno != EBUSY && errno != ENOMEM && errno != EINVAL)
		die("MADV_COLLAPSE");
	return 0;
}

/* One who maps the file, has tables of its own for it, and loses them when the file is collapsed. */
static void __attribute__((noreturn)) sharer(int fd, size_t areas, int go, int done)
{
	char *at = map_aligned(fd, areas), c;

	while (read(go, &c, 1) == 1) {
		touch(at, areas);
		if (write(done, "", 1) != 1)
			die("done");
	}
	_exit(0);
}

static void tell(int fd, int n)
{
	while (n--)
		if (write(fd, "", 1) != 1)
			die("tell");
}

static void wait_for(int fd, int n)
{
	char c;

	while (n--)
		if (read(fd, &c, 1) != 1)
			die("a process has ended");
}

static void write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die("%s", path);
	close(fd);
}

/* The number in the line of `path` that begins with `name`, or of the first line that is one. */
static long read_number(const char *path, const char *name)
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

#define THP "/sys/kernel/mm/transparent_hugepage/"

static void start_khugepaged(void)
{
	write_to(THP "enabled", "madvise");
	write_to(THP "shmem_enabled", "advise");
	write_to(THP "khugepaged/scan_sleep_millisecs", "10");
	write_to(THP "khugepaged/alloc_sleep_millisecs", "10");
	write_to(THP "khugepaged/pages_to_scan", "65536");
}

/* Has khugepaged collapse what was touched; whether it did within 10 s. */
static int collapse_by_khugepaged(char *at, size_t areas)
{
	long before = read_number(THP "khugepaged/pages_collapsed", "");
	int i;

	if (madvise(at, areas * area, MADV_HUGEPAGE))
		die("MADV_HUGEPAGE");
	for (i = 0; i < 1000; i++) {
		if (read_number(THP "khugepaged/pages_collapsed", "") >= before + (long)areas)
			break;
		usleep(10000);
	}
	/* For the next round's first touch to be a small page. */
	if (madvise(at, areas * area, MADV_NOHUGEPAGE))
		die("MADV_NOHUGEPAGE");
	return i < 1000;
}

#define MAX_SHARERS 32

static long collapse_loop(int processes, int rounds, size_t areas, int (*make_huge)(char *at, size_t areas))
{
	int fd = make_file(areas), go[MAX_SHARERS][2], done[2], sharers = processes - 1;
	char *at = map_aligned(fd, areas);
	long collapsed = 0;

	if (sharers > MAX_SHARERS || pipe(done))
		die("%d processes", processes);
	for (int i = 0; i < sharers; i++) {
		if (pipe2(go[i], O_CLOEXEC))
			die("pipe");
		if (!child()) {
			for (int n = 0; n <= i; n++)
				close(go[n][1]);
			close(done[0]);
			sharer(fd, areas, go[i][0], done[1]);
		}
		close(go[i][0]);
	}
	close(done[1]);
	for (int i = 0; i < rounds; i++) {
		touch(at, areas);
		for (int n = 0; n < sharers; n++)
			tell(go[n][1], 1);
		wait_for(done[0], sharers);
		collapsed += make_huge(at, areas);
		expect(at, areas, 1, "after the collapse");
		if (madvise(at, areas * area, MADV_REMOVE))
			die("MADV_REMOVE");
		expect(at, areas, 0, "after MADV_REMOVE");
	}
	for (int n = 0; n < sharers; n++)
		close(go[n][1]);
	reap(-1);
	close(done[0]);
	munmap(at, areas * area);
	close(fd);
	return collapsed;
}

/* The victims have tables for the file, and end as soon as these were taken from them. */
static long collapse_exit_loop(int processes, int rounds, size_t areas)
{
	int fd = make_file(areas);
	char *at = map_aligned(fd, areas);
	long collapsed = 0;

	for (int i = 0; i < rounds; i++) {
		int go[2], done[2];

		if (pipe(go) || pipe(done))
			die("pipe");
		touch(at, areas);
		for (int n = 1; n < processes; n++)
			if (!child()) {
				char *mine = map_aligned(fd, areas), c;

				close(go[1]);
				touch(mine, areas);
				tell(done[1], 1);
				while (read(go[0], &c, 1) > 0)
					;
				_exit(0);
			}
		close(go[0]);
		close(done[1]);
		wait_for(done[0], processes - 1);
		collapsed += collapse(at, areas);
		expect(at, areas, 1, "after MADV_COLLAPSE");
		close(go[1]);
		reap(-1);
		close(done[0]);
		if (madvise(at, areas * area, MADV_REMOVE))
			die("MADV_REMOVE");
	}
	munmap(at, areas * area);
	close(fd);
	return collapsed;
}

/* One page in each table of an anonymous range. */
static char *populate(size_t tables)
{
	char *at = mmap(NULL, tables * area, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		die("mmap of %zu tables", tables);
	/* A page each, not a huge one: it is tables that count. */
	madvise(at, tables * area, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < tables; i++)
		*(volatile char *)(at + i * area) = 1;
	return at;
}

static void munmap_loop(int rounds, size_t tables)
{
	for (int i = 0; i < rounds; i++)
		if (munmap(populate(tables), tables * area))
			die("munmap");
}

static void munmap_all(int processes, int rounds, size_t tables)
{
	for (int i = 0; i < processes; i++)
		if (!child()) {
			munmap_loop(rounds, tables);
			_exit(0);
		}
	reap(-1);
}

static void fork_loop(int rounds, size_t tables)
{
	char *at = populate(tables);

	for (int i = 0; i < rounds; i++) {
		if (!child()) {
			expect(at, tables, 1, "in a child");
			_exit(0);
		}
		reap(1);
	}
}

static void exec_loop(int rounds)
{
	for (int i = 0; i < rounds; i++) {
		if (!child()) {
			execl("/proc/self/exe", "fragments", "nothing", NULL);
			die("exec");
		}
		reap(1);
	}
}

/* `work` in a process of its own, again and again until `end` (milliseconds). */
static void until(long end, void (*work)(void))
{
	if (child())
		return;
	while (milliseconds() < end)
		work();
	_exit(0);
}

static void some_collapses(void)
{
	collapse_loop(2, 8, 2, collapse);
	collapse_exit_loop(3, 4, 2);
}

static void some_munmaps(void) { munmap_loop(1, 128); }
static void some_execs(void) { exec_loop(4); }

static void some_forks(void)
{
	if (!child()) {
		fork_loop(8, 16);
		_exit(0);
	}
	reap(1);
}

static void mix(long seconds)
{
	long end = milliseconds() + seconds * 1000;

	until(end, some_collapses);
	until(end, some_munmaps);
	until(end, some_forks);
	until(end, some_execs);
	reap(-1);
}

/*
 * The number of page table pages now: of the whole machine, which has to be quiet. Each CPU keeps some of the
 * count to itself until it is told to give it up.
 */
static long exact_page_tables(void)
{
	int fd = open("/proc/sys/vm/stat_refresh", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "1", 1) != 1)
		die("/proc/sys/vm/stat_refresh");
	close(fd);
	return vmstat("nr_page_table_pages");
}

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
		long before = exact_page_tables();

		for (n = 0; n < FILL_MAX; n++) {
			*(volatile char *)(at + n * area) = 1;
			if (exact_page_tables() > before)
				break;
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

	for (int i = 0; i < fill; i++)
		*(volatile char *)(room + i * area) = 1;
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

/* Readers punch holes all the time, victims come and go. */
static long race(long seconds)
{
	long end = milliseconds() + seconds * 1000, rounds = 0;
	int fd = make_file(1), fill = tables_to_a_new_page(), go[2], page = getpagesize();

	if (pipe(go))
		die("pipe");
	close(go[1]);
	for (int i = 0; i < 2; i++)
		if (!child()) {
			while (milliseconds() < end)
				punch(fd, page, page);
			_exit(0);
		}
	while (milliseconds() < end) {
		int ready[2];

		if (pipe(ready))
			die("pipe");
		for (int i = 0; i < 4; i++)
			if (!child())
				victim(fd, fill, ready[1], go[0]);
		reap(4);
		close(ready[0]);
		close(ready[1]);
		punch(fd, 0, area);
		rounds++;
	}
	reap(-1);
	return rounds;
}

/* On which CPU we run from now on, and our children; on any other if there is no such CPU. */
static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/*
 * In the window as long as window.patch or a debugger holds the CPU. A CPU that stands still must have nothing that
 * others wait for: MADV_COLLAPSE drains the folio batches of every CPU that has folios in them.
 */
static void __attribute__((noreturn)) reader(int fd, int page, int ready)
{
	int drop;

	pin(1);
	drop = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
	if (drop < 0 || write(drop, "1", 1) != 1)
		die("/proc/sys/vm/drop_caches");
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
static long window(int rounds)
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

static int number(char **argv, int n)
{
	char *end;
	long value;

	for (int i = 0; i <= n; i++)
		if (!argv[i]) {
			fprintf(stderr, "fragments: too few arguments\n");
			exit(2);
		}
	value = strtol(argv[n], &end, 10);
	if (*end || value < 1 || value > 1000000) {
		fprintf(stderr, "fragments: %s: not a number from 1 to 1000000\n", argv[n]);
		exit(2);
	}
	return value;
}

/* Runs the workload that argv names; returns what it has to count, -1 if nothing. */
static long run(char **argv)
{
	const char *name = argv[0];

	if (!strcmp(name, "collapse"))
		return collapse_loop(number(argv, 1), number(argv, 2), number(argv, 3), collapse);
	if (!strcmp(name, "khugepaged")) {
		start_khugepaged();
		return collapse_loop(number(argv, 1), number(argv, 2), number(argv, 3), collapse_by_khugepaged);
	}
	if (!strcmp(name, "collapse-exit"))
		return collapse_exit_loop(number(argv, 1), number(argv, 2), number(argv, 3));
	if (!strcmp(name, "munmap"))
		munmap_all(number(argv, 1), number(argv, 2), number(argv, 3));
	else if (!strcmp(name, "fork"))
		fork_loop(number(argv, 1), number(argv, 2));
	else if (!strcmp(name, "exec"))
		exec_loop(number(argv, 1));
	else if (!strcmp(name, "mix"))
		mix(number(argv, 1));
	else if (!strcmp(name, "race"))
		return race(number(argv, 1));
	else if (!strcmp(name, "window"))
		return window(number(argv, 1));
	else {
		fprintf(stderr, "fragments: %s: no such workload: see the top of workloads.c\n", name);
		exit(2);
	}
	return -1;
}

#define FAIL "/sys/kernel/debug/fail_page_alloc/"
#define FAIL_TIMES 1000000000

/* From now on who asks for a page and can't wait for it gets none. */
static void inject(void)
{
	char times[16];

	snprintf(times, sizeof(times), "%d", FAIL_TIMES);
	write_to(FAIL "task-filter", "N");
	write_to(FAIL "ignore-gfp-wait", "Y");
	write_to(FAIL "min-order", "0");
	write_to(FAIL "verbose", "0");
	write_to(FAIL "interval", "1");
	write_to(FAIL "times", times);
	write_to(FAIL "probability", "100");
}

/* Ends that; returns how many were refused. */
static long failed(void)
{
	write_to(FAIL "probability", "0");
	return FAIL_TIMES - read_number(FAIL "times", "");
}

#define CGROUP "/tmp/cgroup/"

/* Runs the workload in a process, and a memory control group, of its own. */
static void run_in_memcg(char **argv)
{
	mkdir(CGROUP, 0755);
	if (mount("none", CGROUP, "cgroup2", 0, NULL) && errno != EBUSY)
		die("cgroup2");
	write_to(CGROUP "cgroup.subtree_control", "+memory");
	if (mkdir(CGROUP "lab", 0755) && errno != EEXIST)
		die(CGROUP "lab");
	if (!child()) {
		write_to(CGROUP "lab/cgroup.procs", "0");
		run(argv);
		_exit(0);
	}
	reap(1);
}

/* What the group still pays for page tables now that nobody is in it, in KiB: looked at until it is nothing, or for 10 s. */
static long charged(void)
{
	long kib = -1;

	for (int i = 0; i < 100; i++) {
		kib = read_number(CGROUP "lab/memory.stat", "pagetables ");
		if (kib < 0)
			die("no pagetables in memory.stat");
		kib /= 1024;
		if (!kib)
			break;
		usleep(100000);
	}
	return kib;
}

/* One workload, with what it takes of page tables, and the counters when it is over. */
static void measure(char **argv)
{
	int injects = !strcmp(argv[0], "inject"), in_memcg = !strcmp(argv[0], "memcg");
	pthread_t watcher;
	long t, count = -1;

	reset_counters();
	if (injects)
		inject();
	watching = 1;
	if (pthread_create(&watcher, NULL, watch, NULL))
		die("a thread");
	/* It has all the memory that it takes by then: the tables of race() and window() are counted one by one. */
	while (!peak)
		usleep(1000);
	t = milliseconds();
	if (in_memcg)
		run_in_memcg(argv + 1);
	else
		count = run(argv + injects);
	t = milliseconds() - t;
	watching = 0;
	pthread_join(watcher, NULL);
	printf("result workload=%s", argv[0]);
	for (argv++; *argv; argv++)
		printf(",%s", *argv);
	printf(" ms=%ld peak_kb=%ld count=%ld", t, peak * (getpagesize() / 1024), count);
	if (!count && collapse_error)
		fprintf(stderr, "fragments: MADV_COLLAPSE never did it: %s\n", strerror(collapse_error));
	if (injects)
		printf(" failed=%ld", failed());
	if (in_memcg)
		printf(" charged_kb=%ld", charged());
	printf("\n");
	print_counters();
}

/* Each of `list`; returns the exit status. */
static int measure_all(char *list)
{
	char *words[8], *work;
	int status, worst = 0;

	while ((work = strsep(&list, ";"))) {
		int n = 0;

		while (n < 7 && (words[n] = strsep(&work, " ")))
			n += *words[n] != '\0';
		words[n] = NULL;
		if (!n)
			continue;
		if (!child()) {
			measure(words);
			exit(0);
		}
		if (wait(&status) < 0 || status)
			worst = 1;
	}
	return worst;
}

int main(int argc, char **argv)
{
	const char *kib = getenv("AREA_KB");
	char *list = getenv("WORKLOADS");

	if (argc == 2 && !strcmp(argv[1], "nothing"))
		return 0;
	if (!kib || (argc < 2 && !list)) {
		fprintf(stderr, "usage: AREA_KB=N fragments WORKLOAD ARGUMENT...\n");
		return 2;
	}
	area = strtoul(kib, NULL, 10) * 1024;
	if (argc < 2)
		return measure_all(list);
	measure(argv + 1);
	return 0;
}
