#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Prints the targets of the given makefiles that carry a `## [group] text`.
set -eu

bold='' plain=''
if [ -t 1 ]; then bold=$'\e[1m' plain=$'\e[0m'; fi

group() {
	local name=$1 title=$2
	shift 2
	printf '\n%s%s%s\n' "$bold" "$title" "$plain"
	sed -nE "s/^([a-z_-]+):[^#]*## \[$name\] (.*)/\1|\2/p" "$@" |
		while IFS='|' read -r target text; do printf '  make %-16s %s\n' "$target" "$text"; done
}

echo "umlab: debug, test and learn the kernel's page-table freeing code in User-Mode Linux"
group start "To begin with" "$@"
group kernel "The kernel, in points of the series" "$@"
group run "Run something inside" "$@"
group test "Tests" "$@"
group tool "Tools" "$@"
cat <<'END'

P= is a point: base, 1 to 8, series, fixed (default) or work (your own edits in build/linux).
F= is a flavour: fast (default), debug (for gdb), sanitize or cover. build/umrun --help tells the rest.
END
