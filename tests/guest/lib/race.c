// SPDX-License-Identifier: GPL-2.0
/* Parties of a race. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"
#include "race.h"

/* Shared by all parties, processes included. */
struct field {
	int over, wrong, said;	/* somebody failed; his message is complete */
	char message[400];
	struct party party[RACE_PARTIES];
};

static struct field *field;
static int cpus;

int race_over(void)
{
	return __atomic_load_n(&field->over, __ATOMIC_ACQUIRE);
}

static void end_race(void)
{
	__atomic_store_n(&field->over, 1, __ATOMIC_RELEASE);
}

void race_wrong(const char *fmt, ...)
{
	va_list args;

	if (__atomic_exchange_n(&field->wrong, 1, __ATOMIC_ACQ_REL) == 0) {
		va_start(args, fmt);
		vsnprintf(field->message, sizeof(field->message), fmt, args);
		va_end(args);
		__atomic_store_n(&field->said, 1, __ATOMIC_RELEASE);
	}
	end_race();
}

void race_advise(struct party *me, void *at, size_t len, int advice, const char *name)
{
	if (madvise(at, len, advice) < 0)
		race_wrong("%s: %s: %s", me->name, name, strerror(errno));
}

unsigned long party_random(struct party *me, unsigned long below)
{
	unsigned long x = me->random;

	/* xorshift64: good enough to choose pages, and each party its own */
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	me->random = x;
	return (x >> 11) % below;
}

void nap_us(int us)
{
	const struct timespec t = { .tv_nsec = us * 1000L };

	nanosleep(&t, NULL);
}

/* Puts the calling thread where the party belongs. */
static void take_place(const struct party *me)
{
	const struct sched_param rt = { .sched_priority = 1 };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(me->index % cpus, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		race_wrong("%s: sched_setaffinity: %s", me->name, strerror(errno));
	if ((me->flags & URGENT) && sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &rt) < 0)
		race_wrong("%s: sched_setscheduler: %s", me->name, strerror(errno));
}

/*
 * Where a step takes long (a kernel that checks itself, a busy host) as much time for the others: RCU's own
 * thread is one of them, and the kernel complains if it can't start a grace period.
 */
static int slow_us(double step_ms)
{
	return step_ms < 1 ? 0 : (int)((step_ms < 100 ? step_ms : 100) * 1000);
}

static void *take_part(void *arg)
{
	struct party *me = arg;

	take_place(me);
	while (!race_over()) {
		const double start = now_ms();

		me->step(me);
		__atomic_store_n(&me->done, me->done + 1, __ATOMIC_RELEASE);
		if (me->flags & URGENT)
			nap_us(20 + (int)party_random(me, 200) + slow_us(now_ms() - start));
		else if (!(me->flags & BUSY) || cpus == 1)
			sched_yield(); /* one that never sleeps would keep a single CPU to itself */
	}
	return NULL;
}

/* Has everybody had the rounds that he wants? */
static int all_done(size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (__atomic_load_n(&field->party[i].done, __ATOMIC_ACQUIRE) < field->party[i].want)
			return 0;
	return 1;
}

