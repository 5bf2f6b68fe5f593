// SPDX-License-Identifier: GPL-2.0
/*
 * The run itself: carries the streams, passes signals on, watches the clock,
 * and notes in struct outcome what happens. The other end is rootfs/relay.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "umrun.h"

#define SIGNAL_GRACE	1.0	/* seconds that the program has after SIGTERM or SIGHUP */
#define ANSWER_TIME	1.0	/* seconds that the guest has to answer a signal */
#define POWEROFF_TIME	10.0	/* seconds that the guest has to power off */
#define INTERRUPT	0x03	/* what Ctrl-C types */
#define WAIT_TIME	1.0	/* seconds that a gdb has to end after the kernel, before it is told */
#define HOLD_TIME	10.0	/* seconds that gdb has to stop the kernel */
#define REPORT_TIME	60.0	/* ... and to print what it sees there, without a user */
#define LOOK_TIME	1.0	/* seconds between looks for a debugger */
#define FLUSH_TIME	0.5	/* seconds to deliver what is left, after a forced end */
#define WRITE_MAX	4096	/* a pipe that polls writable takes so much without blocking (PIPE_BUF) */

#define FRAME_COST	(sizeof(struct proto_header) + 1)	/* of a data frame beside its data */

/* Bytes on their way to somebody who may be slow. */
struct queue {
	uint8_t *data;
	size_t len, room;
};

struct relay {
	struct jail *jail;
	const struct options *options;
	const struct proto_orders *orders;
	struct klog *log;
	const struct symbols *symbols;
	struct outcome *out;
	struct proto_parser parser;
	struct queue to_guest, to_user[PROTO_STREAMS];
	bool closed[PROTO_STREAMS];	/* of ours: stdin ended, nobody reads stdout */
	struct queue from_user;		/* stdin that was read and not sent */
	int mailbox;			/* the folder, or -1: not open (yet), or it failed */
	uint32_t mail;			/* number of the last piece in it */
	bool mail_out;			/* ... which the guest has not taken yet */
	size_t in_credit;		/* bytes that the line to the guest takes */
	uint32_t owed[PROTO_STREAMS];	/* bytes given to the user, credit not sent yet */
	double in_sent;			/* when the oldest byte it has not taken was sent */
	int signals;			/* signalfd */
	int memory;			/* the kernel's */
	bool channel_open, log_open;
	bool interrupted;		/* SIGINT or SIGQUIT was passed on */
	bool watching;			/* watch_begin() */
	struct debugger debugger;	/* that somebody attached */
	bool waiting;			/* all is over but for that one's own end */
	double wait_told_at;		/* ... which is said then; 0: it was */
	bool held;			/* gdb of --gdb-on-fail has stopped the kernel */
	double start, deadline;		/* the time-out; 0: none */
	double answer_by;		/* a signal must be answered; 0: none under way */
	double stop_at;			/* the run ends then, whatever happens; 0: not asked */
	double give_up_at;		/* what the user's side has not taken by then is lost; 0: never */
};

static void queue_add(struct queue *q, const void *data, size_t len)
{
	if (q->len + len > q->room) {
		q->room = (q->len + len) * 2;
		q->data = must(realloc(q->data, q->room));
	}
	memcpy(q->data + q->len, data, len);
	q->len += len;
}

static void queue_drop(struct queue *q, size_t len)
{
	memmove(q->data, q->data + len, q->len - len);
	q->len -= len;
}

static void tell(struct relay *r, enum proto_type type, const void *payload, size_t len)
{
	struct proto_frame f;

	queue_add(&r->to_guest, &f, proto_build(&f, r->orders->key, type, payload, len));
}

static void tell_stream(struct relay *r, enum proto_type type, enum proto_stream s,
			const void *data, size_t len)
{
	struct proto_frame f;

	queue_add(&r->to_guest, &f, proto_build_stream(&f, r->orders->key, type, s, data, len));
}

static bool user_waits(const struct relay *r, enum proto_stream s)
{
	return r->to_user[s].len && !r->closed[s];
}

static bool guest_runs(const struct relay *r)
{
	return r->channel_open && !r->out->kernel_ended;
}

static bool under_gdb(const struct relay *r)
{
	return r->options->gdb || r->options->on_fail;
}

