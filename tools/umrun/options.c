// SPDX-License-Identifier: GPL-2.0
/* What the user asked for. */
#define _GNU_SOURCE
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "umrun.h"

#define MEM_MIN (64ull << 20)
#define MEM_MAX (1ull << 40)
#define DISK_MIN (1ull << 20)
#define DISK_MAX (1ull << 40)
#define CPUS_MAX 64

enum {
	OPT_KERNEL = 256, OPT_CPUS, OPT_MEM, OPT_TIMEOUT, OPT_SHARE, OPT_SHARE_RO, OPT_APPEND,
	OPT_LOG, OPT_DRY_RUN, OPT_GDB, OPT_GDB_ARG, OPT_RESULT, OPT_ENV, OPT_ALLOW_WARN, OPT_DOCTOR,
	OPT_DISK, OPT_ATTACH, OPT_ON_FAIL,
};

static const struct argp_option option_list[] = {
	{ 0, 0, 0, 0, "The kernel:", 1 },
	{ "point", 'p', "POINT", 0, "Boot this point of the series: base, 1 to 8, series, fixed, work (default: fixed)", 0 },
	{ "flavour", 'f', "FLAVOUR", 0, "fast or debug (default: fast)", 0 },
	{ "kernel", OPT_KERNEL, "FILE", 0, "Boot this UML kernel instead", 0 },
	{ "append", OPT_APPEND, "ARGS", 0, "More of the kernel's command line, separated by spaces", 0 },
	{ 0, 0, 0, 0, "The machine:", 2 },
	{ "cpus", OPT_CPUS, "N", 0, "CPUs, 1 to 64 (default: 1, in UML's ptrace mode and kept on one CPU of the host; more use its seccomp mode)", 0 },
	{ "mem", OPT_MEM, "SIZE", 0, "Memory, with K, M or G (default: 512M)", 0 },
	{ "disk", OPT_DISK, "SIZE", 0, "An empty disk, /dev/ubda, for this run alone; it takes host memory as it is written", 0 },
	{ "share", OPT_SHARE, "DIR", 0, "This host folder is /share inside, read-write", 0 },
	{ "share-ro", OPT_SHARE_RO, "DIR", 0, "This host folder is /share-ro inside, read-only; it is /share too when there is no --share", 0 },
	{ "env", OPT_ENV, "NAME=VALUE", 0, "In the program's environment; may be given again", 0 },
	{ 0, 0, 0, 0, "The run:", 3 },
	{ "timeout", OPT_TIMEOUT, "SECONDS", 0, "End the run after this time, boot included (default: 60; 0: never)", 0 },
	{ "allow-warn", OPT_ALLOW_WARN, 0, 0, "A kernel WARNING is a notice, not status 126", 0 },
	{ "log", OPT_LOG, "FILE", 0, "The kernel log goes here (default: a new file in build/log)", 0 },
	{ "result", OPT_RESULT, "FILE", 0, "Write a JSON of how the run went and who decided its status", 0 },
	{ "gdb", OPT_GDB, 0, 0, "Run the kernel under gdb; no time-out", 0 },
	{ "gdb-on-fail", OPT_ON_FAIL, 0, 0, "A report of the kernel (panic, WARNING, KASAN, ...) or the time-out stops it in gdb; without a terminal, gdb's backtrace is printed", 0 },
	{ "attach", OPT_ATTACH, "PID", OPTION_ARG_OPTIONAL, "gdb on the kernel of an umrun that is running: yours, or the one with that PID; no PROGRAM", 0 },
	{ "gdb-arg", OPT_GDB_ARG, "ARG", 0, "One more argument for gdb; may be given again", 0 },
	{ "dry-run", OPT_DRY_RUN, 0, 0, "Print the kernel's command line and end", 0 },
	{ "doctor", OPT_DOCTOR, 0, 0, "Print what this host allows, with the cure for what it doesn't, and end", 0 },
	{ 0 },
};

