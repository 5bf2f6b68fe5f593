// SPDX-License-Identifier: GPL-2.0
/*
 * Carries the program's streams between its pipes and the serial line until it
 * has ended and all that it wrote has been sent.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

#define CHUNK (PROTO_PAYLOAD - 1)

struct relay {
	struct program *program;
	/* stdin that the program has not taken: pending_len bytes from pending_at on */
	uint8_t pending[PROTO_STDIN_BUFFER + PROTO_MAIL_MAX];
	size_t pending_at, pending_len;
	bool mail_owed;			/* PROTO_TAKEN is to be sent when there is room for the next */
	uint32_t owed;			/* bytes read off the line, credit not given yet */
	bool in_eof;			/* umrun has no more stdin */
	uint32_t credit[PROTO_STREAMS];	/* bytes that umrun still takes */
	bool ended;
	int status;
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int *stream_fd(struct program *p, enum proto_stream s)
{
	return s == PROTO_STDIN ? &p->in : s == PROTO_STDOUT ? &p->out : &p->err;
}

/* A pty's master is the input as well. */
static void close_output(struct program *p, enum proto_stream s)
{
	if (p->tty && s == PROTO_STDOUT)
		p->in = -1;
	close_fd(stream_fd(p, s));
}

/* The program's end of stdin is gone, or all has been given to it. */
static void close_stdin(struct relay *r, bool tell)
{
	if (r->program->in < 0)
		return;
	if (tell)
		channel_send_stream(PROTO_CLOSED, PROTO_STDIN, NULL, 0);
	if (r->program->tty)
		r->program->in = -1;	/* the same pty as out */
	else
		close_fd(&r->program->in);
	r->pending_len = 0;
}

/* Credit for more only while it would fit, whatever the program takes. */
static void give_credit(struct relay *r)
{
	if (r->mail_owed && r->pending_len <= PROTO_STDIN_BUFFER) {
		channel_send(PROTO_TAKEN, NULL, 0);
		r->mail_owed = false;
	}
	if (!r->owed || r->pending_len + PROTO_LINE_WINDOW > PROTO_STDIN_BUFFER)
		return;
	channel_send_stream(PROTO_CREDIT, PROTO_STDIN, &r->owed, sizeof(r->owed));
	r->owed = 0;
}

static void feed_stdin(struct relay *r)
{
	ssize_t n = 0;

	if (r->pending_len && r->program->in >= 0)
		n = write(r->program->in, r->pending + r->pending_at, r->pending_len);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		close_stdin(r, true);
		return;
	}
	if (n > 0) {
		r->pending_len -= n;
		r->pending_at = r->pending_len ? r->pending_at + n : 0;
	}
	give_credit(r);
	/* A terminal's end of file is a character that the user types. */
	if (!r->pending_len && r->in_eof && !r->program->tty)
		close_stdin(r, false);
}

/* Room for more behind what is pending. */
static uint8_t *pending_end(struct relay *r, size_t *room)
{
	memmove(r->pending, r->pending + r->pending_at, r->pending_len);
	r->pending_at = 0;
	*room = sizeof(r->pending) - r->pending_len;
	return r->pending + r->pending_len;
}

static void take_stdin(struct relay *r, const uint8_t *data, size_t len)
{
	uint8_t *end;
	size_t room;

	if (r->program->in < 0)
		return;
	end = pending_end(r, &room);
	if (len > room)
		len = room;	/* beyond its credit: umrun never does */
	memcpy(end, data, len);
	r->pending_len += len;
	feed_stdin(r);
}

static void take_mail(struct relay *r, const struct proto_frame *f)
{
	uint32_t mail[2];	/* number, length */
	uint8_t *end;
	size_t room;

	memcpy(mail, f->payload, sizeof(mail));
	end = pending_end(r, &room);
	r->pending_len += mailbox_take(mail[0], end, mail[1] < room ? mail[1] : room);
	if (r->program->in < 0)
		r->pending_len = 0;
	r->mail_owed = true;
	feed_stdin(r);
}

