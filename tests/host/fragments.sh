#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: the lab of powerpc's page table fragments: its data hold together, what a console says is read right, and
# a difference is told from noise. No kernel is built or booted.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/tap.sh"
"$top/tools/deps.sh" with jq || exit 2
lab=$top/tests/arch/fragments patches=$top/uml/patches/fragments
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT

# in_lab COMMAND...: with what the lab's scripts share.
in_lab() { bash -c '. "$0/uml/lib.sh"; . "$UML_DIR/git.sh"; . "$UML_DIR/make.sh"; . "$ROOT/tests/arch/lib.sh"; load_arch ppc64; . "$ROOT/tests/arch/boot.sh"; . "$ROOT/tests/arch/fragments/lib.sh"; "$@"' "$top" "$@"; }

# ---- data ----
is "$(in_lab variants | paste -sd' ')" "merged always-rcu merged-fixed always-rcu-fixed always-rcu-taught" "the variants"
is "$(awk '!/^#/ { for (i = 2; i <= NF; i++) if ($i != "-") print $i }' "$lab/variants.txt" | sort -u | while read -r p; do [ -f "$patches/$p.patch" ] || echo "$p"; done)" "" "each patch of a variant is there"
is "$(for p in "$patches"/*.patch; do p=${p##*/}; grep -q "^| ${p%.patch} |" "$patches/README.md" || echo "$p"; done)" "" "each patch is in their README"
is "$(sed '/^#/d; s/ .*//' "$lab/expect.txt" | paste -sd' ')" "$(in_lab variants | paste -sd' ')" "each variant has one line in expect.txt"
is "$(sed '/^#/d' "$lab/expect.txt" | tr -s ' ' '\n' | grep = | grep -vxE 'measure=right|window=(freed|kept)|race=(dies|lives)|kernel=(at-once|by-rcu)|checks=clean|reclaim=clean|early=pending|cpus=[124]')" "" "in words that the lab has"
for k in race counters window checks debug reclaim reclaim-off reclaim-early reclaim-checks; do
	is "$(in_lab eval 'kind '$k'; for p in $MORE; do [ -f "$FRAG_PATCHES/$p.patch" ] || echo $p; done; for f in ${FLAVOURS_MORE//+/ }; do [ -f "$ARCH_DIR/ppc64/$f.config" ] || [ -f "$ARCH_DIR/$f.config" ] || echo $f; done')" "" "$k: its patches and flavours are there"
done

# ---- what a console says ----
cat >"$dir/log" <<'END'
[    0.0] Kernel command line: console=hvc0 panic=-1 oops=panic sysctl.kernel.panic_on_rcu_stall=1
[    1.0] umlab: tap: nothing of ours
[    2.0] tap: result workload=munmap,1,2,3000 ms=1457 peak_kb=12672 count=-1
[    2.1] tap: counter rcu_queued=3
[    2.2] tap: counter rcu_run=3
[    3.0] tap: result workload=fork,150,16 ms=9 peak_kb=1 count=-1
END
is "$(in_lab results_of "$dir/log" merged hash/2 4 | jq -c '[.variant, .setting, .run, .workload, .ms, .counters.rcu_queued, (.counters | length)]' | paste -sd' ')" \
	'["merged","hash/2",4,"munmap,1,2,3000",1457,3,2] ["merged","hash/2",4,"fork,150,16",9,null,0]' "results and counters, each with its workload"
is "$(in_lab complaint "$dir/log")" "" "no complaint there"
for line in "rcu: INFO: rcu_sched self-detected stall on CPU" "BUG: spinlock bad magic on CPU#1, window/9" "WARNING: mm/x.c:1 at f+0x1/0x2" "Kernel panic - not syncing: Fatal exception" "ODEBUG: activate active"; do
	echo "[ 9.0] $line" | cat "$dir/log" - >"$dir/bad"
	like "$(in_lab complaint "$dir/bad")" "${line%%[:(]*}" "a complaint: ${line%% on*}"
done

