# SPDX-License-Identifier: GPL-2.0
# The rows of the table of `make bench`: sourced by loop.sh. Each row_NAME alternates the two sides of a comparison.

# prepare: the tree to edit and its kernel, an empty program, and a boot by hand: an init that powers off at once.
prepare()
{
	echo "bench: the kernels that are needed" >&2
	if [ ! -e "$tree/.git" ]; then
		rm -rf "$tree"
		git -C build/linux worktree prune
		git -C build/linux worktree add -q --no-checkout --detach "$top/$tree" umlab/fixed || exit 1
		git -C "$tree" sparse-checkout set --no-cone --stdin < <(grep -v '^#' uml/configs/sparse)
	fi
	git -C "$tree" checkout -q -f --detach umlab/fixed || exit 1
	LINUX=$tree uml/kernel.sh fixed fast > /dev/null || exit 1
	lpj=$(build/umrun --kernel "$kernel/linux" --dry-run true | grep -o 'lpj=[0-9]*') || exit 1
	gcc -O2 -static -o "$scratch/init" -x c - <<< '#include <sys/reboot.h>
		int main(void) { return reboot(RB_POWER_OFF); }' || exit 1
	gcc -O2 -static -o "$scratch/empty" -x c - <<< 'int main(void) { return 0; }' || exit 1
	gcc -O2 -static -o "$scratch/dontneed" -x c - <<< '#include <sys/mman.h>
		int main(void)
		{
			char *p = mmap(0, 1 << 22, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			*p = 1;
			return madvise(p, 1 << 22, MADV_DONTNEED);
		}' || exit 1
	initramfs root.cpio "$scratch/init"
	initramfs dontneed.cpio "$scratch/dontneed"
	# The first time is longer.
	loop > "$scratch/run.log" 2>&1 || failed "$test_name"
}

# initramfs NAME INIT
initramfs()
{
	rm -rf "$scratch/root" && mkdir -p "$scratch/root/dev" && cp "$2" "$scratch/root/init" &&
		bsdtar --format newc -cf "$scratch/$1" -C "$scratch/root" . || exit 1
}

# loop: what a user types.
loop() { env -u ROUNDS -u MAKEFLAGS make --no-print-directory check "T=$test_name" "LINUX=$tree"; }

bare_boot() { "./$kernel/linux" mem=512M initrd="$scratch/root.cpio" con=null con0=null,fd:1; }
# ... with the one thing that umrun spares a boot, for who wants to know.
bare_boot_lpj() { "./$kernel/linux" mem=512M initrd="$scratch/root.cpio" con=null con0=null,fd:1 "$lpj"; }

# edit FILE N: another line at its end, which no cache has seen.
edit() { echo "int umlab_bench_$1_$2_$EPOCHSECONDS;" >> "$tree/mm/$1.c"; }

# The compiler's part and the linker's, each alone: the limit.
compile_alone()
{
	(cd "$kernel" && eval "$(sed -n '1s/^savedcmd_[^ ]* := //p' "mm/.$1.o.cmd" | sed 's/\$\$/$/g; s/^ccache //;
		s, -o mm/[^ ]*, -o '"$top/$scratch"'/alone.o,; s#-Wp,-MMD,[^ ]*#-Wp,-MMD,'"$top/$scratch"'/alone.d#')")
}
link_alone()
{
	(cd "$kernel" && gcc -static -Wl,--wrap,malloc -Wl,--wrap,free -Wl,--wrap,calloc -Wl,-m,elf_x86_64 -Wl,-z,noexecstack "$@" \
		-Wl,--script=arch/um/kernel/vmlinux.lds -o "$top/$scratch/alone" -Wl,--whole-archive vmlinux.a .vmlinux.export.o \
		init/version-timestamp.o -Wl,--no-whole-archive -lutil -lrt -lpthread)
}

# Kbuild's own link, which the kernel must come from: bfd, and objcopy twice. The quick build takes over no kernel that is
# not its own: its own comes back.
kbuild_link() { (cd "$kernel" && sh .umlab/link.sh); }
timed_kbuild_link()
{
	local made=(linux vmlinux vmlinux.unstripped)

	mkdir -p "$scratch/own" && mv "${made[@]/#/$kernel/}" "$scratch/own" || exit 1
	timed "edit $1" "kbuild link" kbuild_link
	mv "${made[@]/#/$scratch/own/}" "$kernel" || exit 1
}

# The test alone, in umrun: a boot is in it.
run_test() { build/umrun --kernel "$kernel/linux" --env PT_RECLAIM=y --env "TESTS=${test_name#*: }" "build/tests/guest/${test_name%%:*}"; }

# plain_make: Kbuild in a folder of its own, with the same configuration; then the same test, by hand.
plain_make() { make -C "$tree" "O=$top/$scratch/plain" ARCH=um "-j$(nproc)" linux; }
plain_loop()
{
	plain_make && kernel=$scratch/plain run_test
}

row_edit()
{
	local file i

	mkdir -p "$scratch/plain"
	cmp -s "$kernel/.config" "$scratch/plain/.config" || cp "$kernel/.config" "$scratch/plain/.config"
	if [ -z "$quick" ]; then
		make -C "$tree" "O=$top/$scratch/plain" ARCH=um olddefconfig > "$scratch/run.log" 2>&1 && plain_make > "$scratch/run.log" 2>&1 || failed "plain make"
	fi
	for file in "${edited[@]}"; do
		for ((i = 0; i < rounds; i++)); do
			edit "$file" "$i"
			timed "edit $file" loop loop
			grep -q 'by ninja' "$scratch/run.log" || failed "not the quick build: $(grep 'make decides' "$scratch/run.log")"
			[ -n "$(nm -p "$kernel/linux" | grep " umlab_bench_${file}_${i}_")" ] || failed "the kernel is not the one that was edited"
			timed "edit $file" compile compile_alone "$file"
			timed "edit $file" "link bfd" link_alone -Wl,--no-warn-rwx-segments
			timed "edit $file" "link lld" link_alone -fuse-ld=lld -Wl,-z,norelro
			timed "edit $file" boot bare_boot
			timed "edit $file" "boot lpj" bare_boot_lpj
			timed_kbuild_link "$file"
			timed "edit $file" run run_test
			[ -n "$quick" ] || timed "edit $file" plain plain_loop
		done
	done
}

row_null()
{
	local i

	loop > "$scratch/run.log" 2>&1 || failed "$test_name"
	for ((i = 0; i < rounds * 2; i++)); do
		timed null loop loop
		timed null run run_test
		timed null boot bare_boot
		timed null "boot lpj" bare_boot_lpj
	done
}

row_umrun()
{
	local i

	for ((i = 0; i < rounds * 2; i++)); do
		timed umrun umrun build/umrun --kernel "$kernel/linux" "$scratch/empty"
		timed umrun boot bare_boot
		timed umrun "boot lpj" bare_boot_lpj
	done
}

# row_point: moving between kernels that are built. What is built anew shows in the log.
row_point()
{
	local i point

	for point in series base; do
		uml/kernel.sh $point fast > /dev/null || exit 1
	done
	for ((i = 0; i < rounds; i++)); do
		for point in base series; do
			timed point move uml/kernel.sh $point fast
			! grep -q 'built in' "$scratch/run.log" || failed "a kernel was built"
		done
	done
}

# cold_build NEIGHBOUR: series in a folder that is empty, with a ccache that is empty. The kernel that was there comes back.
cold_build()
{
	local dir=build/points/series/fast status

	bring_back
	[ ! -d "$dir" ] || mv "$dir" "$dir.aside"
	rm -rf "$scratch/ccache"
	CCACHE_DIR=$top/$scratch/ccache NEIGHBOUR=$1 uml/kernel.sh series fast
	status=$?
	rm -rf "$scratch/ccache"
	bring_back
	return $status
}

# bring_back: the kernel that cold_build() put aside, of a run that was killed, too.
bring_back()
{
	local dir=build/points/series/fast

	[ -d "$dir.aside" ] || return 0
	rm -rf "$dir"
	mv "$dir.aside" "$dir"
}

# row_cold: a point from nothing, and again when its neighbour is built.
row_cold()
{
	local out=$top/$scratch/defconfig

	uml/kernel.sh base fast > /dev/null || exit 1
	rm -rf "$out"
	timed cold fast cold_build none
	timed cold second cold_build base
	grep -q 'begins with the objects of base/' "$scratch/run.log" || failed "series did not begin with base's objects"
	mkdir -p "$out"
	timed cold defconfig sh -c "make -C build/points/series/linux O=$out ARCH=um defconfig && make -C build/points/series/linux O=$out ARCH=um -j$(nproc)"
	rm -rf "$out"
}

# lib_build WAY TARGET: a part of the kernel with our configuration; WAY: gcc alone, through ccache as we use it, or as it could be used.
lib_build()
{
	local cc="ccache gcc" variables=()

	case $1 in
	gcc) cc=gcc ;;
	ccache) variables=(CCACHE_DEPEND=1) ;;
	nocpp2) variables=(CCACHE_NOCPP2=1) ;;
	esac
	env CCACHE_DIR="$top/$scratch/ccache" CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=time_macros "${variables[@]}" \
		make -s -C "$tree" "O=$top/$scratch/lib" ARCH=um "-j$(nproc)" "CC=$cc" "$2"
}

