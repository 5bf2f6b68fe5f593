// SPDX-License-Identifier: GPL-2.0
/*
 * Where a guest hangs, or died: the stacks of its tasks, as the kernel itself prints
 * them when asked (sysrq t through UML's management console), and the stack of
 * each of its CPUs, read from outside for when it no longer listens.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "umrun.h"

#define QUIET_MS	250	/* no line for so long: the kernel has said it all */
#define PATIENCE_MS	1500
#define FRAMES_MAX	32
#define STOP_MS		200

/* arch/um/drivers/mconsole.h */
#define MCONSOLE_MAGIC		0xcafebabe
#define MCONSOLE_VERSION	2
struct mconsole_request {
	uint32_t magic, version, len;
	char data[512];
};

static bool ask_for_tasks(const struct jail *j)
{
	struct mconsole_request q = { MCONSOLE_MAGIC, MCONSOLE_VERSION, 0, "sysrq t" };
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool sent;

	q.len = strlen(q.data);
	snprintf(to.sun_path, sizeof(to.sun_path), "/proc/%d/root/uml/guest/mconsole", j->kernel);
	sent = fd >= 0 && sendto(fd, &q, sizeof(q), 0, (struct sockaddr *)&to, sizeof(to)) > 0;
	if (fd >= 0)
		close(fd);
	return sent;
}

static void listen_to_log(const struct jail *j, struct klog *log)
{
	double until = now() + PATIENCE_MS / 1000.0;
	struct pollfd p = { j->log, POLLIN, 0 };
	int wait = PATIENCE_MS;		/* on a busy host the first line may come late */

	while (now() < until && poll(&p, 1, wait) > 0 && klog_read(log, j->log))
		wait = QUIET_MS;
}

static void print_address(const struct symbols *s, uint64_t addr)
{
	char *name = symbols_caller(s, addr);

	if (name)
		fprintf(stderr, "      %s\n", name);
	else
		fprintf(stderr, "      0x%llx\n", (unsigned long long)addr);
	free(name);
}

/* The kernel is built with frame pointers: saved rbp, then the return address. */
static void walk_frames(const struct symbols *s, int memory, uint64_t rbp)
{
	uint64_t frame[2];

	for (int i = 0; i < FRAMES_MAX && rbp; i++) {
		if (!kmem_read(memory, rbp, frame, sizeof(frame)) || frame[0] <= rbp)
			break;
		print_address(s, frame[1]);
		rbp = frame[0];
	}
}

/* A thread that the host holds in the middle of something may take its time. */
static bool stops_soon(pid_t tid)
{
	struct timespec ms = { .tv_nsec = 1000 * 1000 };
	int status;

	for (int i = 0; i < STOP_MS; i++) {
		if (waitpid(tid, &status, __WALL | WNOHANG) == tid)
			return WIFSTOPPED(status);
		nanosleep(&ms, NULL);
	}
	return false;
}

static void print_cpu(const struct symbols *s, int memory, pid_t tid)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_SEIZE, tid, 0, 0))
		return;
	if (!ptrace(PTRACE_INTERRUPT, tid, 0, 0) && stops_soon(tid) &&
	    !ptrace(PTRACE_GETREGS, tid, 0, &regs)) {
		fprintf(stderr, "    host thread %d:\n", tid);
		print_address(s, regs.rip);
		walk_frames(s, memory, regs.rbp);
	}
	ptrace(PTRACE_DETACH, tid, 0, 0);
}

static void print_cpus(const struct jail *j, const struct symbols *s)
{
	char *folder = format("/proc/%d/task", j->kernel);
	int memory = kmem_open(j->kernel);
	DIR *d = opendir(folder);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (atoi(e->d_name) > 0)
			print_cpu(s, memory, atoi(e->d_name));
	if (d)
		closedir(d);
	if (memory >= 0)
		close(memory);
	free(folder);
}

/* The way into the scheduler is every sleeper's. */
static bool is_scheduler(const char *name)
{
	static const char *const common[] = { "__switch_to+", "__schedule+", "schedule+" };

	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
		if (!strncmp(name, common[i], strlen(common[i])))
			return true;
	return false;
}

/* ` f <- g <- h` of the frames from line @i on; returns the first line behind them. */
static size_t print_stack(const struct klog *log, size_t i, const struct symbols *s)
{
	const char *line, *arrow = "";
	uint64_t addr;
	bool sure;
	char *name;

	for (; (line = klog_line(log, i)) && strncmp(klog_text(line), "task:", 5); i++) {
		if (strstr(line, "Sched Debug Version"))
			break;
		if (!klog_frame(line, &addr, &sure) || !sure)
			continue;
		name = symbols_caller(s, addr);
		if (name && !is_scheduler(name)) {
			fprintf(stderr, "%s%s", arrow, name);
			arrow = " <- ";
		}
		free(name);
	}
	fputc('\n', stderr);
	return i;
}

/* The tasks in the lines from @i on, as sched_show_task() prints them. Kernel
 * threads (children of kthreadd, PID 2) that sleep are only counted. */
static void print_tasks(const struct klog *log, size_t i, const struct symbols *s)
{
	char name[32], state[4];
	int pid, parent, idle = 0;
	const char *line, *at;

	while ((line = klog_line(log, i++))) {
		if (sscanf(klog_text(line), "task:%31s state:%3s", name, state) != 2)
			continue;
		pid = (at = strstr(line, " pid:")) ? atoi(at + 5) : 0;
		parent = (at = strstr(line, " ppid:")) ? atoi(at + 6) : 0;
		if ((parent == 2 || pid == 2) && (*state == 'S' || *state == 'I')) {
			idle++;
			continue;
		}
		fprintf(stderr, "    %s (pid %d, state %s): ", name, pid, state);
		i = print_stack(log, i, s);
	}
	if (idle)
		fprintf(stderr, "    and %d sleeping kernel threads (all stacks are in the log)\n", idle);
}

/*
 * hang_explain - tell on stderr where each guest task and CPU is
 * @traced: gdb has the kernel, and will tell of the CPUs
 * Takes two seconds at the most, whatever state the guest is in.
 */
void hang_explain(const struct jail *j, struct klog *log, const struct symbols *s, bool traced)
{
	size_t from = klog_lines(log);

	if (!j->kernel)
		return;
	if (ask_for_tasks(j))
		listen_to_log(j, log);
	if (klog_lines(log) > from) {
		notice("the guest's tasks:");
		print_tasks(log, from, s);
	} else {
		notice("the guest's kernel does not answer any more (interrupts off, or not booted)");
	}
	if (traced)
		return;
	notice("its CPUs:");
	print_cpus(j, s);
}

/*
 * hang_last - tell on stderr where the kernel's first CPU was when a signal ended it
 * @kernel: the host's pid of it, in its last stop (watch_step())
 * @memory: from kmem_open()
 * For an end without a word in the log, as fatal_sigsegv() in arch/um/kernel/trap.c makes it, or
 * a panic when the consoles are closed already. The signal may be another CPU's doing.
 */
void hang_last(pid_t kernel, int memory, const struct symbols *s)
{
	struct user_regs_struct regs;
	unsigned long status;

	if (ptrace(PTRACE_GETEVENTMSG, kernel, 0, &status) || !WIFSIGNALED((int)status) ||
	    ptrace(PTRACE_GETREGS, kernel, 0, &regs))
		return;
	terminal_restore();
	notice("last stack of the kernel's first CPU:");
	print_address(s, regs.rip);
	walk_frames(s, memory, regs.rbp);
}
