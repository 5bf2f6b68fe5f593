#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Tells clangd how each file of a kernel was compiled.
# Usage: compile-commands.sh KERNEL_DIR [FILE]	KERNEL_DIR: build/points/P/F, as uml/kernel.sh built it
# Writes FILE (default KERNEL_DIR/compile_commands.json) with the script of the kernel's own tree.
set -eu

die() {
	echo "compile-commands: $*" >&2
	exit 1
}

[ $# -ge 1 ] && [ $# -le 2 ] || die "usage: compile-commands.sh KERNEL_DIR [FILE]"
dir=$(realpath -e "$1" 2>/dev/null) || die "$1: no such directory: make kernel P= F= builds one"
out=${2:-$dir/compile_commands.json}
src=$(sed -n 's/^srcdir=//p' "$dir/umlab.info" 2>/dev/null) || true
[ -n "$src" ] || die "$dir: no kernel (umlab.info has no srcdir): make kernel P= F= builds one"
script=$src/scripts/clang-tools/gen_compile_commands.py
[ -f "$script" ] || die "$script: missing: it is part of every kernel since 4.19"
command -v python3 >/dev/null || die "python3: not found: install the package python3"

python3 "$script" -d "$dir" -o "$out.part"
# The compiler's own flags that clang does not know would be errors in each file.
sed -i -E -e '/^ *"command":/ {
	s/"ccache /"/
	s/ (-fconserve-stack|-f(no-)?allow-store-data-races|-ftrivial-auto-var-init=zero)( |$)/ /g
	s/ (-fconserve-stack|-f(no-)?allow-store-data-races|-ftrivial-auto-var-init=zero)( |$)/ /g
}' "$out.part"
mv "$out.part" "$out"
echo "$out"
