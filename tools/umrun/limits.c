// SPDX-License-Identifier: GPL-2.0
/*
 * What UML needs of this host, each checked by trying it, and the cure where
 * it is missing. Looked at before every boot, printed by --doctor.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <linux/seccomp.h>
#include <unistd.h>

#include "umrun.h"

/* Each page that a guest process maps apart from its neighbours is a mapping of
 * the host's; the kernel's default is 65530. Fewer than the lower one and a
 * shell with a few libraries may not run. */
#define MAPS_NEEDED	4096
#define MAPS_USUAL	65530

enum grade { GOOD, POOR, BAD };

struct finding {
	enum grade grade;
	char *value;		/* what was found */
	const char *cure;
};

struct limit {
	const char *name;
	struct finding (*check)(const struct options *o);
};

static long long read_number(const char *path)
{
	long long n = -1;
	FILE *f = fopen(path, "re");

	if (f) {
		if (fscanf(f, "%lld", &n) != 1)
			n = -1;
		fclose(f);
	}
	return n;
}

static struct finding check_maps(const struct options *o)
{
	long long n = read_number("/proc/sys/vm/max_map_count");
	enum grade grade = n < 0 || n >= MAPS_USUAL ? GOOD : n >= MAPS_NEEDED ? POOR : BAD;

	(void)o;
	return (struct finding){ grade, format("%lld", n),
		"each guest mapping is a host mapping; as root: sysctl -w vm.max_map_count=262144" };
}

/* Runs @probe in a child; its exit status 0 is success, else it is an errno. */
static int in_child(int (*probe)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(probe() ? (errno ? errno : EPERM) : 0);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EPERM;
}

static struct finding tried(int error, const char *cure)
{
	if (!error)
		return (struct finding){ GOOD, format("allowed"), cure };
	return (struct finding){ BAD, format("%s", strerror(error)), cure };
}

static int probe_namespaces(void)
{
	return unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET);
}

static struct finding check_namespaces(const struct options *o)
{
	(void)o;
	return tried(in_child(probe_namespaces),
		"user namespaces confine the guest; as root: sysctl -w user.max_user_namespaces=15000 "
		"and, where it exists, kernel.unprivileged_userns_clone=1; in a container: "
		"--security-opt seccomp=unconfined --security-opt apparmor=unconfined");
}

/* Mounting works in a namespace of one's own, unless a container's filter forbids it. */
static int probe_mount(void)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return -1;
	return mount("umrun", "/proc", "tmpfs", 0, "size=64k");
}

static struct finding check_mount(const struct options *o)
{
	(void)o;
	return tried(in_child(probe_mount),
		"the guest's root is a mount of its own; in a container: --security-opt "
		"seccomp=unconfined --security-opt apparmor=unconfined, or --privileged");
}

static int probe_ptrace(void)
{
	int status, ok;
	pid_t pid = fork();

	if (!pid) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0))
			_exit(1);
		raise(SIGSTOP);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	ok = WIFSTOPPED(status);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	errno = EPERM;
	return ok ? 0 : -1;
}

static struct finding check_ptrace(const struct options *o)
{
	struct finding f = tried(in_child(probe_ptrace),
		"UML's one-CPU mode traces its processes; use --cpus 2, or in a container: "
		"--cap-add SYS_PTRACE --security-opt seccomp=unconfined");

	if (f.grade == BAD && o->cpus > 1)
		f.grade = POOR;
	return f;
}

static int probe_memory(void)
{
	pid_t pid = fork();
	int fd, error;

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
	fd = kmem_open(pid);
	error = errno;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	errno = error;
	return fd < 0 ? -1 : 0;
}

static struct finding check_memory_access(const struct options *o)
{
	(void)o;
	return tried(in_child(probe_memory),
		"the verdict is read from the kernel's memory, /proc/PID/mem; allow ptrace of one's own "
		"children: as root: sysctl -w kernel.yama.ptrace_scope=1");
}

static int probe_seccomp(void)
{
	uint32_t action = SECCOMP_RET_TRAP;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action);
}

static struct finding check_seccomp(const struct options *o)
{
	struct finding f = tried(in_child(probe_seccomp),
		"more than one CPU needs it; a host kernel with CONFIG_SECCOMP_FILTER has it");

	if (f.grade == BAD && o->cpus < 2)
		f.grade = POOR;
	return f;
}

/* kB in /proc/meminfo, or -1. */
static long long meminfo(const char *name)
{
	FILE *f = fopen("/proc/meminfo", "re");
	char key[64];
	long long kb, found = -1;

	while (f && fscanf(f, "%63[^:]: %lld%*[^\n] ", key, &kb) == 2)
		if (!strcmp(key, name))
			found = kb;
	if (f)
		fclose(f);
	return found;
}

