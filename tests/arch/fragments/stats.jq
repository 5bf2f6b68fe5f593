# What the lab's tables, its plot and its document reckon with alike.
def median: sort | if length == 0 then null elif length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;

# Whether two lists of runs' times are further from each other than noise: no run of one is within the range of the other.
def apart($mine; $its): ($mine | max) < ($its | min) or ($mine | min) > ($its | max);

# By how many per cent the median of the one is above that of the other.
def more($mine; $its): (($mine | median) / ($its | median) - 1) * 100 | round;
# The geometric mean of ratios, in per cent above 1.
def mean_more: if length == 0 then null else ((map(log) | add) / length | exp - 1) * 1000 | round / 10 end;
def percent: if . == null then "-" elif . > 0 then "+\(.) %" else "\(.) %" end;

# The values of a list, each once, in the order of their first appearance.
def distinct: reduce .[] as $v ([]; if index($v) then . else . + [$v] end);

# Numbers in that order, for group_by().
def number($key): (map(.[$key]) | distinct) as $order
	| map(. + { ($key + "_number"): (.[$key] as $v | $order | index($v)) });
