# The measurements of one setting for plot.gp, tab-separated: $field, "ms" or a counter, of each workload but the mix, which ends by the clock.
include "stats";
[.measured[] | select(.setting == $setting and (.workload | startswith("mix") | not))]
| (map(.variant) | distinct) as $variants
| (map(.workload) | distinct) as $workloads
| . as $runs
| (["workload"] + ($variants | map(., "least", "most"))),
  ($workloads[] as $w | [$w | gsub(","; " ")] + ($variants | map(. as $v | [$runs[] | select(.workload == $w and .variant == $v) | .[$field] // .counters[$field] // 0] | if length == 0 then 0, 0, 0 else median, min, max end)))
| @tsv
