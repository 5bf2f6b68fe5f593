/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The protocol between umrun on the host and PID 1 in the guest.
 *
 * It runs over one serial line of UML (ttyS0, a socket pair on the host). The
 * line driver has no end-of-file and no flow control of its own, so both are
 * here: a stream's data is sent only against credit that its reader gave, and
 * its end is a frame. A frame is one write(), which the tty layer does not mix
 * with another writer's. Every frame starts with the run's random key, so that
 * what a guest program writes to the line is recognised as noise and dropped.
 */
#ifndef UMLAB_PROTO_H
#define UMLAB_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROTO_KEY_LEN	16
#define PROTO_PAYLOAD	4096	/* bytes of payload in a frame at the most */

/*
 * Bytes that umrun may have on the line and PID 1 not yet read, frames whole:
 * UML's line driver never wakes up again once the tty layer has throttled it
 * (line_unthrottle() leaves the read interrupt off), which it does when its
 * 4096 bytes are nearly full. PROTO_SIGNAL and the like fit into the rest.
 */
#define PROTO_LINE_WINDOW	2560
#define PROTO_STDIN_BUFFER	(64 * 1024)	/* what PID 1 holds for the program, of what came by the line */
#define PROTO_WINDOW_OUT	(256 * 1024)	/* bytes of stdout, of stderr, that umrun holds */
#define PROTO_CREDIT_STEP	(32 * 1024)	/* ... and gives credit for at a time */

/*
 * The line takes stdin byte by byte, a system call each (generic_read()), about
 * 1.5 MB/s. Larger pieces go as a file in a folder that both sides see, the
 * mailbox: PROTO_MAIL names it, PROTO_TAKEN says that PID 1 has it. One at a
 * time, so that the order is the frames'.
 */
#define PROTO_MAILBOX		"/mailbox"
#define PROTO_INITRD		"initrd"	/* a file in it: PID 1 removes it before the program starts */
#define PROTO_MAIL_MIN		4096		/* bytes; less goes by the line */
#define PROTO_MAIL_MAX		(256 * 1024)

enum proto_stream { PROTO_STDIN, PROTO_STDOUT, PROTO_STDERR, PROTO_STREAMS };

enum proto_type {
	/* guest to host */
	PROTO_HELLO = 1,	/* PID 1 runs; no payload */
	PROTO_STARTED,		/* the program was executed; no payload */
	PROTO_NOEXEC,		/* it was not: int32 errno, then text */
	PROTO_ENDED,		/* it ended; its output may still be under way */
	PROTO_EXIT,		/* ... and is drained: int32 wait status */
	PROTO_DONE,		/* the guest is about to power off */
	PROTO_SIGNALLED,	/* answer to PROTO_SIGNAL */
	PROTO_TAKEN,		/* answer to PROTO_MAIL */
	/* both ways; the first payload byte is the stream */
	PROTO_DATA,		/* bytes of a stream */
	PROTO_EOF,		/* no more bytes will come */
	PROTO_CLOSED,		/* the reader went away, stop sending */
	PROTO_CREDIT,		/* uint32: so many more bytes may be sent (of stdin: frames whole) */
	/* host to guest */
	PROTO_SIGNAL,		/* int32: send this to the program's group */
	PROTO_WINSIZE,		/* uint16 rows, uint16 columns */
	PROTO_POWEROFF,		/* answer to PROTO_DONE */
	PROTO_MAIL,		/* uint32 number, uint32 length: of stdin, in the mailbox */
};

struct proto_header {
	uint8_t key[PROTO_KEY_LEN];
	uint32_t type;
	uint32_t len;		/* of the payload, in bytes */
};

struct proto_frame {
	struct proto_header head;
	uint8_t payload[PROTO_PAYLOAD];
};

/* What has arrived of a byte stream and not yet made a whole frame. */
struct proto_parser {
	uint8_t key[PROTO_KEY_LEN];
	uint8_t buf[2 * sizeof(struct proto_frame)];
	size_t have;		/* bytes in buf */
	size_t dropped;		/* bytes that belonged to no frame so far */
};

size_t proto_room(const struct proto_parser *p, uint8_t **where);
bool proto_next(struct proto_parser *p, struct proto_frame *out);
size_t proto_build(struct proto_frame *f, const uint8_t key[PROTO_KEY_LEN],
		   enum proto_type type, const void *payload, size_t len);
size_t proto_build_stream(struct proto_frame *f, const uint8_t key[PROTO_KEY_LEN],
			  enum proto_type type, enum proto_stream stream,
			  const void *data, size_t len);

/*
 * The run's orders, a file in the initramfs that PID 1 reads and removes:
 * this header, then `argc` and `envc` NUL-terminated strings.
 */
#define PROTO_ORDERS_PATH "/umrun.orders"

struct proto_orders {
	uint8_t key[PROTO_KEY_LEN];
	uint32_t argc, envc;
	uint32_t tty;		/* stdin and stdout are a terminal */
	uint32_t tty_stderr;	/* stderr is one as well */
	uint16_t rows, cols;	/* of that terminal */
	uint32_t share, share_ro;	/* mount these shares */
};

#endif
