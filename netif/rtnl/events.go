package rtnl

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

const (
	// One event is 1–2 KiB as the kernel accounts it; 1 MiB holds the burst of
	// a machine with some hundred links.
	receiveBuffer = 1 << 20
	eventBuffer   = 64 << 10

	// What is readable is read before anybody is told, within these limits.
	drainMessages = 512
	drainTime     = 2 * time.Millisecond
	discardMax    = 1 << 17 // messages thrown away after an overrun
)

var groups = []uint{
	unix.RTNLGRP_LINK,
	unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
	unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE,
	unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE,
}

// events is the socket that notifications come in by.
type events struct {
	conn *netlink.Conn
	raw  syscall.RawConn
	buf  []byte
	own  func(port uint32) bool
}

func openEvents(o Options) (*events, error) {
	var mask uint32
	for _, g := range groups {
		mask |= 1 << (g - 1)
	}
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{Groups: mask})
	if err != nil {
		return nil, fmt.Errorf("open rtnetlink socket: %w", err)
	}
	e := &events{conn: conn, buf: make([]byte, eventBuffer), own: o.Own}
	if e.raw, err = conn.SyscallConn(); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("open rtnetlink socket: %w", err)
	}
	// SO_RCVBUFFORCE where it is allowed, else as much as rmem_max gives. With
	// less there is an overrun earlier, and an overrun is survived.
	if err := conn.SetReadBuffer(o.ReceiveBuffer); err != nil {
		o.Log.Warn("rtnetlink receive buffer stays small", "bytes", o.ReceiveBuffer, "err", err)
	}
	if !o.unfiltered {
		program, err := filter()
		if err == nil {
			err = conn.SetBPF(program)
		}
		if err != nil {
			o.Log.Warn("foreign routes cannot be filtered in the kernel", "err", err)
		}
	}
	return e, nil
}

// next waits for notifications, reads what is there and adds it up. It returns
// net.ErrClosed or os.ErrClosed once the socket is closed.
func (e *events) next() (batch, error) {
	var b batch
	var failure error
	err := e.raw.Read(func(fd uintptr) bool {
		var done bool
		done, failure = e.drain(int(fd), &b)
		return done
	})
	if err == nil {
		err = failure
	}
	return b, err
}

// drain reads until nothing is left; done is false if nothing was there.
//
// The order after an overrun matters: while the kernel holds queued messages it
// drops new ones without another ENOBUFS, and what is queued is older than what
// was dropped. So all of it is thrown away first, and the tables are read then.
func (e *events) drain(fd int, b *batch) (done bool, err error) {
	limit := time.Now().Add(drainTime)
	for n := 0; ; {
		if b.overrun && n >= discardMax || !b.overrun && n >= drainMessages {
			return true, nil
		}
		size, from, err := unix.Recvfrom(fd, e.buf, unix.MSG_DONTWAIT|unix.MSG_TRUNC)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return n > 0 || b.overrun, nil
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOBUFS):
			b.overrun, b.links = true, nil
			continue
		case err != nil:
			return true, fmt.Errorf("receive rtnetlink notification: %w", err)
		}
		n++
		if sa, ok := from.(*unix.SockaddrNetlink); !ok || sa.Pid != 0 {
			continue // not the kernel
		}
		switch {
		case size > len(e.buf):
			b.overrun, b.links = true, nil
		case !b.overrun:
			b.read(e.buf[:size], e.own)
		}
		if !b.overrun && n%16 == 0 && time.Now().After(limit) {
			return true, nil
		}
	}
}
