package router_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"luatnetd/netif"
	"luatnetd/router"
)

// equalPlans compares values that hold netip types.
var equalPlans = cmp.Options{
	cmpopts.EquateComparable(router.RouteSpec{}, router.AddrSpec{}, router.RuleSpec{}, router.Lookup{},
		router.Addr{}, router.DNAT{}),
}

func TestPlansAreGolden(t *testing.T) {
	for name, input := range inputs {
		t.Run(name, func(t *testing.T) { golden(t, "plan/"+name+".txt", text(router.Build(input()))) })
	}
}

func TestBuildRepeats(t *testing.T) {
	for name, input := range inputs {
		in, again := input(), input()
		if diff := cmp.Diff(router.Build(in), router.Build(again), equalPlans); diff != "" {
			t.Errorf("%s: two plans of one input differ:\n%s", name, diff)
		}
		if got := router.Build(in).Changed(router.Build(again)); got != 0 {
			t.Errorf("%s: Changed = %v between equal plans", name, got)
		}
	}
}

// A failover must change no nftables rule, and neither must the order of the
// uplinks in the file.
func TestSwitchAndReorderLeaveTables(t *testing.T) {
	before := router.Build(twoUplinks())
	for name, f := range map[string]func(*router.Input){
		"dead":     func(in *router.Input) { in.Main, in.Kill = []string{"wan2"}, []string{"wan"} },
		"hold":     func(in *router.Input) { in.HoldMain, in.Main = true, nil },
		"use":      func(in *router.Input) { in.Main = []string{"wan2", "wan"} },
		"reorder":  func(in *router.Input) { slices.Reverse(in.Uplinks) },
		"absent":   func(in *router.Input) { in.Uplinks[1].Present = false },
		"no lease": func(in *router.Input) { in.Uplinks[1].Lease = netif.Lease{} },
		"closed":   func(in *router.Input) { in.Uplinks[1].Down = true },
	} {
		after := router.Build(change(twoUplinks(), f))
		if got := after.Changed(before); got.Has(router.RoomTable | router.RoomAcct) {
			t.Errorf("%s changes %v, want the tables untouched", name, got)
		}
	}
}

func TestRanksInMain(t *testing.T) {
	tests := []struct {
		name string
		f    func(*router.Input)
		want []string
	}{
		{"configuration order", func(*router.Input) {}, []string{"eth0 10", "usb0 11"}},
		{"loss of the first leaves the second's metric", func(in *router.Input) { in.Main = []string{"wan2"} }, []string{"usb0 11"}},
		{"ctl use", func(in *router.Input) { in.Main = []string{"wan2", "wan"} }, []string{"usb0 11", "eth0 12"}},
		{"hold", func(in *router.Input) { in.HoldMain = true }, nil},
		{"named twice", func(in *router.Input) { in.Main = []string{"wan", "wan"} }, []string{"eth0 10"}},
		{"absent", func(in *router.Input) { in.Uplinks[0].Present = false }, []string{"usb0 11"}},
		{"no address", func(in *router.Input) { in.Uplinks[0].Lease = netif.Lease{} }, []string{"usb0 11"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, r := range router.Build(change(twoUplinks(), tt.f)).Main {
				got = append(got, fmt.Sprint(r.Device, " ", r.Metric))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("main (-want +got):\n%s", diff)
			}
		})
	}
}

func TestKillOnlyWhereAnotherCarries(t *testing.T) {
	tests := []struct {
		name string
		f    func(*router.Input)
		want []netif.Index
	}{
		{"another is in main", func(in *router.Input) { in.Main, in.Kill = []string{"wan2"}, []string{"wan"} }, []netif.Index{1}},
		{"hold", func(in *router.Input) { in.HoldMain, in.Main, in.Kill = true, nil, []string{"wan"} }, nil},
		{"nobody in main", func(in *router.Input) { in.Main, in.Kill = nil, []string{"wan"} }, nil},
		{"itself in main", func(in *router.Input) { in.Kill = []string{"wan"} }, nil},
		{"the other has no address", func(in *router.Input) {
			in.Main, in.Kill, in.Uplinks[1].Lease = []string{"wan2"}, []string{"wan"}, netif.Lease{}
		}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, router.Build(change(twoUplinks(), tt.f)).Kill); diff != "" {
				t.Errorf("kill (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCounterNamesStayApart(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"wan", "wan1", "a b", "a/20b", "a_20b", "联通", "a-b", "a.b", `x"`, ""} {
		for _, counter := range []string{router.CounterUp(name), router.CounterDown(name)} {
			if other, ok := seen[counter]; ok {
				t.Errorf("counter %q is of %q and of %q", counter, other, name)
			}
			seen[counter] = name
		}
	}
}
