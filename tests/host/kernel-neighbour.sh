#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: a first build that begins with the objects of another point gives, byte for byte, the kernel that a
# build from nothing gives: between points, and for a tree with edits of each kind.
# timeout: 3000
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/tap.sh"
. "$top/tests/host/kernel-lib.sh"
trap 'rm -rf "${dir-}"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
own_build kernel-neighbour

# point P [VARIABLE=VALUE...]: the kernel of a point. Sets STATUS and OUT, all that it says.
point()
{
	OUT=$(env "${@:2}" "$dir/uml/kernel.sh" "$1" fast 2>&1 < /dev/null)
	STATUS=$?
}

# sum DIR: of the kernel in this O= directory, and of what describes it to umrun and gdb.
sum() { (cd "$1" && cat linux .config | sha256sum); }

# from_nothing DIR COMMAND...: the sum of the kernel that the command builds in that directory when it is empty; not from what
# ccache knows of before.
from_nothing()
{
	rm -rf "$1"
	"${@:2}" NEIGHBOUR=none CCACHE_DIR="$dir/ccache"
	sum "$1"
}

# same NAME [NEIGHBOUR]: a first build of the tree begins with a neighbour, and is what a build from nothing is.
same()
{
	local ours

	rm -rf "$out"
	build
	like "$OUT / $STATUS" "^work work-fast: begins with the objects of ${2:-fixed}/fast, from which [0-9]+ files differ" "$1"
	like "$OUT / $STATUS" "/points/work/fast / 0$" "... and it is built"
	ours=$(sum "$out")
	is "$(from_nothing "$out" build)" "$ours" "... as it is from nothing"
}

points=$dir/build/points
point base
is "$STATUS $(grep -c 'begins with' <<< "$OUT")" "0 0" "the first point has no neighbour"
point series
like "$OUT" '^series fast: begins with the objects of base/fast, from which [0-9]+ files differ' "the second has"
ours=$(sum "$points/series/fast")
is "$(find "$points" -maxdepth 2 -name '.new-*' | wc -l)" 0 "... and leaves nothing beside it"
is "$(grep -rlF "$points/base/" "$points/series/fast" | wc -l)" 0 "... nor the other's name in any file"
is "$(from_nothing "$points/series/fast" point series)" "$ours" "... and is what it is from nothing, another configuration or not"
point fixed NEIGHBOUR=base
like "$OUT" '^fixed fast: begins with the objects of base/fast,' "which one, NEIGHBOUR= says"
ours=$(sum "$points/fixed/fast")
is "$(from_nothing "$points/fixed/fast" point fixed)" "$ours" "... and it is what it is from nothing"

rm -rf "$points/fixed/fast"
(for ((i = 0; i < 3000; i++)); do [ ! -e "$points/fixed/fast/.umlab/under-way" ] || break; sleep 0.02; done; sleep 0.2; echo 'int umlab_late;' >> "$points/fixed/linux/mm/mmu_gather.c") &
point fixed NEIGHBOUR=base
wait $!
like "$OUT / $STATUS" 'mm/mmu_gather\.c: was changed while fixed was compiled.* / 1$' "a point's tree that is edited while it is compiled: no kernel is kept"
point fixed
like "$OUT / $STATUS" 'has edits.* / 1$' "... nor built of the edit"
git -C "$points/fixed/linux" checkout -q mm/mmu_gather.c
point fixed
is "$STATUS $(nm "$points/fixed/fast/linux" | grep -c umlab_late) $(sum "$points/fixed/fast")" "0 0 $ours" "... and without it, it is what it is from nothing"

