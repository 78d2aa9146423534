package main

import (
	"context"
	"net/netip"
	"os"
	"testing"
	"time"

	"luatnetd/internal/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

// The client of the lab must be able to live at a provider of the lab without
// the gateway in between: it gets an address, a route and names.
func TestPeersWithoutAGateway(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		w, err := lab.NewWorld(t.TempDir(), 1)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Close)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 2)
		c := &client{NS: w.Gateway, say: newNarrator(os.Stderr)}
		go func() { ended <- provide(ctx, w.ISPs[0]) }()
		go func() { ended <- c.join(ctx, "wan1") }()
		got, err := c.address(ctx, 15*time.Second)
		if err != nil || !netip.MustParsePrefix("100.64.1.0/24").Contains(got) {
			t.Errorf("address = %v, %v; want one of 100.64.1.0/24", got, err)
		}
		if seen, err := c.fetch(ctx); err != nil || seen != got {
			t.Errorf("the server sees %v, %v; want %v", seen, err, got)
		}
		stop()
		for range 2 {
			if err := <-ended; err != nil {
				t.Errorf("a peer ended with %v", err)
			}
		}
	})
}
