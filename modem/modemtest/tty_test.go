package modemtest_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"luatnetd/modem"
	"luatnetd/modem/modemtest"
	"luatnetd/modem/tty"
)

// open opens a port of the emulator as the daemon does, in virtual time.
func open(t *testing.T, m *modemtest.Modem, iface int) (*tty.Port, error) {
	t.Helper()
	near, far := net.Pipe()
	go func() { _ = m.Serve(t.Context(), iface, far) }()
	p, err := tty.Open(t.Context(), tty.Config{Path: "/dev/ttyUSB2", Dial: func(context.Context) (tty.Conn, error) { return near, nil }})
	if err != nil {
		_ = near.Close()
		return nil, err
	}
	t.Cleanup(func() { _ = p.Close() })
	go func() {
		for {
			select {
			case <-p.URCs():
			case <-p.Done():
				return
			}
		}
	}()
	return p, nil
}

// answers asks for the IMEI until it comes, for at most two minutes, and says whether it did.
func answers(p *tty.Port, imei string) bool {
	for range 12 {
		r := p.Do(context.Background(), modem.Command{Text: "+CGSN", Timeout: 10 * time.Second})
		if r.Err == nil && slices.Contains(r.Lines, imei) {
			return true
		}
		if errors.Is(r.Err, modem.ErrGone) {
			return false
		}
	}
	return false
}

// Every personality speaks through the daemon's own port; every fault of the
// wire leaves it able to get the right answer.
func TestThroughThePort(t *testing.T) {
	for _, p := range modemtest.Personalities() {
		if !p.AT() {
			continue
		}
		t.Run(p.ID, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := modemtest.New(p, modemtest.Options{})
				for _, spec := range p.Compositions[0].Ports {
					port, err := open(t, m, spec.Interface)
					switch {
					case spec.Kind == modemtest.KindLog:
						if !errors.Is(err, tty.ErrBinary) {
							t.Errorf("log port %d: %v", spec.Interface, err)
						}
					case err != nil:
						t.Errorf("port %d: %v", spec.Interface, err)
					case spec.Kind == modemtest.KindAT && !answers(port, p.IMEI):
						t.Errorf("port %d does not answer", spec.Interface)
					}
				}
			})
		})
	}
	p, _ := modemtest.ByID("quectel-qc")
	for _, f := range modemtest.Faults() {
		if f.Group != "wire" {
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := modemtest.New(p, modemtest.Options{Seed: 3})
				time.Sleep(3 * time.Second)
				port, err := open(t, m, 2)
				if err != nil {
					t.Fatal(err)
				}
				for _, cmd := range []string{"E0", "Q0", "V1", "+CMEE=1"} {
					_ = port.Do(t.Context(), modem.Command{Text: cmd})
				}
				if err := m.Fault(f.Name); err != nil {
					t.Fatal(err)
				}
				if f.Name == "numeric" { // as after a boot: V1 comes first
					_ = port.Do(t.Context(), modem.Command{Text: "V1"})
				}
				if !answers(port, p.IMEI) {
					t.Errorf("no answer with the fault; the trace:\n%q", port.Trace())
				}
			})
		})
	}
}
