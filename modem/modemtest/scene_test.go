package modemtest

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// on is a modem with its command port open, registered, in its final settings.
type on struct {
	*testing.T
	m *Modem
	h *host
	// data is what Options.Data was told last
	data []DataState
	gone int
	back int
}

// scene runs f against a personality, ready for a fault.
func scene(t *testing.T, id string, f func(*on)) {
	t.Helper()
	p := personality(t, id)
	o := &on{}
	bubble(t, p, Options{
		Seed:     7,
		Data:     func(d DataState) { o.data = append(o.data, d) },
		Vanished: func() { o.gone++ },
		Returned: func() { o.back++ },
	}, func(t *testing.T, m *Modem) {
		o.T, o.m = t, m
		if p.AT() {
			o.h = plug(t, m, commandPort(t, p))
			time.Sleep(3 * time.Second)
			o.h.want("ATE0", "OK")
			o.h.ask("AT+CMEE=1")
			o.h.want("AT+CGEREP=2,1", "OK")
		}
		f(o)
	})
}

// fault switches one on.
func (o *on) fault(name string, args ...string) {
	o.Helper()
	if err := o.m.Fault(name, args...); err != nil {
		o.Fatal(err)
	}
	synctest.Wait()
}

func (o *on) last() DataState {
	o.Helper()
	synctest.Wait()
	if len(o.data) == 0 {
		o.Fatal("the data plane has not changed")
	}
	return o.data[len(o.data)-1]
}

// wire are the bytes that come within d after a command.
func (o *on) wire(cmd string, d time.Duration) string { return o.h.raw(cmd, d) }

func (o *on) wantWire(cmd, want string) {
	o.Helper()
	if got := o.wire(cmd, 3*time.Second); got != want {
		o.Errorf("%s: got %q, want %q", cmd, got, want)
	}
}

// heard looks for a line among what comes within d.
func (o *on) heard(want string, d time.Duration) {
	o.Helper()
	time.Sleep(d)
	if got := o.h.take(); !slices.Contains(lines(got, ""), want) {
		o.Errorf("heard %q, want %q", got, want)
	}
}

func (o *on) dhcp(want DHCP) {
	o.Helper()
	if d := o.last(); d.DHCP != want {
		o.Errorf("DHCP %q, want %q", d.DHCP, want)
	}
}

// wantSoon sends a command that is answered with OK within d.
func (o *on) wantSoon(cmd string, d time.Duration) {
	o.Helper()
	if got := o.wire(cmd, d); got != "\r\nOK\r\n" {
		o.Errorf("%s: %q", cmd, got)
	}
}

// returns checks that the modem has left and comes back d later, and not sooner.
func (o *on) returns(d time.Duration) {
	o.Helper()
	time.Sleep(d - 100*time.Millisecond)
	if o.m.Device() != nil || o.gone != 1 || !o.h.closed() {
		o.Errorf("it has not left: device %v, vanished %d times", o.m.Device(), o.gone)
	}
	time.Sleep(500 * time.Millisecond)
	if o.m.Device() == nil || o.back != 1 {
		o.Errorf("it is not back after %v", d)
	}
}
