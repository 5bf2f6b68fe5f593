// SPDX-License-Identifier: GPL-2.0
/*
 * Description: mappings that no mmap of memory made: the vDSO, /dev/zero, the
 * stack, the heap (brk), one that grows down, one without access. All have plain
 * page tables, which MADV_DONTNEED may take away.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "lib/kind.h"
#include "lib/ops.h"
#include "lib/touch.h"

static int open_dev_zero(size_t len)
{
	int fd = open("/dev/zero", O_RDWR | O_CLOEXEC);

	(void)len;
	require(fd >= 0, "/dev/zero: %s", strerror(errno));
	return fd;
}

/* Private is anonymous memory by another name, shared is a tmpfs file of its own. */
static const struct kind dev_zero_private = { MAP_PRIVATE, open_dev_zero, READS_ZERO };
static const struct kind dev_zero_shared = { MAP_SHARED, open_dev_zero, READS_SAME };

KIND_TESTS(dev_zero_private)
KIND_TESTS(dev_zero_shared)

static char *table_down(const void *at)
{
	return (char *)((unsigned long)at & ~(TABLE_SPAN - 1));
}

static char *table_up(const void *at)
{
	return table_down((const char *)at + TABLE_SPAN - 1);
}

/* UML's vDSO: one page, shared by all processes, the last one below TASK_SIZE. */
START_TEST(vdso_comes_back)
{
	char *vdso = (char *)getauxval(AT_SYSINFO_EHDR), before[PAGE];
	struct timespec t;
	long start;

	if (!vdso) {
		skip("this process has no vDSO (no AT_SYSINFO_EHDR): UML gives none here");
		return;
	}
	memcpy(before, vdso, PAGE);
	require(memcmp(before, ELFMAG, SELFMAG) == 0, "the vDSO at %p is no ELF file", (void *)vdso);
	require(pagemap_entry(vdso) & PAGEMAP_PRESENT, "the vDSO at %p was read and is not present",
		(void *)vdso);
	start = vmpte_kb();
	dontneed(vdso, PAGE);
	require(!(pagemap_entry(vdso) & PAGEMAP_PRESENT), "the vDSO is still present after MADV_DONTNEED");
	/* A page is less than its table; it comes back from the kernel's copy. */
	expect_tables(start, 0);
	require(memcmp(before, vdso, PAGE) == 0, "the vDSO is another one after MADV_DONTNEED");
	expect_tables(start, 0);
	require(clock_gettime(CLOCK_MONOTONIC, &t) == 0, "clock_gettime: %s", strerror(errno));
}
END_TEST

/* Puts `len` bytes on the stack, writes them all, and tells where they were. */
static __attribute__((noinline)) void use_stack(size_t len, char **low, char **high)
{
	volatile char *piece = __builtin_alloca(len);

	for (size_t i = 0; i < len; i += PAGE)
		piece[i] = 1;
	*low = (char *)piece;
	*high = (char *)piece + len;
}

START_TEST(stack)
{
	const size_t len = 3 * TABLE_SPAN;
	volatile unsigned long above = 0x57ac;
	char *low, *high;
	long start, tables;

	use_stack(len, &low, &high);
	low = table_up(low);
	high = table_down(high);
	tables = (high - low) / (long)TABLE_SPAN;
	require(tables >= 2, "%ld tables of stack, expected 2 or more", tables);
	start = vmpte_kb();
	/* The frames are gone, the memory is still the stack's. */
	dontneed(low, (size_t)(high - low));
	expect_tables(start, -reclaimed(tables));
	expect_zero_by_all(low, (size_t)(high - low));
	require(above == 0x57ac, "a variable above the range reads 0x%lx", above);
	dontneed(low, (size_t)(high - low));
	use_stack(len, &low, &high);
	expect_tables(start, 0);
}
END_TEST

