// SPDX-License-Identifier: GPL-2.0
/*
 * Description: the workload of the series' cover letter. Maps a large range,
 * touches it chunk by chunk, gives each chunk back with MADV_DONTNEED before
 * the next, and prints what the page tables cost before, at the peak and
 * after. The pages are gone either way; with PT_RECLAIM the tables are too.
 *
 * Memory: the pages of one chunk, plus, without PT_RECLAIM, 4 KiB of table
 * for each 2 MiB of the range (50 GiB: 100 MiB; a guest of 256 MB will do).
 */
#define _GNU_SOURCE
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "lib/proc.h"

/* How often the counters are read during the run: reading costs time too. */
#define SAMPLES 64

struct options {
	size_t size;	/* bytes mapped */
	size_t chunk;	/* bytes touched, then given back, at a time */
	size_t stride;	/* bytes between two touched pages */
	int settle_ms;	/* longest wait for the RCU grace period, in ms */
	int json;
};

/* What the page tables cost at one moment, in kB. */
struct cost {
	long vmpte;	/* VmPTE of this process */
	long kernel;	/* nr_page_table_pages of the guest */
};

struct result {
	struct cost before, peak, after, settled;
	double run_ms, settle_ms;
	size_t pages;	/* pages touched, for the printed line */
};

static void die(const char *what, const char *value, const char *cure)
{
	fprintf(stderr, "ptworkload: %s: %s: %s\n", what, value, cure);
	exit(1);
}

static struct cost cost_now(void)
{
	struct cost c = { vmpte_kb(), page_tables_kb() };

	if (c.vmpte < 0)
		die("/proc/self/status: VmPTE", strerror(errno), "mount /proc");
	if (c.kernel < 0)
		die("/proc/vmstat: nr_page_table_pages", strerror(errno),
		    "mount /proc");
	return c;
}

static void keep_peak(struct cost *peak)
{
	struct cost c = cost_now();

	if (c.vmpte > peak->vmpte)
		peak->vmpte = c.vmpte;
	if (c.kernel > peak->kernel)
		peak->kernel = c.kernel;
}

/* Writes one byte every `stride` bytes; returns the number of pages written. */
static size_t touch_chunk(volatile char *chunk, size_t len, size_t stride)
{
	size_t pages = 0;

	for (size_t at = 0; at < len; at += stride, pages++)
		chunk[at] = 1;
	return pages;
}

/* Gives the pages of one chunk back: here PT_RECLAIM frees the tables. */
static void drop_chunk(char *chunk, size_t len)
{
	if (madvise(chunk, len, MADV_DONTNEED))
		die("madvise(MADV_DONTNEED)", strerror(errno),
		    "see the kernel log");
}

static void run(const struct options *opt, char *map, struct result *res)
{
	size_t chunks = (opt->size + opt->chunk - 1) / opt->chunk;
	size_t every = chunks > SAMPLES ? chunks / SAMPLES : 1;

	for (size_t i = 0; i < chunks; i++) {
		size_t start = i * opt->chunk;
		size_t len = opt->size - start < opt->chunk ?
			     opt->size - start : opt->chunk;

		res->pages += touch_chunk(map + start, len, opt->stride);
		if (i % every == 0 || i == chunks - 1)
			keep_peak(&res->peak);
		drop_chunk(map + start, len);
	}
}

/*
 * Waits until the tables that left VmPTE have left the kernel's count too:
 * RCU frees them after a grace period. A kernel that reclaims nothing has
 * nothing to wait for, and does not wait.
 */
static struct cost settle(const struct options *opt, const struct result *res)
{
	long target = res->before.kernel + res->after.vmpte - res->before.vmpte;

	if (page_tables_settle_kb(target, opt->settle_ms) < 0)
		die("/proc/vmstat", strerror(errno), "mount /proc");
	return cost_now();
}

static void print_json(const struct options *opt, const struct result *r)
{
	printf("{\"size\": %zu, \"chunk\": %zu, \"stride\": %zu, \"pages\": %zu,\n"
	       " \"vmpte_kb\": {\"before\": %ld, \"peak\": %ld, \"after\": %ld},\n"
	       " \"page_tables_kb\": {\"before\": %ld, \"peak\": %ld, \"after\": %ld, \"settled\": %ld},\n"
	       " \"run_s\": %.3f, \"settle_s\": %.3f}\n",
	       opt->size, opt->chunk, opt->stride, r->pages,
	       r->before.vmpte, r->peak.vmpte, r->after.vmpte,
	       r->before.kernel, r->peak.kernel, r->after.kernel,
	       r->settled.kernel, r->run_ms / 1e3, r->settle_ms / 1e3);
}

