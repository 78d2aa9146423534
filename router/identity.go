package router

import (
	"fmt"
	"maps"
	"slices"

	"luatnetd/internal/order"
)

// Identity returns what the table looks like when it is read back.
func (t Table) Identity() Identity {
	id := Identity{Sets: make(map[string][]string, len(t.Sets))}
	for _, s := range t.Sets {
		id.Sets[s.Name] = slices.Sorted(slices.Values(s.Elements))
	}
	id.Counters = slices.Sorted(slices.Values(t.Counters))
	for _, c := range t.Chains {
		chain := ChainID{Name: c.Name}
		if c.Hook != nil {
			chain.Base = c.Hook.String()
		}
		for _, r := range c.Rules {
			chain.Hashes = append(chain.Hashes, r.Hash())
		}
		id.Chains = append(id.Chains, chain)
	}
	return id
}

// Differs compares a table as read (nil: there is none) with the wanted one
// and says in half a sentence what differs first; "" when they are equal. The
// order of chains means nothing, the order of rules does.
func (id *Identity) Differs(want Identity) string { return id.differs(want, false) }

// DiffersUnordered is Differs for a table to which rules are only added and
// removed one by one, so that their order means nothing: the accounting.
func (id *Identity) DiffersUnordered(want Identity) string { return id.differs(want, true) }

func (id *Identity) differs(want Identity, unordered bool) string {
	switch {
	case id == nil:
		return "the table is missing"
	case id.Dormant:
		return "the table is dormant"
	}
	have := chainsByName(id.Chains)
	for _, w := range want.Chains {
		h, ok := have[w.Name]
		if !ok {
			return fmt.Sprintf("chain %s is missing", w.Name)
		}
		delete(have, w.Name)
		if why := h.differs(w, unordered); why != "" {
			return fmt.Sprintf("chain %s %s", w.Name, why)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		return fmt.Sprintf("chain %s is not of the plan", name)
	}
	for _, name := range slices.Sorted(maps.Keys(want.Sets)) {
		h, ok := id.Sets[name]
		if !ok {
			return fmt.Sprintf("set %s is missing", name)
		}
		if why := listDiffers("element", h, want.Sets[name]); why != "" {
			return fmt.Sprintf("set %s: %s", name, why)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(id.Sets)) {
		if _, ok := want.Sets[name]; !ok {
			return fmt.Sprintf("set %s is not of the plan", name)
		}
	}
	return listDiffers("counter", id.Counters, want.Counters)
}

func chainsByName(list []ChainID) map[string]ChainID {
	m := make(map[string]ChainID, len(list))
	for _, c := range list {
		m[c.Name] = c
	}
	return m
}

func (c ChainID) differs(want ChainID, unordered bool) string {
	if c.Base != want.Base {
		return fmt.Sprintf("is %q, want %q", c.Base, want.Base)
	}
	if len(c.Hashes) != len(want.Hashes) {
		return fmt.Sprintf("has %d rules, want %d", len(c.Hashes), len(want.Hashes))
	}
	have, wanted := c.Hashes, want.Hashes
	if unordered {
		have, wanted = sortedHashes(have), sortedHashes(wanted)
	}
	for i := range have {
		if have[i] != wanted[i] {
			return fmt.Sprintf("has another rule as number %d of %d", i+1, len(have))
		}
	}
	return ""
}

func sortedHashes(list []Hash) []Hash {
	list = slices.Clone(list)
	order.Sort(list, func(a, b Hash) int { return slices.Compare(a[:], b[:]) })
	return list
}

// listDiffers names the first word that only one of the lists holds. Both are
// sorted here: the kernel answers in its own order.
func listDiffers(noun string, have, want []string) string {
	have, want = slices.Sorted(slices.Values(have)), slices.Sorted(slices.Values(want))
	for _, w := range want {
		if _, ok := slices.BinarySearch(have, w); !ok {
			return fmt.Sprintf("%s %s is missing", noun, w)
		}
	}
	for _, h := range have {
		if _, ok := slices.BinarySearch(want, h); !ok {
			return fmt.Sprintf("%s %s is not of the plan", noun, h)
		}
	}
	return ""
}
