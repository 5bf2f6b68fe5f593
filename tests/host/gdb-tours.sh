#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: guided tours: they are true still; what is wrong with one is said; a reader on a terminal.
# timeout: 1200
# One of the tours is led through; with UMLAB_ALL=1 all of them, as make tour-check does.
set -u
. "$(dirname "$0")/umrun-lib.sh"

kernels=$top/build/points
tour=$top/tools/tour.sh
if [ ! -f "$kernels/series/debug/umlab.info" ] || [ ! -x "$top/build/tests/guest/ptworkload" ]; then
	skip "tours" "no debug kernel yet: make kernel P=series F=debug"
	finish
	exit
fi
mkdir "$dir/tours"

# write NAME: a tour of ours, from stdin.
write()
{
	cat > "$dir/tours/$1.md"
}

# ---- the file ----

# parsed: what the parser says to the tour on stdin.
parsed()
{
	write parsed
	PYTHONPATH=$top/gdb-scripts python3 -c '
import sys
from umlab import tour
try:
    print(tour.load(sys.argv[1]))
except tour.BadTour as error:
    print("bad:", error)' "$dir/tours/parsed.md" 2>&1
}

good=$(parsed <<'END'
# Title
<!-- a licence -->
About
it.

@run point=base cpus=2 append=a,b program=guest/p --x 1

## Stop
@stop f: some line | g
@if x == 1
Text.

    (gdb) p 1
@expect = 1
@source a/b.c: text: 1: 2

? Question
more of it?
! Answer.

## Another
@race park A at mark 1
END
)
like "$good" "Part\(point='base', flavour='debug', cpus=2, append='a b', program='guest/p --x 1'" "a part's settings"
like "$good" "places=\[\('f', 'some line'\), \('g', None\)\], condition='x == 1'" "... a stop's places and condition"
like "$good" "Block\(kind='command', text='p 1', expected=\['= 1'\]\), Block\(kind='source', text='a/b.c: text: 1: 2'" "... commands, source"
like "$good" "question='Question\\\\nmore of it\?', answer='Answer.'" "... questions and answers of several lines"
like "$good" "steps=\[\(22, 'park A at mark 1'\)\]" "... and steps of pt-race"
while IFS='|' read -r text want; do
	like "$(printf '%b' "$text" | parsed)" "^bad: .*parsed.md:[0-9]+: $want" "refused: $want"
done <<'END'
# T\n@run point=series\n|a tour needs a title, an @run and a stop
@run point=series\n## S\n|a tour needs a title, an @run and a stop
# T\n## S\n|a stop before the first @run
# T\n@run pint=series\n|@run: pint: unknown: one of point, flavour
# T\n@run cpus=two\n|@run: cpus=two: not a number
# T\n@run point=series\n@stop f\n|@stop outside of a stop
# T\n@run point=series\n@race release A\n|@race outside of a stop
# T\n@run point=series\n## S\n@expect x\n|@expect without a command above it
# T\n@run point=series\n## S\n    (gdb) p 1\n@expect (\n|@expect \(: no regular expression
# T\n@run point=series\n## S\n@stopp f\n|@stopp: unknown: one of @run, @stop
END

# ---- out of date ----

series='@run point=series program=guest/ptworkload --size 2M --chunk 2M'
madvise='@stop do_madvise
@if $_streq($um_comm(), "ptworkload") && behavior == 4'

# wrong NAME STOP [RUN]: a tour of one stop; what makes it out of date is in it.
wrong()
{
	printf '# A tour\n%s\n## The stop\n%s\n' "${3:-$series}" "$2" | write "$1"
}

wrong fine "$madvise
    (gdb) p behavior
@expect = 4"
wrong not-reached "@stop do_madvise
@if behavior == 12345"
wrong no-function "@stop no_such_function"
wrong line-moved "@stop do_madvise: a line that is not there"
wrong expect "$madvise
    (gdb) p behavior
@expect = 5"
wrong command "$madvise
    (gdb) p no_such_variable"
wrong source "@source mm/madvise.c: a line that is not there" "@run point=series"
wrong file "@source mm/no-such-file.c: x" "@run point=series"
wrong race "@race park A at no_such_function"
all=(fine not-reached line-moved expect source)
! whole "each way of being out of date" || all+=(no-function command file race)
checked=$(UMLAB_TOURS=$dir/tours "$tour" --check "${all[@]}" 2>&1)
STATUS=$?
is $STATUS 1 "tours that are out of date fail"
like "$checked" '^ok +fine ' "one that is not passes"
like "$checked" "^1 passed, $((${#all[@]} - 1)) failed" "... each is tried"
for want in 'not-reached: .*The stop: the kernel ended before it came to do_madvise' \
	'no-function: .*no_such_function: this kernel has no such function' \
	'line-moved: .*do_madvise\(\) has no line with `a line that is not there`' \
	'command: .*`p no_such_variable`: No symbol "no_such_variable"' \
	'source: .*no line with `a line that is not there` in umlab/series' \
	'file: .*no-such-file.c: no such file in umlab/series' \
	'race: .*race.md:[0-9]+: no_such_function: this kernel has no such function'; do
	[[ " ${all[*]} " != *" ${want%%:*} "* ]] || like "$checked" "^tour: $want" "out of date: ${want%%:*}"
