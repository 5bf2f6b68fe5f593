// SPDX-License-Identifier: GPL-2.0
/* PID 1's end of the serial line to umrun. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "guest.h"

#define LINE "/dev/ttyS0"

static int line = -1;
static struct proto_parser parser;

/*
 * channel_open - open the serial line, raw
 * @key: what every frame starts with
 */
void channel_open(const uint8_t key[PROTO_KEY_LEN])
{
	line = open(LINE, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (line < 0)
		die("open", LINE);
	channel_raw();
	/* Keeps accidents away, not root: the key is for that. */
	ioctl(line, TIOCEXCL);
	memcpy(parser.key, key, PROTO_KEY_LEN);
}

/* channel_raw - every byte passes as it is, both ways */
void channel_raw(void)
{
	struct termios tio;

	if (tcgetattr(line, &tio))
		die("tcgetattr", LINE);
	cfmakeraw(&tio);
	tio.c_cflag |= CLOCAL | CREAD;
	if (tcsetattr(line, TCSANOW, &tio))
		die("tcsetattr", LINE);
}

int channel_fd(void)
{
	return line;
}

/* One write() a frame: the tty layer keeps it whole. */
static void send_frame(const struct proto_frame *f, size_t len)
{
	const uint8_t *at = (const uint8_t *)f;

	while (len) {
		ssize_t n = write(line, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			die("write", LINE);
		at += n;
		len -= n;
	}
}

void channel_send(enum proto_type type, const void *payload, size_t len)
{
	struct proto_frame f;

	send_frame(&f, proto_build(&f, parser.key, type, payload, len));
}

void channel_send_stream(enum proto_type type, enum proto_stream stream,
			 const void *data, size_t len)
{
	struct proto_frame f;

	send_frame(&f, proto_build_stream(&f, parser.key, type, stream, data, len));
}

/* channel_fill - read what has arrived; call when channel_fd() is readable */
void channel_fill(void)
{
	uint8_t *where;
	size_t room = proto_room(&parser, &where);
	ssize_t n = read(line, where, room);

	if (n > 0)
		parser.have += n;
	else if (n < 0 && errno != EINTR && errno != EAGAIN)
		die("read", LINE);
}

/* channel_next - take the next frame that has arrived; false: none */
bool channel_next(struct proto_frame *f)
{
	return proto_next(&parser, f);
}
