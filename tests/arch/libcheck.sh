#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Check, cross-compiled from Debian's source package: there is no binary of it for these architectures.
#
# Usage: libcheck.sh NAME     prints the folder with include/check.h and lib/libcheck.a
. "$(dirname "$0")/../../uml/lib.sh"
. "$UML_DIR/apt.sh"
. "$ROOT/tests/arch/lib.sh"
TOOL=check-arch

[ $# = 1 ] || usage "which architecture?"
load_arch "$1"
PREFIX=$CACHE/libcheck/$NAME
APT=$CACHE/libcheck/apt
mkdir -p "$CACHE/libcheck"
lock "$CACHE/libcheck/.lock" "Check is being built"
[ ! -f "$PREFIX/lib/libcheck.a" ] || { echo "$PREFIX"; exit; }
need_tools apt-get dpkg-source cmake make "$USER_COMPILER"
suite=$(. /etc/os-release; echo "${VERSION_CODENAME:-bookworm}")
uri=$(archive_uri)
[ -n "$uri" ] || die "apt is not configured for a Debian archive here (a .../debian main): the source of Check cannot be had"
apt_root "$uri" "$suite" deb-src
apt-get update >"$APT/log/update" 2>&1 || die "the sources of $suite: $(why "$APT/log/update"): check the network and try again"
work=$(mktemp -d "$CACHE/libcheck/tmp.XXXXXX")
trap 'rm -rf "$work"' EXIT

# build: whole, or nothing of it is in the cache.
build() {
	cd "$work" && apt-get source -qq check &&
		cmake -S check-*/ -B build -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_C_COMPILER="$USER_COMPILER" -DCMAKE_BUILD_TYPE=Release \
			-DCHECK_ENABLE_SUBUNIT=OFF -DCHECK_ENABLE_TESTS=OFF -DCMAKE_INSTALL_PREFIX="$work/prefix" &&
		cmake --build build --target check compat && mkdir -p prefix/lib prefix/include &&
		find build -name 'lib*.a' -exec cp {} prefix/lib \; && find build -name check.h -exec cp {} prefix/include \; &&
		[ -f prefix/lib/libcheck.a ] && [ -f prefix/include/check.h ]
}
note "building Check for $NAME"
until_signalled build >"$APT/log/build" 2>&1 || die "Check does not compile for $NAME: $(tail -n 1 "$APT/log/build"): see $APT/log/build"
rm -rf "$PREFIX"
mv "$work/prefix" "$PREFIX"
echo "$PREFIX"
