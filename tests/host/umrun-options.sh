#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: umrun's options, and how it fails: status 125, one line that names what and says what to do.
# timeout: 120
set -u
. "$(dirname "$0")/umrun-lib.sh"

# refuses NAME REGEX ARG...: status 125 with such a line.
refuses()
{
	local name=$1 regex=$2
	shift 2
	"$umrun" "$@" >"$dir/out" 2>"$dir/err" </dev/null
	STATUS=$? ERR=$(cat "$dir/err")
	status 125 "$name"
	like "$ERR" "$regex" "... is named"
}

refuses "no program" 'PROGRAM: none given'
refuses "an unknown option" "unrecognized option '--nonsense'" --nonsense true
refuses "a CPU count of 0" '--cpus: 0: ' --cpus 0 true
refuses "a CPU count of words" '--cpus: two: ' --cpus two true
refuses "memory without a unit that exists" '--mem: 5X: ' --mem 5X true
refuses "too little memory" '--mem: 1M: ' --mem 1M true
refuses "more memory than the host has" '^umrun: memory: .*--mem' --kernel "$kernel" --mem 1000G true
refuses "a disk without a unit that exists" '--disk: 5X: not a size; write ' --disk 5X true
refuses "a disk of nothing" '--disk: 0: must be from 1M ' --disk 0 true
refuses "a disk that the host's memory can't hold" '^umrun: memory: .*--disk' --kernel "$kernel" --disk 1000G true
refuses "a negative time-out" '--timeout: -1: ' --timeout=-1 true
refuses "a share that isn't there" "--share: $dir/none: " --share "$dir/none" true
refuses "a share that is a file" "--share-ro: /etc/passwd: not a folder" --share-ro /etc/passwd true
refuses "an environment without a value" '--env: FOO: ' --env FOO true
refuses "a point that isn't built" "^umrun: kernel: .*: not built; run 'make kernel P=nowhere F=fast'" --point nowhere true
refuses "a point that is a path" '^umrun: --point' --point ../../etc true
refuses "a kernel that isn't there" "^umrun: kernel: $dir/none: " --kernel "$dir/none" true
cp /bin/true "$dir/true"
refuses "a kernel that is none" "^umrun: kernel: $dir/true: not a UML kernel" --kernel "$dir/true" true
refuses "a log that can't be written" "^umrun: log: $dir/no/log: " --kernel "$kernel" --log "$dir/no/log" true
refuses "a result that can't be written" "^umrun: --result: $dir/no/result: " --kernel "$kernel" --log "$dir/log" --result "$dir/no/result" true

if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	as_nobody="setpriv --reuid 65534 --regid 65534 --clear-groups"
	chmod 755 "$dir"
	cp "$kernel" "$dir/kernel"
	chmod 755 "$dir/kernel"
	mkdir -m 777 "$dir/open"
	if $as_nobody test -x "$umrun"; then
		STATUS=0
		OUT=$($as_nobody "$umrun" --kernel "$dir/kernel" --log "$dir/open/log" id -u 2>"$dir/err") || STATUS=$?
		ERR=$(cat "$dir/err")
		status 0 "a user who is not root"
		is "$OUT" 0 "... is root inside"
		touch "$dir/sealed"
		chmod 600 "$dir/sealed"
		ERR=$($as_nobody "$umrun" --kernel "$dir/kernel" --log "$dir/sealed" true 2>&1)
		like "$ERR" "^umrun: log: $dir/sealed: Permission denied" "... may not write another's log"
		chmod 700 "$dir/kernel"
		ERR=$($as_nobody "$umrun" --kernel "$dir/kernel" --log "$dir/open/log" true 2>&1)
		like "$ERR" "^umrun: kernel: $dir/kernel: Permission denied" "... nor run a kernel that is not his"
	else
		skip "a user who is not root" "he can't reach the project's folder"
	fi
else
	skip "another user" "only root can become one"
fi

