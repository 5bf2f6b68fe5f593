// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"
#include "inject.h"

#define ATTR_DIR "/sys/kernel/debug/fail_page_alloc/"
/* The most that the filter looks at (MAX_STACK_TRACE_DEPTH). */
#define STACK_DEPTH 32

static int times_at_start, space_at_start;

static void put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);

	require(fd >= 0, "%s: %s: is CONFIG_FAIL_PAGE_ALLOC with its debugfs and stacktrace filter on?",
		file, strerror(errno));
	require(write(fd, text, strlen(text)) == (ssize_t)strlen(text),
		"%s: cannot write '%s': %s", file, text, strerror(errno));
	close(fd);
}

static void put_attr(const char *name, unsigned long value)
{
	char file[80], text[32];

	snprintf(file, sizeof(file), ATTR_DIR "%s", name);
	snprintf(text, sizeof(text), "0x%lx", value);
	put(file, text);
}

/* The attributes that are atomic_t are read and written in decimal. */
static void put_count(const char *name, int value)
{
	char file[80], text[32];

	snprintf(file, sizeof(file), ATTR_DIR "%s", name);
	snprintf(text, sizeof(text), "%d", value);
	put(file, text);
}

/* Where the function begins and ends, from KERNEL_SYMBOLS; 0 if not there. */
static int find_symbol(const char *function, unsigned long *start, unsigned long *end)
{
	const char *list = getenv("KERNEL_SYMBOLS");
	size_t len = strlen(function);

	require(list, "KERNEL_SYMBOLS is not set: tests/run does it, by hand give umrun --env KERNEL_SYMBOLS='%s=0xSTART-0xEND' (from nm -S linux)",
		function);
	while (*list) {
		if (strncmp(list, function, len) == 0 && list[len] == '=')
			return sscanf(list + len, "=%lx-%lx", start, end) == 2;
		list += strcspn(list, " ");
		list += strspn(list, " ");
	}
	return 0;
}

int kernel_has(const char *function)
{
	unsigned long start, end;

	return find_symbol(function, &start, &end);
}

void inject_start(const char *function, int skip, int times)
{
	unsigned long start = 0, end = ~0UL, depot_start = 0, depot_end = 0;

	require(!function || find_symbol(function, &start, &end),
		"%s: not in KERNEL_SYMBOLS: the kernel has no such function", function);
	put_attr("probability", 0);
	put_attr("min-order", 0);
	put_attr("interval", 1);
	put_count("verbose", 0);
	put(ATTR_DIR "task-filter", "Y");
	/* With the filter on the stack there is no harm in failing any kind. */
	put(ATTR_DIR "ignore-gfp-wait", function ? "N" : "Y");
	put_attr("stacktrace-depth", STACK_DEPTH);
	put_attr("require-start", start);
	put_attr("require-end", end);
	/* What it takes to remember a stack (KASAN) is no allocation of the function. */
	find_symbol("stack_depot_save_flags", &depot_start, &depot_end);
	put_attr("reject-start", depot_start);
	put_attr("reject-end", depot_end);
	/* An allocation takes its 1 page from `space` as long as more is left. */
	space_at_start = skip + 1;
	put_count("space", space_at_start);
	put_count("times", times);
	times_at_start = times;
	put("/proc/thread-self/make-it-fail", "1");
	put_attr("probability", 100);
}

int inject_hits(void)
{
	long left = proc_number_only(ATTR_DIR "times");

	require(left >= 0, ATTR_DIR "times: cannot read: %s", strerror(errno));
	return times_at_start - (int)left;
}

int inject_hit(int want)
{
	int hits = inject_hits();

	return hits == want || (hits > want && want > 0 && kernel_has("debug_object_activate"));
}

int inject_passed(void)
{
	long left = proc_number_only(ATTR_DIR "space");

	require(left >= 0, ATTR_DIR "space: cannot read: %s", strerror(errno));
	return space_at_start - (int)left;
}

void inject_stop(void)
{
	put("/proc/thread-self/make-it-fail", "0");
	put_attr("probability", 0);
}