static const char doc[] =
	"Boots a User-Mode Linux kernel, runs PROGRAM inside as root, and ends as it ended."
	"\vPROGRAM is a name in the guest (busybox's applets: sh, cat, ls, ...) or a program of the host, "
	"static or dynamic; a dynamic one's shared libraries are brought along. The guest sees its own "
	"small root file system and the shared folders, nothing else of the host. stdin, stdout and "
	"stderr are the program's own; it has a terminal when umrun's stdin and stdout are one. stdin is read "
	"ahead: in a shell's loop, give umrun </dev/null. On a --share the guest's root acts as you.\n"
	"\n"
	"Exit status:\n"
	"  0-255  the program's own; 128+N when signal N killed it\n"
	"  124    time-out: the log's tail and where each guest task hung are on stderr\n"
	"  125    umrun could not do it: the reason is on stderr\n"
	"  126    the kernel died or complained (panic, BUG, oops, WARNING, KASAN or\n"
	"         lockdep report, RCU stall, PID 1 gone): the first such line and its\n"
	"         backtrace are on stderr\n"
	"A program may end with 124 to 126 itself: --result tells who decided.\n"
	"\n"
	"SIGINT (Ctrl-C) goes to the program; a second one ends the run. SIGTERM and SIGHUP go to the "
	"program, and end the run a second later. No process, folder or file is left after any end.\n"
	"\n"
	"While a debugger is attached to the kernel, its time-out stands still. docs/debugging.md tells more.\n"
	"\n"
	"Examples:\n"
	"  umrun uname -a\n"
	"  umrun --point base -- build/tests/guest/ptworkload --size 1G\n"
	"  tar c . | umrun --cpus 2 --mem 1G sha256sum\n"
	"  umrun --disk 256M sh -c 'mkswap /dev/ubda && swapon /dev/ubda && free'\n"
	"  umrun --timeout 0 sh\n"
	"  umrun --flavour debug --gdb-on-fail ./test";

static uint64_t parse_size(struct argp_state *state, const char *option, const char *text,
			   uint64_t min, uint64_t max)
{
	char *end;
	double n = strtod(text, &end);
	double unit = !strcasecmp(end, "K") ? 1 << 10 : !strcasecmp(end, "M") ? 1 << 20 :
		      !strcasecmp(end, "G") ? 1 << 30 : !*end ? 1 : 0;

	if (end == text || !unit || !isfinite(n))
		argp_error(state, "%s: %s: not a size; write 512M or 2G", option, text);
	if (n * unit < min || n * unit > max)
		argp_error(state, "%s: %s: must be from %lluM to %lluG", option, text,
			   (unsigned long long)min >> 20, (unsigned long long)max >> 30);
	return n * unit;
}

static int parse_cpus(struct argp_state *state, const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text || *end || n < 1 || n > CPUS_MAX)
		argp_error(state, "--cpus: %s: must be a number from 1 to %d", text, CPUS_MAX);
	return n;
}

static pid_t parse_pid(struct argp_state *state, const char *text)
{
	char *end;
	long n = text ? strtol(text, &end, 10) : 0;

	if (text && (end == text || *end || n < 1 || n > INT_MAX))
		argp_error(state, "--attach: %s: must be the PID of an umrun", text);
	return n;
}

static double parse_seconds(struct argp_state *state, const char *text)
{
	char *end;
	double n = strtod(text, &end);

	if (end == text || *end || !(n >= 0) || n > 1e8)
		argp_error(state, "--timeout: %s: must be a number of seconds, 0 for none", text);
	return n;
}

