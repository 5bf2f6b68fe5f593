# SPDX-License-Identifier: GPL-2.0
# make and ninja, watched: a log and progress. Sourced after lib.sh.
#
# Uses MAKE_ARGS, what every make of this kernel is called with, LOG, the file that its words go to, and T0,
# when the build began (a value of $SECONDS).

# use_ccache: how ccache knows an object again, wherever build/ is: by the list of what was included. To preprocess first costs
# a fifth of a build, and where that would find what the list does not, after a change of the configuration, a
# neighbour's objects are better (neighbour.sh). It must look at the times of headers: one that is saved meanwhile is none
# of this object's. bin/ccache stands before it.
use_ccache() {
	export PATH=$UML_DIR/bin:$PATH
	export CCACHE_BASEDIR=$BUILD CCACHE_NOHASHDIR=1 CCACHE_DEPEND=1
	export CCACHE_SLOPPINESS=time_macros
}

# what_failed: of a log of make's, the words of the compiler or the linker as they are; else the last ones before make's.
what_failed() {
	awk 'function flush() { if (bad) { printf "%s", block; found = 1 } block = ""; bad = shown = 0 }
		/^make(\[[0-9]+\])?: \*\*\*/ { exit }
		/^  [A-Z]+ +[^ ]/ { flush(); next }
		/[Ee]rror: |: (undefined reference to|multiple definition of) |^ERROR: / { bad = shown = 1 }
		/^In file included from|: [Ii]n function |Assembler messages:$/ { shown = 1 }
		shown { block = block $0 "\n" }
		END { flush(); exit !found }' "$LOG" || awk '{ print } /^make(\[[0-9]+\])?: \*\*\*/ { exit }' "$LOG" | tail -n 10
}

# run_make ARG...: make with MAKE_ARGS; dies with the first error in its words.
run_make() {
	until_signalled exec_make "$@" && return
	what_failed >&2
	die "make $*: failed: the whole log is $LOG"
}
exec_make() { exec "${DIE_WITH_US[@]}" make "${MAKE_ARGS[@]}" "$@" >>"$LOG" 2>&1; }

# count_steps: what the log tells of.
count_steps() { grep -c '^  \(CC\|AS\|AR\|LD\) ' "$LOG" || true; }

# note_steps FILE: how many a whole build has, for the next one's meter; after a build of a few files, nothing.
note_steps() { [ "$(grep -c '^  CC ' "$LOG")" -lt 300 ] || count_steps >"$1"; }

# start_meter WHAT FILE TOTAL: says how far WHAT is, until stop_meter or the script's end, which then does ON_EXIT, too: on a terminal in
# one line that renews itself, else in a line every 20 s. The number of steps is that of the last build, in FILE, or TOTAL; after
# a beginning with a neighbour's objects (BEGAN_WITH, neighbour.sh) nobody knows.
start_meter() {
	trap "stop_meter; ${ON_EXIT:-:}" EXIT
	meter "$@" &
	METER=$!
}

meter() {
	local total n t eta step=20 i=0
	trap - EXIT
	let_go_of_all
	total=
	[ -n "${BEGAN_WITH-}" ] || total=$(cat "$2" 2>/dev/null || echo "$3")
	[ -t 2 ] && step=1
	while sleep 1 && kill -0 $$ 2>/dev/null; do
		i=$((i + 1))
		[ $((i % step)) = 0 ] || continue
		n=$(count_steps)
		t=$(elapsed "$T0") eta=
		[ -z "$total" ] || [ "$n" -lt 20 ] || [ "$n" -ge "$total" ] || eta=", about $((t * (total - n) / n)) s to go"
		if [ -t 2 ]; then printf '\r\033[K%s: %s steps, %s s%s' "$1" "$n${total:+ of $total}" "$t" "$eta" >&2
		else note "$1: $n${total:+ of $total} steps, $t s$eta"; fi
	done
}

# stop_meter: ends meter and clears its line.
stop_meter() {
	[ -n "${METER-}" ] || return 0
	stop_helper METER
	[ ! -t 2 ] || printf '\r\033[K' >&2
}
