// SPDX-License-Identifier: GPL-2.0
/*
 * Description: ranges registered with userfaultfd. After MADV_DONTNEED, with or
 * without the table, a missing page is asked for again, by the program's touch as
 * by the kernel's; poison markers go with MADV_DONTNEED, and their table too.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/ops.h"
#include "lib/touch.h"
#include "lib/uffd.h"

#define TABLES 2UL
#define LEN (TABLES * TABLE_SPAN)

/* Each fault is a talk between two threads: most tests look at some pages of each table. */
#define STEP (16 * PAGE)
#define SOME(len) ((len) / STEP)

static struct uffd u;

static void expect_some(const char *at, size_t len, unsigned int seed)
{
	for (size_t i = 0; i < len; i += STEP)
		expect_filled(at + i, PAGE, seed);
}

static void fill_some(char *at, size_t len, unsigned int seed)
{
	for (size_t i = 0; i < len; i += STEP)
		fill(at + i, PAGE, seed);
}

START_TEST(missing_pages_are_asked_for_again)
{
	char *map = map_anon(1);
	struct tables start;

	uffd_start(&u, 0);
	uffd_register(&u, map, TABLE_SPAN);
	start = tables_at_rest();
	for (u.seed = 1; u.seed <= 2; u.seed++) {
		expect_filled(map, TABLE_SPAN, u.seed);
		expect_faults(&u, TABLE_PAGES);
		expect_tables(start.vmpte, 1);
		dontneed(map, TABLE_SPAN);
		expect_tables(start.vmpte, 1 - reclaimed(1));
	}
	expect_tables_everywhere(&start, 1 - reclaimed(1));
	uffd_stop(&u);
	/* Without the descriptor it is plain memory. */
	expect_zero_by_all(map, TABLE_SPAN);
}
END_TEST

START_TEST(answers_from_another_cpu)
{
	char *map = map_anon(TABLES);
	const size_t step = TABLE_SPAN / 8;
	long start;

	uffd_start(&u, 0);
	uffd_part(&u);
	uffd_register(&u, map, LEN);
	start = vmpte_kb();
	for (u.seed = 1; u.seed <= 2; u.seed++) {
		for (size_t i = 0; i < LEN; i += step)
			expect_filled(map + i, PAGE, u.seed);
		expect_faults(&u, LEN / step);
		dontneed(map, LEN);
		expect_tables(start, (long)TABLES - reclaimed((long)TABLES));
	}
	uffd_stop(&u);
}
END_TEST

START_TEST(writes_are_asked_for_too)
{
	char *map = map_anon(TABLES);
	long start;

	uffd_start(&u, 0);
	uffd_register(&u, map, LEN);
	start = vmpte_kb();
	fill_some(map, LEN, 1);
	expect_faults(&u, SOME(LEN));
	dontneed(map, LEN);
	expect_tables(start, (long)TABLES - reclaimed((long)TABLES));
	u.seed = 2;
	/* Each write finds what the answer put there, and goes over it. */
	for (size_t i = 0; i < LEN; i += STEP)
		map[i + PAGE - 1]++;
	expect_faults(&u, SOME(LEN));
	expect_some(map, LEN, 2);
	expect_faults(&u, 0);
	uffd_stop(&u);
}
END_TEST

START_TEST(only_what_was_dropped_is_asked_for)
{
	char *map = map_anon(3);
	const size_t off = 7 * STEP, len = 3 * TABLE_SPAN - 2 * off;
	long start;

	uffd_start(&u, 0);
	uffd_register(&u, map, 3 * TABLE_SPAN);
	start = vmpte_kb();
	u.seed = 1;
	expect_some(map, 3 * TABLE_SPAN, 1);
	expect_faults(&u, SOME(3 * TABLE_SPAN));
	dontneed(map + off, len);
	expect_tables(start, 3 - reclaimed(1));
	u.seed = 2;
	expect_some(map, off, 1);
	expect_some(map + off + len, off, 1);
	expect_faults(&u, 0);
	expect_some(map + off, len, 2);
	expect_faults(&u, SOME(len));
	uffd_stop(&u);
}
END_TEST

