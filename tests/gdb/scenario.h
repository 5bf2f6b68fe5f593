/* SPDX-License-Identifier: GPL-2.0 */
/* The layout of scenario.c; lib.py reads the numbers from here. One PTE table is 2 MiB. */
#ifndef UMLAB_SCENARIO_H
#define UMLAB_SCENARIO_H

#define SCENARIO_TABLE		0x200000
#define SCENARIO_FULL		0x40000000	/* one table, each page written */
#define SCENARIO_SPARSE		0x48000000	/* four tables, a page each SCENARIO_STRIDE */
#define SCENARIO_STRIDE		0x8000
#define SCENARIO_EMPTY		0x50000000	/* one table, empty, but not reclaimed */
#define SCENARIO_GUARD		0x58000000	/* 8 pages, then SCENARIO_GUARDS guard markers */
#define SCENARIO_GUARDS		16
#define SCENARIO_PROTNONE	0x60000000	/* 4 pages, PROT_NONE */
#define SCENARIO_ZERO		0x68000000	/* the zero page, once */
#define SCENARIO_SHARED		0x70000000	/* memfd, 16 pages */

/* The advice of mark() and its steps. */
#define SCENARIO_MARK		4711
#define SCENARIO_BUILT		1
#define SCENARIO_RECLAIMED	2	/* SCENARIO_FULL was given to MADV_DONTNEED */
#define SCENARIO_UNMAPPED	3	/* SCENARIO_SPARSE is gone */

#endif
