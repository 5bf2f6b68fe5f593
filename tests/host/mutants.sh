#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: a sample of the planted bugs (uml/patches/mutants) is caught, in kernels that the Makefile has built.
# timeout: 400
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/tap.sh"

SAMPLE=5

# make hands on what was given on its command line.
if [ -n "${P:-}${LINUX:-}${PATCHES:-}" ] || [ "${F:-fast}" != fast ]; then
	skip "a sample of the planted bugs" "they are planted in point fixed, flavour fast: a run that picks another kernel leaves them out"
	finish
	exit
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 143' TERM INT

for name in $("$top/uml/mutants.sh" sample $SAMPLE); do
	if ! "$top/uml/mutants.sh" built "$name" > /dev/null; then
		skip "$name" "its kernel is not built or out of date: make mutants SAMPLE=$SAMPLE"
		continue
	fi
	out=$("$top/tests/mutants.sh" --built --results "$dir" "$name" 2>&1)
	ok $? "$name is caught" "$out"
	[ "$TAP_FAILED" -gt 0 ] || diag "$(head -n 2 <<< "$out")"
done

# A mutant that nobody catches, and a name that none has, are failures.
"$top/tests/mutants.sh" --built no-such-mutant > /dev/null 2>&1
is $? 2 "a name that no mutant has is an error"
finish
