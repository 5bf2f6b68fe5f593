// SPDX-License-Identifier: GPL-2.0
/*
 * --gdb, --attach: gdb runs in the jail's PID namespace but sees the host's files, since
 * its user's sources and settings are there. Only the kernel that it starts
 * gets a root of its own: umrun is gdb's exec-wrapper as well, and enters it.
 * --gdb-on-fail is the same with a terminal of gdb's own: onfail.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "umrun.h"

static const struct options *options;
static char *self;
static const char *source;	/* the kernel's, or NULL */

/* debug_check - ends umrun when there is no gdb */
void debug_check(void)
{
	if (system("command -v gdb >/dev/null"))
		fail("gdb", "not found", "install the package gdb");
}

/*
 * debug_prepare - what debug_enter() will need of the host's /proc
 * Ends umrun when there is no gdb.
 */
void debug_prepare(const struct options *o, const struct kernel *k)
{
	options = o;
	source = k->source;
	self = realpath("/proc/self/exe", NULL);
	if (!self)
		fail("own path", "/proc/self/exe", "%s", strerror(errno));
	debug_check();
}

/* Single quotes around it, for the shell that gdb starts the wrapper with. */
static char *quoted(const char *text)
{
	size_t len;
	char *result;
	FILE *f = must(open_memstream(&result, &len));

	fputc('\'', f);
	for (; *text; text++)
		if (*text == '\'')
			fputs("'\\''", f);
		else
			fputc(*text, f);
	fputc('\'', f);
	fclose(f);
	return result;
}

static char *wrapper_setting(const struct cell *c)
{
	return format("set exec-wrapper %s " DEBUG_WRAPPER " %llu %llu %s %s %s %d %d %d %d",
		      quoted(self), c->mem, c->disk, quoted(c->kernel), quoted(c->share), quoted(c->share_ro),
		      c->image, c->channel, c->log, c->report);
}

/* gdb passes on what was open when it started. */
static void keep_open(const struct cell *c)
{
	int fds[] = { c->image, c->channel, c->log, c->report };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		fcntl(fds[i], F_SETFD, 0);
}

/* Makes the caller's process group the terminal's, where there is one. */
static void take_terminal(void)
{
	signal(SIGTTOU, SIG_IGN);
	tcsetpgrp(STDIN_FILENO, getpgrp());
	signal(SIGTTOU, SIG_DFL);
}

/* debug_done - gdb has ended: the terminal is umrun's group's again */
void debug_done(void)
{
	take_terminal();
}

/* A /proc of this PID namespace for gdb alone. Returns the step that failed, or NULL. */
static const char *own_proc(void)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return "new mount namespace";
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		return "mount of /proc";
	return NULL;
}

/* gdb takes the terminal back from the kernel by the number of its own process
 * group, and umrun's group has no number in this PID namespace. */
static void own_group(void)
{
	setpgid(0, 0);
	take_terminal();
}

/* What gdb-scripts/ ask the environment for: where the files of the guest's own programs are (pt-user). */
static void set_environment(void)
{
	setenv("UMLAB_ROOT", project_path("rootfs"), 0);
}

static void add_options(struct strings *args, const struct options *o, const char *sources)
{
	if (sources) {
		strings_add(args, "-d");
		strings_add(args, sources);
	}
	for (size_t i = 0; i < o->gdb_args_len; i++)
		strings_add(args, o->gdb_args[i]);
}

/*
 * gdb takes seconds to read a kernel's types, and an instant with an index. It keeps one beside a
 * kernel that we built; the next build takes it away.
 */
static void add_index(struct strings *args, const char *kernel)
{
	char *dir = must(strndup(kernel, (size_t)(strrchr(kernel, '/') - kernel)));

	if (access(format("%s/umlab.info", dir), F_OK) || access(dir, W_OK))
		return;
	strings_add(args, "-iex");
	strings_add(args, format("set index-cache directory %s/gdb-index", dir));
	strings_add(args, "-iex");
	strings_add(args, "set index-cache enabled on");
}

/*
 * debug_enter - become gdb, with the kernel as its program
 * The jail's counterpart of root_enter(); the same parameters.
 */
void debug_enter(const struct cell *c, char **argv)
{
	struct strings args = { 0 };
	const char *failed = own_proc();

	if (failed)
		jail_report_error(c->report, failed, "gdb");
	if (options->on_fail)
		onfail_enter();
	else
		own_group();
	keep_open(c);
	set_environment();
	strings_add(&args, "gdb");
	strings_add(&args, "-q");
	add_index(&args, c->kernel);
	/* The wrapper needs a plain shell, whatever the user's is. */
	setenv("SHELL", "/bin/sh", 1);
	strings_add(&args, "-ex");
	strings_add(&args, wrapper_setting(c));
	add_options(&args, options, source);
	if (options->on_fail) {
		strings_add(&args, "-x");
		strings_add(&args, project_path("../gdb-scripts/on-fail.py"));
		if (options->allow_warn)
			setenv("UMLAB_ALLOW_WARN", "1", 1);
	}
	strings_add(&args, "--args");
	strings_add(&args, c->kernel);
	for (char **arg = argv + 1; *arg; arg++)
		strings_add(&args, *arg);
	execvp("gdb", args.list);
	jail_report_error(c->report, "execute", "gdb");
}

/*
 * debug_attach - become gdb, attached to a kernel; in the PID namespace of it
 * @symbols: the kernel's file
 * @sources: its source folder, or NULL
 * @kernel: its number in this PID namespace
 */
void debug_attach(const struct options *o, const char *symbols, const char *sources, long kernel)
{
	struct strings args = { 0 };
	const char *failed = own_proc();

	if (failed)
		fail("--attach", failed, "%s; 'umrun --doctor' tells what this host allows", strerror(errno));
	own_group();
	set_environment();
	strings_add(&args, "gdb");
	strings_add(&args, "-q");
	/* The kernel's files have other names where it sees them: its libraries are the host's. */
	strings_add(&args, "-iex");
	strings_add(&args, "set sysroot /");
	strings_add(&args, "-iex");
	strings_add(&args, "set exec-file-mismatch off");
	strings_add(&args, "-x");
	strings_add(&args, project_path("../gdb-scripts/attach.py"));
	add_index(&args, symbols);
	add_options(&args, o, sources);
	strings_add(&args, "-p");
	strings_add(&args, format("%ld", kernel));
	strings_add(&args, symbols);
	execvp("gdb", args.list);
	fail("gdb", "execute", "%s", strerror(errno));
}

/*
 * debug_wrapper - gdb's exec-wrapper: enter the kernel's root, become the kernel
 * @argv: what wrapper_setting() wrote, then the kernel's file and arguments
 */
void debug_wrapper(char **argv)
{
	struct cell c;
	int count = 0;

	while (argv[count])
		count++;
	if (count < 10)
		fail(DEBUG_WRAPPER, "too few arguments", "this is for gdb; users want --gdb");
	c = (struct cell){
		.mem = strtoull(argv[0], NULL, 10), .disk = strtoull(argv[1], NULL, 10),
		.kernel = argv[2], .share = argv[3], .share_ro = argv[4], .image = atoi(argv[5]),
		.channel = atoi(argv[6]), .log = atoi(argv[7]), .report = atoi(argv[8]),
	};
	argv[9] = "/linux";
	root_enter(&c, argv + 9);
}
