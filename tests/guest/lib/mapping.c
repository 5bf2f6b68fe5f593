// SPDX-License-Identifier: GPL-2.0
/* The arena, and what suites do to mappings in it. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "internal.h"

/* No more than one PMD table maps, on any architecture. */
#define ARENA_TABLES 512
#define ARENA_SIZE (ARENA_TABLES * TABLE_SPAN)

static char *arena, *arena_next;

/* The last operation, for messages: "MADV_DONTNEED of [0x..., 0x...)". */
static char last_op[160] = "the start";

const char *last_operation(void)
{
	return last_op;
}

void note_op(const char *what, const char *at, size_t len)
{
	int n = snprintf(last_op, sizeof(last_op), "%s of [%p, +0x%zx", what, (const void *)at, len);

	/* Tables are numbered in the arena only. */
	if (at >= arena && at < arena + ARENA_SIZE && n < (int)sizeof(last_op))
		n += snprintf(last_op + n, sizeof(last_op) - (size_t)n, ": table %ld page %ld",
			      (long)((unsigned long)(at - arena) / TABLE_SPAN),
			      (long)((unsigned long)(at - arena) % TABLE_SPAN / PAGE));
	if (n < (int)sizeof(last_op))
		snprintf(last_op + n, sizeof(last_op) - (size_t)n, ")");
}

void arena_open(void)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	char *raw = mmap(NULL, 2 * ARENA_SIZE, PROT_NONE, flags, -1, 0);
	char *keeper;

	require(raw != MAP_FAILED, "arena: mmap of %lu MiB: %s", 2 * ARENA_SIZE >> 20, strerror(errno));
	arena = (char *)(((unsigned long)raw + ARENA_SIZE - 1) & ~(ARENA_SIZE - 1));
	/* Whatever else the process maps keeps out of the arena. */
	arena_next = arena;
	keeper = arena_take(1);
	keeper = mmap(keeper, PAGE, PROT_READ | PROT_WRITE, flags | MAP_FIXED, -1, 0);
	require(keeper != MAP_FAILED, "arena: mmap: %s", strerror(errno));
	/* Brings the arena's PMD table into being, before any counting. */
	*(volatile char *)keeper = 1;
	/* Faults in the tables of the code and buffers that counting uses. */
	require(vmpte_kb() > 0, "VmPTE: cannot read /proc/self/status: %s", strerror(errno));
}

char *arena_take(size_t tables)
{
	char *at = arena_next;

	arena_next += tables * TABLE_SPAN;
	require(arena_next <= arena + ARENA_SIZE,
		"arena: %zu tables more than its %d: enlarge ARENA_TABLES", tables, ARENA_TABLES);
	return at;
}

char *map_tables(size_t tables, int flags, int fd)
{
	char *at = mmap(arena_take(tables), tables * TABLE_SPAN,
			PROT_READ | PROT_WRITE,
			flags | MAP_FIXED | MAP_NORESERVE, fd, 0);

	require(at != MAP_FAILED, "mmap of %zu tables, flags 0x%x: %s",
		tables, (unsigned int)flags, strerror(errno));
	return at;
}

