# SPDX-License-Identifier: GPL-2.0
# The lab of powerpc's page table fragments: its kernels and one boot of one. Sourced after lib.sh, git.sh and make.sh of uml/,
# tests/arch/lib.sh and boot.sh; ppc64 is loaded.

FRAG_DIR=$ROOT/tests/arch/fragments
FRAG_PATCHES=$PATCH_DIR/fragments
FRAG_BUILD=$BUILD/fragments
# Hash THP asks for huge pages in qemu's hash table; the workloads for memory, and for CPUs that run at a time.
QEMU=(qemu-system-ppc64 -M "pseries,x-vof=on,cap-htm=off,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off,cap-hpt-max-page-size=16M" -prom-env umlab=1 -accel "tcg,thread=multi" -m 2G)
MAX_CPUS=4

# one_thread: for all CPUs of a guest. With a thread for each, qemu 7.2 does not wait for the TLB flush of another CPU, and on a busy host
# that one's store through a stale entry lands in a page that is free.
one_thread() { QEMU=("${QEMU[@]/thread=multi/thread=single}"); }

# variants: their names.
variants() { sed '/^#/d; s/ .*//' "$FRAG_DIR/variants.txt"; }

# variant_patches VARIANT: the names of its patches.
variant_patches() { awk -v v="$1" '$1 == v { for (i = 2; i <= NF; i++) if ($i != "-") print $i }' "$FRAG_DIR/variants.txt"; }

# mmu NAME: sets CPU, PAGES (a flavour, or nothing) and AREA_KB, what a table spans.
mmu() {
	PAGES=
	case $1 in
	hash) CPU=POWER8 AREA_KB=16384 ;;
	radix) CPU=POWER9 AREA_KB=2048 ;;
	hash4k) CPU=POWER8 PAGES=4k AREA_KB=2048 ;;
	radix4k) CPU=POWER9 PAGES=4k AREA_KB=2048 ;;
	*) usage "$1: no such MMU: hash, radix, hash4k or radix4k" ;;
	esac
}

# By which the kernels that reclaim tables are right (docs/uml-bugs.md): the delayed rmaps, and lazy MMU mode with them, end before a
# table is taken away.
DELAYED_RMAPS=../fixes/0009-mm-remove-delayed-rmaps-before-a-PTE-table-is-taken-

# kind NAME: sets MORE, the patches, and FLAVOURS_MORE, the flavours that a kernel for this has.
kind() {
	FLAVOURS_MORE=
	case $1 in
	race) MORE= FLAVOURS_MORE=race ;;
	counters) MORE=counters FLAVOURS_MORE=counters ;;
	window) MORE="window counters" FLAVOURS_MORE=counters ;;
	debug) MORE= FLAVOURS_MORE=debug ;;
	checks) MORE="lockdep window counters" FLAVOURS_MORE=counters+checks ;;
	reclaim) MORE="$DELAYED_RMAPS pt-reclaim counters" FLAVOURS_MORE=counters ;;
	reclaim-off) MORE="$DELAYED_RMAPS counters" FLAVOURS_MORE=counters ;;
	reclaim-early) MORE="pt-reclaim counters" FLAVOURS_MORE=counters ;;
	reclaim-checks) MORE="lockdep $DELAYED_RMAPS pt-reclaim counters" FLAVOURS_MORE=counters+checks ;;
	*) usage "$1: no such kind of kernel" ;;
	esac
}

# lab_begin: the source's points as they are now; and where another run of the lab builds, its end is waited for.
lab_begin() {
	until_signalled "${DIE_WITH_US[@]}" "$UML_DIR/tree.sh" || exit
	lock "$FRAG_BUILD/.lock" "kernels of the lab are being built"
}

