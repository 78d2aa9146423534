package conn

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/internal/pcap"
)

// flows collects what a connection tells of its sockets.
type flows struct {
	mu   sync.Mutex
	list []pcap.Flow
}

func (f *flows) add(n pcap.Flow) { f.mu.Lock(); defer f.mu.Unlock(); f.list = append(f.list, n) }

func (f *flows) has(local netip.AddrPort) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.list {
		if n.Local == local {
			return true
		}
	}
	return false
}

func (f *flows) count() int { f.mu.Lock(); defer f.mu.Unlock(); return len(f.list) }

// clients are the other ends of a server's connections.
func (s *server) clients() (list []netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		list = append(list, netip.MustParseAddrPort(c.RemoteAddr().String()))
	}
	return list
}

// OBS-02: a capture knows the ports of a session before its first packet, those
// of a session that was there before, and those of the next uplink.
func TestOBS02Flows(t *testing.T) {
	s := newServer(t, "127.0.0.1:0")
	st := started(t, s, nil)
	before := &flows{}
	stop := st.Flows(t.Context(), before.add)
	if before.count() != 0 {
		t.Errorf("flows without a session: %v", before.list)
	}
	st.uplinks("wan")
	st.state(t, "ONLINE")
	until(t, "the server has accepted", func() bool { return len(s.clients()) == 1 })
	first := s.clients()[0]
	if first.Addr() != netip.MustParseAddr("127.0.0.21") || !before.has(first) {
		t.Errorf("the server sees %s, the flows are %v", first, before.list)
	}
	want := pcap.Flow{Proto: unix.IPPROTO_TCP, Local: first, Remote: s.addr}
	if before.list[0] != want {
		t.Errorf("before the first packet the flow is %+v, want %+v", before.list[0], want)
	}

	late := &flows{}
	stopLate := st.Flows(t.Context(), late.add)
	defer stopLate()
	if late.count() != 1 || !late.has(first) {
		t.Errorf("a later capture is told of %v, want %s", late.list, first)
	}

	stop()
	stop()
	n := before.count()
	st.uplinks("4g", "wan")
	until(t, "a session by the other uplink", func() bool {
		for _, c := range s.clients() {
			if c.Addr() == netip.MustParseAddr("127.0.0.22") && late.has(c) {
				return true
			}
		}
		return false
	})
	if before.count() != n {
		t.Errorf("a capture that has ended was told of %v", before.list[n:])
	}
}

// A session that is being made when a capture begins is told of at once: the
// packets of one that never succeeds are the most wanted ones.
func TestOBS02FlowsWhileConnecting(t *testing.T) {
	s := &server{t: t, addr: silent(t)}
	st := started(t, s, nil)
	early, f := &flows{}, &flows{}
	defer st.Flows(t.Context(), early.add)()
	st.uplinks("wan")
	st.state(t, "CONNECTING")
	until(t, "a capture that was there before is told of the session", func() bool { return early.count() > 0 })
	until(t, "the flow of the session that is being made", func() bool { // between bind and connect it has no port
		defer st.Flows(t.Context(), f.add)()
		return f.count() > 0
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	if early.list[0] != f.list[0] {
		t.Errorf("told of %v before it connected, of %v while it did", early.list[0], f.list[0])
	}
	if n := f.list[0]; n.Local.Addr() != netip.MustParseAddr("127.0.0.21") || n.Local.Port() == 0 || n.Remote != s.addr {
		t.Errorf("flow %+v, want our address, a port, and %s", n, s.addr)
	}
	if st.Status().State == "ONLINE" {
		t.Error("the session was made: nothing was tested")
	}
}

// silent is the address of a listener that is full: the kernel drops what SYN
// comes.
func silent(t *testing.T) netip.AddrPort {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(sa.(*unix.SockaddrInet4).Port))
	for range 10 {
		c, err := net.DialTimeout("tcp4", addr.String(), 200*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	t.Fatal("the listener takes ten clients")
	return addr
}

// A connection that does not run tells of nothing, and nobody waits for it.
func TestFlowsOfNobody(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	New(Config{Now: time.Now}).Flows(ctx, func(f pcap.Flow) { t.Errorf("told of %v", f) })()
}
