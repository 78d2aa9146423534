package lab_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"luatnetd/internal/lab"
)

// A watch must tell an outage while it lasts and when it is over, and be quiet
// otherwise.
func TestWatchTellsAnOutage(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		w, err := lab.NewWorld(t.TempDir(), 1)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Close)
		if err := w.Gateway.AddAddr("wan1", "100.64.1.2/24"); err != nil {
			t.Fatal(err)
		}
		if err := w.Gateway.AddRoute("default", w.ISPs[0].Gateway.String()); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		told, ended := make(chan lab.Silence, 64), make(chan struct{})
		go func() {
			defer close(ended)
			w.Gateway.Watch(ctx, fmt.Sprintf("%s:%d", lab.WebAddr, lab.EchoPort), func(s lab.Silence) { told <- s })
		}()
		time.Sleep(300 * time.Millisecond)
		if err := w.ISPs[0].Blackhole(true); err != nil {
			t.Fatal(err)
		}
		first := next(t, told, func(s lab.Silence) bool { return !s.Over })
		time.Sleep(200 * time.Millisecond)
		if err := w.ISPs[0].Blackhole(false); err != nil {
			t.Fatal(err)
		}
		last := next(t, told, func(s lab.Silence) bool {
			if !s.Over {
				t.Errorf("the same outage is told again after %v", s.Length)
			}
			return s.Over
		})
		if last.Length < first.Length+150*time.Millisecond || last.Length > 2*time.Second {
			t.Errorf("silence of %v, then over after %v; want at least 150 ms more", first.Length, last.Length)
		}
		stop()
		<-ended
	})
}

// next is the first of what the watch tells that fits, within 5 s.
func next(t *testing.T, told <-chan lab.Silence, fits func(lab.Silence) bool) lab.Silence {
	t.Helper()
	limit := time.After(5 * time.Second)
	for {
		select {
		case s := <-told:
			if fits(s) {
				return s
			}
		case <-limit:
			t.Fatal("the watch told nothing that fits within 5 s")
		}
	}
}
