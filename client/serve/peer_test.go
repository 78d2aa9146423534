package serve

import (
	"errors"
	"net"
	"testing"
	"time"

	"luatnetd/client"
	"luatnetd/internal/lab"
)

// TestPeerBuffer: what may wait for one client is bounded in messages and in
// bytes; one message alone may be larger; a closed client takes nothing.
func TestPeerBuffer(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		lab.New(t).MustHere(t) // sets lo up
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct{ size, fit int }{{1, maxJobs}, {maxBytes / 4, 4}, {2 * maxBytes, 1}} {
			p := newPeer("client-1", c.(*net.TCPConn), time.Second, time.Now())
			taken := 0
			for p.put(job{data: make([]byte, tt.size)}) == nil && taken <= maxJobs {
				taken++
			}
			if taken != tt.fit {
				t.Errorf("%d messages of %d bytes taken, want %d", taken, tt.size, tt.fit)
			}
		}
		p := newPeer("client-1", c.(*net.TCPConn), time.Second, time.Now())
		p.end()
		if err := p.put(job{}); !errors.Is(err, errEnded) {
			t.Errorf("put after the end: %v", err)
		}
		p.close(errors.New("first"))
		p.close(errors.New("second"))
		if err := p.put(job{}); err == nil || err.Error() != "first" {
			t.Errorf("put after the close: %v", err)
		}
	})
}

// TestVote: one client that has it is enough; the result comes last and once.
func TestVote(t *testing.T) {
	bad := func(s string) client.Result { return client.Result{Reason: s} }
	ok := client.Result{OK: true}
	for name, tt := range map[string]struct {
		in   []client.Result
		want client.Result
	}{
		"one":     {[]client.Result{ok}, ok},
		"any":     {[]client.Result{bad("a"), ok, bad("b")}, ok},
		"nobody":  {[]client.Result{bad("a"), bad("b")}, bad("a")},
		"the end": {[]client.Result{ok, bad("a")}, ok},
	} {
		var got []client.Result
		v := &vote{open: len(tt.in), done: func(r client.Result) { got = append(got, r) }}
		for i, r := range tt.in {
			if v.add(r); i < len(tt.in)-1 && len(got) > 0 {
				t.Errorf("%s: result before the last client", name)
			}
		}
		if len(got) != 1 || got[0] != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}
