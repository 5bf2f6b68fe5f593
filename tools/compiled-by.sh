#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# compiled-by.sh FILE CC: renews FILE where umrun, PID 1 and the suites have to be compiled again though none of their sources is
# newer: the compiler or its flags are others, or an older source has taken the place of one. Called by make.
file=$1 cc=$2
now=$(printf '%s\n' "$cc" && stat -Lc '%n %Y %s' "$(command -v "${cc##* }")" && cksum tools/tools.mk rootfs/rootfs.mk tests/tests.mk)
[ "$now" = "$(cat "$file" 2> /dev/null)" ] &&
	[ -z "$(find tools rootfs tests -name '*.[ch]' -newercm "$file" ! -newer "$file")" ] && exit
mkdir -p "${file%/*}" && printf '%s\n' "$now" > "$file.new" && mv "$file.new" "$file"