START_TEST(zero_pages_as_answers)
{
	char *map = map_anon(TABLES);
	long start;

	uffd_start(&u, 0);
	u.answer = UFFD_ZEROES;
	uffd_register(&u, map, LEN);
	start = vmpte_kb();
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < LEN; i += STEP)
			expect_zero(map + i, PAGE);
		expect_faults(&u, SOME(LEN));
		dontneed(map, LEN);
		expect_tables(start, (long)TABLES - reclaimed((long)TABLES));
	}
	uffd_stop(&u);
}
END_TEST

START_TEST(the_kernels_own_touch_is_asked_for)
{
	/* From the middle of one table to the middle of the next. */
	char *map = map_anon(2), *part = map + TABLE_SPAN - 32 * PAGE;
	const size_t len = 64 * PAGE;
	int fd = new_memfd(len);
	char *file = map_tables(1, MAP_SHARED, fd);
	long start;

	fill(file, len, 5);
	uffd_start(&u, 0);
	uffd_register(&u, map, 2 * TABLE_SPAN);
	start = vmpte_kb();
	for (int round = 0; round < 2; round++) {
		operation("pread", part, len);
		require(pread(fd, part, len, 0) == (ssize_t)len, "pread: %s", strerror(errno));
		expect_faults(&u, len / PAGE);
		expect_filled_from(part, file, len, 5);
		expect_tables(start, 2);
		dontneed(map, 2 * TABLE_SPAN);
		expect_tables(start, 2 - reclaimed(2));
	}
	uffd_stop(&u);
}
END_TEST

START_TEST(copy_into_a_reclaimed_table)
{
	char *from = map_anon(TABLES), *map = map_anon(TABLES);
	struct tables start;

	fill(from, LEN, 3);
	uffd_start(&u, 0);
	uffd_register(&u, map, LEN);
	start = tables_at_rest();
	expect_some(map, LEN, 0);
	expect_faults(&u, SOME(LEN));
	dontneed(map, LEN);
	/* It makes the tables that it needs by itself. */
	uffd_copy(&u, map, from, LEN);
	expect_tables(start.vmpte, (long)TABLES);
	expect_filled_from(map, from, LEN, 3);
	expect_faults(&u, 0);
	dontneed(map + TABLE_SPAN, TABLE_SPAN);
	expect_tables_everywhere(&start, (long)TABLES - reclaimed(1));
	uffd_copy(&u, map + TABLE_SPAN, from + TABLE_SPAN, TABLE_SPAN);
	expect_filled_from(map, from, LEN, 3);
	uffd_stop(&u);
}
END_TEST

START_TEST(move_into_a_reclaimed_table)
{
	char *from = map_anon(TABLES), *map = map_anon(TABLES);
	struct tables start;

	uffd_start(&u, UFFD_FEATURE_MOVE);
	uffd_register(&u, map, LEN);
	start = tables_at_rest();
	expect_some(map, LEN, 0);
	dontneed(map, LEN);
	fill(from, LEN, 3);
	uffd_move(&u, map, from, LEN);
	expect_filled_from(map, from, LEN, 3);
	/* The table that it emptied stays, until MADV_DONTNEED finds it so. */
	expect_tables(start.vmpte, 2 * (long)TABLES);
	expect_pagemap(from, LEN, PAGEMAP_PRESENT, 0, "present");
	dontneed(from, LEN);
	expect_tables(start.vmpte, 2 * (long)TABLES - reclaimed((long)TABLES));
	/* No fork here: a page that a child has too can't be moved. */
	expect_zero(from, LEN);
	/* And back, into tables that reading has just made and this takes away. */
	dontneed(from, LEN);
	uffd_register(&u, from, LEN);
	uffd_move(&u, from, map, LEN);
	expect_filled_by_all(from, LEN, 3);
	dontneed(from, LEN);
	dontneed(map, LEN);
	expect_tables_everywhere(&start, 2 * (long)TABLES - reclaimed(2 * (long)TABLES));
	uffd_stop(&u);
}
END_TEST

