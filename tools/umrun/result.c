// SPDX-License-Identifier: GPL-2.0
/* The JSON of --result. */
#define _GNU_SOURCE
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "umrun.h"

/* JSON is UTF-8; what isn't (an argument, a line of the log) shows its odd bytes as `?`. */
static json_t *make_text(const char *text)
{
	json_t *j = json_string(text);
	char *copy;

	if (j)
		return j;
	copy = must(strdup(text));
	for (char *c = copy; *c; c++)
		if (*c & 0x80)
			*c = '?';
	j = json_string(copy);
	free(copy);
	return j;
}

static void set_text(json_t *to, const char *key, const char *text)
{
	json_object_set_new(to, key, text ? make_text(text) : json_null());
}

static void set_seconds(json_t *to, const char *key, double seconds)
{
	json_object_set_new(to, key, seconds ? json_real(seconds) : json_null());
}

static json_t *describe_program(const struct options *o, const struct outcome *out)
{
	json_t *p = json_object(), *argv = json_array();

	for (int i = 0; i < o->argc; i++)
		json_array_append_new(argv, make_text(o->argv[i]));
	json_object_set_new(p, "argv", argv);
	json_object_set_new(p, "started", json_boolean(out->started));
	json_object_set_new(p, "wait_status", out->exited ? json_integer(out->status) : json_null());
	return p;
}

static json_t *describe_kernel(const struct options *o, const struct kernel *k,
			       const struct outcome *out, const struct klog *log)
{
	json_t *j = json_object();

	set_text(j, "file", k->file);
	set_text(j, "point", k->point);
	set_text(j, "flavour", k->flavour);
	set_text(j, "release", k->release);
	set_text(j, "config_sha256", k->config_sha256);
	set_text(j, "compiler", k->compiler);
	json_object_set_new(j, "cpus", json_integer(o->cpus));
	set_text(j, "mode", o->cpus > 1 || (o->append && strstr(o->append, "seccomp=on")) ? "seccomp" : "ptrace");
	json_object_set_new(j, "mem_bytes", json_integer(o->mem));
	json_object_set_new(j, "disk_bytes", json_integer(o->disk));
	json_object_set_new(j, "max_rss_bytes", json_integer((json_int_t)out->max_rss * 1024));
	json_object_set_new(j, "taint", json_integer(out->taint));
	json_object_set_new(j, "lock_debugging_off", json_boolean(out->locks_off));
	json_object_set_new(j, "rcu_stalls", json_integer(out->stalls));
	json_object_set_new(j, "memory_read", json_boolean(out->looked));
	json_object_set_new(j, "memory_read_at_exit", json_boolean(out->seen_off));
	json_object_set_new(j, "wait_status", out->kernel_ended ? json_integer(out->kernel_status) : json_null());
	set_text(j, "complaint", klog_complaint(log));
	set_text(j, "log", klog_path(log));
	return j;
}

static json_t *describe_times(const struct outcome *out)
{
	json_t *t = json_object();

	set_seconds(t, "boot", out->t_hello);
	set_seconds(t, "program", out->t_exit ? out->t_exit - out->t_hello : 0);
	set_seconds(t, "total", out->t_end);
	return t;
}

/* Devices, pipes and the like are written to; a file is replaced when the new one is whole. */
static bool dump(const json_t *all, const char *file)
{
	size_t flags = JSON_INDENT(2) | JSON_REAL_PRECISION(6);
	char *real = realpath(file, NULL), *part;
	struct stat st;
	bool ok;

	if (!stat(file, &st) && !S_ISREG(st.st_mode)) {
		free(real);
		return !json_dump_file(all, file, flags);
	}
	part = format("%s.%d.part", real ? real : file, getpid());
	ok = !json_dump_file(all, part, flags) && !rename(part, real ? real : file);
	if (!ok) {
		int error = errno;

		unlink(part);
		errno = error;
	}
	free(part);
	free(real);
	return ok;
}

static const char *promised;	/* the file of a result that was not written yet */

/* result_begin - no result of an earlier run may be taken for this one's */
void result_begin(const char *file)
{
	struct stat st;

	if (!lstat(file, &st) && S_ISREG(st.st_mode))
		unlink(file);
	promised = file;
}

/* result_failed - umrun ends with EXIT_UMRUN for this reason */
void result_failed(const char *why)
{
	json_t *all;

	if (!promised)
		return;
	all = json_object();
	json_object_set_new(all, "exit", json_integer(EXIT_UMRUN));
	set_text(all, "decided_by", "umrun");
	set_text(all, "why", why);
	dump(all, promised);
	json_decref(all);
}

/*
 * result_write - write how the run went, whole or not at all
 * @file: where to
 * Ends umrun when it can't.
 */
void result_write(const char *file, const struct options *o, const struct kernel *k,
		  const struct outcome *out, const struct verdict *v, const struct klog *log)
{
	json_t *all = json_object();

	json_object_set_new(all, "exit", json_integer(v->exit));
	set_text(all, "decided_by", v->decided_by);
	set_text(all, "why", v->why);
	json_object_set_new(all, "program", describe_program(o, out));
	json_object_set_new(all, "kernel", describe_kernel(o, k, out, log));
	json_object_set_new(all, "seconds", describe_times(out));
	promised = NULL;
	if (!dump(all, file))
		fail("--result", file, "%s; give another place", strerror(errno));
	json_decref(all);
}
