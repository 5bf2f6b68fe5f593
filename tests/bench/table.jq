# SPDX-License-Identifier: GPL-2.0
# The samples of loop.sh (ROW, SIDE, milliseconds; apart by tabs) as one object: medians, ratios and goals.
def median: sort | if length == 0 then null elif length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
def round3: if . == null then null else (. * 1000 | round) / 1000 end;
[inputs | split("\t") | { row: .[0], side: .[1], value: (.[2] | tonumber), date: .[3] }]
| (map(select(.date)) | group_by(.row) | map({ key: .[0].row, value: (map(.date) | max) }) | from_entries) as $measured
| (group_by(.row) | map({ key: .[0].row, value: (group_by(.side) | map({ key: .[0].side,
	value: { median: (map(.value) | median | round3), n: length, min: (map(.value) | min), max: (map(.value) | max) } }) | from_entries) }) | from_entries) as $s
| def m($row; $side): $s[$row][$side].median;
def line($what; $ours; $against; $than; $goal): select($ours != null and $than != null)
	| { what: $what, ms: ($ours | round3), against: $against, against_ms: ($than | round3), ratio: ($ours / $than | round3), goal: $goal, met: ($ours / $than <= $goal) };
def limit($f): if m($f; "compile") == null then null else m($f; "compile") + ([m($f; "link bfd"), m($f; "link lld")] | min) + m($f; "boot") end;
{ date: $date, cpu: $cpu, cpus: $cpus, compiler: $compiler, unit: "milliseconds; memory in MiB",
  table: [
	(("memory", "mmu_gather", "madvise") as $f | null | line("edit of mm/\($f).c to the verdict of one test"; m("edit \($f)"; "loop"); "compiling, linking and booting alone"; limit("edit \($f)"); 1.25)),
	(("memory", "mmu_gather", "madvise") as $f | null | line("the same"; m("edit \($f)"; "loop"); "make linux, boot, the same test"; m("edit \($f)"; "plain"); 0.4)),
	(null | line("nothing changed to the verdict"; m("null"; "loop"); "a bare boot to power-off"; m("null"; "boot"); 1.15)),
	(null | line("an empty program through umrun"; m("umrun"; "umrun"); "the kernel started by hand"; m("umrun"; "boot"); 1.1)),
	(null | line("the same"; m("umrun"; "umrun"); "... with a preset delay loop (lpj=), as umrun has it"; m("umrun"; "boot lpj"); 1.1)),
	(null | line("cold: source to a fast kernel"; m("cold"; "fast"); "make ARCH=um defconfig; make"; m("cold"; "defconfig"); 0.4)),
	(null | line("a second point after the first"; m("cold"; "second"); "its own cold build"; m("cold"; "fast"); 0.35)),
	(null | line("make gdb to the first breakpoint"; m("gdb"; "make"); "gdb alone on the same kernel"; m("gdb"; "plain"); 1.2)),
	(null | line("all guest suites, two at once"; m("suite"; "two"); "one at a time"; m("suite"; "one"); 0.6)),
	(null | line("edit of mm/madvise.c to a verdict"; m("kunit"; "loop"); "kunit.py --arch um, same edit"; m("kunit"; "kunit.py"); 0.5))
  ],
  parts: [ ("memory", "mmu_gather", "madvise") as $f | select(m("edit \($f)"; "run") != null) | ("edit \($f)" as $r
	| { file: "mm/\($f).c", loop: m($r; "loop"), compile: m($r; "compile"), link: m($r; "kbuild link"), boot: m($r; "boot lpj"), test: (m($r; "run") - m($r; "boot lpj") | round3),
	    rest: (m($r; "loop") - m($r; "compile") - m($r; "kbuild link") - m($r; "run") | round3),
	    link_limit: ([m($r; "link bfd"), m($r; "link lld")] | min) }) ],
  guests: [ (1, 2, 4, 8, 16, 32) as $n | select(m("guests"; "all \($n)") != null)
	| { guests: $n, all_ms: m("guests"; "all \($n)"), each_ms: m("guests"; "time \($n)"), each_mib: m("guests"; "memory \($n)"), failed: ($s.guests["failed \($n)"].n // 0) } ],
  ccache: [ ("gcc", "ccache", "cpp", "nocpp2") as $w | select($s.ccache[$w] != null) | $s.ccache[$w] + { way: $w } ],
  once: [ ("cold", "suite") | select($s[.] != null and ([$s[.][].n] | min) == 1) ],
  point_move_ms: m("point"; "move"),
  measured: $measured, samples: $s }
