/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The layout of stale.c; host.py reads the numbers from here. One PTE table is 2 MiB.
 * SCENARIO_MARK and SCENARIO_BUILT are those of scenario.h.
 */
#ifndef UMLAB_STALE_H
#define UMLAB_STALE_H

#define STALE_TABLE		0x200000
#define STALE_ANCHOR		0x3fe00000	/* a page that stays: so do the tables above the PTE tables */
#define STALE_REPLACED		0x40000000	/* one table, each page written; then a file of one page over it */
#define STALE_EMPTIED		0x48000000	/* one table, each page written; then MADV_DONTNEED */
#define STALE_CLEAN		0x50000000	/* memfd, STALE_CLEAN_PAGES pages, read through a writable mapping */
#define STALE_CLEAN_PAGES	8
#define STALE_PROTNONE		0x58000000	/* 4 pages, PROT_NONE */
#define STALE_SPARSE		0x60000000	/* one table, each second page */

/* The steps of mark(), each after what it says. */
#define STALE_POPULATED		2	/* the file was mapped and populated over STALE_REPLACED; it was read */
#define STALE_GONE		3	/* STALE_EMPTIED was given to MADV_DONTNEED, and not touched since */
#define STALE_READ		4	/* ... and read */

#endif
