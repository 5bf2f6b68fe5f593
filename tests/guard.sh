# SPDX-License-Identifier: GPL-2.0
# What a script has started ends with it: sourced by those that run guests.

# end_with_us TARGET: ends that process (PID), or that process group (-PID), when this script ($$) is
# gone, which kill -9 gives it no chance to do itself. In the background, with its output closed; kill it
# when the target has ended.
end_with_us()
{
	tail --pid=$$ -s 0.5 -f /dev/null &
	trap 'kill $!; exit' TERM
	wait
	kill -TERM -- "$1"
}

# wait_for CHILD TARGET: waits for our child CHILD (PID), meanwhile end_with_us TARGET. Sets STATUS.
wait_for()
{
	local guard

	end_with_us "$2" > /dev/null 2>&1 &
	guard=$!
	wait "$1"
	STATUS=$?
	kill "$guard"
}
