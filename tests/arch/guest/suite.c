// SPDX-License-Identifier: GPL-2.0
/*
 * Description: PID 1 that runs one guest suite (tests/guest) and sends what it prints to the host, a line of
 * TAP as a line "tap: ..." of the kernel's log; "tap+: ..." goes on where a line is too long for that.
 *
 * /suite is the program, /env its environment, NAME=VALUE one a line. First comes "umlab: begin", last "umlab: status=N tainted=N"
 * (128 + the signal if one ended it) and "umlab: end".
 */
#include "guest.h"

static char environment[8192];
static char *variables[128];

static void read_environment(void)
{
	int n = 0;

	strlcpy(environment, slurp("/env"), sizeof(environment));
	for (char *line = environment; *line && n < 127;) {
		char *end = strchr(line, '\n');

		if (!end)
			break;
		*end = '\0';
		variables[n++] = line;
		line = end + 1;
	}
}

/* Device nodes and folders that programs expect. */
static void prepare_for_programs(void)
{
	mknod("/dev/null", S_IFCHR | 0666, makedev(1, 3));
	mknod("/dev/zero", S_IFCHR | 0666, makedev(1, 5));
	mknod("/dev/urandom", S_IFCHR | 0666, makedev(1, 9));
	/* A disk in memory (CONFIG_BLK_DEV_RAM). */
	mknod("/dev/ram0", S_IFBLK | 0600, makedev(1, 0));
	mount_on("tmpfs", "/dev/shm");
	mount_on("tmpfs", "/tmp");
}

static void __attribute__((noreturn)) run_suite(int out)
{
	static char *const arguments[] = { (char *)"/suite", NULL };
	int null = open("/dev/null", O_RDONLY);

	dup2(null, 0);
	dup2(out, 1);
	dup2(out, 2);
	chdir("/tmp");
	execve("/suite", arguments, variables);
	exit(127);
}

/* All that comes from `in`, line by line. */
static void relay(int in)
{
	static char line[LINE_MAX_KMSG - 100];
	const char *prefix = "tap";
	size_t have = 0;
	char c;

	while (read(in, &c, 1) == 1) {
		if (c != '\n')
			line[have++] = c;
		if (c == '\n' || have == sizeof(line) - 1) {
			line[have] = '\0';
			say("%s: %s", prefix, line);
			prefix = c == '\n' ? "tap" : "tap+";
			have = 0;
		}
	}
}

int main(void)
{
	int ends[2], status = 0;
	pid_t pid;

	prepare();
	say("umlab: begin");
	prepare_for_programs();
	read_environment();
	if (pipe(ends))
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		close(ends[0]);
		run_suite(ends[1]);
	}
	close(ends[1]);
	relay(ends[0]);
	waitpid(pid, &status, 0);
	say("umlab: status=%d tainted=%ld", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), tainted());
	power_off();
}
