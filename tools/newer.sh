#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Programs that this Debian lacks, or has too old, from the next one: unpacked into the cache, with all the libraries
# that they need, nothing of it in the user's system.
#
# Usage: newer.sh PACKAGE...    then $CACHE/newer/bin has their programs for other machines (qemu-system-*, *-linux-gnu*),
#                               and $CACHE/newer/gdb has gdb
. "$(dirname "$0")/../uml/lib.sh"
. "$UML_DIR/apt.sh"
TOOL=newer

SUITE=${UMLAB_NEWER_SUITE:-trixie}
PREFIX=$CACHE/newer
APT=$PREFIX/apt

# all_there PACKAGE...: whether each has been unpacked.
all_there() {
	local p
	for p; do
		[ -f "$PREFIX/have/$p" ] || return 1
		[ "$p" != gdb ] || [ -x "$PREFIX/gdb/gdb" ] || return 1
	done
}

# uris PACKAGE...: what apt would download for an empty system: "'URI' FILE SIZE SUM", one a line.
uris() {
	apt-get install -qq -y --no-install-recommends --print-uris "$@" 2>"$APT/log/uris" | grep "^'" ||
		die "$*: no such package in $SUITE: $(why "$APT/log/uris")"
}

# fetch PACKAGE...: their .deb files and those that they need, but what we have unpacked already. Only libraries, compilers,
# emulators and gdb: no one needs a new system's tools.
fetch() {
	local kib
	uris "$@" | while read -r uri file rest; do
		[ -f "$PREFIX/have/${file%%_*}" ] || echo "$uri $file $rest"
	done | awk '$2 !~ /^(perl|debconf|dpkg|tar|coreutils|init|systemd|passwd|adduser|util-linux|mount|bash|dash|sed|grep|login)/' >"$APT/wanted"
	kib=$(awk '{ sum += $3 } END { printf "%d", sum / 1024 }' "$APT/wanted")
	need_space "$PREFIX" $((kib * 6)) "$*"
	note "downloading $* from $SUITE, with their libraries ($(wc -l <"$APT/wanted") packages, $(mib "$kib"))"
	(cd "$APT/archives" && awk '{ sub(/_.*/, "", $2); print $2 }' "$APT/wanted" | sort -u | xargs apt-get download -q >"$APT/log/download" 2>&1) ||
		die "$*: cannot be downloaded: $(why "$APT/log/download"): check the network and try again"
}

# own_loader FILE...: programs use the loader and the libraries of the prefix, not the system's.
own_loader() {
	local f
	for f; do
		patchelf --print-interpreter "$f" >/dev/null 2>&1 || continue
		patchelf --set-interpreter "$PREFIX/usr/lib64/ld-linux-x86-64.so.2" --force-rpath \
			--set-rpath "$PREFIX/usr/lib/x86_64-linux-gnu" "$f" || die "$f: cannot be patched (patchelf)"
	done
}

# gdb_program: gdb as a program of its own folder, so that it's found only by who puts that into PATH. It has its own
# Python; the C library of the programs that it debugs is the system's, and so is what knows that one's thread-local variables.
gdb_program() {
	mkdir -p "$PREFIX/gdb"
	cat >"$PREFIX/gdb/gdb.new" <<-END
		#!/bin/sh
		PYTHONHOME='$PREFIX/usr' exec '$PREFIX/usr/bin/gdb' '--data-directory=$PREFIX/usr/share/gdb' \\
			-iex 'set libthread-db-search-path /usr/lib/x86_64-linux-gnu' \\
			-iex 'add-auto-load-safe-path /usr/lib/x86_64-linux-gnu/libthread_db.so.1' "\$@"
	END
	chmod +x "$PREFIX/gdb/gdb.new"
	mv "$PREFIX/gdb/gdb.new" "$PREFIX/gdb/gdb"
}

# unpack: the packages that were downloaded, over those that are there. Programs are ready before they are in their place, and a
# program that runs keeps its file.
unpack() {
	local deb f new=$PREFIX/new
	rm -rf "$new"
	mkdir -p "$new" "$PREFIX/bin"
	for deb in "$APT"/archives/*.deb; do
		dpkg-deb -x "$deb" "$new" 2>/dev/null || die "$deb: cannot be unpacked: is the disk full?"
	done
	own_loader "$new"/usr/bin/{gdb,qemu-system-*} "$new"/usr/bin/*-linux-gnu* "$new"/usr/libexec/gcc-cross/*/*/{cc1,collect2,lto1,lto-wrapper}
	cp -a --remove-destination "$new/." "$PREFIX" || die "$PREFIX: cannot be written: is the disk full?"
	rm -rf "$new"
	for f in "$PREFIX"/usr/bin/qemu-system-* "$PREFIX"/usr/bin/*-linux-gnu*; do
		[ ! -e "$f" ] || ln -sf "$f" "$PREFIX/bin/"
	done
	[ ! -e "$PREFIX/usr/bin/gdb" ] || gdb_program
	for deb in "$APT"/archives/*.deb; do
		deb=${deb##*/}
		touch "$PREFIX/have/${deb%%_*}"
	done
	rm -f "$APT"/archives/*.deb
}

[ $# -gt 0 ] || usage "which packages?"
[ "$(dpkg --print-architecture)" = amd64 ] || die "$*: unpacked from $SUITE on amd64 only: install them in another way"
mkdir -p "$PREFIX/have"
lock "$PREFIX/.lock" "packages of $SUITE are being unpacked"
! all_there "$@" || exit 0
rm -f "$APT"/archives/*.deb # of one that was killed
need_tools patchelf apt-get dpkg-deb
uri=$(archive_uri)
[ -n "$uri" ] || die "apt is not configured for a Debian archive here (a .../debian main): $* cannot be had"
apt_root "$uri" "$SUITE"
apt-get update >"$APT/log/update" 2>&1 || die "$SUITE: $(why "$APT/log/update"): check the network and try again"
until_signalled fetch "$@"
until_signalled unpack
all_there "$@" || die "$*: not among what apt downloaded: see $APT/log/download"
note "$*: ready in the cache ($(du -sm "$PREFIX" | cut -f1) MB)"
