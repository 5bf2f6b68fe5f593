// SPDX-License-Identifier: GPL-2.0
/*
 * Each test runs in a process of its own, below the one that Check forked. That one stays
 * outside: it sees what the test left in the kernel when its process is gone, and tells
 * Check in the test's name.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "internal.h"
#include "leak.h"

/* Shared by the watchers of all tests of a suite: each goes on from what the last one saw. */
static struct shared {
	struct leak_level level;	/* what the kernel holds when no test runs */
	int unsettled;			/* a watcher was killed before it had looked */
} *shared;

/* What the kernel had to complain about when the test began. */
static long tainted_before;

/* Counts when nothing is on its way through RCU, so that it makes no room for a leak. */
static void count_quiet(void)
{
	leak_hush();
	/* The first time faults in what counting needs. */
	leak_measure(&shared->level, 1);
	page_tables_quiet_kb();
	leak_measure(&shared->level, 1);
}

void outside_prepare(void)
{
	pid_t pid;
	int status = 1;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		fprintf(stderr, "suite: mmap: %s\n", strerror(errno));
		exit(2);
	}
	/* In a process like those that will count after each test. */
	pid = fork();
	if (!pid) {
		count_quiet();
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status) {
		fprintf(stderr, "suite: cannot count what the kernel holds\n");
		exit(2);
	}
}

/* Makes warnings that fire once a boot fire again, for this test to own. */
static void rearm_warnings(void)
{
	int fd = open("/sys/kernel/debug/clear_warn_once", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return; /* a kernel without debugfs still has its taint */
	require(write(fd, "1\n", 2) == 2, "clear_warn_once: cannot write: %s", strerror(errno));
	close(fd);
}

static void note_complaints(void)
{
	rearm_warnings();
	tainted_before = proc_number_only("/proc/sys/kernel/tainted");
	require(tainted_before >= 0, "/proc/sys/kernel/tainted: cannot read: is /proc mounted?");
	klog_mark();
}

static void check_complaints(void)
{
	char text[512] = "see the kernel log";
	int said = klog_complaint(text, sizeof(text));
	long tainted = proc_number_only("/proc/sys/kernel/tainted");

	require(tainted == tainted_before,
		"the kernel complained during this test: /proc/sys/kernel/tainted was %ld, is %ld: %s",
		tainted_before, tainted, text);
	/* -1 where the kernel has no lockdep */
	require(proc_number("/proc/lockdep_stats", "debug_locks") != 0,
		"lockdep reported during this test (debug_locks is 0): %s", text);
	require(!said, "the kernel complained during this test: %s", text);
}

/* Kills the children that we have. Returns their number. */
static int kill_children(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;
	int killed = 0;

	require(proc, "/proc: %s", strerror(errno));
	while ((e = readdir(proc))) {
		char file[64];

		snprintf(file, sizeof(file), "/proc/%.20s/status", e->d_name);
		if (!isdigit((unsigned char)*e->d_name) || proc_number(file, "PPid") != getpid())
			continue;
		kill((pid_t)atoi(e->d_name), SIGKILL);
		killed++;
	}
	closedir(proc);
	return killed;
}

/*
 * Waits for the processes that the test left: they became ours (PR_SET_CHILD_SUBREAPER).
 * Those that don't end by themselves in time are killed; returns how many.
 */
static int end_the_rest(int wait_ms)
{
	double end = now_ms() + wait_ms;
	int killed = 0;
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0) {
		if (pid)
			continue;
		if (now_ms() > end)
			killed += kill_children();
		usleep(2000);
	}
	return killed;
}

/* Ends as the test ended, so that Check sees it; returns when it passed. */
static void end_as(int status)
{
	if (WIFSIGNALED(status)) {
		signal(WTERMSIG(status), SIG_DFL);
		raise(WTERMSIG(status));
		_exit(2);
	}
	if (WEXITSTATUS(status))
		_exit(WEXITSTATUS(status));
}

int outside_patience_ms(void)
{
	const char *text = getenv("LEAK_WAIT_MS");

	return text ? atoi(text) : KERNEL_WAIT_MS * time_factor();
}

/* Waits for the test and judges what it left. Returns when there is nothing to say. */
static void watch(pid_t test)
{
	const int patience = outside_patience_ms();
	struct leak_level now;
	char leaks[1024];
	int status, left, leaked;

	while (waitpid(test, &status, 0) < 0)
		require(errno == EINTR, "waitpid: %s", strerror(errno));
	left = end_the_rest(status ? 0 : patience);
	leaked = leak_settle(&shared->level, &now, patience, leaks, sizeof(leaks));
	if (getenv("SHOW_LEAKS"))
		leak_print(leaked ? "LEAKED" : "after", &now);
	leak_next(&shared->level, &now, leaked);
	shared->unsettled = 0;
	end_as(status);
	check_complaints();
	require(!left, "the test left %d process(es) running", left);
	require(!leaked, "leaked: %d ms after the test there are %s", patience, leaks);
}

void outside_begin(void)
{
	pid_t test;

	note_complaints();
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (shared->unsettled)
		count_quiet();
	shared->unsettled = 1;
	test = fork();
	require(test >= 0, "fork: %s", strerror(errno));
	if (!test)
		return;
	watch(test);
	_exit(0);
}
