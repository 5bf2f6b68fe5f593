# The measurements of one setting for plot.gp, tab-separated: the time of each workload but the mix, which ends by the clock.
include "stats";
[.measured[] | select(.setting == $setting and (.workload | startswith("mix") | not))]
| (reduce .[].variant as $v ([]; if index($v) then . else . + [$v] end)) as $variants
| (reduce .[].workload as $w ([]; if index($w) then . else . + [$w] end)) as $workloads
| . as $runs
| (["workload"] + ($variants | map(., "least", "most"))),
  ($workloads[] as $w | [$w | gsub(","; " ")] + ($variants | map(. as $v | [$runs[] | select(.workload == $w and .variant == $v) | .ms] | if length == 0 then 0, 0, 0 else median, min, max end)))
| @tsv
