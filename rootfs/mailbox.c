// SPDX-License-Identifier: GPL-2.0
/* The folder through which umrun hands over large pieces of stdin. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest.h"

static int mailbox = -1;

/*
 * mailbox_open - open the folder
 * It stays open but mounted nowhere, so that the program sees nothing of it.
 */
void mailbox_open(void)
{
	if (mkdir(PROTO_MAILBOX, 0700) ||
	    mount("none", PROTO_MAILBOX, "hostfs", 0, PROTO_MAILBOX))
		die("mount", PROTO_MAILBOX);
	mailbox = open(PROTO_MAILBOX, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mailbox < 0)
		die("open", PROTO_MAILBOX);
	/* The initramfs came this way as well, and the run's key is in it. */
	if (unlinkat(mailbox, PROTO_INITRD, 0))
		die("remove", PROTO_MAILBOX "/" PROTO_INITRD);
	if (umount2(PROTO_MAILBOX, MNT_DETACH) || rmdir(PROTO_MAILBOX))
		die("unmount", PROTO_MAILBOX);
}

/*
 * mailbox_take - take a piece out of the mailbox
 * @number: its name
 * @to, @len: room for it, in bytes
 * Returns its length in bytes.
 */
size_t mailbox_take(uint32_t number, uint8_t *to, size_t len)
{
	char name[16];
	size_t have = 0;
	ssize_t n;
	int fd;

	snprintf(name, sizeof(name), "%u", number);
	fd = openat(mailbox, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die("open the mail", name);
	while (have < len && (n = read(fd, to + have, len - have)) != 0) {
		if (n < 0 && errno != EINTR)
			die("read the mail", name);
		have += n > 0 ? n : 0;
	}
	close(fd);
	unlinkat(mailbox, name, 0);
	return have;
}