char *map_anon(size_t tables)
{
	return map_tables(tables, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

unsigned long page_pattern(const char *at, unsigned int seed)
{
	return ((unsigned long)seed << 32) | ((unsigned long)at / PAGE & 0xffffffff);
}

/* From so many pages on, the kernel is asked for all at once: a fault of each costs UML 0.1 ms. */
#define POPULATE_PAGES 16

static void fill_every(char *at, size_t len, unsigned int seed, size_t step)
{
	/* A hint: where it is refused (a guard region, a read-only page), the writes say why. */
	if (step == PAGE && len >= POPULATE_PAGES * PAGE)
		(void)madvise(at, len, MADV_POPULATE_WRITE);
	for (size_t i = 0; i < len; i += step)
		*(volatile unsigned long *)(at + i) = page_pattern(at + i, seed);
}

void fill(char *at, size_t len, unsigned int seed)
{
	note_op("writing every page", at, len);
	fill_every(at, len, seed, PAGE);
}

void fill_sparse(char *at, size_t len, unsigned int seed)
{
	note_op("writing one page a table", at, len);
	fill_every(at, len, seed, TABLE_SPAN);
}

void advise(char *at, size_t len, int advice, const char *advice_name)
{
	note_op(advice_name, at, len);
	require(madvise(at, len, advice) == 0, "%s: %s", last_op, strerror(errno));
}

void expect_tables_at(long start_kb, long tables, const char *where)
{
	long kb = vmpte_kb(), want = start_kb + tables * TABLE_KB;

	ck_assert_msg(kb == want,
		      "VmPTE is %ld kB after %s, expected %ld kB (%ld at first, and %ld tables; %s): %ld table(s) too %s (%s)",
		      kb, last_op, want, start_kb, tables, expectation(),
		      kb > want ? (kb - want) / TABLE_KB : (want - kb) / TABLE_KB,
		      kb > want ? "many" : "few", where);
}

/* Fails the test for the page at `at`, with all that tells how it came. */
static void wrong_page(const char *at, unsigned long got, const char *want,
		       size_t wrong, size_t pages, const char *where)
{
	ck_abort_msg("page %p reads 0x%lx, expected %s, after %s; pagemap entry 0x%llx; %zu of %zu pages wrong (%s)",
		     (const void *)at, got, want, last_op,
		     pagemap_entry(at), wrong, pages, where);
}

void expect_filled_at(const char *at, size_t len, unsigned int seed, const char *where)
{
	size_t wrong = 0;
	const char *first = NULL;
	unsigned long got = 0;
	char want[64];

	for (size_t i = 0; i < len; i += PAGE) {
		unsigned long word = *(const volatile unsigned long *)(at + i);

		if (word == page_pattern(at + i, seed))
			continue;
		if (!wrong++) {
			first = at + i;
			got = word;
		}
	}
	if (!wrong)
		return;
	snprintf(want, sizeof(want), "0x%lx (pattern %u)", page_pattern(first, seed), seed);
	wrong_page(first, got, want, wrong, len / PAGE, where);
}

void expect_zero_at(const char *at, size_t len, const char *where)
{
	static const char zero[PAGE];
	size_t wrong = 0;
	const char *first = NULL;
	unsigned long got = 0;

	for (size_t i = 0; i < len; i += PAGE) {
		if (memcmp(at + i, zero, PAGE) == 0)
			continue;
		if (!wrong++) {
			first = at + i;
			got = *(const volatile unsigned long *)first;
		}
	}
	if (wrong)
		wrong_page(first, got, "zeroes", wrong, len / PAGE, where);
}

void expect_kernel_tables_at(long start_kb, long tables, const char *where)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	/* An idle CPU of several may keep the PGD of a process that has ended (lazy TLB). */
	long want = start_kb + (tables + (cpus > 1 ? cpus : 0)) * TABLE_KB;
	long kb = page_tables_settle_kb(want, KERNEL_WAIT_MS);

	ck_assert_msg(kb >= 0 && kb <= want,
		      "nr_page_table_pages is %ld kB %d ms after %s, expected at most %ld kB (%ld at first, and %ld tables; %s): %ld table(s) not given back by RCU (%s)",
		      kb, KERNEL_WAIT_MS, last_op, want, start_kb, tables,
		      expectation(), (kb - want) / TABLE_KB, where);
}

int child_start(void (*fn)(void *arg), void *arg)
{
	pid_t pid = fork();

	require(pid >= 0, "fork: %s", strerror(errno));
	if (pid)
		return pid;
	fn(arg);
	_exit(0);
}

void child_wait_at(int pid, const char *where)
{
	int status;

	require(waitpid(pid, &status, 0) == pid, "waitpid: %s", strerror(errno));
	/* Its expectation failed and told Check why: this test ends with that. */
	if (WIFEXITED(status) && WEXITSTATUS(status) == 1)
		_exit(1);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		"child: %s %d, expected exit 0, after %s (%s)",
		WIFSIGNALED(status) ? "killed by signal" : "exit",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
		last_op, where);
}
