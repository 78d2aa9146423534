package dns

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	miekg "github.com/miekg/dns"
)

const soa = "example.com. 900 IN SOA ns.example.com. root.example.com. 1 2 3 4 300"

func TestTTLs(t *testing.T) {
	tests := []struct {
		name   string
		answer func(*miekg.Msg)
		later  time.Duration
		first  []string // answer and authority to the first client
		second []string // to one that asks later; nil: asked again
	}{
		{"Q20 RFC1035-3.2.1 counts down", records("w.example.com. 100 IN A 203.0.113.5"), 30 * time.Second,
			[]string{"w.example.com.\t100\tIN\tA\t203.0.113.5"}, []string{"w.example.com.\t70\tIN\tA\t203.0.113.5"}},
		{"Q20 ends", records("w.example.com. 100 IN A 203.0.113.5"), 100 * time.Second,
			[]string{"w.example.com.\t100\tIN\tA\t203.0.113.5"}, nil},
		{"Q20 TTL 0 is passed, not kept", records("w.example.com. 0 IN A 203.0.113.5"), 0,
			[]string{"w.example.com.\t0\tIN\tA\t203.0.113.5"}, nil},
		{"Q18 RFC2181-5.2 lowest of an RRset", records("w.example.com. 100 IN A 203.0.113.5", "w.example.com. 40 IN A 203.0.113.6"), 10 * time.Second,
			[]string{"w.example.com.\t40\tIN\tA\t203.0.113.5", "w.example.com.\t40\tIN\tA\t203.0.113.6"},
			[]string{"w.example.com.\t30\tIN\tA\t203.0.113.5", "w.example.com.\t30\tIN\tA\t203.0.113.6"}},
		{"Q18 chain ends with its shortest part", records("w.example.com. 20 IN CNAME v.example.com.", "v.example.com. 100 IN A 203.0.113.6"), 21 * time.Second,
			[]string{"w.example.com.\t20\tIN\tCNAME\tv.example.com.", "v.example.com.\t100\tIN\tA\t203.0.113.6"}, nil},
		{"Q19 RFC2181-8 top bit", records("w.example.com. 2147483648 IN A 203.0.113.5"), 0,
			[]string{"w.example.com.\t0\tIN\tA\t203.0.113.5"}, nil},
		{"D5 a week is a day", records("w.example.com. 604800 IN A 203.0.113.5"), 86399 * time.Second,
			[]string{"w.example.com.\t86400\tIN\tA\t203.0.113.5"}, []string{"w.example.com.\t1\tIN\tA\t203.0.113.5"}},
		{"Q22 RFC2308-5 NXDOMAIN for MINIMUM", rcode(3, authority(soa)), 299 * time.Second,
			[]string{"example.com.\t900\tIN\tSOA\tns.example.com. root.example.com. 1 2 3 4 300"},
			[]string{"example.com.\t601\tIN\tSOA\tns.example.com. root.example.com. 1 2 3 4 300"}},
		{"Q22 RFC2308-5 NXDOMAIN ends", rcode(3, authority(soa)), 300 * time.Second,
			[]string{"example.com.\t900\tIN\tSOA\tns.example.com. root.example.com. 1 2 3 4 300"}, nil},
		{"Q22 RFC2308-2.2 NODATA", authority(soa), 299 * time.Second,
			[]string{"example.com.\t900\tIN\tSOA\tns.example.com. root.example.com. 1 2 3 4 300"},
			[]string{"example.com.\t601\tIN\tSOA\tns.example.com. root.example.com. 1 2 3 4 300"}},
		{"Q22 SOA TTL below MINIMUM", rcode(3, authority("example.com. 20 IN SOA a. b. 1 2 3 4 300")), 20 * time.Second,
			[]string{"example.com.\t20\tIN\tSOA\ta. b. 1 2 3 4 300"}, nil},
		{"Q22 cap of 3 h", rcode(3, authority("example.com. 86400 IN SOA a. b. 1 2 3 4 86400")), 3 * time.Hour,
			[]string{"example.com.\t86400\tIN\tSOA\ta. b. 1 2 3 4 86400"}, nil},
		{"Q22 none without SOA", rcode(3), 0, nil, nil},
		{"Q20 authority counts down too", func(m *miekg.Msg) {
			records("w.example.com. 100 IN A 203.0.113.5")(m)
			authority("example.com. 200 IN NS ns.example.com.")(m)
		}, 50 * time.Second,
			[]string{"w.example.com.\t100\tIN\tA\t203.0.113.5", "example.com.\t200\tIN\tNS\tns.example.com."},
			[]string{"w.example.com.\t50\tIN\tA\t203.0.113.5", "example.com.\t150\tIN\tNS\tns.example.com."}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(t, Config{}, wanA)
			msg := query("w.example.com.", 1, withEDNS(1232, false))
			got := g.resolve(msg, tt.answer)
			if diff := cmp.Diff(tt.first, texts(append(got.Answer, got.Ns...))); diff != "" {
				t.Errorf("first answer (-want +got):\n%s", diff)
			}
			g.wait(tt.later)
			got = g.send(msg)
			if got == nil {
				if tt.second != nil {
					t.Fatal("was asked again, want an answer from the cache")
				}
				return
			}
			if diff := cmp.Diff(tt.second, texts(append(got.Answer, got.Ns...))); diff != "" {
				t.Errorf("later answer (-want +got):\n%s", diff)
			}
			if o := got.IsEdns0(); o == nil || o.Version() != 0 || o.UDPSize() != 1232 {
				t.Errorf("OPT %v was aged or lost", o)
			}
		})
	}
}

