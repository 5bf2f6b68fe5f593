#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: architectures of the series in qemu (make check ARCHS=sparc64; CI does where there is time): at v3 and series, each
# does what tests/arch/expect.txt says.
# timeout: 1800
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/tap.sh"
[ -z "${UMLAB_ARCHS_LATE:-}" ] || { echo "1..0 # SKIP $UMLAB_ARCHS_LATE: left out: the kernels before it took too long (ARCHS_BY)"; exit 0; }
[ -n "${UMLAB_ARCHS:-}" ] || { echo "1..0 # SKIP no architecture was asked for: make check ARCHS=sparc64"; exit 0; }
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
trap 'exit 143' TERM
out=$("$top/tests/arch/run.sh" --points "v3 series" --results "$dir/arch" $UMLAB_ARCHS 2>&1)
rc=$?
for name in $UMLAB_ARCHS; do
	for point in v3 series; do
		json=$dir/arch/$name-$point.json
		[ -f "$json" ] || { ok 1 "$name at $point: built and booted" "status $rc: $(tail -n 15 <<< "$out")"; continue; }
		is "$(jq -r '.wrong | join("; ")' "$json")" "" "$name at $point: as expected"
		diag "$(jq -r '.figures | to_entries | map("\(.key) \(.value)") | join(", ")' "$json")"
	done
done
is "$rc" 0 "the status says so, too"
finish