same "the user's tree"
echo 'int umlab_one;' >> "$tree/mm/madvise.c"
touch -d '2020-01-01' "$tree/mm/madvise.c"
same "an edit that is older than the neighbour's objects"
like "$(nm "$out/linux")" ' umlab_one$' "... is in the kernel"
echo 'static inline int umlab_in_header(void) { return 2; }' >> "$tree/mm/internal.h"
echo 'int umlab_use(void); int umlab_use(void) { return umlab_in_header(); }' >> "$tree/mm/vmstat.c"
same "a header, and a source that needs it"
printf '#ifdef UMLAB_SHADOW\nint umlab_shadow;\n#endif\n' >> "$tree/kernel/softirq.c"
git -C "$tree" -c user.name=u -c user.email=u@localhost commit -qam edits
printf '#include <asm-generic/softirq_stack.h>\n#define UMLAB_SHADOW 1\n' > "$tree/arch/um/include/asm/softirq_stack.h"
same "a header that hides another, of which git knows nothing"
like "$(nm "$out/linux")" ' umlab_shadow$' "... has its effect"
printf '\nconfig UMLAB_TEST\n\tdef_bool y\n' >> "$tree/mm/Kconfig"
printf 'int umlab_new(void);\nint umlab_new(void) { return IS_ENABLED(CONFIG_UMLAB_TEST); }\n' > "$tree/mm/umlab_new.c"
printf 'obj-$(CONFIG_UMLAB_TEST) += umlab_new.o\nccflags-y += -DUMLAB_FLAG\n' >> "$tree/mm/Makefile"
same "a symbol of Kconfig, a new source, a flag"
like "$(nm "$out/linux")" ' umlab_new$' "... which are in the kernel"
git -C "$tree" checkout -q -f --detach umlab/base
git -C "$tree" clean -qfdx
same "another point" base

# Where nobody could tell what is made from a file.
echo '# umlab' >> "$tree/scripts/Makefile.lib"
rm -rf "$out"
build
like "$OUT / $STATUS" '^work work-fast: begins with nothing, as .*: scripts/Makefile.lib$' "Kbuild itself has changed: nothing is taken over"
like "$OUT / $STATUS" "/points/work/fast / 0$" "... and it is built"
git -C "$tree" checkout -q -f --detach umlab/fixed
echo 'int umlab_hidden;' >> "$tree/mm/madvise.c"
git -C "$tree" update-index --assume-unchanged mm/madvise.c
rm -rf "$out"
build
like "$OUT" 'begins with nothing, as .*: mm/madvise.c$' "nor where git was told not to look"
like "$(nm "$out/linux")" ' umlab_hidden$' "... and the edit is in the kernel"
git -C "$tree" update-index --no-assume-unchanged mm/madvise.c
git -C "$tree" checkout -q -f --detach umlab/fixed
# What a neighbour's build was when it was copied counts; one that is under way is none.
mv "$points/fixed/fast/umlab.info" "$points/fixed/fast/info.aside"
rm -rf "$out"
build
like "$OUT" 'begins with the objects of (series|base)/fast,' "a build that has not ended is nobody's neighbour"
mv "$points/fixed/fast/info.aside" "$points/fixed/fast/umlab.info"

# Killed while it copies.
rm -rf "$out"
mkdir "$dir/bin"
cat > "$dir/bin/cp" <<- 'END'
	#!/bin/sh
	for to; do from=$was was=$to; done
	mkdir -p "$to" && /bin/cp -a "$from/umlab.info" "$from/include" "$from/mm" "$to" && kill -KILL 0
END
chmod +x "$dir/bin/cp"
PATH=$dir/bin:$PATH setsid "$dir/uml/kernel.sh" work fast > /dev/null 2>&1 < /dev/null
[ -d "$dir/build/.new-work-fast/new/mm" ]
ok $? "kill -9 in the copy"
build
like "$OUT / $STATUS" "^work work-fast: begins with the objects of fixed/fast" "... the next one begins anew"
like "$OUT / $STATUS" "/points/work/fast / 0$" "... and builds"
is "$(find "$dir/build" -maxdepth 3 -name '.new-*' | wc -l)" 0 "... and leaves nothing beside it"
ours=$(sum "$out")
is "$(from_nothing "$out" build)" "$ours" "... what a build from nothing is"
finish
