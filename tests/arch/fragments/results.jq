# The lab's results: of the parts and variants that were run now, and of the others what the results had before. Each row has the date of its run.
# earlier: the races of runs before.
($before[0] // {}) as $had
| ($parts | split(" ")) as $parts | ($variants | split(" ")) as $variants
| def done_again: IN(.variant; $variants[]) and IN((.part // "measure") | if . == "early" then "reclaim" else . end; $parts[]);
def all($key; $now): [$had[$key][]? | select(done_again | not) | { date: $had.date } + .] + ($now | map({ $date } + .));
{ $date, $qemu, runs: (if IN("measure"; $parts[]) then $runs | tonumber else $had.runs end), judged: all("judged"; $judged),
	earlier: (($had.earlier // []) + [$had.judged[]? | select(.part == "race" and done_again) | { date: $had.date } + .]), measured: all("measured"; $measured) }
