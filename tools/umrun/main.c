// SPDX-License-Identifier: GPL-2.0
/* From the command line to the exit status. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

#include "umrun.h"

static struct proto_orders make_orders(const struct options *o)
{
	struct proto_orders orders = { .share = o->share != NULL, .share_ro = o->share_ro != NULL };
	struct winsize size = { 0 };

	if (getrandom(orders.key, sizeof(orders.key), 0) != sizeof(orders.key))
		fail("random key", "getrandom", "%s", strerror(errno));
	orders.tty = !o->gdb && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	orders.tty_stderr = orders.tty && isatty(STDERR_FILENO);
	if (orders.tty && !ioctl(STDIN_FILENO, TIOCGWINSZ, &size)) {
		orders.rows = size.ws_row;
		orders.cols = size.ws_col;
	}
	return orders;
}

static void explain(const struct outcome *out, const struct options *o, const struct verdict *v,
		    const struct klog *log, const struct symbols *s)
{
	bool warned = o->allow_warn && out->taint && v->exit != EXIT_KERNEL;

	if (o->gdb)
		return;
	if (out->shown) {
		notice("the kernel log is in %s", klog_path(log));
		return;
	}
	if (!strcmp(v->decided_by, "program")) {
		if (warned)
			notice("the kernel warned (allowed): %s", klog_path(log));
		return;
	}
	if (!strcmp(v->decided_by, "kernel")) {
		notice("kernel: %s", v->why);
		if (o->on_fail && !out->hello)
			onfail_last_words();
		if (klog_complaint(log))
			klog_print_complaint(log, s, stderr);
		else
			klog_print_tail(log, s, 15, stderr);
	} else if (!strcmp(v->decided_by, "umrun")) {
		notice("run: %s: %s", o->argv[0], v->why);
	} else {
		notice("%s", v->why);
	}
	if (strcmp(v->decided_by, "signal"))
		notice("the kernel log is in %s", klog_path(log));
}

static struct symbols *need_symbols(const struct kernel *k)
{
	struct symbols *s = symbols_open(k->file);
	uint64_t addr, size;

	if (!s || !symbols_find(s, "tainted_mask", &addr, &size))
		fail("kernel", k->file, "not a UML kernel with symbols, which the verdict needs; don't strip it");
	return s;
}

/* A closed stdin, stdout or stderr would be the number of the next file opened. */
static void fill_descriptors(void)
{
	int fd = open("/dev/null", O_RDWR);

	while (fd >= 0 && fd <= STDERR_FILENO)
		fd = dup(fd);
	if (fd > STDERR_FILENO)
		close(fd);
}

int main(int argc, char **argv)
{
	struct outcome out = { 0 };
	struct proto_orders orders;
	struct verdict v;
	struct options o;
	struct kernel k;
	struct strings args;
	struct symbols *s;
	struct klog *log;
	struct jail j;
	int image;

	fill_descriptors();
	if (argc > 1 && !strcmp(argv[1], DEBUG_WRAPPER))
		debug_wrapper(argv + 2);
	options_parse(&o, argc, argv);
	if (o.doctor)
		return limits_print(&o);
	if (o.attach)
		return attach(&o);
	if (o.result)
		result_begin(o.result);
	orders = make_orders(&o);
	k = kernel_find(&o);
	args = boot_args(&o, &k);
	if (o.dry_run) {
		args.list[0] = k.file;
		boot_print(&args);
		return 0;
	}
	limits_begin(&o);
	s = need_symbols(&k);
	image = image_build(&o, &orders);
	log = klog_open(&o);
	/* A file that the user named stays. */
	if (o.gdb || o.on_fail)
		limits_end(o.log ? NULL : log);
	announce_run(&o, &k);
	if (o.gdb || o.on_fail)
		debug_prepare(&o, &k);
	if (o.on_fail)
		onfail_prepare();
	j = jail_start(&o, &k, &args, image, o.gdb || o.on_fail ? debug_enter : root_enter);
	limits_end(o.log ? NULL : log);
	if (o.on_fail)
		onfail_begin();
	close(image);
	relay_run(&j, &o, &orders, log, s, &out);
	if (o.gdb)
		debug_done();
	klog_close(log);
	v = verdict_decide(&out, &o, log);
	explain(&out, &o, &v, log, s);
	if (o.result)
		result_write(o.result, &o, &k, &out, &v, log);
	return v.exit;
}
