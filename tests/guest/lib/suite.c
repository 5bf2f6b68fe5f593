// SPDX-License-Identifier: GPL-2.0
/* The suites' main. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"
#include "internal.h"

#define TEST_SECONDS 20

static const char *suite_name;
static const char *modes = "seccomp/1";
static int listing, differs, added, skipping;
static const char *differs_as;
static char pt_reclaim;
static Suite *suite;

long reclaimed(long n)
{
	/* Races may ask: they run where UML is mended, and there in every kernel. */
	ck_assert_msg(differs || skipping || pt_reclaim == 'y' || uml_mended(),
		      "suite_differs() is missing in the main of %s", suite_name);
	return pt_reclaim == 'y' ? n : 0;
}

const char *expectation(void)
{
	return pt_reclaim == 'y' ? "PT_RECLAIM=y" : "PT_RECLAIM=n";
}

/* In the process that Check forked; returns in the test's own, below that. */
static void begin_test(void)
{
	outside_begin();
	arena_open();
}

/* Is the name in TESTS (comma separated)? Without TESTS, every one is. */
static int wanted(const char *name)
{
	const char *list = getenv("TESTS");
	size_t len = strlen(name);

	if (!list || !*list)
		return 1;
	while (*list) {
		size_t item = strcspn(list, ",");

		if (item == len && strncmp(list, name, len) == 0)
			return 1;
		list += item + (list[item] == ',');
	}
	return 0;
}

void suite_begin(const char *name, int argc, char **argv)
{
	const char *expected = getenv("PT_RECLAIM");

	suite_name = name;
	listing = argc > 1 && strcmp(argv[1], "--list") == 0;
	if (argc > 1 && !listing) {
		fprintf(stderr, "%s: %s: unknown argument: give --list or none\n", name, argv[1]);
		exit(2);
	}
	if (listing)
		return;
	if (!expected || strlen(expected) != 1 || !strchr("yn", *expected)) {
		fprintf(stderr, "%s: PT_RECLAIM: '%s': set it to y or n, as the kernel is configured\n",
			name, expected ? expected : "");
		exit(2);
	}
	pt_reclaim = *expected;
	/* Whole lines: a skipped test's reason must not end up inside one. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	suite = suite_create(name);
}

void suite_modes(const char *names)
{
	modes = names;
}

void suite_differs(void)
{
	differs = 1;
}

void suite_differs_as(const char *name)
{
	differs = 1;
	differs_as = name;
}

const char *suite_mode(void)
{
	const char *mode = getenv("UML_MODE");

	return mode && *mode ? mode : "ptrace/1";
}

int time_factor(void)
{
	const char *text = getenv("TIME_FACTOR");
	int n = text ? atoi(text) : 1;

	return n > 0 ? n : 1;
}

void suite_add_slow(const TTest *test, int timeout_seconds)
{
	/* Processes that it left, then what they left. */
	const int outside_seconds = 1 + 2 * outside_patience_ms() / 1000;
	TCase *tc;

	if (listing) {
		puts(test->name);
		return;
	}
	if (!wanted(test->name))
		return;
	tc = tcase_create(suite_name);
	tcase_set_timeout(tc, timeout_seconds * time_factor() + outside_seconds);
	tcase_add_checked_fixture(tc, begin_test, NULL);
	tcase_add_test(tc, test);
	suite_add_tcase(suite, tc);
	added++;
}

void suite_add(const TTest *test)
{
	suite_add_slow(test, TEST_SECONDS);
}

int suite_end(void)
{
	SRunner *runner;
	int failed;

	if (listing) {
		printf("# modes %s\n", modes);
		if (differs)
			printf("# differs%s%s\n", differs_as ? " as " : "", differs_as ? differs_as : "");
		return 0;
	}
	/* First, so that a guest that dies shows how many results are missing. */
	printf("# tests %d\n", added);
	if (!added)
		return 2;
	outside_prepare();
	runner = srunner_create(suite);
	srunner_set_fork_status(runner, CK_FORK);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}

int uml_mended(void)
{
	const char *point = getenv("POINT");

	if (!point || !*point)
		return pt_reclaim == 'y';
	return strncmp(point, "base", 4) && strncmp(point, "series", 6);
}

int moves_tables(void)
{
	const char *moves = getenv("MOVES_TABLES");

	return moves && *moves == 'y';
}

long race_ms(long ms)
{
	return getenv("KNOWN_BUG") ? 60000 : ms;
}

long race_rounds(long rounds)
{
	const char *env = getenv("ROUNDS");

	return env && *env ? atol(env) : rounds;
}

int skipped(void)
{
	return skipping;
}

void skip(const char *fmt, ...)
{
	char reason[256], line[300];
	va_list args;
	int len;

	va_start(args, fmt);
	vsnprintf(reason, sizeof(reason), fmt, args);
	va_end(args);
	/* One write: the parent's own output goes to the same place. */
	len = snprintf(line, sizeof(line), "# SKIP %s\n", reason);
	if (write(STDOUT_FILENO, line, (size_t)len) != len)
		require(0, "skip: cannot write the reason: %s", reason);
	skipping = 1;
}

int skip_unmended(const char *bugs)
{
	if (uml_mended())
		return 0;
	skip("this kernel has UML's own bugs, which uml/patches/fixes mends: %s", bugs);
	return 1;
}

int skip_unmended_race(void)
{
	return !getenv("KNOWN_BUG") && skip_unmended("they fail a race by chance: docs/uml-bugs.md, 1 to 3");
}
