package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/client"
	"luatnetd/internal/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

const address = "192.168.5.1:50003"

// rig is a server on a LAN device, a computer in that LAN, and one on an uplink.
type rig struct {
	*Server
	net     *lab.Net
	here    *lab.NS
	lan     *lab.NS // 192.168.5.2, behind lan0
	wan     *lab.NS // 203.0.113.2, behind wan0
	got     chan client.Received
	results chan client.Result
}

func newRig(t *testing.T, cfg Config) *rig {
	t.Helper()
	n := lab.New(t)
	r := &rig{net: n, here: n.MustHere(t), lan: n.MustNS(t, "lan"), wan: n.MustNS(t, "wan"), got: make(chan client.Received, 1024), results: make(chan client.Result, 4096)}
	n.MustLink(t, r.here, "lan0", r.lan, "eth0")
	n.MustLink(t, r.here, "wan0", r.wan, "eth0")
	for _, err := range []error{
		r.here.AddAddr("lan0", "192.168.5.1/24"), r.lan.AddAddr("eth0", "192.168.5.2/24"),
		r.here.AddAddr("wan0", "203.0.113.1/24"), r.wan.AddAddr("eth0", "203.0.113.2/24"),
		r.wan.AddRoute("192.168.5.0/24", "203.0.113.1"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	cfg.Name, cfg.Now = "srv", time.Now
	if cfg.Kind == "" {
		cfg.Kind = client.TCP
	}
	if cfg.Deliver == nil {
		cfg.Deliver = func(v client.Received) error { r.got <- v; return nil }
	}
	r.Server = New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return r
}

// up tells the server that its LAN is there, and waits until it listens.
func (r *rig) up(t *testing.T) {
	t.Helper()
	r.SetNetwork(r.network(t))
	r.until(t, func(s Status) bool { return s.Listening == address })
}

// network is lan0 as it is now.
func (r *rig) network(t *testing.T) Network {
	t.Helper()
	n := Network{Device: "lan0", Address: netip.MustParseAddr("192.168.5.1"), Up: true}
	i, err := net.InterfaceByName("lan0")
	if err != nil {
		t.Fatal(err)
	}
	n.Index = i.Index
	return n
}

func (r *rig) until(t *testing.T, f func(Status) bool) {
	t.Helper()
	if err := lab.Poll(10*time.Second, func() error {
		if !f(r.Status()) {
			return errors.New("not yet")
		}
		return nil
	}); err != nil {
		t.Fatalf("status %+v", r.Status())
	}
}

func (r *rig) dial(t *testing.T, network string) net.Conn {
	t.Helper()
	c, err := r.lan.Dial(network, address, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// send offers a message and returns its result.
func (r *rig) send(t *testing.T, to, data string) client.Result {
	t.Helper()
	done := make(chan client.Result, 2)
	held, err := r.Offer(client.Message{Source: "uart", Data: []byte(data), To: to}, func(v client.Result) { done <- v })
	if held != client.Memory || err != nil {
		t.Fatalf("Offer: %v, %v", held, err)
	}
	select {
	case v := <-done:
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("no result")
		return client.Result{}
	}
}

func expect(t *testing.T, c io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v; want %q", got[:n], err, want)
	}
}

func (r *rig) received(t *testing.T) client.Received {
	t.Helper()
	select {
	case v := <-r.got:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("nothing received")
		return client.Received{}
	}
}

// TestSRV01OneClient: greeting, both ways without a prefix, the second client
// sees a clean end and the first notices nothing; a new one is taken at once.
func TestSRV01OneClient(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		r := newRig(t, Config{NoPrefix: true})
		r.up(t)
		if v := r.send(t, "", "x"); v.OK || v.Reason != "nobody is connected" {
			t.Errorf("without a client: %+v", v)
		}
		c := r.dial(t, "tcp")
		expect(t, c, "TCP server is UP!")
		keepAlive(t, r.Server)
		fmt.Fprint(c, "SOCKET_CLOSED")
		if v := r.received(t); v.From != "srv" || v.Peer != "client-1" || v.Prefix != "" || string(v.Data) != "SOCKET_CLOSED" {
			t.Errorf("received %+v", v)
		}
		second := r.dial(t, "tcp")
		if n, err := second.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("second client read %d, %v", n, err)
		}
		if v := r.send(t, "", "still here"); !v.OK {
			t.Errorf("send: %+v", v)
		}
		expect(t, c, "still here")
		for i := range 20 { // at once, every time: LuatOS needs 5 s
			_ = c.Close()
			r.until(t, func(s Status) bool { return len(s.Clients) == 0 })
			c = r.dial(t, "tcp")
			expect(t, c, "TCP server is UP!")
			if s := r.Status(); s.Clients[0].Name != fmt.Sprintf("client-%d", i+2) || s.Refused != 1 {
				t.Fatalf("status %+v", s)
			}
		}
	})
}

