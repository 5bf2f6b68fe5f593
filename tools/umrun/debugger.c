// SPDX-License-Identifier: GPL-2.0
/*
 * A debugger that somebody attached to the kernel (`umrun --attach`, or any other). What it stops
 * must not be taken for a hang, and the jail must not be ended with a gdb in it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "umrun.h"

static void meet(struct debugger *d, const struct jail *j, pid_t pid)
{
	if (d->fd >= 0)
		close(d->fd);
	d->pid = pid;
	d->fd = syscall(SYS_pidfd_open, pid, 0);
	d->inside = proc_same(pid, j->init, "ns/pid");
	if (!d->told)
		notice("a debugger is attached (process %d): no time-out as long as it is", pid);
	d->told = true;
}

static bool lives(const struct debugger *d)
{
	struct pollfd p = { d->fd, POLLIN, 0 };

	return d->fd >= 0 && poll(&p, 1, 0) == 0;
}

/*
 * A gdb that was killed takes with it the signal that it had just stopped the kernel with: perhaps
 * the tick of a CPU's clock, without which it sleeps for ever. And its own SIGSTOP may still be
 * under way. One tick too many does no harm; UML's helper threads block it.
 */
static void revive(pid_t kernel)
{
	char *folder = format("/proc/%d/task", kernel);
	DIR *d = opendir(folder);
	struct dirent *e;

	kill(kernel, SIGCONT);
	while (d && (e = readdir(d)))
		if (atoi(e->d_name) > 0)
			syscall(SYS_tgkill, kernel, atoi(e->d_name), SIGALRM);
	syscall(SYS_tgkill, kernel, kernel, SIGIO);
	if (d)
		closedir(d);
	free(folder);
}

/*
 * debugger_look - is there one now?
 * Returns the seconds since the last look if it had the kernel then or has it now, else 0.
 */
double debugger_look(struct debugger *d, const struct jail *j)
{
	pid_t tracer = proc_number(j->kernel, "TracerPid");
	double t = now(), since = t - d->looked;
	bool had = d->attached;

	/* We are one ourselves at the end: watch.c. */
	d->attached = tracer > 0 && tracer != getpid();
	d->looked = t;
	if (d->attached && tracer != d->pid)
		meet(d, j, tracer);
	if (had && !d->attached && !lives(d))
		revive(j->kernel);
	return had || d->attached ? since : 0;
}

/* debugger_stays - is one in the jail that would be ended with it? */
bool debugger_stays(struct debugger *d)
{
	pid_t other;

	if (d->inside && lives(d))
		return true;
	other = announced_debugger();
	if (!other)
		return false;
	if (d->fd >= 0)
		close(d->fd);
	d->pid = other;
	d->fd = syscall(SYS_pidfd_open, other, 0);
	return lives(d);
}
