/* SPDX-License-Identifier: GPL-2.0 */
#ifndef UMLAB_MUST_H
#define UMLAB_MUST_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ends the program with status 2 and a message with errno's text unless what was tried went well. */
static inline void must(int good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	exit(2);
}

#endif
