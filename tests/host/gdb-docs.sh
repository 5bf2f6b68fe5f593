#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: docs/gdb.md: it has every command and what the tours say; what it shows is what the commands print now.
# timeout: 1200
# It takes five kernels in gdb to write it anew; without UMLAB_ALL=1 only that nothing is missing is looked at.
set -u
. "$(dirname "$0")/umrun-lib.sh"

doc=$top/docs/gdb.md
# What depends on time and chance alone is often another way in the next run; an output that has changed never comes back.
runs=3

cat > "$dir/docs.py" <<'PYTHON'
"""What tests/host/gdb-docs.sh asks of docs/gdb.md.

  docs.py same DOC NEW...      whether each part of DOC is in its place in one NEW or another, but for numbers
  docs.py tours DOC TOUR...    whether DOC has the titles, the text and the commands of those tours, and no others
  docs.py commands DOC         reads names of commands, one a line: whether each has a title and a transcript

They print what is not so, and end with status 1 then.
"""

import re
import sys
from collections import namedtuple

Part = namedtuple("Part", "title command lines")
Part.__doc__ = "title (str) it is below; command (str, None for text); lines (tuple of str): of text, or of output."

# What one run has and another hasn't: lines of these forms count only if one has another form. N is any number.
CHANCE = [
    # mg-show: as the allocator gave the pages.
    r"page frames? N(-N, N pages)?", r"\.\.\. and N lines more; mg-batches draws them",
    # rcu-tables: how far RCU has come, and who else waits for it.
    r"grace period N is over, (none runs|N runs)", r"CPU N: (no callbacks|N callbacks?)", r"others: N \w.*",
    r"(done|wait|next ready|next): N callbacks?, (whose grace period is over: they may run|not given a grace period yet|"
    r"for grace period N, which (runs|has not begun|is over: this CPU has not noticed yet))",
    # pt-life: the same.
    r"N jiffies N CPU N \S+, pid N freed: RCU's callback \(batch N, slot N\)",
    r"__tlb_remove_table_free \S+ < tlb_remove_table_rcu .*",
    # pt-race: how far the CPU has come that was let go.
    r"B: CPU N \((race-b|swapper/N), pid N\) (idle|in user space|in \w+\(\) at \S+)",
    # lx-timerlist: which timers there are.
    r"#N: <N>, \w+, S:N", r"# expires at N-N nsecs \[in N to N nsecs\]", r"active timers:", r"\.expires_next : N nsecs",
    r"\.hres_active : true",
]
# The same in other words.
ALIKE = [
    (r"every entry was cleared, under one lock|looked through again: every entry is none", "EMPTIED"),
    (r"^zap_(empty_pte_table|pte_table_if_empty) \S+ <", "ZAP <"),
    (r"(-> \(struct page \*\).*?uptodate) lru\b", r"\1"),
    (r"\b(freed by RCU's callback|waits for a grace period)\b", "STATE"),
    (r'"kernel": "[^"]*"', '"kernel": K'),
    (r"N ms jiffies", "N jiffies"),
]
# The first line where a tour stops at one of several places: whether the PTE lock was dropped midway is chance.
EITHER = r"zap_(empty_pte_table|pte_table_if_empty)\("


def parts(path):
    """Return the parts (list of Part) of the document @path (str), in their order."""
    found, title, block = [], "", None
    with open(path, encoding="utf-8") as file:
        for line in file.read().split("\n"):
            if line == "```":
                if block is None:
                    block = []
                    continue
                command = block.pop(0)[6:] if block and block[0].startswith("(gdb) ") else ""
                found.append(Part(title, command, tuple(block)))
                block = None
            elif block is not None:
                block.append(line)
            elif re.match("##+ ", line):
                title = line
                found.append(Part(title, None, ()))
            elif line:
                if found and found[-1].command is None and found[-1].title == title:
                    found[-1] = found[-1]._replace(lines=found[-1].lines + (line,))
                else:
                    found.append(Part(title, None, (line,)))
    return found


