#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Lays out the guest's root file system: build.sh INIT FOLDER
# INIT is PID 1; FOLDER and FOLDER.cpio, the initramfs of it, are made anew, whole or not at all.
set -eu

init=$1 folder=$2
new=$folder.new

fail() { echo "rootfs: $1: $2: $3" >&2; exit 1; }

busybox=$(command -v busybox) || fail busybox "not found" "install the package busybox-static"
# A dynamic busybox would need its libraries inside.
"$busybox" --list >/dev/null || fail busybox "$busybox" "cannot be executed"
if readelf -lW "$busybox" | grep -q INTERP; then
	fail busybox "$busybox is not static" "install the package busybox-static"
fi

rm -rf "$new"
mkdir -p "$new"/{etc,root,proc,sys,dev,tmp,run,var/tmp,home,mnt} \
	"$new"/usr/{bin,sbin,lib,lib64,local/bin,local/sbin}
for merged in bin sbin lib lib64; do ln -s "usr/$merged" "$new/$merged"; done
cp "$init" "$new/init"
cp "$busybox" "$new/usr/bin/busybox"
# --list-full tells the folder that each applet belongs to.
"$busybox" --list-full | while read -r path; do
	name=${path##*/}
	[ "$name" = busybox ] && continue
	case $path in
	*sbin/*) ln -sf ../bin/busybox "$new/usr/sbin/$name" ;;
	*)	 ln -sf busybox "$new/usr/bin/$name" ;;
	esac
done
echo 'root:x:0:0:root:/root:/bin/sh' >"$new/etc/passwd"
echo 'nobody:x:65534:65534:nobody:/:/bin/false' >>"$new/etc/passwd"
printf 'root:x:0:\ntty:x:5:\nnogroup:x:65534:\n' >"$new/etc/group"
echo '127.0.0.1 localhost uml' >"$new/etc/hosts"
bsdtar --format newc --uid 0 --gid 0 -cf "$new.cpio" -C "$new" . ||
	fail bsdtar "$new" "see above; it is in the package libarchive-tools"
rm -rf "$folder" "$folder.cpio"
mv "$new" "$folder"
mv "$new.cpio" "$folder.cpio"
