package kernel

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/ti-mo/conntrack"
	"golang.org/x/sys/unix"

	"luatnetd/router"
)

// countFile holds the number of entries. The netlink question of that name
// never returns.
const countFile = "/proc/sys/net/netfilter/nf_conntrack_count"

// nudgeLimit is the number of entries up to which a dump by mark is worth its
// time before a flush: it walks every bucket and then copies (13 to 20 ms).
const nudgeLimit = 5000

// tracker holds the conntrack connection, opened on first use.
type tracker struct{ conn *conntrack.Conn }

func (t *tracker) dial() (*conntrack.Conn, error) {
	if t.conn != nil {
		return t.conn, nil
	}
	conn, err := conntrack.Dial(nil)
	if err != nil {
		return nil, fmt.Errorf("conntrack connection: %w", err)
	}
	if err := conn.SetReadBuffer(socketBuffer); err != nil {
		_ = conn.Close()
		return nil, err
	}
	t.conn = conn
	return conn, nil
}

func (t *tracker) close() {
	if t.conn != nil {
		_ = t.conn.Close()
		t.conn = nil
	}
}

// filter matches an uplink's mark. The kernel compares (mark & mask) with the
// value as it is: bits outside of the mask would match nothing, without an
// error, and the value 0 would match every flow that nobody has marked.
func filter(mark, mask uint32) (conntrack.Filter, error) {
	mark &= mask
	if mark == 0 {
		return nil, fmt.Errorf("conntrack mark %#x/%#x: would match every unmarked flow", mark, mask)
	}
	return conntrack.NewFilter().Mark(mark).MarkMask(mask), nil
}

// flush removes the entries of a mark in one message.
func (t *tracker) flush(mark, mask uint32) error {
	f, err := filter(mark, mask)
	if err != nil {
		return err
	}
	conn, err := t.dial()
	if err != nil {
		return err
	}
	if err := conn.FlushFilter(f); err != nil {
		t.close()
		return fmt.Errorf("flush conntrack mark %#x/%#x: %w", mark, mask, err)
	}
	return nil
}

// count returns the number of conntrack entries.
func count() (int, error) {
	data, err := os.ReadFile(countFile)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(data)))
}

// victims lists the established TCP flows of LAN clients that a flush of the
// mark will end; nil when there are too many entries to look.
func (t *tracker) victims(mark, mask uint32) ([]flow, error) {
	n, err := count()
	if err != nil || n > nudgeLimit {
		return nil, err
	}
	f, err := filter(mark, mask)
	if err != nil {
		return nil, err
	}
	conn, err := t.dial()
	if err != nil {
		return nil, err
	}
	entries, err := conn.DumpFilter(f, nil)
	if err != nil {
		t.close()
		return nil, fmt.Errorf("list conntrack mark %#x/%#x: %w", mark, mask, err)
	}
	var list []flow
	for _, e := range entries {
		if e.Mark&mask == mark&mask && nudgeable(e) {
			list = append(list, flow{
				client: netip.AddrPortFrom(e.TupleOrig.IP.SourceAddress, e.TupleOrig.Proto.SourcePort),
				server: netip.AddrPortFrom(e.TupleOrig.IP.DestinationAddress, e.TupleOrig.Proto.DestinationPort),
			})
		}
	}
	return list, nil
}

// nudgeable reports whether an entry is an established TCP connection that a
// LAN client opened through our NAT. One that came in from an uplink has the
// stranger as its source: a nudge would go out to the internet.
func nudgeable(f conntrack.Flow) bool {
	return f.TupleOrig.Proto.Protocol == unix.IPPROTO_TCP && f.TupleOrig.IP.SourceAddress.Is4() &&
		f.ProtoInfo.TCP != nil && f.ProtoInfo.TCP.State == tcpEstablished &&
		f.Status.SrcNAT() && !f.Status.DstNAT()
}

// tcpEstablished is TCP_CONNTRACK_ESTABLISHED (nf_conntrack_tcp.h).
const tcpEstablished = 3

// flushMark is the operation: list whom to nudge, flush, remember the rest for
// after the last op.
func (k *Kernel) flushMark(o router.FlushMark) error {
	if !o.Uplink.Valid() {
		return fmt.Errorf("flush conntrack of uplink index %d: not valid", o.Uplink)
	}
	list, err := k.track.victims(o.Mark, o.Mask)
	if err != nil {
		k.log.Debug("no list of flows to nudge", "uplink", o.Uplink, "error", err)
	}
	if err := k.track.flush(o.Mark, o.Mask); err != nil {
		return err
	}
	k.flushed = append(k.flushed, afterFlush{op: o, victims: list})
	return nil
}

// sweep removes what was marked after the flush: packets that were under way.
func (k *Kernel) sweep(o router.FlushMark) error { return k.track.flush(o.Mark, o.Mask) }

// afterFlush is what a flush leaves to do once the last op is done.
type afterFlush struct {
	op      router.FlushMark
	victims []flow
}

// finish destroys our own sockets of the flushed uplinks and nudges their
// clients, off the fast path.
func (k *Kernel) finish() {
	for _, f := range k.flushed {
		n, err := k.destroySockets(f.op.Mark, f.op.Mask)
		switch {
		case noFamily(err):
			k.log.Debug("kernel cannot destroy sockets", "error", err)
		case err != nil:
			k.log.Warn("destroy own sockets of dead uplink", "uplink", f.op.Uplink, "error", err)
		case n > 0:
			k.log.Debug("own sockets destroyed", "uplink", f.op.Uplink, "sockets", n)
		}
		k.nudger.send(k.reachable(f.victims))
	}
	k.flushed = nil
}