// keepAlive reads what the kernel has for the first client (SOCK-03).
func keepAlive(t *testing.T, s *Server) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	raw, err := s.clients[0].conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) {
		for opt, want := range map[int]int{unix.TCP_KEEPIDLE: 300, unix.TCP_KEEPINTVL: 10, unix.TCP_KEEPCNT: 3} {
			if got, err := unix.GetsockoptInt(int(fd), unix.SOL_TCP, opt); got != want || err != nil {
				t.Errorf("keep-alive option %d is %d (%v), want %d", opt, got, err, want)
			}
		}
		if on, _ := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE); on != 1 {
			t.Error("keep-alive is off")
		}
	})
}

// TestSRV01KickOld: the newer client takes the place.
func TestSRV01KickOld(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		r := newRig(t, Config{NoPrefix: true, KickOld: true})
		r.up(t)
		old := r.dial(t, "tcp")
		expect(t, old, "TCP server is UP!")
		c := r.dial(t, "tcp")
		expect(t, c, "TCP server is UP!")
		if n, err := old.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("the old client read %d, %v", n, err)
		}
		if v := r.send(t, "", "to the new one"); !v.OK {
			t.Error(v)
		}
		expect(t, c, "to the new one")
	})
}

// TestSRV02ManyClients: 64 clients are greeted with numbers that do not
// repeat; one message reaches all, one reaches one; the 65th is refused.
func TestSRV02ManyClients(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		r := newRig(t, Config{NoPrefix: true, Many: true})
		r.up(t)
		var all []net.Conn
		for i := range 64 {
			c := r.dial(t, "tcp")
			expect(t, c, fmt.Sprintf("TCP server is UP! you are client-%d", i+1))
			all = append(all, c)
		}
		extra := r.dial(t, "tcp")
		if _, err := extra.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the 65th client read %v", err)
		}
		if v := r.send(t, "", "to all"); !v.OK {
			t.Error(v)
		}
		for _, c := range all {
			expect(t, c, "to all")
		}
		for to, c := range map[string]net.Conn{"client-7": all[6], all[8].LocalAddr().String(): all[8]} {
			if v := r.send(t, to, "to you"); !v.OK {
				t.Error(v)
			}
			expect(t, c, "to you")
		}
		if v := r.send(t, "client-65", "x"); v.OK || v.Reason != "no client client-65 is connected" {
			t.Errorf("unknown client: %+v", v)
		}
		_ = all[0].Close()
		r.until(t, func(s Status) bool { return len(s.Clients) == 63 })
		c := r.dial(t, "tcp")
		expect(t, c, "TCP server is UP! you are client-65")
	})
}

