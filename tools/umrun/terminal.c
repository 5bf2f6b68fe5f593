// SPDX-License-Identifier: GPL-2.0
/* The user's terminal, raw while the guest's program has one, or gdb one of its own. */
#include <stdbool.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "umrun.h"

static struct termios saved;
static int tty = STDIN_FILENO;
static bool is_raw;
static bool plain_output;	/* lines that end with \n alone come out right */

static bool save(int fd)
{
	if (is_raw)
		return true;
	tty = fd;
	is_raw = !tcgetattr(tty, &saved);
	if (is_raw)
		atexit(terminal_restore);
	return is_raw;
}

/* terminal_raw - every key goes to the guest; undone at exit at the latest */
void terminal_raw(void)
{
	if (save(STDIN_FILENO))
		terminal_again();
}

/* terminal_keys - every key of that terminal goes to us, while more than the guest writes to it */
void terminal_keys(int fd)
{
	plain_output = true;
	if (save(fd))
		terminal_again();
}

/* terminal_save - terminal_restore() brings it back to what it is now */
void terminal_save(void)
{
	save(STDIN_FILENO);
}

/* terminal_again - raw once more, after the shell had the terminal in between */
void terminal_again(void)
{
	struct termios raw = saved;

	cfmakeraw(&raw);
	if (plain_output)
		raw.c_oflag = saved.c_oflag;
	if (is_raw)
		tcsetattr(tty, TCSADRAIN, &raw);
}

void terminal_restore(void)
{
	if (is_raw)
		tcsetattr(tty, TCSADRAIN, &saved);
	is_raw = false;
}
