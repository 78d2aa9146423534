package config

import "strings"

// nearest returns the name that word was most likely meant to be: at most a
// third of its letters (or one) away, "" if there is none. Ties go to the first.
func nearest(word string, names []string) string {
	if len(word) > maxWord {
		return ""
	}
	best, bestCost := "", max(2, len(word)/3+1)
	for _, name := range names {
		if c := editDistance(strings.ToLower(word), strings.ToLower(name)); c < bestCost {
			best, bestCost = name, c
		}
	}
	return best
}

// didYouMean is the hint for word, "" if no name is near.
func didYouMean(word string, names []string) string {
	if n := nearest(word, names); n != "" {
		return "did you mean " + quote(n) + "?"
	}
	return ""
}

// maxWord bounds the work of editDistance; no key or name is that long.
const maxWord = 64

// editDistance counts insertions, deletions, replacements and swaps of
// neighbours (optimal string alignment) between a and b.
func editDistance(a, b string) int {
	if len(a) > maxWord || len(b) > maxWord {
		return maxWord
	}
	before, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev, row = prev, row, before
	}
	return prev[len(b)]
}
