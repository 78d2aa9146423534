package router_test

import (
	"slices"
	"testing"

	"luatnetd/router"
)

func TestIdentitySaysWhatDiffers(t *testing.T) {
	tests := []struct {
		name   string
		spoil  func(*router.Identity)
		want   string
		always bool // also for a table whose rules have no order
	}{
		{"equal", func(*router.Identity) {}, "", true},
		{"dormant", func(id *router.Identity) { id.Dormant = true }, "the table is dormant", true},
		{"chain gone", func(id *router.Identity) { id.Chains = id.Chains[1:] }, "chain c_raw is missing", true},
		{"chain too many", func(id *router.Identity) { id.Chains = append(id.Chains, router.ChainID{Name: "c_evil"}) }, "chain c_evil is not of the plan", true},
		{"chains in another order", func(id *router.Identity) { slices.Reverse(id.Chains) }, "", true},
		{"another policy", func(id *router.Identity) { id.Chains[0].Base = "filter output -300 drop" },
			`chain c_raw is "filter output -300 drop", want "filter output -300 accept"`, true},
		{"rule gone", func(id *router.Identity) { id.Chains[1].Hashes = id.Chains[1].Hashes[1:] }, "chain c_pre has 3 rules, want 4", true},
		{"rule changed", func(id *router.Identity) { id.Chains[1].Hashes[2][0]++ }, "chain c_pre has another rule as number 3 of 4", false},
		{"rules swapped", func(id *router.Identity) { slices.Reverse(id.Chains[1].Hashes) }, "chain c_pre has another rule as number 1 of 4", false},
		{"element gone", func(id *router.Identity) { id.Sets["s_wan"] = id.Sets["s_wan"][1:] }, `set s_wan: element "eth0" is missing`, true},
		{"element too many", func(id *router.Identity) { id.Sets["s_lan"] = append(id.Sets["s_lan"], `"eth9"`) }, `set s_lan: element "eth9" is not of the plan`, true},
		{"elements in another order", func(id *router.Identity) { slices.Reverse(id.Sets["s_stale"]) }, "", true},
		{"set gone", func(id *router.Identity) { delete(id.Sets, "s_stale") }, "set s_stale is missing", true},
		{"set too many", func(id *router.Identity) { id.Sets["s_evil"] = nil }, "set s_evil is not of the plan", true},
		{"counter too many", func(id *router.Identity) { id.Counters = []string{"n_evil"} }, "counter n_evil is not of the plan", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			have, want := router.Build(twoUplinks()).Table.Identity(), router.Build(twoUplinks()).Table.Identity()
			tt.spoil(&have)
			if got := have.Differs(want); got != tt.want {
				t.Errorf("Differs = %q, want %q", got, tt.want)
			}
			if got := have.DiffersUnordered(want); tt.always && got != tt.want {
				t.Errorf("DiffersUnordered = %q, want %q", got, tt.want)
			}
		})
	}
	var none *router.Identity
	if got := none.Differs(router.Build(twoUplinks()).Table.Identity()); got != "the table is missing" {
		t.Errorf("no table: %q", got)
	}
}

func TestAccountingIgnoresOrder(t *testing.T) {
	have, want := router.Build(twoUplinks()).Acct.Identity(), router.Build(twoUplinks()).Acct.Identity()
	slices.Reverse(have.Chains[0].Hashes)
	if have.Differs(want) == "" || have.DiffersUnordered(want) != "" {
		t.Errorf("ordered %q, unordered %q", have.Differs(want), have.DiffersUnordered(want))
	}
	have.Chains[0].Hashes[0] = have.Chains[0].Hashes[1] // one twice, one missing
	if have.DiffersUnordered(want) == "" {
		t.Error("a doubled rule goes unnoticed")
	}
}

// Every statement of a rule is in its text, so that its hash tells rules apart.
func TestRulesOfAChainAreDifferent(t *testing.T) {
	for name, input := range inputs {
		plan := router.Build(input())
		for _, table := range []router.Table{plan.Table, plan.Acct} {
			for _, c := range table.Chains {
				seen := map[router.Hash]router.Rule{}
				for _, r := range c.Rules {
					if other, ok := seen[r.Hash()]; ok {
						t.Errorf("%s: chain %s holds twice %s (%s)", name, c.Name, r, other)
					}
					seen[r.Hash()] = r
				}
			}
		}
	}
}
