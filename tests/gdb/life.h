/* SPDX-License-Identifier: GPL-2.0 */
/* The layout of life.c; life.py and breaks.py read the numbers from here. Marks are as in scenario.h. */
#ifndef UMLAB_LIFE_H
#define UMLAB_LIFE_H

#define LIFE_RECLAIM		0x40000000	/* tables that MADV_DONTNEED empties, one a call */
#define LIFE_RECLAIM_TABLES	3
#define LIFE_UNMAP		0x48000000	/* tables of one munmap() */
#define LIFE_UNMAP_TABLES	4
#define LIFE_CPU		0x50000000	/* tables of a thread on the last CPU */
#define LIFE_CPU_TABLES		2
#define LIFE_SHARED		0x58000000	/* one table, of a memfd that is only read */
#define LIFE_AGAIN		0x60000000	/* one table after the other at the same address */
#define LIFE_AGAIN_TIMES	3
#define LIFE_MANY		0x80000000	/* full tables, more than one mmu_gather has batches of pages for */
#define LIFE_MANY_TABLES	19
#define LIFE_LATE		0xa0000000	/* tables that the test does something with */
#define LIFE_LATE_TABLES	2

/* Steps after SCENARIO_BUILT. */
#define LIFE_RECLAIMED		11
#define LIFE_UNMAPPED		12
#define LIFE_REPEATED		13
#define LIFE_EMPTIED		14	/* LIFE_MANY is empty */
#define LIFE_LATE_READY		15
#define LIFE_FREED		16	/* all that was taken out is freed */

#endif
