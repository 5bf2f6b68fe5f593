# SPDX-License-Identifier: GPL-2.0
# Configurations: made from our fragments, checked, and computed for any tree.
# Sourced by kernel.sh and points.sh, after lib.sh and git.sh.

# fragments F: the files that make up the configuration of flavour F.
fragments() {
	case " $(flavours) " in *" ${1// /_} "*) ;; *) usage "F=$1: no such flavour: one of: $(flavours)" ;; esac
	echo "$UML_DIR/configs/base.config" "$UML_DIR/configs/$1.config"
}

# flavours: their names.
flavours() {
	local f all=
	for f in "$UML_DIR"/configs/*.config; do
		f=${f##*/}
		[ "$f" = base.config ] || all="$all ${f%.config}"
	done
	echo "${all# }"
}

# missing_symbols CONFIG FRAGMENT...: each line of the fragments that CONFIG does not hold.
# Of several lines about one symbol the last counts: a flavour may overrule base.
missing_symbols() {
	local config=$1
	shift
	cat "$@" | tac | awk 'NR == FNR { have[$0]; if (sub(/=.*/, "")) set[$0]; next }
		{ name = $1 == "#" ? $2 : $1; sub(/=.*/, "", name) }
		/^(CONFIG_|# CONFIG_[A-Z0-9_]* is not set$)/ && seen[name]++ { next }
		/^CONFIG_/ && !($0 in have)
		/^# CONFIG_[A-Z0-9_]* is not set$/ && ($2 in set)' "$config" - | tac
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

# conf_ready: whether the kernel's own Kconfig interpreter is there, in build/kconfig, and that of the fetched source.
conf_ready() { [ -x "$BUILD/kconfig/tool/scripts/kconfig/conf" ] && [ "$(cat "$BUILD/kconfig/of" 2>/dev/null)" = "$(tree_of umlab/fetched)" ]; }

# make_conf: builds it, once for a fetched source.
make_conf() {
	local d=$BUILD/kconfig
	lock "$BUILD/.kconfig.lock" "Kconfig's interpreter is being built"
	! conf_ready || return 0
	rm -rf "$d"
	mkdir -p "$d/tool"
	kconfig_files umlab/fetched "$d/src" && cp "$UML_DIR/configs/base.config" "$d/all" || die "$d: cannot be written: is the disk full?"
	make -C "$d/src" O="$d/tool" ARCH=um KCONFIG_ALLCONFIG="$d/all" allnoconfig >"$d/log" 2>&1 ||
		die "cannot build Kconfig's interpreter: see $d/log"
	tree_of umlab/fetched >"$d/of"
}

# kconfig_files REV DIR: of what Kconfig reads, what REV has otherwise than the fetched source, as the new directory DIR;
# prints the srctree that goes with it. Kconfig looks for its files in the current directory first, then there; scripts,
# and a file that is gone, take a whole tree: links to the fetched one, with what differs laid over it.
kconfig_files() {
	local files=(Makefile scripts arch/um ':(glob)arch/x86/Makefile*' arch/x86/um
		':(glob)**/Kconfig*' tools/build tools/scripts) changed srctree=$BUILD/kconfig/src
	rm -rf "$2"
	if [ ! -d "$srctree" ]; then
		mkdir -p "$2"
		g archive umlab/fetched "${files[@]}" | tar -x --warning=no-timestamp -C "$2"
		return
	fi
	changed=$(g diff --name-only --no-renames --diff-filter=d umlab/fetched "$1" -- "${files[@]}") || return
	if [ -n "$(g diff --name-status --no-renames umlab/fetched "$1" -- "${files[@]}" | grep -vE '^[AM][[:space:]](.*/)?Kconfig[^/]*$')" ]; then
		cp -al "$srctree" "$2" || return
		(cd "$2" && g diff --name-only --no-renames umlab/fetched "$1" -- "${files[@]}" | xargs -r rm -f) || return
		srctree=.
	else
		mkdir -p "$2" || return
	fi
	[ -z "$changed" ] || g archive "$1" $changed | tar -x --warning=no-timestamp -C "$2" || return
	echo "$srctree"
}

# kconfig_at REV ARCH FRAGMENT...: the path of the configuration that ARCH gets at REV from
# the fragments (over allnoconfig), computed by Kconfig itself and kept by tree. Several may be computed at once. Each step
# says itself what becomes of a failure: a caller that asks for the status has switched `set -e` off.
kconfig_at() {
	local rev=$1 arch=$2 d=$BUILD/kconfig tree out srcarch srctree run old
	shift 2
	tree=$(tree_of "$rev") || die "$rev: no such revision in build/linux"
	case $arch in i386 | x86_64) srcarch=x86 ;; sparc64) srcarch=sparc ;; parisc64) srcarch=parisc ;; *) srcarch=$arch ;; esac
	out=$d/${tree:0:12}-$arch-$(cat "$@" | sha256sum | cut -c1-8)
	if [ ! -f "$out" ]; then (
		conf_ready || (make_conf) || exit
		# Others may compute beside us; nobody may take the folder away (make_conf, make clean).
		lock "$BUILD/.kconfig.lock" "Kconfig's interpreter is being built" -s
		for old in "$d"/run.*; do # of one that was killed
			kill -0 "${old##*.}" 2>/dev/null || rm -rf "$old"
		done
		run=$d/run.$BASHPID
		srctree=$(kconfig_files "$rev" "$run") && cat "$@" >"$run/all" || { rm -rf "$run"; die "Kconfig of $rev: its files cannot be laid out in $d: is the disk full?"; }
		# Questions about the compiler are answered by the one here; none that we look
		# at depends on them.
		(cd "$run" && env srctree="$srctree" ARCH="$arch" SRCARCH=$srcarch HEADER_ARCH=x86 SUBARCH=x86 CC="${CC:-gcc}" LD=ld AR=ar NM=nm HOSTCC=gcc \
			CC_VERSION_TEXT="$("${CC:-gcc}" --version | head -n1)" RUSTC=false BINDGEN=false PAHOLE=false \
			KERNELVERSION=0 KCONFIG_ALLCONFIG=all KCONFIG_CONFIG=config \
			"$d/tool/scripts/kconfig/conf" -s --allnoconfig Kconfig) >"$run/log" 2>&1 || { mv "$run/log" "$d/log"; rm -rf "$run"; die "Kconfig of $rev for $arch: see $d/log"; }
		mv "$run/config" "$out" || die "$out: cannot be written: is the disk full?"
		rm -rf "$run"
	) || return; fi
	echo "$out"
}