/* The kernel refuses to read the page: by the page tables alone, without a fault of UML's. */
static void expect_poisoned(char *page)
{
	char byte;
	struct iovec to = { &byte, 1 }, from = { page, 1 };

	require(process_vm_readv(getpid(), &to, 1, &from, 1, 0) == -1 && errno == EFAULT,
		"process_vm_readv of poisoned page %p: %s, expected EFAULT", (void *)page, strerror(errno));
}

START_TEST(poison_goes_and_its_table_too)
{
	char *map = map_anon(TABLES);
	struct tables start;

	uffd_start(&u, UFFD_FEATURE_POISON);
	uffd_register(&u, map, LEN);
	start = tables_at_rest();
	fill_some(map, LEN, 1);
	dontneed(map, LEN);
	expect_tables(start.vmpte, (long)TABLES - reclaimed((long)TABLES));
	expect_faults(&u, SOME(LEN));
	/* Markers in tables of their own, as guard markers; these, MADV_DONTNEED drops. */
	uffd_poison(&u, map + 3 * PAGE, LEN - 3 * PAGE);
	expect_tables(start.vmpte, (long)TABLES);
	expect_pagemap(map, LEN, PAGEMAP_PRESENT, 0, "present");
	expect_poisoned(map + 3 * PAGE);
	expect_poisoned(map + LEN - PAGE);
	dontneed(map + TABLE_SPAN - PAGE, 2 * PAGE);
	expect_tables(start.vmpte, (long)TABLES);
	expect_poisoned(map + TABLE_SPAN - 2 * PAGE);
	dontneed(map, LEN);
	expect_tables_everywhere(&start, (long)TABLES - reclaimed((long)TABLES));
	u.seed = 4;
	expect_some(map, LEN, 4);
	expect_faults(&u, SOME(LEN));
	uffd_stop(&u);
}
END_TEST

/* UML panics where its handle_page_fault() does not know VM_FAULT_HWPOISON. */
START_TEST(poisoned_page_is_a_sigbus)
{
	char *map = map_anon(1);
	long start;

	uffd_start(&u, UFFD_FEATURE_POISON);
	uffd_register(&u, map, TABLE_SPAN);
	start = vmpte_kb();
	uffd_poison(&u, map + 3 * PAGE, 5 * PAGE);
	expect_touch(map + 3 * PAGE, 5 * PAGE, SIGBUS);
	require(write(u.stop, map + 3 * PAGE, 8) == -1 && errno == EFAULT,
		"write from a poisoned page: %s, expected EFAULT", strerror(errno));
	expect_faults(&u, 0);
	dontneed(map, TABLE_SPAN);
	expect_tables(start, 1 - reclaimed(1));
	u.seed = 2;
	expect_some(map, TABLE_SPAN, 2);
	expect_filled(map + 4 * PAGE, PAGE, 2);
	expect_faults(&u, SOME(TABLE_SPAN) + 1);
	uffd_stop(&u);
}
END_TEST

START_TEST(removal_is_announced)
{
	char *map = map_anon(3), *part = map + STEP;
	const size_t len = 3 * TABLE_SPAN - 2 * STEP;
	long start;

	uffd_start(&u, UFFD_FEATURE_EVENT_REMOVE);
	uffd_register(&u, map, 3 * TABLE_SPAN);
	start = vmpte_kb();
	fill_some(map, 3 * TABLE_SPAN, 1);
	dontneed(part, len);
	expect_removal(&u, part, len);
	expect_tables(start, 3 - reclaimed(1));
	expect_faults(&u, SOME(3 * TABLE_SPAN));
	u.seed = 2;
	expect_some(map, STEP, 1);
	expect_some(part, len, 2);
	expect_faults(&u, SOME(len));
	uffd_stop(&u);
}
END_TEST

