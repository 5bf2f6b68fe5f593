#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: the kernel source: what is fetched is checked, what is interrupted is never
# taken for whole, what cannot be had gives one clear error. apt is played by stubs.
# timeout: 120
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/tap.sh"
. "$top/tests/host/source-lib.sh"
make_tarball
name=linux-source-7.3_7.3.4-1~test_all.deb

# A package as Debian makes them, and an archive that has only it.
mkdir -p "$dir/pkg/DEBIAN" "$dir/pkg/usr/src" "$dir/bin"
cp "$tarball" "$dir/pkg/usr/src/linux-source-7.3.tar.xz"
printf 'Package: linux-source-7.3\nVersion: 7.3.4-1~test\nArchitecture: all\nMaintainer: umlab <umlab@localhost>\nDescription: test\n' > "$dir/pkg/DEBIAN/control"
dpkg-deb -Znone -b "$dir/pkg" "$dir/$name" > "$dir/deb.log" 2>&1 || { echo "1..0 # SKIP no dpkg-deb"; exit 0; }
sum=$(sha256sum "$dir/$name" | cut -d' ' -f1)
cat > "$dir/bin/apt-get" <<-END
	#!/bin/sh
	case \$1 in
	indextargets) echo "http://localhost/debian/ main" ;;
	update) [ -z "\${OFFLINE-}" ] || { echo "E: Failed to fetch: connection refused"; exit 100; } ;;
	download) echo download >> $dir/downloads
		[ -z "\${SLOW-}" ] || { head -c 9999 $dir/$name > $name; sleep 60; }
		cp $dir/$name . ;;
	esac
END
cat > "$dir/bin/apt-cache" <<-END
	#!/bin/sh
	printf 'Package: linux-source-7.3\nVersion: 7.3.4-1~test\nSHA256: $sum\nSize: $(stat -c %s "$dir/$name")\n\n'
END
chmod +x "$dir"/bin/*
export PATH=$dir/bin:$PATH UMLAB_SOURCE_LOCK=$dir/lock
echo "$sum  $name" > "$dir/lock"
source=$top/uml/source.sh
file=$XDG_CACHE_HOME/umlab/source/$name

OFFLINE=1 run "$source"
is "$STATUS" 1 "no network and no cache: an error"
is "$(wc -l <<< "$ERR")" 1 "which is one line"
like "$ERR" "^source: no kernel source in the cache .*connection refused.*SOURCE=" "and says what, why and what to do"

SLOW=1 setsid "$source" > "$dir/out" 2>&1 &
until [ -s "$XDG_CACHE_HOME/umlab/source/part/$name" ]; do sleep 0.1; done
kill -9 -- -$!
wait $! 2> /dev/null
is "$(ls "$XDG_CACHE_HOME/umlab/source" | grep -c 'deb$')" 0 "a download killed half-way is not in the cache"
run "$source"
is "$STATUS $OUT" "0 $file" "the next one starts over by itself"
is "$(sha256sum < "$file" | cut -d' ' -f1)" "$sum" "and is whole"

: > "$dir/downloads"
OFFLINE=1 run "$source"
is "$STATUS $OUT$(cat "$dir/downloads")" "0 $file" "from the cache it needs no network"
truncate -s 9999 "$file"
OFFLINE=1 run "$source"
is "$STATUS" 1 "a truncated file in the cache is not used"
like "$ERR" "cached package is damaged" "and is said to be damaged"
run "$source"
is "$STATUS $(sha256sum < "$file" | cut -d' ' -f1)" "0 $sum" "but fetched again"

rm -rf "$XDG_CACHE_HOME"
echo "$(sha256sum < /dev/null | cut -d' ' -f1)  $name" > "$dir/lock"
run "$source"
is "$STATUS" 1 "a known version with another sha256 is an error"
like "$ERR" "sha256 is $sum, uml/source.lock has" "which names both sums"
is "$(find "$XDG_CACHE_HOME" -name '*.deb')" "" "and leaves nothing in the cache"

: > "$dir/lock"
run "$source"
is "$STATUS $OUT" "0 $file" "an unknown version is taken when the patches fit"
like "$ERR" "warning: .* is not in uml/source.lock" "with a warning"

tree=$top/uml/tree.sh
echo garbage > "$dir/bad.tar.xz"
SOURCE=$dir/bad.tar.xz run "$tree"
is "$STATUS" 1 "a bad SOURCE tarball is an error"
like "$ERR" "bad.tar.xz: cannot be unpacked" "which says so"
(cd "$dir" && echo x > x && mkdir -p d && mv x d && tar cJf nokernel.tar.xz d)
SOURCE=$dir/nokernel.tar.xz run "$tree"
like "$STATUS $(tail -n1 <<< "$ERR")" "1 .*nokernel.tar.xz: no Linux kernel source in it" "so is one without a kernel"
is "$(ls "$UMLAB_BUILD")" "" "neither leaves anything in build"
SOURCE=$dir/none.tar.xz run "$tree"
like "$STATUS $ERR" "1 .*no such file" "a SOURCE that does not exist is named"
mkdir -p "$UMLAB_BUILD/linux.tmp/.git" && echo junk > "$UMLAB_BUILD/linux.tmp/Makefile"
SOURCE=$tarball run "$tree"
is "$STATUS $(git -C "$UMLAB_BUILD/linux" status --porcelain)" "0 " "an import that was interrupted starts over"
is "$(git -C "$UMLAB_BUILD/linux" rev-parse 'umlab/fetched^{tree}')" "$(git -C "$UMLAB_BUILD/linux" rev-parse 'umlab/series^{tree}')" "and is whole"
SOURCE=$tarball run "$tree"
is "$STATUS" 0 "the same SOURCE again is fine"
cp "$tarball" "$dir/other.tar.xz" && echo >> "$dir/other.tar.xz"
SOURCE=$dir/other.tar.xz run "$tree"
like "$STATUS $ERR" "1 .*other.tar.xz: build/linux was made from another file" "another one isn't ignored"
finish