# lab_key FLAVOUR PATCH...: a hash of all that the kernel is made from.
lab_key() {
	local f part
	{
		echo "$1"
		for f in "${@:2}"; do sed '1,/^---$/d' "$FRAG_PATCHES/$f.patch"; done
		for part in ${1//+/ }; do cat "$ARCH_DIR/$part.config" "$ARCH_DIR/ppc64/$part".{config,append} "$UML_DIR/configs/$part.cflags" 2>/dev/null || true; done
		cat "$ARCH_DIR/common.config" "$ARCH_DIR/kernel.sh" "$ARCH_DIR/boot.sh" "$ARCH_DIR"/guest/{suite.c,workload.c,guest.h} "$ARCH_DIR/ppc64/config"
		grep -v '^#\|^QEMU=\|^SUITES=' "$ARCH_DIR/ppc64/arch"
		point_commit series
		"$COMPILER" --version
	} | sha256sum | cut -c1-16
}

# In build/points. Each takes about as long as the other.
LAB_WORKTREES="fragments fragments-more"
# lab_worktree KIND: the one that such kernels are built in.
lab_worktree() {
	kind "$1"
	case $FLAVOURS_MORE in race | debug | *checks*) echo fragments-more ;; *) echo fragments ;; esac
}

declare -A UP_TO_DATE=() # KERNEL -> whether it was looked at: a run has one kernel of a kind.
# lab_kernel VARIANT KIND PAGES: builds it, if it is not up to date; sets KERNEL to the directory that holds it. Each flavour is built
# in one O= directory, so that a variant recompiles only what its patches change. Status 1 when it does not build:
# kernel.sh has said why.
lab_kernel() {
	local flavour=fragments key patches p
	kind "$2"
	flavour+=${3:+"+$3"}${FLAVOURS_MORE:+"+$FLAVOURS_MORE"}
	patches=($(variant_patches "$1") $MORE)
	KERNEL=$FRAG_BUILD/$1-$2${3:+"-$3"}
	[ -z "${UP_TO_DATE[$KERNEL]-}" ] || return 0
	key=$(lab_key "$flavour" "${patches[@]}") || return
	if grep -qsx "lab_key=$key" "$KERNEL/umlab.info" && [ -f "$KERNEL/vmlinux" ]; then UP_TO_DATE[$KERNEL]=1; return; fi
	mkdir -p "$KERNEL"
	rm -f "$KERNEL/umlab.info" "$KERNEL/patches"
	for p in "${patches[@]}"; do cat "$FRAG_PATCHES/$p.patch"; done >"$KERNEL/patches"
	MUTANT=
	[ ${#patches[@]} = 0 ] || MUTANT=$KERNEL/patches
	MUTANT=$MUTANT WORKTREE=$(lab_worktree "$2") until_signalled "${DIE_WITH_US[@]}" "$ARCH_DIR/kernel.sh" ppc64 series "$flavour" >"$KERNEL/o" || return
	keep_kernel "$(tail -n 1 "$KERNEL/o")" "$1" "$key"
}

# keep_kernel O_DIR VARIANT KEY: what a boot takes, from the directory that the next variant is built in.
keep_kernel() {
	cp "$1/vmlinux" "$KERNEL/vmlinux.tmp" && mv "$KERNEL/vmlinux.tmp" "$KERNEL/vmlinux" &&
		make_init "$1" suite "$KERNEL/init" && make_init "$1" workload "$KERNEL/workload" &&
		cp "$1/usr/gen_init_cpio" "$KERNEL/gen_init_cpio" || return
	{ sed "s/^point=.*/point=series+$2/" "$1/umlab.info"; echo "lab_key=$3"; } >"$KERNEL/umlab.info.tmp"
	mv "$KERNEL/umlab.info.tmp" "$KERNEL/umlab.info"
}

WORKLOADS_BIN=$FRAG_BUILD/workloads
# lab_workloads: compiles workloads/, if it has changed: WORKLOADS_BIN.
lab_workloads() {
	mkdir -p "$FRAG_BUILD"
	[ -f "$WORKLOADS_BIN" ] && [ -z "$(find "$FRAG_DIR/workloads" -newer "$WORKLOADS_BIN")" ] ||
		{ "$USER_COMPILER" -std=gnu11 -O2 -Wall -Wextra -static -o "$WORKLOADS_BIN.tmp" "$FRAG_DIR"/workloads/*.c -lpthread && mv "$WORKLOADS_BIN.tmp" "$WORKLOADS_BIN"; }
}

# lab_initrd DIR 'WORKLOAD ARGUMENT...;...': DIR/initrd, which runs these. mmu has been called.
lab_initrd() {
	printf '%s\n' "AREA_KB=$AREA_KB" "WORKLOADS=$2" >"$1/env"
	pack "$1" "$KERNEL/init" /suite "$WORKLOADS_BIN" /env "$1/env"
}

# pack DIR INIT [NAME FILE]...: DIR/initrd, as make_initrd.
pack() {
	mkdir -p "$1/usr"
	ln -sf "$KERNEL/gen_init_cpio" "$1/usr/gen_init_cpio"
	make_initrd "$1" "$1/initrd" "${@:2}"
}

# ended LOG: the exit status of the workloads there; nothing where the kernel did not come to their end.
ended() { sed -n 's/.*umlab: status=\([0-9]*\) tainted=.*/\1/p' "$1"; }

# lab_boot MMU CPUS SECONDS LOG 'WORKLOAD ARGUMENT...;...' [COMMAND...] [-- ARGUMENT...]: runs these workloads in KERNEL, with these
# arguments of the kernel; qemu under COMMAND, if there is one. A kernel that stands still ends by itself, too. ENDED is
# what ended says. Status as boot's.
lab_boot() {
	local status=0 t more=("${@:6}")
	mmu "$1"
	t=$(mktemp -d "$WORK/boot.XXXXXX")
	lab_initrd "$t" "$5"
	[[ " ${more[*]} " == *" -- "* ]] || more+=(--)
	lab_qemu "$t/initrd" "$2" "$3" "$4" "${more[@]}" || status=$?
	rm -rf "$t"
	ENDED=$(ended "$4")
	[ -z "$ENDED" ] || grep -aq "${1%4k}-mmu: " "$4" || die "$1: the kernel has taken the other MMU: see $4"
	return $status
}

# lab_qemu INITRD CPUS SECONDS LOG [COMMAND...] -- [ARGUMENT...]: one boot of KERNEL with these arguments of the kernel. Status as boot's.
lab_qemu() {
	local status=0 saved=("${QEMU[@]}") initrd=$1 cpus=$2 seconds=$3 log=$4 under=()
	shift 4
	while [ "$1" != -- ]; do under+=("$1"); shift; done
	shift
	QEMU=("${under[@]}" "${QEMU[@]}" -cpu "$CPU")
	boot "$KERNEL" "$initrd" "$cpus" "$seconds" "$log.raw" oops=panic sysctl.kernel.panic_on_rcu_stall=1 $(sed -n 's/^append=//p' "$KERNEL/umlab.info") "$@" || status=$?
	QEMU=("${saved[@]}")
	tr -d '\r' <"$log.raw" >"$log"
	rm -f "$log.raw"
	return $status
}

# results_of LOG VARIANT SETTING RUN: what the workloads have printed there, a JSON line each.
results_of() {
	sed -n 's/.*tap: //p' "$1" | awk -v variant="$2" -v setting="$3" -v run="$4" '
		function flush() { if (head != "") print head ",\"counters\":{" counters "}}"; head = counters = "" }
		$1 == "result" {
			flush()
			head = "{\"variant\":\"" variant "\",\"setting\":\"" setting "\",\"run\":" run
			for (i = 2; i <= NF; i++) { split($i, kv, "="); head = head ",\"" kv[1] "\":" (kv[2] ~ /^-?[0-9]+$/ ? kv[2] : "\"" kv[2] "\"") }
		}
		$1 == "counter" { split($2, kv, "="); counters = counters (counters == "" ? "" : ",") "\"" kv[1] "\":" kv[2] }
		END { flush() }'
}
