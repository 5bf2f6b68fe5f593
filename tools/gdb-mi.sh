#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# The gdb that an editor starts: gdb with the kernel under it and umlab's commands. What the
# editor gives it goes to gdb (--interpreter=mi, -i dap, --fullname, -tty ...).
# docs/debugging.md tells how each editor is told.
#
# Usage: gdb-mi.sh [--point=P] [--flavour=F] [--cpus=N] [--program='PROGRAM ARG...'] GDB-ARGUMENT...
#        gdb-mi.sh --attach[=PID] GDB-ARGUMENT...
set -u

top=$(cd "$(dirname "$0")/.." && pwd) || exit 2

die() {
	echo "gdb-mi: $*" >&2
	exit 1
}

point=fixed flavour=debug cpus=1 attach= mi= dap= last=
program=$top/build/tests/guest/ptworkload' --size 64M --chunk 2M'
gdb_args=()
for arg; do
	case $arg in
	--point=*) point=${arg#*=} ;;
	--flavour=*) flavour=${arg#*=} ;;
	--cpus=*) cpus=${arg#*=} ;;
	--program=*) program=${arg#*=} ;;
	--attach|--attach=*) attach=$arg ;;
	*) gdb_args+=("--gdb-arg=$arg") ;;
	esac
	case $last$arg in
	*-i*=mi*|-imi*|--interpretermi*|-interpretermi*) mi=1 ;;
	*-i*=dap|-idap|--interpreterdap|-interpreterdap) dap=1 ;;
	esac
	last=$arg
done
[ -z "$dap" ] || [ -z "$attach" ] || die "--attach: not over DAP: start the kernel from the editor, or attach over MI"

# namesake PID: the host's number of the process that has the number PID in the guest's
# namespace; PID itself if there is none.
namesake() {
	local child file ns= here
	here=$(readlink /proc/self/ns/pid)
	for child in $(cat "/proc/$umrun/task/$umrun/children" 2>/dev/null); do
		ns=$(readlink "/proc/$child/ns/pid" 2>/dev/null)
		[ "$ns" = "$here" ] || break
	done
	for file in $(grep -lE "^NSpid:.*[[:space:]]$1\$" /proc/[0-9]*/status 2>/dev/null); do
		file=${file%/status}
		[ "$(readlink "$file/ns/pid" 2>/dev/null)" != "$ns" ] || { echo "${file#/proc/}"; return; }
	done
	echo "$1"
}

# host_numbers: the kernel's process as the host numbers it, since some editors (VS Code) signal it
# themselves to interrupt it.
host_numbers() {
	local line
	while IFS= read -r line; do
		if [[ $line =~ ^(=thread-group-started,.*pid=\")([0-9]+)(\".*)$ ]]; then
			line=${BASH_REMATCH[1]}$(namesake "${BASH_REMATCH[2]}")${BASH_REMATCH[3]}
		fi
		printf '%s\n' "$line"
	done
}

umrun=$$
cd "$top" || exit 2
[ -x build/umrun ] || die "build/umrun: not built: make tools"
[ -z "$mi" ] || [ -t 1 ] || exec > >(host_numbers)
[ -z "$attach" ] || exec build/umrun "$attach" "${gdb_args[@]}"
[ -x "build/points/$point/$flavour/linux" ] || die "build/points/$point/$flavour: no kernel: make kernel P=$point F=$flavour"
# shellcheck disable=SC2086	# its words are the program and its arguments
exec build/umrun --kernel "build/points/$point/$flavour/linux" --cpus "$cpus" --gdb \
	--gdb-arg=-x "--gdb-arg=$top/gdb-scripts/umlab.py" ${dap:+--gdb-arg=-x "--gdb-arg=$top/gdb-scripts/dap.py"} "${gdb_args[@]}" -- $program
