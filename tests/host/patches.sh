#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: the patches that are for upstream: the kernel's own checkpatch.pl says nothing of them, and git am takes them.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/tap.sh"
linux=$top/build/linux patches=$top/uml/patches
dir=$(mktemp -d) || exit 2
trap 'git -C "$linux" worktree remove --force "$dir/am" 2>/dev/null; rm -rf "$dir"' EXIT

mkdir "$dir/scripts"
for f in checkpatch.pl spelling.txt const_structs.checkpatch; do git -C "$linux" show "umlab/base:scripts/$f" >"$dir/scripts/$f" || exit 2; done
# What it says of a patch. It can't know commits that the fetched source has no history of.
checkpatch() { perl "$dir/scripts/checkpatch.pl" --no-tree --no-summary --terse --ignore GIT_COMMIT_ID,UNKNOWN_COMMIT_ID "$1" 2>&1; }

for p in "$patches"/fixes/*.patch "$patches"/fragments/{always-rcu,merged-fixed,always-rcu-fixed,one-table,batch,pt-reclaim}.patch; do
	is "$(checkpatch "$p")" "" "checkpatch: ${p#"$patches"/}"
done
sed 's/^+\tpagetable_dtor(ptdesc);/+        pagetable_dtor( ptdesc );/' "$patches/fragments/merged-fixed.patch" >"$dir/bad.patch"
like "$(checkpatch "$dir/bad.patch")" 'code indent should use tabs' "... which is what it says, where there is something"

git -C "$linux" worktree add -q --no-checkout --detach "$dir/am" umlab/series || exit 2
git -C "$dir/am" sparse-checkout set --no-cone /arch/powerpc/ /mm/ /include/asm-generic/
# taken PATCH...: whether git am takes these over series.
taken()
{
	git -C "$dir/am" checkout -q -f --detach umlab/series &&
		git -C "$dir/am" -c user.name=me -c user.email=me@localhost am -q "${@/#/$patches/}" 2>&1 || { git -C "$dir/am" am -q --abort; false; }
}
while read -r variant files <&3; do
	read -ra files < <(sed 's,[^ ][^ ]*,fragments/&.patch,g' <<<"${files#-}") || true
	for more in "" counters window "lockdep window counters"; do
		[ -n "${files[*]}$more" ] || continue
		out=$(taken "${files[@]}" $(sed 's,[^ ][^ ]*,fragments/&.patch,g' <<<"$more"))
		ok $? "git am: $variant${more:+, then $more}" "$out"
	done
done 3< <(grep -v '^#' "$top/tests/arch/fragments/variants.txt")
for more in "" "fragments/lockdep.patch fragments/counters.patch"; do
	for mend in fragments/merged-fixed.patch "fragments/always-rcu.patch fragments/always-rcu-fixed.patch"; do
		for rmaps in "" "$(cd "$patches" && echo fixes/0009-*.patch)"; do
			out=$(taken $mend $rmaps fragments/pt-reclaim.patch $more)
			ok $? "git am: pt-reclaim over $mend${rmaps:+ and $rmaps}${more:+, then $more}" "$out"
		done
	done
done
out=$(taken fragments/always-rcu-fixed.patch); is "$?" 1 "... which is not taken where it does not belong"
finish
