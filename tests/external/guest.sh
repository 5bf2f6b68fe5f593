# SPDX-License-Identifier: GPL-2.0
# Runs in the guest: gives a selftest what it asks for, then becomes it.
# sh -c "$(cat guest.sh)" guest [as-nobody] PROGRAM [ARG...]
as_nobody=
[ "$1" != as-nobody ] || { as_nobody=1; shift; }
# Swap, for MADV_PAGEOUT and pages on their way out; mkswap has nothing to tell when it works.
mkswap /dev/ubda >/dev/null && swapon /dev/ubda || exit 125
# mremap_test and others reserve more than there is.
echo 1 >/proc/sys/vm/overcommit_memory
# Some look for themselves, or make files, in the folder they run in.
chmod 1777 /tmp
cd /tmp && cp "/share-ro/$1" . || exit 125
PATH=/tmp:$PATH
[ -z "$as_nobody" ] || exec su -s /bin/sh nobody -c "$* 2>&1"
exec "$@" 2>&1