def plain(line):
    """Return a @line (str) of output without what differs from run to run; None if it is there by chance."""
    line = re.sub(r"(?<![\w.])[-+]?(0x[0-9a-f]+|\d+(\.\d+)?)(?![\w.]*[a-z_])", "N", line)
    line = re.sub(r"\s+", " ", line).strip()
    for pattern, words in ALIKE:
        line = re.sub(pattern, words, line)
    return None if any(re.fullmatch(pattern, line) for pattern in CHANCE) else line


def seen(part):
    """Return what of a @part (Part) must be the same: text as it is, the lines of an output in any number."""
    if part.command is None:
        return part.lines
    if not part.command and part.lines and re.match(EITHER, part.lines[0]):
        return {EITHER}
    return {plain(line) for line in part.lines} - {None}


def same(doc, *others):
    """Whether the document @doc (str) is, but for numbers and chance, what @others (str each) are."""
    ours, theirs = parts(doc), [parts(path) for path in others]
    for other in theirs:
        if [part[:2] for part in ours] != [part[:2] for part in other]:
            print("other titles or commands: " + str(set(part[:2] for part in ours) ^ set(part[:2] for part in other)))
            return False
    good = True
    for number, part in enumerate(ours):
        if any(seen(part) == seen(other[number]) for other in theirs):
            continue
        good = False
        print(f"{part.title}" + (f": (gdb) {part.command}" if part.command else ""))
        now = theirs[-1][number]
        for sign, lines in (("-", set(seen(part)) - set(seen(now))), ("+", set(seen(now)) - set(seen(part)))):
            print("".join(f"  {sign} {line}\n" for line in sorted(lines)), end="")
    return good


def tours(doc, *names):
    """Whether @doc (str) has what is written in the tours @names (str each, files), in that order."""
    from umlab import tour
    want = []
    for one in map(tour.load, names):
        want.append(("## " + one.title, None))
        for stop in (stop for part in one.parts for stop in part.stops):
            want.append(("### " + stop.title, None))
            want += [("### " + stop.title, block.text) for block in stop.blocks if block.kind == "command"]
    have = []
    for part in parts(doc):
        if part.title and (part.title, None) not in have:
            have.append((part.title, None))
        if part.command:
            have.append((part.title, part.command))
    for one in [one for one in want if one not in have]:
        print("missing:", *filter(None, one))
    for one in [one for one in have if one not in want]:
        print("in no tour:", *filter(None, one))
    if sorted(map(str, want)) == sorted(map(str, have)) and want != have:
        print("in another order")
    text = "\n".join(line for part in parts(doc) if part.command is None for line in part.lines)
    for block in (b for n in names for p in tour.load(n).parts for s in p.stops for b in s.blocks if b.kind == "text"):
        for line in filter(None, block.text.split("\n")):
            if line not in text:
                print("missing text:", line)
                have = None
    return want == have


