#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Fetches a Debian linux-source package into the cache and prints its path.
#
# Usage: source.sh            fetch (or find in the cache), print the file's path
#        source.sh --unpack F DIR   unpack the package or tarball F into the new DIR
#
# SOURCE=linux-7.x.tar.xz takes that tarball and fetches nothing.
# The archive is the one that this machine's apt is configured for; apt checks its
# signature, source.lock says which packages are known good. Nothing of the machine's
# own apt state is read or written: all of it lives under $CACHE/apt.
. "$(dirname "$0")/lib.sh"
. "$UML_DIR/apt.sh"

SUITES=${UMLAB_SUITES:-"trixie-backports sid forky"}
APT=$CACHE/apt
PKG=$CACHE/source

# candidates: "RANK VERSION SHA256 KIB PACKAGE" of every linux-source-N.M in the suite,
# best first: known good, then 7.3.x, then 7.2.x, then the newest.
candidates() {
	apt-cache dumpavail | awk -v lock="$LOCKFILE" '
		BEGIN { while ((getline l < lock) > 0) if (l !~ /^#/) { split(l, f, " "); known[f[1]] = ++n } }
		/^Package:/ { p = $2 } /^Version:/ { v = $2 } /^SHA256:/ { s = $2 } /^Size:/ { z = $2 }
		/^$/ {
			if (p ~ /^linux-source-[0-9]+\.[0-9]+$/) {
				r = (s in known) ? known[s] : v ~ /^7\.3\./ ? 1000 : v ~ /^7\.2\./ ? 1001 : 1002
				print r, v, s, int(z / 1024) + 1, p
			}
			p = v = s = z = ""
		}' | sort -k1,1n -k2,2Vr
}

# known_sha FILENAME: the SHA-256 that source.lock has for it, or nothing.
known_sha() { awk -v f="$1" '!/^#/ && $2 == f { print $1; exit }' "$LOCKFILE"; }

# whole FILE: true when the cached FILE is what was verified when it was fetched. For
# a name in source.lock that sum rules; a file that fails is put out of the way.
whole() {
	local want
	[ -f "$1" ] || return 1
	want=$(known_sha "$(basename "$1")")
	[ -n "$want" ] || want=$(cat "$1.sha256" 2>/dev/null) || return 1
	[ "$(sha256_of "$1")" = "$want" ] && return 0
	warn "cached package is damaged, fetching it again: $1"
	rm -f "$1" "$1.sha256"
	return 1
}

# cached: the path of the best whole package in the cache; status 1 when there is none.
cached() {
	local f
	for f in $(awk '!/^#/ && NF == 2 { print $2 }' "$LOCKFILE"); do
		whole "$PKG/$f" && { echo "$PKG/$f"; return; }
	done
	for f in $(ls "$PKG" 2>/dev/null | grep '\.deb$' | sort -Vr); do
		[ -z "$(known_sha "$f")" ] || continue
		whole "$PKG/$f" && fits "$PKG/$f" && { echo "$PKG/$f"; return; }
	done
	return 1
}

# download PACKAGE VERSION SHA256 KIB: into the cache, under its name only once verified;
# prints the path. A file name in source.lock with another sum is an error.
download() {
	local part=$PKG/part f want log=$APT/log/download
	need_space "$PKG" "$4" "download of $1"
	rm -rf "$part"; mkdir -p "$part"
	note "downloading $1 $2 ($(mib "$4"))"
	(cd "$part" && apt-get download "$1=$2" >"$log" 2>&1) ||
		die "cannot download $1 $2: $(why "$log"): check the network and try again"
	f=$(cd "$part" && ls ./*.deb)
	f=$(basename "$f" | sed 's/%3a/:/; s/%7e/~/g')
	want=$(known_sha "$f")
	mv "$part"/*.deb "$part/file"
	[ "$(sha256_of "$part/file")" = "$3" ] ||
		die "$f: not what the archive's index says (sha256): try again"
	if [ -n "$want" ] && [ "$want" != "$3" ]; then
		rm -rf "$part"
		die "$f: sha256 is $3, uml/source.lock has $want: do not use it until someone explains the difference"
	fi
	echo "$3" >"$PKG/$f.sha256"
	mv "$part/file" "$PKG/$f"
	rm -rf "$part"
	echo "$PKG/$f"
}

# fits FILE: true when every rewind patch applies to the sources in FILE. Only the files
# that the patches name are unpacked.
fits() {
	local d ok=0
	d=$(mktemp -d)
	tar_of "$1" | tar -x -C "$d" --strip-components=1 --wildcards --no-anchored \
		$(sed -n 's,^--- a/,*/,p' "$PATCH_DIR"/rewind/*.patch | sort -u) 2>/dev/null || true
	(cd "$d" && git init -q . && cat "$PATCH_DIR"/rewind/*.patch | git apply --check) 2>/dev/null || ok=1
	rm -rf "$d"
	return $ok
}

# fetch: tries the suites in turn, one that can't be read like one without a source; prints
# the path of the package taken.
fetch() {
	local uri suite rank version sha kib pkg f failed=
	command -v apt-get >/dev/null ||
		die "no apt on this system, and no kernel source in $PKG: give a tarball, SOURCE=linux-7.x.tar.xz"
	uri=$(archive_uri)
	[ -n "$uri" ] ||
		die "apt is not configured for a Debian archive here (a .../debian main): give a tarball, SOURCE=linux-7.x.tar.xz"
	for suite in $SUITES; do
		apt_root "$uri" "$suite"
		if ! apt-get update >"$APT/log/update" 2>&1; then
			rm -f "$APT"/lists/*_*
			failed=${failed:-$(why "$APT/log/update")}
			continue
		fi
		while read -r rank version sha kib pkg; do
			f=$(download "$pkg" "$version" "$sha" "$kib") || exit 1
			[ "$rank" -ge 1000 ] || { echo "$f"; return; }
			if fits "$f"; then
				warn "$pkg $version is not in uml/source.lock (the archive's signature is good): the patches fit it, but nobody has tested it"
				echo "$f"
				return
			fi
			warn "the patches do not apply to $pkg $version: trying the next"
			rm -f "$f" "$f.sha256"
		done < <(candidates)
	done
	[ -z "$failed" ] ||
		die "no kernel source in the cache ($PKG), and the archive cannot be read: $failed: check the network, or give SOURCE=linux-7.x.tar.xz"
	die "no linux-source in $SUITES that the patches apply to: give SOURCE=linux-7.x.tar.xz"
}

# tar_of FILE: the uncompressed tar stream in FILE, a Debian package or a tarball.
tar_of() {
	case $1 in
	*.deb) dpkg-deb --fsys-tarfile "$1" | tar -xO --wildcards './usr/src/linux-source-*.tar.xz' | xz -dcT0 ;;
	*.xz) xz -dcT0 "$1" ;;
	*.gz | *.tgz) gzip -dc "$1" ;;
	*.zst) zstd -dcq "$1" ;;
	*.tar) cat "$1" ;;
	*) die "$1: not a .deb, .tar, .tar.xz, .tar.gz or .tar.zst: give one of these" ;;
	esac
}

# unpack FILE DIR: the kernel tree in FILE, as DIR (which must not exist yet).
unpack() {
	need_tools xz tar
	mkdir -p "$2"
	tar_of "$1" | tar -x -C "$2" --strip-components=1 --no-same-owner ||
		die "$1: cannot be unpacked: the file is damaged, or the disk is full ($(mib "$(df -Pk "$2" | awk 'NR == 2 { print $4 }')") free): give another file, or make room"
	grep -q '^VERSION = ' "$2/Makefile" 2>/dev/null && [ -f "$2/arch/um/Kconfig" ] ||
		die "$1: no Linux kernel source in it (Makefile, arch/um): give another file"
}

case ${1-} in
--unpack) until_signalled unpack "$2" "$3" ;;
"")
	if [ -n "${SOURCE:-}" ]; then
		[ -f "$SOURCE" ] && [ -r "$SOURCE" ] || die "SOURCE: $SOURCE: no such file: give the path of a kernel tarball"
		realpath "$SOURCE"
		exit
	fi
	mkdir -p "$PKG" 2>/dev/null || die "cannot write $PKG: set XDG_CACHE_HOME to a directory that you own"
	lock "$CACHE/lock" "fetching the kernel source"
	cached || until_signalled fetch
	;;
*) usage "unknown argument: $1: run 'make source'" ;;
esac
