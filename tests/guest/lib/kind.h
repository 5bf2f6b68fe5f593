/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What MADV_DONTNEED does to one kind of mapping: the same tests for each, which
 * differ in where the pages come from and in what is read afterwards.
 */
#ifndef UMLAB_KIND_H
#define UMLAB_KIND_H

#include <stddef.h>

#include "guest.h"

struct kind {
	int flags;		/* MAP_PRIVATE or MAP_SHARED, with MAP_ANONYMOUS when there is no file */
	int (*open)(size_t len);	/* a new file of that many bytes, all holes; NULL: none */
	enum {
		READS_ZERO,	/* memory of the process alone */
		READS_FILE,	/* copies of a file's pages: the file is below them */
		READS_SAME,	/* the pages themselves: only the mapping forgets them */
	} after;
};

/* The pattern that the file of a READS_FILE kind holds. */
#define FILE_SEED 7

/*
 * A mapping of the kind of `tables` whole tables in the arena, of which nothing
 * is present; *fd (when not NULL) is set to its file or -1.
 */
char *kind_map(const struct kind *k, size_t tables, int *fd);

/* The tests; each sets its mapping up. */
void kind_whole(const struct kind *k);
void kind_straddling(const struct kind *k);
void kind_read_only(const struct kind *k);
void kind_one_page_a_table(const struct kind *k);
void kind_again(const struct kind *k);
void kind_forked(const struct kind *k);
void kind_by_kernel(const struct kind *k);
/* Only for kinds with a file: what lies behind its end. */
void kind_end_of_file(const struct kind *k);

/* Defines those tests for `static const struct kind NAME`, and adds them to the suite. */
#define KIND_TESTS(name) \
	START_TEST(name##_whole_tables) { kind_whole(&name); } END_TEST \
	START_TEST(name##_straddling_tables) { kind_straddling(&name); } END_TEST \
	START_TEST(name##_only_read) { kind_read_only(&name); } END_TEST \
	START_TEST(name##_one_page_a_table) { kind_one_page_a_table(&name); } END_TEST \
	START_TEST(name##_again_and_again) { kind_again(&name); } END_TEST \
	START_TEST(name##_in_a_child) { kind_forked(&name); } END_TEST \
	START_TEST(name##_filled_by_the_kernel) { kind_by_kernel(&name); } END_TEST
#define KIND_ADD(name) do { \
	suite_add(name##_whole_tables); \
	suite_add(name##_straddling_tables); \
	suite_add(name##_only_read); \
	suite_add(name##_one_page_a_table); \
	suite_add(name##_again_and_again); \
	suite_add(name##_in_a_child); \
	suite_add(name##_filled_by_the_kernel); \
} while (0)

#endif
