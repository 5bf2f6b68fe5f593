// SPDX-License-Identifier: GPL-2.0
/*
 * --attach: gdb on a kernel that runs already, under another umrun. gdb joins the user and PID
 * namespace of the kernel's process, so that it may trace it and calls the processes of the
 * guest by the numbers that UML knows, and keeps the host's files.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../rootfs/signals.h"
#include "umrun.h"

#define GRACE_MS 1000		/* that gdb has to end when it is told */
#define STOP_MS 3000		/* that it has to stop the kernel before */
#define LOOK_MS 20		/* between two looks at that */
#define STILL 10		/* looks in which the kernel stands: that is no breakpoint that goes on */

static char *age(double seconds)
{
	long s = seconds < 0 ? 0 : (long)seconds;

	if (s < 60)
		return format("%ld s", s);
	if (s < 3600)
		return format("%ld min", s / 60);
	return format("%ld h %ld min", s / 3600, s / 60 % 60);
}

static void print_runs(const struct run *runs, size_t len)
{
	fprintf(stderr, "%8s  %-12s %-50s %s\n", "PID", "AGE", "KERNEL", "PROGRAM");
	for (size_t i = 0; i < len; i++) {
		char *since = age(now() - runs[i].start);

		fprintf(stderr, "%8d  %-12s %-50s %.200s\n", runs[i].umrun, since, runs[i].kernel, runs[i].program);
		free(since);
	}
}

static const struct run *choose(const struct options *o, const struct run *runs, size_t len)
{
	char *number = format("%d", o->attach_pid);

	for (size_t i = 0; o->attach_pid && i < len; i++)
		if (runs[i].umrun == o->attach_pid || runs[i].pid == o->attach_pid)
			return &runs[i];
	if (o->attach_pid && len)
		print_runs(runs, len);
	if (o->attach_pid)
		fail("--attach", number, "no umrun of yours; %s", len ? "these are" : "none is running");
	free(number);
	if (!len)
		fail("--attach", "none", "no umrun of yours is running; start one, such as 'make shell F=debug'");
	if (len > 1) {
		print_runs(runs, len);
		fail("--attach", "which?", "several are running; say --attach=PID, or make attach PID=...");
	}
	return &runs[0];
}

/* Ends umrun when that run can't be attached to, with the reason that gdb would not know. */
static void check_run(const struct run *run)
{
	char *number = format("%d", run->umrun);
	pid_t tracer;

	if (run->gdb)
		fail("--attach", number, "it runs under a gdb of its own");
	if (!run->pid || proc_number(run->pid, "NSpid") <= 0)
		fail("--attach", number, "its kernel has %s", run->pid ? "ended" : "not started yet; try again");
	tracer = proc_number(run->pid, "TracerPid");
	if (tracer == run->umrun)
		fail("--attach", number, "its kernel is powering off, and umrun watches that");
	if (tracer > 0)
		fail("--attach", number, "another debugger is attached: process %d (%s)", tracer, proc_name(tracer));
	free(number);
}

/* In the namespaces of that process; the PID namespace is for children only. */
static void enter(const struct run *run)
{
	static const struct { const char *name; int kind; } spaces[] = {
		{ "user", CLONE_NEWUSER }, { "pid", CLONE_NEWPID },
	};
	int fds[2];

	for (int i = 0; i < 2; i++) {
		char *path = format("/proc/%d/ns/%s", run->pid, spaces[i].name);

		fds[i] = open(path, O_RDONLY | O_CLOEXEC);
		if (fds[i] < 0)
			fail("--attach", path, "%s", strerror(errno));
		free(path);
	}
	for (int i = 0; i < 2; i++) {
		if (setns(fds[i], spaces[i].kind))
			fail("--attach", "setns", "%s namespace: %s", spaces[i].name, strerror(errno));
		close(fds[i]);
	}
}

