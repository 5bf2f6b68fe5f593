# SPDX-License-Identifier: GPL-2.0
# Children that end when we are told to end. Sourced by lib.sh.

# Ends a child even when we are killed without a chance to do so. Only where there is setpriv
# (util-linux): without it such a child works on, and whoever comes next waits for it.
DIE_WITH_US=()
! setpriv --pdeathsig TERM true 2>/dev/null || DIE_WITH_US=(setpriv --pdeathsig TERM)

# watch [PID]: from now on, a signal to ourselves when the make that called us is gone: that ends the shell of a recipe, if it can
# do as much, but not what that shell waits for. And one to our child PID and all below it, when we are.
watch() {
	look_on "$@" &
	WATCHER=$!
}
look_on() {
	trap - EXIT INT TERM HUP
	exec >/dev/null 2>&1
	let_go_of_all
	while sleep 1; do
		kill -0 $$ || { [ $# = 0 ] || kill -TERM "$1" $(descendants "$1"); return; }
		[ -z "${UMLAB_MAKE-}" ] || kill -0 "$UMLAB_MAKE" || { kill -TERM $$; return; }
	done
}

# let_go_of_all: for a helper process: it closes what it has inherited, but for the standard streams. Among that are locks, also of who
# has called us, which a helper's sleep would hold for a second more.
let_go_of_all() {
	local fd
	for fd in /proc/$BASHPID/fd/*; do
		fd=${fd##*/}
		[ "$fd" -le 2 ] || [ "$fd" = 255 ] || exec {fd}>&-
	done
}

# stop_helper NAME: ends the helper process, if there is one, whose pid is in the variable NAME, and empties that.
stop_helper() {
	[ -n "${!1-}" ] || return 0
	kill "${!1}" 2>/dev/null || true # its sleep ends within a second
	wait "${!1}" 2>/dev/null || true
	printf -v "$1" ''
}

# stop_watching: the end of watch.
stop_watching() { stop_helper WATCHER; }

# until_signalled COMMAND...: runs it in a process of its own, which a signal to us ends too, with all below it, and then us.
# Returns its status. A function's set -e holds unless we are called in a condition.
until_signalled() {
	local pid status=0 traps watcher=${WATCHER-}
	traps=$(trap -p INT TERM HUP)
	UMLAB_BELOW=1 "$@" &
	pid=$!
	watch $pid
	trap 'end_with $pid 130' INT
	trap 'end_with $pid 143' TERM HUP
	wait $pid || status=$?
	trap - INT TERM HUP
	eval "$traps"
	stop_watching
	WATCHER=$watcher
	return $status
}

# end_with PID STATUS: ends our child PID and all below it, who watches, and then ourselves. A shell that is told to end leaves what it waits for
# to itself, so each is told.
end_with() {
	local all i
	trap '' INT TERM HUP
	all="$1 $(descendants "$1") ${WATCHER:+$WATCHER $(descendants "$WATCHER")}"
	kill -TERM $all 2>/dev/null || true
	for ((i = 0; i < 100; i++)); do
		# Any that is no zombie.
		grep -qs '^State:[[:space:]]*[^ZX]' $(printf '/proc/%s/status ' $all) || break
		sleep 0.1
	done
	kill -KILL $all 2>/dev/null || true
	wait "$1" || true
	[ -n "${UMLAB_BELOW-}" ] || note "interrupted: the next run goes on from here"
	exit "$2"
}

# descendants PID: all processes below it.
descendants() {
	{ grep -H '^PPid:' /proc/[0-9]*/status 2>/dev/null || true; } | awk -F '[/:[:space:]]+' -v top="$1" '
		{ parent[$3] = $NF }
		END { for (p in parent) { for (q = parent[p]; q > 1 && q != top; q = parent[q]) ; if (q == top) print p } }'
}
