// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel's process sees of the host: a root of its own that holds the
 * kernel, the initramfs, the scratch disk and the shared folders. hostfs confines nothing (a
 * guest root may mount it with `-o /../..`, or plant symlinks), so this does.
 * There is no /proc in it: as the host's root, a guest could change the host's
 * sysctls there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "umrun.h"

/* Where the new root is put together; every host has it, and nobody shares it. */
#define STAGE "/proc"

static void must_do(const struct cell *c, long result, const char *what, const char *value)
{
	if (result < 0)
		jail_report_error(c->report, what, value);
}

static char *stage(const char *path)
{
	return format(STAGE "%s", path);
}

static void make_folder(const struct cell *c, const char *path)
{
	char *place = stage(path);

	if (mkdir(place, 0755) && errno != EEXIST)
		jail_report_error(c->report, "mkdir", place);
	free(place);
}

static void mount_tmpfs(const struct cell *c, const char *place, unsigned long long size)
{
	char *options = format("mode=755,size=%llu", size);

	must_do(c, mount("umrun", place, "tmpfs", MS_NOSUID | MS_NODEV, options), "mount tmpfs", place);
	free(options);
}

static void copy_to(const struct cell *c, int from, const char *path, mode_t mode)
{
	char *place = stage(path);
	int to = open(place, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	ssize_t n;

	must_do(c, to, "create", place);
	while ((n = sendfile(to, from, NULL, 1 << 30)) > 0)
		;
	must_do(c, n, "write", place);
	close(to);
	free(place);
}

static void bind(const struct cell *c, const char *host, const char *path, uint64_t attributes)
{
	struct mount_attr attr = { .attr_set = attributes };
	char *place = stage(path);

	must_do(c, mount(host, place, NULL, MS_BIND | MS_REC, NULL), "bind mount", host);
	must_do(c, syscall(SYS_mount_setattr, AT_FDCWD, place, AT_RECURSIVE, &attr, sizeof(attr)),
		"restrict the mount of", host);
	free(place);
}

static void bind_file(const struct cell *c, const char *host, const char *path, uint64_t attributes)
{
	char *place = stage(path);
	int fd = open(place, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

	must_do(c, fd, "create", place);
	close(fd);
	free(place);
	bind(c, host, path, attributes | MOUNT_ATTR_NOSUID);
}

/* A kernel that isn't static needs its libraries, each at its own path. */
static void bring_libraries(const struct cell *c)
{
	struct strings files = { 0 };

	deps_collect(c->kernel, "/nonexistent", &files);
	for (size_t i = 0; i < files.len; i++) {
		for (char *slash = strchr(files.list[i] + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
			*slash = '\0';
			make_folder(c, files.list[i]);
			*slash = '/';
		}
	}
	for (size_t i = 0; i < files.len; i++)
		bind_file(c, files.list[i], files.list[i], MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV);
}

/* UML reads the CPU's features there; a copy, since the host's /proc stays outside. */
static void bring_cpuinfo(const struct cell *c, int cpuinfo)
{
	make_folder(c, "/proc");
	if (cpuinfo >= 0)
		copy_to(c, cpuinfo, "/proc/cpuinfo", 0444);
}

static void bring_share(const struct cell *c, const char *host, const char *path, uint64_t attributes)
{
	if (!*host)
		return;
	make_folder(c, path);
	bind(c, host, path, attributes | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
}

static void bring_initramfs(const struct cell *c)
{
	off_t size = lseek(c->image, 0, SEEK_END);

	must_do(c, size, "size of", "initramfs");
	must_do(c, lseek(c->image, 0, SEEK_SET), "seek", "initramfs");
	mount_tmpfs(c, STAGE PROTO_MAILBOX, size + 4 * PROTO_MAIL_MAX);
	copy_to(c, c->image, PROTO_MAILBOX "/" PROTO_INITRD, 0600);
}

/* A sparse file on a tmpfs of its own: it takes what the guest writes, and goes with the jail. */
static void bring_disk(const struct cell *c)
{
	int fd;

	if (!c->disk)
		return;
	make_folder(c, "/disk");
	mount_tmpfs(c, STAGE "/disk", c->disk);
	fd = open(STAGE DISK_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	must_do(c, fd, "create the disk", DISK_FILE);
	must_do(c, ftruncate(fd, (off_t)c->disk), "size the disk", DISK_FILE);
	close(fd);
}

static void build_root(const struct cell *c)
{
	struct mount_attr readonly = { .attr_set = MOUNT_ATTR_RDONLY };
	int cpuinfo = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);

	must_do(c, mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "make private", "/");
	mount_tmpfs(c, STAGE, 1ull << 40);
	bring_libraries(c);
	make_folder(c, "/old");
	bring_cpuinfo(c, cpuinfo);
	bind_file(c, c->kernel, "/linux", MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV);
	make_folder(c, "/dev");
	/* What UML opens for a line that is assigned to nothing. */
	bind_file(c, "/dev/null", "/dev/null", 0);
	bring_share(c, c->share, "/share", 0);
	bring_share(c, c->share_ro, "/share-ro", MOUNT_ATTR_RDONLY);
	bring_disk(c);
	make_folder(c, "/tmp");
	make_folder(c, "/uml");
	make_folder(c, PROTO_MAILBOX);
	/* Guest memory is a file in /tmp; some slack for the file system's own needs. */
	mount_tmpfs(c, STAGE "/tmp", c->mem + (c->mem >> 4) + (64 << 20));
	mount_tmpfs(c, STAGE "/uml", 1 << 20);
	bring_initramfs(c);
	must_do(c, syscall(SYS_pivot_root, STAGE, STAGE "/old"), "pivot_root", STAGE);
	must_do(c, chdir("/"), "chdir", "/");
	must_do(c, umount2("/old", MNT_DETACH), "unmount", "the host's root");
	must_do(c, rmdir("/old"), "rmdir", "/old");
	must_do(c, syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &readonly, sizeof(readonly)),
		"make read-only", "/");
}

/* What hostfs needs to act as a guest's root on a share; nothing else. */
static void drop_capabilities(const struct cell *c)
{
	static const int keep[] = { CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID };

	for (int cap = 0; cap <= CAP_LAST_CAP; cap++) {
		bool kept = false;

		for (size_t i = 0; i < sizeof(keep) / sizeof(keep[0]); i++)
			kept |= keep[i] == cap;
		if (!kept && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) && errno != EINVAL)
			jail_report_error(c->report, "drop a capability", "prctl");
	}
	must_do(c, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges", "prctl");
}

static void arrange_descriptors(const struct cell *c, int null)
{
	static const int last = 3;

	dup2(null, STDIN_FILENO);
	dup2(c->log, STDOUT_FILENO);
	dup2(c->log, STDERR_FILENO);
	dup2(c->channel, last);
	syscall(SYS_close_range, last + 1, ~0u, 0);
}

/*
 * On its way out UML handles interrupts on the stack that its main() has, whose backtrace it
 * reads up to the next boundary of a kernel stack (dump_trace() in arch/um/kernel/stacktrace.c, for
 * lockdep). Above that stack's frames are only the arguments and the environment: make that
 * enough to read, or it dies of it now and then (docs/uml-bugs.md, 9).
 */
static char *room_on_stack(void)
{
	static char room[64 << 10] = "ROOM=";

	memset(room + strlen(room), '-', sizeof(room) - strlen(room) - 1);
	return room;
}

/*
 * root_enter - become the kernel, in a root of its own
 * @c: what of the host it is given
 * @argv: the kernel's command line
 * The caller is the root of a user namespace. Errors go to c->report.
 */
void root_enter(const struct cell *c, char **argv)
{
	char *env[] = { "TMPDIR=/tmp", "HOME=/", "PATH=/", room_on_stack(), NULL };
	/* 1 byte: 0 would still run a handler that core_pattern pipes to, see do_coredump(). */
	struct rlimit no_core = { 1, 1 };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* A session of its own: the terminal's Ctrl-C is umrun's to deal with. (Under
	 * gdb it leads a process group, so this does nothing and Ctrl-C is gdb's.) */
	setsid();
	must_do(c, unshare(CLONE_NEWNS), "new mount namespace", "unshare");
	build_root(c);
	drop_capabilities(c);
	setrlimit(RLIMIT_CORE, &no_core);
	/* UML wants it, and would start itself again through /proc/self/exe to get it. */
	personality(PER_LINUX | ADDR_NO_RANDOMIZE);
	jail_report_start(c->report);
	fcntl(c->report, F_SETFD, FD_CLOEXEC);
	arrange_descriptors(c, null);
	execve("/linux", argv, env);
	/* The report socket is closed: say it where the kernel's first words would go. */
	dprintf(STDERR_FILENO, "umrun: kernel: %s: %s\n", c->kernel, strerror(errno));
	_exit(127);
}
