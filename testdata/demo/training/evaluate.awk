# evaluate.awk: judges a model by flowers that it has not seen.
#
#   awk -f math.awk -f evaluate.awk WEIGHTS.tsv TEST.csv
#
# Prints JSON, one number a line.

BEGIN { FS = "\t" }

# The weights, as softmax.awk wrote them.
NR == 1 { for (c = 4; c <= NF; c++) species[++classes] = $c; next }
NR == FNR {
	k = ++terms
	name[k] = $1; mean[k] = $2; dev[k] = $3
	for (c = 1; c <= classes; c++) w[c, k] = $(c + 3)
	next
}

# The flowers.
{ split($0, v, ",") }
FNR == 1 { for (j = 1; j <= 4; j++) column[v[j]] = j; next }
{
	for (c = 1; c <= classes; c++) {
		s[c] = 0
		for (k = 1; k <= terms; k++)
			s[c] += w[c, k] * (name[k] == "bias" ? 1 : (v[column[name[k]]] - mean[k]) / dev[k])
		if (c == 1 || s[c] > s[best]) best = c
		if (species[c] == v[5]) truth = c
	}
	total = 0
	for (c = 1; c <= classes; c++) total += exp_(s[c] - s[best])
	loss += s[best] - s[truth] + log_(total)
	flowers++; of[truth]++
	if (truth == best) { right++; found[truth]++ }
}

END {
	printf "{\n"
	printf "  \"accuracy\": %.6f,\n", right / flowers
	printf "  \"loss\": %.6f,\n", loss / flowers
	for (c = 1; c <= classes; c++)
		printf "  \"recall_%s\": %.6f,\n", species[c], found[c] / of[c]
	printf "  \"errors\": %d,\n", flowers - right
	printf "  \"flowers\": %d\n}\n", flowers
}