if [ -e /dev/full ]; then
	"$umrun" --kernel "$kernel" --log /dev/full --result "$dir/result" sh -c 'echo fine; exit 6' >"$dir/out" 2>"$dir/err" </dev/null
	STATUS=$? ERR=$(cat "$dir/err")
	status 6 "a full disk under the log does not end the run"
	like "$ERR" '^umrun: log: /dev/full: No space left' "... but is said"
	"$umrun" --kernel "$kernel" --log "$dir/log" sh -c 'while :; do echo more; done' >/dev/full 2>"$dir/err" </dev/null
	STATUS=$? ERR=$(cat "$dir/err")
	like "$ERR" '^umrun: stdout: write: No space left' "a full disk under stdout is said"
	status 125 "... and the run fails"
	ERR=$("$umrun" --kernel "$kernel" --log "$dir/log" --result /dev/full/x true 2>&1 </dev/null)
	like "$ERR" '^umrun: --result: ' "a result that can't be made is said"
fi

run --result "$dir/result" --env FOO='a b' --cpus 2 sh -c 'echo "$FOO"; nproc'
is "$OUT" "a b
2" "--env and --cpus"
run --mem 256M sh -c 'awk "/MemTotal/ { print (\$2 > 200000 && \$2 < 262144) }" /proc/meminfo'
is "$OUT" 1 "--mem"
run --disk 32M sh -c 'cat /sys/block/ubda/size; tr "\0" x </dev/zero | dd of=/dev/ubda bs=1M 2>/dev/null
	echo 3 >/proc/sys/vm/drop_caches; tr -d x </dev/ubda | wc -c'
is "$OUT" "65536
0" "--disk is as large as asked, and holds what is written to all of it"
run --disk 32M --cpus 2 sh -c 'tr -d "\0" </dev/ubda | wc -c; mkswap /dev/ubda >/dev/null && swapon /dev/ubda && cut -c 1-9 /proc/swaps | tail -n 1'
is "$OUT" "0
/dev/ubda" "... is empty in the next run, and can be swap, with two CPUs too"
run --result "$dir/result" --disk 1.5M cat /sys/block/ubda/size
is "$OUT $(json disk_bytes)" "3072 1572864" "... of one and a half megabytes"
run ls /dev/ubda
status 1 "without it there is no disk"
run --append 'umlab.word=1' cat /proc/cmdline
like "$OUT" 'umlab.word=1' "--append"
run --result "$dir/result" sh -c 'exit 3'
is "$(json exit)" 3 "--result has the status"
is "$(json config_sha256)" "\"$(sed -n 's/^config_sha256=//p' "${kernel%/*}/umlab.info")\"" "... the hash of the kernel's config"
is "$(json compiler)" "\"$(sed -n 's/^compiler=//p' "${kernel%/*}/umlab.info")\"" "... and the compiler"
ls "$dir"/result.*.part >/dev/null 2>&1
[ $? -ne 0 ]
ok $? "... and leaves no half-written file"
OUT=$("$umrun" --kernel "$kernel" --dry-run --cpus 2 true)
like "$OUT" "^[^ ]*/linux mem=524288K .*ncpus=2 seccomp=on" "--dry-run prints the command line"
# The kernel's own finding may be too low, as often as the host is busy.
ours=$(sed -n 's/.* lpj=\([0-9]*\).*/\1/p' <<< "$OUT") theirs=0
for try in 1 2 3 4 5; do
	[ $((theirs * 10)) -lt "$ours" ] || break
	run --append lpj=0 sh -c 'dmesg | grep lpj='
	theirs=$(sed -n 's/.*(lpj=\([0-9]*\)).*/\1/p' <<< "$OUT")
done
[ $((ours * 10)) -ge "$theirs" ] && [ $((theirs * 10)) -ge "$ours" ]
ok $? "the delay loop's speed is of the order that the kernel finds by itself" "umrun: $ours, the kernel: $theirs"
OUT=$("$umrun" --help)
like "$OUT" '126 +the kernel died or complained' "--help documents the exit statuses"
OUT=$("$umrun" --doctor)
like "$OUT" 'vm.max_map_count' "--doctor lists the limits"
echo "1..$TAP_COUNT"
