#!/bin/sh
# evaluate.sh MODEL TEST METRICS ACCURACY LOSS
#
# Judges the folder MODEL by the flowers in TEST, which it has not seen. Leaves
# the file METRICS (JSON) and the two numbers that people and gates ask for.
set -eu
LC_ALL=C
export LC_ALL

model=$1 test=$2 metrics=$3 accuracy=$4 loss=$5

awk -f math.awk -f evaluate.awk "$model/weights.tsv" "$test" > "$metrics"
cat "$metrics"

# A line of METRICS is:   "accuracy": 0.979167,
value() { awk -F '[":, ]+' -v key="$1" '$2 == key { print $3 }' "$metrics"; }
value accuracy > "$accuracy"
value loss > "$loss"
