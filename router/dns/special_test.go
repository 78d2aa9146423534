package dns

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	miekg "github.com/miekg/dns"
)

func TestSpecialNames(t *testing.T) {
	const forwarded, nx, empty = "forwarded", "NXDOMAIN", "NODATA"
	tests := []struct {
		name, ask string
		typ       uint16
		want      string
	}{
		{"Q31 RFC9462-6", "_dns.resolver.arpa.", miekg.TypeSVCB, empty},
		{"Q31 RFC9462-6 apex", "resolver.arpa.", miekg.TypeNS, empty},
		{"Q32 RFC6303-4 10/8", "1.2.3.10.in-addr.arpa.", miekg.TypePTR, nx},
		{"Q32 RFC6303-4 172.16/12", "1.2.31.172.in-addr.arpa.", miekg.TypePTR, nx},
		{"Q32 beside 172.16/12", "1.2.32.172.in-addr.arpa.", miekg.TypePTR, forwarded},
		{"Q32 above 172.16/12", "172.in-addr.arpa.", miekg.TypeNS, forwarded},
		{"Q32 RFC6303-4 zone itself", "10.in-addr.arpa.", miekg.TypeNS, empty},
		{"Q32 RFC7793 100.64/10", "1.0.100.100.in-addr.arpa.", miekg.TypePTR, nx},
		{"Q32 beside 100.64/10", "1.0.128.100.in-addr.arpa.", miekg.TypePTR, forwarded},
		{"Q32 public", "8.8.8.8.in-addr.arpa.", miekg.TypePTR, forwarded},
		{"Q32 octet with a zero in front is no address", "1.2.3.010.in-addr.arpa.", miekg.TypePTR, forwarded},
		{"Q32 link-local v6", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.e.f.ip6.arpa.", miekg.TypePTR, nx},
		{"Q32 ULA", "1.d.f.ip6.arpa.", miekg.TypePTR, nx},
		{"Q32 loopback v6", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.", miekg.TypePTR, nx},
		{"Q32 public v6", "1.0.0.2.ip6.arpa.", miekg.TypePTR, forwarded},
		{"Q33 RFC6761-6.3", "localhost.", miekg.TypeA, "127.0.0.1"},
		{"Q33 RFC6761-6.3 below", "a.LOCALHOST.", miekg.TypeAAAA, "::1"},
		{"Q33 RFC6761-6.3 other type", "localhost.", miekg.TypeMX, empty},
		{"Q33 RFC6761-6.4", "x.invalid.", miekg.TypeA, nx},
		{"Q33 RFC6761-6.2", "x.test.", miekg.TypeA, nx},
		{"Q34 RFC7686-2", "abc.onion.", miekg.TypeA, nx},
		{"Q34 RFC9476", "abc.alt.", miekg.TypeA, nx},
		{"Q35 RFC6762-22.1", "printer.local.", miekg.TypeA, nx},
		{"Q35 RFC6762-22.1 SOA", "local.", miekg.TypeSOA, nx},
		{"Q35 not local", "local.example.com.", miekg.TypeA, forwarded},
		{"Q36 RFC8375-4", "x.home.arpa.", miekg.TypeA, nx},
		{"Q36 RFC8375-4 DS", "home.arpa.", miekg.TypeDS, forwarded},
		{"Q36 apex", "home.arpa.", miekg.TypeNS, empty},
		{"D4 lan", "nobody.lan.", miekg.TypeA, nx},
		{"D4 configured domain", "nobody.office.example.", miekg.TypeA, nx},
		{"D4 single label", "nobody.", miekg.TypeA, nx},
		{"D4 single label HTTPS", "nobody.", miekg.TypeHTTPS, nx},
		{"D4 top level domain", "com.", miekg.TypeDS, forwarded},
		{"D4 root", ".", miekg.TypeNS, forwarded},
		{"ordinary name", "www.example.com.", miekg.TypeA, forwarded},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(t, Config{Domains: []string{"office.example"}}, wanA)
			got := outcome(g.send(query(tt.ask, tt.typ)))
			if asks := g.asks(); len(asks) > 0 {
				got = forwarded
			}
			if got != tt.want {
				t.Errorf("%s %s: %s, want %s", tt.ask, miekg.TypeToString[tt.typ], got, tt.want)
			}
		})
	}
}

