package lease_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"luatnetd/netif/lease"
)

func TestClientIDAlternatesAndStays(t *testing.T) {
	form := func(s seen) string {
		switch id := s.options[61]; {
		case len(id) == 0:
			return "none"
		case id[0] == 1:
			return "mac"
		case id[0] == 255:
			return "duid"
		}
		return "?"
	}
	w := newWorld(t, lease.Config{}, nil)
	w.step(up())
	w.run(8 * time.Minute)
	var got []string
	for _, s := range w.sent[:8] {
		got = append(got, form(s))
	}
	if d := cmp.Diff([]string{"mac", "mac", "mac", "none", "duid", "mac", "none", "duid"}, got); d != "" {
		t.Errorf("forms without memory (-want +got):\n%s", d)
	}
	if w.sent[2].xid == w.sent[3].xid {
		t.Error("another client id within one exchange")
	}

	srv := newServer()
	srv.only = func(s seen) bool { return form(s) == "none" }
	w = newWorld(t, lease.Config{}, nil, srv)
	w.step(up())
	w.until(lease.Bound, 2*time.Minute)
	w.run(6 * time.Hour) // renewals with the same form, checked by the world
	if len(w.lost) != 0 || len(w.bound) < 10 {
		t.Fatalf("lost %v, bound %d times", w.lost, len(w.bound))
	}

	rec := w.records[len(w.records)-1]
	w2 := newWorld(t, lease.Config{BootID: "boot-2"}, &rec)
	w2.step(up())
	w2.run(15 * time.Minute)
	got = nil
	for _, s := range w2.sent {
		if s.kind == discover {
			got = append(got, form(s))
		}
	}
	want := []string{"none", "none", "none", "none", "none", "none", "mac", "none", "duid", "none", "mac", "none"}
	if d := cmp.Diff(want, got[:len(want)]); d != "" {
		t.Errorf("forms where none won before (-want +got):\n%s", d)
	}
}

func TestClientIDPolicies(t *testing.T) {
	tests := []struct {
		text string
		want string
		bad  bool
	}{
		{text: "mac", want: "\x01\x02\x00\x00\x00\x00\x01"},
		{text: "duid", want: "\xff\x00\x00\x00\x01\x00\x03\x00\x01\x02\x00\x00\x00\x00\x01"},
		{text: "none"},
		{text: "00:61:62", want: "\x00ab"},
		{text: "006162", want: "\x00ab"},
		{text: "xyz", bad: true},
		{text: "01", bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			id, err := lease.ParseClientID(tt.text)
			if (err != nil) != tt.bad {
				t.Fatalf("ParseClientID: %v", err)
			}
			if tt.bad {
				return
			}
			w := newWorld(t, lease.Config{ClientID: id}, nil)
			w.step(up())
			w.run(5 * time.Minute)
			for _, s := range w.sent {
				if string(s.options[61]) != tt.want {
					t.Fatalf("client id %q, want %q", s.options[61], tt.want)
				}
			}
		})
	}
}
