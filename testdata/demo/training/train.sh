#!/bin/sh
# train.sh VARIANT TRAIN MODEL
#
# Fits the variant's classifier to the flowers in the file TRAIN and leaves the
# folder MODEL: weights.tsv, and settings.env that says how they came about.
set -eu
LC_ALL=C
export LC_ALL

variant=$1 train=$2 model=$3
[ -r "variants/$variant.env" ] || { echo "train: no variants/$variant.env" >&2; exit 1; }
. ./config.env
. "./variants/$variant.env"

mkdir -p "$model"
awk -F, -f math.awk -f softmax.awk -v epochs="$EPOCHS" -v rate="$RATE" \
	-v decay="$DECAY" -v features="$FEATURES" -v model="$model/weights.tsv" "$train"
cat > "$model/settings.env" <<END
VARIANT=$variant
EPOCHS=$EPOCHS
FEATURES="$FEATURES"
RATE=$RATE
DECAY=$DECAY
END
