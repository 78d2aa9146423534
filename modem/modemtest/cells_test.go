package modemtest

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// Every fault that can happen to a personality ends without a trace: with it,
// the usual commands neither hang nor panic the modem; without it, and after a
// power cycle where it struck the bus, commands are answered and data flows.
func TestEveryFaultEnds(t *testing.T) {
	cells := 0
	for _, p := range Personalities() {
		t.Run(p.ID, func(t *testing.T) {
			for _, f := range Faults() {
				if f.Refuses != nil && f.Refuses(p) != "" {
					continue
				}
				cells++
				synctest.Test(t, func(t *testing.T) { endsWell(t, p, f) })
			}
		})
	}
	if cells < 800 {
		t.Errorf("%d cells", cells)
	}
}

func endsWell(t *testing.T, p Personality, f Fault) {
	m := New(p, Options{Seed: 1})
	time.Sleep(5 * time.Second)
	talk := func() *host {
		if !p.AT() {
			return nil
		}
		return plug(t, m, commandPort(t, p))
	}
	h := talk()
	if err := m.Fault(f.Name); err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	for _, cmd := range []string{"ATE0", "AT+CPIN?", "AT+CEREG?", "AT+CGACT=1,1", "AT+CFUN=4", "AT+CFUN=1", "AT+CGMM"} {
		if h == nil || h.closed() {
			break
		}
		_ = h.conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = h.conn.Write([]byte(cmd + "\r"))
		time.Sleep(5 * time.Second)
	}
	m.Clear("")
	if !p.uart() {
		m.Power(false)
		time.Sleep(time.Second)
		m.Power(true)
		time.Sleep(30 * time.Second)
		if h != nil && !errors.Is(<-h.done, ErrVanished) && f.Name != "eio" {
			t.Errorf("%s: the port survived the power cut", f.Name)
		}
		if h != nil {
			h = talk()
		}
	}
	time.Sleep(20 * time.Second)
	if h != nil {
		if f.Name == "eio" {
			h = again(t, m, p, h)
		}
		if got := lines(h.raw("ATE0V1", 5*time.Second), ""); len(got) == 0 || !slices.Contains(got, "OK") {
			t.Errorf("%s: ATE0V1 afterwards: %q", f.Name, got)
		}
	}
	start := starts[p.ID]
	if start != "" {
		h.ask(start)
	}
	if d := m.Data(); p.Driver() != "" && (!d.Up || !d.Forwards) {
		t.Errorf("%s: data plane afterwards %+v", f.Name, d)
	}
}

// again opens the port of a UART that has hung up.
func again(t *testing.T, m *Modem, p Personality, h *host) *host {
	t.Helper()
	if !h.closed() {
		return h
	}
	return plug(t, m, commandPort(t, p))
}
