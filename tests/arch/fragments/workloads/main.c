// SPDX-License-Identifier: GPL-2.0
/*
 * Description: what makes and frees powerpc's fragments of page table pages, and how long it takes.
 *
 *   fragments collapse PROCESSES ROUNDS AREAS       pte_free_defer(): MADV_COLLAPSE of a file that all map, then MADV_REMOVE
 *   fragments collapse-exit PROCESSES ROUNDS AREAS  the same, and each process ends right after its tables were taken
 *   fragments khugepaged PROCESSES ROUNDS AREAS     as collapse, but khugepaged does it
 *   fragments munmap PROCESSES ROUNDS TABLES        mmu_gather: tables of one page each, unmapped at once
 *   fragments fork CHILDREN TABLES                  children that have as many tables as their parent, and end
 *   fragments exec CHILDREN                         address spaces that are thrown away young
 *   fragments mix SECONDS                           all of it at once
 *   fragments race SECONDS                          pte_frag_destroy() against a hole that is punched, until it goes wrong
 *   fragments window ROUNDS                         the same with a reader that window.patch holds in the window
 *   fragments sparse ROUNDS TABLES                  PT_RECLAIM: MADV_DONTNEED of all tables but one of each 16, then two, ...
 *   fragments dontneed SECONDS                      PT_RECLAIM: MADV_DONTNEED of a table that another thread writes to
 *   fragments boot                                  nothing; its counters are those since the kernel began
 *
 * Before any of them: "inject", no page without waiting for it, and so none for mmu_gather's batches; "memcg", in a memory
 * control group of its own, from which page tables have to be gone at the end.
 *
 * Without arguments: each of those in WORKLOADS (environment; separated by ';'), in a process of its own.
 *
 * Prints a line "begin workload=...", so that a console tells where a kernel stood still; a line "result KEY=VALUE ..."
 * (milliseconds, KiB); and, where the kernel has counters (counters.patch), what they have come to, "counter NAME=VALUE" each. A
 * table spans AREA_KB (environment).
 * Exit status: 0 done, 1 the kernel refused something or one of several failed, 2 wrong usage.
 */
#include "workloads.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

char more[MORE_MAX];

static int number(char **argv, int n)
{
	char *end;
	long value;

	for (int i = 0; i <= n; i++)
		if (!argv[i]) {
			fprintf(stderr, "fragments: too few arguments\n");
			exit(2);
		}
	value = strtol(argv[n], &end, 10);
	if (*end || value < 1 || value > 1000000) {
		fprintf(stderr, "fragments: %s: not a number from 1 to 1000000\n", argv[n]);
		exit(2);
	}
	return value;
}

/* Runs the workload that argv names; returns what it has to count, -1 if nothing. */
static long run(char **argv)
{
	const char *name = argv[0];

	if (!strcmp(name, "collapse"))
		return collapse_loop(number(argv, 1), number(argv, 2), number(argv, 3), collapse);
	if (!strcmp(name, "khugepaged")) {
		start_khugepaged();
		return collapse_loop(number(argv, 1), number(argv, 2), number(argv, 3), collapse_by_khugepaged);
	}
	if (!strcmp(name, "collapse-exit"))
		return collapse_exit_loop(number(argv, 1), number(argv, 2), number(argv, 3));
	if (!strcmp(name, "munmap"))
		munmap_all(number(argv, 1), number(argv, 2), number(argv, 3));
	else if (!strcmp(name, "fork"))
		fork_loop(number(argv, 1), number(argv, 2));
	else if (!strcmp(name, "exec"))
		exec_loop(number(argv, 1));
	else if (!strcmp(name, "mix"))
		mix(number(argv, 1));
	else if (!strcmp(name, "sparse"))
		sparse(number(argv, 1), number(argv, 2));
	else if (!strcmp(name, "dontneed"))
		return dontneed(number(argv, 1));
	else if (!strcmp(name, "race"))
		return race(number(argv, 1));
	else if (!strcmp(name, "window"))
		return window(number(argv, 1));
	else if (strcmp(name, "boot")) {
		fprintf(stderr, "fragments: %s: no such workload: see the top of workloads/main.c\n", name);
		exit(2);
	}
	return -1;
}

/* "WHAT workload=NAME,ARGUMENT...", as a line's beginning. */
static void print_workload(const char *what, char **argv)
{
	printf("%s workload=%s", what, argv[0]);
	for (argv++; *argv; argv++)
		printf(",%s", *argv);
}

/* One workload, with what it takes of page tables, and the counters when it is over. */
static void measure(char **argv)
{
	int injects = !strcmp(argv[0], "inject"), in_memcg = !strcmp(argv[0], "memcg");
	long t, peak, count = -1;

	print_workload("begin", argv);
	printf("\n");
	fflush(stdout);
	if (strcmp(argv[0], "boot"))
		reset_counters();
	if (injects)
		inject();
	start_watching();
	t = milliseconds();
	if (in_memcg)
		count = run_in_memcg(run, argv + 1);
	else
		count = run(argv + injects);
	t = milliseconds() - t;
	peak = stop_watching();
	print_workload("result", argv);
	printf(" ms=%ld peak_kb=%ld count=%ld%s", t, peak, count, more);
	if (!count && collapse_error)
		fprintf(stderr, "fragments: MADV_COLLAPSE never did it: %s\n", strerror(collapse_error));
	if (injects)
		printf(" failed=%ld", failed());
	if (in_memcg)
		printf(" charged_kb=%ld kernel_kb=%ld", charged(), kernel_charged());
	printf("\n");
	print_counters();
}

/* Each of `list`; returns the exit status. */
static int measure_all(char *list)
{
	char *words[8], *work;
	int status, worst = 0;

	while ((work = strsep(&list, ";"))) {
		int n = 0;

		while (n < 7 && (words[n] = strsep(&work, " ")))
			n += *words[n] != '\0';
		words[n] = NULL;
		if (!n)
			continue;
		if (!child()) {
			measure(words);
			exit(0);
		}
		if (wait(&status) < 0 || status)
			worst = 1;
	}
	return worst;
}

int main(int argc, char **argv)
{
	const char *kib = getenv("AREA_KB");
	char *list = getenv("WORKLOADS");

	if (argc == 2 && !strcmp(argv[1], "nothing"))
		return 0;
	if (!kib || (argc < 2 && !list)) {
		fprintf(stderr, "usage: AREA_KB=N fragments WORKLOAD ARGUMENT...\n");
		return 2;
	}
	area = strtoul(kib, NULL, 10) * 1024;
	if (argc < 2)
		return measure_all(list);
	measure(argv + 1);
	return 0;
}
