#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: how make coverage reads gcov's output and docs/coverage.md.
# timeout: 30
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../tap.sh"
scripts=$(dirname "$here")/coverage
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT

# As gcov -b -c prints it: a prototype, a function that ran in part, another variant of a
# function that is not compiled, one on a line, one that is not wanted.
cat > "$dir/x.gcov" <<'END'
        -:    0:Source:../linux/mm/x.c
        -:    1:static int zap_one(int a,
        -:    2:		   int b);
        -:    3:int zap_all(void) { return 1; }
function zap_one called 5 returned 100% blocks executed 60%
        5:   10:static int zap_one(int a,
        -:   11:		   int b)
        -:   12:{
        5*:   13:	if (a &&
branch  0 taken 5 (fallthrough)
branch  1 taken 0
branch  2 never executed
    #####:   14:	    	b)
call    0 never executed
    #####:   15:		return  other(b);
        5:   16:	return 0;
        -:   17:}
    #####:   20:int unwanted(void)
        -:   21:{
    #####:   22:	return 0;
        -:   23:}
END
t=$'\t'
OUT=$(awk -v file=mm/x.c -v functions='zap_one gone maybe?' -f "$scripts/lines.awk" "$dir/x.gcov")
is "$(grep ^function <<< "$OUT")" "function${t}mm/x.c${t}zap_one${t}3${t}5${t}1${t}3" "lines and branches of a function are counted"
is "$(grep ^line <<< "$OUT")" "line${t}mm/x.c${t}zap_one${t}14${t}b)
line${t}mm/x.c${t}zap_one${t}15${t}return other(b);" "lines that did not run are named, and no other function's"
is "$(grep ^missing <<< "$OUT")" "missing${t}mm/x.c${t}gone" "a function that is not there is named, unless it may be missing"

cat > "$dir/doc.md" <<'END'
Some text about `code`.
## mm/x.c
### zap_one
- the second operand is never looked at
  `b)`
- it used to be so
  `return   another(b);`
### zap_two
- in another function
  `return other(b);`
END
grep ^line <<< "$OUT" > "$dir/lines"
is "$(awk -f "$scripts/explained.awk" "$dir/doc.md" "$dir/lines" | sort)" \
	"new${t}mm/x.c:15${t}zap_one${t}return other(b);
stale${t}mm/x.c${t}zap_one${t}return another(b);
stale${t}mm/x.c${t}zap_two${t}return other(b);" "what the document does not explain, and what it need not, is found by function and text"
finish
