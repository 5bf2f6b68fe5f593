// SPDX-License-Identifier: GPL-2.0
/*
 * Description: UML with two CPUs: a page that is taken away from a process must
 * be gone for its thread that runs on another CPU as well, before the page can
 * be anybody else's. Elsewhere an IPI does that (TLB shootdown); UML has to stop
 * the stub. The threads that go on writing cannot see it, others can.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/userfaultfd.h>
#include <poll.h>
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
#include <unistd.h>

#include "lib/guest.h"
#include "lib/removal.h"

#define RACE_MS 1500
/* Time-out of a race: it is longer where it must fail, or where ROUNDS says so. */
#define RACE_SECONDS (race_rounds(0) ? 3600 : 60)
/* What the writer writes everywhere, and what victims fill their pages with. */
#define INTRUDER 0xdeadbeefU
#define OWN 0x11111111U

/* What all processes of a test see. */
struct common {
	volatile int stop;
	volatile unsigned int beats;	/* the writer is at work */
	volatile unsigned int rounds;	/* what was taken away, how often */
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

#define VICTIM_PAGES 256

/* More than one: a page that was just mapped has a reference until its CPU's batch is full
 * (lru_add), so that giving it up does not free it at once.
 * Takes fresh pages, fills them, gives a stray writer time, and looks. */
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

/* ---- one thread of a process takes pages away under another one ----
 *
 * The two run user code one at a time, so the one that takes pages away has to be inside the
 * kernel already while the other one writes: its process_madvise() sleeps after the first of
 * two ranges until somebody reads the userfaultfd's event of it. That is the victim's part,
 * which then runs as soon as the call is done, on the same CPU.
 */

struct pair {
	struct common *common;
	uint32_t *map;
	char *watched;
	size_t len;			/* of map: pages in one table, or all that it maps */
	int uffd;
};

static void *write_pages(void *arg)
{
	struct pair *pair = arg;

	run_on(1);
	while (!pair->common->stop) {
		for (size_t at = 0; at < pair->len; at += PAGE)
			*(volatile uint32_t *)((char *)pair->map + at) = INTRUDER;
		pair->common->beats++;
	}
	return NULL;
}

static void *give_up_pages(void *arg)
{
	struct pair *pair = arg;
	struct iovec ranges[2] = { { pair->watched, PAGE }, { pair->map, pair->len } };
	int self = (int)syscall(SYS_pidfd_open, getpid(), 0);

	run_on(0);
	while (!pair->common->stop) {
		if (syscall(SYS_process_madvise, self, ranges, 2, MADV_DONTNEED, 0) < 0)
			break;
		pair->common->rounds++;
	}
	close(self);
	return NULL;
}

static void be_the_victim(void *arg)
{
	struct pair *pair = arg;
	double end = now_ms() + (double)race_ms(RACE_MS);
	struct pollfd pfd = { .fd = pair->uffd, .events = POLLIN };
	struct uffd_msg msg;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	run_on(0);
	while (now_ms() < end || (long)pair->common->rounds < race_rounds(0)) {
		if (poll(&pfd, 1, 1000) != 1)
			continue;
		wait_for_beats(pair->common, 2);
		require(read(pair->uffd, &msg, sizeof(msg)) == sizeof(msg), "userfaultfd: %s",
			strerror(errno));
		/* To the thread that it woke, which frees the page, and back. */
		sched_yield();
		look_for_intruder("MADV_DONTNEED had freed", HERE);
	}
	pair->common->stop = 1;
	/* The last call is waiting still. */
	while (poll(&pfd, 1, 200) == 1 && read(pair->uffd, &msg, sizeof(msg)) == sizeof(msg))
		;
}

static void dontneed_under_a_writer(size_t len)
{
	struct pair pair = { .common = share_common(), .len = len };
	pthread_t writer, giver;
	int child;

	pair.map = (uint32_t *)map_anon(1);
	pair.watched = map_anon(1);
	pair.uffd = uffd_watch_removal(pair.watched, PAGE);
	child = child_start(be_the_victim, &pair);
	require(pthread_create(&writer, NULL, write_pages, &pair) == 0 &&
		pthread_create(&giver, NULL, give_up_pages, &pair) == 0, "pthread_create failed");
	child_wait(child);
	pthread_join(giver, NULL);
	pthread_join(writer, NULL);
	close(pair.uffd);
	require(pair.common->rounds > 0 && pair.common->beats > 0, "no race: %u madvises, %u writes",
		pair.common->rounds, pair.common->beats);
}

START_TEST(pages_given_up_under_a_writing_thread)
{
	dontneed_under_a_writer(TABLE_SPAN / 2);
}
END_TEST

START_TEST(table_given_up_under_a_writing_thread)
{
	dontneed_under_a_writer(TABLE_SPAN);
}
END_TEST

/* ---- fork: the child's copy must not change while the parent writes on ---- */

static void expect_frozen(void *arg)
{
	volatile uint32_t *counters = arg;
	const size_t words = PAGE / sizeof(*counters);
	double end = now_ms() + 15;
	uint32_t first[16];

	for (int page = 0; page < 16; page++)
		first[page] = counters[page * words];
	/* Longer than a tick, which would have the parent's CPU sync. */
	while (now_ms() < end)
		for (size_t page = 0; page < 16; page++)
			require(counters[page * words] == first[page],
				"page %zu of a forked child read %u first and %u later: a thread of its parent still writes to it",
				page, first[page], counters[page * words]);
}

static void *count_in_pages(void *arg)
{
	struct pair *pair = arg;
	const size_t words = PAGE / sizeof(*pair->map);

	run_on(1);
	while (!pair->common->stop) {
		for (size_t page = 0; page < 16; page++)
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

	pair.map = (uint32_t *)map_anon(1);
	run_on(0);
	require(pthread_create(&thread, NULL, count_in_pages, &pair) == 0, "pthread_create failed");
	while (now_ms() < end || (long)pair.common->rounds < race_rounds(0)) {
		wait_for_beats(pair.common, 10);
		child_wait(child_start(expect_frozen, pair.map));
		pair.common->rounds++;
	}
	pair.common->stop = 1;
	pthread_join(thread, NULL);
	require(pair.common->rounds > 0 && pair.common->beats > 0, "no race: %u forks, %u writes",
		pair.common->rounds, pair.common->beats);
}
END_TEST

int main(int argc, char **argv)
{
	suite_begin("uml-shootdown", argc, argv);
	suite_modes("seccomp/2");
	suite_add_slow(page_truncated_under_a_writer, RACE_SECONDS);
	suite_add_slow(pages_given_up_under_a_writing_thread, RACE_SECONDS);
	suite_add_slow(table_given_up_under_a_writing_thread, RACE_SECONDS);
	suite_add_slow(fork_beside_a_writing_thread, RACE_SECONDS);
	return suite_end();
}
