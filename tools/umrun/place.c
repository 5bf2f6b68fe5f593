// SPDX-License-Identifier: GPL-2.0
/*
 * Which CPU of the host a guest with one CPU runs on.
 *
 * UML and its stubs take turns, thousands of times a second. Spread over two idle CPUs of
 * the host, each turn wakes one up: a guest that stays on one takes little more than half the time.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "umrun.h"

/* Takes the CPU for this umrun, as long as the socket lives: no file, and gone with us. */
static bool take(int cpu)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	/* Abstract: the name begins with a zero byte. */
	int len = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "umrun-cpu-%d", cpu);

	if (fd < 0)
		return false;
	if (!bind(fd, (struct sockaddr *)&name, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)))
		return true;
	close(fd);
	return false;
}

/*
 * place_take - a CPU for this guest alone, among umruns
 * Returns its number, kept until we end; -1 when others have them all, or the guest has
 * several CPUs: then the host decides.
 */
int place_take(const struct options *o)
{
	cpu_set_t allowed;
	int here = sched_getcpu();

	if (o->cpus > 1 || here < 0 || sched_getaffinity(0, sizeof(allowed), &allowed))
		return -1;
	for (int i = 0; i < CPU_SETSIZE; i++) {
		int cpu = (here + i) % CPU_SETSIZE;

		if (CPU_ISSET(cpu, &allowed) && take(cpu))
			return cpu;
	}
	return -1;
}

/* place_stay - keep this process and what it starts on a CPU; -1: wherever the host likes */
void place_stay(int cpu)
{
	cpu_set_t only;

	if (cpu < 0)
		return;
	CPU_ZERO(&only);
	CPU_SET(cpu, &only);
	/* It is for speed alone. */
	sched_setaffinity(0, sizeof(only), &only);
}
