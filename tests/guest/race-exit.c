// SPDX-License-Identifier: GPL-2.0
/*
 * Description: MADV_DONTNEED takes tables out while threads come and go, and while the whole
 * process goes: one thread calls exit or execve, another is somewhere in
 * MADV_DONTNEED, a third faults pages in, and another process reads them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/guest.h"
#include "lib/race.h"

#define RACE_MS 400

/* ---- threads that come and go ---- */

static void *short_life(void *arg)
{
	struct party *me = arg;

	for (int i = 0; i < 20; i++)
		ledger_write(the_ledger(), me, 1, NULL);
	return NULL;
}

static void spawner(struct party *me)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, short_life, me)) {
		race_wrong("pthread_create failed");
		return;
	}
	pthread_join(thread, NULL);
}

START_TEST(threads_come_and_go)
{
	static const struct party parties[] = {
		PARTY("reclaimer", reclaimer, 0, 10, NULL),
		PARTY("spawner", spawner, 0, 10, NULL),
		PARTY("quick reclaimer", quick_reclaimer, URGENT, 25, NULL),
		PARTY("writer", writer, URGENT, 25, NULL),
		PARTY("reader", reader, 0, 20, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 2, NULL),
	};

	ledger_open(map_anon(1), 1, 2);
	race(parties, 6, RACE_MS);
	ledger_close(the_ledger());
}
END_TEST

/* ---- processes that go ---- */

/* In the range of each process, a page holds its number plus this, or nothing. */
#define STAMP(page) (0xe417000000000000UL + (page))

static char *range;	/* the same address in each process */
static pid_t *victim;	/* the latest of them, shared with who reads it */

static void *victim_reclaims(void *unused)
{
	(void)unused;
	for (;;)
		if (madvise(range, TABLE_SPAN, MADV_DONTNEED) < 0)
			race_wrong("victim: MADV_DONTNEED: %s", strerror(errno));
	return NULL;
}

static void *victim_writes(void *unused)
{
	(void)unused;
	for (size_t page = 0;; page = (page + 37) % TABLE_PAGES)
		*(volatile unsigned long *)(range + page * PAGE) = STAMP(page);
	return NULL;
}

/* The process: lives some milliseconds and ends as `ending` says, threads and all. */
static void live_and_end(struct party *me, int ending)
{
	static char *const nothing[] = { NULL };
	pthread_t thread;

	/* Pages in all of it, for exit to have something to free. */
	for (size_t page = 0; page < TABLE_PAGES; page += 4)
		*(volatile unsigned long *)(range + page * PAGE) = STAMP(page);
	if (pthread_create(&thread, NULL, victim_reclaims, NULL) ||
	    pthread_create(&thread, NULL, victim_writes, NULL))
		race_wrong("victim: pthread_create failed");
	nap_us((int)party_random(me, 10000));
	if (ending)
		execve("/proc/self/exe", (char *const[]){ "race-exit", "--list", NULL }, nothing);
	_exit(0);
}

static void end_of_process(struct party *me)
{
	int ending = (int)(me->done & 1), status;
	pid_t pid;

	pid = fork();
	if (pid < 0) {
		race_wrong("fork: %s", strerror(errno));
		return;
	}
	if (!pid) {
		/* What the new program prints is no result of ours. */
		if (ending)
			close(STDOUT_FILENO);
		live_and_end(me, ending);
	}
	__atomic_store_n(victim, pid, __ATOMIC_SEQ_CST);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || (!ending && WEXITSTATUS(status)))
		race_wrong("the process that ends: wait status 0x%x in round %ld", status, me->done);
}

/* Reads the victim's pages as long as it is there. */
static void onlooker(struct party *me)
{
	const pid_t pid = __atomic_load_n(victim, __ATOMIC_SEQ_CST);
	const size_t page = party_random(me, TABLE_PAGES);
	unsigned long got = 0;
	struct iovec local = { &got, sizeof(got) }, remote = { range + page * PAGE, sizeof(got) };

	/* ESRCH: it is gone; EFAULT: it runs another program by now. */
	if (!pid || process_vm_readv(pid, &local, 1, &remote, 1, 0) != sizeof(got))
		return;
	if (got && got != STAMP(page))
		race_wrong("page %zu of process %d reads 0x%lx, it has only written 0x%lx there", page, (int)pid, got, STAMP(page));
}

START_TEST(a_process_ends_in_the_middle)
{
	static const struct party parties[] = {
		PARTY("end of a process", end_of_process, AS_PROCESS, 6, NULL),
		PARTY("onlooker", onlooker, AS_PROCESS, 50, NULL),
		PARTY("urgent onlooker", onlooker, AS_PROCESS | URGENT, 25, NULL),
		PARTY("tenant", tenant, AS_PROCESS, 2, NULL),
	};
	long kernel;

	range = map_anon(1);
	victim = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	require(victim != MAP_FAILED, "mmap: %s", strerror(errno));
	kernel = page_tables_quiet_kb();
	race(parties, 4, RACE_MS);
	munmap(victim, PAGE);
	/* Our own few for what race() used are no more than these. */
	expect_kernel_tables(kernel, 4);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("race-exit", argc, argv);
	suite_modes("seccomp/1 seccomp/2");
	suite_add_race(threads_come_and_go);
	suite_add_race(a_process_ends_in_the_middle);
	return suite_end();
}
