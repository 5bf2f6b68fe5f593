#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: pt-ps, pt-bt and pt-frame show what /proc says of tasks that wait; at gdb's prompt, in the TUI, over MI.
# timeout: 1200
set -u
. "$(dirname "$0")/gdb-lib.sh"

program=$top/build/tests/gdb/tasks
gdb_suite tasks series/2 +rest -- "$program" /share/facts

# front_end INTERFACE [COMMAND...]: the command line of a gdb with that interface, at the scenario's mark, $read
# being the pid of a task; it runs those commands, then those of stdin.
front_end()
{
	local arg args=(-nx "$1" -ex "set pagination off" -ex "set confirm off" -x "$top/gdb-scripts/umlab.py"
		-ex "break do_madvise if behavior == 4711" -ex run
		-ex "python import umlab.sched; gdb.set_convenience_variable('read', next(int(t['pid']) for t in umlab.sched.tasks() if umlab.sched.comm(t) == 't-read'))")

	shift
	for arg; do args+=(-ex "$arg"); done
	printf '%q ' timeout 100 "$umrun" --kernel "$top/build/points/series/debug/linux" --log "$dir/log" --share "$dir/share" \
		--gdb "${args[@]/#/--gdb-arg=}" -- "$program" /share/facts
}

if [ ! -f "$top/build/points/series/debug/umlab.info" ]; then
	skip "over MI and in the TUI" "no such kernel yet: make kernel P=series F=debug"
	finish
fi

mi=$(eval "$(front_end -i=mi2)" 2>&1 <<'COMMANDS'
1-interpreter-exec console "pt-ps"
2-interpreter-exec console "pt-bt $read"
3-interpreter-exec console "pt-bt 31000"
4-interpreter-exec console "pt-frame $read"
5-stack-list-variables --simple-values
6-interpreter-exec console "pt-frame off"
7-stack-info-frame
8-interpreter-exec console "print init_task.tasks"
9-gdb-exit
COMMANDS
)
like "$mi" '^~".* S sleeping .* t-read .*pipe_read +read\(77, ' "MI: pt-ps is on the console stream"
like "$mi" '^1\^done' "... and done"
like "$mi" '^~"#1 +switch_threads\(' "... pt-bt as well"
like "$mi" '^2\^done' "... and done"
like "$mi" '^3\^error,msg="pt-bt: task: 31000: none: ' "... an error is MI's"
like "$mi" '^4\^done' "... pt-frame selects"
like "$mi" '^5\^done,variables=.*name="total_len",type="[a-z_]*",value="4321"' "... a frame whose variables MI lists"
like "$mi" '^7\^done,frame=\{level="0",.*func="do_madvise"' "... pt-frame off goes back"
like "$mi" '^~"\$[0-9]+ = [0-9]+ entries' "... the pretty-printers print"
like "$mi" '^9\^exit' "... to its end"

whole "in the TUI" || { finish; exit; }

# What is typed ahead gdb reads at its prompt; the fifo has no end, which script would pass on as a Ctrl-D.
mkfifo "$dir/typed"
exec 3<>"$dir/typed"
# shellcheck disable=SC2016 # gdb's $read
printf '%s\n' pt-ps 'pt-frame $read' 'pt-frame off' kill quit >&3
tui=$(TERM=xterm script -qec "stty rows 50 cols 200; $(front_end -tui)" /dev/null <&3 2>&1 |
	tr -d '\r' | sed -E 's/\x1b(\[[0-9;?]*[a-zA-Z]|[()].)/\n/g' | grep .....)
exec 3>&-
like "$tui" ' t-read' "TUI: pt-ps prints"
like "$tui" '^=> .*wait_event_interruptible' "... and pt-frame"
like "$tui" '^fs/pipe\.c' "... which the source window follows"
like "$tui" 'killed' "... to its end"
finish
