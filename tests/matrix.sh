#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Points x flavours x modes x seeds as independent jobs, here or on many hosts: GNU parallel runs them. `make matrix`
# calls it; the environment says what (see docs/loop.md):
#
#   POINTS, FLAVOURS, MODES   lists; default: base series fixed, fast, ptrace/1 seccomp/1 seccomp/2
#   SEEDS                     of the random test; each is a job of its own. default: 1 2
#   WORKERS                   jobs at once on a host (default: one for each of its CPUs)
#   HOSTS                     names for ssh, with commas, as parallel's --sshlogin takes them; default: this machine
#   T                         only the tests with that name
#
# usage: matrix.sh              builds the kernels, runs all jobs, prints a table; status 0 if all passed
#        matrix.sh list         prints the jobs, one a line
#        matrix.sh job POINT FLAVOUR MODE SEED RESULT
#                               runs one, in a folder that is laid out as this project; the totals go to RESULT
set -u -o pipefail

top=$(cd "$(dirname "$0")/.." && pwd) || exit 2
cd "$top" || exit 2
[ -n "${POINTS:-}" ] || POINTS="base series fixed"
[ -n "${FLAVOURS:-}" ] || FLAVOURS=fast
[ -n "${MODES:-}" ] || MODES="ptrace/1 seccomp/1 seccomp/2"
[ -n "${SEEDS:-}" ] || SEEDS="1 2"
out=build/matrix results=build/results/matrix

# A seed of - means all suites but the random test.
list()
{
	local point flavour mode seed

	for flavour in $FLAVOURS; do
		for point in $POINTS; do
			for mode in $MODES; do
				for seed in - $SEEDS; do
					[ -n "${T:-}" ] && [ "$seed" != - ] || echo "$point $flavour $mode $seed"
				done
			done
		done
	done
}

job()
{
	local dir=build/points/$1/$2 own=build/matrix/$BASHPID args=() status

	mkdir -p "$own/guest"
	if [ "$4" = - ]; then
		ln -s "$top"/build/tests/guest/* "$own/guest"
		rm -rf "$own"/guest/{random,obj}
		[ -z "${T:-}" ] || args=(--test "$T")
	else
		ln -s "$top/build/tests/guest/random" "$own/guest"
		export SEED=$4
	fi
	tests/run --jobs 1 --host build/none --guest "$own/guest" --results "$own/results" --modes "$3" "${args[@]}" "$1=$dir" > "$own/out" 2>&1
	status=$?
	{ echo "$1 $2 $3 $4: $(tail -n 1 "$own/out")"; grep -A20 -E '^(FAIL|ERROR) ' "$own/out"; } > "$5"
	rm -rf "$own"
	return $status
}

# bundle: prints the path of an archive of all that a job takes, named by what is in it.
bundle()
{
	local file flavour point files=(tests build/umrun build/rootfs build/rootfs.cpio build/changed)

	for flavour in $FLAVOURS; do
		for point in $POINTS; do
			files+=("build/points/$point/$flavour/linux" "build/points/$point/$flavour/umlab.info")
		done
	done
	for file in build/tests/guest/*; do
		[ -d "$file" ] || files+=("$file")
	done
	rm -f "$out"/bundle-*
	tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --hard-dereference -chf "$out/bundle" "${files[@]}" || exit 1
	file=bundle-$(sha256sum < "$out/bundle" | cut -c1-12)
	mv "$out/bundle" "$out/$file"
	echo "$file"
}

# run_here, run_there: the jobs of stdin by parallel; a log of it in $out/log, each job's result in $results/N.
run_here()
{
	parallel --will-cite ${WORKERS:+-j "$WORKERS"} --joblog "$out/log" --colsep ' ' tests/matrix.sh job '{1}' '{2}' '{3}' '{4}' "$results/{#}"
}

run_there()
{
	local file=$1 there=umlab-$1 n

	# shellcheck disable=SC2016 # for the other host's shell
	parallel --will-cite ${WORKERS:+-j "$WORKERS"} --joblog "$out/log" --colsep ' ' --sshlogin "$HOSTS" --env T --workdir "$there" \
		--basefile "$out/./$file" --return 'result-{#}' --cleanup \
		'flock lock sh -c "[ -e unpacked ] || { tar -xf '"$file"' && touch unpacked; }" && tests/matrix.sh job {1} {2} {3} {4} "$PWD"/result-{#}'
	local status=$?
	for n in $(seq "$(wc -l < "$out/jobs")"); do
		[ ! -f "result-$n" ] || mv "result-$n" "$results/$n"
	done
	parallel --will-cite --nonall --sshlogin "$HOSTS" "rm -rf $there" < /dev/null
	return $status
}

run()
{
	local point flavour n=0 bad=0 line jobs lock

	mkdir -p build
	exec {lock}> build/matrix.lock
	flock -n "$lock" || { echo "matrix: build/matrix: another run is under way here: wait for its end" >&2; exit 1; }
	for flavour in $FLAVOURS; do
		for point in $POINTS; do
			uml/kernel.sh "$point" "$flavour" > /dev/null || exit 1
		done
	done
	rm -rf "$out" "$results"
	mkdir -p "$out" "$results"
	list > "$out/jobs"
	jobs=$(wc -l < "$out/jobs")
	echo "matrix: $jobs jobs${HOSTS:+ on $HOSTS}" >&2
	trap 'rm -rf "$out"/[0-9]*' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	if [ -n "${HOSTS:-}" ]; then run_there "$(bundle)"; else run_here; fi < "$out/jobs"
	while IFS= read -r line; do
		n=$((n + 1))
		if [ -s "$results/$n" ]; then cat "$results/$n"; else echo "$line: ERROR: the job left no result: see $out/log"; fi
		grep -qE '^[^:]*: 100%: ' "$results/$n" 2> /dev/null || bad=$((bad + 1))
	done < "$out/jobs"
	echo "$((n - bad)) passed, $bad failed"
	[ "$bad" -eq 0 ] && [ "$n" -gt 0 ]
}

case ${1:-run} in
list) list ;;
job) shift; job "$@" ;;
run) run ;;
*) echo "matrix: $1: unknown: see the top of tests/matrix.sh" >&2; exit 2 ;;
esac
