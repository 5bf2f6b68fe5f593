// SPDX-License-Identifier: GPL-2.0
/*
 * Who decides umrun's exit status. The kernel's word is read from its memory
 * after the program and everything that it started have ended.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "umrun.h"

/* Documentation/admin-guide/tainted-kernels.rst: the bits that a complaint leaves. */
static const struct { unsigned int bit; const char *name; } bits[] = {
	{ 4, "machine check" }, { 5, "bad page, or KASAN report" }, { 7, "oops or BUG" },
	{ 9, "WARNING" }, { 14, "soft lockup" },
};

#define TAINT_WARN (1ull << 9)

/*
 * verdict_look - read from the kernel's memory whether it complained
 * @memory: from kmem_open()
 * @out: taint, locks_off, stalls and looked are filled in
 */
void verdict_look(struct outcome *out, int memory, const struct symbols *s)
{
	uint64_t addr, size, taint = 0;
	uint32_t locks = 1, stalls = 0;

	if (!symbols_find(s, "tainted_mask", &addr, &size) ||
	    !kmem_read(memory, addr, &taint, sizeof(taint)))
		return;
	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		out->taint |= taint & (1ull << bits[i].bit);
	if (symbols_find(s, "debug_locks", &addr, &size))
		kmem_read(memory, addr, &locks, sizeof(locks));
	if (symbols_find(s, "rcu_stall_count", &addr, &size))
		kmem_read(memory, addr, &stalls, sizeof(stalls));
	out->locks_off = !locks;
	out->stalls = stalls;
	out->looked = true;
}

static char *taint_names(uint64_t taint)
{
	char *text = format("taint %llu:", (unsigned long long)taint), *more;

	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		if (!(taint & (1ull << bits[i].bit)))
			continue;
		more = format("%s %s", text, bits[i].name);
		free(text);
		text = more;
	}
	return text;
}

static struct verdict by_kernel(const struct klog *log, char *why)
{
	const char *complaint = klog_complaint(log);
	char *full = complaint ? format("%s: %s", why, complaint) : format("%s", why);

	return (struct verdict){ EXIT_KERNEL, "kernel", full };
}

static bool complained(const struct outcome *out, const struct options *o, const struct klog *log)
{
	uint64_t taint = o->allow_warn ? out->taint & ~TAINT_WARN : out->taint;

	return taint || out->locks_off || out->stalls || klog_accused(log);
}

static struct verdict by_complaint(const struct outcome *out, const struct klog *log)
{
	if (out->stalls)
		return by_kernel(log, "RCU stall");
	if (out->taint && !klog_complaint(log))
		return by_kernel(log, format("%s, and no complaint in the log: did the program set it?",
					     taint_names(out->taint)));
	if (out->taint)
		return by_kernel(log, taint_names(out->taint));
	if (out->locks_off)
		return by_kernel(log, "lock debugging turned itself off after a report");
	return by_kernel(log, "the kernel complained");
}

/* The kernel ended, and PID 1 did not get as far as powering it off. */
static struct verdict by_death(const struct outcome *out, const struct klog *log)
{
	if (out->rebooted)
		return by_kernel(log, "the guest was rebooted");
	if (WIFSIGNALED(out->kernel_status))
		return by_kernel(log, format("the kernel died of signal %d (%s)%s",
					     WTERMSIG(out->kernel_status),
					     strsignal(WTERMSIG(out->kernel_status)),
					     out->hello ? "" : " during boot"));
	if (!out->hello)
		return by_kernel(log, format("the kernel ended with status %d before PID 1 ran",
					     WEXITSTATUS(out->kernel_status)));
	return by_kernel(log, format("PID 1 is gone: the guest was powered off %s (status %d)",
				     out->exited ? "too early" : "while the program ran",
				     WEXITSTATUS(out->kernel_status)));
}

static struct verdict by_program(const struct outcome *out)
{
	if (WIFSIGNALED(out->status))
		return (struct verdict){ EXIT_SIGNAL + WTERMSIG(out->status), "program",
			format("the program was killed by signal %d (%s)", WTERMSIG(out->status),
			       strsignal(WTERMSIG(out->status))) };
	return (struct verdict){ WEXITSTATUS(out->status), "program",
		format("the program ended with status %d", WEXITSTATUS(out->status)) };
}

/* Under gdb the kernel may be left anywhere: the session's status counts. */
static struct verdict by_debugger(const struct outcome *out)
{
	int status = WIFEXITED(out->kernel_status) ? WEXITSTATUS(out->kernel_status) :
		     EXIT_SIGNAL + WTERMSIG(out->kernel_status);

	return (struct verdict){ status, "gdb", format("gdb ended with status %d", status) };
}

/*
 * verdict_decide - umrun's exit status, who decided it and why
 * A kernel that complained outweighs everything but a signal to umrun.
 */
struct verdict verdict_decide(const struct outcome *out, const struct options *o,
			      const struct klog *log)
{
	if (out->stopped_by)
		return (struct verdict){ EXIT_SIGNAL + out->stopped_by, "signal",
			format("umrun was told to end by signal %d", out->stopped_by) };
	if (o->gdb)
		return by_debugger(out);
	if (complained(out, o, log))
		return by_complaint(out, log);
	if (out->report)
		return by_kernel(log, out->report);
	if (out->timed_out)
		return (struct verdict){ EXIT_TIMEOUT, "time-out",
			format("the run took longer than %g s", o->timeout) };
	if (out->stuck)
		return by_kernel(log, "the kernel did not power off");
	if (!out->done || WIFSIGNALED(out->kernel_status) || WEXITSTATUS(out->kernel_status))
		return by_death(out, log);
	if (!out->looked)
		return (struct verdict){ EXIT_UMRUN, "umrun",
			format("the kernel's memory could not be read, so there is no verdict") };
	if (out->noexec)
		return (struct verdict){ EXIT_UMRUN, "umrun",
			format("the program can't be executed: %s", strerror(out->noexec)) };
	if (out->lost)
		return (struct verdict){ EXIT_UMRUN, "umrun",
			format("its output could not be written: %s", strerror(out->lost)) };
	return by_program(out);
}
