# SPDX-License-Identifier: GPL-2.0
# bench.json as the tables that people read.
def s: if . >= 10000 then "\(. / 1000 | round) s" elif . >= 1000 then "\(. / 100 | round / 10) s" else "\(. | round) ms" end;
"\(.cpus) CPUs, \(.cpu); \(.compiler); \(.date)",
"",
"| what | took | against | took | ratio | goal |",
"|---|---|---|---|---|---|",
(.table[] | "| \(.what) | \(.ms | s) | \(.against) | \(.against_ms | s) | \(if .met then "" else "**" end)\(.ratio)\(if .met then "" else "**" end) | <= \(.goal) |"),
(select(.once | length > 0) | "", "Medians of five or more; done once: \(.once | join(", "))."),
(.date[:10] as $today | [.measured | to_entries[] | select(.value != $today) | "\(.key) on \(.value)"] | select(length > 0) | "", "Measured before: \(join(", "))."),
(select(.point_move_ms) | "", "Moving to another point whose kernel is built: \(.point_move_ms | s), nothing is built."),
(select(.parts | length > 0) | "", "Where the time of an edit goes, each part alone, in the same run; *rest* is make, shells, ccache and ninja, the look at what changed, tests/run:", "",
	"| edit of | all | compile | Kbuild\u0027s link | (the faster linker alone) | boot | the test, in umrun | rest |", "|---|---|---|---|---|---|---|---|",
	(.parts[] | "| \(.file) | \(.loop | s) | \(.compile | s) | \(.link | s) | \(.link_limit | s) | \(.boot | s) | \(.test | s) | \(.rest | s) |")),
(select(.guests | length > 0) | "", "| guests at once | all of them | each | memory each | failed |", "|---|---|---|---|---|",
	(.guests[] | "| \(.guests) | \(.all_ms | s) | \(.each_ms | s) | \(.each_mib | round) MiB | \(.failed) |")),
(select((.ccache | length) > 0) | "", "`lib/` compiled with an empty cache: " + ([.ccache[] | { gcc: "gcc alone", ccache: "through ccache", nocpp2: "... with CCACHE_NOCPP2", depend: "... with CCACHE_DEPEND" }[.way]
	+ " \(.median | s) (\(.min | s) to \(.max | s))"] | join(", ")) + ".")
