/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the programs share that are PID 1 of an architecture's kernel: the way to the host, which is the kernel's
 * log, and the end. For the kernel tree's nolibc: one file, included by one program.
 */
#include <linux/reboot.h>
#include <stdarg.h>

/* What the kernel takes as one message: PRINTKRB_RECORD_MAX is 1024, a prefix included. */
#define LINE_MAX_KMSG 900

static int kmsg = -1;

/* One line to the kernel's log, and so to the console: "umlab: ..." or what else the host looks for. */
static void say(const char *format, ...)
{
	char line[LINE_MAX_KMSG];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (n >= (int)sizeof(line))
		n = sizeof(line) - 1;
	if (kmsg >= 0)
		write(kmsg, line, n);
}

/* The end: powers off, or stays where a board cannot, for the host to end. */
static void __attribute__((noreturn)) power_off(void)
{
	say("umlab: end");
	reboot(LINUX_REBOOT_CMD_POWER_OFF);
	for (;;)
		sleep(1000);
}

static void __attribute__((noreturn)) die(const char *what)
{
	say("umlab: error what=%s errno=%d", what, errno);
	power_off();
}

/* Reads a file whole and ends it with a NUL; there is one buffer. */
static char *slurp(const char *file)
{
	static char buf[16384];
	int fd = open(file, O_RDONLY), n, have = 0;

	if (fd < 0)
		die(file);
	while ((n = read(fd, buf + have, sizeof(buf) - 1 - have)) > 0)
		have += n;
	close(fd);
	buf[have] = '\0';
	return buf;
}

/* /proc/sys/kernel/tainted: what the kernel has complained of. */
static long tainted(void)
{
	return atol(slurp("/proc/sys/kernel/tainted"));
}

static void mount_on(const char *type, const char *folder)
{
	mkdir(folder, 0755);
	if (mount(type, folder, type, 0, NULL))
		die(folder);
}

/* The log, /proc, /sys and its debug folder. */
static void prepare(void)
{
	mkdir("/dev", 0755);
	mknod("/dev/kmsg", S_IFCHR | 0600, makedev(1, 11));
	kmsg = open("/dev/kmsg", O_WRONLY);
	mount_on("proc", "/proc");
	mount_on("sysfs", "/sys");
	mount_on("debugfs", "/sys/kernel/debug");
}
