// SPDX-License-Identifier: GPL-2.0
/* One list of operations, run by the plan's threads in a process of its own. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "random.h"

/* A list takes a second; a machine under load some more. Longer, and it hangs. */
#define RUN_SECONDS 60

static struct world world;
static pthread_barrier_t meeting;	/* all threads, and the run's main one */
static sem_t turn[MAX_THREADS], done;	/* serial: who may go, and that it has gone */

struct outcome *outcome_new(void)
{
	struct outcome *out = mmap(NULL, sizeof(*out), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	require(out != MAP_FAILED, "mmap of the outcome: %s", strerror(errno));
	return out;
}

bool failed(const struct me *me)
{
	return atomic_load(&me->world->out->failed);
}

static void wrong_text(struct me *me, const char *text)
{
	struct outcome *out = me->world->out;

	if (atomic_exchange(&out->failed, 1))
		return;
	out->failed_op = me->op ? me->op->id : MAX_OPS;
	snprintf(out->text, sizeof(out->text), "%s", text);
}

void wrong(struct me *me, const char *fmt, ...)
{
	char text[768];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	wrong_text(me, text);
}

/* What the page's pagemap entry says, for a reader who doesn't know its bits. */
static const char *entry_text(uint64_t entry)
{
	return entry & PM_PRESENT ? "present" : entry & PM_GUARD ? "a guard marker" :
	       entry & PM_SWAP ? "swapped out" : "nothing is there";
}

void wrong_page(struct me *me, struct region *r, unsigned int page, const char *fmt, ...)
{
	const struct page *p = &r->page[page];
	uint64_t entry = pagemap_entry(page_at(r, page));
	char text[512], all[768];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	snprintf(all, sizeof(all), "region %u page %u (%p, table %lu page %lu)%s%s%s: %s; pagemap: 0x%llx (%s)",
		 r->index, page, (void *)page_at(r, page), page / TABLE_PAGES, page % TABLE_PAGES,
		 p->mapped ? "" : ", unmapped", p->locked ? ", locked" : "", p->guard ? ", guard" : "",
		 text, (unsigned long long)entry, entry_text(entry));
	wrong_text(me, all);
}

/* A thread whose wake-up preempts the others wherever the kernel lets itself be preempted. */
static void become_urgent(void)
{
	const struct sched_param param = { .sched_priority = 1 };

	pthread_setschedparam(pthread_self(), SCHED_FIFO, &param);
}

static void run_free(struct me *me)
{
	const struct plan *plan = me->world->plan;
	const bool urgent = plan->urgent >> me->id & 1;

	for (unsigned int i = 0; i < plan->ops; i++) {
		const struct op *op = &plan->op[i];

		if (op->thread == EVERYONE) {
			pthread_barrier_wait(&meeting);
			pthread_barrier_wait(&meeting);
		} else if (op->thread == me->id && !failed(me)) {
			op_run(me, op);
			/* Others get somewhere meanwhile, to be preempted there. */
			if (urgent)
				do_nap(me, NULL, op);
		}
	}
}

static void run_serial(struct me *me)
{
	const struct plan *plan = me->world->plan;

	for (unsigned int i = 0; i < plan->ops; i++) {
		if (plan->op[i].thread != me->id)
			continue;
		while (sem_wait(&turn[me->id]))
			;
		if (!failed(me))
			op_run(me, &plan->op[i]);
		sem_post(&done);
	}
}

static void *thread_main(void *arg)
{
	struct me me = { .world = &world, .id = (unsigned int)(unsigned long)arg };

	me.post = memfd_create("post", MFD_CLOEXEC);
	if (me.post < 0 || ftruncate(me.post, 2 * PAGE))
		wrong(&me, "memfd_create: %s", strerror(errno));
	if (world.plan->urgent >> me.id & 1)
		become_urgent();
	pthread_barrier_wait(&meeting);
	pthread_barrier_wait(&meeting);
	if (world.plan->serial)
		run_serial(&me);
	else
		run_free(&me);
	pthread_barrier_wait(&meeting);
	/* Nothing of it goes before the last count of tables. */
	pthread_barrier_wait(&meeting);
	return NULL;
}

/* The run's main thread meanwhile: hands out turns, checks where all threads meet. */
static void conduct(struct me *me)
{
	const struct plan *plan = world.plan;

	for (unsigned int i = 0; i < plan->ops; i++) {
		const struct op *op = &plan->op[i];

		if (op->thread != EVERYONE) {
			if (!plan->serial)
				continue;
			sem_post(&turn[op->thread]);
			while (sem_wait(&done))
				;
			continue;
		}
		if (!plan->serial)
			pthread_barrier_wait(&meeting);
		if (!failed(me))
			world_check(me, op->id);
		if (!plan->serial)
			pthread_barrier_wait(&meeting);
	}
}

/* The run's process. */
static void run_here(const struct plan *plan, struct outcome *out)
{
	struct me me = { .world = &world, .id = MAX_THREADS };
	pthread_t thread;

	world_open(&world, plan, out);
	access_open();
	pthread_barrier_init(&meeting, NULL, plan->threads + 1U);
	sem_init(&done, 0, 0);
	for (unsigned long i = 0; i < plan->threads; i++) {
		int err;

		sem_init(&turn[i], 0, 0);
		err = pthread_create(&thread, NULL, thread_main, (void *)i);
		require(!err, "pthread_create: %s", strerror(err));
	}
	uffd_serve(&world);
	pthread_barrier_wait(&meeting);
	world_baseline(&world);
	pthread_barrier_wait(&meeting);
	conduct(&me);
	pthread_barrier_wait(&meeting);
	if (!failed(&me) && !plan->unchecked)
		world_check(&me, plan->seed);
	if (!failed(&me) && !plan->unchecked)
		world_close(&me);
	_exit(0);
}

/* Waits for the run's process. Returns its status, or -1 when it had to be killed. */
static int wait_for(pid_t pid)
{
	struct pollfd p = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	int status = 0, n;

	do
		n = poll(&p, 1, RUN_SECONDS * 1000);
	while (n < 0 && errno == EINTR);
	close(p.fd);
	if (n == 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return n == 0 ? -1 : status;
}

bool run_plan(const struct plan *plan, struct outcome *out)
{
	const char *complaint;
	pid_t pid;
	int status;

	memset(out, 0, sizeof(*out));
	out->failed_op = MAX_OPS;
	pid = fork();
	require(pid >= 0, "fork: %s", strerror(errno));
	if (!pid)
		run_here(plan, out);
	status = wait_for(pid);
	complaint = kmsg_complaint();
	if (atomic_load(&out->failed))
		return true;
	if (status == -1)
		snprintf(out->text, sizeof(out->text), "no end within %d s", RUN_SECONDS);
	else if (WIFSIGNALED(status))
		snprintf(out->text, sizeof(out->text), "killed by signal %d (%s)",
			 WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (status)
		snprintf(out->text, sizeof(out->text), "exit %d", WEXITSTATUS(status));
	else if (complaint)
		snprintf(out->text, sizeof(out->text), "the kernel complained: %s", complaint);
	else
		return false;
	atomic_store(&out->failed, 1);
	return true;
}
