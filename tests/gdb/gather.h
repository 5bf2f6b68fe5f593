/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The layout of gather.c; gather.py and rcu.py read the numbers from here. One PTE
 * table is 2 MiB. SCENARIO_MARK and SCENARIO_BUILT are those of scenario.h.
 */
#ifndef UMLAB_GATHER_H
#define UMLAB_GATHER_H

#define GATHER_TABLE		0x200000
#define GATHER_ANCHOR		0x3fe00000	/* a page that stays: so do the tables above the PTE tables */
#define GATHER_FEW		0x40000000	/* GATHER_FEW_TABLES tables, one page each */
#define GATHER_FEW_TABLES	5
#define GATHER_PAGES		0x44000000	/* GATHER_PAGES_TABLES tables, each page written */
#define GATHER_PAGES_TABLES	3
#define GATHER_SHARED		0x4c000000	/* memfd, GATHER_SHARED_PAGES pages, written */
#define GATHER_SHARED_PAGES	16
#define GATHER_ONE		0x50000000	/* one table, one page */
#define GATHER_MANY		0x8000000000	/* GATHER_MANY_TABLES tables, one page each; nothing else there */
#define GATHER_MANY_TABLES	600
#define GATHER_MANY_UPPER	3		/* two PMD tables and the PUD table over them */

/* The steps of mark(), each after what it says. */
#define GATHER_FEW_GONE		2	/* GATHER_FEW was given to MADV_DONTNEED */
#define GATHER_PAGES_GONE	3	/* GATHER_PAGES was unmapped: PTE tables, no upper ones */
#define GATHER_SHARED_GONE	4	/* GATHER_SHARED was given to MADV_DONTNEED */
#define GATHER_ONE_GONE		5	/* GATHER_ONE was given to MADV_DONTNEED */
#define GATHER_MANY_GONE	6	/* GATHER_MANY was unmapped, with the tables above */

#endif
