// SPDX-License-Identifier: GPL-2.0
/* Loads and stores that may end in SIGSEGV or SIGBUS, and what they must end in. */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "random.h"

static __thread sigjmp_buf back;
static __thread volatile sig_atomic_t armed;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	if (armed)
		siglongjmp(back, sig);
	/* Not ours: let it end the process, the run sees by which signal. */
	signal(sig, SIG_DFL);
}

void access_open(void)
{
	/* SA_NODEFER: the mask needs no mending after the jump. */
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_NODEFER };

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
}

int access_read(struct me *me, const char *at)
{
	int sig = sigsetjmp(back, 0);

	if (!sig) {
		armed = 1;
		/* Word by word, so that a word is never half of one page, half of another. */
		for (size_t i = 0; i < WORDS; i++)
			me->copy[i] = ((const volatile uint64_t *)at)[i];
	}
	armed = 0;
	return sig;
}

int access_write(struct me *me, char *at, const uint64_t stamps[SLOTS])
{
	int sig = sigsetjmp(back, 0);

	(void)me;
	if (!sig) {
		armed = 1;
		for (unsigned int slot = 0; slot < SLOTS; slot++)
			((volatile uint64_t *)at)[SLOT_WORD(slot)] = stamps[slot];
	}
	armed = 0;
	return sig;
}

int access_expect(const struct page *p, int prot)
{
	return p->mapped && !p->guard && (p->prot & prot) == prot ? 0 : SIGSEGV;
}

bool access_check(struct me *me, struct region *r, unsigned int page, const char *how)
{
	struct page *p = &r->page[page];
	bool must = model_must_drop(r, page);
	int want = access_expect(p, PROT_READ), sig = access_read(me, page_at(r, page));

	if (sig == want)
		return sig || model_check(me, r, page, me->copy, must, how);
	if (sig)
		wrong_page(me, r, page, "%s: %s, expected %s", how, strsignal(sig),
			  want ? strsignal(want) : "to read it");
	else
		wrong_page(me, r, page, "%s: could be read, expected SIGSEGV%s", how,
			  p->guard ? ": its guard marker is gone" : "");
	return false;
}
