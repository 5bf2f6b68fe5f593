// SPDX-License-Identifier: GPL-2.0
/* Reads what umrun wants run. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest.h"

static char *read_whole(const char *path, size_t *len)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	char *buf;

	if (fd < 0 || fstat(fd, &st))
		die("read the orders", path);
	buf = malloc(st.st_size + 1);
	if (!buf)
		die("read the orders", "memory");
	while (have < (size_t)st.st_size) {
		ssize_t n = read(fd, buf + have, st.st_size - have);

		if (n <= 0)
			die("read the orders", path);
		have += n;
	}
	close(fd);
	buf[have] = '\0';
	*len = have;
	return buf;
}

static char **take_strings(char **at, const char *end, unsigned int count)
{
	char **list = calloc(count + 1, sizeof(*list));

	if (!list)
		die("read the orders", "memory");
	for (unsigned int i = 0; i < count; i++) {
		if (*at >= end) {
			errno = EINVAL;
			die("read the orders", "cut short");
		}
		list[i] = *at;
		*at += strlen(*at) + 1;
	}
	return list;
}

/*
 * orders_read - read the run's orders, and remove them: the key in them is
 * for PID 1 alone
 */
struct orders orders_read(void)
{
	struct orders o;
	size_t len;
	char *buf = read_whole(PROTO_ORDERS_PATH, &len);
	char *at = buf + sizeof(o.head);

	if (len < sizeof(o.head)) {
		errno = EINVAL;
		die("read the orders", "cut short");
	}
	memcpy(&o.head, buf, sizeof(o.head));
	memset(buf, 0, sizeof(o.head.key));
	o.argv = take_strings(&at, buf + len, o.head.argc);
	o.envp = take_strings(&at, buf + len, o.head.envc);
	if (unlink(PROTO_ORDERS_PATH))
		die("remove the orders", PROTO_ORDERS_PATH);
	return o;
}