// outcome is a short form of an answer; a negative one must have a SOA whose
// owner is the name or above it.
func outcome(m *miekg.Msg) string {
	switch {
	case m == nil:
		return "none"
	case len(m.Answer) > 0:
		switch rr := m.Answer[0].(type) {
		case *miekg.A:
			return rr.A.String()
		case *miekg.AAAA:
			return rr.AAAA.String()
		case *miekg.PTR:
			return rr.Ptr
		}
		return m.Answer[0].String()
	case len(m.Ns) != 1 || m.Ns[0].Header().Rrtype != miekg.TypeSOA || !miekg.IsSubDomain(m.Ns[0].Header().Name, m.Question[0].Name):
		return "no proper SOA: " + m.String()
	case m.Rcode == miekg.RcodeNameError:
		return "NXDOMAIN"
	case m.Rcode == miekg.RcodeSuccess:
		return "NODATA"
	}
	return miekg.RcodeToString[m.Rcode]
}

func TestLocalNames(t *testing.T) {
	g := newRig(t, Config{Domains: []string{"lan"}}, wanA)
	v4, v6 := netip.MustParseAddr("192.168.5.100"), netip.MustParseAddr("fd00::64")
	bad := g.m.SetHosts([]Host{
		{Name: "Phone", Addr: v4, Origin: OriginLease, Expire: g.now.Add(30 * time.Second)},
		{Name: "phone", Addr: v6, Origin: OriginLease},
		{Name: "nas.example.com", Addr: netip.MustParseAddr("192.168.5.2"), Origin: OriginStatic},
		{Name: "a.b", Domain: "ignored", Addr: netip.MustParseAddr("192.168.5.3")},
		{Name: "cam.garden.lan", Addr: netip.MustParseAddr("192.168.5.4")},
		{Name: "twin", Addr: v4, Origin: OriginStatic},
		{Name: "cell", Domain: "guests", Addr: netip.MustParseAddr("192.168.6.9")},
		{Name: "", Addr: v4},
		{Name: "noaddr"},
	})
	if diff := cmp.Diff([]string{"", "noaddr"}, bad); diff != "" {
		t.Errorf("refused names (-want +got):\n%s", diff)
	}
	const ptr4 = "100.5.168.192.in-addr.arpa."
	tests := []struct {
		name, ask string
		typ       uint16
		want      string
		later     string // after the lease of the phone's IPv4 address has ended
	}{
		{"short", "phone.", miekg.TypeA, "192.168.5.100", "NODATA"},
		{"with domain", "PHONE.lan.", miekg.TypeA, "192.168.5.100", "NODATA"},
		{"both families", "phone.lan.", miekg.TypeAAAA, "fd00::64", "fd00::64"},
		{"Q40 RFC2308-2.2 other type", "phone.lan.", miekg.TypeHTTPS, "NODATA", "NODATA"},
		{"full name", "nas.example.com.", miekg.TypeA, "192.168.5.2", "192.168.5.2"},
		{"Q40 full name, other type", "nas.example.com.", miekg.TypeAAAA, "NODATA", "NODATA"},
		{"name with a dot is full", "a.b.", miekg.TypeA, "192.168.5.3", "192.168.5.3"},
		{"Q40 empty non-terminal", "garden.lan.", miekg.TypeA, "NODATA", "NODATA"},
		{"Q40 below it", "x.garden.lan.", miekg.TypeA, "NXDOMAIN", "NXDOMAIN"},
		{"domain of its LAN", "cell.guests.", miekg.TypeA, "192.168.6.9", "192.168.6.9"},
		{"Q41 RFC1035-3.5 PTR", ptr4, miekg.TypePTR, "phone.lan.", "twin.lan."},
		{"Q41 RFC3596-2.5 PTR", "4.6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.", miekg.TypePTR, "phone.lan.", "phone.lan."},
		{"Q41 other type", ptr4, miekg.TypeTXT, "NODATA", "NODATA"},
		{"Q41 PTR of nobody", "101.5.168.192.in-addr.arpa.", miekg.TypePTR, "NXDOMAIN", "NXDOMAIN"},
	}
	for _, later := range []bool{false, true} {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				want := tt.want
				if later {
					want = tt.later
				}
				got := g.send(query(tt.ask, tt.typ))
				if outcome(got) != want || !got.Authoritative {
					t.Errorf("%s: %s, want %s", tt.ask, outcome(got), want)
				}
				for _, rr := range slices.Concat(got.Answer, got.Ns) {
					if ttl := rr.Header().Ttl; ttl > 60 || (!later && outcome(got) == "192.168.5.100" && ttl > 30) {
						t.Errorf("%s: TTL %d outlives the lease", tt.ask, ttl)
					}
				}
			})
		}
		g.wait(31 * time.Second)
	}
	if a := g.asks(); len(a) != 0 {
		t.Errorf("forwarded local names: %v", a)
	}
	got := g.send(query(ptr4, miekg.TypePTR))
	if len(got.Answer) != 1 {
		t.Errorf("PTR after the lease: %v", got.Answer)
	}
}

