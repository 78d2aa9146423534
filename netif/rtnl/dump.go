package rtnl

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"luatnetd/netif"
)

const (
	dumpBuffer  = 64 << 10        // the kernel's dump messages have at most 32 KiB
	dumpTimeout = 5 * time.Second // the kernel's lock may be held by a driver
	dumpTries   = 5               // of a dump that is interrupted by changes
)

// job asks the dumper to read some rooms.
type job struct {
	rooms room
	facts map[int]string // links whose sysfs entries are wanted
}

// result is what the dumper read.
type result struct {
	rooms  room // that were read, or should have been if err is set
	again  room // that changed while they were read, every time
	links  []link
	addrs  []netif.Addr
	routes []netif.Route
	rules  []netif.Rule
	facts  map[int]fact
	cost   time.Duration
	bad    error // why the last entry that was left out could not be understood
	err    error
}

// dumper reads tables over a connection of its own. It is used by one goroutine.
type dumper struct {
	sysfs string
	conn  *netlink.Conn
	raw   syscall.RawConn
	buf   []byte
	seq   uint32
	again bool  // the last list was interrupted in every try
	bad   error // see result
}

// do reads what the job asks for.
func (d *dumper) do(j job) result {
	start := time.Now()
	r := result{rooms: j.rooms}
	d.bad = nil
	r.err = d.rooms(j.rooms, &r)
	r.bad = d.bad
	if r.err != nil {
		d.close() // answers may still be on their way: start afresh
	}
	names := j.facts
	if j.rooms&roomLinks != 0 {
		names = make(map[int]string, len(r.links))
		for _, l := range r.links {
			names[l.Index] = l.Name
		}
	}
	r.facts = readFacts(d.sysfs, names)
	r.cost = time.Since(start)
	return r
}

func (d *dumper) rooms(rooms room, r *result) error {
	if rooms&roomAll == 0 {
		return nil
	}
	if err := d.open(); err != nil {
		return err
	}
	if rooms&roomLinks != 0 {
		list, err := collect(d, unix.RTM_GETLINK, unix.AF_UNSPEC, sizeIfInfomsg, one(parseLink))
		if err != nil {
			return fmt.Errorf("read links: %w", err)
		}
		r.links = list
		r.again |= d.interrupted(roomLinks)
	}
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		if err := d.family(family, rooms, r); err != nil {
			return err
		}
	}
	return nil
}

func (d *dumper) family(family uint8, rooms room, r *result) error {
	if rooms&roomAddrs != 0 {
		list, err := collect(d, unix.RTM_GETADDR, family, sizeIfAddrmsg, one(parseAddr))
		if err != nil {
			return fmt.Errorf("read addresses: %w", err)
		}
		r.addrs = append(r.addrs, list...)
		r.again |= d.interrupted(roomAddrs)
	}
	if rooms&roomRoutes != 0 {
		list, err := collect(d, unix.RTM_GETROUTE, family, sizeRtMsg, parseRoute)
		if err != nil {
			return fmt.Errorf("read routes: %w", err)
		}
		r.routes = append(r.routes, list...)
		r.again |= d.interrupted(roomRoutes)
	}
	if rooms&roomRules != 0 {
		list, err := collect(d, unix.RTM_GETRULE, family, sizeRuleHdr, one(parseRule))
		if errors.Is(err, unix.EOPNOTSUPP) {
			list, err = nil, nil // a kernel without policy routing has no rules
		}
		if err != nil {
			return fmt.Errorf("read rules: %w", err)
		}
		r.rules = append(r.rules, list...)
		r.again |= d.interrupted(roomRules)
	}
	return nil
}

func (d *dumper) interrupted(which room) room {
	if d.again {
		return which
	}
	return 0
}

// one makes a parser of single items one of lists.
func one[T any](parse func([]byte) (T, bool, error)) func([]byte) ([]T, error) {
	return func(body []byte) ([]T, error) {
		v, ok, err := parse(body)
		if !ok || err != nil {
			return nil, err
		}
		return []T{v}, nil
	}
}

// collect reads one table. A table that changed while it was read may miss
// entries or show them twice (NLM_F_DUMP_INTR): it is read again.
func collect[T any](d *dumper, typ uint16, family uint8, size int, parse func([]byte) ([]T, error)) ([]T, error) {
	var list []T
	for range dumpTries {
		list = nil
		interrupted, err := d.dump(typ, family, size, func(body []byte) error {
			// A kernel without IPv6 answers with all families.
			if family != unix.AF_UNSPEC && (len(body) == 0 || body[0] != family) {
				return nil
			}
			items, err := parse(body)
			if err != nil {
				d.bad = fmt.Errorf("entry of message type %d: %w", typ, err)
				return nil // one strange entry does not hide the others
			}
			list = append(list, items...)
			return nil
		})
		if err != nil {
			return nil, err
		}
		d.again = interrupted
		if !interrupted {
			break
		}
	}
	return list, nil
}

// dump asks for one table and calls f for each entry.
func (d *dumper) dump(typ uint16, family uint8, size int, f func(body []byte) error) (interrupted bool, err error) {
	d.seq++
	data := make([]byte, size)
	data[0] = family
	if err := d.conn.SetDeadline(time.Now().Add(dumpTimeout)); err != nil {
		return false, err
	}
	if _, err := d.conn.Send(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(typ), Flags: netlink.Request | netlink.Dump, Sequence: d.seq},
		Data:   data,
	}); err != nil {
		return false, err
	}
	for done := false; !done; {
		n, err := d.receive()
		if err != nil {
			return false, err
		}
		err = walk(d.buf[:n], func(h header, body []byte) error {
			if h.seq != d.seq {
				return nil // left over from an earlier question
			}
			interrupted = interrupted || h.flags&unix.NLM_F_DUMP_INTR != 0
			switch h.typ {
			case unix.NLMSG_DONE, unix.NLMSG_ERROR:
				done = true
				return errno(body)
			}
			return f(body)
		})
		if err != nil {
			return false, err
		}
	}
	return interrupted, nil
}

// errno reads the code at the start of an error or done message.
func errno(body []byte) error {
	if len(body) < 4 {
		return nil
	}
	if code := int32(binary.NativeEndian.Uint32(body)); code != 0 {
		return unix.Errno(-code)
	}
	return nil
}

func (d *dumper) receive() (int, error) {
	var n int
	var inner error
	err := d.raw.Read(func(fd uintptr) bool {
		n, _, inner = unix.Recvfrom(int(fd), d.buf, unix.MSG_DONTWAIT|unix.MSG_TRUNC)
		return inner != unix.EAGAIN && inner != unix.EINTR
	})
	if err == nil {
		err = inner
	}
	if err == nil && n > len(d.buf) {
		err = fmt.Errorf("answer of %d bytes, expected at most %d", n, len(d.buf))
	}
	return n, err
}

// open dials if there is no connection.
func (d *dumper) open() error {
	if d.conn != nil {
		return nil
	}
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return fmt.Errorf("open rtnetlink socket: %w", err)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		_ = conn.Close()
		return err
	}
	d.conn, d.raw = conn, raw
	if d.buf == nil {
		d.buf = make([]byte, dumpBuffer)
	}
	return nil
}

func (d *dumper) close() {
	if d.conn != nil {
		_ = d.conn.Close()
		d.conn = nil
	}
}

// run serves jobs until the context ends. jobs and results have room for one,
// and no job is given before the last result was taken: nothing here waits.
func (d *dumper) run(ctx context.Context, jobs <-chan job, results chan<- result) {
	defer d.close()
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-jobs:
			results <- d.do(j)
		}
	}
}
