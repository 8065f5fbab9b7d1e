# softmax.awk: multinomial logistic regression by gradient descent.
#
#   awk -F, -f math.awk -f softmax.awk -v epochs=N -v rate=R -v decay=D \
#       -v features="1 2" -v model=WEIGHTS.tsv TRAIN.csv
#
# Reads flowers, prints the loss as it falls, writes the weights. No random
# numbers: weights start at zero and every step sees every flower, so that the
# same rows give the same model, byte for byte.

BEGIN { nf = split(features, use, " ") }

NR == 1 { for (j = 1; j <= nf; j++) name[j] = $use[j]; next }

{
	rows++
	for (j = 1; j <= nf; j++) { x[rows, j] = $use[j]; sum[j] += $use[j] }
	if (!($5 in class)) { class[$5] = ++classes; species[classes] = $5 }
	y[rows] = class[$5]
}

END {
	if (rows == 0) { print "train: no flowers to learn from"; exit 1 }
	standardise()
	for (epoch = 1; epoch <= epochs; epoch++) {
		step()
		if (epoch == 1 || epoch == epochs || epoch % (epochs > 10 ? int(epochs / 10) : 1) == 0)
			printf "epoch %4d  loss %.6f\n", epoch, loss()
	}
	write()
}

# standardise brings every feature to mean 0 and deviation 1, which gradient
# descent needs; x[i, 0] = 1 stands for the bias.
function standardise(   i, j, d) {
	for (i = 1; i <= rows; i++) x[i, 0] = 1
	for (j = 1; j <= nf; j++) {
		mean[j] = sum[j] / rows
		for (i = 1; i <= rows; i++) { d = x[i, j] - mean[j]; dev[j] += d * d }
		dev[j] = sqrt_(dev[j] / rows)
		if (dev[j] == 0) dev[j] = 1
		for (i = 1; i <= rows; i++) x[i, j] = (x[i, j] - mean[j]) / dev[j]
	}
}

# predict fills p with the probability of each species for flower i. Taking the
# largest score off all of them keeps e^score from overflowing.
function predict(i,   j, c, top, total) {
	for (c = 1; c <= classes; c++) {
		p[c] = 0
		for (j = 0; j <= nf; j++) p[c] += w[c, j] * x[i, j]
		if (c == 1 || p[c] > top) top = p[c]
	}
	for (c = 1; c <= classes; c++) { p[c] = exp_(p[c] - top); total += p[c] }
	for (c = 1; c <= classes; c++) p[c] /= total
}

# step moves the weights against the gradient of the mean cross-entropy over
# all flowers; decay pulls them towards zero, but for the bias.
function step(   i, j, c, g) {
	for (i = 1; i <= rows; i++) {
		predict(i)
		for (c = 1; c <= classes; c++)
			for (j = 0; j <= nf; j++)
				g[c, j] += (p[c] - (c == y[i])) * x[i, j]
	}
	for (c = 1; c <= classes; c++)
		for (j = 0; j <= nf; j++)
			w[c, j] -= rate * (g[c, j] / rows + (j ? decay * w[c, j] : 0))
}

# loss is the mean cross-entropy at the weights as they are.
function loss(   i, total) {
	for (i = 1; i <= rows; i++) { predict(i); total -= log_(p[y[i]]) }
	return total / rows
}

# write leaves one line a feature: its name, mean and deviation, then the
# weight of each species. Eight digits are more than the data can tell.
function write(   j, c) {
	printf "feature\tmean\tdeviation" > model
	for (c = 1; c <= classes; c++) printf "\t%s", species[c] > model
	printf "\n" > model
	for (j = 0; j <= nf; j++) {
		printf "%s\t%.8f\t%.8f", (j ? name[j] : "bias"), (j ? mean[j] : 0), (j ? dev[j] : 1) > model
		for (c = 1; c <= classes; c++) printf "\t%.8f", w[c, j] > model
		printf "\n" > model
	}
	close(model)
}
