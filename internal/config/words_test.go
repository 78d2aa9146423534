package config

import (
	"strings"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{"5s": 5 * time.Second, "2h8m": 7680 * time.Second, "30d": 720 * time.Hour, "1d12h": 36 * time.Hour, "0s": 0} {
		if got, ok := parseDuration(s); !ok || got != want {
			t.Errorf("%s: %v %v", s, got, ok)
		}
	}
	for _, s := range []string{"", "5", "d", "-1d", "1d-2h", "1d30h", "1.5d", "99999999d", "5 s", "1d1"} {
		if got, ok := parseDuration(s); ok {
			t.Errorf("%q became %v", s, got)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"address", "adapter", "metered", "mtu", "dns"}
	for word, want := range map[string]string{"adress": "address", "ADDRESS": "address", "metred": "metered", "mut": "mtu", "dn": "dns", "nds": "dns", "zzz": "", "": "", strings.Repeat("a", 1000): ""} {
		if got := nearest(word, names); got != want {
			t.Errorf("%.20s: got %q, want %q", word, got, want)
		}
	}
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "abc", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abcd", "bacd", 1}, {"kitten", "sitting", 3}, {"a", "b", 1}} {
		if got := editDistance(tt.a, tt.b); got != tt.want {
			t.Errorf("%s→%s: got %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
