# The lab's results as Markdown: a table a setting, the variants of a workload under each other.
include "stats";

def count($name): map(.counters[$name] // 0) | median;
def ms: (. / 100 | round) / 10;
# The kernel counts waits by the millisecond: their 99th percentile is rounded up, at times above the longest.
def p99: map([(.counters.wait_ms_p99 // 0) * 1000, .counters.wait_us_max // 0] | min) | median;
def waits: if count("rcu_queued") == 0 then "-" else "\(count("wait_us_avg") | ms) / \(p99 | ms) / \(count("wait_us_max") | ms)" end;
def spread: "\(median | round) (\(min)-\(max))";

# Runs of one variant beside those of merged.
def against($merged):
	if $merged == null then "-" else
		map(.ms) as $mine | ($merged | map(.ms)) as $its
		| if apart($mine; $its) then more($mine; $its) | percent else "within noise" end
	end;

def row($merged):
	"| \(.[0].workload) | \(.[0].variant) | \(map(.ms) | spread) | \(if .[0].variant == "merged" then "" else against($merged) end) "
	+ "| \(count("fragments_freed")) | \(count("pages_freed")) | \(count("rcu_queued")) | \(count("rcu_twice")) | \(count("waiting_peak")) "
	+ "| \(waits) | \(map(.peak_kb) | spread) |";

def table:
	"\n### \(.[0].setting | split("/") | "\(.[0]), \(.[1]) CPU\(if .[1] == "1" then "" else "s" end)")\n",
	"| workload | variant | ms | against merged | fragments freed | pages freed | queued to RCU | of these twice | waiting, peak | last drop to free, ms: mean / p99 / max | page tables, peak KiB |",
	"|---|---|---|---|---|---|---|---|---|---|---|",
	(group_by(.workload_number)[]
		| (map(select(.variant == "merged")) | if length == 0 then null else . end) as $merged
		| group_by(.variant_number)[] | row($merged));

# Numbers in the order of their first appearance, for group_by().
def number($key): (reduce .[] as $r ([]; if index($r[$key]) then . else . + [$r[$key]] end)) as $order
	| map(. + { ($key + "_number"): (.[$key] as $v | $order | index($v)) });

.measured | number("setting") | number("workload") | number("variant") | group_by(.setting_number)[] | table
