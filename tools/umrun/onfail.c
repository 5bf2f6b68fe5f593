// SPDX-License-Identifier: GPL-2.0
/*
 * --gdb-on-fail: the kernel runs under a gdb that nobody hears of until the kernel reports
 * something. gdb lives on a terminal of its own, so that it never takes the user's from the guest; when
 * it has stopped the kernel, umrun connects the two. Without a user there, gdb says what it knows
 * (gdb-scripts/on-fail.py), and ends.
 *
 * gdb's script and umrun talk over a socket: "stopped WHAT\n", answered by "terminal\n" or
 * "report\n"; after "report" all that comes is text for stderr.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "umrun.h"

#define SLOW_MS 1000		/* that a reader may take to go on */
#define SOCKET_NAME "UMLAB_ON_FAIL"	/* in gdb's environment: the number of its end */
#define TAIL_MAX 2048

static int pty = -1, pty_gdb = -1;	/* our end and gdb's */
static int news = -1, news_gdb = -1;
static int user = -1;			/* his terminal, or -1 */
static bool shown;			/* ... is connected with gdb's */
static bool heard;			/* "stopped" was read */
static char line[512];			/* that line, as far as it was read */
static size_t line_len;
static char tail[TAIL_MAX + 1];		/* gdb's last words that nobody saw */
static size_t tail_len;

/* The terminal that umrun is in the foreground of: nobody sits at another. */
static int open_terminal(void)
{
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);

	if (fd >= 0 && tcgetpgrp(fd) == getpgrp())
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* onfail_resize - gdb's terminal is as large as the user's */
void onfail_resize(void)
{
	struct winsize size = { 24, 80, 0, 0 };

	if (user >= 0)
		ioctl(user, TIOCGWINSZ, &size);
	if (pty >= 0)
		ioctl(pty, TIOCSWINSZ, &size);
}

/* onfail_prepare - make gdb's terminal, before jail_start() */
void onfail_prepare(void)
{
	int pair[2];
	char *name;

	pty = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (pty < 0 || grantpt(pty) || unlockpt(pty) || !(name = ptsname(pty)))
		fail("--gdb-on-fail", "a terminal for gdb", "%s", strerror(errno));
	pty_gdb = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (pty_gdb < 0)
		fail("--gdb-on-fail", name, "%s", strerror(errno));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		fail("--gdb-on-fail", "socketpair", "%s", strerror(errno));
	news = pair[0];
	news_gdb = pair[1];
	user = open_terminal();
	onfail_resize();
}

/* onfail_enter - in what becomes gdb: its terminal is that one */
void onfail_enter(void)
{
	char *number = format("%d", news_gdb);

	setsid();
	ioctl(pty_gdb, TIOCSCTTY, 0);
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		dup2(pty_gdb, fd);
	fcntl(news_gdb, F_SETFD, 0);
	setenv(SOCKET_NAME, number, 1);
	free(number);
}

/* onfail_begin - in umrun, once gdb has been started */
void onfail_begin(void)
{
	close(pty_gdb);
	close(news_gdb);
	pty_gdb = news_gdb = -1;
}

/* onfail_fd - what relay.c polls: the script's news, gdb's terminal, the user's keys; -1: not now */
int onfail_fd(enum onfail_source source)
{
	switch (source) {
	case ONFAIL_NEWS: return news;
	case ONFAIL_OUTPUT: return pty;
	default: return shown ? user : -1;
	}
}

static void drop(int *fd)
{
	close(*fd);
	*fd = -1;
}

/*
 * onfail_news - take what the script says; call when its descriptor is readable
 * Returns what stopped the kernel when it has, else NULL.
 */
const char *onfail_news(void)
{
	char buf[4096], *end;
	size_t room = heard ? sizeof(buf) : sizeof(line) - 1 - line_len;
	char *to = heard ? buf : line + line_len;
	ssize_t n = recv(news, to, room, MSG_DONTWAIT);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return NULL;
	if (n <= 0) {
		drop(&news);
		return NULL;
	}
	if (heard) {
		if (!shown)
			fwrite(buf, 1, n, stderr);
		return NULL;
	}
	line_len += n;
	line[line_len] = '\0';
	end = strchr(line, '\n');
	if (!end && line_len < sizeof(line) - 1)
		return NULL;
	if (end)
		*end = '\0';
	heard = true;
	return strncmp(line, "stopped ", 8) ? line : line + 8;
}

static void keep_tail(const char *buf, size_t n)
{
	if (n > TAIL_MAX) {
		buf += n - TAIL_MAX;
		n = TAIL_MAX;
	}
	if (tail_len + n > TAIL_MAX) {
		size_t less = tail_len + n - TAIL_MAX;

		memmove(tail, tail + less, tail_len - less);
		tail_len -= less;
	}
	memcpy(tail + tail_len, buf, n);
	tail_len += n;
}

/* Returns false if nobody reads any more. What a slow reader does not take within a second is lost. */
static bool write_all(int fd, const char *data, size_t len)
{
	struct pollfd p = { fd, POLLOUT, 0 };

	while (len) {
		ssize_t n = write(fd, data, len);

		if (n >= 0) {
			data += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			if (poll(&p, 1, SLOW_MS) <= 0)
				break;
		} else if (errno != EINTR) {
			return false;
		}
	}
	return true;
}

/* onfail_output - take what gdb writes; call when its terminal is readable */
void onfail_output(void)
{
	char buf[4096];
	ssize_t n = read(pty, buf, sizeof(buf));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	/* EIO: nobody has the other end any more. */
	if (n <= 0)
		drop(&pty);
	else if (!shown)
		keep_tail(buf, n);
	else if (!write_all(user, buf, (size_t)n))
		drop(&pty);
}

/* onfail_keys - pass on what the user types; call when his terminal is readable */
void onfail_keys(void)
{
	char buf[4096];
	ssize_t n = read(user, buf, sizeof(buf));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		shown = false;
		return;
	}
	if (pty >= 0 && !write_all(pty, buf, (size_t)n))
		drop(&pty);
}

static bool readable(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };

	return fd >= 0 && poll(&p, 1, 0) > 0;
}

/* onfail_has_user - is there one to whom gdb can be shown? */
bool onfail_has_user(void)
{
	return user >= 0;
}

/* onfail_answer - let gdb's script go on: it has the user, or it is to report and end */
void onfail_answer(void)
{
	const char *text = user >= 0 ? "terminal\n" : "report\n";

	/* What gdb said of itself until now. */
	while (readable(pty))
		onfail_output();
	tail_len = 0;
	if (user >= 0) {
		shown = true;
		terminal_keys(user);
	}
	if (send(news, text, strlen(text), MSG_NOSIGNAL) < 0)
		drop(&news);
}

/* onfail_end - gdb has ended */
void onfail_end(void)
{
	while (readable(pty))
		onfail_output();
	while (heard && readable(news))
		onfail_news();
	terminal_restore();
}

/* onfail_last_words - of a gdb that failed before it came to anything, on stderr */
void onfail_last_words(void)
{
	tail[tail_len] = '\0';
	if (tail_len && !heard)
		notice("gdb's last words:\n%s", tail);
}
