#!/bin/sh
# prepare.sh DATA TRAIN TEST
#
# Splits the flowers into rows to learn from (TRAIN) and rows that only judge
# (TEST). DATA is a file with further flowers to learn from, or empty for none.
# The split is fixed, so that the same commit always trains the same model and
# two models are always judged by the same flowers. See data/README.md.
set -eu
LC_ALL=C
export LC_ALL

data=$1 train=$2 test=$3

awk -F, -v train="$train" -v test="$test" '
	NR == 1 { print > train; print > test; next }
	{ nth[$5]++ }                            # which flower of its species this is
	nth[$5] % 3 == 1 { print > train; learn++ }
	nth[$5] % 3 == 0 { print > test; judge++ }
	END { printf "data/iris.csv: %d flowers to learn from, %d to judge by\n", learn, judge }
' data/iris.csv

[ -n "$data" ] || exit 0

# What arrives from outside is checked before it is learned from. A flower that
# judges is never learned from, whoever sends it.
[ -r "$data" ] || { echo "prepare: cannot read $data" >&2; exit 1; }
awk -F, -v train="$train" -v name="$data" '
	function refuse(why) { print "prepare: " name " line " FNR ": " why ": " $0; refused = 1; exit 1 }
	function length_in_cm(s) { return s ~ /^[0-9]+(\.[0-9]+)?$/ && s + 0 > 0 }

	NR == 1 { header = $0; next }
	NR == FNR { judges[$0] = 1; species[$5] = 1; next }
	FNR == 1 { if ($0 != header) refuse("the first line must be " header); next }
	NF != 5 { refuse("not five fields") }
	!(length_in_cm($1) && length_in_cm($2) && length_in_cm($3) && length_in_cm($4)) { refuse("not four lengths") }
	!($5 in species) { refuse("not a species that is known here") }
	$0 in judges { skipped++; next }
	{ print >> train; added++ }
	END { if (!refused) printf "%s: %d more flowers to learn from, %d left out because they judge\n", name, added, skipped }
' "$test" "$data"
