// SPDX-License-Identifier: GPL-2.0
/* What a program may expect of its signals when it starts. */
#define _GNU_SOURCE
#include <signal.h>

#include "signals.h"

/* signals_reset - every signal at its default and none blocked, before an exec */
void signals_reset(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}
