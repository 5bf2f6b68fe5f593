// SPDX-License-Identifier: GPL-2.0
/*
 * Description: UML with two CPUs: a page that is taken away from a process must
 * be gone for its thread that runs on another CPU as well, before the page can
 * be anybody else's. Elsewhere an IPI does that (TLB shootdown); UML has to stop
 * the stub. The threads that go on writing cannot see it, others can.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/guest.h"

#define RACE_MS 1500
/* Time-out of a race: it is longer where it must fail, or where ROUNDS says so. */
#define RACE_SECONDS (race_rounds(0) ? 3600 : 100)
/* What the writer writes everywhere, and what victims fill their pages with. */
#define INTRUDER 0xdeadbeefU
#define OWN 0x11111111U
#define FORK_PAGES 16

/* What all processes of a test see. */
struct common {
	volatile int stop;
	volatile unsigned int beats;	/* the writer is at work */
	volatile unsigned int rounds;	/* what was taken away, how often */
	volatile uint32_t written, stale;	/* a page was written; it reads as before */
};

static struct common *share_common(void)
{
	struct common *common = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	require(common != MAP_FAILED, "mmap: %s", strerror(errno));
	return common;
}

static void run_on(int cpu)
{
	cpu_set_t set;

	/* With one CPU there is nowhere else to be. */
	CPU_ZERO(&set);
	CPU_SET(cpu % (int)sysconf(_SC_NPROCESSORS_ONLN), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* ---- the victims: pages that were just freed, and belong to us now ---- */

#define VICTIM_PAGES 64

/* Takes fresh pages, fills them, gives a stray writer time, and looks. */
static void look_for_intruder(const char *what, const char *where)
{
	uint32_t *map = mmap(NULL, VICTIM_PAGES * PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const size_t words = PAGE / sizeof(*map);

	require(map != MAP_FAILED, "mmap: %s", strerror(errno));
	for (size_t page = 0; page < VICTIM_PAGES; page++)
		map[page * words] = OWN;
	for (int look = 0; look < 20; look++)
		for (size_t page = 0; page < VICTIM_PAGES; page++) {
			uint32_t got = ((volatile uint32_t *)map)[page * words];

			ck_assert_msg(got == OWN,
				"a private page of one process reads 0x%x, which only another process wrote, to a page that %s: its CPU went on using freed memory (%s)",
				got, what, where);
		}
	munmap(map, VICTIM_PAGES * PAGE);
}

static void wait_for_beats(struct common *common, unsigned int more)
{
	unsigned int start = common->beats;
	double end = now_ms() + 5000.0 * time_factor();

	while (common->beats - start < more && now_ms() < end)
		sched_yield();
}

/* ---- a file's page is truncated while another process writes it ---- */

static sigjmp_buf on_bus;

static void bus_handler(int sig)
{
	(void)sig;
	siglongjmp(on_bus, 1);
}

struct truncated {
	struct common *common;
	int fd;
};

static void write_file_page(void *arg)
{
	struct truncated *t = arg;
	struct sigaction act = { .sa_handler = bus_handler };
	volatile uint32_t *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, t->fd, 0);

	require(page != MAP_FAILED, "mmap: %s", strerror(errno));
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	run_on(1);
	sigaction(SIGBUS, &act, NULL);
	/* Back to here when the page is gone, as it should be. */
	sigsetjmp(on_bus, 1);
	while (!t->common->stop) {
		*page = INTRUDER;
		t->common->beats++;
	}
}

START_TEST(page_truncated_under_a_writer)
{
	struct truncated t = { .common = share_common(), .fd = memfd_create("page", MFD_CLOEXEC) };
	double end = now_ms() + (double)race_ms(RACE_MS);
	int child;

	require(t.fd >= 0 && ftruncate(t.fd, PAGE) == 0, "memfd: %s", strerror(errno));
	run_on(0);
	child = child_start(write_file_page, &t);
	while (now_ms() < end || (long)t.common->rounds < race_rounds(0)) {
		wait_for_beats(t.common, 100);
		require(ftruncate(t.fd, 0) == 0, "ftruncate: %s", strerror(errno));
		look_for_intruder("was truncated", HERE);
		require(ftruncate(t.fd, PAGE) == 0, "ftruncate: %s", strerror(errno));
		t.common->rounds++;
	}
	t.common->stop = 1;
	child_wait(child);
	require(t.common->rounds > 0 && t.common->beats > 0, "no race: %u truncations, %u writes",
		t.common->rounds, t.common->beats);
}
END_TEST

/* ---- fork: the child's copy must not change while the parent writes on ---- */

struct pair {
	struct common *common;
	uint32_t *map;
};

/* In the child: the number of the first page that changes within 15 ms, or -1. A tick, after
 * which the parent's CPU would sync, comes every 10 ms. */
static int find_change(volatile uint32_t *counters)
{
	const size_t words = PAGE / sizeof(*counters);
	double end = now_ms() + 15;
	uint32_t first[FORK_PAGES];

	for (int page = 0; page < FORK_PAGES; page++)
		first[page] = counters[(size_t)page * words];
	while (now_ms() < end)
		for (int page = 0; page < FORK_PAGES; page++)
			if (counters[(size_t)page * words] != first[page])
				return page;
	return -1;
}

/*
 * A fork whose parent waits inside the kernel until the child is done, so that it doesn't keep
 * the CPU while it waits for its turn. Returns what the child found.
 */
static int change_after_fork(struct pair *pair)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);
	int status;

	require(pid >= 0, "clone: %s", strerror(errno));
	if (!pid)
		_exit(find_change(pair->map) + 1);
	require(waitpid(pid, &status, 0) == pid && WIFEXITED(status),
		"the forked child ended with status 0x%x", status);
	return WEXITSTATUS(status) - 1;
}

