#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: how ccache is used: what it does not see is not taken from it.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/tap.sh"
command -v ccache > /dev/null || { echo "1..0 # SKIP no ccache: make demo installs it"; exit 0; }
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 2
export CCACHE_DIR=$dir/ccache
# used COMMAND...: as kernels are compiled.
used() { bash -c 'UML_DIR=$0/uml BUILD=$PWD; . "$0/uml/make.sh"; use_ccache; "$@"' "$top" "$@"; }
# compiled SOURCE: the object's data.
compiled() { used ccache gcc -Wp,-MMD,x.d -c -o x.o "$1" && objcopy -O binary --only-section=.data x.o x.bin && cat x.bin; }
hits() { ccache --print-stats | awk '$1 ~ /_hit$/ && $1 !~ /^(local|remote|primary|secondary)/ { n += $2 } END { print n + 0 }'; }

printf '#include "value.h"\n__attribute__((section(".data"))) char data[] = VALUE;\n' > source.c
echo '#define VALUE "one"' > value.h
touch -d '1 minute ago' source.c value.h
compiled source.c > first
compiled source.c > second
is "$(hits) $(tr -d '\0' < second)" "1 one" "what was compiled before is not compiled again"
echo '#define VALUE "two"' > value.h
is "$(compiled source.c | tr -d '\0')" two "... but where a header has changed"

for source in embed.S embed.c; do
	printf one > data
	case $source in
	*.S) printf '\t.data\n\t.incbin "data"\n' > $source ;;
	*.c) printf 'asm(".data\\n.incbin \\"data\\"\\n");\n' > $source ;;
	esac
	is "$(compiled $source)" one "$source takes in a file"
	printf two > data
	is "$(compiled $source)" two "... as it is when it is compiled"
done
# A header that hides one of its name: nothing that was included is another.
mkdir -p src/first src/second graph
printf '#include <value.h>\n__attribute__((section(".data"))) char data[] = VALUE;\n' > src/source.c
echo '#define VALUE "second"' > src/second/value.h
touch -d '1 minute ago' src/source.c src/second/value.h
# in_tree: that object's data, as graph.sh has it compiled.
in_tree()
{
	bash -c 'UML_DIR=$0/uml BUILD=$PWD SRC=$PWD/src GRAPH=$PWD/graph; . "$0/uml/make.sh"; . "$0/uml/graph.sh"; use_ccache; graph_headers reason
		ccache gcc -Wp,-MMD,x.d -Isrc/first -Isrc/second -c -o x.o src/source.c' "$top" && objcopy -O binary --only-section=.data x.o x.bin && tr -d '\0' < x.bin
}
is "$(in_tree)" second "a header"
echo '#define VALUE "first"' > src/first/value.h
touch -d '1 minute ago' src/first/value.h
is "$(in_tree)" first "... and one that hides it"
rm src/first/value.h
is "$(in_tree)" second "... for as long as it is there"

is "$(used ccache gcc -c -o x.o nothing.c 2>&1 | grep -c 'nothing.c: No such file'; used ccache gcc -c nothing.c > /dev/null 2>&1; echo $?)" "$(printf '1\n1')" "errors are the compiler's"
finish