eval "$(grep '^in_trace() {' "$lab/run.sh")"
printf '%s\n' "BUG: Kernel NULL pointer dereference on read at 0x0" "NIP do_raw_spin_trylock" "Call Trace:" ".pte_offset_map_lock+0x64/0x110" "---[ end trace 0 ]---" >"$dir/bug"
in_trace pte_offset_map_lock "$dir/bug"; is $? 0 "a race is lost where the lock is in the trace"
printf '%s\n' "rcu: INFO: rcu_preempt detected stalls on CPUs" "Call Trace:" ".pte_offset_map_lock+0x64/0x110" "Kernel panic - not syncing: RCU Stall" >"$dir/stall"
in_trace pte_offset_map_lock "$dir/stall"; is $? 1 "... but for that of a stall"
printf '%s\n' "BUG: x" "Call Trace:" ".other+0x1/0x2" "---[ end trace 0 ]---" ".pte_offset_map_lock+0x64/0x110" >"$dir/other"
in_trace pte_offset_map_lock "$dir/other"; is $? 1 "... and of what comes later"

# ---- two at a time ----
is "$(cat "$top"/uml/{lib,signals,git,make}.sh "$top"/tests/arch/{lib,boot}.sh "$lab"/{lib,run}.sh | grep -o '^[a-z_]*()' | sort | uniq -d)" "" "no function of the lab has the name of another"
eval "$(sed -n '/^pair() {/,/^}/p; /^pair_end() {/,/^}/p' "$lab/run.sh")"
end_qemu() { :; }
HOST_CPUS=(4 7) PAIR=()
# boot NAME: until the other one of its pair has come, too; else it has waited in vain.
boot() {
	touch "$dir/boot-$1"
	for ((i = 0; i < 100; i++)); do
		[ "$(cd "$dir" && ls boot-* | wc -l)" -lt "$2" ] || { echo "$1 on $PIN" >> "$dir/boots"; return; }
		sleep 0.05
	done
	echo "$1 alone" >> "$dir/boots"
}
for n in 1 2 3; do pair boot "$n" $((n < 3 ? 2 : 3)); done
pair_end
is "$(sort "$dir/boots" | paste -sd,)" "1 on 4,2 on 7,3 on 4" "two boots run side by side, each on a CPU of its own; the third comes after them"
(pair exit 125; pair true); is $? 125 "no qemu for one of them: that ends the lab"
(pair exit 125; pair_end); is $? 125 "... of one that is alone, too"

# ---- a difference, or noise ----
# result VARIANT MS...: one workload, run so often.
result() { for ms in "${@:2}"; do printf '{"variant":"%s","setting":"hash/2","run":1,"workload":"fork","ms":%s,"peak_kb":64,"count":-1,"counters":{"rcu_queued":7,"wait_us_avg":16500}}\n' "$1" "$ms"; done; }
table() { jq -s '{ measured: . }' | jq -r -L "$lab" -f "$lab/table.jq"; }
like "$({ result merged 100 110 120; result always-rcu 119 130 140; } | table | grep always-rcu)" '^\| fork \| always-rcu \| 130 \(119-140\) \| within noise ' "runs that overlap are noise"
like "$({ result merged 100 110 120; result always-rcu 121 132 140; } | table | grep always-rcu)" '\| \+20 % ' "runs that don't are a difference, of the medians"
like "$({ result merged 100 110 120; result always-rcu 70 88 99; } | table | grep always-rcu)" '\| -20 % ' "... to the better, too"
like "$(result always-rcu 70 | table | grep always-rcu)" '\| always-rcu \| 70 \(70-70\) \| - ' "nothing to hold it against"
like "$(result merged 1 2 3 4 | table | grep merged)" '\| merged \| 3 \(1-4\) \|  \| 0 \| 0 \| 7 .*16.5 / - / 0' "an even number of runs; counters that are not there are 0; no percentile of few"

is "$(jq -n -L "$lab" 'include "stats"; [2, 0.5, 1.331] | mean_more')" 10 "a mean of ratios is the geometric one: twice as long and half as long are as long"
{ result merged 100 110 120; result always-rcu 200 220 240; result merged-fixed 99 110 121; result always-rcu-fixed 100 110 120; } | jq -s '{ date: "D", qemu: "Q", runs: 3, measured: .,
	judged: [{ part: "race", variant: "merged", setting: "hash/4", seen: "dies", expected: "dies", how: "H" }], earlier: [{ part: "race", variant: "merged", seen: "lives", how: "after 5 s: nothing" }] }' >"$dir/json"
