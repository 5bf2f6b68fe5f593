#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: make matrix over ssh: two hosts, which are sshds on the loopback device with a home of their own each, run
# the jobs, send the results, and keep nothing.
# timeout: 900
set -u
. "$(dirname "$0")/umrun-lib.sh"
[ -n "${UMLAB_ALL:-}" ] || { echo "1..0 # SKIP takes a minute: in make check-all, or by its name"; exit 0; }
for tool in parallel rsync ssh ssh-keygen /usr/sbin/sshd; do
	command -v $tool > /dev/null || { echo "1..0 # SKIP no ${tool##*/}: install parallel, rsync, openssh-client and openssh-server"; exit 0; }
done
[ -x "$top/build/tests/guest/vmpte" ] || { echo "1..0 # SKIP no guest suites yet: make guest-tests"; exit 0; }
point=$(sed -n 's/^point=//p' "${kernel%/*}/umlab.info")
daemons=()
trap '[ ${#daemons[@]} = 0 ] || { kill "${daemons[@]}" 2> /dev/null; wait; }; rm -rf "$dir"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
ssh-keygen -q -t ed25519 -N '' -f "$dir/host"
ssh-keygen -q -t ed25519 -N '' -f "$dir/key"

# host NAME: an sshd that is this host: a line in the client's configuration, and a home.
host()
{
	local name=$1 port tries=0

	mkdir "$dir/$name"
	# A command of another host begins in its home.
	printf '#!/bin/sh\nexport HOME=%s\ncd || exit 1\n: > used\nexec sh -c "$SSH_ORIGINAL_COMMAND"\n' "$dir/$name" > "$dir/$name.sh"
	chmod +x "$dir/$name.sh"
	while [ $((++tries)) -le 5 ]; do
		port=$((20000 + RANDOM % 10000))
		cat > "$dir/$name.conf" <<-END
			ListenAddress 127.0.0.1
			Port $port
			HostKey $dir/host
			PidFile none
			AuthorizedKeysFile $dir/key.pub
			PasswordAuthentication no
			StrictModes no
			ForceCommand $dir/$name.sh
		END
		/usr/sbin/sshd -D -e -f "$dir/$name.conf" < /dev/null 2>> "$dir/$name.log" &
		daemons+=($!)
		sleep 0.5
		! kill -0 $! 2> /dev/null || break
	done
	printf 'Host %s\n\tHostName 127.0.0.1\n\tPort %d\n' "$name" "$port" >> "$dir/ssh.conf"
	kill -0 $! 2> /dev/null
}

host ann && host bob
ok $? "two hosts" "$(cat "$dir"/*.log)"
[ "$TAP_FAILED" = 0 ] || { finish; exit; }
printf 'Host *\n\tIdentityFile %s\n\tIdentitiesOnly yes\n\tStrictHostKeyChecking no\n\tUserKnownHostsFile /dev/null\n\tLogLevel ERROR\n' "$dir/key" >> "$dir/ssh.conf"
export PARALLEL_SSH="ssh -F $dir/ssh.conf" PARALLEL_RSYNC_OPTS="-rlDzR -e 'ssh -F $dir/ssh.conf'"
OUT=$(cd "$top" && env -u MAKEFLAGS -u LINUX -u PATCHES -u SOURCE -u JOBS \
	POINTS="$point" FLAVOURS=fast MODES='ptrace/1 seccomp/1 ptrace/1 seccomp/1' SEEDS= T=vmpte HOSTS=1/ann,1/bob tests/matrix.sh 2>&1 < /dev/null)
is "$? ${OUT##*$'\n'}" "0 4 passed, 0 failed" "make matrix HOSTS=: all jobs"
is "$(grep -c '100%: Checks: ' <<< "$OUT")" 4 "... with the totals of each"
is "$(awk 'NR > 1 { print $2 }' "$top/build/matrix/log" | sort -u | tr '\n' ' ')" "ann bob " "... on both hosts"
is "$(ls -A "$dir/ann" "$dir/bob" | grep -v '^used$\|:$\|^$')" "" "... which keep nothing"
# One that is not there.
OUT=$(cd "$top" && env -u MAKEFLAGS -u LINUX -u PATCHES -u SOURCE -u JOBS \
	POINTS="$point" FLAVOURS=fast MODES=ptrace/1 SEEDS= T=vmpte HOSTS=nobody.invalid tests/matrix.sh 2>&1 < /dev/null)
is "$? ${OUT##*$'\n'}" "1 0 passed, 1 failed" "a host that is not there fails"
finish
