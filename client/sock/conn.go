package sock

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/client"
)

// Conn is a connection. One goroutine may read and one may write at a time; the
// other methods may be called from any.
type Conn struct {
	net.Conn // what the application reads and writes
	cfg      Config
	uplink   string
	wire     *wire // below TLS
	resolved []netip.Addr
	info     Info
	askedFor bool // the server asked for a client certificate, and there was none
}

// Info is what a person wants to know of a connection.
type Info struct {
	Insecure bool      // nobody checked who the server is
	Version  string    // "TLS 1.3", "" without TLS
	Suite    string    // name of the cipher suite
	Expires  time.Time // end of the server's certificate, zero without one
	Warning  string    // a certificate, ours or the server's, that ends within 30 days
}

// wire counts what is handed to the kernel.
type wire struct {
	net.Conn
	written atomic.Uint64
}

func (w *wire) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	w.written.Add(uint64(n))
	return n, err
}

// Uplink is the name of the uplink it leaves by.
func (c *Conn) Uplink() string { return c.uplink }

// Info returns what is known about the other end.
func (c *Conn) Info() Info { return c.info }

// Resolved are the addresses that the host had when the connection was made
// (socket.remoteIP).
func (c *Conn) Resolved() []netip.Addr { return c.resolved }

// Written is how many bytes were handed to the kernel, counted below TLS.
func (c *Conn) Written() uint64 { return c.wire.written.Load() }

// Acked is how many of them the TCP at the other end has acknowledged. It can
// only say too little, never too much: the counter is read before the queue, so
// that what is written in between counts as unacknowledged. For UDP the kernel
// has taken everything.
func (c *Conn) Acked() (uint64, error) {
	written := c.Written()
	if c.datagrams() {
		return written, nil
	}
	var queued int
	err := c.control(func(fd int) (err error) {
		queued, err = unix.IoctlGetInt(fd, unix.SIOCOUTQ)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("unacknowledged bytes: %w", err)
	}
	return written - min(uint64(max(queued, 0)), written), nil
}

// Await waits until there is something to read, an end or an error included,
// without a buffer to read it into. False: it cannot tell, as with TLS, which
// may hold what it has read already; then Read is the only way to wait.
func (c *Conn) Await() bool {
	sc, ok := c.wire.Conn.(syscall.Conn)
	if !ok || c.cfg.Kind == client.TLS || c.cfg.Kind == client.DTLS {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	return raw.Read(func(fd uintptr) bool {
		n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0) // takes neither data nor error
		return n != 0
	}) == nil
}

// writable reports whether the kernel takes something to send now. Where it
// cannot tell, and after an end or an error, which a write tells, it is true.
func (c *Conn) writable() bool {
	full := false
	_ = c.control(func(fd int) error {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 0)
		full = n == 0 && err == nil
		return err
	})
	return !full
}

func (c *Conn) datagrams() bool { return c.cfg.Kind == client.UDP || c.cfg.Kind == client.DTLS }

// Settled waits until everything written is acknowledged, or ctx ends.
func (c *Conn) Settled(ctx context.Context) error {
	want := c.Written()
	tick := time.NewTicker(max(settledMin, c.RTT()/2))
	defer tick.Stop()
	for {
		got, err := c.Acked()
		if err == nil && got >= want {
			return nil
		}
		if err = errors.Join(err, c.dead()); err != nil {
			return c.cause(err)
		}
		select {
		case <-ctx.Done():
			return Cause(ctx.Err())
		case <-tick.C:
		}
	}
}

// settledMin is how often Settled looks, at most.
const settledMin = 2 * time.Millisecond

// RTT is the kernel's smoothed round-trip time, 0 where it has none.
func (c *Conn) RTT() time.Duration {
	var rtt time.Duration
	if c.datagrams() {
		return 0
	}
	_ = c.control(func(fd int) error {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err == nil {
			rtt = time.Duration(info.Rtt) * time.Microsecond
		}
		return err
	})
	return rtt
}

// SetUserTimeout is how long data may stay unacknowledged before the kernel
// breaks the connection, 0 for its own rule (RFC 5482). It overrides
// keep-alive: set it only while data is in flight.
func (c *Conn) SetUserTimeout(d time.Duration) error {
	if c.datagrams() {
		return nil
	}
	return c.control(func(fd int) error {
		return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d/time.Millisecond))
	})
}

// dead reports whether the kernel has given the connection up (a reset, a
// time-out), and why. Nobody else tells who only writes. The reason can be read
// once (socket(7), SO_ERROR): a Read that comes later sees the end only.
func (c *Conn) dead() error {
	if c.datagrams() {
		return nil
	}
	var gone error
	err := c.control(func(fd int) error {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil || info.State != tcpClose {
			return err
		}
		gone = io.EOF
		if v, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR); err == nil && v != 0 {
			gone = unix.Errno(v)
		}
		return nil
	})
	return errors.Join(err, gone)
}

// tcpClose is TCP_CLOSE of the kernel's include/net/tcp_states.h.
const tcpClose = 7

func (c *Conn) control(f func(fd int) error) error {
	sc, ok := c.wire.Conn.(syscall.Conn)
	if !ok {
		return errors.ErrUnsupported
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// CloseWrite says that nothing more is written: TLS's close-notify and FIN. What
// the other end still sends can be read. Datagrams have no such end: it is an error.
func (c *Conn) CloseWrite() error {
	if c.datagrams() {
		return errors.ErrUnsupported
	}
	_ = c.wire.SetWriteDeadline(time.Now().Add(closeNotify))
	if t, ok := c.Conn.(*tls.Conn); ok {
		_ = t.CloseWrite()
	}
	t, ok := c.wire.Conn.(*net.TCPConn)
	if !ok {
		return errors.ErrUnsupported
	}
	return t.CloseWrite()
}

// closeNotify bounds how long a full send buffer may hold up the end.
const closeNotify = 100 * time.Millisecond

// Shut closes in order: TLS's close-notify and FIN, then it reads until the
// other end has closed, too, or ctx ends; then the socket is gone (libnet.close).
func (c *Conn) Shut(ctx context.Context) error {
	if c.datagrams() {
		return c.Conn.Close()
	}
	stop := context.AfterFunc(ctx, func() { _ = c.wire.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if t, ok := c.Conn.(*tls.Conn); ok {
		_ = t.CloseWrite()
	}
	if t, ok := c.wire.Conn.(*net.TCPConn); ok {
		_ = t.CloseWrite()
	}
	if _, err := io.Copy(io.Discard, c.wire); err != nil {
		// What is left unsent must not arrive after it was given up.
		return errors.Join(err, c.Abort())
	}
	return c.wire.Close()
}

// Abort ends the connection with a reset, whatever is under way.
func (c *Conn) Abort() error {
	if t, ok := c.wire.Conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	return c.wire.Close()
}

// Close is Abort: LuatOS's socket.close gives no event and waits for nothing.
func (c *Conn) Close() error { return c.Abort() }

// Cause explains an error of this connection's Read or Write.
func (c *Conn) Cause(err error) client.Cause { return c.cause(err) }
