#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: pt-here says where the kernel stands, at stops of every kind from the first instruction to an idle guest.
# timeout: 1200
set -u
. "$(dirname "$0")/gdb-lib.sh"

cp "$scenario" "$dir/share/scenario"
# The scenario; then it is busy in user space until it is told to sleep.
script='/share/scenario /share/facts; n=0
	until [ -e /share/idle ]; do n=0; while [ $n -lt 100000 ]; do n=$((n + 1)); done; done; rm /share/idle; sleep 1000'

# The guest's clock goes on while gdb holds it: an RCU stall, if the host is busy.
printf '#!/bin/sh\nexec %q --append rcupdate.rcu_cpu_stall_suppress=1 "$@"\n' "$umrun" >"$dir/patient"
chmod +x "$dir/patient"
umrun=$dir/patient
gdb_suite here series/2 +rest -- sh -c "$script"
finish
