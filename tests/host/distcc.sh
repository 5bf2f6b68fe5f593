#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: DISTCC_HOSTS=: objects are compiled by the workers that it names, and the kernel is, byte for byte, the
# one that this machine compiles alone.
# timeout: 1200
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/tap.sh"
. "$top/tests/host/kernel-lib.sh"
command -v distccd > /dev/null || { echo "1..0 # SKIP distcc is not installed: make matrix does"; exit 0; }
workers=()
trap '[ ${#workers[@]} = 0 ] || { kill "${workers[@]}" 2> /dev/null; wait; }; rm -rf "${dir-}"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
own_build distcc
mkdir -p "$dir/scratch" "$dir/client"
# Who is root becomes somebody else in distccd.
chmod 1777 "$dir/scratch"
export DISTCC_DIR=$dir/client

# worker N: a distccd on a free port of the loopback device, which takes one job at a time: PORT.
worker()
{
	local tries=0

	while [ $((++tries)) -le 5 ]; do
		PORT=$((20000 + RANDOM % 10000))
		TMPDIR=$dir/scratch distccd --no-detach --daemon --listen 127.0.0.1 --port $PORT --allow 127.0.0.1 --jobs 1 --enable-tcp-insecure \
			--log-stderr --log-level info < /dev/null 2>> "$dir/worker-$1.log" &
		workers+=($!)
		sleep 0.3
		! kill -0 $! 2> /dev/null || return 0
	done
	return 1
}

# compiled N: how many objects the worker has made.
compiled() { grep -c 'COMPILE_OK' "$dir/worker-$1.log"; }

build
is "${OUT##*$'\n'} $STATUS" "$dir/build/points/work/fast 0" "a kernel, compiled by this machine alone"
# What most of mm/ includes, as no cache has seen it.
echo "static inline int umlab_distcc_$EPOCHSECONDS(void) { return 1; }" >> "$tree/mm/internal.h"
worker 1 && one=$PORT && worker 2
ok $? "two workers" "$(cat "$dir"/worker-*.log)"
[ ${#workers[@]} -ge 2 ] || { finish; exit; }
build DISTCC_HOSTS="127.0.0.1:$one/1 127.0.0.1:$PORT/1" DISTCC_FALLBACK=0
is "${OUT##*$'\n'} $STATUS" "$dir/build/points/work/fast 0" "a header of mm/ has changed: the workers compile, nobody else"
[ "$STATUS" -eq 0 ] || printf '%s\n' "$OUT" | tail -n 5 | sed 's/^/# /'
[ "$(compiled 1)" -ge 10 ] && [ "$(compiled 2)" -ge 10 ]
ok $? "... both of them ($(compiled 1) and $(compiled 2) objects)"
spread=$(sha256sum < "$out/linux")
touch "$tree/mm/internal.h"
build CCACHE_RECACHE=1
is "$(sha256sum < "$out/linux")" "$spread" "... and it is the kernel that this machine compiles"

# A worker that is gone.
kill "${workers[@]}" 2> /dev/null
echo "static inline int umlab_again_$EPOCHSECONDS(void) { return 1; }" >> "$tree/mm/internal.h"
build DISTCC_HOSTS="127.0.0.1:$one/1 127.0.0.1:$PORT/1"
is "${OUT##*$'\n'} $STATUS" "$dir/build/points/work/fast 0" "the workers have gone: it is compiled here"
finish
