# SPDX-License-Identifier: GPL-2.0
# build/results/arch.json as docs/architectures.md.
def cell: if . == null or . == "" then "-" else . end;
def fails($part): if .observed[$part] == null then "-" else .observed[$part] + (if .observed[$part] == "warns" then " (**WARN**)" else "" end) end;
"# The series on each of its architectures",
"",
"Written by `make arch-all`, \(.date). Kernels of the points, cross-compiled, booted in qemu (TCG);",
"`tests/arch/guest/workload.c` is PID 1. VmPTE in kB, before -> after a range of 1 GiB was touched once a MiB and given back",
"with MADV_DONTNEED, chunk by chunk: half of what one PTE table maps, all of it, four times it. *batch fails*: every page",
"allocation of the task that may not wait fails meanwhile, so that mmu_gather gets no batch, for pages or for tables (how many failed: fewer",
"where MADV_DONTNEED frees no tables and asks for no batch of them); *in munmap*: the",
"same for munmap() of a range that has a PMD table of its own; *no memory*: nothing is injected, the watermarks are above all that is",
"free. What is expected is in `tests/arch/expect.txt`; a row that isn't as expected says so.",
"",
"| architecture | point | PT_RECLAIM | chunk < table | = table | > table | contents | batch fails | in munmap | no memory | |",
"|---|---|---|---|---|---|---|---|---|---|---|",
(.kernels | sort_by(.arch, (.point | { base: 0, v3: 1, series: 2 }[.] // 3))[]
	| "| \(.arch) | \(.point) | \(.observed.pt_reclaim) | \(.figures.vmpte_below | cell) | \(.figures.vmpte_at | cell) | \(.figures.vmpte_above | cell) | \(.observed.contents | cell) | \(fails("inject-madvise")) (\(.figures["failed_inject-madvise"] | cell)) | \(fails("inject-munmap")) (\(.figures["failed_inject-munmap"] | cell)) | \(fails("min-free")) | \(if .as_expected then "as expected" else "**not as expected**" end) |"),
"",
"## The table that stays",
"",
"Where VmPTE is one table more after the range was given back in whole tables (\([.kernels[] | select(.point == "series" and .observed.whole == "freed") | .arch as $a
	| .figures.vmpte_at as $v | ($v // "0->0" | split("->") | map(tonumber)) | select(.[1] > .[0]) | "\($a) \($v)"] | join(", ") | if . == "" then "nowhere this time" else . end)), that is",
"no PTE table that was missed. VmPTE counts PMD tables, too, and PT_RECLAIM takes none of these; they go with munmap(). Whether the range",
"needs a new one depends on where mmap() puts it. The proof is a range four times as large as what a PMD table maps, given",
"back table by table: four tables stay, one more or less where it begins inside of one, though it had two thousand and more PTE tables (`upper` in expect.txt):",
"",
"| architecture | point | VmPTE |",
"|---|---|---|",
(.kernels | sort_by(.arch, .point)[] | select(.figures.vmpte_upper) | "| \(.arch) | \(.point) | \(.figures.vmpte_upper) |"),
"",
"## The reports",
"",
(.kernels | sort_by(.arch)[] | . as $k | .figures | to_entries[] | select(.key | startswith("report_"))
	| (.key | ltrimstr("report_")) as $part
	| "- \($k.arch) at \($k.point), \($part): `\(.value)`", "  \($k.figures["trace_" + $part] // "")"),
"",
"## With what",
"",
"| architecture | kernel | compiler | qemu | built in | boots |",
"|---|---|---|---|---|---|",
(.kernels | sort_by(.arch, .point)[] | "| \(.arch) \(.point) | \(.kernel.kernelrelease) | \(.kernel.compiler) | \(.qemu | sub("QEMU emulator version "; "")) | \(.kernel.build_seconds) s | \(.boots_seconds) s |")