def commands(doc):
    """Whether each command of stdin has a title and a transcript in @doc (str)."""
    good, found = True, parts(doc)
    for name in sys.stdin.read().split("\n"):
        if name and not any(part.command and re.match(re.escape(name) + r"([ /]|$)", part.command) for part in found):
            print(f"{name}: no transcript")
            good = False
        # A word of a command that has a title of its own, or one of several in one title.
        if name and not any(all(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", part.title) for word in name.split())
                            for part in found):
            print(f"{name}: no title")
            good = False
    return good


sys.exit(not globals()[sys.argv[1]](*sys.argv[2:]))
PYTHON

# docs ARG...: docs.py with them; sets OUT and STATUS.
docs()
{
	OUT=$(PYTHONPATH=$top/gdb-scripts PYTHONDONTWRITEBYTECODE=1 python3 "$dir/docs.py" "$@" 2>&1)
	STATUS=$?
}

# ---- that nothing is missing ----

docs tours "$doc" "$top/gdb-scripts/tours/commands.md" "$top/gdb-scripts/tours/reclaim.md"
ok $STATUS "docs/gdb.md has what the tours say: make gdb-docs" "$OUT"
docs commands "$doc" < <(gdb -q -nx -batch -x "$top/gdb-scripts/umlab.py" \
	-ex 'python from umlab.command import COMMANDS; print("\n".join(sorted(COMMANDS)))' 2>&1
	printf 'pt-life %s\n' on off show save clear
	printf '%s\n' translate-vm lx-vmallocinfo lx-interruptlist lx-symbols lx-stack_depot_lookup)
ok $STATUS "... and every command" "$OUT"
docs commands "$doc" <<< 'pt-nosuch'
is "$OUT" "pt-nosuch: no transcript
pt-nosuch: no title" "... one that were missing is told"
is "$(grep -nF "$top" "$doc")" "" "... and no path of this machine"

# ---- that a change is seen ----

# changed SED: docs/gdb.md so changed, against itself.
changed()
{
	sed -E "$1" "$doc" > "$dir/changed.md"
	if cmp -s "$doc" "$dir/changed.md"; then
		ok 1 "this changes nothing in docs/gdb.md: $1"
	fi
	docs same "$doc" "$dir/changed.md"
}

changed '/^([ \t]|p.d\[|pte\[|VMA)/s/(0x[0-9a-f]*)[0-9]/\17/; /^\(gdb\)/!s/pid [0-9]+/pid 9/; s/[0-9]+\.[0-9]+ ms/1.0 ms/; /^    page frame/d'
is "$STATUS $OUT" "0 " "other numbers are no change"
while IFS='|' read -r change what; do
	changed "$change"
	is $STATUS 1 "a change is seen: $what"
done <<'LIST'
s/present rw user/present user/|a word of an output
s/mapped 1 times/mapped once/|a number that has become a word
/^grace period [0-9]/s/is over/has ended/|a line that depends on time, in other words
s/^pages   512 pages/pages\n  512 pages/|a line that has become two
/^### mg-batches/d|no title
/^\(gdb\) pt-ps$/s/ps/ps 1/|another command
s/^Only a range of addresses/Only a part/|other text
LIST

# ---- that it is what the commands print ----

# kernel_of DOCUMENT: the version of the kernel that it shows.
kernel_of()
{
	sed -n 's/.*"kernel": "Linux version \([^ ]*\).*/\1/p' "$1"
}

locked=$(sed -n 's/.*_\([0-9.]*\)-.*/\1/p' "$top/uml/source.lock" | head -n 1)
is "$(kernel_of "$doc")" "$locked" "docs/gdb.md is of the kernel in uml/source.lock: make gdb-docs"

if [ ! -f "$top/build/points/series/debug/umlab.info" ] || [ ! -f "$top/build/points/fixed/debug/umlab.info" ] ||
	[ ! -x "$top/build/tests/gdb/race" ]; then
	skip "docs/gdb.md from a run" "no such kernels yet: make kernel P=series F=debug, make kernel P=fixed F=debug"
elif whole "docs/gdb.md from a run"; then
	new=()
	for ((i = 0; i < runs; i++)); do
		"$top/tools/gdb-docs.sh" "$dir/new$i.md" > "$dir/out" 2>&1 || continue
		new+=("$dir/new$i.md")
		docs same "$doc" "${new[@]}"
		[ $STATUS -ne 0 ] || break
		diag "run $((i + 1)): $OUT"
	done
	[ ${#new[@]} -gt 0 ]
	ok $? "tools/gdb-docs.sh writes the document" "$(cat "$dir/out")"
	if [ ${#new[@]} -gt 0 ]; then
		if [ "$(kernel_of "${new[0]}")" != "$locked" ]; then
			skip "docs/gdb.md from a run" "it is of another kernel: $locked, of uml/source.lock"
		else
			ok $STATUS "docs/gdb.md shows what the commands print now: make gdb-docs" "$OUT"
		fi
	fi
	left=("$dir"/new*.md.*)
	[ ! -e "${left[0]}" ]
	ok $? "... and nothing half written is left" "${left[*]}"
fi
finish
