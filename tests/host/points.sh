#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: the points: rewind and series give the fetched source back, the patches are
# git am's, each arch reads as the series says, and nothing of the user's is ever lost.
# timeout: 120
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/tap.sh"
. "$top/tests/host/source-lib.sh"
real=$top/build/linux
make_tarball
export SOURCE=$tarball
linux=$UMLAB_BUILD/linux
"$top/uml/tree.sh" 2> "$dir/err" || { cat "$dir/err"; exit 1; }
u() { git -C "$linux" -c user.name=me -c user.email=me@localhost "$@"; }

is "$(git -C "$real" rev-parse 'umlab/fetched^{tree}')" "$(git -C "$real" rev-parse 'umlab/series^{tree}')" \
	"rewind then series is the fetched source, byte for byte, without exception"
is "$(git -C "$real" diff --shortstat umlab/base umlab/series)" " 16 files changed, 22 insertions(+), 22 deletions(-)" \
	"the series changes what the cover letter says, less mm/pt_reclaim.c (2 lines)"
is "$(u rev-parse umlab/base^{tree})" "$(u rev-parse umlab/1^{tree})" "patch 1 is empty"

# The same with git am itself.
u worktree add -q --detach "$dir/am" umlab/fetched
(cd "$dir/am" && git -c user.name=me -c user.email=me@localhost am -q --empty=keep "$top"/uml/patches/rewind/*.patch "$top"/uml/patches/series/*.patch) > "$dir/am.log" 2>&1
is $? 0 "git am takes all the patches"
is "$(git -C "$dir/am" rev-parse 'HEAD^{tree}') $(git -C "$dir/am" rev-list --count umlab/base..HEAD 2>&1 | head -1)" \
	"$(u rev-parse 'umlab/series^{tree}') 9" "and ends at the same tree"
is "$(u log --format=%s umlab/base..umlab/series)" "$(git -C "$dir/am" log -8 --format=%s)" "with the same subjects"
is "$(u log --format=%b umlab/base..umlab/series | grep -c '^\[ upstream commit [0-9a-f]\{12\}; written anew for this source, not the original \]$')" 8 "each names its mainline commit"

# count REV REGEX FILE: how many lines of FILE match at REV of the whole source.
count() { git -C "$real" show "$1:$3" | grep -Ec "$2"; }
# moves REGEX BEFORE AFTER POINT FILE: the count at the point before, and at POINT.
moves()
{
	local before=$(($4 - 1))
	[ $before -gt 0 ] || before=base
	is "$(count umlab/$before "$1" "$5") $(count umlab/$4 "$1" "$5")" "$2 $3" "patch $4, $5: $1"
}
for a in "2 alpha" "3 loongarch" "4 mips" "5 parisc" "6 um"; do
	moves '^	select MMU_GATHER_RCU_TABLE_FREE$' 0 1 "${a% *}" "arch/${a#* }/Kconfig"
done
moves '__p(te|md)_free_tlb\(.*tlb_remove_ptdesc' 0 2 2 arch/alpha/include/asm/tlb.h
moves '__p[mu]d_free_tlb\(.*tlb_remove_ptdesc' 0 2 3 arch/loongarch/include/asm/pgalloc.h
moves '__p[mu]d_free_tlb\(.*tlb_remove_ptdesc' 0 2 4 arch/mips/include/asm/pgalloc.h
moves '__p(te|md)_free_tlb\(.*tlb_remove_ptdesc' 0 2 5 arch/parisc/include/asm/tlb.h
moves 'p(te|md)_free\(\(tlb\)->mm' 2 0 5 arch/parisc/include/asm/tlb.h
moves '^	select HAVE_ARCH_TLB_REMOVE_TABLE$' 0 1 7 arch/powerpc/Kconfig
moves '^	select HAVE_ARCH_TLB_REMOVE_TABLE if SMP$' 0 1 7 arch/sparc/Kconfig
moves '#define __HAVE_ARCH_TLB_REMOVE_TABLE' 1 0 7 arch/powerpc/include/asm/tlb.h
moves '#define __HAVE_ARCH_TLB_REMOVE_TABLE' 1 0 7 arch/sparc/include/asm/tlb_64.h
moves '#ifndef CONFIG_HAVE_ARCH_TLB_REMOVE_TABLE' 0 1 7 include/asm-generic/tlb.h
moves '^config HAVE_ARCH_TLB_REMOVE_TABLE$' 0 1 7 mm/Kconfig
moves 'ARCH_SUPPORTS_PT_RECLAIM' 2 0 8 mm/Kconfig
moves 'select ARCH_SUPPORTS_PT_RECLAIM' 1 0 8 arch/x86/Kconfig
moves 'depends on MMU_GATHER_RCU_TABLE_FREE && !HAVE_ARCH_TLB_REMOVE_TABLE' 0 1 8 mm/Kconfig

# The user's edits and commits.
points=$top/uml/points.sh
echo mine >> "$linux/mm/Kconfig"
run "$points" start 3
is "$STATUS" 1 "with uncommitted edits make point refuses"
like "$ERR" "git commit -a" "and says how to keep them"
is "$(tail -n1 "$linux/mm/Kconfig")" mine "the edit is still there"
run "$points" clean
is "$STATUS $(tail -n1 "$linux/mm/Kconfig")" "0 mine" "make clean keeps it too"
# Many: who asks git for them must not leave it at the first.
for ((i = 0; i < 2000; i++)); do
	printf 'commit refs/heads/many\ncommitter me <me@localhost> %d +0000\ndata 5\nmine\n\n' $((1700000000 + i))
	[ $i -gt 0 ] || echo "from refs/heads/work^0"
done | u fast-import --quiet
u update-ref refs/heads/work many
u branch -q -D many
u commit -qam "my work"
mine=$(u rev-parse HEAD)
run "$points" start 3
is "$STATUS $(u rev-parse work)" "0 $(u rev-parse umlab/3)" "make point P=3 moves work to point 3"
is "$(u branch --contains "$mine" | grep -c work-)" 1 "the commit that was on it is on a branch work-DATE"
run "$points" clean
u cat-file -e "$mine"
is $? 0 "and survives make clean"
echo new > "$linux/mm/new.c"
run "$points" start base
is "$STATUS" 1 "a new file that git doesn't know is an edit too"
rm "$linux/mm/new.c"
run "$points" start 9
like "$STATUS $ERR" "^2 .*no such point" "an unknown point is named"

# The worktree of a pristine point: edits, new files and commits in it.
worktree() { run bash -c '. "$0/uml/lib.sh"; . "$0/uml/git.sh"; . "$0/uml/kconfig.sh"; . "$0/uml/worktree.sh"; ensure_worktree "$1" "$(point_commit "$1")" ${2-}' "$top" "$@"; }
three=$UMLAB_BUILD/points/3/linux
worktree 3
is "$STATUS $(git -C "$three" rev-parse HEAD)" "0 $(u rev-parse umlab/3)" "a point gets a worktree"
echo new > "$three/mm/new.c" # which Debian's .gitignore hides
worktree 3
like "$STATUS $ERR" "^1 .*has edits.*stash -a" "a new file in it is an edit, too"
run "$points" clean
like "$(cat "$three/mm/new.c") $ERR" "new .*kept .*has edits" "which make clean keeps, and says so"
rm "$three/mm/new.c"
echo '# three' >> "$three/mm/Kconfig"
git -C "$three" -c user.name=me -c user.email=me@localhost commit -qam "mine in 3"
mine3=$(git -C "$three" rev-parse HEAD)
worktree 3
is "$STATUS $(git -C "$three" rev-parse HEAD) $(u branch --contains "$mine3" | grep -c work-)" "0 $(u rev-parse umlab/3) 1" \
	"a commit made in it is given a branch, and the point is pristine again"
u update-ref -d refs/tags/umlab/3
run bash -c '. "$0/uml/lib.sh"; . "$0/uml/git.sh"; . "$0/uml/kconfig.sh"; . "$0/uml/worktree.sh"; h=$(link_point 3); point_commit "$h"' "$top"
like "$STATUS $(ls "$three/Makefile") $ERR" "^1 $three/Makefile .*umlab/3 is gone" "a point whose tag is gone is an error, and its worktree stays"
u update-ref refs/tags/umlab/3 "$(git -C "$three" rev-parse HEAD)"
# The quick look, as of a kernel that is made from one file and one folder.
ln -s "$top/build/changed" "$UMLAB_BUILD/changed"
mkdir -p "$UMLAB_BUILD/points/3/fast/.umlab"
printf '%s\n' "$three" "$three/mm" > "$UMLAB_BUILD/points/3/fast/.umlab/folders"
echo "$three/mm/madvise.c" | tee "$UMLAB_BUILD/points/3/fast/.umlab/kbuild" > "$UMLAB_BUILD/points/3/fast/.umlab/.ninja_deps"
worktree 3
is "$STATUS $(ls "$UMLAB_BUILD/points/3/.looked")" "0 $UMLAB_BUILD/points/3/.looked" "when a point was looked at is known"
echo '# edit' >> "$three/mm/Kconfig"
worktree 3 quick
is "$STATUS" 0 "the quick look is for what the kernel is made from"
worktree 3
like "$STATUS $ERR" "^1 .*has edits" "... the other one for all files"
git -C "$three" checkout -q mm/Kconfig
worktree 3
echo '// edit' >> "$three/mm/madvise.c"
worktree 3 quick
like "$STATUS $ERR" "^1 .*has edits" "which it finds edited"
git -C "$three" checkout -q mm/madvise.c
worktree 3
touch "$three/mm/new.c"
worktree 3 quick
like "$STATUS $ERR" "^1 .*has edits" "... and with a new file beside it"
rm "$three/mm/new.c"
worktree 3 quick
is "$STATUS" 0 "... which is all well when the file is gone"
touch -d '1 hour' "$UMLAB_BUILD/points/3/.looked"
echo '// edit' >> "$three/mm/madvise.c"
worktree 3 quick
like "$STATUS $ERR" "^1 .*has edits" "... and where the clock was set back since it looked"
git -C "$three" checkout -q mm/madvise.c
worktree 3
# A checkout that was killed: some files are the new commit's, one is half written, one has come, and the index is locked.
moving=$UMLAB_BUILD/points/3/.moving
killed_checkout()
{
	to=$(u commit-tree -p "$1" -m to "$(
		export GIT_INDEX_FILE=$UMLAB_BUILD/index
		u read-tree "$1"
		for f in mm/madvise.c mm/memory.c mm/umlab_new.c; do
			u update-index --add --cacheinfo "100644,$({ cat "$three/$f" 2> /dev/null; echo "int umlab_$2;"; } | u hash-object -w --stdin),$f"
		done
		u write-tree)")
	echo "$1 $to" > "$moving"
	u show "$to:mm/madvise.c" > "$three/mm/madvise.c"
	u show "$to:mm/memory.c" | head -c 20000 > "$three/mm/memory.c"
	u show "$to:mm/umlab_new.c" > "$three/mm/umlab_new.c"
	touch "$(git -C "$three" rev-parse --git-path index.lock)"
}
at=$(git -C "$three" rev-parse HEAD)
killed_checkout "$at" one
worktree 3
is "$STATUS $ERR $(git -C "$three" rev-parse HEAD) $(ls "$three/mm/umlab_new.c" "$moving" 2>&1 | grep -c 'No such')" "0  $at 2" "a checkout that was killed is no edit"
killed_checkout "$at" two
echo 'int mine;' > "$three/mm/memory.c"
worktree 3
like "$STATUS $ERR $(cat "$three/mm/memory.c")" "^1 .*has edits.* int mine;$" "... but what somebody edited meanwhile is, and stays"
git -C "$three" checkout -q mm/memory.c
mv "$UMLAB_BUILD" "$dir/moved"
UMLAB_BUILD=$dir/moved three=$dir/moved/points/3/linux linux=$dir/moved/linux
worktree 3
is "$STATUS $(git -C "$three" rev-parse --path-format=absolute --git-common-dir)" "0 $linux/.git" "moving the project doesn't part the two"
echo '# edit' >> "$three/mm/Kconfig"
mv "$linux" "$dir/old"
"$top/uml/tree.sh" 2> "$dir/err"
worktree 3
like "$STATUS $(tail -n1 "$three/mm/Kconfig") $(tail -n1 <<< "$ERR")" "^1 # edit .*has edits.*stash" "a build/linux made anew leaves a worktree with edits alone"
sed -i '$d' "$three/mm/Kconfig"
worktree 3
is "$STATUS $(git -C "$three" rev-parse --path-format=absolute --git-common-dir)" "0 $linux/.git" "and takes over one without"
rm -rf "$linux"
mv "$dir/old" "$linux"
rm -rf "$three"
run "$points" clean
is "$(ls -A "$UMLAB_BUILD/points" 2>&1 | grep -c linux)" 0 "make clean removes what is pristine"
u bisect start umlab/series umlab/base > /dev/null 2>&1
run "$points" start 3
like "$STATUS $ERR" "^1 .*bisect is under way" "in the middle of a bisect make point refuses"
u bisect reset > /dev/null 2>&1

# A disk that is full while git writes the worktree.
mkdir "$dir/bin"
cat > "$dir/bin/git" << END
#!/bin/bash
[[ " \$* " != *linux.tmp*" checkout "* ]] || { echo "error: unable to write file Makefile: No space left on device" >&2; exit 128; }
exec $(command -v git) "\$@"
END
chmod +x "$dir/bin/git"
PATH=$dir/bin:$PATH run "$top/uml/kernel.sh" 4 fast
like "$STATUS $ERR" "No space left" "a worktree that cannot be written is an error"
[[ $STATUS -ne 0 && $ERR != *"worktree ready"* && ! -e $UMLAB_BUILD/points/4/linux ]]
ok $? "and half of it is not taken for a whole one" "$STATUS $ERR"

# PATCHES= and LINUX=
u format-patch -q -1 "$mine" --stdout > "$dir/mine.mbox"
sed 's/^ config/ confog/; s/^ 	bool/ 	bowl/; s/^ 	help/ 	halp/; s/^ endmenu/ nomenu/; s/^index .*//' "$dir/mine.mbox" > "$dir/wrong.mbox"
before=$(u for-each-ref; ls "$UMLAB_BUILD/points" 2> /dev/null)
PATCHES=$dir/wrong.mbox run "$top/uml/kernel.sh" series fast
like "$STATUS $ERR" "PATCHES: .*wrong.mbox: patch 1 \(.*my work\) does not apply to series" "a patch that does not apply is named"
is "$(u for-each-ref; ls "$UMLAB_BUILD/points" 2> /dev/null)" "$before" "and leaves nothing behind"
printf 'From a@b Mon Sep 17 00:00:00 2001\nFrom: a <a@b>\nSubject: hello\n\nno patch\n' > "$dir/talk.mbox"
PATCHES=$dir/talk.mbox run "$top/uml/kernel.sh" series fast
like "$STATUS $ERR" "^1 .*talk.mbox: no patch in it" "a mail without a patch is named"
LINUX=$dir PATCHES=$dir/mine.mbox run "$top/uml/kernel.sh"
like "$STATUS $ERR" "^2 .*LINUX and PATCHES together" "LINUX with PATCHES is refused"
mkdir -p "$dir/own/arch/um" && touch "$dir/own/Kconfig" "$dir/own/arch/um/Kconfig" "$dir/own/.config"
LINUX=$dir/own run "$top/uml/kernel.sh"
like "$STATUS $ERR" "configured in place.*git -C .* worktree add" "LINUX= of a tree configured in place: refused, a worktree offered"
finish
