#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: how the other architectures' kernels are judged: every console that workload.c can leave, what is
# expected as data, and each way that a boot can end. No kernel is built or booted: qemu is a script here.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/tap.sh"
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
judge() { awk -v part="$1" -v pt_reclaim="${PT:-n}" -f "$top/tests/arch/judge.awk" | sort | paste -sd' '; }

# ---- consoles ----
begin='[    0.1] umlab: begin page=8 pmd=8192 tainted=0'
tables() { printf '[ 1.0] umlab: tables chunk=%s vmpte_before=64 vmpte_after=%s kernel_before=80 kernel_after=90 tainted=0\r\n' 4096 "$1" 8192 "$2" 32768 "$3"; }
console() { printf '%s\r\n' "SLOF" "$begin"; cat; printf '%s\r\n' '[    2.0] umlab: end'; }
like "$(tables 1088 64 72 | console | judge tables)" '(^| )below=kept .*whole=freed' "a table for each 8 MiB stays, or goes"
like "$(tables 1088 64 1088 | console | judge tables)" 'whole=freed/kept' "chunks that differ are no verdict"
like "$(tables 1088 600 64 | console | judge tables)" 'whole=grew-by-536' "neither kept nor freed"
contents() { printf 'umlab: contents range=x wrong=%s checked=%s tainted=0\n' "$@"; }
is "$({ contents 0 9; contents 0 9; } | console | judge tables)" 'contents=right' "contents are right"
is "$({ contents 1 9; contents 0 9; } | console | judge tables)" 'contents=wrong' "one wrong byte is remembered"
is "$({ contents 0 0; } | console | judge tables)" 'contents=wrong' "nothing looked at is no proof"
upper() { printf 'umlab: upper spans=4 vmpte_before=64 vmpte_after=%s tainted=0\n' "$@"; }
like "$(upper 96 | console | judge tables)" '(^| )upper=one-each' "a PMD table stays for each that the range is as large as"
like "$(upper 64 | console | judge tables)" 'upper=grew-by-0' "none at all is something else"
like "$(upper 1088 | console | judge tables)" 'upper=grew-by-128' "and so are PTE tables that stay"
inject() { printf 'umlab: inject-madvise failed=%s vmpte_before=1088 vmpte_after=%s tainted=%s\n' "$1" "${3:-64}" "$2"; }
is "$(inject 5 0 | console | judge inject-madvise)" 'failed_inject-madvise 5 inject-madvise=silent vmpte_inject-madvise 1088->64' "allocations failed, in silence"
is "$(inject 0 0 | console | judge inject-madvise)" 'failed_inject-madvise 0 inject-madvise=not-hit vmpte_inject-madvise 1088->64' "no allocation failed: that shows nothing"
warning='[    3.0] WARNING: kernel/rcu/tree.c:3116 at __call_rcu_common.constprop.0+0x1d0/0x3c0, CPU#0: init/1'
like "$({ echo "$warning"; inject 5 512; } | console | judge inject-madvise)" 'inject-madvise=warns report WARNING: kernel/rcu/tree.c:3116 at __call_rcu_common' "the WARN_ON_ONCE, and its text"
like "$({ echo "$warning"; echo "Kernel unaligned access at TPC[4cef6c] __call_rcu_common"; inject 5 512; } | console | judge inject-madvise)" 'inject-madvise=warns' "... and the unaligned accesses to that rcu_head"
like "$({ echo "$warning"; inject 5 512; echo "[ 4.0] BUG: Bad page state in process init"; } | console | judge inject-madvise)" 'inject-madvise=tainted-512' "... with another complaint behind it"
like "$({ echo "[ 1.0] WARNING: mm/x.c:1 at other+0x1/0x2"; inject 5 512; } | console | judge inject-madvise)" 'inject-madvise=tainted-512' "another warning is not that one"
like "$(inject 5 0 1088 | console | PT=y judge inject-madvise)" 'inject-madvise=kept-its-tables' "tables that stay where they should go"
like "$(inject 5 0 1088 | console | judge inject-madvise)" 'inject-madvise=silent' "... and where they should not"
like "$({ inject 5 0; echo "[ 1.0] BUG: Bad page state in process init"; } | console | judge inject-madvise)" 'inject-madvise=tainted-0' "a complaint that comes later"
like "$({ tables 1088 64 72; echo "[ 1.0] BUG: Bad page state"; echo "Kernel panic - not syncing"; } | { printf '%s\n' "$begin"; cat; } | judge tables)" 'log=ended-early .*whole=freed' "right tables, and then a panic"
like "$({ echo "[ 1.0] Oops: 1 [#1]"; tables 1088 64 64; } | console | judge tables)" '(^| )log=tainted-0 report Oops' "an oops beside right tables"
is "$(printf '%s\n' "$begin" | judge tables)" 'log=ended-early' "a kernel that died in the middle"
is "$(echo 'Kernel panic - not syncing: No working init' | judge tables)" 'log=no-begin report Kernel panic - not syncing: No working init' "a kernel that never came to PID 1"
like "$(echo 'umlab: error what=mmap errno=12' | console | judge min-free)" 'log=error: mmap errno 12' "the workload's own error"

# ---- what is expected ----
expect=$top/tests/arch/expect.txt
missing=$(for d in "$top"/tests/arch/*/arch; do
	d=${d%/arch} d=${d##*/}
	for p in base v3 series; do [ "$(awk -v n="$d" -v p=$p '$1 == n && $2 == p' "$expect" | wc -l)" = 1 ] || echo "$d $p"; done
done)
is "$missing" "" "each architecture has one line for each point"
is "$(grep -v '^#' "$expect" | tr -s ' ' '\n' | grep = |
	grep -vxE 'pt_reclaim=[yn]|(below|whole)=(kept|freed)|upper=one-each|contents=right|(inject-madvise|inject-munmap|min-free)=(silent|warns)')" "" "in words that judge.awk has"
