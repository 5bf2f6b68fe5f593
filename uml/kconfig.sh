# SPDX-License-Identifier: GPL-2.0
# Configurations: made from our fragments, checked, and computed for any tree.
# Sourced by kernel.sh and points.sh, after lib.sh and git.sh.

# fragments F: the files that make up the configuration of flavour F.
fragments() {
	[ -f "$UML_DIR/configs/$1.config" ] || usage "F=$1: no such flavour: one of: $(flavours)"
	echo "$UML_DIR/configs/base.config" "$UML_DIR/configs/$1.config"
}

# flavours: their names.
flavours() { (cd "$UML_DIR/configs" && ls *.config) | sed 's/\.config$//' | grep -v '^base$' | paste -sd' '; }

# missing_symbols CONFIG FRAGMENT...: each line of the fragments that CONFIG does not hold.
missing_symbols() {
	local config=$1
	shift
	awk 'FNR == NR { have[$0]; if (sub(/=.*/, "")) set[$0]; next }
		/^CONFIG_/ && !($0 in have)
		/^# CONFIG_[A-Z0-9_]* is not set$/ && ($2 in set)' "$config" "$@"
}

# has_symbol CONFIG NAME: "y" or "n".
has_symbol() { if grep -q "^CONFIG_$2=y" "$1"; then echo y; else echo n; fi; }

# kconfig_means DIR: in words, the point that the Kconfig files of a tree amount to.
kconfig_means() {
	local a done= todo=
	grep -qs '^config PT_RECLAIM$' "$1/mm/Kconfig" || { echo "no PT_RECLAIM at all (before v6.14?)"; return; }
	for a in alpha loongarch mips parisc um; do
		if grep -qs 'select MMU_GATHER_RCU_TABLE_FREE' "$1/arch/$a/Kconfig"; then done="$done $a"; else todo="$todo $a"; fi
	done
	if grep -q '^config HAVE_ARCH_TLB_REMOVE_TABLE$' "$1/mm/Kconfig"; then done="$done 7"; else todo="$todo 7"; fi
	if grep -q '^config ARCH_SUPPORTS_PT_RECLAIM$' "$1/mm/Kconfig"; then todo="$todo 8"; else done="$done 8"; fi
	case $done in
	"") echo base ;;
	" alpha") echo 2 ;;
	" alpha loongarch") echo 3 ;;
	" alpha loongarch mips") echo 4 ;;
	" alpha loongarch mips parisc") echo 5 ;;
	" alpha loongarch mips parisc um") echo 6 ;;
	" alpha loongarch mips parisc um 7") echo 7 ;;
	" alpha loongarch mips parisc um 7 8") echo series ;;
	*) echo "none of ours (has:$done; lacks:$todo)" ;;
	esac
}
