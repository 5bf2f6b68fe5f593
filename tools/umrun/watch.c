// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's last moment. A program that knows the run's key (a guest's root
 * may read PID 1's memory) could report the end of the run early, and let the
 * kernel complain afterwards. So from that report on umrun traces the kernel,
 * and looks at its memory once more when it exits.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "umrun.h"

/* watch_begin - trace the kernel's process from now on; false: this host forbids it */
bool watch_begin(pid_t kernel)
{
	return !ptrace(PTRACE_SEIZE, kernel, 0, (void *)PTRACE_O_TRACEEXIT);
}

/*
 * watch_step - let the kernel go on after each of its stops; call on SIGCHLD
 * Returns true when it stopped for the last time: its memory is still there,
 * and it waits for watch_end().
 */
bool watch_step(pid_t kernel)
{
	int status, sig;

	while (waitpid(kernel, &status, __WALL | WNOHANG) == kernel && WIFSTOPPED(status)) {
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8))
			return true;
		/* A group stop has an event too; only signals are passed on. */
		sig = status >> 16 ? 0 : WSTOPSIG(status);
		ptrace(PTRACE_CONT, kernel, 0, (void *)(long)sig);
	}
	return false;
}

/* watch_end - let the kernel go from its last stop */
void watch_end(pid_t kernel)
{
	ptrace(PTRACE_CONT, kernel, 0, 0);
}
