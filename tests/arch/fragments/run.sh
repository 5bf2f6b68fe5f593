#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# powerpc's page table fragments: ways to free them, built from uml/patches/fragments and put side by side in qemu.
# `make arch A=ppc64 LAB=fragments` calls it; docs/powerpc-fragments.md tells what came of it.
. "$(dirname "$0")/../../../uml/lib.sh"
. "$UML_DIR/git.sh"
. "$UML_DIR/make.sh"
. "$ROOT/tests/arch/lib.sh"
. "$ROOT/tests/arch/boot.sh"
TOOL=fragments
load_arch ppc64
. "$ROOT/tests/arch/fragments/lib.sh"

show_usage() {
	cat <<'END'
usage: tests/arch/fragments/run.sh [OPTION...] [VARIANT...]
VARIANT: merged (the source as it is), always-rcu (the proposal), merged-fixed, always-rcu-fixed, always-rcu-taught
(without mmu_gather's grace period); default: all.

  --parts 'P...'     of: measure, window, race, checks, kernel, reclaim (default all; see expect.txt)
  --runs N           of each measurement, the variants in turn (default 5)
  --settings 'S...'  MMU/CPUS; MMU: hash, radix (64 KiB pages), hash4k, radix4k (default: hash, radix
                     and hash4k, each on 1, 2 and 4 CPUs)
  --race D L         seconds within which a race dies that is expected to, and which one has to live (default 180 600)
  --one-thread       measure by one thread of qemu's for all CPUs of a guest, on a host that is busy
  --results DIR      consoles and results (default build/results/fragments; DIR.json the whole: of parts that are not
                     run, and of other variants, what it had before stays there)
  --build            only the kernels that this takes
  --docs             docs/powerpc-fragments.md, too, when all parts are in the results and as expected

Exit status: 0 all as expected; 1 one was not; 2 wrong usage; 125 a package, a kernel or the workloads could not be had;
130, 143 interrupted.
END
}

# In the order in which they run.
ALL_PARTS="window checks kernel reclaim measure race"
PARTS=$ALL_PARTS RUNS=5 SETTINGS="hash/1 hash/2 hash/4 radix/1 radix/2 radix/4 hash4k/1 hash4k/2 hash4k/4"
RACE_DIES=180 RACE_LIVES=600 RESULTS=$BUILD/results/fragments BUILD_ONLY= DOCS= WANTED=()
while [ $# -gt 0 ]; do
	case $1 in
	--help) show_usage; exit 0 ;;
	--parts) PARTS=${2:?}; shift 2 ;;
	--runs) [[ ${2-} =~ ^[1-9][0-9]*$ ]] || usage "--runs: ${2-}: give a number"; RUNS=$2; shift 2 ;;
	--settings) SETTINGS=${2:?}; shift 2 ;;
	--race) [[ "${2-} ${3-}" =~ ^[1-9][0-9]*\ [1-9][0-9]*$ ]] || usage "--race: ${2-} ${3-}: give two numbers of seconds"
		RACE_DIES=$2 RACE_LIVES=$3; shift 3 ;;
	--one-thread) one_thread; shift ;;
	--results) RESULTS=${2:?}; shift 2 ;;
	--build) BUILD_ONLY=1; shift ;;
	--docs) DOCS=1; shift ;;
	-*) usage "$1: unknown option: see --help" ;;
	*) WANTED+=("$1"); shift ;;
	esac
