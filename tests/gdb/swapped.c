// SPDX-License-Identifier: GPL-2.0
/*
 * Description: a process with pages in swap, pages that were poisoned and guard regions, for the tests of
 * the gdb commands. It writes what pagemap says of them to a file on the shared folder, and calls
 * madvise() with the advice of the scenario's marks. The guest has a disk to swap to.
 *
 * usage: swapped FACTS-FILE
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../guest/lib/proc.h"
#include "must.h"
#include "scenario.h"

#define DISK "/dev/ubda"
#define PAGES 8		/* of each kind, one after the other */
#define OUT_MS 10000

/* Newer than the headers of libc. */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef UFFDIO_POISON
struct uffdio_poison { struct uffdio_range range; __u64 mode; __s64 updated; };
#define UFFDIO_POISON _IOWR(UFFDIO, 0x08, struct uffdio_poison)
#endif
#define FEATURE_POISON (1 << 14)

static const size_t page = 4096;

/* What mkswap(8) writes of union swap_header, include/linux/swap.h. */
static void swap_on(void)
{
	uint32_t numbers[3] = { 1, 1023, 0 };	/* version, last page, bad pages */
	char header[4096] = { 0 };
	int fd = open(DISK, O_RDWR);

	memcpy(header + 1024, numbers, sizeof(numbers));
	memcpy(header + sizeof(header) - 10, "SWAPSPACE2", 10);
	must(fd >= 0 && pwrite(fd, header, sizeof(header), 0) == sizeof(header) && !fsync(fd) && !close(fd), DISK);
	must(!swapon(DISK, 0), "swapon");
}

static int all_out(const char *at)
{
	int out = 1;

	for (size_t i = 0; i < PAGES; i++)
		out &= (int)(pagemap_entry(at + i * page) >> 62 & 1);
	return out;
}

static void poison(char *at)
{
	struct uffdio_api api = { .api = UFFD_API, .features = FEATURE_POISON };
	struct uffdio_register reg = { .range = { (uintptr_t)at, PAGES * page }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_poison p = { .range = reg.range };
	int fd = (int)syscall(SYS_userfaultfd, 0);

	must(fd >= 0 && !ioctl(fd, UFFDIO_API, &api) && !ioctl(fd, UFFDIO_REGISTER, &reg) && !ioctl(fd, UFFDIO_POISON, &p),
	     "UFFDIO_POISON");
}

int main(int argc, char **argv)
{
	char *at = mmap((void *)SCENARIO_FULL, SCENARIO_TABLE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	const double end = now_ms() + OUT_MS;
	FILE *f;

	must(argc == 2 && at == (char *)SCENARIO_FULL, "usage: swapped FACTS-FILE");
	swap_on();
	memset(at, 'u', PAGES * page);
	while (!all_out(at) && now_ms() < end) {
		must(!madvise(at, PAGES * page, MADV_PAGEOUT), "MADV_PAGEOUT");
		usleep(10000);
	}
	must(all_out(at), "the pages stay in memory");
	poison(at + PAGES * page);
	must(!madvise(at + 2 * PAGES * page, PAGES * page, MADV_GUARD_INSTALL), "MADV_GUARD_INSTALL");

	f = fopen(argv[1], "w");
	must(f != NULL, argv[1]);
	for (size_t i = 0; i < PAGES; i++)
		fprintf(f, "%p %#llx\n", (void *)(at + i * page), pagemap_entry(at + i * page));
	must(!fclose(f), argv[1]);
	syscall(SYS_madvise, SCENARIO_FULL, SCENARIO_BUILT, SCENARIO_MARK);
	return 0;
}
