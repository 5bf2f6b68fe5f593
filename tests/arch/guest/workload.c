// SPDX-License-Identifier: GPL-2.0
/*
 * Description: PID 1 of the architectures' kernels: the reclaim workload, and
 * the two ways to make mmu_gather's batch page fail. Built with the kernel
 * tree's nolibc, since it is the one C library that all of them have.
 *
 * The kernel's command line says what to run, and what cannot be asked for here:
 *   umlab=PART,PART...  tables contents upper inject-madvise inject-munmap min-free
 *   pmd_kb=N            what one PTE table maps, in KiB
 *
 * Prints lines "umlab: PART KEY=VALUE ..." to the kernel log, which reaches the
 * console on every architecture, and last "umlab: end". Sizes are in kB.
 */
#include "guest.h"

#define MiB (1UL << 20)
/* What is mapped at a time; 32 tables where a table maps most (loongarch64). */
#define RANGE (1024 * MiB)
/* One page is touched in this much: the tables count, not the pages. */
#define STRIDE MiB
/* More failures than any run has: the counter goes down from here. */
#define FAILURES 1000000

static size_t page, pmd;

/* The number after `name` at the start of a line of `file`. */
static long number(const char *file, const char *name)
{
	size_t len = strlen(name);

	for (char *line = slurp(file); line; line = strchr(line, '\n')) {
		if (*line == '\n')
			line++;
		if (!strncmp(line, name, len)) {
			line += len;
			while (*line == ' ' || *line == '\t')
				line++;
			return atol(line);
		}
	}
	errno = ENOENT;
	die(name);
}

static void put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY), n;

	if (fd < 0)
		die(file);
	n = write(fd, text, strlen(text));
	close(fd);
	if (n < 0)
		die(file);
}

static void put_number(const char *file, long n)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", n);
	put(file, text);
}

static long vmpte(void)
{
	return number("/proc/self/status", "VmPTE:");
}

/* Adds what each CPU has counted for itself to /proc/vmstat; there is no such file without SMP. */
static void fold_counters(void)
{
	int fd = open("/proc/sys/vm/stat_refresh", O_WRONLY);

	if (fd < 0)
		return;
	write(fd, "1", 1);
	close(fd);
}

/* nr_page_table_pages in kB, when RCU has freed what it will: unchanged for 60 ms, at most 2 s. */
static long page_tables(void)
{
	long last = -1, now;

	for (int same = 0, n = 0; same < 3 && n < 100; n++) {
		usleep(20000);
		fold_counters();
		now = number("/proc/vmstat", "nr_page_table_pages ");
		same = now == last ? same + 1 : 0;
		last = now;
	}
	return last * (long)(page / 1024);
}

static char *map(char *at, size_t size)
{
	char *p = mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at ? MAP_FIXED : 0), -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static void dontneed(char *p, size_t size)
{
	if (syscall(__NR_madvise, p, size, MADV_DONTNEED))
		die("madvise");
}

static char *aligned(char *p)
{
	return (char *)(((unsigned long)p + pmd - 1) & ~(pmd - 1));
}

/* The range chunk by chunk: touched, given back, and the next. */
static void tables_of(size_t chunk)
{
	char *base = map(NULL, RANGE + pmd), *p = aligned(base);
	long before = vmpte(), kernel = page_tables(), after;

	for (size_t at = 0; at < RANGE; at += chunk) {
		size_t len = RANGE - at < chunk ? RANGE - at : chunk;

		for (size_t i = 0; i < len; i += STRIDE)
			*(volatile char *)(p + at + i) = 1;
		dontneed(p + at, len);
	}
	after = vmpte();
	say("umlab: tables chunk=%ld vmpte_before=%ld vmpte_after=%ld kernel_before=%ld kernel_after=%ld tainted=%ld",
	    (long)(chunk / 1024), before, after, kernel, page_tables(), tainted());
	munmap(base, RANGE + pmd);
}

static void tables(void)
{
	tables_of(pmd / 2);
	tables_of(pmd);
	tables_of(pmd * 4);
}

/*
 * What stays of a range as large as four PMD tables map, after each table's worth was given back whole: reclaim
 * takes PTE tables only, the PMD tables above them go with munmap(). VmPTE counts them.
 */
#define SPANS 4
static void upper(void)
{
	const size_t span = pmd * (page / sizeof(long));
	char *base = map(NULL, SPANS * span + pmd), *p = aligned(base);
	long before = vmpte();

	for (size_t at = 0; at < SPANS * span; at += span) {
		for (size_t i = 0; i < span; i += pmd)
			*(volatile char *)(p + at + i) = 1;
		dontneed(p + at, span);
	}
	say("umlab: upper spans=%d vmpte_before=%ld vmpte_after=%ld tainted=%ld", SPANS, before, vmpte(), tainted());
	munmap(base, SPANS * span + pmd);
}

static unsigned char pattern(size_t at)
{
	return (unsigned char)(at / page * 7 + 1) | 1;
}

/* Bytes of [from, to) that are not as they should be: zero, or the pattern. */
static long wrong_in(char *p, size_t from, size_t to, int zero, long *checked)
{
	long wrong = 0;

	for (size_t at = from; at < to; at += page) {
		wrong += *(volatile unsigned char *)(p + at) != (zero ? 0 : pattern(at));
		wrong += *(volatile unsigned char *)(p + at + page - 1) != (zero ? 0 : pattern(at));
		*checked += 2;
	}
	return wrong;
}

