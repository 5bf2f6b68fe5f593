// SPDX-License-Identifier: GPL-2.0
/* pte_free_defer(): a file that several processes map is made of huge pages, and the tables that they had for it are freed. */
#include "workloads.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* Why it was not done the last time. */
int collapse_error;

/* Whether the kernel made huge pages of it: short of memory, or while others punch holes, it may not. */
int collapse(char *at, size_t areas)
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

#define THP "/sys/kernel/mm/transparent_hugepage/"

void start_khugepaged(void)
{
	write_to(THP "enabled", "madvise");
	write_to(THP "shmem_enabled", "advise");
	write_to(THP "khugepaged/scan_sleep_millisecs", "10");
	write_to(THP "khugepaged/alloc_sleep_millisecs", "10");
	write_to(THP "khugepaged/pages_to_scan", "65536");
}

/* Has khugepaged collapse what was touched; whether it did within 10 s. */
int collapse_by_khugepaged(char *at, size_t areas)
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

long collapse_loop(int processes, int rounds, size_t areas, int (*make_huge)(char *at, size_t areas))
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
long collapse_exit_loop(int processes, int rounds, size_t areas)
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
