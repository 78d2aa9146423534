package drive

import (
	"context"
	"errors"

	"luatnetd/modem"
	"luatnetd/modem/tty"
)

// port is a port that the machine wants open.
type port struct {
	tty  *tty.Port // nil until it is open
	stop context.CancelFunc
	done chan struct{} // closed when it has let go of the port
}

// opened and closed are what becomes of a port; an old one is not listened to.
type opened struct {
	path string
	port *port
	tty  *tty.Port
}

type closed struct {
	port *port
	modem.PortChanged
}

func (d *Driver) openTTY(ctx context.Context, path string) (*tty.Port, error) {
	c := tty.Config{Path: path, Log: d.cfg.Log}
	if d.cfg.Dial != nil {
		c.Dial = func(ctx context.Context) (tty.Conn, error) { return d.cfg.Dial(ctx, path) }
	}
	return tty.Open(ctx, c)
}

// openPort opens a port, or opens it anew, beside Run.
func (d *Driver) openPort(ctx context.Context, path string) {
	d.closePort(path)
	before := d.closing[path]
	inner, stop := context.WithCancel(ctx)
	p := &port{stop: stop, done: make(chan struct{})}
	d.ports[path] = p
	d.work.Add(1)
	go func() {
		defer d.work.Done()
		defer close(p.done)
		wait(before)
		t, err := d.openTTY(inner, path)
		if err != nil {
			d.post(inner, closed{p, modem.PortChanged{Port: path, Err: err, Binary: errors.Is(err, tty.ErrBinary)}})
			return
		}
		defer t.Close()
		d.post(inner, opened{path, p, t})
		d.listen(inner, path, p, t)
	}()
}

// listen brings what the port says by itself, and its end.
func (d *Driver) listen(ctx context.Context, path string, p *port, t *tty.Port) {
	for {
		select {
		case <-ctx.Done():
			return
		case u := <-t.URCs():
			d.post(ctx, modem.Heard{Port: path, URC: u})
		case <-t.Done():
			d.post(ctx, closed{p, modem.PortChanged{Port: path, Err: t.Err()}})
			return
		}
	}
}

func (d *Driver) portOpened(o opened) (modem.Event, bool) {
	if d.ports[o.path] != o.port {
		return nil, false
	}
	o.port.tty = o.tty
	return modem.PortChanged{Port: o.path, Open: true, Holder: o.tty.Holder()}, true
}

func (d *Driver) portClosed(c closed) (modem.Event, bool) {
	if d.ports[c.Port] != c.port {
		return nil, false
	}
	d.closePort(c.Port)
	return c.PortChanged, true
}

func (d *Driver) closePort(path string) {
	if p := d.ports[path]; p != nil {
		p.stop()
		delete(d.ports, path)
		d.closing[path] = p.done
	}
}

// wait waits until a port has been let go of: two of us must not have one.
func wait(done <-chan struct{}) {
	if done != nil {
		<-done
	}
}

// send gives a command to its port and brings the answer back.
func (d *Driver) send(ctx context.Context, s modem.Send) {
	p := d.ports[s.Port]
	if p == nil || p.tty == nil { // any other error would be taken for an answer
		d.beside(ctx, func() any { return modem.Replied{ID: s.ID, Reply: modem.Reply{Err: modem.ErrGone}} })
		return
	}
	t := p.tty
	d.beside(ctx, func() any { return modem.Replied{ID: s.ID, Reply: t.Do(ctx, s.Command)} })
}
