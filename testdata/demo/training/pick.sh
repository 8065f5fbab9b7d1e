#!/bin/sh
# pick.sh MODELS METRICS MODEL BEST ACCURACY LOSS VARIANT
#
# The folders MODELS and METRICS hold one entry for each variant, in the same
# order. Takes the one with the best accuracy, of those the one with the least
# loss, of those the first, and hands on its model and its numbers.
set -eu
LC_ALL=C
export LC_ALL

models=$1 metrics=$2 model=$3 best=$4 accuracy=$5 loss=$6 variant=$7

value() { awk -F '[":, ]+' -v key="$1" '$2 == key { print $3 }' "$2"; }

winner=$(
	for file in "$metrics"/*; do
		echo "${file##*/} $(value accuracy "$file") $(value loss "$file")"
	done | awk 'NR == 1 || $2 + 0 > a || ($2 + 0 == a && $3 + 0 < l) { w = $1; a = $2 + 0; l = $3 + 0 } END { print w }'
)
for file in "$metrics"/*; do
	i=${file##*/}
	. "$models/$i/settings.env"
	mark=' '
	[ "$i" != "$winner" ] || { mark='*'; echo "$VARIANT" > "$variant"; }
	printf '%s %-14s accuracy %s  loss %s\n' "$mark" "$VARIANT" "$(value accuracy "$file")" "$(value loss "$file")"
done

mkdir -p "$model"
cp "$models/$winner/weights.tsv" "$models/$winner/settings.env" "$model/"
cp "$metrics/$winner" "$best"
value accuracy "$best" > "$accuracy"
value loss "$best" > "$loss"