func TestQ23NegativeKeys(t *testing.T) {
	g := newRig(t, Config{}, wanA)
	g.resolve(query("nx.example.com.", 1), rcode(3, authority(soa)))
	g.resolve(query("empty.example.com.", 1), authority(soa))
	if got := g.send(query("nx.example.com.", miekg.TypeTXT)); got == nil || got.Rcode != 3 {
		t.Errorf("another type of an absent name: %v, want NXDOMAIN from the cache", got)
	}
	if got := g.send(query("empty.example.com.", miekg.TypeTXT)); got != nil {
		t.Errorf("another type of an existing name: %v, want it asked", got)
	}
	if got := g.send(query("sub.nx.example.com.", 1)); got != nil {
		t.Errorf("name below an absent one: %v, want it asked", got)
	}
}

func TestQ13Q14KeysByDOAndCD(t *testing.T) {
	g := newRig(t, Config{}, wanA)
	cd := func(m *miekg.Msg) { m.CheckingDisabled = true }
	for _, change := range [][]func(*miekg.Msg){nil, {withEDNS(1232, true)}, {cd}, {cd, withEDNS(1232, true)}} {
		msg := query("w.example.com.", 1, change...)
		g.resolve(msg, records("w.example.com. 100 IN A 203.0.113.5"))
		if g.send(msg) == nil {
			t.Error("the same question was asked twice")
		}
		g.asks()
	}
}

func TestQ15AuthenticData(t *testing.T) {
	ad := func(m *miekg.Msg) { m.AuthenticatedData = true }
	signed := func(m *miekg.Msg) {
		records("w.example.com. 100 IN A 203.0.113.5")(m)
		m.AuthenticatedData = true
	}
	tests := []struct {
		name string
		edns []func(*miekg.Msg)
		want bool
	}{
		{"RFC6840-5.8 neither", nil, false},
		{"RFC6840-5.7 AD", []func(*miekg.Msg){ad}, true},
		{"RFC6840-5.8 DO", []func(*miekg.Msg){withEDNS(1232, true)}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(t, Config{}, wanA)
			if got := g.resolve(query("w.example.com.", 1, tt.edns...), signed); got.AuthenticatedData != tt.want {
				t.Errorf("AD = %v, want %v", got.AuthenticatedData, tt.want)
			}
		})
	}
}

func TestQ21AdditionalIsNoAnswer(t *testing.T) {
	g := newRig(t, Config{}, wanA)
	g.resolve(query("w.example.com.", 1), func(m *miekg.Msg) {
		records("w.example.com. 100 IN A 203.0.113.5")(m)
		authority("bank.example. 9999 IN NS evil.example.")(m)
		m.Extra = append(parse([]string{"bank.example. 9999 IN A 203.0.113.66"}), m.Extra...)
	})
	for _, typ := range []uint16{miekg.TypeA, miekg.TypeNS} {
		if got := g.send(query("bank.example.", typ)); got != nil {
			t.Errorf("poisoned: %v", got)
		}
	}
}

func TestNoRDIsNotCached(t *testing.T) {
	g := newRig(t, Config{}, wanA)
	norec := func(m *miekg.Msg) { m.RecursionDesired = false }
	g.resolve(query("w.example.com.", 1, norec), records("w.example.com. 100 IN A 203.0.113.5"))
	if got := g.send(query("w.example.com.", 1)); got != nil {
		t.Errorf("an answer without recursion was used for one with: %v", got)
	}
}

func TestCacheIsBoundedInBytes(t *testing.T) {
	const limit = 64 << 10
	g := newRig(t, Config{CacheBytes: limit}, wanA)
	hot := query("hot.example.com.", 1)
	g.resolve(hot, records("hot.example.com. 80000 IN A 203.0.113.5"))
	for i := range 3000 {
		name := fmt.Sprintf("n%d.example.com.", i)
		g.resolve(query(name, 1), records(name+" 3600 IN A 203.0.113.5"))
		if st := g.m.Stats(); st.CacheBytes > limit {
			t.Fatalf("the cache holds %d bytes after %d names, limit %d", st.CacheBytes, i, limit)
		}
		if g.send(hot) == nil {
			t.Fatalf("the name in use was evicted after %d others", i)
		}
	}
	st := g.m.Stats()
	if st.Entries < 50 || st.Evicted < 2500 {
		t.Errorf("%d entries, %d evicted: the bound is not used", st.Entries, st.Evicted)
	}
	used := 0
	for _, e := range g.m.cache.entries {
		used += e.size()
	}
	if used != st.CacheBytes {
		t.Errorf("the cache counts %d bytes and holds %d", st.CacheBytes, used)
	}
}

func TestHugeAnswersAreNotKept(t *testing.T) {
	g := newRig(t, Config{}, wanA)
	msg := query("w.example.com.", miekg.TypeTXT)
	big := func(m *miekg.Msg) {
		for i := range 100 {
			records(fmt.Sprintf("w.example.com. 100 IN TXT %0200d", i))(m)
		}
	}
	g.resolve(msg, big)
	if got := g.send(msg); got != nil {
		t.Error("a message of 20 kB is in the cache")
	}
}