static const char *parse_folder(struct argp_state *state, const char *option, const char *text)
{
	struct stat st;

	if (stat(text, &st))
		argp_error(state, "%s: %s: %s; name a folder of this host", option, text, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		argp_error(state, "%s: %s: not a folder; name a folder of this host", option, text);
	return text;
}

static void append(struct argp_state *state, char ***list, size_t *len, char *text)
{
	(void)state;
	*list = must(realloc(*list, (*len + 1) * sizeof(**list)));
	(*list)[(*len)++] = text;
}

static error_t parse_machine(int key, char *arg, struct argp_state *state, struct options *o)
{
	switch (key) {
	case OPT_CPUS: o->cpus = parse_cpus(state, arg); break;
	case OPT_MEM: o->mem = parse_size(state, "--mem", arg, MEM_MIN, MEM_MAX); break;
	/* Whole pages: a part of one could not be written. */
	case OPT_DISK: o->disk = parse_size(state, "--disk", arg, DISK_MIN, DISK_MAX) & ~4095ull; break;
	case OPT_SHARE: o->share = parse_folder(state, "--share", arg); break;
	case OPT_SHARE_RO: o->share_ro = parse_folder(state, "--share-ro", arg); break;
	case OPT_ENV:
		if (!strchr(arg, '=') || *arg == '=')
			argp_error(state, "--env: %s: must be NAME=VALUE", arg);
		append(state, &o->env, &o->env_len, arg);
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* gdb's -i, --interpreter: `mi`, with or without a number, and `dap` are for programs. */
static bool is_machine(const struct options *o)
{
	const char *before = "";

	for (size_t i = 0; i < o->gdb_args_len; before = o->gdb_args[i++]) {
		const char *arg = o->gdb_args[i] + strspn(o->gdb_args[i], "-");
		const char *value = strchr(arg, '=');

		before += strspn(before, "-");
		if (value && (!strncmp(arg, "i=", 2) || !strncmp(arg, "interpreter=", 12)))
			value++;
		else if (!strcmp(before, "i") || !strcmp(before, "interpreter"))
			value = arg;
		else
			continue;
		if (!strncmp(value, "mi", 2) || !strcmp(value, "dap"))
			return true;
	}
	return false;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'p': o->point = arg; break;
	case 'f': o->flavour = arg; break;
	case OPT_KERNEL: o->kernel = arg; break;
	case OPT_APPEND: o->append = arg; break;
	case OPT_TIMEOUT: o->timeout = parse_seconds(state, arg); break;
	case OPT_ALLOW_WARN: o->allow_warn = true; break;
	case OPT_LOG: o->log = arg; break;
	case OPT_RESULT: o->result = arg; break;
	case OPT_GDB: o->gdb = true; break;
	case OPT_ON_FAIL: o->on_fail = true; break;
	case OPT_ATTACH: o->attach = true; o->attach_pid = parse_pid(state, arg); break;
	case OPT_GDB_ARG: append(state, &o->gdb_args, &o->gdb_args_len, arg); break;
	case OPT_DRY_RUN: o->dry_run = true; break;
	case OPT_DOCTOR: o->doctor = true; break;
	case ARGP_KEY_ARGS:
		o->argc = state->argc - state->next;
		o->argv = state->argv + state->next;
		break;
	case ARGP_KEY_END:
		if (o->gdb + o->on_fail + o->attach > 1)
			argp_error(state, "--gdb, --gdb-on-fail, --attach: only one of them");
		if (o->argc && o->attach)
			argp_error(state, "%s: --attach takes no program: it runs already", o->argv[0]);
		if (!o->argc && !o->doctor && !o->attach)
			argp_error(state, "PROGRAM: none given; name one to run in the guest, such as 'sh'");
		break;
	default: return parse_machine(key, arg, state, o);
	}
	return 0;
}

/*
 * options_parse - fill *o from the command line
 * A wrong one ends umrun with EXIT_UMRUN and a line on stderr.
 */
void options_parse(struct options *o, int argc, char **argv)
{
	static const struct argp argp = { option_list, parse_option, "[--] PROGRAM [ARG...]",
					  doc, NULL, NULL, NULL };

	*o = (struct options){ .point = "fixed", .flavour = "fast", .cpus = 1,
			       .mem = 512ull << 20, .timeout = 60 };
	argp_err_exit_status = EXIT_UMRUN;
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, o);
	o->gdb_machine = is_machine(o);
	if (strchr(o->point, '/') || strchr(o->flavour, '/') || !*o->point || !*o->flavour)
		fail("--point, --flavour", "a name with a slash or none",
		     "'make points' lists the points; flavours are fast and debug");
}