done
for v in "${WANTED[@]}"; do variants | grep -x -- "$v" >/dev/null || usage "$v: no such variant: one of: $(variants | paste -sd' ')"; done
[ ${#WANTED[@]} -gt 0 ] || mapfile -t WANTED < <(variants)
for part in $PARTS; do [[ " $ALL_PARTS " == *" $part "* ]] || usage "--parts: $part: one of ${ALL_PARTS// /, }"; done
for s in $SETTINGS; do
	[[ $s =~ ^[a-z0-9]+/[124]$ ]] || usage "--settings: $s: give MMU/CPUS, as hash/2"
	mmu "${s%/*}"
done

PAIR=() # processes with a qemu each
trap '[ ${#PAIR[@]} = 0 ] || { kill "${PAIR[@]}" 2>/dev/null; wait "${PAIR[@]}"; }; stop_watching; end_qemu; rm -rf "${WORK-}"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# wanted PART: whether it was asked for.
wanted() { [[ " $PARTS " == *" $1 "* ]]; }

# expected VARIANT KEY: its value in expect.txt, or nothing.
expected() { awk -v v="$1" -v k="$2=" '$1 == v { for (i = 2; i <= NF; i++) if (index($i, k) == 1) print substr($i, length(k) + 1) }' "$FRAG_DIR/expect.txt"; }

# of_part PART: those of the wanted variants that expect.txt says something of there.
of_part() { local v; for v in "${WANTED[@]}"; do [ -z "$(expected "$v" "$1")" ] || echo "$v"; done; }

# beside VARIANT KIND...: those kinds of kernel, if reclaim in this variant is put beside none and beside reclaim as it is in the source.
beside() { [ -z "$(expected "$1" early)" ] || echo "${@:2}"; }

# progress TEXT: on a terminal, one line that the next one takes.
progress() { [ ! -t 2 ] || printf '\r\033[K%s' "$*" >&2; }

# judge KEY VARIANT MMU SEEN HOW: a row, and JSON: whether what was SEEN is what is expected.
judge() {
	local want verdict="as expected"
	want=$(expected "$2" "$1")
	[ -z "$want" ] || [ "$want" = "$4" ] || verdict="NOT $want"
	progress
	printf '%-8s %-17s %-8s %-7s %-12s %s\n' "$1" "$2" "$3" "$4" "$verdict" "$5"
	jq -nc --arg part "$1" --arg variant "$2" --arg setting "$3" --arg seen "$4" --arg expected "$want" --arg how "$5" \
		'{ $part, $variant, $setting, $seen, $expected, $how }' >>"$JUDGED"
}

# kernels: those that the parts take, VARIANT KIND PAGES a line.
kernels() {
	local v part
	for part in measure window race checks; do
		! wanted $part || for v in $(of_part $part); do echo "$v ${part/#measure/counters}"; done
	done
	! wanted kernel || for v in $(of_part kernel); do echo "$v counters 4k"; done
	! wanted measure || [[ $SETTINGS != *4k/* ]] || for v in $(of_part measure); do echo "$v counters 4k"; done
	! wanted reclaim || for v in $(of_part reclaim); do
		for part in $(beside "$v" reclaim-off reclaim-early) reclaim reclaim-checks; do echo "$v $part"; done
	done
}

# build_those WORKTREE: of WORK/kernels those that are built there. One that does not build is said at once, and ends this and, after
# what is being compiled there, the other.
build_those() {
	local v kind pages
	while read -r v kind pages <&3 && [ ! -e "$WORK/not-built" ]; do
		[ "$(lab_worktree "$kind")" != "$1" ] || lab_kernel "$v" "$kind" "$pages" || { : >"$WORK/not-built"; exit 125; }
	done 3<"$WORK/kernels"
}

# A variant after the first is hardly more than make and the link, which leave a CPU idle: so in two worktrees at a time.
build_locked() {
	local worktree all=() pid status=0
	lab_begin
	lab_workloads || exit 125
	kernels | awk '!seen[$0]++' >"$WORK/kernels"
	for worktree in $LAB_WORKTREES; do build_those "$worktree" & all+=($!); done
	for pid in "${all[@]}"; do wait "$pid" || status=$?; done
	return $status
}

# workloads MMU: those of one boot; what an MMU has no huge pages for is not for it.
workloads() {
	local collapses=
	case $1 in
	hash) collapses="collapse 3 30 2;collapse-exit 3 8 2;" ;;
	radix*) collapses="collapse 3 45 4;collapse-exit 3 15 4;" ;;
	esac
	echo "${collapses}munmap 1 2 2000;munmap 3 1 1000;fork 150 16;exec 45;inject munmap 1 1 20${collapses:+;mix 1}"
}

# ill_effect: what is wrong of the boot's results, counters apart: a workload that did not do its work, a group that nobody is in and that pays.
ill_effect() {
	jq -r 'if .failed == 0 then "\(.workload): no allocation failed"
		elif (.charged_kb // 0) != 0 then "\(.workload): \(.charged_kb) KiB still charged"
		elif .count == 0 then "\(.workload): nothing was collapsed" else empty end' "$WORK/boot" | head -n 1
}

# measure_log VARIANT SETTING RUN: where the console of this boot is.
measure_log() { echo "$RESULTS/measure-$1-${2/\//-}-$3.log"; }

# measure_boot VARIANT SETTING RUN [COMMAND...]: one boot of the measurement.
measure_boot() {
	mmu "${2%/*}"
	lab_kernel "$1" counters "$PAGES" || exit 125
	part_boot "${2%/*}" "${2#*/}" 300 "$(measure_log "$1" "$2" "$3")" "$(workloads "${2%/*}")" "${@:4}"
}

# measure_pinned VARIANT SETTING RUN: the same on one CPU of the host.
measure_pinned() { measure_boot "$@" taskset -c "$PIN"; }

# measure_look VARIANT SETTING RUN: contents and counters of this boot are judged here, times later.
measure_look() {
	local log wrong ended
	log=$(measure_log "$@")
	results_of "$log" "$@" >"$WORK/boot"
	ended=$(ended "$log") wrong=$(complaint "$log")
	[ "$ended" = 0 ] || wrong=${wrong:-"the workloads did not come to their end (${ended:-no status}): $(tail -n 1 "$log")"}
	[ -n "$wrong" ] || wrong=$(ill_effect)
	[ -n "$wrong" ] || wrong=$(jq -r 'select(.counters.rcu_queued != .counters.rcu_run or .counters.waiting != 0)
		| "\(.workload): \(.counters.rcu_queued) callbacks queued, \(.counters.rcu_run) run, \(.counters.waiting) waiting"' "$WORK/boot" | head -n 1)
	[ -z "$wrong" ] || { WRONG[$1]=1; judge measure "$1" "$2" wrong "run $3: $wrong"; }
	cat "$WORK/boot" >>"$WORK/measured"
}

# measured_at VARIANT SETTING: whether it is measured there.
measured_at() {
	local cpus
	cpus=$(expected "$1" cpus)
	[ -z "$cpus" ] || [ "$cpus" = "${2#*/}" ]
}

# boots RUN: of one run, VARIANT SETTING a line. Each begins with another variant, and every other one goes backwards, so that none
# always comes behind the same other.
boots() {
	local s k v these
	mapfile -t these < <(of_part measure)
	for s in $SETTINGS; do
		for k in "${!these[@]}"; do
			v=${these[($1 % 2 ? k + $1 : ${#these[@]} * 2 - k + $1) % ${#these[@]}]}
			! measured_at "$v" "$s" || echo "$v $s"
		done
	done
}

# With one CPU, two kernels at a time: both ways then run beside the other.
measure() {
	local run n=0 all v s last=
	declare -gA WRONG=()
	all=$((RUNS * $(boots 1 | wc -l)))
	for ((run = 1; run <= RUNS; run++)); do
		while read -r v s <&3; do
			n=$((n + 1))
			progress "measuring: boot $n of $all: $v $s"
			[ "$s" = "$last" ] || pair_end
			last=$s
			case $s in */1) pair measure_pinned "$v" "$s" "$run" ;; *) measure_boot "$v" "$s" "$run" ;; esac
		done 3< <(boots "$run")
		pair_end
		while read -r v s; do measure_look "$v" "$s" "$run"; done < <(boots "$run")
		[ -t 2 ] || note "measured: run $run of $RUNS"
	done
	for v in $(boots 1 | cut -d' ' -f1 | sort -u); do
		[ -n "${WRONG[$v]-}" ] || judge measure "$v" all right "$((RUNS * $(boots 1 | grep -c "^$v "))) boots: as many callbacks run as queued, contents right"
	done
}

mapfile -t HOST_CPUS < <(taskset -pc $$ | sed 's/.*: //' | tr ',' '\n' | awk -F- '{ for (i = $1; i <= ($2 == "" ? $1 : $2); i++) print i }')
# pair FUNCTION ARGUMENT...: runs it beside one other, PIN the CPU of the host that is for its qemu; when there are two, waits for both.
pair() {
	PIN=${HOST_CPUS[${#PAIR[@]} % ${#HOST_CPUS[@]}]}
	(trap 'end_qemu' EXIT; trap 'exit 143' TERM HUP; "$@") &
	PAIR+=($!)
	[ ${#PAIR[@]} -lt 2 ] || pair_end
}

# pair_end: waits for those that run. The status of one whose kernel or qemu could not be had ends us.
pair_end() {
	local pid status=0
	for pid in "${PAIR[@]}"; do wait "$pid" || status=$?; done
	PAIR=()
	[ $status = 0 ] || exit $status
}

# part_boot: as lab_boot, but for a qemu that could not be started, which ends us.
part_boot() {
	local status=0
	lab_boot "$@" || status=$?
	[ $status != 125 ] || { note "fragments: ${QEMU[0]}: $(tail -n 1 "$4")"; exit 125; }
}

# untimed PART...: these, one after the other, beside others.
untimed() {
	local part
	WORK=$WORK/${1%% *}
	mkdir "$WORK"
	one_thread
	for part; do ! wanted "$part" || "$part"; done
}

# The reader held in the window: five rounds, with both MMUs.
window() {
	local v m log freed kept seen
	for v in $(of_part window); do
		for m in hash radix; do
			log=$RESULTS/window-$v-$m.log
			progress "window: $v $m"
			lab_kernel "$v" window "" || exit 125
			part_boot $m 2 240 "$log" "window 5"
			freed=$(grep -c 'window: closed: .*freed under' "$log" || true) kept=$(grep -c 'window: closed: .*still a page table, its mm has ended' "$log" || true)
			case $freed/$kept in 5/0) seen=freed ;; 0/5) seen=kept ;; *) seen=neither ;; esac
			judge window "$v" "$m/2" "$seen" "freed under the reader $freed times of $((freed + kept))"
		done
	done
}

# race_one VARIANT SECONDS: one race, on one CPU of the host: the row it ends in is written by the parent.
race_one() {
	local t=$SECONDS status=0
	lab_boot hash 4 $(($2 + 180)) "$RESULTS/race-$1.log" "race $2" taskset -c "$PIN" || status=$?
	echo "$status ${ENDED:--} $((SECONDS - t))" >"$WORK/race-$1"
}

race() {
	local v seconds
	for v in $(of_part race); do
		lab_kernel "$v" race "" || exit 125
		seconds=$RACE_LIVES
		[ "$(expected "$v" race)" != dies ] || seconds=$RACE_DIES
		progress "race: $v, up to $seconds s"
		[ -t 2 ] || note "race: $v, up to $seconds s"
		pair race_one "$v" "$seconds"
	done
	pair_end
	for v in $(of_part race); do race_verdict "$v"; done
}

# in_trace FUNCTION LOG: whether it is in the trace of the first oops or complaint of a lock; not in one of a stall, which a busy host has as well.
in_trace() { awk -v f="$1" '/BUG: |Oops/ { on = 1 } on && /end trace|Kernel panic/ { exit } on && index($0, f) { found = 1; exit } END { exit !found }' "$2"; }

# Dies: with the walker's lock in the trace. Lives: to its end, with files that were collapsed.
race_verdict() {
	local log=$RESULTS/race-$1.log status ended took wrong collapsed
	read -r status ended took <"$WORK/race-$1"
	[ "$status" != 125 ] || { note "fragments: ${QEMU[0]}: $(tail -n 1 "$log")"; exit 125; }
	wrong=$(complaint "$log")
	collapsed=$(sed -n 's/.*result workload=race[^ ]* .*count=\([0-9]*\).*/\1/p' "$log")
	if [ -z "$wrong" ] && [ "$ended" = 0 ] && [ "${collapsed:-0}" -gt 0 ]; then
		judge race "$1" hash/4 lives "$collapsed collapses of a file in $(sed -n 's/.*result workload=race[^ ]* ms=\([0-9]*\).*/\1/p' "$log") ms"
	elif in_trace pte_offset_map_lock "$log"; then
		judge race "$1" hash/4 dies "after $took s: $wrong, below pte_offset_map_lock()"
	else
		[ "$ended" != - ] || wrong=${wrong:-"stands still"}
		judge race "$1" hash/4 failed "after $took s: ${wrong:-$(sed -n 's/.*tap: fragments: //p' "$log" | head -n 1)}: see $log"
	fi
}

# Collapses by khugepaged and in a memory control group, of a few tables with the MMU whose huge pages are large.
CHECKED="khugepaged 3 3 2;memcg collapse 3 8 2;inject collapse 3 4 2;memcg mix 2;window 2;race 15"

# What became of the checked workload whose name begins with KEY, in WORK/boot.
checked() {
	jq -r --arg key "$1" 'select(.workload | startswith($key)) | "\(.workload | gsub(","; " ")): \(.count) collapsed"
		+ ", \(.counters.rcu_queued) of \(.counters.pages_freed) pages by RCU"
		+ (if .charged_kb then ", \(.charged_kb) KiB of page tables and \(.kernel_kb) of the kernel charged at the end" else "" end)' "$WORK/boot" | head -n 1
}

# All workloads and the window in the kernel that complains by itself.
checks() {
	local v m log wrong
	for v in $(of_part checks); do
		lab_kernel "$v" checks "" || exit 125
		for m in hash radix; do
			log=$RESULTS/checks-$v-$m.log
			progress "checks: $v $m"
			part_boot $m 2 420 "$log" "$(workloads $m);$CHECKED"
			wrong=$(complaint "$log")
			[ "$ENDED" = 0 ] || wrong=${wrong:-"the workloads did not come to their end"}
			results_of "$log" "$v" "$m/2" 1 >"$WORK/boot"
			[ -n "$wrong" ] || wrong=$(ill_effect)
			judge checks "$v" "$m/2" "$([ -n "$wrong" ] && echo wrong || echo clean)" "${wrong:-"no report; $(checked khugepaged); $(checked memcg,collapse)"}"
		done
	done
}

# The tests of lib/test_vmalloc.c that map, 1024 pages at a time, small and huge.
VMALLOC_TEST="page_poison=1 test_vmalloc.run_test_mask=1033 test_vmalloc.use_huge=1 test_vmalloc.nr_pages=1024 test_vmalloc.nr_threads=8 test_vmalloc.test_loop_count=400"

# Tables of the kernel's own: of small mappings of vmalloc's test, which its huge ones take the place of (radix alone has those;
# and with 64 KiB pages 256 tables would have to go before a page does).
kernel() {
	local v log wrong freed pages queued run seen
	for v in $(of_part kernel); do
		log=$RESULTS/kernel-$v-radix4k.log
		progress "kernel: $v"
		lab_kernel "$v" counters 4k || exit 125
		part_boot radix4k 2 240 "$log" boot -- $VMALLOC_TEST
		wrong=$(complaint "$log")
		[ "$ENDED" = 0 ] || wrong=${wrong:-"the kernel did not come to its end"}
		! grep -aq 'Summary: .* failed: [1-9]' "$log" || wrong=${wrong:-"vmalloc's own test failed"}
		results_of "$log" "$v" radix4k/2 1 >"$WORK/boot"
		read -r freed pages queued run < <(jq -r '.counters | "\(.kernel_freed) \(.pages_freed) \(.rcu_queued) \(.rcu_run)"' "$WORK/boot") || true
		case "$((${freed:-0} > 0 && ${pages:-0} > 0)) ${queued:-0}/${run:-0}" in
		"1 0/0") seen=at-once ;;
		"1 $pages/$pages") seen=by-rcu ;;
		1*) seen=neither ;;
		*) seen=none ;;
		esac
		[ -z "$wrong" ] || seen=wrong
		judge kernel "$v" radix4k/2 "$seen" "${wrong:-"$freed tables of the kernel's own freed, $pages pages, $queued of them by RCU"}"
	done
}

# reclaim_wrong WANT...: what WORK/observed lacks, or has too much.
reclaim_wrong() {
	local want
	grep -m1 '^log=' "$WORK/observed" && return
	for want; do grep -qx "$want" "$WORK/observed" || { echo "$want expected: $(grep "^${want%%=*}=" "$WORK/observed" || echo "not seen")"; return; }; done
}

# tables_figures: of WORK/observed, for people.
tables_figures() {
	awk '{ v[$1] = $2 } END { print "VmPTE " v["vmpte_below"] ", " v["vmpte_at"] ", " v["vmpte_above"] " kB, pages of tables " \
		v["kernel_below"] ", " v["kernel_at"] ", " v["kernel_above"] " kB in chunks below a table, of one, above" }' "$WORK/observed"
}

# reclaim_boot VARIANT MMU KIND PART WANT...: the workload of all architectures in the kernel of KIND, from which that is expected; sets wrong.
reclaim_boot() {
	local part=$4 log=$RESULTS/reclaim-$1-$2-$3-${4%%,*}.log status=0
	progress "reclaim: $1 $2 $3 $part"
	lab_kernel "$1" "$3" "" || exit 125
	pack "$WORK" "$KERNEL/workload"
	lab_qemu "$WORK/initrd" 2 240 "$log" -- "umlab=$part" "pmd_kb=$AREA_KB" || status=$?
	[ $status != 125 ] || { note "fragments: ${QEMU[0]}: $(tail -n 1 "$log")"; exit 125; }
	awk -v part="${part%%,*}" -v pt_reclaim="$([ "$3" = reclaim-off ] && echo n || echo y)" -f "$ROOT/tests/arch/judge.awk" "$log" >"$WORK/observed"
	wrong=$(complaint "$log")
	wrong=${wrong:-$(reclaim_wrong "${@:5}")}
}

# reclaim_workloads VARIANT MMU KIND WORKLOADS: the lab's own; sets wrong, and WORK/boot.
reclaim_workloads() {
	local log=$RESULTS/reclaim-$1-$2-$3-${4%% *}.log
	progress "reclaim: $1 $2 $3 ${4%% *}"
	lab_kernel "$1" "$3" "" || exit 125
	part_boot "$2" 2 240 "$log" "$4"
	wrong=$(complaint "$log")
	[ "$ENDED" = 0 ] || wrong=${wrong:-"the workloads did not come to their end"}
	results_of "$log" "$1" "$2/2" 1 >"$WORK/boot"
}

# reclaim_row VARIANT MMU PART HOW: judged by wrong.
reclaim_row() { judge reclaim "$1" "$2/2" "$([ -n "$wrong" ] && echo wrong || echo clean)" "$3: ${wrong:-$4}"; }

# sum COUNTER: over the workloads of WORK/boot.
sum() { jq -s --arg c "$1" 'map(.counters[$c] // 0) | add // 0' "$WORK/boot"; }

# sparse_row, dontneed_row VARIANT MMU: tables went, and no hash table entry of theirs was left to be invalidated.
sparse_row() {
	[ "$(sum reclaimed)" -gt 0 ] && [ "$(sum pending)" = 0 ] && [ "$(jq -s 'all(.vmpte < .vmpte_full)' "$WORK/boot")" = true ] || wrong=${wrong:-"$(jq -c . "$WORK/boot" | paste -sd' ')"}
	reclaim_row "$1" "$2" sparse "$(jq -rs 'map("in \(.workload | split(",")[1]) rounds VmPTE \(.vmpte_full) -> \(.vmpte) kB, pages of tables \(.tables_full_kb) -> \(.tables_kb) kB") | join("; ")' "$WORK/boot")"
}
dontneed_row() {
	local written
	written=$(jq -s 'map(.written // 0) | add' "$WORK/boot")
	[ "$(sum reclaimed)" -gt 0 ] && [ "$(sum pending)" = 0 ] && [ "$written" -gt 0 ] || wrong=${wrong:-"$(jq -c . "$WORK/boot" | paste -sd' ')"}
	reclaim_row "$1" "$2" dontneed "$(sum reclaimed) tables taken away while another CPU wrote to them, $written times to all of one"
}

# Lazy MMU mode ends late, as in the source: what is left to be invalidated when a table is taken away.
reclaim_early() {
	local wrong pending
	reclaim_workloads "$1" hash reclaim-early "sparse 1 512"
	pending=$(sum pending)
	judge early "$1" hash/2 "$([ -n "$wrong" ] && echo wrong || { [ "$pending" -gt 0 ] && echo pending || echo none; })" "${wrong:-"$pending entries of the hash table still valid when the PMDs of $(sum reclaimed) tables were cleared"}"
}

# PT_RECLAIM over both ways, mended: the workload of all architectures beside the same kernel without it, the fallback where v3
# warned, what one table left of a page costs, and two CPUs at one table in the kernel that complains by itself.
reclaim() {
	local v m part wrong tables
	for v in $(of_part reclaim); do
		[ -z "$(beside "$v" early)" ] || reclaim_early "$v"
		for m in hash radix; do
			mmu $m
			# A few dozen pages of tables.
			[ $m = hash ] && tables=512 || tables=4096
			if [ -n "$(beside "$v" off)" ]; then
				reclaim_boot "$v" $m reclaim-off tables,contents whole=kept contents=right
				reclaim_row "$v" $m "tables without PT_RECLAIM" "$(tables_figures)"
			fi
			reclaim_boot "$v" $m reclaim tables,contents whole=freed contents=right
			reclaim_row "$v" $m tables "$(tables_figures)"
			for part in inject-madvise inject-munmap; do
				reclaim_boot "$v" $m reclaim $part $part=silent
				reclaim_row "$v" $m $part "$(sed -n 's/^failed_[^ ]* //p' "$WORK/observed") allocations failed, no warning"
			done
			reclaim_workloads "$v" $m reclaim "sparse 1 $tables;sparse 4 $tables"
			sparse_row "$v" $m
			reclaim_workloads "$v" $m reclaim-checks "dontneed 20"
			dontneed_row "$v" $m
		done
	done
}

# plot SETTING FIELD WORDS NAME: NAME.svg and .png.
plot() {
	local variants out
	jq -r --arg setting "$1" --arg field "$2" -L "$FRAG_DIR" -f "$FRAG_DIR/plot.jq" "$RESULTS.json" >"$WORK/plot"
	variants=$((($(head -n 1 "$WORK/plot" | tr '\t' '\n' | wc -l) - 1) / 3))
	for out in svg png; do
		gnuplot -e "data='$WORK/plot'; out='$4.$out'; variants=$variants; what='$3 ($1: MMU/CPUs)'" "$FRAG_DIR/plot.gp"
	done
}

# plots: run times, and pages that wait, of the first setting with two CPUs, or the first.
plots() {
	local setting
	setting=$(jq -r '[.measured[].setting] | (map(select(endswith("/2"))) + .)[0] // ""' "$RESULTS.json")
	[ -n "$setting" ] || return 0
	plot "$setting" ms ms "$RESULTS"
	plot "$setting" waiting_peak "pages waiting at a time, the most" "$RESULTS-waiting"
}

# results: RESULTS.json, of this run and, of parts and variants that were not in it, of those before.
results() {
	: >"$WORK/before"
	[ ! -f "$RESULTS.json" ] || cp "$RESULTS.json" "$WORK/before"
	jq -n --arg date "$(date -u +%Y-%m-%dT%H:%MZ)" --arg qemu "$(qemu-system-ppc64 --version | head -n 1)" --arg runs "$RUNS" --arg parts "$PARTS" --arg variants "${WANTED[*]}" \
		--slurpfile before "$WORK/before" --slurpfile judged "$JUDGED" --slurpfile measured "$WORK/measured" -f "$FRAG_DIR/results.jq" >"$RESULTS.json.tmp" &&
		mv "$RESULTS.json.tmp" "$RESULTS.json"
	jq -r -L "$FRAG_DIR" -f "$FRAG_DIR/table.jq" "$RESULTS.json" >"$WORK/tables"
}

# not_documented: why there is no document of these results.
not_documented() {
	jq -r --arg all "$ALL_PARTS" '([.judged[].part] | unique) as $there | [.judged[] | select(.expected != "" and .seen != .expected)] as $wrong
		| if ($wrong | length) > 0 then "\($wrong[0] | "\(.part) \(.variant)") is not as expected" else ($all | split(" ") - $there)[0] // empty | "\(.) was not run yet" end' "$RESULTS.json"
}

# document: docs/powerpc-fragments.md and its plots.
document() {
	local why said=$BUILD/results/fragments/gdb-
	why=$(not_documented)
	[ -z "$why" ] || { note "fragments: docs/powerpc-fragments.md: not written: $why"; return; }
	jq -r --rawfile tables "$WORK/tables" --arg kernel "$(sed -n 's/^kernelrelease=//p' "$FRAG_BUILD"/*/umlab.info | head -n 1)" \
		--arg merged "$(cat "${said}merged.txt" 2>/dev/null)" --arg mended "$(cat "${said}merged-fixed.txt" 2>/dev/null)" -L "$FRAG_DIR" -f "$FRAG_DIR/document.jq" "$RESULTS.json" >"$WORK/document"
	cp "$WORK/document" "$ROOT/docs/powerpc-fragments.md"
	cp "$RESULTS.svg" "$ROOT/docs/powerpc-fragments.svg"
	cp "$RESULTS-waiting.svg" "$ROOT/docs/powerpc-fragments-waiting.svg"
}

[ -n "$(for part in $PARTS; do of_part $part; done)" ] || usage "${WANTED[*]}: nothing to do in --parts '$PARTS': see expect.txt"
watch
mkdir -p "$RESULTS"
lock "$RESULTS/.lock" "the lab of page table fragments is in use"
"$ROOT/tools/deps.sh" with $SUITE_PACKAGES gnuplot-nox && arch_packages || exit 125
WORK=$(mktemp -d)
JUDGED=$WORK/judged
: >"$JUDGED"
: >"$WORK/measured"
until_signalled build_locked || exit
[ -z "$BUILD_ONLY" ] || exit 0
pair untimed window checks kernel
pair untimed reclaim
pair_end
for part in measure race; do ! wanted $part || $part; done
results
! wanted measure || cat "$WORK/tables"
plots
[ -z "$DOCS" ] || document
jq -se 'all(.expected == "" or .seen == .expected)' "$JUDGED" >/dev/null