START_TEST(shared_memory_is_missing_only_when_the_file_has_a_hole)
{
	int fd = new_memfd(LEN);
	char *map = map_tables(TABLES, MAP_SHARED, fd);
	long start;

	uffd_start(&u, UFFD_FEATURE_MISSING_SHMEM);
	uffd_register(&u, map, LEN);
	start = vmpte_kb();
	u.seed = 1;
	expect_some(map, LEN, 1);
	expect_faults(&u, SOME(LEN));
	dontneed(map, LEN);
	expect_tables(start, (long)TABLES - reclaimed((long)TABLES));
	/* The table is new, the pages are the file's. */
	u.seed = 2;
	expect_some(map, LEN, 1);
	expect_faults(&u, 0);
	advise(map, TABLE_SPAN, MADV_REMOVE, "MADV_REMOVE");
	expect_some(map, TABLE_SPAN, 2);
	expect_faults(&u, SOME(TABLE_SPAN));
	expect_some(map + TABLE_SPAN, TABLE_SPAN, 1);
	uffd_stop(&u);
}
END_TEST

static void child_reads(void *arg)
{
	char *map = arg;

	/* Registration is not inherited without UFFD_FEATURE_EVENT_FORK. */
	expect_some(map, TABLE_SPAN, 1);
	dontneed(map, LEN);
	expect_zero_by_all(map, LEN);
}

START_TEST(forked_child_has_plain_memory)
{
	char *map = map_anon(TABLES);

	uffd_start(&u, 0);
	uffd_register(&u, map, LEN);
	u.seed = 1;
	expect_some(map, TABLE_SPAN, 1);
	expect_faults(&u, SOME(TABLE_SPAN));
	child_wait(child_start(child_reads, map));
	u.seed = 2;
	expect_some(map, TABLE_SPAN, 1);
	expect_faults(&u, 0);
	expect_some(map + TABLE_SPAN, TABLE_SPAN, 2);
	expect_faults(&u, SOME(TABLE_SPAN));
	uffd_stop(&u);
}
END_TEST

/* Skips where the kernel refuses the mode; where it doesn't, a test is missing. */
static void mode_is_not_there(unsigned long long mode, const char *name, const char *option)
{
	char *map = map_anon(1);
	int error;

	uffd_start(&u, 0);
	error = uffd_register_mode(&u, map, TABLE_SPAN, mode);
	uffd_stop(&u);
	require(error == EINVAL, "UFFDIO_REGISTER in %s mode: %s, expected EINVAL: this kernel can do it, so write its test",
		name, strerror(error));
	skip("this kernel has no userfaultfd %s mode: UML does not select %s", name, option);
}

START_TEST(write_protect_mode)
{
	mode_is_not_there(UFFDIO_REGISTER_MODE_WP, "write-protect", "HAVE_ARCH_USERFAULTFD_WP");
}
END_TEST

START_TEST(minor_mode)
{
	mode_is_not_there(UFFDIO_REGISTER_MODE_MINOR, "minor", "HAVE_ARCH_USERFAULTFD_MINOR");
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("uffd", argc, argv);
	suite_differs();
	suite_add(missing_pages_are_asked_for_again);
	suite_add(answers_from_another_cpu);
	suite_add(writes_are_asked_for_too);
	suite_add(only_what_was_dropped_is_asked_for);
	suite_add(zero_pages_as_answers);
	suite_add(the_kernels_own_touch_is_asked_for);
	suite_add(copy_into_a_reclaimed_table);
	suite_add(move_into_a_reclaimed_table);
	suite_add(poison_goes_and_its_table_too);
	suite_add(poisoned_page_is_a_sigbus);
	suite_add(removal_is_announced);
	suite_add(shared_memory_is_missing_only_when_the_file_has_a_hole);
	suite_add(forked_child_has_plain_memory);
	suite_add(write_protect_mode);
	suite_add(minor_mode);
	return suite_end();
}
