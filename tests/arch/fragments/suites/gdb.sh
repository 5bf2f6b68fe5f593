#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: powerpc's page table fragments: gdb holds the window of pte_frag_destroy() open, in the merged code and the mended one
# timeout: 1800
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../../tap.sh"
# held VARIANT WORDS: what is said of its page last.
held() {
	local out rc
	out=$("$here/../gdb.sh" "$1" 2>&1); rc=$?
	is "$rc" 0 "$1: the window is shown"
	is "$(grep '^window: ' <<<"$out" | tail -n 1)" "window: $2" "$1: the page is $2"
	is "$(grep -o '(struct ptdesc \*) 0x[0-9a-f]*' <<<"$out" | sort | uniq -c | awk '{ print $1 }')" 3 "$1: one page, shown to the reader, before pte_frag_destroy() and behind it"
	like "$out" 'pte_offset_map_lock .*pgtable-generic\.c' "$1: the reader is in pte_offset_map_lock()"
}
held merged "freed under the reader"
held merged-fixed "kept for the reader"
finish
