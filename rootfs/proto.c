// SPDX-License-Identifier: GPL-2.0
/* Frames of the protocol in proto.h: building them, and finding them in a byte stream. */
#include <string.h>

#include "proto.h"

/*
 * proto_room - where the next bytes of the stream go
 * @p: the parser
 * @where: set to the place
 * Returns the bytes of room there (never 0 once proto_next() has returned false).
 */
size_t proto_room(const struct proto_parser *p, uint8_t **where)
{
	*where = (uint8_t *)p->buf + p->have;
	return sizeof(p->buf) - p->have;
}

static void discard(struct proto_parser *p, size_t n)
{
	memmove(p->buf, p->buf + n, p->have - n);
	p->have -= n;
}

/* Offset of the first place where a frame may start: the key, or the part of it that has arrived. */
static size_t find_key(const struct proto_parser *p)
{
	for (size_t i = 0; i < p->have; i++) {
		size_t n = p->have - i;

		if (n > PROTO_KEY_LEN)
			n = PROTO_KEY_LEN;
		if (!memcmp(p->buf + i, p->key, n))
			return i;
	}
	return p->have;
}

/*
 * proto_next - take the next whole frame
 * @p: the parser, into whose proto_room() bytes were read and added to p->have
 * @out: the frame
 * Returns false when no whole frame has arrived. Bytes that belong to no frame
 * (somebody else wrote to the line) are counted in p->dropped.
 */
bool proto_next(struct proto_parser *p, struct proto_frame *out)
{
	for (;;) {
		size_t noise = find_key(p);
		size_t whole;

		p->dropped += noise;
		discard(p, noise);
		if (p->have < sizeof(out->head))
			return false;
		memcpy(&out->head, p->buf, sizeof(out->head));
		if (out->head.len > PROTO_PAYLOAD) {
			p->dropped += PROTO_KEY_LEN;
			discard(p, PROTO_KEY_LEN);
			continue;
		}
		whole = sizeof(out->head) + out->head.len;
		if (p->have < whole)
			return false;
		memcpy(out->payload, p->buf + sizeof(out->head), out->head.len);
		discard(p, whole);
		return true;
	}
}

/*
 * proto_build - fill a frame
 * @payload, @len: its payload, at most PROTO_PAYLOAD bytes
 * Returns the bytes of *f to send.
 */
size_t proto_build(struct proto_frame *f, const uint8_t key[PROTO_KEY_LEN],
		   enum proto_type type, const void *payload, size_t len)
{
	memcpy(f->head.key, key, PROTO_KEY_LEN);
	f->head.type = type;
	f->head.len = len;
	if (len)
		memcpy(f->payload, payload, len);
	return sizeof(f->head) + len;
}

/*
 * proto_build_stream - fill a frame about a stream
 * @data, @len: what follows the stream's number, at most PROTO_PAYLOAD - 1 bytes
 * Returns the bytes of *f to send.
 */
size_t proto_build_stream(struct proto_frame *f, const uint8_t key[PROTO_KEY_LEN],
			  enum proto_type type, enum proto_stream stream,
			  const void *data, size_t len)
{
	proto_build(f, key, type, NULL, 0);
	f->payload[0] = stream;
	if (len)
		memcpy(f->payload + 1, data, len);
	f->head.len = len + 1;
	return sizeof(f->head) + f->head.len;
}
