# SPDX-License-Identifier: GPL-2.0
# What the umrun-*.sh suites share: a kernel, a folder of their own, and a way to run.
here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$(dirname "$here")")
. "$here/../tap.sh"

umrun=$top/build/umrun

# first_kernel FLAVOUR [POINT...]: prints the first kernel of that flavour that is built, at those points.
first_kernel()
{
	local flavour=$1 point
	shift
	[ $# -gt 0 ] || set -- fixed series base work
	for point; do
		[ -f "$top/build/points/$point/$flavour/umlab.info" ] || continue
		echo "$top/build/points/$point/$flavour/linux"
		return
	done
}

kernel=$(first_kernel fast)
if [ -z "$kernel" ] || [ ! -x "$umrun" ]; then
	echo "1..0 # SKIP no kernel or no build/umrun yet: make tools kernel"
	exit 0
fi

dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT

# run ARG...: umrun with the suite's kernel; sets STATUS, OUT and ERR.
run()
{
	"$umrun" --kernel "$kernel" --log "$dir/log" "$@" >"$dir/out" 2>"$dir/err" </dev/null
	STATUS=$?
	OUT=$(cat "$dir/out")
	ERR=$(cat "$dir/err")
}

# status WANT NAME: the last run ended so.
status()
{
	[ "$STATUS" = "$1" ]
	ok $? "$2" "exit status $STATUS, expected $1; stderr: $ERR"
}

# whole NAME: whether all is to be tried; if not, NAME is skipped, and says so.
whole()
{
	[ -n "${UMLAB_ALL:-}" ] && return
	skip "$1" "make check-all and make check T=$(basename "$0" .sh) run it"
	return 1
}

# start ARG...: umrun in the background, the same otherwise; sets PID.
start()
{
	# Now: the shell in the background opens it later, and until_said() would find what the last program said.
	: >"$dir/out"
	"$umrun" --kernel "$kernel" --log "$dir/log" "$@" >"$dir/out" 2>"$dir/err" </dev/null &
	PID=$!
}

# until_said TEXT: waits, 20 s at most, until the program of start() has printed it: on a busy machine it takes its time.
until_said()
{
	local i

	for ((i = 0; i < 200; i++)); do
		! grep -q -e "$1" "$dir/out" || return 0
		sleep 0.1
	done
}

# family PID: every process that it started, directly or not, as "pid starttime". Read by cat: awk
# gives up at the first file of a process that has ended meanwhile.
family()
{
	cat /proc/[0-9]*/stat 2>/dev/null |
		awk -v top="$1" '
			{ pid = $1; sub(/^[0-9]+ \(.*\) /, ""); parent[pid] = $2; born[pid] = $20 }
			END {
				for (pid in parent) {
					for (p = pid; p in parent && p != top; p = parent[p]) ;
					if (p == top && pid != top) print pid, born[pid]
				}
			}'
}

# gone FAMILY NAME: within two seconds none of those processes is there. One that has ended and
# that PID 1 of this machine has not buried yet is none.
gone()
{
	local deadline=$((SECONDS + 3)) pid born alive
	while :; do
		alive=
		while read -r pid born; do
			[ -n "$pid" ] && [ "$(awk '{ sub(/^[0-9]+ \(.*\) /, ""); if ($1 != "Z") print $20 }' "/proc/$pid/stat" 2>/dev/null)" = "$born" ] &&
				alive="$alive $pid"
		done <<<"$1"
		{ [ -z "$alive" ] || [ $SECONDS -ge $deadline ]; } && break
		sleep 0.1
	done
	[ -z "$alive" ]
	ok $? "$2" "still there: $(ps -o pid,args -p "${alive# }" 2>&1)"
}

# hang_up NAME MARK COMMAND: the command on a terminal that is closed once MARK is there; no process of it is left.
hang_up()
{
	local i kin
	: >"$dir/screen"
	script -qfec "$3" /dev/null >"$dir/screen" </dev/null &
	for ((i = 0; i < 400; i++)); do
		grep -q "$2" "$dir/screen" && break
		sleep 0.1
	done
	kin=$(family $!)
	kill -KILL $!
	wait $! 2>/dev/null
	[ "$i" -lt 400 ] && [ "$(wc -l <<<"$kin")" -ge 4 ]
	ok $? "$1: gdb and the kernel were there" "$kin
on the terminal: $(tail -n 5 "$dir/screen")"
	gone "$kin" "... and are gone"
}

# json KEY: a value of the last --result $dir/result, as it is written there.
json()
{
	sed -nE "s/^ *\"$1\": (.*[^,]),?\$/\1/p" "$dir/result" | head -n 1
}
