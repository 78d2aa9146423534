// Package order sorts short lists. It is for code that runs rarely, where the
// size of the binary counts more than its speed: slices.SortFunc is compiled
// once for every type of element, 10 kB each on mips; what is here shares one
// sorting routine and costs two small functions a type. It owns nothing and
// keeps nothing.
package order

import "sort"

// Sort sorts list in place as slices.SortFunc does: compare is negative if a
// comes before b. The order of equal elements is not specified.
func Sort[T any](list []T, compare func(a, b T) int) {
	sort.Slice(list, func(i, j int) bool { return compare(list[i], list[j]) < 0 })
}

// Stable sorts list in place as slices.SortStableFunc does: equal elements
// keep their order.
func Stable[T any](list []T, compare func(a, b T) int) {
	sort.SliceStable(list, func(i, j int) bool { return compare(list[i], list[j]) < 0 })
}
