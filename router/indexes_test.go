package router_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"luatnetd/netif"
	"luatnetd/router"
)

func TestAssignKeepsNumbers(t *testing.T) {
	type table = map[string]netif.Index
	full := table{}
	for i := netif.Index(1); i <= netif.MaxIndex; i++ {
		full[fmt.Sprintf("u%02d", i)] = i
	}
	without := func(gone string, added string) table {
		m := table{added: full[gone]}
		for name, i := range full {
			if name != gone {
				m[name] = i
			}
		}
		return m
	}
	var all []string
	for i := range 62 {
		all = append(all, fmt.Sprintf("u%02d", i+1))
	}
	tests := []struct {
		name    string
		have    table
		names   []string
		want    table
		changed bool
	}{
		{"first start", nil, []string{"wan", "4g"}, table{"wan": 1, "4g": 2}, true},
		{"nothing new", table{"wan": 1, "4g": 2}, []string{"4g", "wan"}, table{"wan": 1, "4g": 2}, false},
		{"forgotten keeps its number", table{"wan": 1, "4g": 2}, []string{"wifi"}, table{"wan": 1, "4g": 2, "wifi": 3}, true},
		{"back after years", table{"wan": 1, "4g": 2, "wifi": 3}, []string{"4g"}, table{"wan": 1, "4g": 2, "wifi": 3}, false},
		{"gaps are filled", table{"wan": 2}, []string{"wan", "a", "b"}, table{"wan": 2, "a": 1, "b": 3}, true},
		{"full: the lowest forgotten gives way", full, append([]string{"new"}, all[1:]...), without("u01", "new"), true},
		{"full: no number is left", full, append([]string{"new"}, all...), full, false},
		{"name twice", nil, []string{"wan", "wan"}, table{"wan": 1}, true},
		{"index out of range is forgotten", table{"wan": 0, "4g": 63, "x": 200}, []string{"wan"}, table{"wan": 1}, true},
		{"index twice: the configured name keeps it", table{"a": 1, "wan": 1}, []string{"wan"}, table{"wan": 1}, true},
		{"index twice: the first name keeps it", table{"b": 1, "a": 1}, nil, table{"a": 1}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, changed := router.Assign(tt.have, tt.names)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("table (-want +got):\n%s", diff)
			}
			if changed != tt.changed {
				t.Errorf("changed = %v, want %v", changed, tt.changed)
			}
		})
	}
}