done
like "$checked" '^which has no match of: = 5' "out of date: expect"
out=$(UMLAB_TOURS=$dir/tours "$tour" nothing 2>&1)
is $? 2 "a tour that isn't there: status 2"
like "$out" 'nothing: no such tour: one of: .*fine' "... and which there are"
like "$(UMLAB_TOURS=$dir/tours "$tour")" '^fine +A tour' "without a name they are listed"
printed=$(UMLAB_TOURS=$dir/tours "$tour" --markdown fine 2>&1)
like "$printed" '^### The stop' "as a document: headings"
like "$printed" '^\(gdb\) p behavior' "... and commands"

# ---- on a terminal ----

# Two parts, so that leaving the first is not the same as going through with it.
write talk <<END
# A tour to talk to
$series
## First
$madvise
? Ready?
! Yes.
## Second
@stop tlb_remove_table
@if \$_streq(\$um_comm(), "ptworkload")
@run point=series
## Third
@source mm/Kconfig: config PT_RECLAIM: 0: 0
END

# The next stop of this one never comes.
write long <<END
# A long tour
@run point=series program=guest/ptworkload --size 50G --chunk 2M
## First
$madvise
## Second
@stop do_madvise
@if behavior == 12345
END

# talk TOUR LINE...: types each line when what is on the terminal ends in a prompt (Ctrl-C: that key, without
# ENTER), and ^C while the kernel runs; OUT is all that was printed.
talk()
{
	local line before now left name=$1

	shift

	rm -f "$dir/keys"
	mkfifo "$dir/keys"
	: > "$dir/typed"
	UMLAB_TOURS=$dir/tours timeout 200 script -qec "$tour $name; echo ended with \$?" /dev/null < "$dir/keys" > "$dir/typed" 2>&1 &
	exec 3> "$dir/keys"
	before=-1
	for line; do
		if [ "$line" = ^C ]; then
			sleep 2
			before=$(stat -c %s "$dir/typed")
			printf '\003' >&3
			continue
		fi
		left=600
		while now=$(stat -c %s "$dir/typed"); [ "$now" -le "$before" ] ||
			! tail -c 300 "$dir/typed" | tr -d '\r' | sed 's/\x1b\[[?0-9;]*[a-zA-Z]//g' |
			tail -n 1 | grep -Eq '(ENTER goes on\)|ENTER starts the next one\)|\(gdb\)) $'; do
			left=$((left - 1))
			[ $left -gt 0 ] || break 2
			sleep 0.1
		done
		before=$now
		if [ "$line" = Ctrl-C ]; then
			printf '\003' >&3
		else
			printf '%s\n' "$line" >&3
		fi
	done
	exec 3>&-
	wait $!
	OUT=$(tr -d '\r' < "$dir/typed" | sed 's/\x1b\[[?0-9;]*[a-zA-Z]//g')
}

talk talk 'p 40 + 2' 'no-such-command' 'break zap_pte_range if $_streq($um_comm(), "ptworkload")' '' 'p details->reclaim_pt' '' '' '' 'quit' 'quit'
like "$OUT" '^\[1/2\] First' "a reader sees the first stop"
like "$OUT" '^\$1 = 42' "... has gdb commands there"
like "$OUT" 'Undefined command: "no-such-command"' "... and their errors"
like "$OUT" '^! Yes' "ENTER shows the answer"
like "$OUT" 'Not yet tlb_remove_table' "a breakpoint of the reader's own comes first"
like "$OUT" '= true' "... with gdb commands there"
like "$OUT" '^\[2/2\] Second' "ENTER goes on to the next stop"
like "$OUT" '^\[1/1\] Third' "... and to the next part"
like "$OUT" 'config PT_RECLAIM' "... which reads source"
like "$OUT" 'ended with 0' "... to the end"
if whole "quit, and Ctrl-C on the way"; then
	talk talk Ctrl-C 'quit' 'p 50 + 3' 'quit'
	is "$(grep -c '(.*ENTER goes on) ' <<< "$OUT")" 2 "Ctrl-C at the prompt asks again, at once"
	like "$OUT" '^\$1 = 53' "quit leaves the tour, and gdb is there"
	like "$OUT" 'ended with 0' "... the next quit leaves gdb"
	[[ $OUT != *Second* && $OUT != *Third* ]]
	ok $? "... and nothing else is started" "$OUT"
	talk long '' ^C 'p 60 + 4' 'quit' 'quit'
	like "$OUT" '^Not yet do_madvise: the kernel has stopped' "Ctrl-C stops the kernel on its way"
	like "$OUT" '^\$[0-9]+ = 64' "... and gdb commands work there"
fi

# ---- those that there are ----

tours=(reclaim)
[ -z "${UMLAB_ALL:-}" ] || tours=("$top"/gdb-scripts/tours/*.md)
for name in "${tours[@]}"; do
	name=$(basename "$name" .md)
	lacks=
	while IFS= read -r run; do
		point=$(sed -n 's/.*point=\([^ ]*\).*/\1/p' <<< "$run")
		[[ $run != *program=* ]] || [ -f "$kernels/$point/debug/umlab.info" ] || lacks=$point
	done < <(grep '^@run' "$top/gdb-scripts/tours/$name.md")
	if [ -n "$lacks" ]; then
		skip "tour: $name" "no such kernel yet: make kernel P=$lacks F=debug"
		continue
	fi
	out=$("$tour" --check "$name" 2>&1)
	ok $? "tour: $name" "$out"
done
finish
