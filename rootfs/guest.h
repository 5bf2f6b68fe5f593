/* SPDX-License-Identifier: GPL-2.0 */
/* The parts of the guest's PID 1: init.c (the steps), orders.c, channel.c, mailbox.c, program.c, relay.c. */
#ifndef UMLAB_GUEST_H
#define UMLAB_GUEST_H

#include <sys/types.h>

#include "proto.h"

struct orders {
	struct proto_orders head;
	char **argv, **envp;	/* NULL-terminated */
};

/* The program under way, and the guest's ends of its streams (-1: closed). */
struct program {
	pid_t pid;
	int in, out, err;
	bool tty;		/* in and out are one pty's master */
	int slave;		/* its other end, kept until the program ends; -1: none */
};

_Noreturn void die(const char *what, const char *value);

void channel_open(const uint8_t key[PROTO_KEY_LEN]);
void channel_raw(void);
int channel_fd(void);
void channel_send(enum proto_type type, const void *payload, size_t len);
void channel_send_stream(enum proto_type type, enum proto_stream stream,
			 const void *data, size_t len);
void channel_fill(void);
bool channel_next(struct proto_frame *f);

struct orders orders_read(void);

void program_start(struct program *p, const struct orders *o);
void program_signal(const struct program *p, int sig);
void program_winsize(const struct program *p, unsigned int rows, unsigned int cols);

void mailbox_open(void);
size_t mailbox_take(uint32_t number, uint8_t *to, size_t len);

int relay(struct program *p);
void relay_wait_poweroff(void);

#endif
