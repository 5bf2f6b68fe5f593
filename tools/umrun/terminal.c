// SPDX-License-Identifier: GPL-2.0
/* The user's terminal, raw while the guest's program has one. */
#include <stdbool.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "umrun.h"

static struct termios saved;
static bool is_raw;

/* terminal_raw - every key goes to the guest; undone at exit at the latest */
void terminal_raw(void)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &saved))
		return;
	raw = saved;
	cfmakeraw(&raw);
	if (!tcsetattr(STDIN_FILENO, TCSADRAIN, &raw)) {
		is_raw = true;
		atexit(terminal_restore);
	}
}

/* terminal_save - terminal_restore() brings it back to what it is now */
void terminal_save(void)
{
	is_raw = !tcgetattr(STDIN_FILENO, &saved);
}

/* terminal_again - raw once more, after the shell had the terminal in between */
void terminal_again(void)
{
	struct termios raw = saved;

	cfmakeraw(&raw);
	if (is_raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
}

void terminal_restore(void)
{
	if (is_raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
	is_raw = false;
}
