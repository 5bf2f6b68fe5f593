/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every guest suite shares: one main, the arena that its mappings lie in,
 * operations that remember what was done where, and expectations that say it.
 */
#ifndef UMLAB_GUEST_H
#define UMLAB_GUEST_H

#include <check.h>
#include <stddef.h>
#include <sys/mman.h>

#include "proc.h"

/* The libc headers may be older: since Linux 5.18, and 6.13 (for files 6.15). */
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif

/* UML's and x86-64's; tests/arch gives others. */
#ifndef PAGE
#define PAGE		4096UL
#define TABLE_SPAN	(2UL << 20)	/* what one PTE table maps (PMD_SIZE) */
#endif
#define TABLE_PAGES	(TABLE_SPAN / PAGE)
#define TABLE_KB	((long)(TABLE_PAGES * 8 / 1024))	/* what one PTE table costs */
#define KERNEL_WAIT_MS	5000		/* bound for tables to come out of RCU */

/*
 * The suite's main: suite_begin, one suite_add a test, return suite_end().
 *
 * suite_begin reads the arguments (`--list` prints the names of the tests,
 * and as comments what suite_modes() and suite_differs() say, and runs none) and the environment:
 *   PT_RECLAIM=y|n  what the kernel is expected to do; anything else is fatal
 *   TESTS=a,b,...   run only these tests (exact names)
 *   UML_MODE=MODE   how the guest runs (see suite_modes)
 *   TIME_FACTOR=N   this kernel is so much slower than the fast flavour
 * suite_end runs them with Check, forked, prints TAP on stdout, and returns
 * the exit status: 0 all passed, 1 some failed, 2 nothing to run.
 */
void suite_begin(const char *name, int argc, char **argv);
/* A test has 20 s, or timeout_seconds, times time_factor(), and some more for the look at
 * what it left: each test is watched from outside its process, and fails itself when it
 * left page tables, pages, other objects or processes, or the kernel complained. */
void suite_add(const TTest *test);
void suite_add_slow(const TTest *test, int timeout_seconds);
int suite_end(void);

/*
 * The modes that `make check` runs this suite in: names with blanks between them, "seccomp/1"
 * unless this is called, right after suite_begin(). Ask for others where they matter.
 *   ptrace/1   UML traces its processes, one CPU; a fault takes twice as long
 *   seccomp/1  UML lets seccomp stop them, one CPU
 *   seccomp/2  the same on two CPUs
 * tests/run refuses any other. `make check-all` runs every suite in all three.
 */
void suite_modes(const char *names);

/*
 * Says that this suite expects something else with and without PT_RECLAIM, so that `make check`
 * runs it at base, too. Call it right after suite_begin(); reclaimed() fails
 * there without it.
 */
void suite_differs(void);

/*
 * The same, where @suite shows already what differs: it is the one that `make check` runs at base,
 * and `make check-all` runs both.
 */
void suite_differs_as(const char *suite);

/* The mode that the guest runs in (environment: UML_MODE), "ptrace/1" by default. */
const char *suite_mode(void);

/* How much slower this kernel is than the fast flavour (environment: TIME_FACTOR). */
int time_factor(void);

/*
 * Whether UML's own bugs are mended in this kernel (environment: POINT, the point whose known
 * bugs it may have): not at base, 1 to 8 and series, nor in a tree of the user's that
 * amounts to one of them.
 */
int uml_mended(void);

/*
 * Whether mremap() of a whole table moves the table, not its entries (environment: MOVES_TABLES=y): not on UML, which
 * lacks CONFIG_HAVE_MOVE_PMD.
 */
int moves_tables(void);

/*
 * How long a race is to go on, in ms: `ms` where the kernel is expected to stand it, and
 * 60 s where the test must fail (environment: KNOWN_BUG), which ends it when it does.
 */
long race_ms(long ms);

/* How often to repeat what is repeated (environment: ROUNDS), or `rounds`. */
long race_rounds(long rounds);

/*
 * Reports the running test as skipped for the reason given; return after it.
 * tests/run lists skipped tests with their reasons.
 */
