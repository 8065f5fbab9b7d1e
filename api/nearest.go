package api

import "strings"

// Nearest is the known name that somebody who wrote name most likely meant, or
// "" when none is near. Of equally near names the first in known wins.
func Nearest(name string, known []string) string {
	best, bestCost := "", 0
	limit := max(1, len(name)/4)
	for _, k := range known {
		if strings.EqualFold(k, name) {
			return k
		}
		// A name far too long or short is never near; not comparing it bounds the cost.
		if len(k)-len(name) > limit || len(name)-len(k) > limit {
			continue
		}
		cost := editDistance(strings.ToLower(name), strings.ToLower(k))
		if cost <= limit && (best == "" || cost < bestCost) {
			best, bestCost = k, cost
		}
	}
	return best
}

// editDistance counts insertions, deletions, replacements and swaps of
// neighbours.
func editDistance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replaced := last[j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			row[j] = min(replaced, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// didYouMean is the hint for an unknown name; "" when nothing is near.
func didYouMean(name string, known []string) string {
	if n := Nearest(name, known); n != "" {
		return "did you mean `" + n + "`?"
	}
	return ""
}
