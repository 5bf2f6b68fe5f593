#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: ninja in place of make: after each kind of change the kernel is, byte for byte, the one that
# make builds from the same files, or make is asked, and a line says why.
# timeout: 3000
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/tap.sh"
. "$top/tests/host/kernel-lib.sh"
session=
trap '[ -z "$session" ] || pkill -KILL -s "$session"; rm -rf "${dir-}"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
own_build kernel-ninja

# made: what the kernel is when make has the last word.
made()
{
	rm -f "$out/.umlab/args"
	build
	sha256sum < "$out/linux"
}

# same NAME [REGEX]: builds; the kernel is make's, and a line of what was said matches ("by ninja" if none is given).
same()
{
	local ours

	build
	like "$OUT / $STATUS" "${2:-by ninja:}" "$1"
	is "${OUT##*$'\n'} $STATUS" "$dir/build/points/work/fast 0" "... and it is built"
	ours=$(sha256sum < "$out/linux")
	is "$ours" "$(made)" "... as make builds it"
}

build
is "${OUT##*$'\n'} $STATUS" "$dir/build/points/work/fast 0" "a tree is built by make at first"
was=$(stat -c '%Y %i' "$out/linux")
build
is "$OUT, $(stat -c '%Y %i' "$out/linux")" "$dir/build/points/work/fast, $was" "nothing changed: nothing is built"

touch "$tree/mm/madvise.c"
before=$(sha256sum < "$out/linux")
same "a time stamp alone"
is "$(sha256sum < "$out/linux")" "$before" "... and it is the kernel of before"
echo 'int umlab_one = 1;' >> "$tree/mm/madvise.c"
same "a line in a source"
echo 'static inline int umlab_two(void) { return 2; }' >> "$tree/mm/internal.h"
echo 'int umlab_use(void); int umlab_use(void) { return umlab_two(); }' >> "$tree/mm/madvise.c"
same "a header, and a source that needs it"
echo 'int umlab_first;' >> "$tree/mm/mmu_gather.c"
# At once when its compiler is there, in this session of ours.
(for ((i = 0; i < 1000; i++)); do
	! pgrep -s 0 -f 'mm/mmu_gather\.c' > /dev/null || break
	sleep 0.02
done; echo 'int umlab_second;' >> "$tree/mm/mmu_gather.c") &
build
wait $!
same "a source that was saved while it was compiled"
like "$(nm "$out/linux")" ' umlab_second$' "... as it was saved last"
echo '# umlab' >> "$tree/arch/x86/Makefile.um"
same "a part of the architecture's Makefile" 'arch/x86/Makefile.um is new.*: make decides$'
echo '/* umlab */' >> "$tree/include/linux/crypto.h"
same "a header that offsets for assembler are made from" '^.*include/linux/crypto.h is new.*: make decides$'
printf '\nconfig UMLAB_TEST\n\tdef_bool y\n' >> "$tree/mm/Kconfig"
same "a symbol of Kconfig" 'mm/Kconfig is new.*: make decides$'
is "$(grep -c '^CONFIG_UMLAB_TEST=y' "$out/.config")" 1 "... which is in the configuration"
echo 'CONFIG_UMLAB_NONE=y' >> "$dir/uml/configs/fast.config"
build
like "$OUT / $STATUS" 'CONFIG_UMLAB_NONE=y' "a fragment of the configuration that does not take is told"
sed -i '$d' "$dir/uml/configs/fast.config"
echo 'CONFIG_LOG_BUF_SHIFT=16' >> "$dir/uml/configs/fast.config"
same "a fragment of the configuration" 'uml/configs: make decides$'
is "$(grep -c '^CONFIG_LOG_BUF_SHIFT=16' "$out/.config")" 1 "... has its effect"
printf 'flags -O1\nmmu_gather.o  mm/mmu_gather.c\n' > "$dir/uml/configs/fast.cflags"
same "a flag of the compiler" 'arguments of make.*: make decides$'
like "$(cat "$out/mm/.mmu_gather.o.cmd")" ' -O1 ' "... has its effect"
echo 'int umlab_new(void); int umlab_new(void) { return 3; }' > "$tree/mm/umlab_new.c"
echo 'obj-y += umlab_new.o' >> "$tree/mm/Makefile"
same "a new source" 'mm/Makefile is new.*: make decides$'
like "$(nm "$out/linux")" ' umlab_new$' "... is in the kernel"
sed -i '$d' "$tree/mm/Makefile"
rm "$tree/mm/umlab_new.c"
same "a source that is removed" 'mm/Makefile is new.*: make decides$'
is "$(nm "$out/linux" | grep -c ' umlab_new$')" 0 "... is not in the kernel"

# What make alone would not see, a build from nothing would.
printf '#ifdef UMLAB_SHADOW\nint umlab_shadow;\n#endif\n' >> "$tree/kernel/softirq.c"
build
printf '#include <asm-generic/softirq_stack.h>\n#define UMLAB_SHADOW 1\n' > "$tree/arch/um/include/asm/softirq_stack.h"
same "a header that hides another" 'softirq_stack.h came or went: make decides$'
like "$(nm "$out/linux")" ' umlab_shadow$' "... has its effect"
echo 'int umlab_older;' >> "$tree/mm/madvise.c"
touch -d '2020-01-01' "$tree/mm/madvise.c"
build
like "$(nm "$out/linux")" ' umlab_older$' "a source that was replaced by an older file is compiled"

git -C "$tree" stash -q -u
same "another state of the tree" ': make decides$'
git -C "$tree" checkout -q --detach umlab/base
same "another point" ': make decides$'
is "$(grep -c '^CONFIG_PT_RECLAIM=y' "$out/.config")" 0 "... has its own configuration"
git -C "$tree" checkout -q --detach umlab/fixed
git -C "$tree" stash pop -q
build

# Errors and interruptions.
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
same "after kill -9, with half an object left"

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