static void stop(struct relay *r, int sig)
{
	r->out->stopped_by = sig;
	r->stop_at = now();
}

/* --gdb-on-fail: have gdb stop the kernel where it is now; false: there is nobody to look at it. */
static bool hold(struct relay *r)
{
	if (!r->options->on_fail || r->held || !r->jail->kernel || !guest_runs(r) ||
	    kill(r->jail->kernel, SIGINT))
		return false;
	/* If not even that helps. */
	r->stop_at = now() + HOLD_TIME;
	return true;
}

/* A guest that takes no signal any more: somebody may want to see why. */
static void stop_or_hold(struct relay *r, int sig)
{
	if (onfail_has_user() && hold(r))
		r->out->stopped_by = sig;
	else
		stop(r, sig);
}

/* ---- streams ---- */

/* A user who types Ctrl-C at a guest that takes no input any more wants out. */
static bool wants_out(const struct relay *r, const uint8_t *data, size_t len)
{
	return r->orders->tty && memchr(data, INTERRUPT, len) &&
	       r->in_credit < PROTO_LINE_WINDOW && now() - r->in_sent > 2 * ANSWER_TIME;
}

static void read_stdin(struct relay *r)
{
	uint8_t buf[PROTO_MAIL_MAX];
	ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		r->closed[PROTO_STDIN] = true;
		tell_stream(r, PROTO_EOF, PROTO_STDIN, NULL, 0);
		return;
	}
	if (wants_out(r, buf, n))
		stop_or_hold(r, SIGINT);
	queue_add(&r->from_user, buf, n);
}

/* Puts all that was read into the mailbox; when that fails the line has to do. */
static bool send_mail(struct relay *r)
{
	uint32_t mail[2] = { r->mail + 1, r->from_user.len };
	char name[16];
	ssize_t n;
	int fd;

	snprintf(name, sizeof(name), "%u", mail[0]);
	fd = openat(r->mailbox, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	n = fd < 0 ? -1 : write(fd, r->from_user.data, r->from_user.len);
	if (fd >= 0)
		close(fd);
	if (n != (ssize_t)r->from_user.len) {
		unlinkat(r->mailbox, name, 0);
		close(r->mailbox);
		r->mailbox = -1;
		return false;
	}
	r->from_user.len = 0;
	r->mail = mail[0];
	r->mail_out = true;
	tell(r, PROTO_MAIL, mail, sizeof(mail));
	return true;
}

static void send_stdin(struct relay *r)
{
	size_t len;

	if (r->mail_out || !r->channel_open)
		return;
	if (r->from_user.len >= PROTO_MAIL_MIN && r->mailbox >= 0 && send_mail(r))
		return;
	while (r->from_user.len && r->in_credit > FRAME_COST) {
		len = r->in_credit - FRAME_COST;
		if (len > r->from_user.len)
			len = r->from_user.len;
		if (r->in_credit == PROTO_LINE_WINDOW)
			r->in_sent = now();
		r->in_credit -= len + FRAME_COST;
		tell_stream(r, PROTO_DATA, PROTO_STDIN, r->from_user.data, len);
		queue_drop(&r->from_user, len);
	}
}

/* Where a stream of the program's goes. An editor that talks to gdb on stdout must not find its output
 * in the middle of a record of gdb's. */
static int user_fd(const struct relay *r, enum proto_stream s)
{
	return s == PROTO_STDOUT && r->options->gdb_machine ? STDERR_FILENO : (int)s;
}

static void write_user(struct relay *r, enum proto_stream s)
{
	struct queue *q = &r->to_user[s];
	size_t want = q->len < WRITE_MAX ? q->len : WRITE_MAX;
	ssize_t n = write(user_fd(r, s), q->data, want);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n < 0) {
		/* As the program's own write would have met it: SIGPIPE. */
		if (errno != EPIPE) {
			r->out->lost = errno;
			notice("%s: write: %s; the rest of it is lost",
			       s == PROTO_STDOUT ? "stdout" : "stderr", strerror(errno));
		}
		r->closed[s] = true;
		q->len = 0;
		tell_stream(r, PROTO_CLOSED, s, NULL, 0);
		return;
	}
	if (n > 0 && isatty(user_fd(r, s)))
		mid_line(q->data[n - 1] != '\n');
	queue_drop(q, n);
	r->owed[s] += n;
	if (r->owed[s] >= PROTO_CREDIT_STEP) {
		tell_stream(r, PROTO_CREDIT, s, &r->owed[s], sizeof(r->owed[s]));
		r->owed[s] = 0;
	}
}

