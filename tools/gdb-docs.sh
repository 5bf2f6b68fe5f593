#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Writes docs/gdb.md from a real run: what each gdb command prints, and tour 1.
# `make gdb-docs` calls it, and tests/host/gdb-docs.sh to see whether that file is still true.
set -u

top=$(cd "$(dirname "$0")/.." && pwd) || exit 2

usage()
{
	cat <<'USAGE'
usage: tools/gdb-docs.sh [FILE]
Writes FILE (docs/gdb.md) from the tours `commands` and `reclaim`, in the kernels that they ask for.
FILE is replaced when all of it is there; nothing is left of a run that fails.

Exit status: 0 written; 1 a tour is out of date, or the kernel or gdb failed; 2 wrong usage.
USAGE
}

case ${1:-} in
--help) usage; exit 0 ;;
-*) usage >&2; exit 2 ;;
esac
[ $# -le 1 ] || { usage >&2; exit 2; }
file=${1:-$top/docs/gdb.md}

# Beside FILE, so that it can be replaced at once.
new=$(mktemp "$file.XXXXXX") && raw=$(mktemp) || exit 1
trap 'rm -f "$new" "$raw"' EXIT

if ! UMLAB_TOUR_CHECK=1 "$top/tools/tour.sh" --markdown commands reclaim > "$raw"; then
	tail -n 5 "$raw" >&2
	exit 1
fi
{
	printf '# The gdb commands\n\n<!-- make gdb-docs writes this file from a real run: edit gdb-scripts/tours/ instead -->\n\n'
	# gdb's own announcement, and paths that are this machine's; build may be a link.
	grep -v '^Reading symbols from ' "$raw" | sed "s|$(cd "$top/build" && pwd -P)/|build/|g; s|$top/||g"
} > "$new"
chmod 644 "$new" && mv "$new" "$file"
