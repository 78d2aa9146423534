package order

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

type pair struct{ key, place int }

func byKey(a, b pair) int { return cmp.Compare(a.key, b.key) }

func TestSortsAsSlicesDoes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for size := range 200 {
		list := make([]pair, size)
		for i := range list {
			list[i] = pair{random.IntN(size/3 + 1), i}
		}
		stable, any := slices.Clone(list), slices.Clone(list)
		Stable(stable, byKey)
		Sort(any, byKey)
		slices.SortStableFunc(list, byKey)
		if !slices.Equal(stable, list) {
			t.Fatalf("Stable gave %v, want %v", stable, list)
		}
		if !slices.IsSortedFunc(any, byKey) {
			t.Fatalf("Sort gave %v", any)
		}
		slices.SortFunc(any, func(a, b pair) int { return cmp.Or(byKey(a, b), a.place-b.place) })
		if !slices.Equal(any, list) {
			t.Fatalf("Sort lost elements: %v, want %v", any, list)
		}
	}
}

func TestNothingToSort(t *testing.T) {
	Sort[pair](nil, byKey)
	Stable[pair](nil, byKey)
}
