/* SPDX-License-Identifier: GPL-2.0 */
/* What tasks.c's system calls are called with; tasks.py reads the numbers from here. */
#ifndef UMLAB_TASKS_H
#define UMLAB_TASKS_H

#define TASKS_SECONDS		1000001
#define TASKS_NANOSECONDS	4242
#define TASKS_FD		77
#define TASKS_LENGTH		4321
#define TASKS_FUTEX_VALUE	7

#endif