# row_ccache: what ccache takes of a cold build.
row_ccache()
{
	local i way

	for ((i = 0; i < rounds; i++)); do
		for way in gcc ccache cpp nocpp2; do
			rm -rf "$scratch/lib" "$scratch/ccache"
			mkdir -p "$scratch/lib"
			cp "$kernel/.config" "$scratch/lib/.config"
			{ lib_build $way olddefconfig && lib_build $way prepare; } > "$scratch/run.log" 2>&1 || failed "make prepare"
			rm -rf "$scratch/ccache"
			timed ccache $way lib_build $way lib/
		done
	done
	rm -rf "$scratch/lib" "$scratch/ccache"
}

# What a user types, to the first of its breakpoints; and that breakpoint with the same kernel and program in gdb alone.
make_gdb() { printf 'bt 1\nkill\nquit\n' | env -u MAKEFLAGS make --no-print-directory gdb P=series "CMD=$scratch/dontneed"; }
plain_gdb()
{
	gdb -nx -batch -ex 'handle SIGSEGV SIGUSR1 SIGALRM SIGIO SIGCHLD SIG34 nostop noprint pass' -ex 'break madvise_dontneed_single_vma' -ex run -ex 'bt 1' -ex kill \
		--args "./build/points/series/debug/linux" mem=512M initrd="$scratch/dontneed.cpio" con=null con0=null,fd:1
}
row_gdb()
{
	local i side

	uml/kernel.sh series debug > /dev/null || exit 1
	# The first time is longer.
	make_gdb > "$scratch/run.log" 2>&1 || failed "make gdb"
	for ((i = 0; i < rounds; i++)); do
		for side in make plain; do
			timed gdb $side ${side}_gdb
			grep -qE '^(\(gdb\) )?#0 .*madvise_dontneed_single_vma' "$scratch/run.log" || failed "the breakpoint"
		done
	done
}

