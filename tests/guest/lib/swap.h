/* SPDX-License-Identifier: GPL-2.0 */
/* A swap device for one test, on the run's own disk (umrun --disk). */
#ifndef UMLAB_SWAP_H
#define UMLAB_SWAP_H

#include <stddef.h>

#include "guest.h"

#define SWAP_DISK	"/dev/ubda"
#define SWAP_BYTES	(64UL << 20)

/*
 * Makes the disk a swap device of SWAP_BYTES and turns it on. One that a failed test
 * left on is used as it is. Fails the test when there is no disk.
 */
void swap_start(void);

/*
 * Turns it off: what is still there comes back to memory. One that was found on stays
 * on: what a failed test has lost there, swapoff would look for without end.
 */
void swap_stop(void);

/*
 * MADV_PAGEOUT until `pages` pages of the range are swap entries by pagemap, and
 * nothing is under way to the disk any more. Pages that are mapped twice stay.
 * Fails the test when it takes longer than 10 s.
 */
void page_out(char *at, size_t len, size_t pages);
#define page_out_all(at, len) page_out(at, len, (len) / PAGE)

/*
 * The same for one page in each `step` bytes, with no copy left in the swap cache, so
 * that the next touch reads the disk.
 * With several CPUs some pages may keep theirs (in another CPU's batches).
 */
void page_out_to_disk(char *at, size_t len, size_t step);

/* MADV_PAGEOUT of shared memory, until no page of the range is present any more. */
void page_out_shared(char *at, size_t len);

/* What was read from the disk since the boot, in kB. */
long swap_read_kb(void);

/*
 * SwapFree of /proc/meminfo in kB. expect_swap_used waits, at most KERNEL_WAIT_MS,
 * until start_kb - SwapFree is what `pages` pages take, exactly.
 */
long swap_free_kb(void);
#define expect_swap_used(start_kb, pages) expect_swap_used_at(start_kb, pages, HERE)
void expect_swap_used_at(long start_kb, size_t pages, const char *where);

#endif
