# SPDX-License-Identifier: GPL-2.0
# Coverage by function, from gcov's annotated source (gcov -b -c), which says of each line how
# often it ran, and below it how often each branch was taken.
#
# awk -v file=mm/memory.c -v functions='a b c' -f lines.awk memory.c.gcov
# prints, tabs between:
#   function FILE NAME LINES-RUN LINES BRANCHES-TAKEN BRANCHES
#   line     FILE NAME NUMBER TEXT     for each line that did not run
#   missing  FILE NAME                 for a function that has no code here, but for `name?`
#
# A function is what stands in the source between its name and the next line that begins with
# "}": code that the compiler put elsewhere (inlining) still counts for the lines it came from.

BEGIN {
	count = split(functions, list, /[ \t\n]+/)
	for (i = 1; i <= count; i++) {
		optional[i] = sub(/\?$/, "", list[i])
		wanted[list[i]] = 1
	}
}

# The name that a definition or declaration in column 0 has, or "".
function name_of(text,   before)
{
	if (text !~ /^[A-Za-z_].*\(/ || text ~ /^(if|for|while|switch|return|#)/)
		return ""
	before = text
	sub(/\(.*/, "", before)
	sub(/.*[ \t*]/, "", before)
	return before
}

# Behind the lines of an inline function that is in several objects gcov repeats them for each.
/^-+$/ { again = 0; next }
/^[A-Za-z_][A-Za-z0-9_.]*:$/ { again = 1; next }
again { next }

/^(branch|call|function|unconditional) / {
	if (current != "" && $1 == "branch" && !excluded) {
		branches[current]++
		if ($3 == "taken" && $4 > 0)
			taken[current]++
	}
	next
}

{
	# "COUNT:NUMBER:TEXT", blanks before the first two
	run = $0; sub(/:.*/, "", run); gsub(/ /, "", run)
	rest = $0; sub(/^[^:]*:/, "", rest)
	number = rest; sub(/:.*/, "", number); gsub(/ /, "", number)
	text = rest; sub(/^[^:]*:/, "", text)
	if (number == 0)
		next
	if (current == "" && (name = name_of(text)) != "" && (name in wanted))
{
		current = name
		body = 0
	}
	if (current == "")
		next
	excluded = (run == "-")
	if (run != "-") {
		lines[current]++
		if (run ~ /^[0-9]/)
			ran[current]++
		else {
			gsub(/^[ \t]+|[ \t]+$/, "", text)
			gsub(/[ \t]+/, " ", text)
			printf "line\t%s\t%s\t%s\t%s\n", file, current, number, text
		}
	}
	# A declaration has no body before its ";"; a body ends with "}" in column 0, or on its line.
	if (text ~ /\{[ \t]*$/ || text ~ /^\{/)
		body = 1
	if (text ~ /^\}/ || (!body && text ~ /(;|\{.*\})[ \t]*$/))
		current = ""
}

END {
	for (i = 1; i <= count; i++) {
		if (list[i] == "")
			continue
		if (!(list[i] in lines) && optional[i])
			continue
		if (!(list[i] in lines))
			printf "missing\t%s\t%s\n", file, list[i]
		else
			printf "function\t%s\t%s\t%d\t%d\t%d\t%d\n", file, list[i], ran[list[i]],
				lines[list[i]], taken[list[i]], branches[list[i]]
	}
}
