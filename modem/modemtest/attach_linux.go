package modemtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/internal/lab"
)

// Attached is an emulated 4G module as one uplink of the world: its AT port is a
// pty of the gateway, and the gateway's device towards a provider is its
// netdev, which has carrier and passes packets as the module says.
type Attached struct {
	*Modem
	Port string // path of the pty
	isp  *lab.ISP

	line *os.File
	stop context.CancelFunc
	done sync.WaitGroup
}

// Attach makes a provider's network that of an emulated module. The caller
// closes it.
func Attach(isp *lab.ISP, id string, o Options) (*Attached, error) {
	p, ok := ByID(id)
	if !ok || !p.AT() {
		return nil, fmt.Errorf("no emulated module %q with an AT port", id)
	}
	line, path, err := lab.Pty()
	if err != nil {
		return nil, err
	}
	m := &Attached{Port: path, isp: isp, line: line}
	o.Data = func(s DataState) { _ = m.link(s) }
	m.Modem = New(p, o)
	port := p.firstAT()
	ctx, stop := context.WithCancel(context.Background())
	m.stop = stop
	m.done.Go(func() {
		for ctx.Err() == nil {
			_ = m.Serve(ctx, port, ptyLine{line})
			select {
			case <-time.After(50 * time.Millisecond): // it has left the bus for a moment
			case <-ctx.Done():
			}
		}
	})
	return m, m.link(m.Data())
}

// firstAT is the first port that speaks AT: some families begin with DIAG.
func (p Personality) firstAT() int {
	for _, s := range p.Compositions[0].Ports {
		if s.Kind == KindAT {
			return s.Interface
		}
	}
	return 0
}

// link makes the netdev as the module's data plane is.
func (m *Attached) link(s DataState) error {
	carrier := m.isp.Restore
	if !s.Carrier {
		carrier = m.isp.Cut
	}
	return errors.Join(carrier(), m.isp.Blackhole(!s.Forwards))
}

// Close ends the module.
func (m *Attached) Close() error {
	m.stop()
	err := m.line.Close()
	m.done.Wait()
	return err
}

// ptyLine is the module's end of a pty: while nobody has the other end open
// it waits, as a module at a cable does. It is no io.Closer: who serves it lets
// it live.
type ptyLine struct{ file *os.File }

func (p ptyLine) Read(b []byte) (int, error) {
	for {
		n, err := p.file.Read(b)
		if !errors.Is(err, unix.EIO) {
			return n, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// SetReadDeadline ends a Read when the module leaves the bus.
func (p ptyLine) SetReadDeadline(t time.Time) error { return p.file.SetReadDeadline(t) }

func (p ptyLine) Write(b []byte) (int, error) { return p.file.Write(b) }