static void print_text(const struct options *opt, const struct result *r)
{
	printf("%zu MiB, %zu MiB at a time, %zu pages touched\n",
	       opt->size >> 20, opt->chunk >> 20, r->pages);
	printf("                          before      peak     after\n");
	printf("VmPTE                %8ld kB %6ld kB %6ld kB\n",
	       r->before.vmpte, r->peak.vmpte, r->after.vmpte);
	printf("nr_page_table_pages  %8ld kB %6ld kB %6ld kB   %ld kB %.0f ms later\n",
	       r->before.kernel, r->peak.kernel, r->after.kernel,
	       r->settled.kernel, r->settle_ms);
	printf("run time             %.2f s\n", r->run_ms / 1e3);
}

/* Bytes from "50G", "2M", "4096"; exits when it is not a size. */
static size_t size_arg(const char *option, const char *text)
{
	const char *units = "KMGT", *unit;
	char *end;
	unsigned long long n;
	int shift = 0;

	errno = 0;
	n = strtoull(text, &end, 0);
	if (*end && (unit = strchr(units, *end)) != NULL) {
		shift = 10 * (int)(unit - units + 1);
		end++;
	}
	if (errno || end == text || *end || *text == '-' || n == 0 ||
	    n > (~0ULL >> shift))
		die(option, text, "give a number with K, M, G or T, such as 2M");
	return (size_t)(n << shift);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *opt = state->input;

	switch (key) {
	case 's': opt->size = size_arg("--size", arg); break;
	case 'c': opt->chunk = size_arg("--chunk", arg); break;
	case 'd': opt->stride = size_arg("--stride", arg); break;
	case 't': /* --touch all: every page */
		opt->stride = strcmp(arg, "all") ? size_arg("--touch", arg) :
			      (size_t)sysconf(_SC_PAGESIZE);
		break;
	case 'w': opt->settle_ms = (int)size_arg("--settle", arg); break;
	case 'j': opt->json = 1; break;
	case ARGP_KEY_ARG: argp_error(state, "%s: takes no arguments", arg);
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp_option argp_options[] = {
	{ "size", 's', "SIZE", 0, "Map SIZE bytes (default 50G)", 0 },
	{ "chunk", 'c', "SIZE", 0, "Touch and give back SIZE bytes at a time (default 2M)", 0 },
	{ "stride", 'd', "SIZE", 0, "Touch one page in each SIZE bytes (default 2M)", 0 },
	{ "touch", 't', "all|SIZE", 0, "all: every page; SIZE: the same as --stride", 0 },
	{ "settle", 'w', "MS", 0, "Wait at most MS ms for RCU to free the tables (default 2000)", 0 },
	{ "json", 'j', NULL, 0, "Print JSON", 0 },
	{ 0 }
};

static const struct argp argp = {
	argp_options, parse, NULL,
	"Touches a large mapping chunk by chunk, gives each chunk back with "
	"MADV_DONTNEED, and prints what its page tables cost.",
	NULL, NULL, NULL
};

int main(int argc, char **argv)
{
	struct options opt = { 50UL << 30, 2UL << 20, 2UL << 20, 2000, 0 };
	struct result res = { 0 };
	double start;
	char *map;

	argp_parse(&argp, argc, argv, 0, NULL, &opt);
	map = mmap(NULL, opt.size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		die("mmap", strerror(errno), "give a smaller --size");

	if (page_tables_quiet_kb() < 0)
		die("/proc/vmstat", strerror(errno), "mount /proc");
	res.peak = res.before = cost_now();
	start = now_ms();
	run(&opt, map, &res);
	res.run_ms = now_ms() - start;

	res.after = cost_now();
	start = now_ms();
	res.settled = settle(&opt, &res);
	res.settle_ms = now_ms() - start;

	(opt.json ? print_json : print_text)(&opt, &res);
	if (fflush(stdout) || ferror(stdout))
		die("stdout", strerror(errno), "is the disk full?");
	return 0;
}