static void take_stream_frame(struct relay *r, const struct proto_frame *f)
{
	enum proto_stream s = f->payload[0];
	uint32_t more;

	if (!f->head.len || s >= PROTO_STREAMS)
		return;
	switch (f->head.type) {
	case PROTO_DATA:
		r->owed += sizeof(f->head) + f->head.len;
		take_stdin(r, f->payload + 1, f->head.len - 1);
		break;
	case PROTO_EOF:
		r->in_eof = true;
		feed_stdin(r);
		break;
	case PROTO_CLOSED:
		close_output(r->program, s);
		break;
	case PROTO_CREDIT:
		memcpy(&more, f->payload + 1, sizeof(more));
		r->credit[s] += more;
		break;
	}
}

static void take_frame(struct relay *r, const struct proto_frame *f)
{
	uint16_t size[2];
	int32_t sig;

	switch (f->head.type) {
	case PROTO_SIGNAL:
		memcpy(&sig, f->payload, sizeof(sig));
		if (!r->ended)
			program_signal(r->program, sig);
		channel_send(PROTO_SIGNALLED, NULL, 0);
		break;
	case PROTO_MAIL:
		take_mail(r, f);
		break;
	case PROTO_WINSIZE:
		memcpy(size, f->payload, sizeof(size));
		program_winsize(r->program, size[0], size[1]);
		break;
	default:
		take_stream_frame(r, f);
	}
}

static void send_output(struct relay *r, enum proto_stream s)
{
	uint8_t buf[CHUNK];
	int *fd = stream_fd(r->program, s);
	size_t want = r->credit[s] < CHUNK ? r->credit[s] : CHUNK;
	ssize_t n = read(*fd, buf, want);

	if (n > 0) {
		channel_send_stream(PROTO_DATA, s, buf, n);
		r->credit[s] -= n;
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		/* EIO is how a pty says that nobody has it open any more. */
		close_output(r->program, s);
	}
}

/* Orphans of the program are reaped as they end. When it ends itself they are
 * killed, so that its pipes come to an end too. */
static void reap(struct relay *r)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != r->program->pid)
			continue;
		r->ended = true;
		r->status = status;
		channel_send(PROTO_ENDED, NULL, 0);
		close_stdin(r, false);
		close_fd(&r->program->slave);
		kill(-1, SIGKILL);
	}
}

static int child_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		die("signalfd", "SIGCHLD");
	return fd;
}

static void relay_once(struct relay *r, int children)
{
	struct program *p = r->program;
	struct signalfd_siginfo si;
	struct proto_frame f;
	struct pollfd fds[5] = {
		{ channel_fd(), POLLIN, 0 },
		{ children, POLLIN, 0 },
		{ r->credit[PROTO_STDOUT] ? p->out : -1, POLLIN, 0 },
		{ r->credit[PROTO_STDERR] ? p->err : -1, POLLIN, 0 },
		{ r->pending_len ? p->in : -1, POLLOUT, 0 },
	};

	if (poll(fds, 5, -1) < 0 && errno != EINTR)
		die("poll", "the program's streams");
	if (fds[0].revents) {
		channel_fill();
		while (channel_next(&f))
			take_frame(r, &f);
	}
	if (fds[1].revents)
		while (read(children, &si, sizeof(si)) > 0)
			;
	reap(r);
	if (fds[2].revents && p->out >= 0)
		send_output(r, PROTO_STDOUT);
	if (fds[3].revents && p->err >= 0)
		send_output(r, PROTO_STDERR);
	if (fds[4].revents && p->in >= 0)
		feed_stdin(r);
}

/*
 * relay - carry the program's streams until it has ended and is drained
 * @p: the program; its descriptors are closed on return
 * Returns its wait status.
 */
int relay(struct program *p)
{
	static struct relay r;
	int children = child_signals();

	r.program = p;
	r.credit[PROTO_STDOUT] = r.credit[PROTO_STDERR] = PROTO_WINDOW_OUT;
	reap(&r);
	while (!r.ended || p->out >= 0 || p->err >= 0)
		relay_once(&r, children);
	close(children);
	return r.status;
}

/* relay_wait_poweroff - wait until umrun has looked at the kernel */
void relay_wait_poweroff(void)
{
	struct proto_frame f;

	channel_raw();	/* the program may have set the line otherwise */
	for (;;) {
		while (channel_next(&f))
			if (f.head.type == PROTO_POWEROFF)
				return;
		channel_fill();
	}
}
