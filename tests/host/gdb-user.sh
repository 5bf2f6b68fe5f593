#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: pt-user shows the program of a task; stepping from it into the kernel and out again.
# timeout: 1200
set -u
. "$(dirname "$0")/gdb-lib.sh"

real=$umrun
# with NAME WORD...: umrun, with those words on the kernel's command line.
with()
{
	umrun=$dir/$1
	shift
	printf '#!/bin/sh\nexec %q --append %q "$@"\n' "$real" "$*" >"$umrun"
	chmod +x "$umrun"
}

# user PROGRAM POINT/CPUS...: one that user.c was built as.
user()
{
	UMLAB_USER=$top/build/tests/gdb/$1
	shift
	gdb_suite user "$@" -- "$UMLAB_USER" /share/facts
}

export UMLAB_OTHER=$scenario UMLAB_USER
# The guest's clock goes on while gdb holds it; on a busy host 10 s of that come together, an RCU stall.
patient=rcupdate.rcu_cpu_stall_suppress=1
with ptrace $patient
user user series/1 +base/1 +fixed/1
with seccomp $patient seccomp=on
user user-pie +base/1 +series/1
user user-static-pie +fixed/1
user user series/2 +base/2 +fixed/2
finish
