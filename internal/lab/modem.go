package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/modem/modemtest"
)

// Modem is an emulated 4G module as one uplink of the world: its AT port is a
// pty of the gateway, and the gateway's device towards a provider is its
// netdev, which has carrier and passes packets as the module says.
type Modem struct {
	*modemtest.Modem
	Port string // path of the pty
	isp  *ISP

	line *os.File
	stop context.CancelFunc
	done sync.WaitGroup
}

// AddModem makes the provider's network that of an emulated module.
func (w *World) AddModem(isp *ISP, id string, o modemtest.Options) (*Modem, error) {
	p, ok := modemtest.ByID(id)
	if !ok {
		return nil, fmt.Errorf("no emulated module %q", id)
	}
	line, path, err := Pty()
	if err != nil {
		return nil, err
	}
	m := &Modem{Port: path, isp: isp, line: line}
	o.Data = func(s modemtest.DataState) { _ = m.link(s) }
	m.Modem = modemtest.New(p, o)
	port := p.Compositions[0].Ports[0].Interface
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
	w.closers = append(w.closers, m)
	return m, m.link(m.Data())
}

// link makes the netdev as the module's data plane is.
func (m *Modem) link(s modemtest.DataState) error {
	carrier := m.isp.Restore
	if !s.Carrier {
		carrier = m.isp.Cut
	}
	return errors.Join(carrier(), m.isp.Blackhole(!s.Forwards))
}

// Close ends the module.
func (m *Modem) Close() error {
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

func (p ptyLine) Write(b []byte) (int, error) { return p.file.Write(b) }