/* ---- frames ---- */

static void open_mailbox(struct relay *r)
{
	char *path = format("/proc/%d/root" PROTO_MAILBOX, r->jail->kernel);

	r->mailbox = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(path);
}

static void take_news(struct relay *r);

static void hello(struct relay *r)
{
	/* On a busy host it may say hello before we have read from the jail which process it is. */
	if (!r->jail->kernel)
		take_news(r);
	if (r->out->hello && !r->options->gdb && !r->held) {
		r->out->rebooted = true;
		r->stop_at = now();
		return;
	}
	/* In gdb, `run` boots it again. */
	r->out->started = r->out->exited = r->out->done = false;
	if (r->memory >= 0)
		close(r->memory);
	r->out->hello = true;
	r->out->t_hello = now() - r->start;
	r->memory = kmem_open(r->jail->kernel);
	/* It may have died since; but one that lives must be readable. */
	if (r->memory < 0 && errno != ESRCH && errno != ENOENT)
		fail("kernel memory", "/proc/PID/mem", "%s; a verdict needs it: 'umrun --doctor'",
		     strerror(errno));
	klog_attach(r->log, r->memory, r->symbols);
	open_mailbox(r);
}

static void stream_frame(struct relay *r, const struct proto_frame *f)
{
	enum proto_stream s = f->payload[0];
	uint32_t more;

	if (!f->head.len || s >= PROTO_STREAMS)
		return;
	switch (f->head.type) {
	case PROTO_DATA:
		if (s != PROTO_STDIN && !r->closed[s])
			queue_add(&r->to_user[s], f->payload + 1, f->head.len - 1);
		break;
	case PROTO_CLOSED:
		r->closed[s] = true;
		break;
	case PROTO_CREDIT:
		memcpy(&more, f->payload + 1, sizeof(more));
		r->in_credit += more;
		r->in_sent = now();
		break;
	}
}

static void watch(struct relay *r);

static void take_frame(struct relay *r, const struct proto_frame *f)
{
	switch (f->head.type) {
	case PROTO_HELLO:
		hello(r);
		break;
	case PROTO_STARTED:
		r->out->started = true;
		break;
	case PROTO_NOEXEC:
		memcpy(&r->out->noexec, f->payload, sizeof(int32_t));
		break;
	case PROTO_ENDED:
		r->out->ended = true;
		/* A user who wanted the end does not wait for a reader that is stuck. */
		if (r->interrupted)
			r->give_up_at = now() + FLUSH_TIME;
		break;
	case PROTO_EXIT:
		memcpy(&r->out->status, f->payload, sizeof(int32_t));
		r->out->exited = true;
		r->out->t_exit = now() - r->start;
		break;
	case PROTO_DONE:
		verdict_look(r->out, r->memory, r->symbols);
		r->out->done = true;
		if (!r->options->gdb && !r->held)
			r->deadline = now() + POWEROFF_TIME;
		if (!under_gdb(r))
			watch(r);
		tell(r, PROTO_POWEROFF, NULL, 0);
		break;
	case PROTO_SIGNALLED:
		r->answer_by = 0;
		break;
	case PROTO_TAKEN:
		r->mail_out = false;
		break;
	default:
		stream_frame(r, f);
	}
}

static void read_channel(struct relay *r)
{
	struct proto_frame f;
	uint8_t *where;
	size_t room = proto_room(&r->parser, &where);
	ssize_t n = recv(r->jail->channel, where, room, MSG_DONTWAIT);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		r->channel_open = false;
		return;
	}
	r->parser.have += n;
	while (proto_next(&r->parser, &f))
		take_frame(r, &f);
}

static void write_channel(struct relay *r)
{
	ssize_t n = send(r->jail->channel, r->to_guest.data, r->to_guest.len,
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n > 0)
		queue_drop(&r->to_guest, n);
	else if (n < 0 && errno != EINTR && errno != EAGAIN)
		r->channel_open = false;
}

/* ---- signals and time ---- */

static void drain_log(struct relay *r)
{
	struct pollfd p = { r->jail->log, POLLIN, 0 };

	while (r->log_open && poll(&p, 1, 0) > 0)
		r->log_open = klog_read(r->log, r->jail->log);
}

