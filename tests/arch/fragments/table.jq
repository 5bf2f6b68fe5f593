# The lab's results as Markdown: a table a setting, the variants of a workload under each other.
include "stats";

def count($name): map(.counters[$name] // 0) | median;
# Of what is a maximum in each run, that of all.
def most($name): map(.counters[$name] // 0) | max;
def ms: (. / 100 | round) / 10;
# The kernel counts waits by the millisecond: their 99th percentile is rounded up, at times above the longest. Of less than 100
# it is none.
def p99: if count("rcu_run") < 100 then "-" else map([(.counters.wait_ms_p99 // 0) * 1000, .counters.wait_us_max // 0] | min) | median | ms end;
def waits: if count("rcu_queued") == 0 then "-" else "\(count("wait_us_avg") | ms) / \(p99) / \(most("wait_us_max") | ms)" end;
def spread: "\(median | round) (\(min)-\(max))";

# Runs of one variant beside those of merged.
def against($merged):
	if $merged == null then "-" else
		map(.ms) as $mine | ($merged | map(.ms)) as $its
		| if apart($mine; $its) then more($mine; $its) | percent else "within noise" end
	end;

def row($merged):
	"| \(.[0].workload) | \(.[0].variant) | \(map(.ms) | spread) | \(if .[0].variant == "merged" then "" else against($merged) end) "
	+ "| \(count("fragments_freed")) | \(count("pages_freed")) | \(count("rcu_queued")) | \(count("rcu_twice")) | \(most("waiting_peak")) "
	+ "| \(waits) | \(map(.peak_kb) | spread) |";

def table:
	"\n### \(.[0].setting | split("/") | "\(.[0]), \(.[1]) CPU\(if .[1] == "1" then "" else "s" end)")\n",
	"| workload | variant | ms | against merged | fragments freed | pages freed | queued to RCU | of these twice | waiting, most of any run | last drop to free, ms: mean / p99 / longest of any run | page tables, peak KiB |",
	"|---|---|---|---|---|---|---|---|---|---|---|",
	(group_by(.workload_number)[]
		| (map(select(.variant == "merged")) | if length == 0 then null else . end) as $merged
		| group_by(.variant_number)[] | row($merged));

.measured | number("setting") | number("workload") | number("variant") | group_by(.setting_number)[] | table
