// SPDX-License-Identifier: GPL-2.0
/* Where the project is: umrun lies in its build folder. */
#define _GNU_SOURCE
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "umrun.h"

static const char *build_folder(void)
{
	static char path[PATH_MAX];
	ssize_t n;

	if (path[0])
		return path;
	n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (n < 0)
		fail("own path", "/proc/self/exe", "%s; umrun needs /proc", strerror(errno));
	path[n] = '\0';
	return dirname(path);
}

/* project_path - a path below the build folder; the caller frees it */
char *project_path(const char *fmt, ...)
{
	va_list ap;
	char *tail, *path;

	va_start(ap, fmt);
	if (vasprintf(&tail, fmt, ap) < 0)
		must(NULL);
	va_end(ap);
	path = format("%s/%s", build_folder(), tail);
	free(tail);
	return path;
}
