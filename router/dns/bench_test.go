package dns

import (
	"testing"
	"time"

	"luatnetd/netif"
)

// BenchmarkHit is the work for one cached answer, without sockets.
func BenchmarkHit(b *testing.B) {
	m, err := New(Config{ID: func() uint16 { return 1 }})
	if err != nil {
		b.Fatal(err)
	}
	now := netif.Boot(time.Hour)
	m.SetUpstreams(now, []Upstream{wanA})
	q := Query{Msg: www, From: client1, To: 1}
	m.Query(now, q, nil)
	a := m.Take().Asks[0]
	r := read2(a.Msg)
	r.Response = true
	good(r)
	msg, err := r.Pack()
	if err != nil {
		b.Fatal(err)
	}
	m.Answer(now, a.ID, msg)
	buf := make([]byte, 0, 1500)
	b.ReportAllocs()
	for b.Loop() {
		if len(m.Query(now, q, buf)) == 0 {
			b.Fatal("no answer")
		}
	}
}
