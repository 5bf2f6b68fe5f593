// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"
#include "leak.h"

/*
 * Kinds. `slack` is what a test may leave: 0 where the count is exact. What the process
 * that counts uses itself is the same before and after, up to a few pages of its heap.
 */
enum kind { TABLES, MMS, TASKS, PAGES, ANON, SHMEM, MLOCKED, PINNED, SWAP, SLABS };

static const struct kind_info {
	const char *what;
	const char *slab;	/* counted in /sys/kernel/slab/SLAB */
	long slack;
} kinds[LEAK_KINDS] = {
	/* PTE, PMD and PUD tables, less what the processes have (VmPTE), less a PGD an mm */
	[TABLES] = { "page tables that no process has", NULL, 0 },
	/* And as many as there are CPUs: an idle one may keep the last (lazy TLB). */
	[MMS] = { "mm_structs that no process has", "mm_struct", 0 },
	/* Workers that the kernel started for the test's sake stay for minutes: they have theirs. */
	[TASKS] = { "task_structs that no task has", "task_struct", 2 },
	/* Neither free nor counted as anything: what a lost reference leaves. */
	[PAGES] = { "pages that are in use for nothing", NULL, 48 },
	[ANON] = { "mapped anonymous pages (nr_anon_pages)", NULL, 16 },
	[SHMEM] = { "pages of tmpfs and shared memory (nr_shmem)", NULL, 4 },
	[MLOCKED] = { "mlocked pages (nr_mlock)", NULL, 0 },
	[PINNED] = { "pages pinned for DMA (nr_foll_pin_acquired - nr_foll_pin_released)", NULL, 0 },
	[SWAP] = { "swap slots in use", NULL, 0 },
	[SLABS] = { "VMAs (vm_area_struct)", "vm_area_struct", 4 },
	{ "anon_vmas", "anon_vma", 4 },
	{ "anon_vma_chains", "anon_vma_chain", 8 },
	{ "open files (filp)", "filp", 4 },
	{ "files in memory (shmem_inode_cache)", "shmem_inode_cache", 2 },
	{ "userfaultfds (userfaultfd_ctx_cache)", "userfaultfd_ctx_cache", 0 },
};

/* What vmstat says, by name. */
enum vmstat {
	SLAB_RECLAIMABLE, SLAB_UNRECLAIMABLE, ANON_PAGES, FILE_PAGES, KERNEL_STACK_KB,
	TABLE_PAGES_ALL, VMALLOC, SHMEM_PAGES, MLOCK, PIN_ACQUIRED, PIN_RELEASED, STATS
};

static const char *const stat_names[STATS] = {
	[SLAB_RECLAIMABLE] = "nr_slab_reclaimable",
	[SLAB_UNRECLAIMABLE] = "nr_slab_unreclaimable", [ANON_PAGES] = "nr_anon_pages",
	[FILE_PAGES] = "nr_file_pages", [KERNEL_STACK_KB] = "nr_kernel_stack",
	[TABLE_PAGES_ALL] = "nr_page_table_pages", [VMALLOC] = "nr_vmalloc",
	[SHMEM_PAGES] = "nr_shmem", [MLOCK] = "nr_mlock",
	[PIN_ACQUIRED] = "nr_foll_pin_acquired", [PIN_RELEASED] = "nr_foll_pin_released",
};

/* Writes text to a file of the kernel; one that is not there is another kernel's. */
static void tell(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return;
	n = write(fd, text, strlen(text));
	(void)n;
	close(fd);
}

/* Not require(): the first count is made before Check knows of any test. */
static void cannot_read(const char *file)
{
	fprintf(stderr, "leak check: %s: %s: is /proc mounted?\n", file, strerror(errno));
	_exit(2);
}

void leak_hush(void)
{
	/* drop_caches reports each use in the kernel's log, until one had this bit. */
	tell("/proc/sys/vm/drop_caches", "4");
}

/* A file as lines: calls line() for each. */
static void each_line(const char *file, void (*line)(const char *text, void *arg), void *arg)
{
	char text[512];
	FILE *f = fopen(file, "re");

	if (!f)
		cannot_read(file);
	while (fgets(text, sizeof(text), f))
		line(text, arg);
	fclose(f);
}

static void take_stat(const char *text, void *arg)
{
	long *stats = arg;

	for (int i = 0; i < STATS; i++) {
		size_t len = strlen(stat_names[i]);

		if (!strncmp(text, stat_names[i], len) && text[len] == ' ')
			stats[i] = strtol(text + len, NULL, 10);
	}
}

/* zoneinfo: what is free, and free pages that a CPU keeps for itself (`count:` lines). From one
 * file, written in one go: a page that moves from one to the other meanwhile counts once. */
static void take_free(const char *text, void *arg)
{
	text += strspn(text, " ");
	if (!strncmp(text, "count:", 6))
		*(long *)arg += strtol(text + 6, NULL, 10);
	else if (!strncmp(text, "nr_free_pages ", 14))
		*(long *)arg += strtol(text + 14, NULL, 10);
}

