// SPDX-License-Identifier: GPL-2.0
/* The rooms of the workloads of powerpc's page table fragments: what each has for the others. */
#ifndef WORKLOADS_H
#define WORKLOADS_H

#define _GNU_SOURCE
#include <stddef.h>
#include <sys/types.h>
#include <unistd.h>

/* base.c */

/* What a table spans, in bytes. */
extern size_t area;

/* Says what is wrong and why (errno), and ends with status 1. */
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
long milliseconds(void);
/* fork() that can't fail. */
pid_t child(void);
/* Waits for `n` children, each of which has to be well; -1: all. */
void reap(int n);
/* A file of `areas` tables' worth in tmpfs. */
int make_file(size_t areas);
/* Maps `areas` of `fd`, -1: of nothing, where a table begins. */
char *map_aligned(int fd, size_t areas);
/* Writes a 1 to the first byte of each table's worth. */
void touch(volatile char *at, size_t areas);
/* Ends with status 1 if that byte is not `byte` everywhere. */
void expect(const volatile char *at, size_t areas, char byte, const char *when);
/* `n` bytes into a pipe, and out of one. */
void tell(int fd, int n);
void wait_for(int fd, int n);
void write_to(const char *path, const char *text);
/* The number in the line of `path` that begins with `name`, or of the first line that is one; -1: none. */
long read_number(const char *path, const char *name);

/* main.c */

#define MORE_MAX 256
/* What a workload has to add to its line of results: " KEY=VALUE" each. */
extern char more[MORE_MAX];

/* counters.c */

/* The number of page table pages now, of the whole machine. */
long exact_page_tables(void);
/* The same, once RCU has given back what was freed before. */
long settled_page_tables(void);
/* What page tables take at most between the two: KiB. */
void start_watching(void);
long stop_watching(void);
/* counters.patch; nothing in a kernel without it. */
void reset_counters(void);
void print_counters(void);

/* collapse.c */

/* Why the kernel did not collapse the last time: an errno, or 0. */
extern int collapse_error;
/* Whether the kernel made huge pages of it: MADV_COLLAPSE, or khugepaged. */
int collapse(char *at, size_t areas);
void start_khugepaged(void);
int collapse_by_khugepaged(char *at, size_t areas);
/* How many rounds collapsed. */
long collapse_loop(int processes, int rounds, size_t areas, int (*make_huge)(char *at, size_t areas));
long collapse_exit_loop(int processes, int rounds, size_t areas);

/* tables.c */

void munmap_loop(int rounds, size_t tables);
void munmap_all(int processes, int rounds, size_t tables);
/* So many children, several at a time. */
void fork_loop(int children, size_t tables);
void exec_loop(int children);

/* mix.c */

void mix(long seconds);

/* window.c: how many rounds there were. */

long race(long seconds);
long window(int rounds);

/* constraints.c */

/* From now on who asks for a page and can't wait for it gets none. */
void inject(void);
/* Ends that; returns how many were refused. */
long failed(void);
/* Does the `work` of argv in a process, and a memory control group, of its own; returns what `work` returns. */
long run_in_memcg(long (*work)(char **argv), char **argv);
/* What that group still pays, now that nobody is in it, in KiB: for page tables (looked at until it is nothing, or for 10 s), for all of the kernel's. */
long charged(void);
long kernel_charged(void);

/* reclaim.c */

void sparse(int rounds, size_t tables);
/* How often MADV_DONTNEED was called. */
long dontneed(int seconds);

#endif
