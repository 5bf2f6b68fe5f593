#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: ninja in place of make: after each kind of change the kernel is, byte for byte, the one that
# make builds from the same files, or make is asked, and a line says why.
# timeout: 3000
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/tap.sh"
. "$top/tests/host/kernel-lib.sh"
trap 'rm -rf "${dir-}"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
own_build kernel-ninja

# when_compiled FILE COMMAND: does it in the background when the compiler, in this session of ours, has got to the file.
when_compiled()
{
	(for ((i = 0; i < 3000; i++)); do
		! pgrep -s 0 -f "$1" > /dev/null || break
		sleep 0.02
	done; eval "$2") &
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
when_compiled 'mm/mmu_gather\.c' "echo 'int umlab_second;' >> '$tree/mm/mmu_gather.c'"
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
printf '\nconfig UMLAB_ASKED\n\tbool "asked"\n\tdefault y\n' >> "$tree/mm/Kconfig"
same "a symbol that can be chosen" 'mm/Kconfig is new.*: make decides$'
is "$(grep -c 'CONFIG_UMLAB_ASKED is not set' "$out/.config")" 1 "... is as in a kernel that is built from nothing"
"$tree/scripts/config" --file "$out/.config" --enable UMLAB_ASKED
same "what somebody chose in .config" 'another .config: make decides$'
is "$(grep -c '^CONFIG_UMLAB_ASKED=y' "$out/.config")" 1 "... is kept"
cp "$dir/uml/configs/fast.config" "$dir/fast.config"
printf 'CONFIG_LOG_BUF_SHIFT=20\nCONFIG_UMLAB_NONE=y\n' >> "$dir/uml/configs/fast.config"
build
like "$OUT / $STATUS" 'CONFIG_UMLAB_NONE=y' "a fragment of the configuration that does not take is told"
like "$OUT" 'config.yours$' "... and where that is which somebody chose before"
cp "$dir/fast.config" "$dir/uml/configs/fast.config"
same "... and when it is gone" 'building \(log'
is "$(grep -c '^CONFIG_LOG_BUF_SHIFT=20' "$out/.config") $(grep -c '^CONFIG_UMLAB_ASKED=y' "$out/.config.yours")" "0 1" "... nothing of it is left, and what was chosen before is where it was said"
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
# Without a generated header that make would take away: only the list of all headers keeps ccache from what it has.
printf '#ifdef UMLAB_WORD\nint umlab_word;\n#endif\n' >> "$tree/lib/siphash.c"
build
{ cat "$tree/arch/x86/include/asm/word-at-a-time.h"; echo '#define UMLAB_WORD 1'; } > "$tree/arch/um/include/asm/word-at-a-time.h"
same "a header that hides one of another architecture" 'word-at-a-time.h came or went: make decides$'
like "$(nm "$out/linux")" ' umlab_word$' "... has its effect"
printf '#ifdef UMLAB_SIP\nint umlab_sip;\n#endif\n' >> "$tree/lib/siphash.c"
build
{ cat "$tree/include/linux/siphash.h"; echo '#define UMLAB_SIP 1'; } > "$dir/siphash.h"
ln -s "$dir/siphash.h" "$tree/arch/um/include/linux/siphash.h"
same "a link that hides a header" 'siphash.h came or went: make decides$'
like "$(nm "$out/linux")" ' umlab_sip$' "... has its effect"
printf '#ifdef UMLAB_FOLDER\nint umlab_folder;\n#endif\n' >> "$tree/fs/inode.c"
build
mkdir "$tree/arch/um/include/crypto"
printf '#include_next <crypto/sha1.h>\n#define UMLAB_FOLDER 1\n' > "$tree/arch/um/include/crypto/sha1.h"
same "a header in a new folder, that hides another" 'arch/um/include/crypto/ came or went: make decides$'
like "$(nm "$out/linux")" ' umlab_folder$' "... has its effect"

printf '#ifdef UMLAB_UAPI\nint umlab_uapi;\n#endif\n' >> "$tree/lib/siphash.c"
rm "$tree/arch/um/include/asm/word-at-a-time.h"
build
printf '#include_next <asm/word-at-a-time.h>\n#define UMLAB_UAPI 1\n' > "$tree/arch/um/include/uapi/asm/word-at-a-time.h"
same "a header in a folder that nothing was read from" 'word-at-a-time.h came or went: make decides$'
like "$(nm "$out/linux")" ' umlab_uapi$' "... has its effect"

# What is no source of the kernel's own objects.
echo 'int umlab_stub = 0x51b51b;' >> "$tree/arch/um/kernel/skas/stub_exe.c"
same "the program that a process of UML begins as" 'make decides$'
is "$(objcopy -O binary --only-section=.init.data "$out/arch/um/kernel/skas/stub_exe_embed.o" "$dir/embedded" 2> /dev/null; cmp -n "$(stat -c %s "$out/arch/um/kernel/skas/stub_exe")" "$dir/embedded" "$out/arch/um/kernel/skas/stub_exe" 2>&1)" "" "... is in the kernel"
echo umlab=append > "$dir/uml/configs/fast.append"
same "what a flavour adds to the kernel's command line" 'make decides$'
is "$(grep '^append=' "$out/umlab.info")" "append=umlab=append" "... has its effect"
rm "$dir/uml/configs/fast.append"
build
make -s -C "$out" ARCH=um KCFLAGS=-O1 linux > "$dir/byhand" 2>&1 || cat "$dir/byhand"
same "a kernel that somebody made by hand" 'linux was not built here: make decides$'
make -s -C "$out" ARCH=um KCFLAGS=-O1 mm/mmu_gather.o > "$dir/byhand" 2>&1 || cat "$dir/byhand"
echo 'int umlab_beside;' >> "$tree/mm/madvise.c"
same "an object that somebody made by hand" 'mm/mmu_gather.o was not built here: make decides$'

# Times that are still to come.
touch -d '1 hour' "$out/.umlab/started"
echo 'int umlab_clock;' >> "$tree/mm/madvise.c"
same "a clock that was set back" 'the clock was set back: make decides$'
like "$(nm "$out/linux")" ' umlab_clock$' "... hides no edit"

# With times of long ago.
echo 'int umlab_older;' >> "$tree/mm/madvise.c"
touch -d '2020-01-01' "$tree/mm/madvise.c"
build
like "$(nm "$out/linux")" ' umlab_older$' "a source that was replaced by an older file is compiled"
sed 's/umlab_older/umlab_linked/' "$tree/mm/madvise.c" > "$dir/madvise.c"
touch -d '2020-01-01' "$dir/madvise.c"
ln -sf "$dir/madvise.c" "$tree/mm/madvise.c"
same "a source that is a link to an older file now" 'mm/madvise.c came or went: make decides$'
like "$(nm "$out/linux")" ' umlab_linked$' "... which is compiled"
sed 's/umlab_linked/umlab_another/' "$dir/madvise.c" > "$dir/another.c"
build
ln -sfn "$dir/another.c" "$tree/mm/madvise.c"
same "a link that leads to another old file now" 'mm/madvise.c is (new|older): .*make decides$'
like "$(nm "$out/linux")" ' umlab_another$' "... which is compiled"
cp --remove-destination "$dir/madvise.c" "$tree/mm/madvise.c"
cp -a "$tree/mm" "$dir/mm"
sed -i 's/umlab_linked/umlab_moved/' "$dir/mm/madvise.c"
touch -d '2020-01-01' "$dir/mm/madvise.c" "$dir/mm"
build
# Nothing in it changes as it takes the other's place.
mv "$tree/mm" "$dir/mm.was"
mv "$dir/mm" "$tree/mm"
same "a folder in place of another" '^.*: mm is another folder: make decides$'
like "$(nm "$out/linux")" ' umlab_moved$' "... of which the sources are compiled"

echo 'int umlab_meanwhile;' >> "$tree/mm/memory.c"
rm -f "$out/.umlab/args"
when_compiled 'mm/memory\.c' "echo 'CONFIG_LOG_BUF_SHIFT=15' >> '$dir/uml/configs/fast.config'"
build
wait $!
same "a fragment that was saved while make ran" 'uml/configs: make decides$'
is "$(grep '^CONFIG_LOG_BUF_SHIFT=' "$out/.config")" "CONFIG_LOG_BUF_SHIFT=15" "... has its effect"

# What is not there any more.
rm "$out/include/generated/utsrelease.h"
same "a generated header that is gone" 'include/generated/utsrelease.h is gone: .*make decides$'
echo 'int umlab_script;' >> "$tree/mm/mmu_gather.c"
rm "$out/arch/um/kernel/vmlinux.lds"
same "the linker's script is gone" "vmlinux.lds.*: make decides$"
truncate -s -3 "$out/.umlab/.ninja_deps"
same "ninja's list is cut off" ': make decides$'

git -C "$tree" stash -q -u
same "another state of the tree" ': make decides$'
git -C "$tree" checkout -q --detach umlab/base
same "another point" ': make decides$'
is "$(grep -c '^CONFIG_PT_RECLAIM=y' "$out/.config")" 0 "... has its own configuration"
git -C "$tree" checkout -q --detach umlab/fixed
git -C "$tree" stash pop -q
same "... and back again, with the edits of before" ': make decides$'
finish
