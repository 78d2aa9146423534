package sock

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"luatnetd/client"
)

// Ctrl is LuatOS's socket control block with libnet's blocking calls. A timeout
// of 0 waits for ever; ctx ends every call. One goroutine uses it, except for
// Wake, State and Close.
type Ctrl struct {
	cfg     Config
	route   func() (Route, bool) // the uplink as it is now; false: none is usable
	changed func() <-chan struct{}
	cache   Cache
	onState func(client.State)
	onEvent func(client.Event, bool)

	wake chan bool // capacity 1; false asks for the end (a message with a parameter other than 0)

	mu       sync.Mutex // guards what follows
	state    client.State
	conn     *Conn
	listener *net.TCPListener
	many     bool     // 1:n: each client gets a control block of its own
	waiting  net.Conn // 1:n: the client that Listen has seen and Accept has not taken
	last     client.Cause
	pending  []byte // one byte that Wait has read ahead
}

// NewCtrl returns a closed control block (socket.create, socket.config). route
// says how to leave now, and changed gives a channel that is closed at the next
// change of it; onState and onEvent may be nil.
func NewCtrl(cfg Config, route func() (Route, bool), changed func() <-chan struct{}, onState func(client.State), onEvent func(client.Event, bool)) *Ctrl {
	if onState == nil {
		onState = func(client.State) {}
	}
	if onEvent == nil {
		onEvent = func(client.Event, bool) {}
	}
	return &Ctrl{cfg: cfg, route: route, changed: changed, onState: onState, onEvent: onEvent, wake: make(chan bool, 1)}
}

// limit is ctx with libnet's timeout.
func limit(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, timeout)
}

func (c *Ctrl) set(s client.State) {
	c.mu.Lock()
	changed := c.state != s
	c.state = s
	c.mu.Unlock()
	if changed {
		c.onState(s)
	}
}

// State is the state and its name (socket.state).
func (c *Ctrl) State() (client.State, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state, c.state.String()
}

