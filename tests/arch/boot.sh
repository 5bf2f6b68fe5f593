# SPDX-License-Identifier: GPL-2.0
# One boot of a kernel in qemu, to the end of what runs in it. Sourced after uml/lib.sh, uml/make.sh and lib.sh; the
# architecture is loaded.

# make_init KERNEL_DIR PROGRAM OUT: guest/PROGRAM.c, static, with the kernel tree's nolibc.
make_init() {
	local start=$ARCH_DIR/$NAME/start.s
	[ -f "$start" ] || start=
	[ -z "$USER_OBJECTS" ] || start+=" $(printf "$1/%s " $USER_OBJECTS)"
	"$USER_COMPILER" -Os -Wall -Wextra -Wno-unused-result -static -nostdlib -Wl,-z,noexecstack -fno-asynchronous-unwind-tables -fno-stack-protector -fno-ident \
		-I "$1/usr/include" -include "$1/source/tools/include/nolibc/nolibc.h" -o "$3" "$ROOT/tests/arch/guest/$2.c" $start -lgcc
}

# make_initrd KERNEL_DIR OUT INIT [NAME FILE]...: a newc archive with INIT as /init, a console, and each FILE as NAME.
make_initrd() {
	local dir=$1 out=$2
	{
		printf 'dir /dev 0755 0 0\nnod /dev/console 0600 0 0 c 5 1\nfile /init %s 0755 0 0\n' "$3"
		shift 3
		while [ $# -gt 1 ]; do
			printf 'file %s %s 0755 0 0\n' "$1" "$2"
			shift 2
		done
	} >"$out.list"
	"$dir/usr/gen_init_cpio" "$out.list" >"$out.tmp" && mv "$out.tmp" "$out" && rm -f "$out.list" ||
		{ rm -f "$out.list" "$out.tmp"; return 1; }
}

# complaint LOG: the first line of the kernel's own there that says that something is wrong, if there is one: lockdep and page poisoning leave
# no taint, and what RCU frees may be complained of when the program has ended. Lines of the programs (tap, umlab) may quote such.
complaint() {
	grep -avE 'tap\+?: |umlab: ' "$1" | grep -aE -m1 'WARNING: |BUG: |Oops|Kernel panic|turning off the locking correctness validator|Unable to handle|INFO: rcu|rcu: INFO|INFO: possible|INFO: task .* blocked|watchdog: |bad magic|ODEBUG: |refcount_t: |Bad page|pagealloc: (memory corruption|single bit error)' || true
}

# start_stub KERNEL_DIR INITRD CPUS LOG STUB [ARGUMENT...]: as start_qemu, but stopped before the first instruction, for a gdb that connects to
# the socket STUB; in a session of its own: a Ctrl-C is gdb's. Status 125 where qemu could not be started, and why.
start_stub() {
	local log=$4 stub=$5 i
	start_qemu "$1" "$2" "$3" "$log" setsid -S -gdb "unix:$stub,server=on,wait=off" -- "${@:6}"
	for ((i = 0; i < 100; i++)); do
		[ ! -S "$stub" ] || return 0
		kill -0 "$QEMU_PID" 2>/dev/null || break
		sleep 0.1
	done
	note "$TOOL: $NAME: ${QEMU[0]}: $(tail -n 1 "$log")"
	return 125
}

# start_qemu KERNEL_DIR INITRD CPUS LOG [setsid] [OPTION...] -- [ARGUMENT...]: qemu in the background, as QEMU_PID, with
# these options more and these arguments of the kernel; the console goes to LOG. setsid: in a session of its own.
start_qemu() {
	local image=$1/$IMAGE initrd=$2 cpus=$3 log=$4 alone= options=()
	shift 4
	[ "$cpus" -le "$MAX_CPUS" ] || cpus=$MAX_CPUS
	[ "$1" != setsid ] || { alone=setsid; shift; }
	while [ "$1" != -- ]; do options+=("$1"); shift; done
	shift
	# Before qemu does it, which may be later than we look.
	: >"$log"
	# No card, as the ROM of a card is in a package (seabios) that nothing else here needs.
	(
		let_go_of_locks
		exec $alone "${DIE_WITH_US[@]}" "${QEMU[@]}" -smp "$cpus" -net none -vga none -nographic -no-reboot "${options[@]}" -kernel "$image" -initrd "$initrd" \
			-append "console=$CONSOLE printk.devkmsg=on panic=-1 $*" </dev/null >"$log" 2>&1
	) &
	QEMU_PID=$!
}

# boot KERNEL_DIR INITRD CPUS SECONDS LOG [ARGUMENT...]: boots it with these arguments of the kernel; the console goes to LOG.
# Status 0 when the program in it has come to its end, or where the kernel ended by itself; 124 after SECONDS; 125
# where qemu could not be started.
boot() {
	local dir=$1 initrd=$2 cpus=$3 end=$((SECONDS + $4)) log=$5 status
	shift 5
	start_qemu "$dir" "$initrd" "$cpus" "$log" -- "$@"
	while kill -0 $QEMU_PID 2>/dev/null; do
		if grep -aq 'umlab: end' "$log"; then
			# Some boards have no power-off.
			sleep 0.3
			end_qemu
			return 0
		fi
		[ "$SECONDS" -lt "$end" ] || { end_qemu; return 124; }
		sleep 0.1
	done
	wait $QEMU_PID && status=0 || status=$?
	QEMU_PID=
	grep -aq 'umlab: ' "$log" || [ $status = 0 ] || return 125
	return 0
}

end_qemu() {
	[ -n "${QEMU_PID-}" ] || return 0
	kill "$QEMU_PID" 2>/dev/null || true
	wait "$QEMU_PID" 2>/dev/null || true
	QEMU_PID=
}
