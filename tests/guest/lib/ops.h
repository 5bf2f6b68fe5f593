/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Operations on address ranges that fail the test when they fail, and what is
 * expected after them: tables counted twice (of the process and of the whole
 * kernel), contents seen three ways (by the program, by the kernel's own page
 * tables, by a child that fork gave fresh mappings).
 */
#ifndef UMLAB_OPS_H
#define UMLAB_OPS_H

#include <stddef.h>

#include "guest.h"

/* ---- places outside of the arena ---- */

/* What one PMD table maps (PUD_SIZE), and one PUD table (PGDIR_SIZE): each fills a page. 1 GiB and 512 GiB on UML. */
#define PMD_TABLE_SPAN	(TABLE_SPAN * (PAGE / 8))
#define PUD_TABLE_SPAN	(PMD_TABLE_SPAN * (PAGE / 8))

/*
 * A piece of address space of `puds` PUD tables, at a boundary of one, with
 * nothing mapped and no table of any level in it (the two boundaries lie in
 * entries of the top level that nothing else uses). For MAP_FIXED. NULL, and the
 * test skipped, where the address space has no such piece.
 */
char *space_take(size_t puds);

/* ---- operations ---- */

/* Remembers a range and what is done to it now for the next messages. */
void operation(const char *what, const char *at, size_t len);

/*
 * mmap of [at, at + len) with MAP_FIXED, read-write, over whatever is there.
 * flags: MAP_PRIVATE or MAP_SHARED, with MAP_ANONYMOUS and fd -1 or a file,
 * which it maps from byte `offset`.
 */
void map_at(char *at, size_t len, int flags, int fd, size_t offset);
/* The usual case: private anonymous memory. */
void map_anon_at(char *at, size_t len);
/* munmap. */
void unmap(char *at, size_t len);
/* mremap; `flags` as for mremap, `to` is used with MREMAP_FIXED. Returns the new place. */
char *move(char *at, size_t old_len, size_t new_len, int flags, char *to);
/* A memfd of `len` bytes, all holes. */
int new_memfd(size_t len);

/* ---- expectations: tables ---- */

/* What page tables cost at one moment, in kB: of this process, of the guest. */
struct tables {
	long vmpte;
	long kernel;
};

/* The start of a test: read when no table is on its way through RCU any more. */
struct tables tables_at_rest(void);

/*
 * VmPTE is start's plus `n` tables of any level, exactly, and so is
 * nr_page_table_pages once RCU is through: a table that one counter has lost
 * and the other has not is leaked, or freed behind mm's back. Nothing else in
 * the guest may make or free tables meanwhile. Costs a wait of about 50 ms.
 */
#define expect_tables_everywhere(start, n) \
	expect_tables_everywhere_at(start, n, HERE)
void expect_tables_everywhere_at(const struct tables *start, long n, const char *where);

/*
 * As many pages are in the page tables of this process (smaps_rollup walks
 * them) as VmRSS counts. More counted means that a table was freed with
 * entries in it: their pages are leaked. No other thread may fault meanwhile.
 */
#define expect_rss_is_mapped() expect_rss_is_mapped_at(HERE)
void expect_rss_is_mapped_at(const char *where);

/* ---- expectations: contents ---- */

/*
 * Page for page, [at, at + len) holds what fill() with `seed` wrote to
 * [from, from + len): for memory that was moved or mapped twice.
 */
#define expect_filled_from(at, from, len, seed) \
	expect_filled_from_at(at, from, len, seed, HERE)
void expect_filled_from_at(const char *at, const char *from, size_t len,
			   unsigned int seed, const char *where);

/*
 * expect_filled() and expect_zero() as the program sees it, as the kernel does
 * (process_vm_readv of itself goes by the page tables alone), and as a forked
 * child does (a sample of pages), whose mappings on the host are new. That they
 * differ is a TLB (on UML: a host mapping) that was not flushed. Reading
 * populates tables: count them first.
 */
#define expect_filled_by_all(at, len, seed) \
	expect_filled_by_all_at(at, len, seed, HERE)
void expect_filled_by_all_at(const char *at, size_t len, unsigned int seed, const char *where);
#define expect_zero_by_all(at, len) expect_zero_by_all_at(at, len, HERE)
void expect_zero_by_all_at(const char *at, size_t len, const char *where);

/* A child that reads `at` is ended by the signal (SIGSEGV, SIGBUS). */
#define expect_signal(at, sig) expect_signal_at(at, sig, HERE)
void expect_signal_at(const char *at, int sig, const char *where);

#endif