// Cause is why the last call failed, zero if it did not.
func (c *Ctrl) Cause() client.Cause {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

func (c *Ctrl) fail(err error) bool {
	c.mu.Lock()
	c.last = Cause(err)
	c.mu.Unlock()
	return false
}

// WaitLink waits until an uplink is usable (libnet.waitLink, event LINK).
func (c *Ctrl) WaitLink(ctx context.Context, timeout time.Duration) bool {
	ctx, cancel := limit(ctx, timeout)
	defer cancel()
	for {
		next := c.changed()
		if _, ok := c.route(); ok {
			if s, _ := c.State(); s == client.LinkOff {
				c.set(client.OffLine)
			}
			c.onEvent(client.EventLink, true)
			return true
		}
		c.set(client.LinkOff)
		select {
		case <-ctx.Done():
			c.onEvent(client.EventLink, false)
			return c.fail(ctx.Err())
		case <-next:
		}
	}
}

// Connect connects, TLS included; with port 0 it only resolves. A control block
// that has a socket already fails at once (libnet.connect, event ON_LINE).
func (c *Ctrl) Connect(ctx context.Context, timeout time.Duration) bool {
	c.mu.Lock()
	busy := c.conn != nil || c.listener != nil
	c.mu.Unlock()
	if busy {
		return c.fail(client.Cause{Code: client.CodeInUse, Text: "there is a connection already; close it first"})
	}
	ctx, cancel := limit(ctx, timeout)
	defer cancel()
	if !c.WaitLink(ctx, 0) {
		return false
	}
	route, _ := c.route()
	var conn *Conn
	var err error
	if c.cfg.Port == 0 {
		conn = &Conn{cfg: c.cfg}
		c.set(client.WaitDNS)
		conn.resolved, err = Resolve(ctx, c.cfg, route, &c.cache)
	} else {
		conn, err = Dial(ctx, c.cfg, route, &c.cache, c.set)
	}
	c.onEvent(client.EventOnLine, err == nil)
	if err != nil {
		c.set(client.OffLine)
		return c.fail(err)
	}
	c.mu.Lock()
	c.conn, c.last = conn, client.Cause{}
	c.mu.Unlock()
	c.set(client.OnLine)
	return true
}

// Tx sends and waits until the other end's TCP has acknowledged every byte, or
// the kernel has taken the datagram. Its results are libnet.tx's: (true, false)
// sent; (true, true) nothing of it was sent because the send buffer is full now,
// as poll(2) has it: try again later; (false, false) broken, or not acknowledged
// in time, where a part may be under way: close.
func (c *Ctrl) Tx(ctx context.Context, timeout time.Duration, data []byte) (ok, full bool) {
	conn := c.online()
	if conn == nil {
		return c.fail(unixNotConnected), false
	}
	if !conn.writable() {
		return true, true
	}
	ctx, cancel := limit(ctx, timeout)
	defer cancel()
	end, _ := ctx.Deadline()
	_ = conn.SetWriteDeadline(end)
	stop := context.AfterFunc(ctx, func() { _ = conn.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := conn.Write(data); err != nil {
		return c.fail(conn.cause(err)), false
	}
	if err := conn.Settled(ctx); err != nil {
		return c.fail(err), false
	}
	c.onEvent(client.EventTxOK, true)
	return true, false
}

var unixNotConnected = client.Cause{Code: client.CodeNotConnected, Text: "not connected"}

func (c *Ctrl) online() *Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil || c.conn.Conn == nil {
		return nil
	}
	return c.conn
}

// Wake ends a Wait (a message socket.EVENT to its task): with true as if data
// had come, with false as a request to close, which takes the place of a
// wake-up that nobody has seen yet.
func (c *Ctrl) Wake(ok bool) {
	for {
		select {
		case c.wake <- ok:
			return
		default:
		}
		if ok {
			return
		}
		select {
		case <-c.wake:
		default:
		}
	}
}

// Wait waits for data or the end of the connection (libnet.wait): (true, true)
// something came, (true, false) the time is over, (false, false) it is broken
// or its uplink is gone.
func (c *Ctrl) Wait(ctx context.Context, timeout time.Duration) (alive, event bool) {
	conn := c.online()
	if conn == nil {
		return c.fail(unixNotConnected), false
	}
	ctx, cancel := limit(ctx, timeout)
	defer cancel()
	read := make(chan error, 1) // capacity: the reader never waits for us
	_ = conn.SetReadDeadline(time.Time{})
	go func() { read <- c.readAhead(conn) }()
	halt := func() error { // the reader has ended when this returns
		_ = conn.SetReadDeadline(time.Unix(1, 0))
		return <-read
	}
	came := func(err error) (bool, bool) {
		c.onEvent(client.EventData, err == nil)
		if err != nil {
			return c.fail(conn.cause(err)), false
		}
		return true, true
	}
	for {
		next := c.changed()
		if _, ok := c.route(); !ok {
			_ = halt()
			return came(errUplinkDown)
		}
		select {
		case err := <-read:
			return came(err)
		case ok := <-c.wake:
			_ = halt()
			return ok, ok
		case <-next:
		case <-ctx.Done():
			if err := halt(); err == nil || !isTimeout(err) {
				return came(err) // it came at the last moment
			}
			return true, false
		}
	}
}

// readAhead reads one byte that the next Rx returns first.
func (c *Ctrl) readAhead(conn *Conn) error {
	c.mu.Lock()
	have := len(c.pending) > 0
	c.mu.Unlock()
	if have {
		return nil
	}
	buf := make([]byte, 64<<10)
	if !conn.datagrams() {
		buf = buf[:1]
	}
	n, err := conn.Read(buf)
	if n > 0 {
		c.mu.Lock()
		c.pending = buf[:n]
		c.mu.Unlock()
		return nil
	}
	return err
}

// Rx reads what is there, at most len(p) bytes, without waiting (socket.rx).
func (c *Ctrl) Rx(p []byte) (int, error) {
	conn := c.online()
	if conn == nil {
		return 0, unixNotConnected
	}
	c.mu.Lock()
	n := copy(p, c.pending)
	c.pending = c.pending[n:]
	c.mu.Unlock()
	if n == len(p) || conn.datagrams() && n > 0 {
		return n, nil
	}
	_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	more, err := conn.Read(p[n:])
	if n+more > 0 || isTimeout(err) {
		return n + more, nil
	}
	return 0, conn.cause(err)
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// Close closes in order, by force when the time is over (libnet.close, event CLOSED).
func (c *Ctrl) Close(ctx context.Context, timeout time.Duration) {
	c.mu.Lock()
	conn, l, waiting := c.conn, c.listener, c.waiting
	c.conn, c.listener, c.waiting, c.pending = nil, nil, nil, nil
	c.mu.Unlock()
	if l != nil {
		_ = l.Close()
	}
	if waiting != nil {
		_ = waiting.Close()
	}
	if conn != nil && conn.Conn != nil {
		c.set(client.Disconnecting)
		ctx, cancel := limit(ctx, timeout)
		if conn.Shut(ctx) != nil {
			_ = conn.Abort()
		}
		cancel()
	}
	c.set(client.OffLine)
	c.onEvent(client.EventClosed, true)
}

// LocalIP is the address that the connection leaves by (socket.localIP).
func (c *Ctrl) LocalIP() netip.Addr {
	if conn := c.online(); conn != nil {
		if a, err := netip.ParseAddrPort(conn.LocalAddr().String()); err == nil {
			return a.Addr().Unmap()
		}
	}
	route, _ := c.route()
	return route.Bind.Source
}

// RemoteIP are the addresses that the host resolved to (socket.remoteIP).
func (c *Ctrl) RemoteIP() []netip.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		return nil
	}
	return c.conn.resolved
}

func (c *Ctrl) String() string { return fmt.Sprintf("%s %s:%d", c.cfg.Kind, c.cfg.Host, c.cfg.Port) }
