// SPDX-License-Identifier: GPL-2.0
/* Starts the program, on pipes or on a pty, and sends it signals. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "guest.h"
#include "signals.h"

struct ends {
	int child, ours;
};

static struct ends make_pipe(bool child_reads)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC))
		die("pipe", "the program's streams");
	return child_reads ? (struct ends){ fd[0], fd[1] } : (struct ends){ fd[1], fd[0] };
}

static struct ends make_pty(const struct proto_orders *o)
{
	struct winsize size = { .ws_row = o->rows, .ws_col = o->cols };
	struct ends e;

	if (openpty(&e.ours, &e.child, NULL, NULL, &size))
		die("openpty", "the program's terminal");
	fcntl(e.ours, F_SETFD, FD_CLOEXEC);
	fcntl(e.child, F_SETFD, FD_CLOEXEC);
	return e;
}

/* execvp(), but what is no program is not taken for a shell script. */
static void execute(char **argv)
{
	char path[PATH_MAX], *list = getenv("PATH"), *part;

	if (strchr(argv[0], '/')) {
		execv(argv[0], argv);
		return;
	}
	while ((part = strsep(&list, ":"))) {
		snprintf(path, sizeof(path), "%s/%s", *part ? part : ".", argv[0]);
		if (!faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW)) {
			execv(path, argv);
			return;
		}
	}
	errno = ENOENT;
}

/* In the child: never returns. What went wrong goes down @report as an errno. */
static void become_program(const struct orders *o, int in, int out, int err, int report)
{
	setsid();
	if (o->head.tty)
		ioctl(in, TIOCSCTTY, 0);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	signals_reset();
	environ = o->envp;	/* its PATH is the one to search */
	if (!chdir("/"))
		execute(o->argv);
	if (write(report, &errno, sizeof(errno)) < 0)
		_exit(126);
	_exit(127);
}

/* The report pipe closes on exec; anything that arrives before is the exec's errno. */
static void await_exec(int report)
{
	int32_t error;

	if (read(report, &error, sizeof(error)) == sizeof(error))
		channel_send(PROTO_NOEXEC, &error, sizeof(error));
	else
		channel_send(PROTO_STARTED, NULL, 0);
	close(report);
}

/*
 * program_start - start the program in a session of its own
 * @p: set to the program and the guest's ends of its streams
 * @o: what to run, and whether on a terminal
 * Tells umrun PROTO_STARTED, or PROTO_NOEXEC with the errno.
 */
void program_start(struct program *p, const struct orders *o)
{
	struct ends in, out, err = { -1, -1 };
	int report[2];

	*p = (struct program){ .tty = o->head.tty, .slave = -1 };
	in = p->tty ? make_pty(&o->head) : make_pipe(true);
	out = p->tty ? in : make_pipe(false);
	if (p->tty && o->head.tty_stderr)
		err.child = out.child;
	else
		err = make_pipe(false);
	if (pipe2(report, O_CLOEXEC))
		die("pipe", "the program's start");
	p->pid = fork();
	if (p->pid < 0)
		die("fork", o->argv[0]);
	if (!p->pid)
		become_program(o, in.child, out.child, err.child, report[1]);
	close(report[1]);
	await_exec(report[0]);
	/* A program may close its terminal and open /dev/tty again later. */
	if (p->tty)
		p->slave = in.child;
	else
		close(in.child);
	if (out.child != in.child)
		close(out.child);
	if (err.child != out.child)
		close(err.child);
	p->in = in.ours;
	p->out = out.ours;
	p->err = err.ours;
	fcntl(p->in, F_SETFL, O_NONBLOCK);
	fcntl(p->out, F_SETFL, O_NONBLOCK);
	if (p->err >= 0)
		fcntl(p->err, F_SETFL, O_NONBLOCK);
}

/* program_signal - send @sig to the foreground group of the terminal, or to the program's own */
void program_signal(const struct program *p, int sig)
{
	pid_t group = 0;

	if (p->tty && p->out >= 0)
		group = tcgetpgrp(p->out);
	if (group <= 0)
		group = p->pid;
	kill(-group, sig);
}

/* program_winsize - the host's terminal has another size now */
void program_winsize(const struct program *p, unsigned int rows, unsigned int cols)
{
	struct winsize size = { .ws_row = rows, .ws_col = cols };

	if (p->tty && p->out >= 0)
		ioctl(p->out, TIOCSWINSZ, &size);
}
