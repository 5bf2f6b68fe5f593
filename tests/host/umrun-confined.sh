#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: the guest's root sees and changes nothing of the host but what was shared with it.
# timeout: 120
set -u
. "$(dirname "$0")/umrun-lib.sh"

shared=$dir/shared
secret=$dir/secret
mkdir -p "$shared/sub" "$secret"
echo "host's" >"$shared/file"
echo secret >"$secret/file"
ln -s "$secret/file" "$shared/link"
ln -s ../secret/file "$shared/dots"
ln -s / "$shared/root"
chmod 640 "$shared/file"
state() { (cd "$1" && find . -printf '%p %y %m %U %G %s %T@ %l\n' | sort; cat file); }

run ls /
is "$(echo "$OUT" | grep -c -e share)" 0 "without shares there is none inside"

run --share "$shared" sh -c 'cat /share/file; echo guest >/share/new; mkdir /share/made'
status 0 "a share can be read and written"
is "$OUT" "host's" "... its file is the host's"
is "$(cat "$shared/new" 2>&1)" guest "... and what the guest writes is there"
run --share "$shared" sh -c 'cat /share/link /share/dots /share/root/etc/passwd /share/root/root/.bashrc 2>&1; ls /share/root/'
like "$(echo "$OUT" | grep -v 'No such file')" '^(bin|dev|$)' "symlinks lead nowhere outside"
is "$(echo "$OUT" | grep -c -e "^secret$" -e '/bash$')" 0 "... and not to the host's files"

# hostfs confines nothing by itself: mount the host's root by name.
escape='mkdir -p /m; for where in / /../.. /../../.. /share/.. /share/../.. /proc/1/root /old; do
	mount -t hostfs none /m -o "$where" 2>/dev/null || continue
	find /m -maxdepth 3 2>/dev/null; umount /m; done'
run --share "$shared" sh -c "$escape"
is "$(echo "$OUT" | grep -c -e '/m/etc' -e '/m/home' -e '/m/root' -e '/m/usr' -e secret -e sysrq)" 0 \
	"hostfs mounted with -o /../../.. shows the jail, not the host"
run sh -c 'mkdir /m; mount -t hostfs none /m -o /; echo x >/m/linux; echo x >/m/new; rm -f /m/initrd; mknod /m/dev/mem c 1 1; cat /m/dev/mem'
is "$OUT" "" "the jail's own files can't be used"
run sh -c 'mkdir /m; mount -t hostfs none /m -o /; cat /m/proc/sys/kernel/hostname /m/proc/mounts /m/proc/version 2>&1 | grep -v "No such"'
is "$OUT" "" "the host's /proc is not there"

before=$(state "$shared")
run --share-ro "$shared" sh -c '
	cat /share/file
	mount -o remount,rw /share; mount -o remount,rw /share-ro
	mkdir /m; mount -t hostfs none /m -o /share-ro
	for d in /share /share-ro /m; do
		echo x >$d/file; echo x >$d/new; rm -f $d/file; mkdir $d/dir; rmdir $d/sub
		chmod 777 $d/file; chown 1:1 $d/file; touch -d @0 $d/file; mv $d/file $d/moved
		ln $d/file $d/hard; ln -s x $d/soft; truncate -s 0 $d/file; mknod $d/node p
	done 2>/dev/null'
is "$OUT" "host's" "a read-only share can be read, at /share too"
is "$(state "$shared")" "$before" "... and nothing in it can be changed, chmod and chown included"
run --share "$shared" --share-ro "$secret" sh -c 'cat /share-ro/file; echo x >/share-ro/file; cat /share/new'
is "$OUT" "secret
guest" "both kinds at once"
is "$(cat "$secret/file")" secret "... the read-only one unchanged"

# The folder of the disk is there to be mounted as well, since hostfs confines nothing.
run --disk 4M sh -c 'mkdir /m; mount -t hostfs none /m -o /disk; ls /m; echo x >/m/new; mount -t hostfs none /m -o /disk/..; ls /m/'
is "$(echo "$OUT" | grep -c -e '^etc$' -e '^home$' -e '^usr$')" 0 "the disk's folder leads to nothing of the host"

if [ "$(id -u)" = 0 ]; then
	run --share "$shared" sh -c 'mknod /share/mem c 1 1; cp /bin/busybox /share/su; chown 0:0 /share/su; chmod 4755 /share/su'
	[ ! -c "$shared/mem" ]
	ok $? "a guest makes no device node on the host" "$(ls -l "$shared/mem" 2>&1)"
fi
run sh -c 'insmod x; cat /dev/mem; cat /dev/kmem; cat /proc/kcore; ls /dev/ubd* 2>/dev/null | head -n 1; exit 0'
is "$(echo "$ERR" | grep -c -e 'such file' -e 'implemented' -e 'not found')" 4 "no modules, /dev/mem, /dev/kmem or /proc/kcore inside"
echo "1..$TAP_COUNT"
