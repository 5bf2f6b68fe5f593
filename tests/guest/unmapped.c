// SPDX-License-Identifier: GPL-2.0
/*
 * Description: what was unmapped cannot be reached any more, by the process itself, whose
 * host mappings (UML) or TLB entries the kernel has to flush. Pages are unmapped from the
 * middle of a table too, where no table goes away that would be flushed as a whole.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/guest.h"
#include "lib/touch.h"

#define LEN	(16 * PAGE)

/* Maps a table, lets `use` put pages there, unmaps the middle; the rest stays. */
static void unmap_the_middle(void (*use)(char *at, size_t len))
{
	char *map = map_anon(1), *middle = map + 100 * PAGE;

	fill(map, PAGE, 1);
	use(middle, LEN);
	require(munmap(middle, LEN) == 0, "munmap: %s", strerror(errno));
	expect_touch(middle, LEN, SIGSEGV);
	expect_filled(map, PAGE, 1);
}

static void read_it(char *at, size_t len)
{
	expect_zero(at, len);
}

static void write_it(char *at, size_t len)
{
	fill(at, len, 2);
}

static void read_then_write_half(char *at, size_t len)
{
	expect_zero(at, len);
	fill(at, len / 2, 2);
}

START_TEST(pages_that_were_written)
{
	unmap_the_middle(write_it);
}
END_TEST

/* They all map the zero page, which is no "normal" page to the zap. */
START_TEST(pages_that_were_only_read)
{
	unmap_the_middle(read_it);
}
END_TEST

START_TEST(pages_of_both_kinds)
{
	unmap_the_middle(read_then_write_half);
}
END_TEST

START_TEST(one_page_that_was_only_read)
{
	char *map = map_anon(1);

	fill(map, 2 * PAGE, 1);
	expect_zero(map + 2 * PAGE, PAGE);
	require(munmap(map + 2 * PAGE, PAGE) == 0, "munmap: %s", strerror(errno));
	expect_touch(map + 2 * PAGE, PAGE, SIGSEGV);
	expect_filled(map, 2 * PAGE, 1);
}
END_TEST

START_TEST(whole_tables)
{
	char *map = map_anon(3);

	fill(map, TABLE_SPAN, 1);
	expect_zero(map + TABLE_SPAN, TABLE_SPAN);
	fill_sparse(map + 2 * TABLE_SPAN, TABLE_SPAN, 1);
	require(munmap(map, 3 * TABLE_SPAN) == 0, "munmap: %s", strerror(errno));
	expect_touch(map, PAGE, SIGSEGV);
	expect_touch(map + TABLE_SPAN - PAGE, PAGE, SIGSEGV);
	expect_touch(map + TABLE_SPAN, 8 * PAGE, SIGSEGV);
	expect_touch(map + 2 * TABLE_SPAN - PAGE, 2 * PAGE, SIGSEGV);
}
END_TEST

START_TEST(memory_without_access_any_more)
{
	char *map = map_anon(1);

	expect_zero(map, LEN);
	fill(map + LEN, LEN, 1);
	require(mprotect(map, 2 * LEN, PROT_NONE) == 0, "mprotect: %s", strerror(errno));
	expect_touch(map, 2 * LEN, SIGSEGV);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("unmapped", argc, argv);
	suite_add(pages_that_were_written);
	suite_add(pages_that_were_only_read);
	suite_add(pages_of_both_kinds);
	suite_add(one_page_that_was_only_read);
	suite_add(whole_tables);
	suite_add(memory_without_access_any_more);
	return suite_end();
}