is "$(awk '!/^#/ && /warns/ { print $1, $2 }' "$expect" | paste -sd,)" "ppc64 v3,sparc64 v3" "only v3 warns, on two architectures"
for d in "$top"/tests/arch/*/arch; do
	name=${d%/arch} name=${name##*/}
	why=$(bash -c '. "$0/uml/lib.sh"; . "$0/tests/arch/lib.sh"; load_arch "$1"
		for v in ARCH COMPILER IMAGE CONSOLE PMD_KB; do [ -n "${!v-}" ] || echo "no $v"; done
		[ -n "$PACKAGES$NEWER" ] || echo "no packages"
		[ ${#QEMU[@]} -gt 0 ] || echo "no QEMU"; [ -z "$PATCHES" ] || [ -f "$ROOT/$PATCHES" ] || echo "no $PATCHES"' "$top" "$name" 2>&1)
	is "$why" "" "tests/arch/$name/arch says all that there is to say"
done

# ---- the ends of a boot: an architecture whose qemu is a script ----
fake=$dir/arches
mkdir -p "$fake/fake" "$dir/kernel/usr"
printf '#!/bin/sh\necho "dir=%s"\n[ "$2" != 5 ] || { echo "kernel: make: failed: error: x" >&2; exit 1; }\necho %s\n' "$dir/kernel" "$dir/kernel" > "$fake/kernel.sh"
printf '#!/bin/sh\n' > "$dir/kernel/usr/gen_init_cpio"
printf 'pt_reclaim=y\n' > "$dir/kernel/umlab.info"
printf '#!/bin/bash\n[ "$1" != --version ] || { echo "QEMU emulator version 0"; exit; }\necho $$ > "%s"\ncase " $* " in\n%s\nesac\n' "$dir/pid" \
	'*" umlab=tables,contents "*) . '"$dir"'/behave ;; *) printf "umlab: begin page=4 pmd=2048 tainted=0\numlab: end\n" ;;' > "$dir/qemu"
chmod +x "$fake/kernel.sh" "$dir/kernel/usr/gen_init_cpio" "$dir/qemu"
printf 'ARCH=fake\nCOMPILER=true\nCROSS_COMPILE=\nPACKAGES=\nIMAGE=vmlinux\nQEMU=(%s)\nCONSOLE=c\nPMD_KB=2048\n' "$dir/qemu" > "$fake/fake/arch"
printf 'fake series pt_reclaim=y below=kept whole=freed\nfake 5 pt_reclaim=y\n' > "$fake/expect.txt"
good='echo "umlab: begin page=4 pmd=2048 tainted=0"; for c in 1024 2048 8192; do after=24; [ $c != 1024 ] || after=2072; echo "umlab: tables chunk=$c vmpte_before=24 vmpte_after=$after kernel_before=1 kernel_after=1 tainted=0"; done; echo "umlab: end"'

# arch_run OPTION...: sets OUT and STATUS.
arch_run()
{
	OUT=$(UMLAB_ARCH_DIR=$fake BOOT_LIMIT=${LIMIT:-20} "$top/tests/arch/run.sh" --results "$dir/results" "$@" 2>&1 < /dev/null)
	STATUS=$?
}
# gone: whether the script that was qemu has ended.
gone() { ! kill -0 "$(< "$dir/pid")" 2> /dev/null; }

echo "$good" > "$dir/behave"
arch_run --points series fake
is "$STATUS" 0 "all as expected: 0"
like "$OUT" '^fake +series .* as expected$' "and a row that says so"
cp "$dir/results/fake-series.json" "$dir/results/other-v3.json"
is "$(jq -r '.kernels[0] | "\(.as_expected) \(.observed.whole) \(.figures.vmpte_above)"' "$dir/results.json")" "true freed 24->24" "arch.json has what was seen"
echo "${good/after=24/after=9000}" > "$dir/behave"
arch_run --points series fake
is "$STATUS" 1 "tables kept that should go: 1"
like "$OUT" 'whole=freed expected, whole=kept' "and what was expected"
echo "$good; sleep 100" > "$dir/behave"
arch_run --points series fake
is "$STATUS" 0 "a board without power-off is ended"
gone; ok $? "its qemu, too"
echo "echo 'umlab: begin page=4 pmd=2048 tainted=0'; echo last words; sleep 100" > "$dir/behave"
LIMIT=2 arch_run --points series fake
is "$STATUS" 124 "a guest that hangs: 124"
like "$OUT" 'last words' "with the tail of its console"
gone; ok $? "and is ended"
echo "echo 'qemu: no such machine' >&2; exit 1" > "$dir/behave"
arch_run --points series fake
is "$STATUS" 125 "qemu that does not start: 125"
like "$OUT" 'no such machine' "in its own words"
arch_run --points 5 fake
is "$STATUS" 125 "a kernel that does not build: 125"
like "$OUT" 'error: x' "with the compiler's words"
is "$(jq '.kernels | length' "$dir/results.json")" 2 "... which keeps what was found of others"
printf '#!/bin/sh\nexit 1\n' > "$dir/kernel/usr/gen_init_cpio"
echo "$good" > "$dir/behave"
arch_run --points series fake
is "$STATUS" 125 "a program that cannot be packed: 125"
printf '#!/bin/sh\n' > "$dir/kernel/usr/gen_init_cpio"
# With base in the same run: more allocations fail where tables go, too.
cp "$dir/qemu" "$dir/qemu.saved" && cp "$fake/kernel.sh" "$dir/kernel.saved"
sed -i '2i echo "pt_reclaim=$([ "$2" = base ] && echo n || echo y)" > "'"$dir"'/kernel/umlab.info"' "$fake/kernel.sh"
sed -i 's/^\*" umlab=tables,contents "\*).*/*) . '"${dir//\//\\/}"'\/behave ;;/' "$dir/qemu"
printf 'fake base pt_reclaim=n inject-madvise=silent\nfake series pt_reclaim=y inject-madvise=silent\n' > "$fake/expect.txt"
for failed in "7 9 0" "7 7 1"; do
	read -r at_base at_series want <<< "$failed"
	echo 'echo "umlab: begin page=4 pmd=2048 tainted=0"; case $* in *inject*) echo "umlab: inject-madvise failed=$(grep -q =n "'"$dir"'/kernel/umlab.info" && echo '"$at_base || echo $at_series"') vmpte_before=2072 vmpte_after=24 tainted=0" ;; esac; echo "umlab: end"' > "$dir/behave"
	arch_run --points "base series" fake
	is "$STATUS" "$want" "$at_base allocations fail at base, $at_series at series: $want"
done
like "$OUT" 'more failed allocations than at base \(7\) expected: 7' "... and why"
mv "$dir/qemu.saved" "$dir/qemu" && mv "$dir/kernel.saved" "$fake/kernel.sh"
printf 'fake series pt_reclaim=y below=kept whole=freed\nfake 5 pt_reclaim=y\n' > "$fake/expect.txt"
printf 'pt_reclaim=y\n' > "$dir/kernel/umlab.info"
arch_run --points series nonesuch
is "$STATUS" 2 "an architecture that there is not: 2"
like "$OUT" 'one of: fake' "and which there are"
arch_run --points nonesuch fake
is "$STATUS" 2 "a point that there is not: 2"
arch_run --points work fake
like "$STATUS $OUT" '^2 .*P=work: other architectures have points only' "the user's branch is refused, not taken for its last commit"
arch_run --docs fake
is "$STATUS" 2 "no table of one architecture: 2"
OUT=$("$top/tests/arch/gdb.sh" fake 2>&1); is "$? $OUT" "2 arch: which? gdb.sh NAME P" "gdb: no point"
OUT=$("$top/tests/arch/gdb.sh" nonesuch series 2>&1); like "$? $OUT" "^2 .*no such architecture" "gdb: no such architecture"
OUT=$("$top/tests/arch/mutants.sh" x86_64 nonesuch 2>&1); like "$? $OUT" "^2 .*no such mutant" "mutants: no such mutant"
for f in "$top"/uml/patches/mutants/split-locks/*.patch; do
	flavour=$(sed -n 's/^Flavour: //p' "$f") arch=$(sed -n 's/^Arch: //p' "$f") by=$(sed -n 's/^Caught-by: //p' "$f")
	[ -f "$top/tests/arch/$arch/arch" ] && { [ -f "$top/tests/arch/$flavour.config" ] || [ -f "$top/tests/arch/$arch/$flavour.config" ]; } &&
		case $by in "gdb: "*) [ -x "$top/tests/arch/gdb/${by#gdb: }.sh" ] ;; *) [ -f "$top/tests/guest/${by%%:*}.c" ] ;; esac
	ok $? "mutants: $(basename "$f" .patch) names an architecture, a flavour and a suite that are there"
done
arch_run --wrong
is "$STATUS" 2 "a wrong option: 2"
echo "echo 'umlab: begin page=4 pmd=2048 tainted=0'; sleep 100" > "$dir/behave"
for signal in INT TERM KILL; do
	rm -f "$dir/pid"
	UMLAB_ARCH_DIR=$fake env --default-signal=INT "$top/tests/arch/run.sh" --results "$dir/results" --points series fake > /dev/null 2>&1 < /dev/null &
	pid=$!
	for ((i = 0; i < 100; i++)); do [ ! -s "$dir/pid" ] || break; sleep 0.1; done
	[ -s "$dir/pid" ]; ok $? "SIG$signal: qemu runs"
	kill -$signal $pid
	wait $pid 2> /dev/null
	status=$?
	for ((i = 0; i < 30; i++)); do ! gone || break; sleep 0.1; done
	gone; ok $? "SIG$signal leaves no qemu" "$(ps -fp "$(< "$dir/pid")")"
	[ $signal = KILL ] || is $status "$([ $signal = INT ] && echo 130 || echo 143)" "and says so in its status"
done 2> /dev/null

# ---- guest suites: what tests/run starts in place of umrun ----
printf 'arch=fake\npoint=fixed\nflavour=fake\npt_reclaim=y\nrcu_table_free=y\n' > "$dir/kernel/umlab.info"
mkdir -p "$dir/kernel/.umlab"
: > "$dir/kernel/.umlab/suite-init"
touch -d '+1 hour' "$dir/kernel/.umlab/suite-init"
printf '#!/bin/bash\n[ "$1" != --version ] || exit\necho $$ > "%s"\n. %s\n' "$dir/pid" "$dir/behave" > "$dir/qemu"

# suite_run SECONDS: sets OUT, ERR and STATUS.
suite_run()
{
	OUT=$(UMLAB_ARCH_DIR=$fake "$top/tests/arch/qemurun" --kernel "$dir/kernel/linux" --timeout "$1" --cpus 2 --env A=b --disk 1M \
		--log "$dir/log" -- "$top/tests/host/arch.sh" 2> "$dir/err" < /dev/null)
	STATUS=$? ERR=$(cat "$dir/err")
}
end() { printf 'printf "[  1.0] umlab: status=%s tainted=%s\\r\\n[ 1.1] umlab: end\\r\\n"; sleep 50\n' "$@"; }
{ echo 'printf "[  0.9] tap: ok 1 - a\r\nnoise\r\n[ 1.0] tap: # lo\r\n[ 1.0] tap+: ng\r\n[ 1.0] tap: 1..1\r\n"'; end 0 0; } > "$dir/behave"
suite_run 20
is "$STATUS $(paste -sd'|' <<< "$OUT")" "0 ok 1 - a|# long|1..1" "a suite's TAP, without the kernel's words, long lines whole"
like "$(cat "$dir/log")" '^noise$' "the kernel's words are in the log"
# As `make check-arch` does it: tests/run keeps kernels of UML's as they are, and one of these is more than its two files.
mkdir "$dir/guest" "$dir/none"
printf '#!/bin/sh\necho a\n' > "$dir/guest/a-suite"
chmod +x "$dir/guest/a-suite"
ln -sf vmlinux "$dir/kernel/linux"
: > "$dir/kernel/vmlinux"
chmod +x "$dir/kernel/vmlinux"
{ echo 'printf "[ 0.9] tap: ok 1 - a\n[ 1.0] tap: 1..1\n"'; end 0 0; } > "$dir/behave"
OUT=$(UMLAB_ARCH_DIR=$fake "$top/tests/run" --host "$dir/none" --guest "$dir/guest" --umrun "$top/tests/arch/qemurun" --results "$dir/results-run" \
	--modes native/2 "fixed=$dir/kernel" 2>&1 < /dev/null)
is "$? $(tail -n 1 <<< "$OUT")" "0 100%: Checks: 1, Failures: 0, Errors: 0" "tests/run runs a suite in such a kernel"
end 1 0 > "$dir/behave"
suite_run 20
is "$STATUS" 1 "a suite that fails: its status"
{ echo 'echo "[ 1.0] BUG: non-zero pgtables_bytes on freeing mm: 4096"'; end 0 0; } > "$dir/behave"
suite_run 20
like "$STATUS $ERR" '^126 .*non-zero pgtables_bytes' "a complaint that leaves no taint: 126"
{ echo 'echo "[ 1.0] WARNING: possible circular locking dependency detected"'; end 0 0; } > "$dir/behave"
suite_run 20
like "$STATUS $ERR" '^126 .*possible circular' "... of lockdep's"
{ echo 'printf "[ 1.0] umlab: status=0 tainted=0\n[ 1.1] pagealloc: memory corruption\n[ 1.2] umlab: end\n"; sleep 50'; } > "$dir/behave"
suite_run 20
like "$STATUS $ERR" '^126 .*memory corruption' "a complaint behind the suite's end: 126"
{ echo 'echo "[ 1.0] tap: # WARNING: not the kernel"'; end 0 0; } > "$dir/behave"
suite_run 20
is "$STATUS" 0 "the same words in a suite's mouth are none"
end 0 512 > "$dir/behave"
suite_run 20
like "$STATUS $ERR" '^126 .*complained \(tainted=512\)' "a kernel that complained: 126"
echo 'echo "[ 1.0] Kernel panic - not syncing: x"; exit 0' > "$dir/behave"
suite_run 20
like "$STATUS $ERR" '^126 .*Kernel panic' "a kernel that died: 126"
echo 'echo last words; sleep 50' > "$dir/behave"
suite_run 2
like "$STATUS $(paste -sd' ' <<< "$ERR")" '^124 .*last words' "a suite that hangs: 124, with the tail of the console"
gone; ok $? "and its qemu is ended"
echo 'echo "no machine" >&2; exit 1' > "$dir/behave"
suite_run 20
like "$STATUS $ERR" '^125 .*no machine' "qemu that does not start: 125"
finish
