# SPDX-License-Identifier: GPL-2.0
# What the gdb-*.sh suites share: they run a suite of tests/gdb inside gdb, in each
# debug kernel and with each number of CPUs that was asked for.
. "$(dirname "$0")/umrun-lib.sh"

gdb_suites=$top/tests/gdb
scenario=$top/build/tests/gdb/scenario
# make check-all has kernels of flavour sanitize tried as well.
gdb_flavours=${UMLAB_GDB_FLAVOURS:-debug}
mkdir "$dir/share"
export UMLAB_FACTS=$dir/share/facts UMLAB_SCRIPTS=$top/gdb-scripts

# gdb_suite NAME [+]POINT/CPUS... [-- PROGRAM ARG...]: tests/gdb/NAME.py in those kernels,
# each with the scenario under it, or that program. Those with a + are for make check-all;
# +rest: all that are not named.
gdb_suite()
{
	local name=$1 where flavour places=()

	shift
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		if [ "$1" = +rest ] && [ -n "${UMLAB_ALL:-}" ]; then
			for where in {base,series,fixed}/{1,2}; do
				[[ " ${places[*]} " == *" $where "* ]] || places+=("$where")
			done
		elif [[ $1 != +* || -n ${UMLAB_ALL:-} ]]; then
			places+=("${1#+}")
		fi
		shift
	done
	[ $# -eq 0 ] && set -- -- "$scenario" /share/facts
	shift
	for where in "${places[@]}"; do
		for flavour in $gdb_flavours; do
			gdb_suite_in "$name" "${where%/*}" "$flavour" "${where#*/}" "$@"
		done
	done
}

# gdb_suite_in NAME POINT FLAVOUR CPUS PROGRAM ARG...: in one kernel; its tests are counted with ours.
gdb_suite_in()
{
	local name=$1 at="$2/$3/$4" kernel=$top/build/points/$2/$3/linux cpus=$4 status line seen= limit=${GDB_LIMIT:-120}

	if [ ! -f "${kernel%/*}/umlab.info" ]; then
		skip "$at: $name" "no such kernel yet: make kernel P=$2 F=$3"
		return
	fi
	# A kernel that checks itself is five times as slow.
	[ "$3" != sanitize ] || limit=$((5 * limit))
	shift 4
	timeout "$limit" "$umrun" --kernel "$kernel" --cpus "$cpus" --log "$dir/log" --share "$dir/share" \
		--gdb --gdb-arg=-nx --gdb-arg=-batch --gdb-arg=-x "--gdb-arg=$gdb_suites/$name.py" \
		-- "$@" >"$dir/out" 2>"$dir/err" </dev/null
	status=$?
	while IFS= read -r line; do
		case $line in
		"ok "*|"not ok "*)
			seen=1
			[[ $line == ok* ]]; ok $? "$at: ${line#*- }" ;;
		"# "*) printf '%s\n' "$line" ;;
		"Bail out!"*) ok 1 "$at: $name" "$line" ;;
		esac
	done <"$dir/out"
	# A suite that dies in the middle has no plan.
	grep -q '^1\.\.' "$dir/out" && [ -n "$seen" ]
	ok $? "$at: $name: came to its end" "exit status $status; stderr: $(tail -n 5 "$dir/err"); stdout: $(tail -n 5 "$dir/out")"
}
