// SPDX-License-Identifier: GPL-2.0
/* What the host's /proc says of a process. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "umrun.h"

/*
 * proc_number - the last number in a line of /proc/PID/status, or -1: no such process or line
 * @key: what the line begins with, such as "TracerPid"; "NSpid" ends with the process's
 *	number in its own PID namespace
 */
long proc_number(pid_t pid, const char *key)
{
	char *path = format("/proc/%d/status", pid), *line = NULL, *last;
	FILE *f = fopen(path, "re");
	size_t room = 0, len = strlen(key);
	long number = -1;

	while (f && number < 0 && getline(&line, &room, f) > 0) {
		if (strncmp(line, key, len) || line[len] != ':')
			continue;
		last = strrchr(line, '\t');
		number = last ? atol(last + 1) : -1;
	}
	if (f)
		fclose(f);
	free(line);
	free(path);
	return number;
}

/* The first line of a file of /proc/PID without its end; "" if there is none. The caller frees it. */
static char *first_line(pid_t pid, const char *file)
{
	char *path = format("/proc/%d/%s", pid, file), *line = NULL;
	FILE *f = fopen(path, "re");
	size_t room = 0;

	if (!f || getline(&line, &room, f) <= 0) {
		free(line);
		line = must(strdup(""));
	}
	line[strcspn(line, "\n")] = '\0';
	if (f)
		fclose(f);
	free(path);
	return line;
}

/* proc_name - the process's name; "?" if there is none. The caller frees it. */
char *proc_name(pid_t pid)
{
	char *name = first_line(pid, "comm");

	if (*name)
		return name;
	free(name);
	return must(strdup("?"));
}

/* proc_state - the letter of the process's state, 't' where a tracer has stopped it; '\0': no such process */
char proc_state(pid_t pid)
{
	char *line = first_line(pid, "stat"), *end = strrchr(line, ')');
	char state = end && end[1] ? end[2] : '\0';

	free(line);
	return state;
}

/* proc_same - is that file of both processes the same, such as "ns/pid"? */
bool proc_same(pid_t one, pid_t other, const char *file)
{
	char *first = format("/proc/%d/%s", one, file), *second = format("/proc/%d/%s", other, file);
	struct stat a, b;
	bool same = !stat(first, &a) && !stat(second, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;

	free(first);
	free(second);
	return same;
}
