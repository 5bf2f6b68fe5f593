// SPDX-License-Identifier: GPL-2.0
/*
 * PID 1 of the guest: mounts, runs umrun's program, reports how it ended,
 * powers off. Each step says why it failed on the console; PID 1 that exits is
 * a panic, which umrun reports with that line.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

/*
 * die - give up, with the reason on the console
 * @what: the step that failed
 * @value: what it failed on; errno tells why
 */
void die(const char *what, const char *value)
{
	dprintf(STDERR_FILENO, "init: %s: %s: %s\n", what, value, strerror(errno));
	_exit(1);
}

static void mount_one(const char *type, const char *where, const char *options)
{
	if (mkdir(where, 0755) && errno != EEXIST)
		die("mkdir", where);
	if (mount(type, where, type, 0, options) && errno != EBUSY)
		die("mount", where);
}

static void mount_all(void)
{
	mount_one("proc", "/proc", NULL);
	mount_one("sysfs", "/sys", NULL);
	mount_one("debugfs", "/sys/kernel/debug", NULL);
	mount_one("devtmpfs", "/dev", NULL);
	mount_one("devpts", "/dev/pts", "mode=620,ptmxmode=666");
	mount_one("tmpfs", "/dev/shm", "mode=1777");
	/* The root is a tmpfs itself; the program may lie in its /tmp. */
	chmod("/tmp", 01777);
	chmod("/var/tmp", 01777);
	symlink("/proc/self/fd", "/dev/fd");
	symlink("/proc/self/fd/0", "/dev/stdin");
	symlink("/proc/self/fd/1", "/dev/stdout");
	symlink("/proc/self/fd/2", "/dev/stderr");
}

/* umrun puts the host folders at these places of the jail that the kernel runs in. */
static void mount_share(const char *host, const char *where, unsigned long flags)
{
	if (mkdir(where, 0755) && errno != EEXIST)
		die("mkdir", where);
	if (mount("none", where, "hostfs", flags, host))
		die("mount the share", where);
}

static void mount_shares(const struct proto_orders *o)
{
	if (o->share)
		mount_share("/share", "/share", 0);
	if (o->share_ro)
		mount_share("/share-ro", "/share-ro", MS_RDONLY);
	if (o->share_ro && !o->share)
		mount_share("/share-ro", "/share", MS_RDONLY);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		dprintf(STDERR_FILENO, "init: write: %s: %s\n", path, strerror(errno));
	close(fd);
}

/* A WARN_ON_ONCE() that fired during boot must be able to fire for the program as well. */
static void rearm_warnings(void)
{
	write_file("/sys/kernel/debug/clear_warn_once", "1");
}

static void set_hostname(void)
{
	if (sethostname("uml", 3))
		die("sethostname", "uml");
}

/* Nothing of the program's may run while the verdict is taken. */
static void kill_the_rest(void)
{
	kill(-1, SIGKILL);
	while (wait(NULL) > 0 || errno == EINTR)
		;
}

/*
 * Page tables that the program's end freed go through RCU: what their freeing does wrong
 * should have happened before the verdict. The parameter calls rcu_barrier(), which ends when all
 * callbacks have run; a grace period that does not end becomes a stall, and so a verdict.
 */
static void wait_for_callbacks(void)
{
	static const char barrier[] = "/sys/module/rcutree/parameters/do_rcu_barrier";
	/* A kernel that has no such parameter: a grace period of an idle machine, and its callbacks. */
	struct timespec ticks = { .tv_nsec = 40 * 1000 * 1000 };

	if (!access(barrier, W_OK)) {
		write_file(barrier, "1");
		return;
	}
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
	while (nanosleep(&ticks, &ticks) && errno == EINTR)
		;
}

static void unmount_shares(void)
{
	umount2("/share", MNT_DETACH);
	umount2("/share-ro", MNT_DETACH);
	sync();
}

int main(void)
{
	struct orders orders;
	struct program program;
	int status;

	orders = orders_read();
	mount_all();
	mount_shares(&orders.head);
	mailbox_open();
	set_hostname();
	channel_open(orders.head.key);
	channel_send(PROTO_HELLO, NULL, 0);
	rearm_warnings();
	program_start(&program, &orders);
	status = relay(&program);
	channel_send(PROTO_EXIT, &status, sizeof(status));
	kill_the_rest();
	unmount_shares();
	wait_for_callbacks();
	channel_send(PROTO_DONE, NULL, 0);
	relay_wait_poweroff();
	reboot(RB_POWER_OFF);
	die("power off", "reboot");
}