func TestDomainsMayChange(t *testing.T) {
	g := newRig(t, Config{Domains: []string{"old.example"}}, wanA)
	g.m.SetHosts([]Host{{Name: "phone", Addr: netip.MustParseAddr("192.168.5.100")}})
	if err := g.m.SetDomains([]string{"a..b"}); err == nil {
		t.Error("took the domain a..b")
	}
	if got := outcome(g.send(query("phone.old.example.", 1))); got != "192.168.5.100" {
		t.Errorf("after a refused change: %s", got)
	}
	if err := g.m.SetDomains([]string{"new.example"}); err != nil {
		t.Fatal(err)
	}
	if got := outcome(g.send(query("phone.new.example.", 1))); got != "192.168.5.100" {
		t.Errorf("the name did not move to the new domain: %s", got)
	}
	if got := g.send(query("phone.old.example.", 1)); got != nil || len(g.asks()) != 1 {
		t.Errorf("the old domain is still ours: %v", got)
	}
}

func TestServers(t *testing.T) {
	ap := func(s ...string) []netip.AddrPort {
		var list []netip.AddrPort
		for _, x := range s {
			list = append(list, netip.MustParseAddrPort(x))
		}
		return list
	}
	gw := netip.MustParseAddr("10.0.0.1")
	tests := []struct {
		name              string
		lease, configured []netip.AddrPort
		mode              Mode
		gateway           netip.Addr
		want              []netip.AddrPort
	}{
		{"DEV-28 lease only", ap("1.1.1.1:53", "2.2.2.2:53"), nil, Append, gw, ap("1.1.1.1:53", "2.2.2.2:53")},
		{"DEV-28 append", ap("1.1.1.1:53"), ap("9.9.9.9:53", "1.1.1.1:53"), Append, gw, ap("1.1.1.1:53", "9.9.9.9:53")},
		{"DEV-28 replace", ap("1.1.1.1:53"), ap("9.9.9.9:5353"), Replace, gw, ap("9.9.9.9:5353")},
		{"replace by nothing", ap("1.1.1.1:53"), nil, Replace, gw, ap("1.1.1.1:53")},
		{"DEV-28 no servers", nil, nil, Append, gw, ap("10.0.0.1:53", "114.114.114.114:53")},
		{"DEV-28 no servers, no gateway", nil, nil, Append, netip.Addr{}, ap("114.114.114.114:53")},
		{"rubbish from the lease", ap("0.0.0.0:53", "255.255.255.255:53", "224.0.0.1:53", "127.0.0.1:53"), nil, Append, gw, ap("10.0.0.1:53", "114.114.114.114:53")},
		{"zone kept", ap("[fe80::1%wwan0]:53"), nil, Append, gw, ap("[fe80::1%wwan0]:53")},
		{"port missing", ap("1.1.1.1:0", "[::ffff:1.1.1.1]:53"), nil, Append, gw, ap("1.1.1.1:53")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Servers(tt.lease, tt.configured, tt.mode, tt.gateway)
			if !slices.Equal(got, tt.want) {
				t.Errorf("Servers = %v, want %v", got, tt.want)
			}
		})
	}
}
