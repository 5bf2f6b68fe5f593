#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: umrun runs what a host has: busybox's applets, dynamic programs, scripts with
# their interpreters, stress-ng.
# timeout: 240
set -u
. "$(dirname "$0")/umrun-lib.sh"

# An applet each of those that the guest's shell scripts live on.
run sh -c 'mount -t tmpfs none /mnt && cd /mnt && printf "b\na\n" >f && sort f | tr a-z A-Z | sed s/A/C/ |
	awk "{ print \$1 NR }" | tee g | md5sum | cut -d" " -f1 && find . -name g && df -m . | grep -c " /mnt$"'
status 0 "busybox's applets"
is "$OUT" "$(printf 'C1\nB2\n' | md5sum | cut -d' ' -f1)
./g
1" "... do their work"
run nproc
is "$STATUS $OUT" "0 1" "an applet without a shell"

# A host program that is surely dynamic, with a thread and arguments of its own.
readelf -lW "$(command -v sort)" | grep -q INTERP
ok $? "the host's sort is dynamic"
seq 500 | shuf >"$dir/numbers"
"$umrun" --kernel "$kernel" --log "$dir/log" -- "$(command -v sort)" -n --parallel=2 <"$dir/numbers" >"$dir/out" 2>"$dir/err"
STATUS=$? ERR=$(cat "$dir/err")
status 0 "a dynamic program of the host"
seq 500 | cmp -s - "$dir/out"
ok $? "... does its work" "$(head -n 3 "$dir/out")"

# script LINE BODY: an executable $dir/script.
script()
{
	printf '%s\n%s\n' "$1" "$2" >"$dir/script"
	chmod +x "$dir/script"
}

# The guest has no bash of its own: it is there only when umrun brought it.
run sh -c 'command -v bash'
status 127 "the guest has no bash"
script '#!/usr/bin/env bash' 'echo "${BASH_VERSION%%.*} ${1^^}"'
run -- "$dir/script" works
status 0 "a script of #!/usr/bin/env bash"
is "$OUT" "${BASH_VERSINFO[0]} WORKS" "... runs in bash"
script '#!/usr/bin/env -S bash -u' 'set -o | grep -c "nounset.*on"; echo "$1"'
run -- "$dir/script" works
status 0 "a script of #!/usr/bin/env -S bash -u"
is "$OUT" "1
works" "... runs in bash, with its option"
script '#!/usr/bin/env -S -i -u HOME WORD=one bash' 'echo "$WORD ${TERM-none} $1"'
run -- "$dir/script" works
is "$STATUS $OUT" "0 one dumb works" "env's own options and variables are stepped over"
script '#!/usr/bin/env sh' 'readlink /usr/bin/env; echo "$1"'
run -- "$dir/script" works
is "$STATUS $OUT" "0 busybox
works" "what the guest has itself is not brought along"
script '#! /usr/bin/env no-such-interpreter' ''
run -- "$dir/script"
status 125 "an interpreter that exists nowhere"
like "$ERR" '^umrun: script: no-such-interpreter: ' "... is named"
# A script whose interpreter is a script of env's.
cp "$dir/script" "$dir/inner"
printf '#!/usr/bin/env bash\necho "inner ${BASH_VERSION%%%%.*} ${1##*/} $2"\n' >"$dir/inner"
script "#!$dir/inner" ''
run -- "$dir/script" works
is "$STATUS $OUT" "0 inner ${BASH_VERSINFO[0]} script works" "an interpreter that is itself a script"

if command -v stress-ng >/dev/null; then
	# One round of it with 256 MB takes 5 s.
	how=(--mmap-bytes 8M --timeout 1s)
	[ -z "${UMLAB_ALL:-}" ] || how=(--timeout 5s)
	run -- stress-ng --mmap 1 "${how[@]}"
	status 0 "stress-ng --mmap 1"
	like "$ERR" 'successful run completed' "... ran"
else
	skip "stress-ng --mmap 1" "stress-ng is not installed: apt-get install stress-ng"
fi

finish
