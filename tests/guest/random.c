// SPDX-License-Identifier: GPL-2.0
/*
 * Description: random operations of all kinds by several threads over mappings whose
 * page tables they share, against a model that knows what every word may read. Each
 * round has a seed of its own; what fails is shrunk and printed (random/random.h).
 *
 * Environment:
 *   SEED=n            only this seed, again and again
 *   OPS=a,b,...       of that seed's list only these operations, in this order
 *   SERIAL=1          one operation at a time
 *   RANDOM_SECONDS=n  how long (default 15)
 *   SHRINK_SECONDS=n  how long to look for a smaller list that fails (default 40)
 *   RANDOM_FIRST=n    the first seed (default: from the clock)
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/swap.h"
#include "random/random.h"

#define SECONDS		15
#define SHRINK_SECONDS	40
#define ROUND_SECONDS	130	/* the last round may hang, and be killed */

static struct plan plan;

/* A number from the environment, or what is right without. */
static unsigned long env_number(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);
	char *end;
	unsigned long n;

	if (!text || !*text)
		return otherwise;
	n = strtoul(text, &end, 10);
	require(!*end, "%s=%s: give a number", name, text);
	return n;
}

/* Keeps of the plan what OPS= names, in its order. */
static void choose_ops(void)
{
	static struct plan whole;
	const char *text = getenv("OPS");
	char *end;

	if (!text || !*text)
		return;
	memcpy(&whole, &plan, sizeof(whole));
	plan.ops = 0;
	for (; *text; text = *end == ',' ? end + 1 : end) {
		unsigned long id = strtoul(text, &end, 10);

		require(end != text && id < whole.ops && plan.ops < whole.ops,
			"OPS=%s: give numbers of operations below %u, with commas", text, whole.ops);
		plan.op[plan.ops++] = whole.op[id];
	}
}

static void make_plan(uint32_t seed)
{
	plan_make(&plan, seed);
	choose_ops();
	if (env_number("SERIAL", 0))
		plan.serial = true;
}

static void report_failure(struct outcome *out)
{
	unsigned int total = plan.ops;
	const char *how_often;
	char *text;

	/* Shrinking takes a while, and may meet something worse: the reason goes first. */
	printf("# seed %u failed: %s\n", plan.seed, out->text);
	how_often = shrink(&plan, out, (unsigned int)env_number("SHRINK_SECONDS", SHRINK_SECONDS));
	text = text_of(&plan, out, total, how_often);
	ck_abort_msg("%s", text ? text : out->text);
}

START_TEST(random_operations)
{
	struct outcome *out = outcome_new();
	unsigned long only = env_number("SEED", 0), rounds = 0, ops = 0;
	uint32_t seed = (uint32_t)(only ? only : env_number("RANDOM_FIRST", (unsigned long)time(NULL) % 1000000 * 1000));
	const bool disk = access(SWAP_DISK, F_OK) == 0;
	double start = now_ms(), end = start + (double)env_number("RANDOM_SECONDS", SECONDS) * 1e3;

	/* A round in some hundred would fail, for which the change under test can do nothing. */
	if (!only && skip_unmended_race())
		return;
	kmsg_open();
	do {
		/* Without a disk MADV_PAGEOUT finds less to do, there is no O_DIRECT, and all else is the same. */
		bool swap;

		make_plan(seed);
		swap = disk && plan_swaps(&plan);
		if (swap)
			swap_start();
		/* Before it runs: if the kernel dies, this is the last line. */
		printf("# replay: make check T=random SEED=%u\n", seed);
		if (run_plan(&plan, out))
			report_failure(out);
		if (swap)
			swap_stop();
		ops += atomic_load(&out->done);
		rounds++;
		seed += !only;
	} while (now_ms() < end);
	printf("# random: %lu rounds, %lu operations, %.0f a second, seeds %u to %u\n", rounds, ops,
	       (double)ops * 1e3 / (now_ms() - start), (unsigned int)(seed - (only ? 0 : rounds)),
	       seed - !only);
}
END_TEST

int main(int argc, char **argv)
{
	/* A list of operations is long for a reason of a test. */
	setenv("CK_MAX_MSG_SIZE", "32768", 1);
	suite_begin("random", argc, argv);
	suite_modes("ptrace/1 seccomp/2");
	suite_add_slow(random_operations, (int)(strtoul(getenv("RANDOM_SECONDS") ? getenv("RANDOM_SECONDS") : "0", NULL, 10) +
						SECONDS + SHRINK_SECONDS + ROUND_SECONDS));
	return suite_end();
}
