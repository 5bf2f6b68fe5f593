// SPDX-License-Identifier: GPL-2.0
/* The kernel's log, read in the guest: which test did it complain in? */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/klog.h>

#include "internal.h"

/* syslog(2). Not /dev/kmsg: umrun's printk.devkmsg=off closes that to readers too. */
enum { SYSLOG_ACTION_READ_ALL = 3, SYSLOG_ACTION_CLEAR = 5 };

/*
 * How complaints begin. Some leave no other trace (mm/memory.c's check_mm(), mm/page_poison.c,
 * lockdep_rcu_suspicious()); the others also taint, but a taint that is set stays, so that
 * only the log shows the second one. tools/umrun/klog.c has its own list, for the verdict.
 */
static const char *const complaints[] = {
	"BUG: ", "pagealloc: ", "WARNING: ", "INFO: possible", "INFO: rcu", "rcu: INFO: rcu",
	"ODEBUG: ", "list_add corruption", "list_del corruption", "refcount_t: ",
	"DEBUG_LOCKS_WARN_ON", "Misaligned rcu_head", "swap_info_get: ", "get_swap_device: ",
};

void klog_mark(void)
{
	klogctl(SYSLOG_ACTION_CLEAR, NULL, 0);
}

/* What is behind "<6>[    1.234567] " of a line. */
static const char *text_of(const char *line)
{
	while (*line == '<' || *line == '[') {
		const char *end = strpbrk(line, ">]\n");

		if (!end || *end == '\n')
			break;
		line = end + 1 + strspn(end + 1, " ");
	}
	return line;
}

int klog_complaint(char *text, size_t size)
{
	static char log[1 << 18];
	int len = klogctl(SYSLOG_ACTION_READ_ALL, log, sizeof(log) - 1);

	log[len > 0 ? len : 0] = '\0';
	for (const char *line = log; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *start = text_of(line);

		for (size_t i = 0; i < sizeof(complaints) / sizeof(complaints[0]); i++) {
			if (strncmp(start, complaints[i], strlen(complaints[i])))
				continue;
			snprintf(text, size, "%.*s", (int)strcspn(start, "\n"), start);
			return 1;
		}
	}
	return 0;
}
