// SPDX-License-Identifier: GPL-2.0
/*
 * The namespaces that the kernel runs in: user, PID, IPC, UTS and network, all
 * new. PID 1 of the PID namespace is a small supervisor of ours that dies with
 * umrun, and the host kills whatever is in a PID namespace whose PID 1 ended:
 * nothing survives umrun, not even its SIGKILL.
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
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../rootfs/signals.h"
#include "umrun.h"

/* One message on the report socket. The kernel adds the sender's PID as umrun sees it. */
struct report {
	enum jail_news news;
	int status;		/* JAIL_ENDED: wait status; JAIL_FAILED: errno */
	char what[64], value[256];	/* JAIL_FAILED */
};

static void send_report(int fd, const struct report *r)
{
	while (send(fd, r, sizeof(*r), MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

/*
 * jail_report_error - tell umrun which step failed with this errno, and end
 * @report: the socket
 * @what, @value: as in fail()
 */
void jail_report_error(int report, const char *what, const char *value)
{
	struct report r = { .news = JAIL_FAILED, .status = errno };

	snprintf(r.what, sizeof(r.what), "%s", what);
	snprintf(r.value, sizeof(r.value), "%s", value);
	send_report(report, &r);
	_exit(EXIT_UMRUN);
}

/* jail_report_start - tell umrun that the sender becomes the kernel now */
void jail_report_start(int report)
{
	struct report r = { .news = JAIL_KERNEL };

	send_report(report, &r);
}

/* Waits for the kernel and buries what it left. Then it waits for its own end by jail_kill(), and
 * everything else goes with it: umrun knows whether somebody's gdb is in here. */
static _Noreturn void supervise(pid_t kernel, int report)
{
	struct report r = { .news = JAIL_ENDED };
	int status;
	pid_t pid;

	while ((pid = wait(&status)) > 0 || errno == EINTR) {
		if (pid != kernel)
			continue;
		r.status = status;
		send_report(report, &r);
		for (;;)
			pause();
	}
	_exit(EXIT_UMRUN);
}

/* Dies with umrun, also when umrun died before this ran: then the pipe has no writer. */
static void tie_to_parent(int lifeline)
{
	struct pollfd p = { lifeline, POLLIN, 0 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (poll(&p, 1, 0) > 0)
		_exit(EXIT_UMRUN);
}

/* The descriptors that cross from umrun into the jail. */
struct wires {
	int channel[2], log[2], report[2];	/* [0] umrun's, [1] the jail's */
	int go[2];		/* umrun writes to [1] once the user ids are mapped; its end is the lifeline */
};

static struct wires make_wires(void)
{
	struct wires w;
	int on = 1;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, w.channel) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, w.report) ||
	    pipe2(w.log, O_CLOEXEC) || pipe2(w.go, O_CLOEXEC))
		fail("sockets", "the kernel's lines", "%s", strerror(errno));
	setsockopt(w.report[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	return w;
}

/* PID 1 of the namespace: waits until its ids are mapped, starts the kernel or
 * the debugger that will start it, and supervises that. */
static _Noreturn void run_inside(const struct cell *c, const struct wires *w, char **argv,
				 jail_enter *enter)
{
	char go;
	pid_t pid;

	signals_reset();
	close(w->go[1]);
	if (read(w->go[0], &go, 1) != 1)
		_exit(EXIT_UMRUN);
	tie_to_parent(w->go[0]);
	place_stay(c->cpu);
	pid = fork();
	if (pid < 0)
		jail_report_error(c->report, "fork", "the kernel");
	if (!pid)
		enter(c, argv);
	close(c->channel);
	close(c->log);
	supervise(pid, c->report);
}

static bool try_map(pid_t pid, const char *file, const char *text)
{
	char *path = format("/proc/%d/%s", pid, file);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool written = fd >= 0 && write(fd, text, strlen(text)) >= 0;

	if (fd >= 0)
		close(fd);
	free(path);
	return written;
}

static void write_map(pid_t pid, const char *file, const char *text)
{
	if (!try_map(pid, file, text))
		fail("user namespace", file, "%s; 'umrun --doctor' tells what this host allows",
		     strerror(errno));
}

/* The ids that exist here, each mapped to itself. */
static bool map_all(pid_t pid, const char *file)
{
	char *path = format("/proc/self/%s", file), *text;
	unsigned int inner, outer, count;
	FILE *f = fopen(path, "re"), *lines;
	bool written;
	size_t len;

	if (!f)
		fail("user namespace", path, "%s", strerror(errno));
	lines = must(open_memstream(&text, &len));
	while (fscanf(f, "%u %u %u", &inner, &outer, &count) == 3)
		fprintf(lines, "%u %u %u\n", inner, inner, count);
	fclose(f);
	fclose(lines);
	written = try_map(pid, file, text);
	free(text);
	free(path);
	return written;
}

/* Root maps every id, so that the guest's root can act on a share as root does;
 * anybody else, and a root without that capability (in a container), becomes
 * the guest's root with just his own id. */
static void map_ids(pid_t pid)
{
	char *text;

	if (geteuid() == 0 && map_all(pid, "uid_map")) {
		if (!map_all(pid, "gid_map"))
			fail("user namespace", "gid_map", "%s", strerror(errno));
		return;
	}
	write_map(pid, "setgroups", "deny");
	text = format("0 %u 1", geteuid());
	write_map(pid, "uid_map", text);
	free(text);
	text = format("0 %u 1", getegid());
	write_map(pid, "gid_map", text);
	free(text);
}

/*
 * jail_start - start the kernel in namespaces of its own
 * @o: memory and shares
 * @k: the kernel
 * @args: its command line
 * @image: descriptor of the initramfs
 * @enter: what becomes the kernel: root_enter(), or debug_enter()
 * Returns at once; jail_news() tells what becomes of it. Ends umrun when the
 * host has no such namespaces for us.
 */
struct jail jail_start(const struct options *o, const struct kernel *k,
		       const struct strings *args, int image, jail_enter *enter)
{
	int flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET;
	struct wires w = make_wires();
	struct cell c = {
		.mem = o->mem, .disk = o->disk, .kernel = k->file, .image = image,
		.share = o->share ? must(realpath(o->share, NULL)) : "",
		.share_ro = o->share_ro ? must(realpath(o->share_ro, NULL)) : "",
		.channel = w.channel[1], .log = w.log[1], .report = w.report[1],
		.cpu = place_take(o),
	};
	struct jail j = { .channel = w.channel[0], .log = w.log[0], .report = w.report[0] };

	fflush(NULL);
	j.init = syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
	if (j.init < 0) {
		int error = errno;

		limits_end(NULL);
		fail("namespaces", "clone", "%s; 'umrun --doctor' tells what this host allows",
		     strerror(error));
	}
	if (!j.init)
		run_inside(&c, &w, args->list, enter);
	close(w.channel[1]);
	close(w.log[1]);
	close(w.report[1]);
	close(w.go[0]);
	map_ids(j.init);
	if (write(w.go[1], "", 1) != 1)
		fail("namespaces", "start", "%s", strerror(errno));
	/* w.go[1] stays open: it is the lifeline. */
	return j;
}

/*
 * jail_news - the next message about the kernel, without waiting
 * @j: its kernel's PID is filled in on JAIL_KERNEL
 * @status: set to UML's wait status on JAIL_ENDED
 * Ends umrun when a step inside failed.
 */
enum jail_news jail_news(struct jail *j, int *status)
{
	char control[CMSG_SPACE(sizeof(struct ucred))];
	struct report r = { .news = JAIL_NONE };
	struct iovec iov = { &r, sizeof(r) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
			    .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *h;
	struct ucred who;

	if (recvmsg(j->report, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < (ssize_t)sizeof(r))
		return JAIL_NONE;
	if (r.news == JAIL_FAILED) {
		jail_kill(j);
		fail(r.what, r.value, "%s; 'umrun --doctor' tells what this host allows",
		     strerror(r.status));
	}
	for (h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
		if (h->cmsg_type != SCM_CREDENTIALS || r.news != JAIL_KERNEL)
			continue;
		memcpy(&who, CMSG_DATA(h), sizeof(who));
		j->kernel = who.pid;
	}
	*status = r.status;
	return r.news;
}

/*
 * jail_kill - end everything in the jail, and wait until it has
 * The namespace is not gone before its traced processes (watch.c) were waited for.
 */
void jail_kill(struct jail *j)
{
	int status;
	pid_t pid;

	if (j->init <= 0)
		return;
	kill(j->init, SIGKILL);
	while ((pid = waitpid(-1, &status, __WALL)) != j->init) {
		if (pid < 0 && errno != EINTR)
			break;
		if (pid > 0 && WIFSTOPPED(status))
			ptrace(PTRACE_CONT, pid, 0, 0);
	}
	j->init = 0;
}