START_TEST(heap)
{
	const size_t len = 4 * TABLE_SPAN;
	char *from = sbrk((intptr_t)len), *low, *high;
	long start, tables;

	require(from != (void *)-1, "sbrk: %s", strerror(errno));
	low = table_up(from);
	high = table_down(from + len);
	tables = (high - low) / (long)TABLE_SPAN;
	fill(from, (size_t)(low - from), 1);
	fill(high, (size_t)(from + len - high), 1);
	start = vmpte_kb();
	for (unsigned int seed = 1; seed <= 2; seed++) {
		fill(low, (size_t)(high - low), seed);
		expect_tables(start, tables);
		dontneed(low, (size_t)(high - low));
		expect_tables(start, tables - reclaimed(tables));
	}
	expect_zero_by_all(low, (size_t)(high - low));
	expect_filled_by_all(from, (size_t)(low - from), 1);
	expect_filled_by_all(high, (size_t)(from + len - high), 1);
	/* Shorter, and long again: brk unmaps what MADV_DONTNEED may have left without a table. */
	dontneed(low, (size_t)(high - low));
	if (sbrk(0) == from + len) {
		require(brk(low) == 0 && brk(from + len) == 0, "brk: %s", strerror(errno));
		expect_zero_by_all(low, (size_t)(from + len - low));
	}
}
END_TEST

START_TEST(mapping_that_grows_down)
{
	char *room = arena_take(4), *low = room + 3 * TABLE_SPAN;
	long start = vmpte_kb();

	/* It grows over addresses that are nobody's, so not over what the arena reserves. */
	unmap(room, 4 * TABLE_SPAN);
	require(mmap(low, TABLE_SPAN, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN, -1, 0) == low,
		"mmap: %s", strerror(errno));
	fill(low, TABLE_SPAN, 1);
	/* Each write below it makes it longer, by a page and at last by a table. */
	for (char *at = low - PAGE; at >= room + 2 * TABLE_SPAN; at -= PAGE)
		fill(at, PAGE, 1);
	expect_tables(start, 2);
	dontneed(room + 2 * TABLE_SPAN, 2 * TABLE_SPAN);
	expect_tables(start, 2 - reclaimed(2));
	/* It grows on into a table that has none of it, and the rest is there again. */
	fill(room + 2 * TABLE_SPAN - PAGE, PAGE, 2);
	expect_zero_by_all(room + 2 * TABLE_SPAN, 2 * TABLE_SPAN);
	expect_filled_by_all(room + 2 * TABLE_SPAN - PAGE, PAGE, 2);
}
END_TEST

START_TEST(memory_without_access)
{
	char *map = map_anon(3);
	long start = vmpte_kb();

	fill(map, 3 * TABLE_SPAN, 1);
	require(mprotect(map, 2 * TABLE_SPAN, PROT_NONE) == 0, "mprotect: %s", strerror(errno));
	expect_tables(start, 3);
	/* Its entries are not accessible but present; dropping them needs no access. */
	dontneed(map, TABLE_SPAN);
	expect_tables(start, 3 - reclaimed(1));
	expect_touch(map, 2 * PAGE, SIGSEGV);
	expect_touch(map + TABLE_SPAN, 2 * PAGE, SIGSEGV);
	require(mprotect(map, 2 * TABLE_SPAN, PROT_READ | PROT_WRITE) == 0, "mprotect: %s", strerror(errno));
	expect_zero_by_all(map, TABLE_SPAN);
	expect_filled_by_all(map + TABLE_SPAN, 2 * TABLE_SPAN, 1);
}
END_TEST

START_TEST(holes_between_mappings)
{
	char *map = map_anon(4);
	struct tables start = tables_at_rest();

	fill(map, 4 * TABLE_SPAN, 1);
	/* A page less in the second table, half of the third. */
	unmap(map + TABLE_SPAN + 100 * PAGE, PAGE);
	unmap(map + 2 * TABLE_SPAN, TABLE_SPAN / 2);
	expect_tables(start.vmpte, 4);
	operation("MADV_DONTNEED", map, 4 * TABLE_SPAN);
	require(madvise(map, 4 * TABLE_SPAN, MADV_DONTNEED) == -1 && errno == ENOMEM,
		"MADV_DONTNEED over a hole: %s, expected ENOMEM", strerror(errno));
	/*
	 * It goes on behind the hole. A table that two mappings share is whole in the
	 * range of neither, so it stays, though nothing is left in it.
	 */
	expect_tables_everywhere(&start, 4 - reclaimed(2));
	expect_pagemap(map, 4 * TABLE_SPAN, PAGEMAP_PRESENT, 0, "present");
	unmap(map, 4 * TABLE_SPAN);
	expect_tables_everywhere(&start, 0);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("special", argc, argv);
	suite_differs_as("anonymous");
	KIND_ADD(dev_zero_private);
	KIND_ADD(dev_zero_shared);
	suite_add(vdso_comes_back);
	suite_add(stack);
	suite_add(heap);
	suite_add(mapping_that_grows_down);
	suite_add(memory_without_access);
	suite_add(holes_between_mappings);
	return suite_end();
}
