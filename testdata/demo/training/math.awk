# math.awk: exp, log and sqrt written out. Some awks are built without them
# (busybox on Debian), and so a model is the same bytes on every machine.

# exp_ is e^x for x <= 0: halve x until the series converges fast, square back.
function exp_(x,   halvings, sum, term, k) {
	while (x < -0.5) { x /= 2; halvings++ }
	sum = term = 1
	for (k = 1; k <= 12; k++) { term *= x / k; sum += term }
	while (halvings-- > 0) sum *= sum
	return sum
}

# log_ is the natural logarithm of v > 0: 2 artanh((v-1)/(v+1)) near 1.
function log_(v,   doublings, z, sum, term, k) {
	while (v < 0.5) { v *= 2; doublings++ }
	while (v > 1) { v /= 2; doublings-- }
	z = (v - 1) / (v + 1)
	term = z
	for (k = 1; k <= 39; k += 2) { sum += term / k; term *= z * z }
	return 2 * sum - doublings * 0.69314718055994531
}

# sqrt_ is the square root of v >= 0, by Newton's method.
function sqrt_(v,   r, k) {
	r = v > 1 ? v : 1
	for (k = 1; k <= 60; k++) r = (r + v / r) / 2
	return r
}
