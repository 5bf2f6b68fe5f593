/* SPDX-License-Identifier: GPL-2.0 */
/* Between the files of lib/; suites include guest.h. */
#ifndef UMLAB_INTERNAL_H
#define UMLAB_INTERNAL_H

/* Sets the arena up for one test. Fails the test when it cannot. */
void arena_open(void);

#endif