# document MERGED MENDED: the document, where gdb said that of the two.
document() { jq -r --rawfile tables /dev/null --arg kernel 1.2.3 --arg merged "$1" --arg mended "$2" -L "$lab" -f "$lab/document.jq" "$dir/json" 2>&1; }
doc=$(document "" "")
like "$doc" '^\| always-rcu beside merged \| \+100 % \| \+100 % \| 1 of 1 \| fork \(hash/2\): \+100 % \|$' "the document: how a variant stands in each setting, and in all"
like "$doc" '^\| merged-fixed beside merged, the same work \| 0 % \| 0 % \| 0 of 1 \| none \|$' "... one that does not differ"
like "$doc" '^\| always-rcu-fixed beside always-rcu, the same work \| -50 % ' "... a mend beside what it mends"
like "$doc" '^\| merged \| hash/4 \| dies \| H \| lives after 5 s \|$' "... and what was judged, now and before"
like "$doc" ' Linux 1\.2\.3, .*' "... of this kernel"
doc=$(document $'CPU 1\n  its page' $'CPU 1\nCPU 0, exit_mmap(): given up\n  kept')
is "$(grep --no-group-separator -A1 '^    CPU 1$\|^    CPU 0, exit' <<<"$doc" | paste -sd'|')" '    CPU 1|      its page|    CPU 0, exit_mmap(): given up|      kept' "what gdb showed: all of merged, of the mended one what differs"

# ---- wrong usage ----
for args in "--nonsense" "nobody" "--runs 0" "--parts lunch" "--settings hash/3" "--settings vax/1" "--race 5"; do
	out=$("$lab/run.sh" $args 2>&1); rc=$?
	is "$rc" 2 "$args: wrong usage"
	like "$out" '^(fragments|lib): ' "... said in a line"
done

# What was not run now stays in the results.
echo '{"date":"1","runs":5,"judged":[{"part":"race","variant":"merged"},{"part":"race","variant":"taught","date":"0"},{"part":"early","variant":"merged"}],"measured":[{"variant":"merged"}]}' > "$dir/before"
echo '{"part":"race","variant":"merged"}' > "$dir/now"
is "$(jq -nr --arg date 2 --arg qemu q --arg runs 9 --arg parts 'race' --arg variants merged --slurpfile before "$dir/before" --slurpfile judged "$dir/now" --slurpfile measured /dev/null \
	-f "$lab/results.jq" | jq -c '[.runs, (.judged[] | "\(.part) \(.variant) \(.date)"), (.measured[] | .date)]')" \
	'[5,"race taught 0","early merged 1","race merged 2","1"]' "one part of one variant done again: the others are as they were, with their date"
is "$(jq -nr --arg date 2 --arg qemu q --arg runs 9 --arg parts 'measure reclaim' --arg variants 'merged taught' --slurpfile before "$dir/before" --slurpfile judged /dev/null --slurpfile measured "$dir/now" \
	-f "$lab/results.jq" | jq -c '[.runs, (.judged[] | "\(.part) \(.variant) \(.date)"), (.measured[] | .date)]')" \
	'[9,"race merged 1","race taught 0","2"]' "measured again: all of it is new"
is "$(jq -nr --arg date 2 --arg qemu q --arg runs 9 --arg parts race --arg variants merged --slurpfile before <(jq -c '.earlier = [{ "part": "race", "variant": "merged", "date": "0" }]' "$dir/before") \
	--slurpfile judged "$dir/now" --slurpfile measured /dev/null -f "$lab/results.jq" | jq -c '[.earlier[] | "\(.part) \(.variant) \(.date)"]')" '["race merged 0","race merged 1"]' "a race that was run again stays among the earlier ones"
like "$("$lab/run.sh" --parts race always-rcu-taught 2>&1)" "^fragments: always-rcu-taught: nothing to do in --parts 'race'" "nothing of what was asked for is there"
out=$("$lab/gdb.sh" nobody 2>&1); is "$?" 2 "gdb.sh nobody: wrong usage"
out=$(make -s -C "$top" arch A=sparc64 LAB=fragments 2>&1); like "$out" 'LAB=fragments of A=ppc64' "the lab is ppc64's"
finish
