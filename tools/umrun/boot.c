// SPDX-License-Identifier: GPL-2.0
/* The kernel's command line. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "umrun.h"

static void add_appended(struct strings *args, const char *append)
{
	char *copy = must(strdup(append)), *rest = copy, *word;

	while ((word = strsep(&rest, " \t\n")))
		if (*word)
			strings_add(args, word);
	free(copy);
}

/*
 * boot_args - what to start the kernel with: what its flavour wants, then the user
 * Every path is one of the jail's (jail.c), every descriptor one that it passes.
 * UML in ptrace mode runs one CPU; more need seccomp mode
 * (arch/um/os-Linux/start_up.c).
 */
struct strings boot_args(const struct options *o, const struct kernel *k)
{
	struct strings args = { 0 };

	strings_add(&args, "/linux");
	strings_add(&args, format("mem=%lluK", (unsigned long long)o->mem / 1024));
	strings_add(&args, "initrd=" PROTO_MAILBOX "/" PROTO_INITRD);
	/* UML sets root= by itself, and then the initramfs would be a ramfs without limits. */
	strings_add(&args, "rootfstype=tmpfs");
	/* The console goes to the log alone, the serial line to umrun. */
	strings_add(&args, "con=null");
	strings_add(&args, "con0=null,fd:1");
	strings_add(&args, "console=tty0");
	strings_add(&args, "ssl=null");
	strings_add(&args, "ssl0=fd:3");
	/* d: its first bytes are the guest's data, never the header of a COW file. */
	if (o->disk)
		strings_add(&args, "ubd0d=" DISK_FILE);
	strings_add(&args, "uml_dir=/uml/");
	strings_add(&args, "umid=guest");
	strings_add(&args, "noreboot");
	strings_add(&args, format("lpj=%lu", delay_per_jiffy()));
	/* A program must not write kernel lines, nor hide them. */
	strings_add(&args, "printk.devkmsg=off");
	strings_add(&args, "ignore_loglevel");
	strings_add(&args, "sysctl.kernel.panic_on_rcu_stall=1");
	if (o->cpus > 1) {
		strings_add(&args, format("ncpus=%d", o->cpus));
		strings_add(&args, "seccomp=on");
	}
	if (k->append)
		add_appended(&args, k->append);
	if (o->append)
		add_appended(&args, o->append);
	return args;
}

/* boot_print - the command line on stdout, quoted for a shell where needed */
void boot_print(const struct strings *args)
{
	for (size_t i = 0; i < args->len; i++) {
		bool plain = strspn(args->list[i], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_-=./,:+@%") == strlen(args->list[i]);

		printf(plain ? "%s%s" : "%s'%s'", i ? " " : "", args->list[i]);
	}
	putchar('\n');
}