/* The tables of all processes, in pages, how many processes have an mm, and how many tasks there are. */
static void owned_tables(long *tables, long *mms, long *tasks)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;

	if (!proc)
		cannot_read("/proc");
	*tables = *mms = *tasks = 0;
	while ((e = readdir(proc))) {
		char file[64];
		long kb;

		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		snprintf(file, sizeof(file), "/proc/%.20s/status", e->d_name);
		kb = proc_number(file, "Threads");
		*tasks += kb > 0 ? kb : 0;
		kb = proc_number(file, "VmPTE");
		if (kb < 0)
			continue; /* a kernel thread, or it is gone */
		*tables += kb / (long)(PAGE / 1024);
		++*mms;
	}
	closedir(proc);
}

/* Pages of the files without a name that we have open: what Check writes down in the test's
 * course goes to one of them, a few bytes for each expectation. */
static long own_files(void)
{
	long pages = 0;
	struct stat st;

	for (int fd = 0; fd < 64; fd++)
		if (!fstat(fd, &st) && S_ISREG(st.st_mode) && !st.st_nlink)
			pages += st.st_blocks * 512 / (long)PAGE;
	return pages;
}

/* Objects in use, after the slab gave back what it keeps at hand; -1 when not there. */
static long slab_objects(const char *slab)
{
	char file[96];

	snprintf(file, sizeof(file), "/sys/kernel/slab/%s/shrink", slab);
	tell(file, "1");
	snprintf(file, sizeof(file), "/sys/kernel/slab/%s/objects", slab);
	return proc_number_only(file);
}

/* Everything that is not free, less everything that the kernel has a name for. */
static long nameless_pages(const long *stats)
{
	long free_pages = 0;

	each_line("/proc/zoneinfo", take_free, &free_pages);
	return proc_number("/proc/meminfo", "MemTotal") / (long)(PAGE / 1024) -
	       free_pages - stats[SLAB_RECLAIMABLE] - stats[SLAB_UNRECLAIMABLE] -
	       stats[ANON_PAGES] - stats[FILE_PAGES] - stats[TABLE_PAGES_ALL] - stats[VMALLOC] -
	       stats[KERNEL_STACK_KB] / (long)(PAGE / 1024);
}

void leak_measure(struct leak_level *now, int deep)
{
	long stats[STATS] = { 0 }, tables, mms, tasks;

	if (deep)
		tell("/proc/sys/vm/drop_caches", "1");
	for (int i = 0; i < LEAK_KINDS; i++)
		now->of[i] = kinds[i].slab ? slab_objects(kinds[i].slab) : -1;
	/* Folds the per-cpu parts of the counters. */
	tell("/proc/sys/vm/stat_refresh", "1");
	each_line("/proc/vmstat", take_stat, stats);
	owned_tables(&tables, &mms, &tasks);
	if (now->of[TASKS] >= 0)
		now->of[TASKS] -= tasks;
	if (now->of[MMS] >= 0) {
		now->of[TABLES] = stats[TABLE_PAGES_ALL] - tables - now->of[MMS];
		now->of[MMS] -= mms;
	}
	now->of[PAGES] = nameless_pages(stats);
	now->of[ANON] = stats[ANON_PAGES];
	now->of[SHMEM] = stats[SHMEM_PAGES] - own_files();
	now->of[MLOCKED] = stats[MLOCK];
	now->of[PINNED] = stats[PIN_ACQUIRED] - stats[PIN_RELEASED];
	now->of[SWAP] = (proc_number("/proc/meminfo", "SwapTotal") -
			 proc_number("/proc/meminfo", "SwapFree")) / (long)(PAGE / 1024);
}

static long slack(int kind)
{
	/* Kernels that check themselves also keep more: stacks, for one. */
	long factor = kind == PAGES ? time_factor() : 1;

	return kinds[kind].slack * factor + (kind == MMS ? sysconf(_SC_NPROCESSORS_ONLN) : 0);
}

/* Adds to `why` each kind that is above `before`; returns how many. */
static int above(const struct leak_level *before, const struct leak_level *now,
		 char *why, size_t size)
{
	int found = 0;
	size_t len = 0;

	*why = '\0';
	for (int i = 0; i < LEAK_KINDS; i++) {
		if (!kinds[i].what || before->of[i] < 0 ||
		    now->of[i] <= before->of[i] + slack(i))
			continue;
		found++;
		if (len < size)
			len += (size_t)snprintf(why + len, size - len, "%s%ld %s (%ld before the test)",
						len ? ", " : "", now->of[i], kinds[i].what, before->of[i]);
	}
	return found;
}

int leak_settle(const struct leak_level *before, struct leak_level *now,
		int timeout_ms, char *why, size_t size)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	double end = now_ms() + timeout_ms;

	for (int deep = 0;; deep = 1) {
		leak_measure(now, deep);
		if (!above(before, now, why, size))
			return 0;
		if (now_ms() > end)
			return 1;
		nanosleep(&pause, NULL);
	}
}

void leak_print(const char *when, const struct leak_level *now)
{
	fprintf(stderr, "%s:", when);
	for (int i = 0; i < LEAK_KINDS; i++)
		if (kinds[i].what)
			fprintf(stderr, " %.*s=%ld", (int)strcspn(kinds[i].what, " ("), kinds[i].what, now->of[i]);
	fputc('\n', stderr);
}

void leak_next(struct leak_level *level, const struct leak_level *now, int leaked)
{
	for (int i = 0; i < LEAK_KINDS; i++)
		if (leaked || kinds[i].slack)
			level->of[i] = now->of[i];
}
