// SPDX-License-Identifier: GPL-2.0
/*
 * Description: tasks of which it is known where they sleep, for the tests of pt-ps,
 * pt-bt and pt-frame. Each is in one system call with known arguments, or in another
 * known state. What /proc says of them goes to a file on the shared folder; then
 * main() calls madvise() with the scenario's mark, where the test stops it. After the
 * test goes on they end, and the next mark says that they are gone.
 *
 * usage: tasks FACTS-FILE
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "scenario.h"
#include "tasks.h"

static pid_t children[16];
static size_t count;
static FILE *facts;
static int pipe_ends[2];
static int futex_word = TASKS_FUTEX_VALUE;

/* Ends the program with a message unless what was tried went well. */
static void must(int good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "tasks: %s: %s\n", what, strerror(errno));
	for (size_t i = 0; i < count; i++)
		kill(children[i], SIGKILL);
	exit(2);
}

static void nap(void)
{
	struct timespec t = { TASKS_SECONDS, TASKS_NANOSECONDS };

	syscall(SYS_nanosleep, &t, NULL);
}

static void read_pipe(void)
{
	static char buffer[TASKS_LENGTH];

	close(pipe_ends[1]);
	syscall(SYS_read, TASKS_FD, buffer, sizeof(buffer));
}

static void wait_child(void)
{
	pid_t child = fork();

	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
	syscall(SYS_wait4, child, NULL, __WALL, NULL);
}

static void *wait_futex(void *unused)
{
	prctl(PR_SET_NAME, "t-futex");
	syscall(SYS_futex, &futex_word, FUTEX_WAIT_PRIVATE, TASKS_FUTEX_VALUE, NULL, NULL, 0);
	return unused;
}

/* The process of the thread that waits sleeps in a call of its own. */
static void with_thread(void)
{
	pthread_t thread;

	must(!pthread_create(&thread, NULL, wait_futex, NULL), "thread");
	pause();
}

/* The parent of a vfork() can't be interrupted: state D. */
static void wait_vfork(void)
{
	if (!vfork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
}

static void stop(void)
{
	raise(SIGSTOP);
}

static void end(void)
{
}

static void spin(void)
{
	for (volatile int i = 0; ; i++)
		;
}

/* Starts a child called @name that does @what. */
static void start(const char *name, void (*what)(void))
{
	pid_t pid = fork();

	must(pid >= 0, name);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, name);
		what();
		_exit(0);
	}
	children[count++] = pid;
}

/* The first line of /proc/PID/FILE, "" if it can't be read. */
static const char *proc_line(pid_t pid, const char *file)
{
	static char line[512];
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	f = fopen(path, "r");
	if (!f || !fgets(line, sizeof(line), f))
		line[0] = 0;
	if (f)
		fclose(f);
	line[strcspn(line, "\n")] = 0;
	return line;
}

/* The state's letter, third field of /proc/PID/stat. */
static int state(pid_t pid)
{
	const char *after = strrchr(proc_line(pid, "stat"), ')');

	return after && after[1] ? after[2] : '?';
}

/* Waits until the task @pid is called @name and in @wanted, and in the system call @nr unless that is -1. */
static void settle(pid_t pid, const char *name, int wanted, long nr)
{
	for (int i = 0; i < 1000; i++) {
		if (state(pid) == wanted && (nr < 0 || atol(proc_line(pid, "syscall")) == nr) &&
		    !strcmp(proc_line(pid, "comm"), name))
			return;
		usleep(10000);
	}
	errno = ETIMEDOUT;
	must(0, proc_line(pid, "stat"));
}

static void copy_lines(pid_t pid, const char *name, const char *file, const char *wanted)
{
	char path[64], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, wanted, strlen(wanted)))
			fprintf(facts, "%s %d %s", name, pid, line + strlen(wanted));
	if (f)
		fclose(f);
}

/* What /proc says of the task @pid. */
static void tell(const char *name, pid_t pid)
{
	fprintf(facts, "task %d %s\n", pid, name);
	fprintf(facts, "state %d %c\n", pid, state(pid));
	copy_lines(pid, "tgid", "status", "Tgid:");
	copy_lines(pid, "comm", "comm", "");
	copy_lines(pid, "vmpte", "status", "VmPTE:");
	copy_lines(pid, "vmrss", "status", "VmRSS:");
	copy_lines(pid, "syscall", "syscall", "");
	copy_lines(pid, "stack", "stack", "");
}

/* The tasks: how they are called, what they do, where they end up. */
static const struct kind {
	const char *name;
	void (*what)(void);
	int state;
	long nr;
} kinds[] = {
	{ "t-nap", nap, 'S', SYS_nanosleep },
	{ "t-read", read_pipe, 'S', SYS_read },
	{ "t-wait", wait_child, 'S', SYS_wait4 },
	{ "t-thread", with_thread, 'S', SYS_pause },
	{ "t-vfork", wait_vfork, 'D', SYS_vfork },
	{ "t-stop", stop, 'T', -1 },
	{ "t-zombie", end, 'Z', -1 },
	{ "t-spin", spin, 'R', -1 },
};

/* The other thread of the process @pid. */
static pid_t thread_of(pid_t pid)
{
	char path[64];
	struct dirent *entry;
	pid_t found = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	must(dir != NULL, path);
	while (!found && (entry = readdir(dir)))
		if (atoi(entry->d_name) != pid)
			found = atoi(entry->d_name);
	closedir(dir);
	must(found, path);
	return found;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: tasks FACTS-FILE\n");
		return 2;
	}
	facts = fopen(argv[1], "w");
	must(facts != NULL, argv[1]);
	must(!pipe(pipe_ends) && dup2(pipe_ends[0], TASKS_FD) == TASKS_FD, "pipe");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		start(kinds[i].name, kinds[i].what);
		settle(children[i], kinds[i].name, kinds[i].state, kinds[i].nr);
	}
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(kinds[i].name, "t-thread")) {
			settle(thread_of(children[i]), "t-futex", 'S', SYS_futex);
			tell("t-futex", thread_of(children[i]));
		}
		tell(kinds[i].name, children[i]);
	}
	fprintf(facts, "main %d\nfutex %d %p\n", getpid(), getpid(), (void *)&futex_word);
	must(!fclose(facts), argv[1]);
	syscall(SYS_madvise, SCENARIO_FULL, SCENARIO_BUILT, SCENARIO_MARK);

	for (size_t i = 0; i < count; i++)
		kill(children[i], SIGKILL);
	while (wait(NULL) > 0)
		;
	/* The test stops where this is to run for the first time. */
	if (!fork())
		_exit(0);
	wait(NULL);
	syscall(SYS_madvise, SCENARIO_FULL, SCENARIO_RECLAIMED, SCENARIO_MARK);
	return 0;
}
