package hub

import (
	"errors"
	"testing"

	"luatnetd/client"
)

// target answers at once with what it is told to.
type target struct {
	err error
	got []client.Message
}

func (t *target) Offer(m client.Message, done func(client.Result)) (client.Held, error) {
	if t.err != nil {
		return 0, t.err
	}
	t.got = append(t.got, m)
	if done != nil {
		done(client.Result{OK: true})
	}
	return client.Run, nil
}

// TestLC06Routes: without routes every source reaches every target, in the
// order they were added; with routes only those named.
func TestLC06Routes(t *testing.T) {
	for name, tt := range map[string]struct {
		routes []Route
		want   map[string]int // messages per target after one from "uart" and one from "timer"
	}{
		"none: broadcast":     {nil, map[string]int{"a": 2, "b": 2}},
		"uart to a only":      {[]Route{{From: []string{"uart"}, To: []string{"a"}}}, map[string]int{"a": 1}},
		"everything to b":     {[]Route{{To: []string{"b"}}}, map[string]int{"b": 2}},
		"uart everywhere":     {[]Route{{From: []string{"uart"}}}, map[string]int{"a": 1, "b": 1}},
		"two routes, no twin": {[]Route{{From: []string{"uart"}}, {To: []string{"a"}}}, map[string]int{"a": 2, "b": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var h Hub
			a, b := &target{}, &target{}
			h.SetTarget("a", a)
			h.SetTarget("b", b)
			h.SetRoutes(tt.routes)
			for _, src := range []string{"uart", "timer"} {
				_, _ = h.Send(client.Message{Source: src}, nil)
			}
			if len(a.got) != tt.want["a"] || len(b.got) != tt.want["b"] {
				t.Errorf("a got %d, b got %d; want %v", len(a.got), len(b.got), tt.want)
			}
		})
	}
}

// TestOneResultPerTargetThatTookIt: who refuses gives no result.
func TestOneResultPerTargetThatTookIt(t *testing.T) {
	var h Hub
	full := errors.New("queue full")
	h.SetTarget("ok", &target{})
	h.SetTarget("full", &target{err: full})
	results := map[string]int{}
	out, err := h.Send(client.Message{Source: "x"}, func(name string, r client.Result) { results[name]++ })
	if err != nil || len(out) != 2 || out[0].Held != client.Run || !errors.Is(out[1].Err, full) {
		t.Fatalf("Send: %v, %v", out, err)
	}
	if results["ok"] != 1 || results["full"] != 0 {
		t.Errorf("results %v, want one from ok", results)
	}
	h.SetTarget("ok", nil)
	h.SetTarget("full", nil)
	if _, err := h.Send(client.Message{Source: "x"}, nil); !errors.Is(err, ErrNoTarget) {
		t.Errorf("Send without targets: %v", err)
	}
}

// TestDeliverReachesRoutedSinks: sinks follow the same routes, errors are joined.
func TestDeliverReachesRoutedSinks(t *testing.T) {
	var h Hub
	got := map[string]int{}
	broken := errors.New("port gone")
	h.SetSink("uart", func(client.Received) error { got["uart"]++; return nil })
	h.SetSink("ttyUSB9", func(client.Received) error { got["ttyUSB9"]++; return broken })
	if err := h.Deliver(client.Received{From: "cloud"}); !errors.Is(err, broken) {
		t.Errorf("Deliver: %v", err)
	}
	h.SetRoutes([]Route{{From: []string{"cloud"}, To: []string{"uart"}}})
	if err := h.Deliver(client.Received{From: "cloud"}); err != nil {
		t.Error(err)
	}
	if got["uart"] != 2 || got["ttyUSB9"] != 1 {
		t.Errorf("sinks got %v", got)
	}
}
