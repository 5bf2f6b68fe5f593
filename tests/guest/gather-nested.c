// SPDX-License-Identifier: GPL-2.0
/*
 * Description: what one thread does to an address space while another one's mmu_gather is
 * open, with pages in it that are not freed yet: tlb_finish_mmu() then flushes all of it, since
 * it cannot know what the other one has taken out (mm_tlb_flush_nested()).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/ops.h"
#include "lib/removal.h"

#define TABLES	2UL
#define LEN	(TABLES * TABLE_SPAN)

static struct held held;
static char *first, *second;	/* what the other thread empties, held between the two */

static void open_gather(void)
{
	first = map_anon(TABLES);
	second = map_anon(TABLES);
	fill(first, LEN, 1);
	fill(second, LEN, 2);
	held_start(&held, first, second, LEN);
	held_wait(&held);
}

/* The other thread goes on, and both its ranges are empty. */
static void close_gather(void)
{
	struct uffd_msg msg;

	held_end(&held, &msg);
	operation("process_madvise of two ranges", first, LEN);
	expect_zero_by_all(first, LEN);
	expect_zero_by_all(second, LEN);
}

/* The entries are gone already: there is nothing to gather, and yet to flush (99baac21e458). */
START_TEST(emptied_by_both)
{
	open_gather();
	dontneed(first, LEN);
	expect_zero(first, LEN);
	close_gather();
}
END_TEST

START_TEST(emptied_beside_it)
{
	char *map = map_anon(TABLES);
	long start;

	fill(map, LEN, 3);
	open_gather();
	start = vmpte_kb();
	dontneed(map, LEN);
	expect_tables(start, -reclaimed((long)TABLES));
	expect_zero_by_all(map, LEN);
	close_gather();
}
END_TEST

static void unmap_beside_it(char *map, size_t tables)
{
	const size_t len = tables * TABLE_SPAN;
	long start;

	fill(map, len, 3);
	open_gather();
	start = vmpte_kb();
	unmap(map, len);
	expect_tables(start, -(long)tables);
	expect_signal(map, SIGSEGV);
	expect_signal(map + len - PAGE, SIGSEGV);
	close_gather();
}

START_TEST(unmapped_beside_it)
{
	unmap_beside_it(map_anon(TABLES), TABLES);
}
END_TEST

/* Between no other VMAs: whoever asks these for what to flush misses it. */
START_TEST(unmapped_below_all_others)
{
	char *map = (char *)TABLE_SPAN;

	map_anon_at(map, TABLE_SPAN);
	unmap_beside_it(map, 1);
}
END_TEST

START_TEST(protected_beside_it)
{
	char *map = map_anon(TABLES);

	fill(map, LEN, 3);
	open_gather();
	require(mprotect(map, LEN, PROT_NONE) == 0, "mprotect failed");
	expect_signal(map, SIGSEGV);
	expect_signal(map + LEN - PAGE, SIGSEGV);
	require(mprotect(map, LEN, PROT_READ) == 0, "mprotect failed");
	expect_filled_by_all(map, LEN, 3);
	close_gather();
}
END_TEST

/* From the file's side, without the mmap_lock: of no VMA may be asked there. */
START_TEST(hole_punched_beside_it)
{
	int file = new_memfd(LEN);
	char *map = map_tables(TABLES, MAP_SHARED, file);

	fill(map, LEN, 3);
	open_gather();
	require(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)LEN) == 0,
		"fallocate failed");
	operation("hole punched", map, LEN);
	expect_zero_by_all(map, LEN);
	close_gather();
}
END_TEST

START_TEST(file_truncated_beside_it)
{
	int file = new_memfd(LEN);
	char *map = map_tables(TABLES, MAP_SHARED, file);

	fill(map, LEN, 3);
	open_gather();
	require(ftruncate(file, (off_t)TABLE_SPAN) == 0, "ftruncate failed");
	operation("file truncated", map, LEN);
	expect_filled_by_all(map, TABLE_SPAN, 3);
	expect_signal(map + TABLE_SPAN, SIGBUS);
	expect_signal(map + LEN - PAGE, SIGBUS);
	close_gather();
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("gather-nested", argc, argv);
	suite_modes("ptrace/1 seccomp/2");
	suite_differs();
	suite_add(emptied_by_both);
	suite_add(emptied_beside_it);
	suite_add(unmapped_beside_it);
	suite_add(unmapped_below_all_others);
	suite_add(protected_beside_it);
	suite_add(hole_punched_beside_it);
	suite_add(file_truncated_beside_it);
	return suite_end();
}
