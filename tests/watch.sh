#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make watch T=NAME: `make check T=NAME` now and after each save of a file that it is made from. One line a round;
# below it, when the test did not pass, what was said. T, P, F ... are in the environment. Ctrl-C ends it.
set -u

top=$(cd "$(dirname "$0")/.." && pwd) || exit 2
cd "$top" || exit 2
flavour=${F:-fast}
[ -n "${P-}" ] || unset P
tmp=$(mktemp -d) || exit 2
watcher= round=

end()
{
	trap '' INT TERM HUP
	[ -z "$round" ] || { kill -TERM -- "-$round" 2> /dev/null; wait "$round"; }
	[ -z "$watcher" ] || kill "$watcher" 2> /dev/null
	rm -rf "$tmp"
	exit "$1"
}
trap 'end 130' INT
trap 'end 143' TERM HUP
trap 'end $?' EXIT

# folders: those that the test and its kernel are made from. Before there is a kernel, the project's own.
folders()
{
	find uml tools rootfs tests -type d ! -name '__pycache__'
	cat "build/again/"*/kernels 2> /dev/null | sort -u | while read -r _ f kernel; do
		[ "$f" != "$flavour" ] || cat "$kernel/.umlab/folders" 2> /dev/null
	done
}

# watch: inotifywait on the folders, again if there are others (else status 1), its events on descriptor 8. It sees what is saved while a round runs, too.
watch()
{
	folders | sort -u > "$tmp/new"
	! cmp -s "$tmp/new" "$tmp/folders" || return 1
	mv "$tmp/new" "$tmp/folders"
	[ -z "$watcher" ] || kill "$watcher" 2> /dev/null
	rm -f "$tmp/events"
	mkfifo "$tmp/events" || end 1
	inotifywait -m -q -e close_write -e moved_to -e moved_from -e delete -e create --format '%e %w%f' --fromfile "$tmp/folders" > "$tmp/events" 2> "$tmp/error" &
	watcher=$!
	exec 8< "$tmp/events"
}

# Editors write files of other names beside the one that is saved.
is_source()
{
	case ${1##*/} in
	.* | *~ | \#*) return 1 ;;
	*.[chS] | *.sh | *.py | *.awk | *.lds | *.mk | *.txt | *.config | *.cflags | *.append | *.patch | Makefile* | Kbuild* | Kconfig* | run) return 0 ;;
	esac
	return 1
}

# wait_for_save: sets SAVED to the file; more that come at once belong to it.
wait_for_save()
{
	local events file wait

	SAVED=
	while [ -z "$SAVED" ]; do
		read -r -u 8 events file || { echo "watch: inotifywait: ended: $(head -n 1 "$tmp/error")" >&2; end 1; }
		# What is created is written later, but for a link.
		[ "$events" != CREATE ] || [ -L "$file" ] || continue
		! is_source "$file" || SAVED=$file
	done
	# Some editors move the file out of the way before they write it.
	[ -e "$SAVED" ] && wait=0.05 || wait=0.3
	while IFS= read -r -t $wait -u 8 file; do :; done
}

# run_test: a round: one line, and what was said unless the test passed.
run_test()
{
	local began=${EPOCHREALTIME//[!0-9]/} status us verdict

	# A process group of its own, which a signal to us ends whole.
	set -m
	"${MAKE:-make}" --no-print-directory check > "$tmp/out" 2>&1 < /dev/null 8<&- &
	round=$!
	set +m
	wait "$round"
	status=$?
	round=
	us=$((${EPOCHREALTIME//[!0-9]/} - began))
	if [ $status -eq 0 ]; then
		verdict="ok    $(grep -cE '^(ok|known) ' "$tmp/out") passed"
	else
		verdict=FAIL
	fi
	printf '%(%H:%M:%S)T  %s  %d.%d s  %s\n' -1 "$verdict" $((us / 1000000)) $((us % 1000000 / 100000)) "$1"
	[ $status -eq 0 ] || grep -vE '^([0-9]+%: Checks|make(\[[0-9]+\])?: )' "$tmp/out" | sed 's/^/    /'
}

watch
run_test "$T"
while :; do
	# What was saved in new folders before nobody saw.
	if watch; then run_test "(more folders)"; fi
	wait_for_save
	run_test "${SAVED#"$top"/}"
done
