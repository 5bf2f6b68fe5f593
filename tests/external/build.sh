#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Builds tools/testing/selftests/mm of the fetched kernel source, in build/external:
#   src/   what it takes of the source, got out of git: nothing is written to build/linux
#   mm/    the programs, static, so that the guest needs no libraries
# Does nothing when both are there and of the same source. Exit status: 0, or 1 with the reason.
set -eu -o pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
out=$top/build/external
log=$top/build/log/external-build.log
paths=(Makefile Kbuild scripts include usr mm/gup_test.h lib/test_hmm_uapi.h
	arch/Kconfig arch/x86/Makefile arch/x86/include arch/x86/entry/syscalls arch/x86/tools
	tools/build tools/scripts tools/include tools/arch tools/testing/selftests)

die() { printf 'external: %s\n' "$*" >&2; exit 1; }

# Of what the programs are made: the source's tree, and this file.
key=$(git -C "$top/build/linux" rev-parse 'umlab/fetched^{tree}')-$(sha256sum <"$0" | cut -c1-16) ||
	die "build/linux: no tag umlab/fetched: run 'make source'"

mkdir -p "$out" "$top/build/log"
exec 9>"$out/.lock"
flock 9
[ "$(cat "$out/key" 2>/dev/null)" != "$key" ] || exit 0

echo "external: building the kernel's mm selftests (log: build/log/external-build.log)" >&2
rm -rf "$out/src" "$out/mm" "$out/key"
mkdir -p "$out/src" "$out/mm"
# test_hmm_uapi.h is not in every kernel.
present=()
for path in "${paths[@]}"; do
	! git -C "$top/build/linux" cat-file -e "umlab/fetched:$path" 2>/dev/null || present+=("$path")
done
git -C "$top/build/linux" archive umlab/fetched "${present[@]}" | tar -x -C "$out/src"

# Our caller is make; its variables are not those of the kernel's makefiles.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES LINUX PATCHES SOURCE P F T CFLAGS LDFLAGS
make -s -C "$out/src" ARCH=x86_64 headers_install >"$log" 2>&1 || die "make headers_install: failed: see $log"
# -k: one program that does not compile here is said below, and by tests/external/run.
make -s -k -C "$out/src/tools/testing/selftests/mm" -j"${JOBS:-$(nproc)}" OUTPUT="$out/mm" \
	ARCH=x86_64 EXTRA_CFLAGS="-static -w" >>"$log" 2>&1 || true
sed -n 's/^make: \*\*\* \[.*: .*\/external\/mm\/\(.*\)\] Error.*/external: \1: does not compile here/p' "$log" >&2
[ -x "$out/mm/cow" ] || die "tools/testing/selftests/mm: nothing was built: see $log"
echo "$key" >"$out/key"