static void open_field(const struct party *list, size_t n)
{
	cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	require(n <= RACE_PARTIES, "race: %zu parties: enlarge RACE_PARTIES", n);
	field = mmap(NULL, sizeof(*field), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	require(field != MAP_FAILED, "race: mmap: %s", strerror(errno));
	for (size_t i = 0; i < n; i++) {
		field->party[i] = list[i];
		field->party[i].index = (int)i;
		field->party[i].random = 0x9e3779b97f4a7c15UL * (i + 1);
	}
}

/* Waits for the process of a party. A party that is killed has lost. */
static void reap(pid_t pid, const struct party *p)
{
	int status;

	require(waitpid(pid, &status, 0) == pid, "race: waitpid: %s", strerror(errno));
	if (WIFSIGNALED(status))
		race_wrong("%s: killed by signal %d in round %ld", p->name, WTERMSIG(status), p->done);
	else if (WEXITSTATUS(status))
		race_wrong("%s: exit %d in round %ld", p->name, WEXITSTATUS(status), p->done);
}

/* For those who tune a race: how many rounds each party had. */
static void print_rounds(size_t n, double took)
{
	printf("# race of %.0f ms:", took);
	for (size_t i = 0; i < n; i++)
		printf(" %s %ld,", field->party[i].name, field->party[i].done);
	printf("\n");
	fflush(stdout);
}

void suite_add_race(const TTest *test)
{
	suite_add_slow(test, RACE_LIMIT_MS / 1000 + 20);
}

void race(const struct party *list, size_t n, int ms)
{
	pthread_t thread[RACE_PARTIES];
	pid_t pid[RACE_PARTIES] = { 0 };
	const char *times = getenv("RACE_TIMES");
	const double start = now_ms(), limit = (double)RACE_LIMIT_MS * time_factor();
	double took;
	int short_of_rounds;

	if (skip_unmended_race())
		return;
	if (times && atoi(times) > 1)
		ms *= atoi(times);
	open_field(list, n);
	/* Processes first: forked before there are threads. */
	for (size_t i = 0; i < n; i++) {
		if (!(list[i].flags & AS_PROCESS))
			continue;
		pid[i] = fork();
		require(pid[i] >= 0, "race: fork: %s", strerror(errno));
		if (!pid[i]) {
			take_part(&field->party[i]);
			_exit(0);
		}
	}
	for (size_t i = 0; i < n; i++)
		if (!pid[i])
			require(pthread_create(&thread[i], NULL, take_part, &field->party[i]) == 0,
				"race: pthread_create failed");
	do {
		nap_us(10000);
		took = now_ms() - start;
	} while (!race_over() && (took < ms || !all_done(n)) && took < limit);
	short_of_rounds = !all_done(n);
	end_race();
	for (size_t i = 0; i < n; i++) {
		if (pid[i])
			reap(pid[i], &field->party[i]);
		else
			pthread_join(thread[i], NULL);
	}
	if (getenv("RACE_VERBOSE"))
		print_rounds(n, took);
	require(!field->wrong, "%s", field->message);
	for (size_t i = 0; short_of_rounds && i < n; i++)
		require(field->party[i].done >= list[i].want,
			"%s: %ld rounds in %.0f ms, wants %ld: that was no race",
			list[i].name, field->party[i].done, took, list[i].want);
	munmap(field, sizeof(*field));
}

/* ---- the tenant ---- */

#define TENANT_PAGES 64
#define TENANT_WORDS (TENANT_PAGES * PAGE / sizeof(long))

/* What it finds in its pages must be what it wrote there. */
static void tenant_verify(struct party *me, const unsigned long *got,
			  const unsigned long *wrote, const char *where)
{
	size_t i = 0;

	if (memcmp(got, wrote, TENANT_WORDS * sizeof(long)) == 0)
		return;
	while (got[i] == wrote[i])
		i++;
	race_wrong("a page of another process (%s) has changed: byte 0x%zx reads 0x%lx, it had written 0x%lx (round %ld): freed memory is still in use",
		   where, i % (PAGE / sizeof(long)) * sizeof(long), got[i], wrote[i], me->done);
}

void tenant(struct party *me)
{
	static unsigned long wrote[TENANT_WORDS], got[TENANT_WORDS];
	static int file = -1, ends[2];
	const ssize_t size = (ssize_t)sizeof(wrote);

	if (file < 0) {
		file = memfd_create("tenant", MFD_CLOEXEC);
		if (file < 0 || pipe(ends) < 0 || fcntl(ends[1], F_SETPIPE_SZ, (int)size) < (int)size)
			race_wrong("tenant: %s", strerror(errno));
	}
	for (size_t i = 0; i < TENANT_WORDS; i++)
		wrote[i] = 0x7e00000000000000UL | (unsigned long)me->done << 20 | i;
	if (pwrite(file, wrote, sizeof(wrote), 0) != size || write(ends[1], wrote, sizeof(wrote)) != size)
		race_wrong("tenant: write: %s", strerror(errno));
	nap_us(100 + (int)party_random(me, 3000));
	if (pread(file, got, sizeof(got), 0) != size)
		race_wrong("tenant: pread: %s", strerror(errno));
	tenant_verify(me, got, wrote, "tmpfs");
	for (ssize_t have = 0, n; have < size; have += n) {
		n = read(ends[0], (char *)got + have, (size_t)(size - have));
		if (n <= 0) {
			race_wrong("tenant: read: %s", strerror(errno));
			return;
		}
	}
	tenant_verify(me, got, wrote, "pipe");
	if (ftruncate(file, 0) < 0)
		race_wrong("tenant: ftruncate: %s", strerror(errno));
}
