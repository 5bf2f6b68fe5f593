// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"
#include "swap.h"
#include "touch.h"

#define PAGEOUT_MS 10000

/* union swap_header in include/linux/swap.h, what mkswap(8) writes of it. */
struct header {
	char boot[1024];
	uint32_t version, last_page, bad_pages;
	char rest[PAGE - 1024 - 3 * sizeof(uint32_t) - 10];
	char magic[10];
};

static void pause_ms(int ms)
{
	const struct timespec t = { .tv_nsec = ms * 1000000L };

	nanosleep(&t, NULL);
}

static int found_on;

static void write_header(void)
{
	static struct header h = { .version = 1, .last_page = SWAP_BYTES / PAGE - 1 };
	int fd = open(SWAP_DISK, O_RDWR | O_CLOEXEC);

	_Static_assert(sizeof(h) == PAGE, "a swap header is a page");
	require(fd >= 0, "%s: %s: run the suite with umrun --disk 256M, on a kernel with BLK_DEV_UBD",
		SWAP_DISK, strerror(errno));
	memcpy(h.magic, "SWAPSPACE2", sizeof(h.magic));
	require(pwrite(fd, &h, sizeof(h), 0) == sizeof(h) && fsync(fd) == 0,
		"%s: write of a swap header: %s", SWAP_DISK, strerror(errno));
	close(fd);
}

void swap_start(void)
{
	found_on = proc_number("/proc/meminfo", "SwapTotal") > 0;
	if (found_on)
		return;
	write_header();
	require(swapon(SWAP_DISK, 0) == 0, "swapon of %s: %s", SWAP_DISK, strerror(errno));
}

void swap_stop(void)
{
	if (found_on)
		return;
	require(swapoff(SWAP_DISK) == 0, "swapoff of %s: %s", SWAP_DISK, strerror(errno));
}

/* Pages on their way to the disk; the per-cpu deltas are folded first. */
static long writeback_pages(void)
{
	int fd = open("/proc/sys/vm/stat_refresh", O_WRONLY | O_CLOEXEC);

	require(fd >= 0 && write(fd, "1", 1) == 1, "stat_refresh: %s", strerror(errno));
	close(fd);
	return proc_number("/proc/vmstat", "nr_writeback");
}

/*
 * MADV_PAGEOUT on each CPU: a page that is in a CPU's batch on its way to the LRU
 * lists can't be isolated, and madvise_pageout() empties only those of its own CPU.
 */
static void page_out_on_cpus(char *at, size_t len)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t mine, one;

	require(sched_getaffinity(0, sizeof(mine), &mine) == 0, "sched_getaffinity: %s", strerror(errno));
	for (int cpu = 0; cpu < cpus; cpu++) {
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		require(sched_setaffinity(0, sizeof(one), &one) == 0, "sched_setaffinity: %s", strerror(errno));
		advise(at, len, MADV_PAGEOUT, "MADV_PAGEOUT");
	}
	sched_setaffinity(0, sizeof(mine), &mine);
}

/* Until `pages` of the pages have one of the pagemap bits; what that means is `done`. */
static void page_out_until(char *at, size_t len, unsigned long long bits, size_t pages,
			   const char *done)
{
	double end = now_ms() + PAGEOUT_MS;
	size_t count;

	do {
		page_out_on_cpus(at, len);
		while (writeback_pages() > 0 && now_ms() < end)
			pause_ms(2);
		count = pagemap_count(at, len, bits);
	} while (count != pages && now_ms() < end);
	require(count == pages && writeback_pages() == 0,
		"%zu of %zu pages are %s, expected %zu, %ld on their way to the disk, %d ms after %s",
		count, len / PAGE, done, pages, writeback_pages(), PAGEOUT_MS, last_operation());
}

void page_out(char *at, size_t len, size_t pages)
{
	page_out_until(at, len, PAGEMAP_SWAP, pages, "swap entries");
}

void page_out_shared(char *at, size_t len)
{
	page_out_until(at, len, PAGEMAP_PRESENT, 0, "present");
}

void page_out_to_disk(char *at, size_t len, size_t step)
{
	/* Read from the swap cache the pages are clean and their slots still theirs
	 * (do_swap_page()), so that the next MADV_PAGEOUT frees them at once. */
	page_out(at, len, len / step);
	for (size_t i = 0; i < len; i += step)
		(void)*(volatile char *)(at + i);
	page_out(at, len, len / step);
}

long swap_read_kb(void)
{
	/* Documentation/block/stat.rst: reads, reads merged, sectors read */
	FILE *f = fopen("/sys/block/ubda/stat", "re");
	long sectors;

	require(f && fscanf(f, "%*d %*d %ld", &sectors) == 1, "/sys/block/ubda/stat: %s", strerror(errno));
	fclose(f);
	return sectors / 2;
}

long swap_free_kb(void)
{
	return proc_number("/proc/meminfo", "SwapFree");
}

void expect_swap_used_at(long start_kb, size_t pages, const char *where)
{
	double end = now_ms() + KERNEL_WAIT_MS;
	long want = start_kb - (long)(pages * PAGE / 1024), kb = swap_free_kb();

	while (kb != want && now_ms() < end) {
		pause_ms(5);
		kb = swap_free_kb();
	}
	ck_assert_msg(kb == want,
		      "SwapFree is %ld kB %d ms after %s, expected %ld kB (%ld at first, and %zu pages): %ld slots too %s (%s)",
		      kb, KERNEL_WAIT_MS, last_operation(), want, start_kb, pages,
		      (kb < want ? want - kb : kb - want) * 1024 / (long)PAGE,
		      kb < want ? "many in use" : "few in use", where);
}
