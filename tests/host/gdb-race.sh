#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: pt-race: each race goes as written at each of its points, the first time; scripts that are wrong; nothing is left parked.
# timeout: 900
set -u
. "$(dirname "$0")/gdb-lib.sh"

program=$top/build/tests/gdb/race
races=$top/gdb-scripts/races

# in_gdb POINT PROGRAM-MODE COMMAND: a session of one command; sets STATUS, OUT and ERR.
in_gdb()
{
	timeout 200 "$umrun" --kernel "$top/build/points/$1/debug/linux" --cpus 2 --log "$dir/log" \
		--append rcupdate.rcu_cpu_stall_suppress=1 --gdb --gdb-arg=-nx --gdb-arg=-batch \
		--gdb-arg=-x "--gdb-arg=$top/gdb-scripts/umlab.py" --gdb-arg=-ex "--gdb-arg=$3" \
		-- "$program" "$2" >"$dir/out" 2>"$dir/err" </dev/null
	STATUS=$?
	OUT=$(cat "$dir/out")
	ERR=$(cat "$dir/err")
}

# without_kernel POINT: says so, and skips.
without_kernel()
{
	[ ! -f "$top/build/points/$1/debug/umlab.info" ] || return 1
	skip "$2" "no such kernel yet: make kernel P=$1 F=debug"
}

# Wrong scripts, and what is left behind.
UMLAB_CPUS=2 gdb_suite race series/2 -- "$program" laps
UMLAB_CPUS=1 gdb_suite race +series/1 -- "$program" laps

# The races themselves; most of them, and all points, in make check-all. A verdict says which bug was
# seen, or that it is mended.
for script in "$races"/*.race; do
	name=$(basename "$script" .race)
	for point in $(sed -n 's/^@run.*points=\([^ ]*\).*/\1/p' "$script" | tr , ' '); do
		[ -n "${UMLAB_ALL:-}" ] || [ "$name@$point" = uaccess@series ] || continue
		without_kernel "$point" "$point: $name" && continue
		in_gdb "$point" "$(sed -n 's/^@run.*program=gdb.race //p' "$script")" "pt-race $name check"
		status 0 "$point: $name goes as written"
		like "$OUT" '^=> .' "$point: $name has a verdict"
	done
done

# A race that goes wrong: gdb's status for a machine, who stands where for a person.
if ! without_kernel series "series: a race that panics instead"; then
	sed -e 's/^\[series\] run until panic/[series] run until mark 4/' "$races/uaccess.race" >"$dir/panics.race"
	in_gdb series uaccess "pt-race $dir/panics.race check"
	status 1 "series: a panic that was not expected fails"
	like "$ERR" 'the kernel panicked \(Kernel mode fault at addr 0x0' "... with its message"
	like "$ERR" '^A: CPU 0 \(race-a' "... and where A stands"
	in_gdb series uaccess "pt-race nosuch check"
	status 1 "series: a script that is not there fails"
fi

# What tools/race.sh says without a kernel.
like "$("$top/tools/race.sh")" '^uaccess +The kernel writes' "tools/race.sh lists the races"
"$top/tools/race.sh" nosuch >"$dir/out" 2>"$dir/err"
STATUS=$? ERR=$(cat "$dir/err")
status 2 "tools/race.sh knows what there is"
"$top/tools/race.sh" rmap@base >"$dir/out" 2>"$dir/err"
STATUS=$? ERR=$(cat "$dir/err")
status 2 "... and at which points"
finish
