#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# `make demo`: builds the kernels before and after the series, runs the cover
# letter's workload in both, and stops gdb where a PTE table is taken out and
# where RCU frees it. Results: build/results/demo.json.
#
#   FULL=1    the 50 GiB case touches every page (about half an hour)
#   AGAIN=1   measures again where nothing has changed since the last time
# Exit status: 0 everything was seen; 1 not, the reason is the last line.
set -eu
cd "$(dirname "$0")/.."

results=build/results
measured=$results/measured	# one file a measurement, named after what it was made with
workload=build/tests/guest/ptworkload
began=$SECONDS
steps=()			# "seconds title" of each
step_began=0

# Ends the guest when we are killed without a chance to do so.
die_with_us=(setpriv --pdeathsig TERM)

fail() { echo "demo: $1: $2: $3" >&2; exit 1; }

# Titles a step; the time of the one before is kept.
step() {
	step_end
	title=$1 step_began=$SECONDS
	if [ -t 1 ]; then printf '\n\e[1m[%d/7] %s\e[0m\n' $((${#steps[@]} + 1)) "$title"
	else printf '\n[%d/7] %s\n' $((${#steps[@]} + 1)) "$title"; fi
}

step_end() {
	[ -z "${title-}" ] || steps+=("$((SECONDS - step_began)) $title")
}

kernel() {
	uml/kernel.sh "$1" "$2" | tail -n 1
}

# Everything that a measurement depends on.
fingerprint() {
	{ cat "$1/umlab.info" "$workload" build/umrun build/rootfs.cpio; echo "$2"; } | sha256sum | cut -c1-16
}

# measure POINT O=DIR NAME ARG...: the workload's JSON is in $measured/$POINT-$NAME.json then.
measure() {
	local point=$1 dir=$2 name=$3 file key ticker=
	shift 3
	file=$measured/$point-$name.json
	key=$(fingerprint "$dir" "$*")
	if [ -z "${AGAIN-}" ] && [ "$(cat "$file.key" 2>/dev/null)" = "$key" ]; then
		echo "  $point: measured $(date -r "$file" '+%F %H:%M'), nothing has changed since (AGAIN=1 measures again)"
		return
	fi
	echo "  $point: $*"
	if [ -t 2 ]; then
		{ s=0; while sleep 1 && kill -0 $$ 2>/dev/null; do s=$((s + 1)); printf '\r  running for %d s' $s; done; } >&2 &
		ticker=$!
	fi
	rm -f "$file.key"
	# One CPU, in UML's seccomp mode: about twice as fast as its ptrace mode.
	"${die_with_us[@]}" build/umrun --kernel "$dir/linux" --append seccomp=on --timeout 0 --result "$file.run" \
		-- "$workload" "$@" --json >"$file.new" || {
		[ -z "$ticker" ] || kill $ticker
		fail "$point" "$*" "the run failed, see above"
	}
	if [ -n "$ticker" ]; then kill $ticker; wait $ticker 2>/dev/null || true; printf '\r\e[K' >&2; fi
	mv "$file.new" "$file"
	echo "$key" >"$file.key"
}

# number FILE GROUP KEY: one number of the workload's JSON.
number() {
	tr -d '\n' <"$1" | sed -nE "s/.*\"$2\": \{[^}]*\"$3\": ([0-9]+).*/\1/p"
}

seconds() {
	tr -d '\n' <"$1" | sed -nE 's/.*"run_s": ([0-9.]+).*/\1/p'
}

row() {
	local name=$1 key=$2 base=$3 series=$4
	printf '  %-20s %9s %9s %9s   %9s %9s %9s\n' "$name" \
		"$(number "$base" "$key" before)" "$(number "$base" "$key" peak)" "$(number "$base" "$key" "$5")" \
		"$(number "$series" "$key" before)" "$(number "$series" "$key" peak)" "$(number "$series" "$key" "$5")"
}

table() {
	local text=$1 base=$measured/base-$2.json series=$measured/series-$2.json
	printf '\n  %s\n' "$text"
	printf '  %-20s %29s   %29s\n' "" "base: before the series" "series: all eight patches"
	printf '  %-20s %9s %9s %9s   %9s %9s %9s\n' "kB" before peak after before peak after
	row VmPTE vmpte_kb "$base" "$series" after
	row nr_page_table_pages page_tables_kb "$base" "$series" settled
	printf '  %-20s %29s   %29s\n' "time" "$(seconds "$base") s" "$(seconds "$series") s"
}

# The claim of the series, checked and not only shown.
check_claim() {
	local base series
	base=$(number "$measured/base-sparse.json" vmpte_kb after)
	series=$(number "$measured/series-sparse.json" vmpte_kb after)
	[ "$base" -gt 100000 ] || fail base "VmPTE $base kB after" "more than 100000 kB were expected without the series"
	[ "$series" -lt 300 ] || fail series "VmPTE $series kB after" "less than 300 kB were expected with the series"
}

write_json() {
	local file=$results/demo.json i sep=
	{
		printf '{"date": "%s", "author_vmpte_kb": {"before": 102640, "after": 240},\n' "$(date -u +%FT%TZ)"
		for case in dense sparse; do
			printf ' "%s": {"base": %s,\n  "series": %s},\n' "$case" \
				"$(cat "$measured/base-$case.json")" "$(cat "$measured/series-$case.json")"
		done
		printf ' "gdb": %s, "steps": [' "$(cat "$results/demo-gdb.json")"
		for i in "${steps[@]}"; do
			printf '%s\n  {"seconds": %d, "step": "%s"}' "$sep" "${i%% *}" "${i#* }"
			sep=,
		done
		printf ']}\n'
	} >"$file.new"
	mv "$file.new" "$file"
}

gdb_session() {
	UMLAB_DEMO_JSON=$results/demo-gdb.json "${die_with_us[@]}" build/umrun --kernel "$1/linux" --gdb \
		--gdb-arg=-nx --gdb-arg=-batch --gdb-arg=-x --gdb-arg=gdb-scripts/demo.py \
		-- "$workload" --size 64M --stride 2M
}

mkdir -p "$measured"

step "Packages and tools"
tools/deps.sh
make --no-print-directory -s tools "$workload"

step "The kernel source"
uml/tree.sh

step "The kernels: base (before the series) and series"
base=$(kernel base fast)
series=$(kernel series fast)

sparse=(--size 50G --chunk 2M --touch 2M)
text="50 GiB, one page per 2 MiB touched, MADV_DONTNEED 2 MiB at a time"
[ -z "${FULL-}" ] || { sparse=(--size 50G --chunk 2M --touch all); text="50 GiB, every page touched, MADV_DONTNEED 2 MiB at a time"; }

step "The workload, the same static program in both kernels"
for point in base series; do
	measure $point "${!point}" dense --size 1G --chunk 2M --touch all
	measure $point "${!point}" sparse "${sparse[@]}"
done

step "What the page tables cost"
table "1 GiB, every page touched, MADV_DONTNEED 2 MiB at a time" dense
table "$text" sparse
printf '\n  The author'\''s own figures for 50 GiB: VmPTE 102640 kB before the series, 240 kB with it.\n'
check_claim

step "The debug kernel"
debug=$(kernel series debug)

step "gdb: one PTE table, from its PMD to the end"
gdb_session "$debug" || fail gdb "the session" "did not see all of it, see above"
step_end

write_json
printf '\n  %6s  step\n' seconds
for i in "${steps[@]}"; do printf '  %6d  %s\n' "${i%% *}" "${i#* }"; done
printf '  %6d  in all; the results are in %s/demo.json\n\n' $((SECONDS - began)) "$results"
cat <<'END'
Next:  make gdb      gdb with the kernel under it, stopping at the code that you just saw
       make shell    a shell in the guest
       make check    the tests
END
