# SPDX-License-Identifier: GPL-2.0
# What a kernel did, of its console: in the words of expect.txt, KEY=VALUE one a line, and figures as KEY VALUE.
# What is not as guest/workload.c promises shows as a value that no expectation has.
#
#   -v part=PART  what was asked for: "tables" for the first boot, which has no failing allocations
#   -v pt_reclaim=y|n

{ sub(/\r$/, "") }

# Console lines have a time stamp before them, or a level.
match($0, /umlab: [a-z-]+( [a-z_]+=[^ ]*)*$/) {
	n = split(substr($0, RSTART + 7), field, " ")
	split("", value)
	for (i = 2; i <= n; i++) {
		at = index(field[i], "=")
		key = substr(field[i], 1, at - 1)
		value[key] = substr(field[i], at + 1)
		if (value[key] ~ /^[0-9]+$/)
			value[key] += 0
	}
	took(field[1])
	next
}

# The first line of a report, and what it is about.
/WARNING: |BUG: |Oops|Kernel panic|rcu: INFO: .*stall|Kernel unaligned access|Unable to handle kernel|pagealloc: (memory corruption|single bit error)/ {
	if (/__call_rcu_common/ && /WARNING/)
		in_rcu = 1
	else if (!/Kernel unaligned access/) # what such an rcu_head leads to on sparc64
		other = 1
	if (!report) {
		report = $0
		sub(/^\[[ 0-9.]*\] */, "", report)
	}
}

# Who called, innermost first; of the first report.
report && !traced && /Call Trace:/ { tracing = 1; next }
tracing && /---\[ end trace|umlab: / { tracing = 0; traced = 1 }
tracing && match($0, /[A-Za-z_][A-Za-z_0-9.]*\+0x[0-9a-f]+\/0x/) {
	caller = substr($0, RSTART, RLENGTH)
	sub(/\+.*/, "", caller)
	trace = trace (trace ? " <- " : "") caller
}

function took(what,   kind)
{
	if ("tainted" in value)
		tainted = value["tainted"]
	if (what == "begin") {
		begun = 1
		page = value["page"]
		pmd = value["pmd"]
	} else if (what == "end")
		ended = 1
	else if (what == "error")
		error = value["what"] " errno " value["errno"]
	else if (what == "tables") {
		kind = kept_or_freed(value["vmpte_after"] - value["vmpte_before"])
		seen = value["chunk"] < pmd ? "below" : "whole"
		if (seen in verdict && verdict[seen] != kind)
			kind = verdict[seen] "/" kind
		verdict[seen] = kind
		print "vmpte_" (value["chunk"] < pmd ? "below" : value["chunk"] == pmd ? "at" : "above"), value["vmpte_before"] "->" value["vmpte_after"]
		print "kernel_" (value["chunk"] < pmd ? "below" : value["chunk"] == pmd ? "at" : "above"), value["kernel_before"] "->" value["kernel_after"]
	} else if (what == "upper") {
		# A range of so many spans begins inside of one, and another may have been there.
		grew = (value["vmpte_after"] - value["vmpte_before"]) / page
		verdict["upper"] = grew >= value["spans"] - 1 && grew <= value["spans"] + 1 ? "one-each" : "grew-by-" grew
		print "vmpte_upper", value["vmpte_before"] "->" value["vmpte_after"]
	} else if (what == "contents")
		verdict["contents"] = value["wrong"] == 0 && value["checked"] > 0 && verdict["contents"] != "wrong" ? "right" : "wrong"
	else {
		# What the kernel complains of may come later still: see END.
		verdict[what] = "silent"
		if ("failed" in value) {
			print "failed_" what, value["failed"]
			if (value["failed"] == 0)
				verdict[what] = "not-hit"
		}
		if ((pt_reclaim == "y" || what == "inject-munmap") && kept_or_freed(value["vmpte_before"] - value["vmpte_after"]) != "kept")
			verdict[what] = "kept-its-tables"
		print "vmpte_" what, value["vmpte_before"] "->" value["vmpte_after"]
	}
}

# Of a range of 1 GiB: what its tables cost, or next to nothing. A table has an entry of 8 bytes for each page of what it maps. The stack and the like may take two more,
# and where a PTE table is a fraction of a page a table of an upper level counts for more than that: up to 8 KiB.
function kept_or_freed(grew,   table, tables)
{
	table = pmd / page * 8 / 1024
	tables = 1048576 / pmd
	return grew >= 0.9 * tables * table ? "kept" : grew <= (table < 4 ? 8 : 2 * table) ? "freed" : "grew-by-" grew
}

END {
	# Nothing is expected of "log": there is none where all is well.
	if (error)
		verdict["log"] = "error: " error
	else if (!ended)
		verdict["log"] = begun ? "ended-early" : "no-begin"
	else if ((tainted || report) && verdict[part] == "silent")
		verdict[part] = in_rcu && !other ? "warns" : "tainted-" (tainted + 0)
	else if (tainted || report)
		verdict["log"] = "tainted-" (tainted + 0)
	for (v in verdict) {
		if (verdict[v] != "")
			print v "=" verdict[v]
	}
	if (report)
		print "report", report
	if (trace)
		print "trace", trace
}
