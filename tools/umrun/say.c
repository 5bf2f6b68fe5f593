// SPDX-License-Identifier: GPL-2.0
/* How umrun speaks to its user, and the small things that everything here needs. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "umrun.h"

static char *vformat(const char *fmt, va_list ap)
{
	char *text;

	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	return text;
}

/* format - asprintf() that returns the text; the caller frees it */
char *format(const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = vformat(fmt, ap);
	va_end(ap);
	return text;
}

static bool in_line;	/* the program's output stands in the middle of a line of the terminal */

/* mid_line - whether what the program wrote last to a terminal has not ended its line */
void mid_line(bool is)
{
	in_line = is;
}

/* say - a line on stderr; the terminal may not translate ends of lines now */
static void say(const char *text)
{
	fprintf(stderr, "%sumrun: %s\n", in_line && isatty(STDERR_FILENO) ? "\r\n" : "", text);
	in_line = false;
}

/*
 * fail - end umrun with EXIT_UMRUN
 * @what: the thing that went wrong
 * @value: what it went wrong on
 * @todo: printf format: why, and what to do
 */
void fail(const char *what, const char *value, const char *todo, ...)
{
	va_list ap;
	char *text, *line;

	va_start(ap, todo);
	text = vformat(todo, ap);
	va_end(ap);
	terminal_restore();
	line = format("%s: %s: %s", what, value, text);
	say(line);
	result_failed(line);
	exit(EXIT_UMRUN);
}

/* notice - one line on stderr that changes nothing */
void notice(const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = vformat(fmt, ap);
	va_end(ap);
	say(text);
	free(text);
}

/* must - the pointer, or the end of umrun when memory ran out */
void *must(void *p)
{
	if (!p)
		fail("memory", "malloc", "%s", strerror(ENOMEM));
	return p;
}

/* now - seconds of a clock that only goes forward */
double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}