/* gdb's symbols: the file that was booted, also when it has been built anew since. */
static char *symbol_file(const struct run *run, long inside)
{
	char *exe = format("/proc/%d/exe", run->pid);
	struct stat booted, there;
	bool same = !stat(exe, &booted) && !stat(run->kernel, &there) &&
		    booted.st_dev == there.st_dev && booted.st_ino == there.st_ino;

	free(exe);
	if (same)
		return must(strdup(run->kernel));
	notice("%s is not the file that was booted; symbols come from that, source lines may be off", run->kernel);
	return format("/proc/%ld/exe", inside);
}

/*
 * Have gdb stop the kernel, as Ctrl-C does. A gdb that is told to end while the kernel runs may leave
 * a breakpoint's trap behind, which is a panic.
 */
static void stop_kernel(pid_t gdb, pid_t kernel, struct pollfd *end)
{
	int still = 0;

	kill(gdb, SIGINT);
	for (int i = 0; i < STOP_MS / LOOK_MS && still < STILL; i++) {
		still = proc_state(kernel) == 't' ? still + 1 : 0;
		if (poll(end, 1, LOOK_MS) > 0)
			return;
	}
}

/* Told to end, gdb takes its breakpoints out first; killed, it would leave them in a kernel that runs. */
static _Noreturn void guard(pid_t gdb, pid_t kernel, int lifeline)
{
	struct pollfd p[] = { { lifeline, POLLIN, 0 }, { syscall(SYS_pidfd_open, gdb, 0), POLLIN, 0 } };
	int status = 0;

	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	while (p[1].fd >= 0 && poll(p, 2, -1) < 0)
		;
	if (p[0].revents) {
		stop_kernel(gdb, kernel, p + 1);
		kill(gdb, SIGTERM);
		poll(p + 1, 1, GRACE_MS);
		kill(gdb, SIGKILL);
	}
	while (waitpid(gdb, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status))
		_exit(WEXITSTATUS(status));
	notice("gdb died: %s", strsignal(WTERMSIG(status)));
	_exit(EXIT_SIGNAL + WTERMSIG(status));
}

/* gdb, and a parent that ends it when umrun is gone. */
static _Noreturn void become_gdb(const struct options *o, const struct run *run, const char *symbols,
				 long inside, int lifeline)
{
	pid_t self = getpid(), gdb;

	gdb = fork();
	if (gdb < 0)
		fail("--attach", "fork", "%s", strerror(errno));
	if (gdb)
		guard(gdb, run->pid, lifeline);
	signals_reset();
	/* A terminal that is closed tells us, and stop_kernel() comes first. */
	signal(SIGHUP, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != self)
		_exit(EXIT_UMRUN);
	debug_attach(o, symbols, run->source, inside);
}

static int lifeline[2];		/* guard() sees that we are gone */

static void let_go(int sig)
{
	int end = lifeline[1];

	(void)sig;
	lifeline[1] = -1;
	if (end >= 0)
		close(end);
}

/* A terminal's Ctrl-C is gdb's alone; what ends us ends gdb. */
static void set_signals(void)
{
	static const int ignored[] = { SIGINT, SIGQUIT, SIGTSTP, SIGTTOU, SIGTTIN };

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGTERM, let_go);
	signal(SIGHUP, let_go);
}

/*
 * attach - run gdb on the kernel of another umrun
 * Returns the exit status: gdb's.
 */
int attach(const struct options *o)
{
	struct run *runs;
	size_t len = announce_find(&runs);
	const struct run *run = choose(o, runs, len);
	long inside;
	int status;
	char *symbols;
	pid_t child;

	check_run(run);
	debug_check();
	inside = proc_number(run->pid, "NSpid");
	symbols = symbol_file(run, inside);
	terminal_save();
	if (pipe2(lifeline, O_CLOEXEC))
		fail("--attach", "pipe", "%s", strerror(errno));
	announce_debugger(run);
	enter(run);
	set_signals();
	fflush(NULL);
	child = fork();
	if (child < 0)
		fail("--attach", "fork", "%s", strerror(errno));
	if (!child) {
		close(lifeline[1]);
		become_gdb(o, run, symbols, inside, lifeline[0]);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	debug_done();
	terminal_restore();
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	notice("the run was ended, and gdb with it");
	return EXIT_SIGNAL + WTERMSIG(status);
}