/* Fills three tables' worth; gives [from, to) back; looks at all of it, and once more when RCU has freed the tables. */
static void contents_of(const char *name, size_t from, size_t to)
{
	char *base = map(NULL, 4 * pmd), *p = aligned(base);
	long wrong = 0, checked = 0;

	for (size_t at = 0; at < 3 * pmd; at += page)
		p[at] = p[at + page - 1] = (char)pattern(at);
	dontneed(p + from, to - from);
	for (int round = 0; round < 2; round++) {
		wrong += wrong_in(p, 0, from, 0, &checked);
		wrong += wrong_in(p, from, to, 1, &checked);
		wrong += wrong_in(p, to, 3 * pmd, 0, &checked);
		page_tables();
	}
	say("umlab: contents range=%s wrong=%ld checked=%ld tainted=%ld", name, wrong, checked, tainted());
	munmap(base, 4 * pmd);
}

static void contents(void)
{
	contents_of("table", pmd, 2 * pmd);
	contents_of("inside", pmd + page, 2 * pmd - page);
	contents_of("across", pmd / 2, 2 * pmd + pmd / 2);
}

#define FAULT "/sys/kernel/debug/fail_page_alloc/"

/* Every page allocation of this task that may not wait, as those for batches, fails from here to inject_off(), which returns how many did. */
static void inject_on(void)
{
	put(FAULT "min-order", "0");
	put(FAULT "ignore-gfp-wait", "Y");
	put(FAULT "task-filter", "Y");
	put(FAULT "verbose", "0");
	put(FAULT "interval", "1");
	put(FAULT "probability", "100");
	put_number(FAULT "times", FAILURES);
	put("/proc/self/make-it-fail", "1");
}

static long inject_off(void)
{
	put("/proc/self/make-it-fail", "0");
	put(FAULT "probability", "0");
	return FAILURES - atol(slurp(FAULT "times"));
}

/*
 * Pages are written where allocations shall fail by injection: mmu_gather wants batches for pages then, too, so that it
 * shows in every kernel that they did. Where nothing is free, the zero page must do.
 */
static char *touched(char *at, int by_writing)
{
	char *p = map(at, RANGE);

	for (size_t i = 0; i < RANGE; i += STRIDE) {
		if (by_writing)
			*(volatile char *)(p + i) = 1;
		else
			(void)*(volatile char *)(p + i);
	}
	return p;
}

static void inject_madvise(void)
{
	char *p = touched(NULL, 1);
	long before = vmpte(), failed;

	inject_on();
	dontneed(p, RANGE);
	failed = inject_off();
	page_tables();
	say("umlab: inject-madvise failed=%ld vmpte_before=%ld vmpte_after=%ld tainted=%ld", failed, before, vmpte(), tainted());
}

/* Far from all else, so that the tables above go too: 512 GiB, which every 64-bit address space here has. */
#define FAR_AWAY ((char *)(sizeof(long) == 8 ? 1UL << (sizeof(long) * 8 - 25) : 0x60000000UL))

static void inject_munmap(void)
{
	char *p = touched(FAR_AWAY, 1);
	long before = vmpte(), failed;

	inject_on();
	if (munmap(p, RANGE))
		die("munmap");
	failed = inject_off();
	page_tables();
	say("umlab: inject-munmap failed=%ld vmpte_before=%ld vmpte_after=%ld tainted=%ld", failed, before, vmpte(), tainted());
}

/* No injection: the watermarks above all that is free. */
static void min_free(void)
{
	char *p = touched(NULL, 0);
	long before = vmpte(), free = number("/proc/meminfo", "MemFree:");
	long old = atol(slurp("/proc/sys/vm/min_free_kbytes"));

	put_number("/proc/sys/vm/min_free_kbytes", free + free / 10);
	dontneed(p, RANGE);
	put_number("/proc/sys/vm/min_free_kbytes", old);
	page_tables();
	say("umlab: min-free free=%ld vmpte_before=%ld vmpte_after=%ld tainted=%ld", free, before, vmpte(), tainted());
}

static const struct {
	const char *name;
	void (*run)(void);
} parts[] = {
	{ "tables", tables },
	{ "contents", contents },
	{ "upper", upper },
	{ "inject-madvise", inject_madvise },
	{ "inject-munmap", inject_munmap },
	{ "min-free", min_free },
};

static void run_part(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strlen(parts[i].name) == len && !strncmp(parts[i].name, name, len)) {
			parts[i].run();
			return;
		}
	}
	errno = EINVAL;
	die("umlab=");
}

int main(void)
{
	const char *list = getenv("umlab"), *kb = getenv("pmd_kb");

	prepare();
	page = getauxval(AT_PAGESZ);
	if (!list || !kb)
		die("umlab=,pmd_kb=");
	pmd = atol(kb) * 1024;
	say("umlab: begin page=%ld pmd=%ld tainted=%ld", (long)(page / 1024), (long)(pmd / 1024), tainted());
	while (*list) {
		const char *comma = strchr(list, ',');
		size_t len = comma ? (size_t)(comma - list) : strlen(list);

		run_part(list, len);
		list += len + !!comma;
	}
	power_off();
}
