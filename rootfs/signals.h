/* SPDX-License-Identifier: GPL-2.0 */
/* Shared by umrun and the guest's PID 1. */
#ifndef UMLAB_SIGNALS_H
#define UMLAB_SIGNALS_H

void signals_reset(void);

#endif