static void pass_signal(struct relay *r, int sig)
{
	int32_t number = sig;

	if (r->stop_at || r->give_up_at || r->answer_by || !r->out->started || r->out->exited || !guest_runs(r)) {
		stop(r, sig);
		return;
	}
	tell(r, PROTO_SIGNAL, &number, sizeof(number));
	r->answer_by = now() + ANSWER_TIME;
}

static void pass_winsize(struct relay *r)
{
	struct winsize size;
	uint16_t both[2];

	onfail_resize();
	if (!r->orders->tty || ioctl(STDIN_FILENO, TIOCGWINSZ, &size))
		return;
	both[0] = size.ws_row;
	both[1] = size.ws_col;
	tell(r, PROTO_WINSIZE, both, sizeof(both));
}

/* The run is over already: its status stays. */
static void end_waiting(struct relay *r)
{
	r->waiting = false;
	jail_kill(r->jail);
}

static void take_signal(struct relay *r)
{
	struct signalfd_siginfo si;

	if (read(r->signals, &si, sizeof(si)) != sizeof(si))
		return;
	switch (si.ssi_signo) {
	case SIGWINCH:
		pass_winsize(r);
		break;
	case SIGINT:
	case SIGQUIT:
		/* The terminal sent it to gdb as well. */
		if (r->options->gdb)
			break;
		if (r->waiting)
			end_waiting(r);
		else if (r->interrupted)
			stop(r, si.ssi_signo);
		else
			pass_signal(r, si.ssi_signo);
		r->interrupted = true;
		break;
	case SIGCONT:
		if (r->orders->tty && guest_runs(r))
			terminal_again();
		break;
	case SIGCHLD:
		if (r->watching && watch_step(r->jail->kernel)) {
			verdict_look(r->out, r->memory, r->symbols);
			r->out->seen_off = true;
			drain_log(r);
			if (!klog_complaint(r->log) && !r->out->stopped_by)
				hang_last(r->jail->kernel, r->memory, r->symbols);
			watch_end(r->jail->kernel);
		}
		break;
	case SIGTERM:
	case SIGHUP:
		pass_signal(r, si.ssi_signo);
		r->out->stopped_by = si.ssi_signo;
		if (!r->stop_at)
			r->stop_at = now() + SIGNAL_GRACE;
		break;
	}
}

static int open_signals(void)
{
	static const int passed[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGWINCH, SIGCONT, SIGCHLD };
	sigset_t set;
	int fd;

	struct sigaction hup;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
		sigaddset(&set, passed[i]);
	/* nohup means that the terminal's end is none of ours. */
	if (!sigaction(SIGHUP, NULL, &hup) && hup.sa_handler == SIG_IGN)
		sigdelset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		fail("signals", "signalfd", "%s", strerror(errno));
	return fd;
}

/* What is left in the jail goes now, unless it is a gdb that somebody sits at. */
static void leave_jail(struct relay *r)
{
	r->waiting = debugger_stays(&r->debugger);
	if (!r->waiting) {
		jail_kill(r->jail);
		return;
	}
	terminal_restore();
	r->wait_told_at = now() + WAIT_TIME;
}

/* A slow reader of the output has all the time in the world from now on. */
static void kernel_ended(struct relay *r, int status)
{
	r->out->kernel_ended = true;
	r->out->kernel_status = status;
	r->deadline = r->answer_by = 0;
	if (r->debugger.attached && r->out->done && !r->watching)
		notice("a debugger was attached at the kernel's end: umrun could not look at its last moment");
}

/* Impossible while somebody else traces the kernel. */
static void watch(struct relay *r)
{
	r->watching = watch_begin(r->jail->kernel);
	if (!r->watching)
		debugger_look(&r->debugger, r->jail);
}

static void add_time(double *when, double seconds)
{
	if (*when)
		*when += seconds;
}

/* The time in which a debugger has the kernel does not count. */
static void look_for_debugger(struct relay *r)
{
	double held;

	if (under_gdb(r) || !r->jail->kernel || r->out->kernel_ended)
		return;
	held = debugger_look(&r->debugger, r->jail);
	add_time(&r->deadline, held);
	add_time(&r->answer_by, held);
	if (r->out->done && !r->watching && !r->debugger.attached)
		watch(r);
}

