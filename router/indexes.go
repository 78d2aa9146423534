package router

import (
	"maps"
	"slices"

	"luatnetd/netif"
)

// Assign gives every name of names an uplink index and returns the table to
// keep, with whether it differs from have. A name keeps its index for ever,
// also while it is not configured, so that its mark in conntrack keeps its
// meaning. Only when all 62 are taken, the lowest index whose name is not
// configured is taken over. Names beyond 62 get none. have is not changed.
//
// A damaged table is mended: an index out of range is forgotten; of two names
// with one index the configured one, else the first by name, keeps it.
func Assign(have map[string]netif.Index, names []string) (map[string]netif.Index, bool) {
	table := make(map[string]netif.Index, len(have)+len(names))
	owner := make(map[netif.Index]string, len(have))
	keep := func(name string) {
		n, ok := have[name]
		if _, taken := owner[n]; !ok || !n.Valid() || taken {
			return
		}
		table[name], owner[n] = n, name
	}
	for _, name := range slices.Sorted(slices.Values(names)) {
		if _, done := table[name]; !done {
			keep(name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if !slices.Contains(names, name) {
			keep(name)
		}
	}
	for _, name := range names {
		if _, done := table[name]; done {
			continue
		}
		n := freeIndex(owner, names)
		if n == 0 {
			break
		}
		delete(table, owner[n])
		table[name], owner[n] = n, name
	}
	return table, !maps.Equal(table, have)
}

// freeIndex returns the lowest index without a name, else the lowest whose
// name is not in names, else 0.
func freeIndex(owner map[netif.Index]string, names []string) netif.Index {
	for n := netif.Index(1); n <= netif.MaxIndex; n++ {
		if _, taken := owner[n]; !taken {
			return n
		}
	}
	for n := netif.Index(1); n <= netif.MaxIndex; n++ {
		if !slices.Contains(names, owner[n]) {
			return n
		}
	}
	return 0
}
