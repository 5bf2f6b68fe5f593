// SPDX-License-Identifier: GPL-2.0
/* How fast the kernel's delay loop runs on this host, so that no boot has to find out. */
#define _GNU_SOURCE
#include <time.h>

#include "umrun.h"

#define LOOPS	400000UL	/* about a tenth of a millisecond */
#define TRIES	5
#define UML_HZ	100		/* arch/um/Kconfig knows no other */

/* The loop of __delay() in arch/x86/um/delay.c. */
static void delay(unsigned long loops)
{
	asm volatile(".p2align 4\n1: dec %0\n jnz 1b" : "+a" (loops));
}

/* CPU time, since others may run meanwhile. */
static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/*
 * delay_per_jiffy - turns of the kernel's delay loop in one of its jiffies, its `lpj=`
 * Without that, calibrate_delay() (init/calibrate.c) waits for up to nine ticks of the clock, half
 * of a boot's time, and finds too few where the host is busy. `--append lpj=0` asks for it.
 */
unsigned long delay_per_jiffy(void)
{
	double best = 0;

	for (int i = 0; i < TRIES; i++) {
		double start = cpu_seconds(), took;

		delay(LOOPS);
		took = cpu_seconds() - start;
		if (took > 0 && (best == 0 || took < best))
			best = took;
	}
	return best > 0 ? (unsigned long)(LOOPS / best / UML_HZ) : 0;
}
