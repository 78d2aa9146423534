package dns

import (
	"net/netip"
	"testing"

	miekg "github.com/miekg/dns"
)

func TestQ43Rebind(t *testing.T) {
	tests := []struct {
		name, record string
		blocked      bool
	}{
		{"RFC1918 10/8", "A 10.1.2.3", true},
		{"RFC1918 172.16/12", "A 172.31.0.1", true},
		{"beside 172.16/12", "A 172.32.0.1", false},
		{"RFC1918 192.168/16", "A 192.168.1.1", true},
		{"RFC6598 100.64/10", "A 100.64.0.1", true},
		{"link-local", "A 169.254.169.254", true},
		{"loopback", "A 127.0.0.1", true},
		{"0.0.0.0 is a block list's word", "A 0.0.0.0", false},
		{"address of a LAN", "A 203.0.113.1", true},
		{"public", "A 203.0.113.5", false},
		{"RFC4193", "AAAA fd12::1", true},
		{"RFC4291 link-local", "AAAA fe80::1", true},
		{"RFC4291 mapped", "AAAA ::ffff:192.168.1.1", true},
		{"RFC6052 64:ff9b::", "AAAA 64:ff9b::c0a8:101", true},
		{"RFC6052 public", "AAAA 64:ff9b::cb00:7105", false},
		{"public v6", "AAAA 2001:db8::1", false},
		{"RFC9460 ipv4hint", `HTTPS 1 . alpn="h2" ipv4hint=203.0.113.5,192.168.1.1`, true},
		{"RFC9460 ipv6hint", `HTTPS 1 svc.example.com. ipv6hint=fd12::1`, true},
		{"RFC9460 public hints", `HTTPS 1 . ipv4hint=203.0.113.5 ipv6hint=2001:db8::1`, false},
		{"CNAME first", "CNAME v.example.com.", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rr := parse([]string{"w.example.com. 100 IN " + tt.record})[0]
			ask := func(cfg Config, up Upstream) *miekg.Msg {
				g := newRig(t, cfg, up)
				g.m.SetOwn([]netip.Addr{netip.MustParseAddr("203.0.113.1")})
				msg := query("w.example.com.", rr.Header().Rrtype, withEDNS(1232, false))
				got := g.resolve(msg, func(m *miekg.Msg) { m.Answer = []miekg.RR{rr} })
				if again := g.send(msg); len(again.Answer) != len(got.Answer) || ede(again) != ede(got) {
					t.Errorf("from the cache %v, before %v", again, got)
				}
				return got
			}
			got := ask(Config{}, wanA)
			if blocked := len(got.Answer) == 0; blocked != tt.blocked || (ede(got) == edeBlocked) != tt.blocked {
				t.Errorf("answered %v with EDE %d, want blocked %v", got.Answer, ede(got), tt.blocked)
			}
			own := wanA
			own.Domains = []string{"example.com"}
			for _, got := range []*miekg.Msg{ask(Config{AllowPrivate: true}, wanA), ask(Config{PrivateDomains: []string{"Example.com"}}, wanA), ask(Config{}, own)} {
				if len(got.Answer) != 1 {
					t.Errorf("an exception does not hold: %v", got)
				}
			}
		})
	}
}
