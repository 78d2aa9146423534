package modemtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// The ends of a Serve.
var (
	ErrVanished = errors.New("the modem has left the bus")
	ErrNoPort   = errors.New("the modem has no such port")
	ErrBusy     = errors.New("the port is served already")
)

// bufferSize is what a port takes before its writer has to wait: that of a
// cdc_acm device.
const bufferSize = 16 << 10

// conn is one port while it is served.
type conn struct {
	m    *Modem
	l    *line
	rw   io.ReadWriter
	done chan struct{} // closed when the port has to end
	once sync.Once
	err  error // why, before done is closed

	in  *pipe // bytes from the host
	out *pipe // bytes to the host

	// guarded by m.mu
	busy   bool // carries out a command
	prompt bool // waits for a PDU
	data   bool // carries PPP
	cid    int  // of what it carries
}

// Serve is the port on that interface until ctx ends, the host closes it or
// the modem leaves the bus (ErrVanished). An rw that is an io.Closer is closed
// at the end; one that is not has a SetReadDeadline, or must end its Read by itself.
func (m *Modem) Serve(ctx context.Context, port int, rw io.ReadWriter) error {
	c, err := m.attach(port, rw)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { c.readLoop(ctx) })
	wg.Go(func() { c.writeLoop(ctx) })
	wg.Go(func() {
		select {
		case <-ctx.Done():
			c.end(ctx.Err())
		case <-c.done:
		}
	})
	c.serve(ctx)
	c.end(nil)
	cancel()
	wg.Wait()
	m.lock()
	defer m.unlock()
	if c.l.conn == c {
		c.l.conn = nil
	}
	return c.err
}

func (m *Modem) attach(port int, rw io.ReadWriter) (*conn, error) {
	m.lock()
	defer m.unlock()
	if !m.running && !m.pers.uart() {
		return nil, ErrVanished
	}
	l := m.lineLocked(port)
	switch {
	case l == nil:
		return nil, fmt.Errorf("interface %d of %s: %w", port, m.pers.ID, ErrNoPort)
	case l.conn != nil:
		return nil, fmt.Errorf("interface %d of %s: %w", port, m.pers.ID, ErrBusy)
	}
	c := &conn{m: m, l: l, rw: rw, done: make(chan struct{}), in: newPipe(bufferSize), out: newPipe(4 << 20)}
	l.conn = c
	m.count.Opens++
	m.cureLocked("reopen", l)
	if l.spec.Kind == KindLog || m.onLocked("diag", l) {
		m.streamLocked(c)
	}
	return c, nil
}

// end ends the port; the first reason stays. It waits for nothing.
func (c *conn) end(err error) {
	c.once.Do(func() {
		c.err = err
		close(c.done)
		c.in.close()
		c.out.close()
		if cl, ok := c.rw.(io.Closer); ok {
			go cl.Close() // closing a tty may wait for its last bytes
		} else {
			c.wakeReader()
		}
	})
}

// readLoop takes bytes from the host. A stuck modem does not.
func (c *conn) readLoop(ctx context.Context) {
	buf := make([]byte, 4096)
	for {
		if !c.awaitUnstuck(ctx) {
			return
		}
		n, err := c.rw.Read(buf)
		if n > 0 && !c.in.put(buf[:n]) {
			return
		}
		if err == nil {
			continue
		}
		if timeout(err) && c.woken() {
			continue // by the fault "stuck"
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) {
			err = nil
		}
		c.end(err)
		return
	}
}

// woken says whether the reader was told to look around, and the port goes on.
func (c *conn) woken() bool {
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// awaitUnstuck waits while the modem reads nothing; false at the port's end.
func (c *conn) awaitUnstuck(ctx context.Context) bool {
	for {
		c.m.lock()
		on, changed := c.m.onLocked("stuck", c.l), c.m.changed
		c.m.unlock()
		if !on {
			if d, ok := c.rw.(interface{ SetReadDeadline(time.Time) error }); ok {
				_ = d.SetReadDeadline(time.Time{})
			}
			return ctx.Err() == nil
		}
		select {
		case <-changed:
		case <-c.done:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

func timeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// wakeReader ends a Read that is under way, for "stuck" to hold at once.
func (c *conn) wakeReader() {
	if d, ok := c.rw.(interface{ SetReadDeadline(time.Time) error }); ok {
		_ = d.SetReadDeadline(time.Unix(1, 0))
	}
}

// writeLoop gives bytes to the host, shaped by the faults of the wire.
func (c *conn) writeLoop(ctx context.Context) {
	for {
		b, ok := c.out.take()
		if !ok {
			return
		}
		c.m.lock()
		pause, size, gap := c.shapeLocked(len(b))
		c.m.unlock()
		if pause > 0 {
			if !c.m.clk.sleep(ctx, c.done, pause) {
				return
			}
			b = append(b, c.out.drain()...)
			size = len(b)
		}
		for len(b) > 0 {
			n := min(size, len(b))
			if _, err := c.rw.Write(b[:n]); err != nil {
				c.end(nil)
				return
			}
			if b = b[n:]; len(b) > 0 && gap > 0 && !c.m.clk.sleep(ctx, c.done, gap) {
				return
			}
		}
	}
}

// pipe is a bounded queue of bytes between two goroutines.
type pipe struct {
	mu     sync.Mutex
	cond   sync.Cond
	chunks [][]byte // guarded by mu
	size   int
	max    int
	closed bool
	hung   bool // the call that reads is over
}

func newPipe(limit int) *pipe {
	p := &pipe{max: limit}
	p.cond.L = &p.mu
	return p
}

// put adds a copy of b, waiting for room; false once closed.
func (p *pipe) put(b []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.size > 0 && p.size+len(b) > p.max && !p.closed {
		p.cond.Wait()
	}
	return p.addLocked(b)
}

// add adds a copy of b or, where there is no room, drops it.
func (p *pipe) add(b []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.size+len(b) > p.max {
		return false
	}
	return p.addLocked(b)
}

func (p *pipe) addLocked(b []byte) bool {
	if p.closed || len(b) == 0 {
		return !p.closed
	}
	p.chunks = append(p.chunks, append([]byte(nil), b...))
	p.size += len(b)
	p.cond.Broadcast()
	return true
}

// take is the oldest chunk, waiting for one; false once closed and empty.
func (p *pipe) take() ([]byte, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.chunks) == 0 && !p.closed {
		p.cond.Wait()
	}
	if len(p.chunks) == 0 {
		return nil, false
	}
	b := p.chunks[0]
	p.chunks = p.chunks[1:]
	p.size -= len(b)
	p.cond.Broadcast()
	return b, true
}

// unread puts b back in front.
func (p *pipe) unread(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(b) > 0 {
		p.chunks = append([][]byte{b}, p.chunks...)
		p.size += len(b)
		p.cond.Broadcast()
	}
}

// drain is all that waits.
func (p *pipe) drain() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b []byte
	for _, chunk := range p.chunks {
		b = append(b, chunk...)
	}
	p.chunks, p.size = nil, 0
	p.cond.Broadcast()
	return b
}

func (p *pipe) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.cond.Broadcast()
}
