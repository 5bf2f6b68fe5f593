// SPDX-License-Identifier: GPL-2.0
/* The kernel's log, read in the guest: which test did it complain in? */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

/*
 * How complaints begin. The first ones leave no other trace (mm/memory.c's check_mm(),
 * mm/page_poison.c); the others also taint, but a taint that is set stays, so that only
 * the log shows the second one. tools/umrun/klog.c has its own list, for the verdict.
 */
static const char *const complaints[] = {
	"BUG: ", "pagealloc: ", "WARNING: ", "INFO: possible", "INFO: rcu", "rcu: INFO: rcu",
	"ODEBUG: ", "list_add corruption", "list_del corruption", "refcount_t: ",
	"DEBUG_LOCKS_WARN_ON", "Misaligned rcu_head", "swap_info_get: ", "get_swap_device: ",
};

int klog_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

/* A record is "priority,number,time,flags;TEXT\n" and continuation lines. */
static int is_complaint(const char *record, char *text, size_t size)
{
	const char *start = strchr(record, ';');

	if (!start)
		return 0;
	start++;
	for (size_t i = 0; i < sizeof(complaints) / sizeof(complaints[0]); i++) {
		if (strncmp(start, complaints[i], strlen(complaints[i])))
			continue;
		snprintf(text, size, "%.*s", (int)strcspn(start, "\n"), start);
		return 1;
	}
	return 0;
}

int klog_complaint(int fd, char *text, size_t size)
{
	char record[8192];

	for (;;) {
		ssize_t n = read(fd, record, sizeof(record) - 1);

		if (n < 0 && (errno == EPIPE || errno == EINTR))
			continue; /* EPIPE: records were lost, the next one is the oldest left */
		if (n <= 0)
			return 0;
		record[n] = '\0';
		if (is_complaint(record, text, size))
			return 1;
	}
}
