package ctl

import (
	"context"
	"errors"
	"strings"
	"testing"

	"luatnetd/internal/status"
)

// probing is a daemon whose uplink is as `after` once the round that was asked
// for has ended, some turns after the request.
func probing(t *testing.T, round uint64, before, after status.Uplink) *daemon {
	d := serve(t)
	d.doc = &status.Document{Uplinks: []status.Uplink{before}}
	d.do = func(Command) (Reply, error) { return Reply{OK: true, Text: "probing", Round: round}, nil }
	s := d.server()
	turns := 0
	s.Status = func() *status.Document {
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.asked) > 0 {
			turns++
		}
		if turns > 3 {
			return &status.Document{Uplinks: []status.Uplink{after}}
		}
		return d.doc
	}
	d.end()
	d.run(s)
	return d
}

func TestProbe(t *testing.T) {
	up := status.Uplink{Name: "wan", State: "CONNECTED", Carrier: true, Address: "192.0.2.2/24", Verified: true, Round: 6, Reason: "icmp answers"}
	with := func(change func(*status.Uplink)) status.Uplink { u := up; change(&u); return u }
	fresh := with(func(u *status.Uplink) {
		u.Round = 7
		u.Targets = []status.Target{{Kind: "icmp", Address: "1.1.1.1", Alive: true, RTTms: 5}}
	})
	for _, tc := range []struct {
		name          string
		round         uint64
		before, after status.Uplink
		ok            bool
		text          string
		lines         int
	}{
		{"passes", 7, up, fresh, true, "wan passed (CONNECTED): icmp answers", 1},
		{"a later round ended", 7, up, with(func(u *status.Uplink) { u.Round = 9 }), true, "wan passed", 0},
		// Its earlier rounds were good: only the fresh one counts.
		{"fails", 7, up, with(func(u *status.Uplink) { u.Round, u.Verified, u.Reason = 7, false, "icmp does not answer" }), false,
			"wan did not pass (CONNECTED): icmp does not answer", 0},
		{"loses its carrier meanwhile", 7, up, with(func(u *status.Uplink) {
			u.Carrier, u.Verified, u.State, u.Reason = false, false, "OPENED", "no carrier"
		}), false,
			"wan was not probed (OPENED): no carrier", 0},
		{"is closed", 0, with(func(u *status.Uplink) {
			u.Down, u.Verified, u.State, u.Reason = true, false, "STOPPED", "closed by the operator"
		}), fresh, false,
			"wan was not probed (STOPPED): closed by the operator", 0},
		{"needs no check", 0, with(func(u *status.Uplink) { u.State, u.Reason = "SINGLE_NETWORK", "the only uplink: not checked" }), fresh, true,
			"wan was not probed (SINGLE_NETWORK)", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := probing(t, tc.round, tc.before, tc.after).c.Probe(context.Background(), "wan")
			if err != nil {
				t.Fatal(err)
			}
			if p.OK != tc.ok || !strings.HasPrefix(p.Text, tc.text) || len(p.Lines) != tc.lines || p.Uplink.Name != "wan" {
				t.Errorf("Probe = %+v, want ok %v, %q and %d lines", p, tc.ok, tc.text, tc.lines)
			}
		})
	}
}

func TestProbeErrors(t *testing.T) {
	up := status.Uplink{Name: "wan", Carrier: true, Address: "192.0.2.2/24"}
	d := probing(t, 7, up, status.Uplink{Name: "another"})
	if _, err := d.c.Probe(context.Background(), "wan"); err == nil || !strings.Contains(err.Error(), "no longer configured") {
		t.Errorf("Probe of an uplink that a reload took = %v", err)
	}
	d = probing(t, 7, up, up)
	ctx, cancel := context.WithCancel(context.Background())
	d.do = func(Command) (Reply, error) { cancel(); return Reply{Round: 7}, nil }
	if _, err := d.c.Probe(ctx, "wan"); !errors.Is(err, context.Canceled) {
		t.Errorf("Probe = %v, want the end of its context", err)
	}
	d = probing(t, 7, up, up)
	d.do = func(Command) (Reply, error) { return Reply{}, &Error{Status: 404, Message: "there is no uplink"} }
	if _, err := d.c.Probe(context.Background(), "wan"); err == nil || err.Error() != "there is no uplink" {
		t.Errorf("Probe = %v, want the loop's error", err)
	}
}
