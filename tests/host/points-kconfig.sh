#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: what Kconfig makes of every point, for UML and, by Kconfig's own
# interpreter, for the other architectures of the series.
# timeout: 300
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/tap.sh"
[ -d "$top/build/linux/.git" ] || { echo "1..0 # SKIP no build/linux yet: make source"; exit 0; }
fragment=$(mktemp) || exit 2
trap 'rm -f "$fragment"' EXIT
printf 'CONFIG_64BIT=y\nCONFIG_SMP=y\nCONFIG_MMU=y\nCONFIG_PT_RECLAIM=y\n' > "$fragment"

# symbols REV ARCH: "RCU PT OWN": MMU_GATHER_RCU_TABLE_FREE, PT_RECLAIM and
# HAVE_ARCH_TLB_REMOVE_TABLE, each y or n.
symbols()
{
	bash -c '. "$0/uml/lib.sh"; . "$0/uml/git.sh"; . "$0/uml/kconfig.sh"
		f=$(kconfig_at "umlab/$1" "$2" "$3") && echo $(has_symbol "$f" MMU_GATHER_RCU_TABLE_FREE) \
		$(has_symbol "$f" PT_RECLAIM) $(has_symbol "$f" HAVE_ARCH_TLB_REMOVE_TABLE)' "$top" "$1" "$2" "$fragment" 2>&1
}

# Kconfig takes seconds for each: as many at once as there are CPUs, before anybody asks.
export top fragment
export -f symbols
{
	printf '%s um\n' base 1 2 3 4 5 6 7 8 v3 series fixed
	printf '%s\n' '1 alpha' '2 alpha' '2 loongarch' '3 loongarch' '3 mips' '4 mips' '4 parisc' '5 parisc'
	printf 'series %s\n' alpha loongarch mips parisc x86_64
	for a in powerpc sparc64; do printf "%s $a\n" 6 7 series v3; done
	echo base x86_64
} | xargs -P "$(nproc)" -L 1 bash -c 'symbols "$@"' symbols >/dev/null

for p in base 1 2 3 4 5; do is "$(symbols $p um)" "n n n" "um at $p: not freed by RCU, no PT_RECLAIM"; done
for p in 6 7; do is "$(symbols $p um)" "y n n" "um at $p: freed by RCU, no PT_RECLAIM yet"; done
for p in 8 v3 series fixed; do is "$(symbols $p um)" "y y n" "um at $p: freed by RCU, PT_RECLAIM"; done
n=1
for a in alpha loongarch mips parisc; do
	n=$((n + 1))
	is "$(symbols $((n - 1)) $a)" "n n n" "$a before patch $n"
	is "$(symbols $n $a)" "y n n" "$a at patch $n: freed by RCU"
	is "$(symbols series $a)" "y y n" "$a at series: PT_RECLAIM"
done
for a in powerpc sparc64; do
	is "$(symbols 6 $a)" "y n n" "$a before patch 7: its own __tlb_remove_table() is no symbol"
	is "$(symbols 7 $a)" "y n y" "$a at patch 7: it is"
	is "$(symbols series $a)" "y n y" "$a at series: no PT_RECLAIM"
	is "$(symbols v3 $a)" "y y n" "$a at v3: PT_RECLAIM, whatever its tables are"
done
is "$(symbols base x86_64) / $(symbols series x86_64)" "y y n / y y n" "x86_64: PT_RECLAIM before and after"
finish
