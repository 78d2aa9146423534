package conn

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"luatnetd/client"
	"luatnetd/client/sock"
	"luatnetd/internal/bind"
	"luatnetd/internal/task"
	"luatnetd/netif"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// list is a queue in memory with the rules of the real one.
type list struct {
	mu      sync.Mutex
	all     []client.Message
	done    uint64
	changed chan struct{}
}

func newList() *list { return &list{changed: make(chan struct{}, 1)} }

func (l *list) Put(m client.Message) (client.Message, client.Held, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m.Seq = uint64(len(l.all)) + 1
	m.ID = m.Seq
	l.all = append(l.all, m)
	select {
	case l.changed <- struct{}{}:
	default:
	}
	return m, client.Run, nil
}

func (l *list) Read(after uint64, messages, size int) (out []client.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for seq := max(after, l.done) + 1; seq <= uint64(len(l.all)) && len(out) < messages && size > 0; seq++ {
		out = append(out, l.all[seq-1])
		size -= len(l.all[seq-1].Data)
	}
	return out
}

func (l *list) Done(seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if seq <= l.done || seq > uint64(len(l.all)) {
		panic(fmt.Sprintf("done %d after %d of %d", seq, l.done, len(l.all)))
	}
	l.done = seq
}

func (l *list) Changed() <-chan struct{} { return l.changed }

// server is the other end on a loopback address. It can be killed and started
// again on the same port.
type server struct {
	t    *testing.T
	addr netip.AddrPort

	mu    sync.Mutex
	l     net.Listener
	dead  bool // killed
	conns map[net.Conn]bool
	got   []byte
	peers []string
	wg    sync.WaitGroup
}

func newServer(t *testing.T, addr string) *server {
	t.Helper()
	s := &server{t: t, conns: map[net.Conn]bool{}}
	s.listen(addr)
	t.Cleanup(s.kill)
	return s
}

func (s *server) listen(addr string) {
	s.t.Helper()
	l, err := net.Listen("tcp4", addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	s.dead = false
	s.l, s.addr = l, netip.MustParseAddrPort(l.Addr().String())
	s.mu.Unlock()
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			if s.dead {
				s.mu.Unlock()
				_ = c.Close()
				continue
			}
			s.conns[c] = true
			s.peers = append(s.peers, c.RemoteAddr().(*net.TCPAddr).IP.String())
			s.mu.Unlock()
			s.wg.Go(func() { s.serve(c) })
		}
	})
}

func (s *server) serve(c net.Conn) {
	r := bufio.NewReader(c)
	for {
		buf := make([]byte, 4096)
		n, err := r.Read(buf)
		s.mu.Lock()
		s.got = append(s.got, buf[:n]...)
		s.mu.Unlock()
		if err != nil {
			_ = c.Close()
			return
		}
	}
}

// kill ends the server as kill -9 does: its sockets are reset.
func (s *server) kill() {
	s.mu.Lock()
	_ = s.l.Close()
	s.dead = true
	for c := range s.conns {
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
		delete(s.conns, c)
	}
	s.mu.Unlock()
	s.wg.Wait()
}

func (s *server) say(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_, _ = io.WriteString(c, text)
	}
}

func (s *server) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.got)
}

// stage is a running connection.
type stage struct {
	*Connection
	q      *list
	cancel context.CancelFunc
	ended  chan error

	mu     sync.Mutex
	events []string
	rx     []string
	fed    int
}

func started(t *testing.T, s *server, change func(*Config)) *stage {
	t.Helper()
	st := &stage{q: newList(), ended: make(chan error, 1)}
	began := time.Now()
	cfg := Config{
		Name: "cloud", Sock: sock.Config{Kind: client.TCP, Host: s.addr.Addr().String(), Port: s.addr.Port()},
		Policy: client.Policy{
			Confirmed: client.ByTCP, Switch: client.Follow, Connect: 5 * time.Second, Confirm: 5 * time.Second, Close: time.Second,
			Backoff: client.Backoff{Base: 20 * time.Millisecond}, WindowBytes: 64 << 10, WindowMessages: 256, Prefix: true,
		},
		Queue: st.q, Prefix: client.RecvPrefix("tcp"), Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return netif.Boot(time.Hour + time.Since(began)) },
		Deliver: func(r client.Received) error {
			st.mu.Lock()
			defer st.mu.Unlock()
			st.rx = append(st.rx, r.Prefix+string(r.Data))
			return nil
		},
		Feed: func() { st.mu.Lock(); st.fed++; st.mu.Unlock() },
		Event: func(e Event) {
			st.mu.Lock()
			defer st.mu.Unlock()
			st.events = append(st.events, e.State.String()+" "+e.Uplink)
		},
	}
	if change != nil {
		change(&cfg)
	}
	st.Connection = New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	st.cancel = cancel
	go func() { st.ended <- task.Guard(ctx, st.Run) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-st.ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(5 * time.Second):
			t.Error("Run did not end")
		}
		if t.Failed() {
			t.Logf("trace:\n%s", st.Trace())
		}
	})
	return st
}