void skip(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Whether the running test has been skipped. */
int skipped(void);

/*
 * Skips the running test, for the bugs named, on a kernel in which they are not mended (uml_mended()).
 * Returns whether it did: return then.
 */
int skip_unmended(const char *bugs);

/*
 * The same for a race that UML's own bugs would fail by chance, for which the change under
 * test can do nothing. Where the test is known to fail for them (environment: KNOWN_BUG)
 * it runs.
 */
int skip_unmended_race(void);

/* The place of an expectation, "vmpte.c:17": it ends every message. */
#define HERE		__FILE_NAME__ ":" TEXT_OF(__LINE__)
#define TEXT_OF(x)	TEXT_OF_(x)
#define TEXT_OF_(x)	#x

/* Fails the test unless cond; the message is followed by the place. */
#define require(cond, fmt, ...) \
	ck_assert_msg(cond, fmt " (" HERE ")", ##__VA_ARGS__)

/*
 * The number of tables, of n, that the kernel under test is expected to
 * reclaim: n with PT_RECLAIM=y, 0 with PT_RECLAIM=n.
 */
long reclaimed(long n);

/* "PT_RECLAIM=y" or "PT_RECLAIM=n", for messages. */
const char *expectation(void);

/* ---- mappings: ranges in an arena ----
 *
 * The arena is 512 tables (1 GiB on UML), at a boundary of as much, whose PMD table exists from the start,
 * so that VmPTE in it changes by TABLE_KB for each PTE table and by nothing
 * else. Each mapping starts at a table's boundary and shares no table with
 * another one. It is set up for each test and goes away with its process.
 */

/* Room for n tables, nothing mapped there. For mmap with MAP_FIXED. */
char *arena_take(size_t tables);

/*
 * mmap of `tables` whole tables in the arena, read-write.
 * flags: MAP_PRIVATE or MAP_SHARED, with MAP_ANONYMOUS and fd -1 or a file
 * (from its start). Fails the test when mmap fails.
 */
char *map_tables(size_t tables, int flags, int fd);

/* The usual case: private anonymous memory. */
char *map_anon(size_t tables);

/* ---- operations: each remembers what it did for the message ---- */

/* Writes a pattern that tells the page and `seed` to each page's first word. */
void fill(char *at, size_t len, unsigned int seed);
/* The same into one page only of each table of the range. */
void fill_sparse(char *at, size_t len, unsigned int seed);
/* madvise; fails the test when it fails. */
void advise(char *at, size_t len, int advice, const char *advice_name);
#define dontneed(at, len) advise(at, len, MADV_DONTNEED, "MADV_DONTNEED")

/* ---- expectations ---- */

/*
 * VmPTE is `start_kb` plus `tables` PTE tables, exactly. The message names the
 * last operation and its range, both values and the difference in tables.
 */
#define expect_tables(start_kb, tables) \
	expect_tables_at(start_kb, tables, HERE)
void expect_tables_at(long start_kb, long tables, const char *where);

/* Every page of the range holds the pattern that fill() with `seed` wrote. */
#define expect_filled(at, len, seed) expect_filled_at(at, len, seed, HERE)
void expect_filled_at(const char *at, size_t len, unsigned int seed, const char *where);

/* Every byte of the range reads 0. */
#define expect_zero(at, len) expect_zero_at(at, len, HERE)
void expect_zero_at(const char *at, size_t len, const char *where);

/*
 * nr_page_table_pages comes back to start_kb plus `tables` tables (or less)
 * within KERNEL_WAIT_MS. Take start_kb with page_tables_quiet_kb().
 */
#define expect_kernel_tables(start_kb, tables) \
	expect_kernel_tables_at(start_kb, tables, HERE)
void expect_kernel_tables_at(long start_kb, long tables, const char *where);

/* ---- children ---- */

/*
 * Forks; the child runs fn(arg) and exits with 0, or as a failed expectation
 * ends it: its reason is the test's, once child_wait in the parent has seen it.
 * Returns the child's pid.
 */
int child_start(void (*fn)(void *arg), void *arg);
/* Waits for the child and fails the test unless it exited with 0. */
#define child_wait(pid) child_wait_at(pid, HERE)
void child_wait_at(int pid, const char *where);

#endif
