package sock

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/client"
)

// attemptDelay is how long one address is given before the next is tried
// beside it (RFC 8305 §5, connection attempt delay).
const attemptDelay = 250 * time.Millisecond

// Dial resolves the host, tries all its addresses and makes the TLS handshake.
// onState hears the states on the way, from the calling goroutine; nil is
// allowed. The error is a client.Cause.
func Dial(ctx context.Context, cfg Config, route Route, cache *Cache, onState func(client.State)) (*Conn, error) {
	if onState == nil {
		onState = func(client.State) {}
	}
	onState(client.WaitDNS)
	list, err := Resolve(ctx, cfg, route, cache)
	if err != nil {
		return nil, Cause(err)
	}
	if cfg.Port == 0 {
		return nil, client.Cause{Code: client.CodeArgument, Text: "port 0 resolves the name only, there is nothing to connect to"}
	}
	onState(client.Connecting)
	raw, err := dialAny(ctx, cfg, route, list)
	if err != nil {
		return nil, Cause(err)
	}
	cfg.Opened = nil // of the time before: what it holds may be let go
	c := &Conn{cfg: cfg, uplink: route.Uplink, wire: &wire{Conn: raw}, resolved: list}
	c.Conn = c.wire
	if cfg.Kind == client.TLS || cfg.Kind == client.DTLS {
		onState(client.ShakeHand)
		if err := c.shake(ctx); err != nil {
			_ = raw.Close()
			cause := c.cause(err)
			c.sslLog(logFaults, "TLS handshake failed", "error", cause.Text)
			return nil, cause
		}
	}
	onState(client.OnLine)
	return c, nil
}

// dialAny tries the addresses, each a little after the one before, and keeps
// the first that answers.
func dialAny(ctx context.Context, cfg Config, route Route, list []netip.Addr) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	type result struct {
		c   net.Conn
		err error
	}
	results := make(chan result, len(list)) // capacity: a late one never waits
	var wg sync.WaitGroup
	next, open := 0, 0
	start := func() {
		if next == len(list) {
			return
		}
		i := next
		addr := netip.AddrPortFrom(list[i], cfg.Port)
		next, open = next+1, open+1
		wg.Go(func() {
			ctx, cancel := share(ctx, cfg, len(list)-i)
			defer cancel()
			c, err := dialOne(ctx, cfg, route, addr)
			results <- result{c, err}
		})
	}
	var won net.Conn
	defer func() { // whoever comes second is closed
		cancel()
		wg.Wait()
		for range open {
			if r := <-results; r.c != nil {
				_ = r.c.Close()
			}
		}
	}()
	start()
	timer := time.NewTicker(attemptDelay)
	defer timer.Stop()
	var errs []error
	for open > 0 {
		select {
		case r := <-results:
			open--
			if r.err == nil {
				won = r.c
				return won, nil
			}
			errs = append(errs, r.err)
			start()
		case <-timer.C:
			if cfg.LocalPort == 0 { // one port cannot be in two attempts
				start()
			}
		}
	}
	return nil, best(errs)
}

// share is the part of the time that one address of those left may take where
// they must go one after the other: a silent one must not use it up.
func share(ctx context.Context, cfg Config, left int) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if cfg.LocalPort == 0 || !ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, time.Until(end)/time.Duration(left))
}

// best is the error that says most: a server that answered beats silence.
func best(errs []error) error {
	for _, err := range errs {
		if Cause(err).Reached {
			return err
		}
	}
	return errs[len(errs)-1]
}

func dialOne(ctx context.Context, cfg Config, route Route, addr netip.AddrPort) (net.Conn, error) {
	b := route.Bind
	if b.Source.IsValid() && b.Source.Is4() != addr.Addr().Is4() {
		b.Source = netip.Addr{} // the source is of the other family; the device and the mark still bind
	}
	network := "tcp"
	if cfg.Kind == client.UDP || cfg.Kind == client.DTLS {
		network = "udp"
	}
	source := b.Source
	if cfg.LocalPort != 0 {
		b.Source = netip.Addr{} // bound below, with its port
	}
	d := b.Dialer(0)
	if network == "tcp" {
		k := cfg.KeepAlive.orDefault()
		d.KeepAliveConfig = net.KeepAliveConfig{Enable: !k.Off, Idle: k.Idle, Interval: k.Interval, Count: k.Count}
		if k.Off {
			d.KeepAlive = -1
		}
	}
	if cfg.LocalPort != 0 {
		tie := d.ControlContext
		d.ControlContext = func(ctx context.Context, network, address string, c syscall.RawConn) error {
			if err := tie(ctx, network, address, c); err != nil {
				return err
			}
			return bindPort(c, strings.HasPrefix(network, "tcp"), source, addr.Addr().Is4(), cfg.LocalPort)
		}
	}
	if cfg.Opened != nil {
		tell(d, cfg.Opened, b.Device, addr)
	}
	c, err := d.DialContext(ctx, network, addr.String())
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	return c, nil
}

// bindPort binds the local port. SO_REUSEADDR lets a reconnect take it while
// the old connection is in TIME_WAIT; with UDP it would let two sockets have the
// port, and one take the other's datagrams.
func bindPort(c syscall.RawConn, reuse bool, source netip.Addr, v4 bool, port uint16) error {
	var inner error
	err := c.Control(func(fd uintptr) {
		if reuse {
			inner = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		}
		var sa unix.Sockaddr
		if v4 {
			sa4 := &unix.SockaddrInet4{Port: int(port)}
			if source.Is4() {
				sa4.Addr = source.As4()
			}
			sa = sa4
		} else {
			sa6 := &unix.SockaddrInet6{Port: int(port)}
			if source.Is6() {
				sa6.Addr = source.As16()
			}
			sa = sa6
		}
		if inner == nil {
			inner = unix.Bind(int(fd), sa)
		}
		if inner != nil {
			inner = fmt.Errorf("local port %d: %w", port, inner)
		}
	})
	return errors.Join(err, inner)
}