// TestSRV02SlowClient: a client that reads nothing stalls nobody and is cut
// off; every message has one result.
func TestSRV02SlowClient(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		r := newRig(t, Config{NoPrefix: true, Many: true, Confirm: time.Second})
		r.up(t)
		slow, good := r.dial(t, "tcp"), r.dial(t, "tcp")
		_ = slow.(*net.TCPConn).SetReadBuffer(4096)
		expect(t, good, "TCP server is UP! you are client-2")
		const messages, size = 400, 16 << 10 // more than the kernel and the queue hold
		read := make(chan error, 1)
		go func() {
			_, err := io.CopyN(io.Discard, good, messages*size)
			read <- err
		}()
		data := strings.Repeat("x", size)
		for range messages {
			if v := r.send(t, "", data); !v.OK {
				t.Fatalf("the good client did not get it: %+v", v)
			}
		}
		if err := <-read; err != nil {
			t.Error(err)
		}
		r.until(t, func(s Status) bool { return len(s.Clients) == 1 && s.Clients[0].Name == "client-2" })
		if s := r.Status(); s.Out != messages || s.Failed != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

// TestOneResultEach: whatever ends a client, each message has exactly one result.
func TestOneResultEach(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		r := newRig(t, Config{NoPrefix: true, Many: true})
		r.up(t)
		const rounds, messages = 20, 100
		for range rounds {
			c := r.dial(t, "tcp")
			expect(t, c, "TCP server is UP! you are ")
			go func() {
				time.Sleep(time.Millisecond) // somewhere in the middle: the test holds wherever it is
				_ = c.Close()
			}()
			for range messages {
				_, _ = r.Offer(client.Message{Data: []byte("data")}, func(v client.Result) { r.results <- v })
			}
		}
		for range rounds * messages {
			select {
			case <-r.results:
			case <-time.After(20 * time.Second):
				t.Fatal("a message has no result")
			}
		}
		r.until(t, func(s Status) bool { return len(s.Clients) == 0 && s.Out+s.Failed == rounds*messages })
		if len(r.results) > 0 {
			t.Errorf("%d results too many", len(r.results))
		}
	})
}

// TestPanicOfOneClient: a panic while one client is served ends that client only.
func TestPanicOfOneClient(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		r := newRig(t, Config{NoPrefix: true, Many: true, Deliver: func(v client.Received) error {
			if string(v.Data) == "boom" {
				panic("boom")
			}
			return nil
		}})
		r.up(t)
		bad, good := r.dial(t, "tcp"), r.dial(t, "tcp")
		expect(t, bad, "TCP server is UP! you are client-1")
		expect(t, good, "TCP server is UP! you are client-2")
		fmt.Fprint(bad, "boom")
		if _, err := bad.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the broken client read: %v", err)
		}
		if v := r.send(t, "", "fine"); !v.OK {
			t.Error(v)
		}
		expect(t, good, "fine")
	})
}

// TestLC05Prefix: what a source sends has its tag before it, byte for byte.
func TestLC05Prefix(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		r := newRig(t, Config{NoGreeting: true})
		r.up(t)
		c := r.dial(t, "tcp")
		r.until(t, func(s Status) bool { return len(s.Clients) == 1 })
		if v := r.send(t, "", "111"); !v.OK {
			t.Error(v)
		}
		expect(t, c, "send from uart: 111")
	})
}

// TestForeignClients: socat as the client of each server.
func TestForeignClients(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		socat, err := exec.LookPath("socat")
		if err != nil {
			t.Skip("needs socat")
		}
		for kind, want := range map[string]string{"TCP": "TCP server is UP! you are client-1echo", "UDP": "echo"} {
			t.Run(kind, func(t *testing.T) {
				var r *rig
				echo := func(v client.Received) error {
					_, err := r.Offer(client.Message{Data: v.Data, To: v.Peer}, nil)
					return err
				}
				r = newRig(t, Config{NoPrefix: true, Kind: client.Kind(strings.ToLower(kind)), Many: true, Deliver: func(v client.Received) error { return echo(v) }})
				r.up(t)
				out := r.lan.MustRun(t, "sh", "-c", "printf echo | "+socat+" -t1 - "+kind+":"+address)
				if out != want {
					t.Errorf("socat printed %q, want %q", out, want)
				}
			})
		}
	})
}
