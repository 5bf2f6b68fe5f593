#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Installs the Debian packages that are missing: as root, or with sudo.
# Usage: deps.sh [external|coverage|clangd|watch|bench|matrix]	with those that make check-external, make coverage,
#	make compile_commands, make watch, make bench or make matrix takes, too
#        deps.sh with PACKAGE...	with these
# On another system, or without the right to: says the exact list and stops (exit 1).
set -eu

packages=(
	gcc make libc6-dev flex bison bc	# a kernel build
	git ca-certificates xz-utils patch perl	# its source and patches
	debian-archive-keyring apt dpkg		# fetching that
	ccache					# the second kernel is cheap
	ninja-build				# and a changed one
	check libsubunit-dev			# the suites
	libarchive-dev libjansson-dev libdw-dev libelf-dev	# umrun
	libbz2-dev liblzma-dev zlib1g-dev libarchive-tools	# ... statically, and its initramfs
	busybox-static				# the guest's shell
	gdb binutils				# looking inside
	util-linux procps			# the host suites
)
[ "${1-}" != external ] || packages+=(
	rsync libcap-dev libnuma-dev liburing-dev	# the kernel's mm selftests
	stress-ng
)
[ "${1-}" != clangd ] || packages+=(python3)	# the kernel's script
[ "${1-}" != watch ] || packages+=(inotify-tools)
[ "${1-}" != bench ] || packages+=(gnuplot-nox lld jq)
[ "${1-}" != matrix ] || packages+=(parallel distcc rsync openssh-client)
[ -z "${DISTCC_HOSTS-}" ] || packages+=(distcc)
[ "${1-}" != coverage ] || packages+=(lcov)	# its HTML report
[ "${1-}" != with ] || packages+=("${@:2}")

# dpkg knows some packages under a name with an architecture; one query tells all.
missing() {
	local have
	have=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null |
		sed -n 's/^installed //p') || true
	printf '%s\n' "${packages[@]}" | grep -vxF -e "$have" || true
}

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	echo "deps: this system: not Debian: install what these Debian packages hold, then try again:" >&2
	echo "  ${packages[*]}" >&2
	exit 1
fi

mapfile -t wanted < <(missing)
[ ${#wanted[@]} -eq 0 ] && exit 0

echo "deps: installing ${wanted[*]}" >&2
as_root=()
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "deps: packages: missing, and there is no sudo: as root, run" >&2
		echo "  apt-get install --no-install-recommends ${wanted[*]}" >&2
		exit 1
	fi
	as_root=(sudo)
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q "$@" </dev/null >>"$log" 2>&1; }

# The lists may be old or absent: update, and try once without when that fails (no network, a cache of packages).
apt update || echo "deps: apt-get update: failed: going on with the lists that are there" >&2
size=$(apt-get install -qq -y --no-install-recommends --print-uris -o Debug::NoLocking=1 "${wanted[@]}" 2>/dev/null |
	awk '/^\x27/ { sum += $3 } END { printf "%d", sum / 1048576 }') || true
[ "${size:-0}" -lt 20 ] || echo "deps: $size MB to download" >&2
if ! apt install -y --no-install-recommends "${wanted[@]}"; then
	tail -n 5 "$log" >&2
	echo "deps: apt-get install: failed: install by hand: ${wanted[*]}" >&2
	exit 1
fi
