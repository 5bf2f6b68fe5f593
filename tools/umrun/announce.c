// SPDX-License-Identifier: GPL-2.0
/*
 * What a run tells of itself to `umrun --attach`: lines `key=value` in a nameless file in memory,
 * which umrun keeps open. It is gone when umrun is, however that ends, and /proc lets only its
 * user at it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "umrun.h"

#define NAME "umrun-run"

static int file = -1;

static char *program_text(const struct options *o)
{
	size_t len;
	char *text;
	FILE *f = must(open_memstream(&text, &len));

	for (int i = 0; i < o->argc; i++)
		fprintf(f, i ? " %s" : "%s", o->argv[i]);
	fclose(f);
	/* One line of what is printed on a terminal. */
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return text;
}

/* announce_run - from now on others of this user can find the run */
void announce_run(const struct options *o, const struct kernel *k)
{
	char *program = program_text(o);

	file = memfd_create(NAME, MFD_CLOEXEC);
	/* --attach adds a line of its own. */
	if (file >= 0 && !fcntl(file, F_SETFL, O_APPEND))
		dprintf(file, "umrun=%d\nstart=%.3f\ngdb=%d\nkernel=%s\nsource=%s\nprogram=%s\n", getpid(), now(),
			o->gdb || o->on_fail, k->file, k->source ? k->source : "", program);
	free(program);
}

/* announce_kernel - ... and which process is its kernel, as the host numbers it */
void announce_kernel(pid_t kernel)
{
	if (file >= 0)
		dprintf(file, "pid=%d\n", kernel);
}

/*
 * announce_debugger - tell a run that this process has a debugger attached to its kernel
 * It waits for this process at its end; an attachment may be too short to be seen otherwise.
 */
void announce_debugger(const struct run *run)
{
	int theirs = open(run->file, O_WRONLY | O_APPEND | O_CLOEXEC);

	if (theirs < 0)
		return;
	dprintf(theirs, "debugger=%d\n", getpid());
	close(theirs);
}

static void take_line(struct run *run, const char *key, const char *value)
{
	if (!strcmp(key, "umrun"))
		run->umrun = atoi(value);
	else if (!strcmp(key, "pid"))
		run->pid = atoi(value);
	else if (!strcmp(key, "debugger"))
		run->debugger = atoi(value);
	else if (!strcmp(key, "start"))
		run->start = strtod(value, NULL);
	else if (!strcmp(key, "gdb"))
		run->gdb = atoi(value);
	else if (!strcmp(key, "kernel"))
		run->kernel = must(strdup(value));
	else if (!strcmp(key, "source"))
		run->source = *value ? must(strdup(value)) : NULL;
	else if (!strcmp(key, "program"))
		run->program = must(strdup(value));
}

static bool read_file(const char *path, pid_t owner, struct run *run)
{
	FILE *f = fopen(path, "re");
	char *line = NULL, *value;
	size_t room = 0;

	*run = (struct run){ 0 };
	while (f && getline(&line, &room, f) > 0) {
		line[strcspn(line, "\n")] = '\0';
		value = strchr(line, '=');
		if (!value)
			continue;
		*value++ = '\0';
		take_line(run, line, value);
	}
	free(line);
	if (f)
		fclose(f);
	/* The jail's PID 1 has it open too. */
	return run->umrun == owner && run->kernel && run->program;
}

/* Looks for the file among those that the process has open. */
static bool read_run(pid_t pid, struct run *run)
{
	char *folder = format("/proc/%d/fd", pid), *path, target[64];
	DIR *d = opendir(folder);
	struct dirent *e;
	bool found = false;
	ssize_t n;

	while (d && !found && (e = readdir(d))) {
		path = format("%s/%s", folder, e->d_name);
		n = readlink(path, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = '\0';
		found = !strcmp(target, "/memfd:" NAME " (deleted)") && read_file(path, pid, run);
		if (found)
			run->file = path;
		else
			free(path);
	}
	if (d)
		closedir(d);
	free(folder);
	return found;
}

/* announced_debugger - the last process that told this run so, if it lives; or 0 */
pid_t announced_debugger(void)
{
	char *own = format("/proc/self/fd/%d", file);
	struct run run = { 0 };
	bool lives = file >= 0 && read_file(own, getpid(), &run) && run.debugger > 0 &&
		     proc_same(run.debugger, getpid(), "exe");

	free(own);
	return lives ? run.debugger : 0;
}

/*
 * announce_find - the runs of this user that are under way
 * @runs: set to a new list of them
 * Returns how many there are.
 */
size_t announce_find(struct run **runs)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	struct run run;
	struct stat st;
	size_t len = 0;

	*runs = NULL;
	while (d && (e = readdir(d))) {
		pid_t pid = atoi(e->d_name);

		if (pid <= 0 || pid == getpid() || fstatat(dirfd(d), e->d_name, &st, 0) || st.st_uid != geteuid())
			continue;
		if (!read_run(pid, &run))
			continue;
		*runs = must(realloc(*runs, (len + 1) * sizeof(run)));
		(*runs)[len++] = run;
	}
	if (d)
		closedir(d);
	return len;
}
