// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel complained about, run by run: its taint, and those lines that
 * leave no taint, such as "BUG: Bad rss-counter state" when a process ends.
 * Read with syslog(2): /dev/kmsg is closed in the guest (printk.devkmsg=off).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>

#include "random.h"

enum { SYSLOG_READ = 2, SYSLOG_SIZE_UNREAD = 9 };

static long tainted;

/* Is a line ("<level>[time] text") a complaint? */
static const char *complaint_in(const char *line)
{
	const char *text = strstr(line, "] ");

	if (!text)
		return NULL;
	text += 2;
	return strncmp(text, "BUG:", 4) == 0 || strncmp(text, "WARNING:", 8) == 0 ? text : NULL;
}

/* Copies the first complaint among the lines that nobody has read yet. */
static bool read_log(char *line, size_t size)
{
	static char log[65536];
	bool found = false;

	while (klogctl(SYSLOG_SIZE_UNREAD, NULL, 0) > 0) {
		int n = klogctl(SYSLOG_READ, log, sizeof(log) - 1);
		char *save = NULL;

		if (n <= 0)
			break;
		log[n] = '\0';
		for (char *at = strtok_r(log, "\n", &save); at && !found; at = strtok_r(NULL, "\n", &save)) {
			const char *text = complaint_in(at);

			if (text)
				snprintf(line, size, "%s", text);
			found = text;
		}
	}
	return found;
}

void kmsg_open(void)
{
	char line[512];

	require(klogctl(SYSLOG_SIZE_UNREAD, NULL, 0) >= 0, "syslog: cannot read the kernel log");
	read_log(line, sizeof(line));
	tainted = proc_number_only("/proc/sys/kernel/tainted");
}

const char *kmsg_complaint(void)
{
	static char line[512];
	long now = proc_number_only("/proc/sys/kernel/tainted"), before = tainted;

	tainted = now;
	if (read_log(line, sizeof(line)))
		return line;
	if (now == before)
		return NULL;
	snprintf(line, sizeof(line), "/proc/sys/kernel/tainted was %ld, is %ld", before, now);
	return line;
}
