# SPDX-License-Identifier: GPL-2.0
# Shared by the scripts in uml/: where things are, messages, locks; signals.sh.
# Sourced, not run. Exit codes of all of them: 0 done, 1 failed, 2 wrong usage,
# 130/143 interrupted (what was half made is thrown away or resumed next time).

set -eu -o pipefail
export LC_ALL=C

UML_DIR=$(cd "${BASH_SOURCE[0]%/*}" && pwd -P)
ROOT=${UML_DIR%/*}
# The host tests point these at directories of their own.
BUILD=${UMLAB_BUILD:-$ROOT/build}
PATCH_DIR=${UMLAB_PATCHES:-$UML_DIR/patches}
LOCKFILE=${UMLAB_SOURCE_LOCK:-$UML_DIR/source.lock}
CACHE=${XDG_CACHE_HOME:-${HOME:?"HOME is not set: set it, or XDG_CACHE_HOME"}/.cache}/umlab
TREE=$BUILD/linux
POINTS=$BUILD/points
LOGS=$BUILD/log
# tools/changed.c
CHANGED=$BUILD/changed
TOOL=${0##*/} TOOL=${TOOL%.sh}

# A caller's git environment (a hook, a rebase --exec) must not redirect ours.
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_PREFIX

# die MESSAGE: prints "tool: MESSAGE" and ends with status 1.
die() { printf '%s: %s\n' "$TOOL" "$*" >&2; exit 1; }

# usage MESSAGE: the same with status 2, for a command line we can't read.
usage() { printf '%s: %s\n' "$TOOL" "$*" >&2; exit 2; }

# note MESSAGE, warn MESSAGE: progress and warnings; stdout is kept for results.
note() { printf '%s\n' "$*" >&2; }
warn() { printf '%s: warning: %s\n' "$TOOL" "$*" >&2; }

# lock FILE WHAT [-s]: takes FILE for the life of this process (and of its children,
# so that a build orphaned by kill -9 still keeps others out), waiting if another
# holds it. WHAT is said while waiting. -s: beside others who take it so.
lock() {
	local fd
	{ [ -d "${1%/*}" ] || mkdir -p "${1%/*}" 2>/dev/null; } && { : >>"$1"; } 2>/dev/null ||
		die "$1: cannot be written: become the user that owns ${1%/*}, or work in a clone of your own"
	exec {fd}>>"$1"
	LOCK_FDS="${LOCK_FDS-} $fd"
	if ! flock ${3-} -n "$fd"; then
		note "waiting for another run: $2"
		flock ${3-} "$fd"
	fi
}

# let_go_of_locks: for a helper process that must not keep others out, and between one piece of work and the next.
let_go_of_locks() {
	local fd
	for fd in ${LOCK_FDS-}; do exec {fd}>&-; done
	LOCK_FDS=
}

# need_space DIR KIB WHAT: dies unless the file system of DIR has KIB free.
need_space() {
	local free
	mkdir -p "$1"
	free=$(df -Pk "$1" | awk 'NR == 2 { print $4 }')
	[ "$free" -ge "$2" ] ||
		die "$3: needs $(mib "$2") free in $1, has $(mib "$free"): make room, or run 'make clean'"
}

# mib KIB: KIB as text, rounded to MiB.
mib() { echo "$((($1 + 512) / 1024)) MB"; }

# need_tools NAME...: dies naming every missing program at once.
need_tools() {
	local t missing=
	for t; do command -v "$t" >/dev/null || missing="$missing $t"; done
	[ -z "$missing" ] || die "programs missing:$missing: run 'make deps', or install the packages that hold them"
}

# sha256_of FILE: its SHA-256 as hex.
sha256_of() { sha256sum "$1" | cut -d' ' -f1; }

# elapsed START: seconds since START (a value of $SECONDS).
elapsed() { echo $((SECONDS - $1)); }

. "$UML_DIR/signals.sh"
