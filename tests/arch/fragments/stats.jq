# What the lab's tables, its plot and its document reckon with alike.
def median: sort | if length == 0 then null elif length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;

# Whether two lists of runs' times are further from each other than noise: no run of one is within the range of the other.
def apart($mine; $its): ($mine | max) < ($its | min) or ($mine | min) > ($its | max);

# By how many per cent the median of the one is above that of the other.
def more($mine; $its): (($mine | median) / ($its | median) - 1) * 100 | round;
def percent: if . > 0 then "+\(.) %" else "\(.) %" end;
