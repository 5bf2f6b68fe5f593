#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: builds that end badly, by ninja as by make: an error is the compiler's words, first; what is killed leaves nothing
# behind, and the next build gives the kernel that make builds from nothing.
# timeout: 1500
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/tap.sh"
. "$top/tests/host/kernel-lib.sh"
session=
trap '[ -z "$session" ] || pkill -KILL -s "$session"; rm -rf "${dir-}"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
own_build kernel-errors

build
is "${OUT##*$'\n'} $STATUS" "$dir/build/points/work/fast 0" "a tree is built"
echo 'int umlab_wrong = ;' >> "$tree/mm/mmu_gather.c"
build
like "$(sed -n 1p <<< "$OUT")" 'mm/mmu_gather.c:[0-9]+:[0-9]+: error: expected expression' "a compile error comes first, as the compiler printed it"
is "$STATUS $(grep -cE 'FAILED|-nostdinc' <<< "$OUT") $(ls "$out/umlab.info" 2> /dev/null)" "1 0 " "... without its command line, and no kernel is left"
rm -f "$out/.umlab/args"
build
like "$(sed -n 2p <<< "$OUT")" 'mm/mmu_gather.c:[0-9]+:[0-9]+: error: expected expression' "make's, too"
sed -i '$d' "$tree/mm/mmu_gather.c"
build
is "$STATUS" 0 "mended, it is built"
echo 'int umlab_link(void); int umlab_link(void) { extern int umlab_nowhere(void); return umlab_nowhere(); }' >> "$tree/mm/mmu_gather.c"
build
like "$OUT" 'undefined reference to .umlab_nowhere' "an error of the linker is said"
rm -f "$out/.umlab/args"
build
like "$OUT" 'undefined reference to .umlab_nowhere' "... of make's link, too"
sed -i '$d' "$tree/mm/mmu_gather.c"
same "mended, it is linked" '.'

# killed SIGNAL: a build that is told to end while the compiler runs.
killed()
{
	local pid

	echo "/* $1 $RANDOM */" >> "$tree/mm/memory.c"
	# A shell's background jobs ignore SIGINT.
	env --default-signal=INT setsid "$dir/uml/kernel.sh" work fast > "$dir/killed" 2>&1 < /dev/null &
	pid=$! session=$!
	for _ in $(seq 100); do
		pgrep -s "$pid" cc1 > /dev/null && break
		sleep 0.05
	done
	if [ "$1" = KILL ]; then pkill -KILL -s "$pid"; else kill "-$1" "$pid"; fi
	wait "$pid" 2> /dev/null
	STATUS=$?
	sleep 0.2
	session=
	is "$(pgrep -r R,S,D,T -s "$pid" | wc -l)" 0 "$1: nothing is left of a build that it ends"
}
killed INT
is "$STATUS" 130 "... and it says so"
same "after Ctrl-C"
killed KILL
printf garbage > "$out/mm/memory.o"
printf garbage > "$out/arch/x86/um/vdso/vdso.so"
same "after kill -9, with half an object left, and half a file of another kind"

# Two at once.
echo 'int umlab_both;' >> "$tree/mm/madvise.c"
"$dir/uml/kernel.sh" work fast > "$dir/first" 2>&1 < /dev/null &
build
wait $!
is "$? $STATUS" "0 0" "two builds at once wait for each other"
ours=$(sha256sum < "$out/linux")
is "$ours" "$(made)" "... and the kernel is make's"

# All of it from nothing.
mv "$out" "$out.was"
build
is "$(sha256sum < "$out/linux")" "$ours" "a build from nothing gives the same kernel, byte for byte"
finish