/* What this control group may still take, in bytes; LLONG_MAX-like when unlimited. */
static unsigned long long group_room(void)
{
	long long max = read_number("/sys/fs/cgroup/memory.max");
	long long used = read_number("/sys/fs/cgroup/memory.current");

	return max < 0 || used < 0 || used > max ? ~0ull : (unsigned long long)(max - used);
}

static struct finding check_memory(const struct options *o)
{
	unsigned long long room = ~0ull, group = group_room();
	long long available = meminfo("MemAvailable"), swap = meminfo("SwapFree");

	if (available >= 0)
		room = (available + (swap > 0 ? swap : 0)) * 1024ull;
	if (group < room)
		room = group;
	return (struct finding){ room >= o->mem + o->disk ? GOOD : BAD,
		format("%llu MiB free, the guest may take %llu MiB", room >> 20,
		       (unsigned long long)(o->mem + o->disk) >> 20),
		"guest memory and its disk are a tmpfs of their own, so /dev/shm and TMPDIR set no limit to "
		"them, but the host's memory does: give less with --mem or --disk, or free some" };
}

static struct finding check_log_room(const struct options *o)
{
	char *folder = project_path(".");
	struct statfs st;
	struct finding f = { GOOD, NULL, "the kernel log is written there; free some, or use --log" };

	(void)o;
	if (statfs(folder, &st)) {
		f.grade = POOR;
		f.value = format("%s: %s", folder, strerror(errno));
	} else {
		f.grade = st.f_bavail ? GOOD : POOR;
		f.value = format("%llu MiB free", (unsigned long long)st.f_bavail * st.f_bsize >> 20);
	}
	free(folder);
	return f;
}

static const struct limit limits[] = {
	{ "vm.max_map_count", check_maps },
	{ "namespaces", check_namespaces },
	{ "mounts in a namespace", check_mount },
	{ "ptrace", check_ptrace },
	{ "memory of own processes", check_memory_access },
	{ "seccomp filters", check_seccomp },
	{ "memory", check_memory },
	{ "room in build/", check_log_room },
};

#define LIMITS (sizeof(limits) / sizeof(limits[0]))

/* What the child tells us of one limit. It is a copy of us: its constants are where ours are. */
struct told {
	struct finding finding;
	char value[256];
};

static int answers = -1;	/* pipe from the child that looks */
static pid_t looker;

static _Noreturn void look(const struct options *o, int to)
{
	for (size_t i = 0; i < LIMITS; i++) {
		struct told t = { .finding = limits[i].check(o) };

		snprintf(t.value, sizeof(t.value), "%s", t.finding.value);
		if (write(to, &t, sizeof(t)) != sizeof(t))
			_exit(1);
	}
	_exit(0);
}

/* limits_begin - look at what this host allows, in a child, while umrun goes on */
void limits_begin(const struct options *o)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC))
		fail("limits", "pipe", "%s", strerror(errno));
	looker = fork();
	if (looker < 0)
		fail("limits", "fork", "%s", strerror(errno));
	if (!looker)
		look(o, fd[1]);
	close(fd[1]);
	answers = fd[0];
}

/*
 * limits_end - end umrun when this host forbids what it needs; what is merely scarce is a notice
 * @log: of the run, which is then none, or NULL
 * To be called when there is time to wait, before anybody can see a kernel that lacks something; a second time it
 * does nothing.
 */
void limits_end(const struct klog *log)
{
	struct told t;

	if (answers < 0)
		return;
	for (size_t i = 0; i < LIMITS; i++) {
		bool told = read(answers, &t, sizeof(t)) == sizeof(t);

		if (log && (!told || t.finding.grade == BAD))
			unlink(klog_path(log));
		if (!told)
			fail("limits", limits[i].name, "the check of it died; see 'umrun --doctor'");
		if (t.finding.grade == BAD)
			fail(limits[i].name, t.value, "%s", t.finding.cure);
		if (t.finding.grade == POOR && limits[i].check == check_maps)
			notice("warning: %s: %s: %s", limits[i].name, t.value, t.finding.cure);
	}
	close(answers);
	answers = -1;
	waitpid(looker, NULL, 0);
}

/* limits_print - all of it, for --doctor; returns the exit status */
int limits_print(const struct options *o)
{
	static const char *const grades[] = { "ok", "low", "MISSING" };
	int status = 0;

	for (size_t i = 0; i < LIMITS; i++) {
		struct finding f = limits[i].check(o);

		printf("%-7s  %-24s  %s\n", grades[f.grade], limits[i].name, f.value);
		if (f.grade != GOOD)
			printf("%-7s  %-24s  -> %s\n", "", "", f.cure);
		if (f.grade == BAD)
			status = EXIT_UMRUN;
		free(f.value);
	}
	return status;
}