suite() { tests/run --jobs "$1" --host build/none --results "$scratch/suite" "fixed=build/points/fixed/fast"; }
row_suite()
{
	uml/kernel.sh fixed fast > /dev/null || exit 1
	timed suite two suite 2
	timed suite one suite 1
}

# One test of KUnit's, by the kernel's own tool, with no more than that needs in its kernel, and by ours.
row_kunit()
{
	local i out=$top/$scratch/kunit

	kunit() { (cd "$tree" && python3 tools/testing/kunit/kunit.py run --arch um --kunitconfig lib/kunit --build_dir "$out" --jobs "$(nproc)" kunit-resource-test); }
	kunit > "$scratch/run.log" 2>&1 || failed kunit.py
	for ((i = 0; i < rounds; i++)); do
		edit madvise "1$i"
		timed kunit kunit.py kunit
		timed kunit loop loop
	done
}

# Many guests at once: time and memory each.
row_guests()
{
	local n i pids

	for n in 1 2 4 8 16 32; do
		local began=${EPOCHREALTIME//[!0-9]/} us
		pids=()
		for ((i = 0; i < n; i++)); do
			build/umrun --kernel "$kernel/linux" --cpus 1 --append seccomp=on --result "$scratch/guest-$i.json" --env PT_RECLAIM=y \
				--timeout 300 build/tests/guest/vmpte > "$scratch/guest-$i.out" 2>&1 < /dev/null &
			pids+=($!)
		done
		for i in "${!pids[@]}"; do
			if ! wait "${pids[$i]}"; then printf 'guests\tfailed %d\t1\n' "$n" >> "$samples"; fi
		done
		us=$((${EPOCHREALTIME//[!0-9]/} - began))
		printf 'guests\tall %d\t%d.%03d\t%s\n' "$n" $((us / 1000)) $((us % 1000)) "$today" >> "$samples"
		jq -r --arg n "$n" '"guests\ttime \($n)\t\(.seconds.total * 1000)\nguests\tmemory \($n)\t\(.kernel.max_rss_bytes / 1048576)"' "$scratch"/guest-*.json >> "$samples"
		rm -f "$scratch"/guest-*
	done
}