static void *count_in_pages(void *arg)
{
	struct pair *pair = arg;
	const size_t words = PAGE / sizeof(*pair->map);

	run_on(1);
	while (!pair->common->stop) {
		for (size_t page = 0; page < FORK_PAGES; page++)
			((volatile uint32_t *)pair->map)[page * words]++;
		pair->common->beats++;
	}
	return NULL;
}

START_TEST(fork_beside_a_writing_thread)
{
	struct pair pair = { .common = share_common() };
	double end = now_ms() + (double)race_ms(RACE_MS);
	pthread_t thread;
	int page;

	pair.map = (uint32_t *)map_anon(1);
	run_on(0);
	require(pthread_create(&thread, NULL, count_in_pages, &pair) == 0, "pthread_create failed");
	while (now_ms() < end || (long)pair.common->rounds < race_rounds(0)) {
		wait_for_beats(pair.common, 10);
		page = change_after_fork(&pair);
		require(page < 0, "page %d of a forked child changed while the child only read it: a thread of its parent still writes to it",
			page);
		pair.common->rounds++;
	}
	pair.common->stop = 1;
	pthread_join(thread, NULL);
	require(pair.common->rounds > 0 && pair.common->beats > 0, "no race: %u forks, %u writes",
		pair.common->rounds, pair.common->beats);
}
END_TEST

/* ---- a copy on write by somebody else: the process must read the copy ---- */

#define OLD 1U
#define NEW 2U

struct copied {
	struct common *common;
	uint32_t *map;
};

static volatile uint32_t *page_of_round(const struct copied *c)
{
	return c->map + c->common->rounds % TABLE_PAGES * (PAGE / sizeof(*c->map));
}

/* Reads the page of the round all the time. The other says when it has written there. */
static void read_pages(void *arg)
{
	const struct copied *c = arg;
	struct common *common = c->common;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	run_on(1);
	while (!common->stop) {
		uint32_t written = common->written, got = *page_of_round(c);

		if (written && got != NEW)
			common->stale = 1;
		common->beats++;
	}
}

static void write_there(int pid, volatile uint32_t *page)
{
	uint32_t value = NEW;
	struct iovec from = { &value, sizeof(value) }, to = { (void *)page, sizeof(value) };

	require(process_vm_writev(pid, &from, 1, &to, 1, 0) == sizeof(value), "process_vm_writev: %s", strerror(errno));
}

/* One process, and each page that it shares with us, once. */
static void copy_each_page(struct copied *c, double end)
{
	struct common *common = c->common;
	int child;

	common->stop = 0;
	child = child_start(read_pages, c);
	do {
		wait_for_beats(common, 100);
		write_there(child, page_of_round(c));
		common->written = 1;
		wait_for_beats(common, 100);
		require(!common->stale, "a process read the old contents of page %u after somebody else had written there, to its own copy: its CPU went on using the page of before",
			common->rounds % (unsigned int)TABLE_PAGES);
		common->written = 0;
		wait_for_beats(common, 2);
		common->rounds++;
	} while (common->rounds % TABLE_PAGES && (now_ms() < end || (long)common->rounds < race_rounds(0)));
	common->stop = 1;
	child_wait(child);
}

START_TEST(page_copied_under_a_reader)
{
	struct copied c = { .common = share_common() };
	double end = now_ms() + (double)race_ms(RACE_MS);

	c.map = (uint32_t *)map_anon(1);
	for (size_t page = 0; page < TABLE_PAGES; page++)
		c.map[page * (PAGE / sizeof(*c.map))] = OLD;
	run_on(0);
	do
		copy_each_page(&c, end);
	while (now_ms() < end || (long)c.common->rounds < race_rounds(0));
	require(c.common->rounds > 1 && c.common->beats > 0, "no race: %u copies, %u reads",
		c.common->rounds, c.common->beats);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("uml-shootdown", argc, argv);
	suite_modes("seccomp/2");
	suite_add_slow(page_truncated_under_a_writer, RACE_SECONDS);
	suite_add_slow(fork_beside_a_writing_thread, RACE_SECONDS);
	suite_add_slow(page_copied_under_a_reader, RACE_SECONDS);
	return suite_end();
}