/* The guest's end: from its supervisor, or because even that one is gone. */
static void take_news(struct relay *r)
{
	int status = 0;

	switch (jail_news(r->jail, &status)) {
	case JAIL_ENDED:
		kernel_ended(r, status);
		leave_jail(r);
		break;
	case JAIL_KERNEL:
		announce_kernel(r->jail->kernel);
		r->debugger.looked = now();
		break;
	case JAIL_NONE:
		if (recv(r->jail->report, &status, 1, MSG_DONTWAIT | MSG_PEEK) == 0)
			kernel_ended(r, SIGKILL);
		break;
	default:
		break;
	}
}

static void time_out(struct relay *r)
{
	r->out->timed_out = !r->out->done;
	r->out->stuck = r->out->done;
	if (r->out->timed_out) {
		terminal_restore();
		notice("time-out: %g s are over; the end of the kernel log is:", r->options->timeout);
		klog_print_tail(r->log, r->symbols, 15, stderr);
		if (r->memory >= 0)
			verdict_look(r->out, r->memory, r->symbols);
		hang_explain(r->jail, r->log, r->symbols, r->options->on_fail);
	}
	if (!hold(r))
		r->stop_at = now();
}

/* When to look for a debugger again; 0: never. */
static double next_look(const struct relay *r)
{
	if (under_gdb(r) || !r->jail->kernel || r->out->kernel_ended)
		return 0;
	return r->debugger.looked + LOOK_TIME;
}

static bool is_due(double when, double t)
{
	return when && t >= when;
}

/* Milliseconds until the next thing that must happen by itself; -1: none. */
static int patience(const struct relay *r)
{
	double next = 0, times[] = { r->deadline, r->answer_by, r->stop_at, r->give_up_at, next_look(r),
				    r->waiting ? r->wait_told_at : 0 };

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		if (times[i] && (!next || times[i] < next))
			next = times[i];
	if (!next)
		return -1;
	next = (next - now()) * 1000;
	return next < 0 ? 0 : next > 1e6 ? 1000000 : (int)next + 1;
}

/* What the user's side has not taken is lost; the guest is not to wait for it either. */
static void give_up(struct relay *r, enum proto_stream s)
{
	if (!user_waits(r, s))
		return;
	r->closed[s] = true;
	tell_stream(r, PROTO_CLOSED, s, NULL, 0);
}

static void check_time(struct relay *r)
{
	double t = now();

	if (is_due(next_look(r), t) || is_due(r->deadline, t) || is_due(r->answer_by, t))
		look_for_debugger(r);
	if (is_due(r->stop_at, t)) {
		jail_kill(r->jail);
		r->waiting = false;
		if (!r->out->kernel_ended)
			kernel_ended(r, SIGKILL);
		r->channel_open = false;
		r->stop_at = 0;
		r->give_up_at = t + FLUSH_TIME;
	} else if (is_due(r->give_up_at, t)) {
		give_up(r, PROTO_STDOUT);
		give_up(r, PROTO_STDERR);
		r->give_up_at = 0;
	} else if (r->waiting && is_due(r->wait_told_at, t)) {
		r->wait_told_at = 0;
		notice("the kernel has ended; waiting for gdb (process %d) to end, too", r->debugger.pid);
	} else if (is_due(r->answer_by, t)) {
		r->answer_by = 0;
		notice("the guest does not answer; %s it", onfail_has_user() ? "stopping" : "ending");
		stop_or_hold(r, r->out->stopped_by ? r->out->stopped_by : SIGINT);
	} else if (is_due(r->deadline, t)) {
		r->deadline = 0;
		time_out(r);
	}
}

/* gdb has stopped the kernel: the user's turn, or else its own. */
static void take_failure(struct relay *r)
{
	const char *what = onfail_news();

	if (!what)
		return;
	r->held = true;
	r->deadline = r->answer_by = r->stop_at = 0;
	drain_log(r);
	if (r->memory >= 0)
		verdict_look(r->out, r->memory, r->symbols);
	if (!r->out->timed_out && !r->out->stopped_by)
		r->out->report = must(strdup(what));
	if (onfail_has_user()) {
		terminal_restore();
		if (r->out->report)
			notice("kernel: %s", what);
		klog_print_complaint(r->log, r->symbols, stderr);
		r->out->shown = true;
	} else {
		r->stop_at = now() + REPORT_TIME;
	}
	onfail_answer();
}

