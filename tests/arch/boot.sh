# SPDX-License-Identifier: GPL-2.0
# One boot of a kernel in qemu, to the end of the workload. Sourced by run.sh, after lib.sh; the architecture is loaded.

# Seconds to the end of the workload: twenty times what a quiet machine takes.
BOOT_LIMIT=${BOOT_LIMIT:-240}

# make_initrd KERNEL_DIR: the workload as /init, with a console: KERNEL_DIR/workload.cpio.
make_initrd() {
	local dir=$1 src=$1/source start=$ARCH_DIR/$NAME/start.s
	[ -f "$start" ] || start=
	"$USER_COMPILER" -Os -Wall -Wextra -static -nostdlib -fno-asynchronous-unwind-tables -fno-stack-protector -fno-ident -o "$dir/workload" \
		-I "$dir/usr/include" -include "$src/tools/include/nolibc/nolibc.h" "$ARCH_DIR/workload.c" $start -lgcc || return
	printf 'dir /dev 0755 0 0\nnod /dev/console 0600 0 0 c 5 1\nfile /init %s 0755 0 0\n' "$dir/workload" >"$dir/workload.list"
	"$dir/usr/gen_init_cpio" "$dir/workload.list" >"$dir/workload.cpio"
}

# boot KERNEL_DIR PART LOG: runs the PART; the console goes to LOG. Status 0 at the workload's end, or where the kernel
# ended by itself; 124 after BOOT_LIMIT seconds; 125 where qemu could not be started.
boot() {
	local dir=$1 log=$3 end=$((SECONDS + BOOT_LIMIT)) status
	"${DIE_WITH_US[@]}" "${QEMU[@]}" -net none -nographic -no-reboot -kernel "$dir/$IMAGE" -initrd "$dir/workload.cpio" \
		-append "console=$CONSOLE printk.devkmsg=on panic=-1 umlab=$2 pmd_kb=$PMD_KB" </dev/null >"$log" 2>&1 &
	QEMU_PID=$!
	while kill -0 $QEMU_PID 2>/dev/null; do
		if grep -q 'umlab: end' "$log"; then
			# Some boards have no power-off.
			sleep 1
			end_qemu
			return 0
		fi
		[ "$SECONDS" -lt "$end" ] || { end_qemu; return 124; }
		sleep 0.1
	done
	wait $QEMU_PID && status=0 || status=$?
	QEMU_PID=
	grep -q 'umlab: ' "$log" || [ $status = 0 ] || return 125
	return 0
}

end_qemu() {
	[ -n "${QEMU_PID-}" ] || return 0
	kill "$QEMU_PID" 2>/dev/null || true
	wait "$QEMU_PID" 2>/dev/null || true
	QEMU_PID=
}
