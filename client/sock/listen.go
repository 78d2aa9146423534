package sock

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/client"
)

// maxBacklog is the most that socket.listen takes.
const maxBacklog = 8

var errUplinkDown = client.Cause{Code: client.CodeRoute, Text: "the uplink is down"}

// Listen waits until a client is there (libnet.listen). With a backlog of 0 the
// control block becomes its connection, and nobody else is let in (1:1). With 1 to 8 it
// goes on listening, that many more may wait, and Accept takes each (1:n).
// Keep-alive is as configured.
func (c *Ctrl) Listen(ctx context.Context, timeout time.Duration, backlog int) bool {
	if backlog < 0 || backlog > maxBacklog {
		return c.fail(client.Cause{Code: client.CodeArgument, Text: fmt.Sprintf("a backlog is 0 to %d, not %d", maxBacklog, backlog)})
	}
	ctx, cancel := limit(ctx, timeout)
	defer cancel()
	if !c.open(ctx, backlog) {
		return false
	}
	raw, ok := c.client(ctx)
	c.onEvent(client.EventOnLine, ok)
	if backlog > 0 {
		return ok && c.keep(raw)
	}
	c.mu.Lock()
	l := c.listener
	c.listener = nil
	if ok {
		c.conn, c.last = c.accepted(raw), client.Cause{}
	}
	c.mu.Unlock()
	if l != nil {
		_ = l.Close() // one client, and no second one waits in the backlog
	}
	if !ok {
		c.set(client.OffLine)
		return false
	}
	c.set(client.OnLine)
	return true
}

// Accept takes a client (socket.accept). 1:1 it is nil and whether Listen has
// got one. 1:n it waits for the next and returns a new control block that is
// ONLINE, has the uplink and the configuration of this one, and is closed by
// itself: neither's end is the other's. onState and onEvent are its own and may
// be nil.
func (c *Ctrl) Accept(ctx context.Context, timeout time.Duration, onState func(client.State), onEvent func(client.Event, bool)) (*Ctrl, bool) {
	c.mu.Lock()
	many, has := c.many && c.listener != nil, c.conn != nil
	c.mu.Unlock()
	switch {
	case !many && has:
		return nil, true
	case !many:
		return nil, c.fail(client.Cause{Code: client.CodeNotConnected, Text: "nobody listens; Listen first"})
	}
	ctx, cancel := limit(ctx, timeout)
	defer cancel()
	raw, ok := c.client(ctx)
	if !ok {
		return nil, false
	}
	n := NewCtrl(c.cfg, c.route, c.changed, onState, onEvent)
	n.conn = n.accepted(raw)
	if peer, err := netip.ParseAddrPort(raw.RemoteAddr().String()); err == nil {
		n.cfg.Host, n.cfg.Port = peer.Addr().Unmap().String(), peer.Port()
	}
	n.set(client.OnLine)
	return n, true
}

// open makes the listener where there is none. It needs an uplink: without its
// binding the port would be open to every network.
func (c *Ctrl) open(ctx context.Context, backlog int) bool {
	if c.cfg.Kind != client.TCP {
		return c.fail(client.Cause{Code: client.CodeArgument, Text: fmt.Sprintf("a server speaks tcp, not %s", c.cfg.Kind)})
	}
	if !c.WaitLink(ctx, 0) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.last = client.Cause{Code: client.CodeInUse, Text: "there is a connection already; close it first"}
		return false
	}
	if c.listener == nil {
		route, _ := c.route()
		l, err := route.Bind.Listen(ctx, "tcp", c.cfg.LocalPort)
		if err != nil {
			c.last = Cause(err)
			return false
		}
		c.listener = l.(*net.TCPListener)
	}
	c.many = backlog > 0
	if err := setBacklog(c.listener, backlog); err != nil {
		c.last = Cause(err)
		return false
	}
	return true
}

// setBacklog bounds how many clients wait: listen(2) again changes that of a
// socket that listens already. The kernel lets one more wait than it is told.
func setBacklog(l *net.TCPListener, n int) error {
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	err = raw.Control(func(fd uintptr) { inner = unix.Listen(int(fd), max(0, n-1)) })
	return errors.Join(err, inner)
}

// client waits for the next client until ctx ends or the uplink goes. A
// time-out leaves the listener as it is.
func (c *Ctrl) client(ctx context.Context) (net.Conn, bool) {
	c.mu.Lock()
	l, raw := c.listener, c.waiting
	c.waiting = nil
	c.mu.Unlock()
	switch {
	case raw != nil:
		return raw, true
	case l == nil:
		return nil, c.fail(net.ErrClosed) // closed meanwhile
	}
	c.set(client.Listening)
	_ = l.SetDeadline(time.Time{})
	ctx, cancel := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		c.watch(ctx, cancel)
		_ = l.SetDeadline(time.Unix(1, 0))
	}()
	raw, err := l.Accept()
	cancel(nil)
	<-watched
	if err == nil {
		return raw, true
	}
	if isTimeout(err) {
		err = context.Cause(ctx)
	}
	if _, up := c.route(); !up {
		c.set(client.OffLine) // as on any break: it must be closed
	}
	return nil, c.fail(err)
}

// watch returns when ctx has ended, which it brings about when the uplink goes.
func (c *Ctrl) watch(ctx context.Context, cancel context.CancelCauseFunc) {
	for {
		next := c.changed()
		if _, ok := c.route(); !ok {
			cancel(errUplinkDown)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-next:
		}
	}
}

// keep holds a client for Accept.
func (c *Ctrl) keep(raw net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.listener == nil { // closed meanwhile
		_ = raw.Close()
		return false
	}
	c.waiting, c.last = raw, client.Cause{}
	return true
}

// accepted is a client's connection.
func (c *Ctrl) accepted(raw net.Conn) *Conn {
	if t, ok := raw.(*net.TCPConn); ok {
		k := c.cfg.KeepAlive.orDefault()
		_ = t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: !k.Off, Idle: k.Idle, Interval: k.Interval, Count: k.Count})
	}
	conn := &Conn{cfg: c.cfg, wire: &wire{Conn: raw}}
	conn.Conn = conn.wire
	if peer, err := netip.ParseAddrPort(raw.RemoteAddr().String()); err == nil {
		conn.resolved = []netip.Addr{peer.Addr().Unmap()}
	}
	return conn
}