/* ---- the loop ---- */

static bool finished(const struct relay *r)
{
	return r->out->kernel_ended && !r->waiting && !r->log_open && !r->channel_open &&
	       !user_waits(r, PROTO_STDOUT) && !user_waits(r, PROTO_STDERR);
}

static void relay_once(struct relay *r)
{
	/* The keys are gdb's while it has the user. */
	bool take_stdin = !r->options->gdb && !(r->held && r->orders->tty) && r->out->started && !r->out->exited && r->channel_open &&
			  !r->closed[PROTO_STDIN] && !r->from_user.len && !r->mail_out;
	struct pollfd p[] = {
		{ r->log_open ? r->jail->log : -1, POLLIN, 0 },
		{ r->channel_open ? r->jail->channel : -1,
		  POLLIN | (r->to_guest.len ? POLLOUT : 0), 0 },
		{ r->out->kernel_ended ? -1 : r->jail->report, POLLIN, 0 },
		{ r->signals, POLLIN, 0 },
		{ take_stdin ? STDIN_FILENO : -1, POLLIN, 0 },
		{ user_waits(r, PROTO_STDOUT) ? user_fd(r, PROTO_STDOUT) : -1, POLLOUT, 0 },
		{ user_waits(r, PROTO_STDERR) ? STDERR_FILENO : -1, POLLOUT, 0 },
		{ r->waiting ? r->debugger.fd : -1, POLLIN, 0 },
		{ onfail_fd(ONFAIL_NEWS), POLLIN, 0 },
		{ onfail_fd(ONFAIL_OUTPUT), POLLIN, 0 },
		{ onfail_fd(ONFAIL_KEYS), POLLIN, 0 },
	};

	if (poll(p, sizeof(p) / sizeof(p[0]), patience(r)) < 0 && errno != EINTR)
		fail("poll", "the run", "%s", strerror(errno));
	if (p[0].revents)
		r->log_open = klog_read(r->log, r->jail->log);
	if (p[1].revents & (POLLIN | POLLHUP | POLLERR))
		read_channel(r);
	if (p[1].revents & POLLOUT)
		write_channel(r);
	if (p[2].revents)
		take_news(r);
	if (p[3].revents)
		take_signal(r);
	if (p[4].revents)
		read_stdin(r);
	send_stdin(r);
	if (p[5].revents)
		write_user(r, PROTO_STDOUT);
	if (p[6].revents)
		write_user(r, PROTO_STDERR);
	if (p[7].revents)
		leave_jail(r);
	if (p[8].revents)
		take_failure(r);
	if (p[9].revents)
		onfail_output();
	if (p[10].revents)
		onfail_keys();
	check_time(r);
}

/*
 * relay_run - carry on until the kernel has ended and all was delivered
 * @j: the jail, in which the kernel was started
 * @out: filled in with what happened
 */
void relay_run(struct jail *j, const struct options *o, const struct proto_orders *orders,
	       struct klog *log, const struct symbols *s, struct outcome *out)
{
	struct relay r = {
		.jail = j, .options = o, .orders = orders, .log = log, .symbols = s, .out = out,
		.in_credit = PROTO_LINE_WINDOW, .memory = -1, .mailbox = -1, .channel_open = true, .log_open = true,
		.debugger.fd = -1,
		.start = now(), .signals = open_signals(),
	};
	struct rusage use;

	memcpy(r.parser.key, orders->key, PROTO_KEY_LEN);
	if (o->timeout > 0 && !o->gdb)
		r.deadline = r.start + o->timeout;
	if (orders->tty)
		terminal_raw();
	while (!finished(&r))
		relay_once(&r);
	if (o->on_fail)
		onfail_end();
	terminal_restore();
	jail_kill(j);
	out->t_end = now() - r.start;
	if (!getrusage(RUSAGE_CHILDREN, &use))
		out->max_rss = use.ru_maxrss;
	if (r.memory >= 0)
		close(r.memory);
	if (r.mailbox >= 0)
		close(r.mailbox);
	klog_attach(log, -1, s);
	if (r.debugger.fd >= 0)
		close(r.debugger.fd);
	close(r.signals);
}
