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
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
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
		r := newRig(t, Config{})
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
		r := newRig(t, Config{KickOld: true})
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
		r := newRig(t, Config{Many: true})
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
		r := newRig(t, Config{Many: true, Confirm: time.Second})
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
		r := newRig(t, Config{Many: true})
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
		r := newRig(t, Config{Many: true, Deliver: func(v client.Received) error {
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

// TestServersUnreachableFromUplinks: neither by the LAN's address nor by the
// uplink's own, TCP or UDP; the LAN reaches them meanwhile.
func TestServersUnreachableFromUplinks(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		for _, kind := range []client.Kind{client.TCP, client.UDP} {
			t.Run(string(kind), func(t *testing.T) {
				r := newRig(t, Config{Kind: kind})
				r.up(t)
				for _, to := range []string{address, "203.0.113.1:50003"} {
					c, err := r.wan.Dial(string(kind), to, 5*time.Second)
					if kind == client.TCP {
						if !errors.Is(err, syscall.ECONNREFUSED) {
							t.Errorf("from the uplink to %s: %v, want refused", to, err)
						}
						continue
					}
					if err != nil {
						t.Fatal(err)
					}
					fmt.Fprint(c, "intruder")
					_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
					if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
						t.Errorf("datagram from the uplink to %s: %v, want refused", to, err)
					}
					_ = c.Close()
				}
				c := r.dial(t, string(kind))
				fmt.Fprint(c, "friend")
				if v := r.received(t); string(v.Data) != "friend" {
					t.Errorf("received %q", v.Data)
				}
			})
		}
	})
}

// TestSRV03UDP01: greeting and heartbeat broadcasts on port 50000, the last
// sender is answered, words of LuatOS's inner life are payload.
func TestSRV03UDP01(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		r := newRig(t, Config{Kind: client.UDP, Heartbeat: 300 * time.Millisecond})
		heard := r.listenBroadcasts(t)
		r.up(t)
		began := time.Now()
		expectDatagram(t, heard, "UDP Server is UP")
		if v := r.send(t, "", "x"); v.OK || v.Reason != "no client has spoken yet" {
			t.Errorf("before anyone spoke: %+v", v)
		}
		expectDatagram(t, heard, "UDP Server Heartbeat")
		if d := time.Since(began); d < 250*time.Millisecond {
			t.Errorf("heartbeat after %s", d)
		}
		a, b := r.dial(t, "udp"), r.dial(t, "udp")
		for _, words := range []string{"SOCKET_CLOSED", "SEND_READY"} {
			fmt.Fprint(a, words)
			if v := r.received(t); string(v.Data) != words || v.Peer != a.LocalAddr().String() || v.Prefix != "" {
				t.Errorf("received %+v", v)
			}
		}
		fmt.Fprint(b, "hello")
		r.received(t)
		if v := r.send(t, "", "to the last"); !v.OK {
			t.Error(v)
		}
		expectDatagram(t, b, "to the last")
		if v := r.send(t, a.LocalAddr().String(), "to the first"); !v.OK {
			t.Error(v)
		}
		expectDatagram(t, a, "to the first")
		if v := r.send(t, "client-1", "x"); v.OK {
			t.Error("a name was taken for an address")
		}
		expectDatagram(t, heard, "UDP Server Heartbeat")
		if v := r.send(t, "255.255.255.255:50000", "to all"); !v.OK {
			t.Error(v)
		}
		for got := ""; got != "to all"; { // heartbeats may come first
			buf := make([]byte, 100)
			n, err := heard.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			got = string(buf[:n])
		}
	})
}

func (r *rig) listenBroadcasts(t *testing.T) net.Conn {
	t.Helper()
	var c *net.UDPConn
	r.lan.MustDo(t, func() (err error) {
		c, err = net.ListenUDP("udp4", &net.UDPAddr{Port: 50000})
		return err
	})
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	return c
}

func expectDatagram(t *testing.T, c net.Conn, want string) {
	t.Helper()
	buf := make([]byte, 2048)
	if n, err := c.Read(buf); err != nil || string(buf[:n]) != want {
		t.Fatalf("datagram %q, %v; want %q", buf[:n], err, want)
	}
}

// TestSRV04LinkLoss: gone with the link, clients too; back with it, on a device
// that was made anew under the same name as well.
func TestSRV04LinkLoss(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		for _, kind := range []client.Kind{client.TCP, client.UDP} {
			t.Run(string(kind), func(t *testing.T) {
				r := newRig(t, Config{Kind: kind, Quiet: true})
				r.up(t)
				before := r.dial(t, string(kind))
				fmt.Fprint(before, "one")
				r.received(t)
				down := r.network(t)
				down.Up = false
				r.SetNetwork(down)
				r.until(t, func(s Status) bool { return s.Listening == "" && len(s.Clients) == 0 })
				if v := r.send(t, "", "x"); v.OK {
					t.Error("sent while the link was down")
				}
				r.up(t)
				fmt.Fprint(r.dial(t, string(kind)), "two")
				if v := r.received(t); string(v.Data) != "two" {
					t.Errorf("received %q", v.Data)
				}
				r.here.MustDo(t, func() error {
					l, err := netlink.LinkByName("lan0")
					if err != nil {
						return err
					}
					return netlink.LinkDel(l)
				})
				r.net.MustLink(t, r.here, "lan0", r.lan, "eth0")
				if err := errors.Join(r.here.AddAddr("lan0", "192.168.5.1/24"), r.lan.AddAddr("eth0", "192.168.5.2/24")); err != nil {
					t.Fatal(err)
				}
				r.SetNetwork(r.network(t))
				r.until(t, func(s Status) bool { return s.Listening == address })
				again := func() error { // the server may be about to notice
					c, err := r.lan.Dial(string(kind), address, time.Second)
					if err != nil {
						return err
					}
					defer c.Close()
					fmt.Fprint(c, "three")
					select {
					case <-r.got:
						return nil
					case <-time.After(time.Second):
						return errors.New("nothing received")
					}
				}
				if err := lab.Poll(20*time.Second, again); err != nil {
					t.Error(err)
				}
			})
		}
	})
}

// TestAddressComesLate: the address is not there yet; the server comes by itself.
func TestAddressComesLate(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		r := newRig(t, Config{})
		r.here.MustDo(t, func() error {
			l, err := netlink.LinkByName("lan0")
			if err != nil {
				return err
			}
			a, err := netlink.ParseAddr("192.168.5.1/24")
			if err != nil {
				return err
			}
			return netlink.AddrDel(l, a)
		})
		r.SetNetwork(r.network(t))
		r.until(t, func(s Status) bool { return strings.Contains(s.Err, "cannot assign requested address") })
		if err := r.here.AddAddr("lan0", "192.168.5.1/24"); err != nil {
			t.Fatal(err)
		}
		r.until(t, func(s Status) bool { return s.Listening == address })
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
				r = newRig(t, Config{Kind: client.Kind(strings.ToLower(kind)), Many: true, Deliver: func(v client.Received) error { return echo(v) }})
				r.up(t)
				out := r.lan.MustRun(t, "sh", "-c", "printf echo | "+socat+" -t1 - "+kind+":"+address)
				if out != want {
					t.Errorf("socat printed %q, want %q", out, want)
				}
			})
		}
	})
}