// uplinks makes these uplinks usable, the first active. Each leaves from its
// own loopback address.
func (st *stage) uplinks(names ...string) {
	n := Network{Routes: map[string]sock.Route{}, Usable: map[string]bool{}}
	for _, name := range names {
		if n.Active == "" {
			n.Active = name
		}
		n.Usable[name] = true
		n.Routes[name] = sock.Route{Uplink: name, Bind: bind.Bind{Source: map[string]netip.Addr{
			"wan": netip.MustParseAddr("127.0.0.21"), "4g": netip.MustParseAddr("127.0.0.22"),
		}[name]}}
	}
	st.SetNetwork(n)
}

func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

func (st *stage) state(t *testing.T, want string) {
	t.Helper()
	until(t, want, func() bool { return st.Status().State == want })
}

// LC-03: every message gets exactly one result, and LC-05: byte for byte.
func TestLC03OneResultAndLC05Bytes(t *testing.T) {
	s := newServer(t, "127.0.0.1:0")
	st := started(t, s, nil)
	const n = 2000
	var mu sync.Mutex
	results := map[int]int{}
	var want strings.Builder
	for i := range n {
		fmt.Fprintf(&want, "send from uart: %d\n", i)
		if _, err := st.Offer(client.Message{Source: "uart", Data: fmt.Appendf(nil, "%d\n", i)}, func(r client.Result) {
			mu.Lock()
			defer mu.Unlock()
			if r.OK {
				results[i]++
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	if st.Status().State != "LINK_OFF" {
		t.Errorf("without an uplink: %s", st.Status().State)
	}
	st.uplinks("wan")
	until(t, "all results", func() bool { mu.Lock(); defer mu.Unlock(); return len(results) == n })
	until(t, "all bytes", func() bool { return len(s.text()) >= want.Len() })
	if s.text() != want.String() {
		t.Errorf("the server got other bytes than were sent")
	}
	for i, c := range results {
		if c != 1 {
			t.Errorf("message %d has %d results", i, c)
		}
	}
	s.say("hello")
	until(t, "what the server said", func() bool { st.mu.Lock(); defer st.mu.Unlock(); return len(st.rx) == 1 })
	st.mu.Lock()
	if st.rx[0] != "recv from tcp server: hello" || st.fed == 0 {
		t.Errorf("received %q, fed %d times", st.rx, st.fed)
	}
	st.mu.Unlock()
	if c := st.Status(); c.Accepted != n || c.Acknowledged != n || c.Uplink != "wan" || c.Address != s.addr.String() {
		t.Errorf("status %+v", c)
	}
}

// LC-02: the server is killed again and again; the connection comes back each
// time, and nothing that was not acknowledged is lost.
func TestLC02ServerIsKilled(t *testing.T) {
	s := newServer(t, "127.0.0.1:0")
	st := started(t, s, nil)
	st.uplinks("wan")
	for i := range 20 {
		st.state(t, "ONLINE")
		s.kill()
		until(t, "a break", func() bool { return st.Status().Breaks > i })
		if c := st.Status(); c.LastCode != client.CodeReset && c.LastCode != client.CodeClosed || c.LastError == "" {
			t.Errorf("cause %d %q", c.LastCode, c.LastError)
		}
		_, err := st.Offer(client.Message{Source: "t", Data: fmt.Appendf(nil, "<%d>", i)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		s.listen(s.addr.String())
		until(t, "the message of the gap", func() bool { return strings.Contains(s.text(), fmt.Sprintf("<%d>", i)) })
	}
}

// LC-10: another uplink becomes active: the new session leaves by it, at once.
func TestLC10FollowsTheUplink(t *testing.T) {
	for _, mode := range []client.SwitchMode{client.Follow, client.BreakFirst, client.Stay} {
		t.Run(string(mode), func(t *testing.T) {
			s := newServer(t, "127.0.0.1:0")
			st := started(t, s, func(c *Config) { c.Policy.Switch = mode })
			st.uplinks("wan", "4g")
			st.state(t, "ONLINE")
			began := time.Now()
			st.uplinks("4g", "wan")
			_, _ = st.Offer(client.Message{Source: "t", Data: []byte("after")}, nil)
			until(t, "the message", func() bool { return strings.Contains(s.text(), "after") })
			want := map[bool]string{true: "wan", false: "4g"}[mode == client.Stay]
			until(t, "it leaves by "+want, func() bool { return st.Status().Uplink == want })
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("it took %v", took)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if last := s.peers[len(s.peers)-1]; last != map[string]string{"wan": "127.0.0.21", "4g": "127.0.0.22"}[want] {
				t.Errorf("the server sees %s", last)
			}
		})
	}
}

// A slow sink slows the socket: the server cannot send without end.
func TestSlowSinkSlowsTheSocket(t *testing.T) {
	s := newServer(t, "127.0.0.1:0")
	hold := make(chan struct{})
	var once sync.Once
	release := func() { once.Do(func() { close(hold) }) }
	defer release()
	var got int
	var mu sync.Mutex
	st := started(t, s, func(c *Config) {
		c.Deliver = func(r client.Received) error {
			<-hold
			mu.Lock()
			got += len(r.Data)
			mu.Unlock()
			return nil
		}
	})
	st.uplinks("wan")
	st.state(t, "ONLINE")
	s.mu.Lock()
	var conn net.Conn
	for c := range s.conns {
		conn = c
	}
	s.mu.Unlock()
	const size = 64 << 20
	_ = conn.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
	n, err := conn.Write(make([]byte, size))
	if err == nil {
		t.Fatalf("the server could send %d bytes to a sink that takes none", n)
	}
	release()
	until(t, "all that was sent", func() bool { mu.Lock(); defer mu.Unlock(); return got == n })
}

// A panic ends one run; the next goes on where the queue is.
func TestPanicLosesNothing(t *testing.T) {
	s := newServer(t, "127.0.0.1:0")
	q := newList()
	began := time.Now()
	boom := true
	c := New(Config{
		Name: "x", Sock: sock.Config{Kind: client.TCP, Host: "127.0.0.1", Port: s.addr.Port()}, Queue: q,
		Policy:  client.Policy{Confirmed: client.ByTCP, Connect: time.Second, Confirm: time.Second, Close: time.Second, WindowBytes: 1 << 16, WindowMessages: 8, Backoff: client.Backoff{Base: time.Millisecond}},
		Deliver: func(client.Received) error { return nil },
		Feed: func() {
			if boom {
				boom = false
				panic("on purpose")
			}
		},
		Now: func() time.Time { return netif.Boot(time.Since(began)) },
	})
	for i := range 50 {
		if _, err := c.Offer(client.Message{Data: fmt.Appendf(nil, "<%d>", i)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	c.SetNetwork(Network{Active: "wan", Usable: map[string]bool{"wan": true}, Routes: map[string]sock.Route{"wan": {Uplink: "wan"}}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan any, 1)
	run := func() {
		defer func() { done <- recover() }()
		_ = c.Run(ctx)
	}
	go run()
	if r := <-done; r == nil {
		t.Fatal("no panic")
	}
	go run()
	until(t, "all messages", func() bool {
		for i := range 50 {
			if !strings.Contains(s.text(), fmt.Sprintf("<%d>", i)) {
				return false
			}
		}
		return true
	})
	cancel()
	if r := <-done; r != nil || c.Status().Panics != 1 {
		t.Errorf("panicked again with %v, counted %d", r, c.Status().Panics)
	}
}

// UDP: the kernel took the datagram, and each message is one.
func TestUDPDatagrams(t *testing.T) {
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pc.Close() }()
	s := &server{addr: netip.MustParseAddrPort(pc.LocalAddr().String())}
	st := started(t, s, func(c *Config) {
		c.Sock.Kind, c.Policy.Confirmed, c.Policy.Datagrams = client.UDP, client.Handed, true
	})
	st.uplinks("wan")
	results := make(chan client.Result, 8)
	for i := range 3 {
		if _, err := st.Offer(client.Message{Source: "t", Data: fmt.Appendf(nil, "%d", i)}, func(r client.Result) { results <- r }); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 100)
	var from net.Addr
	for i := range 3 {
		var n int
		_ = pc.SetReadDeadline(time.Now().Add(5 * time.Second))
		if n, from, err = pc.ReadFrom(buf); err != nil || string(buf[:n]) != fmt.Sprintf("send from t: %d", i) {
			t.Errorf("datagram %d: %q, %v", i, buf[:n], err)
		}
		if r := <-results; !r.OK {
			t.Errorf("result %+v", r)
		}
	}
	st.mu.Lock()
	fed := st.fed
	st.mu.Unlock()
	if fed != 0 {
		t.Error("sending by UDP fed the network watchdog")
	}
	_, _ = pc.WriteTo([]byte("pong"), from)
	until(t, "the answer", func() bool { st.mu.Lock(); defer st.mu.Unlock(); return len(st.rx) == 1 && st.fed == 1 })
}

// An unreachable server is tried again, with its cause; an idle connection
// wakes nobody.
func TestRefusedAndIdle(t *testing.T) {
	s := newServer(t, "127.0.0.1:0")
	s.kill()
	st := started(t, s, nil)
	st.uplinks("wan")
	until(t, "five failures", func() bool { return st.Status().Failures >= 5 })
	if c := st.Status(); !strings.Contains(c.LastError, "refuses") || c.LastCode != client.CodeReset {
		t.Errorf("cause %d %q", c.LastCode, c.LastError)
	}
	st.uplinks()
	st.state(t, "LINK_OFF")
	if text := st.Trace(); !strings.Contains(text, "CONNECTING") || !strings.Contains(text, "refuses") {
		t.Errorf("trace:\n%s", text)
	}
}
