package sock

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"luatnetd/client"
)

// SOCK-08: a DNS server that refuses is not the server: the network watchdog
// must not take it for an answer. The sentence names DNS.
func TestSOCK08DNSFailureIsNotTheServer(t *testing.T) {
	silent, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	zone, _ := nameserver(t, map[string][]string{})
	for name, tt := range map[string]struct {
		server netip.AddrPort
		code   client.Code
		text   string
	}{
		"refused": {netip.MustParseAddrPort("127.0.0.1:1"), client.CodeRoute, "DNS server 127.0.0.1:1"},
		"silent":  {netip.MustParseAddrPort(silent.LocalAddr().String()), client.CodeTimeout, "no DNS server has answered"},
		"no name": {zone, client.CodeArgument, "does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			_, err := Dial(ctx, Config{Kind: client.TCP, Host: "server.example", Port: 1}, Route{Uplink: "wan", DNS: []netip.AddrPort{tt.server}}, nil, nil)
			c := Cause(err)
			if c.Reached || c.Code != tt.code || !strings.Contains(c.Text, tt.text) || !strings.Contains(c.Text, "server.example through uplink wan") {
				t.Errorf("%#v, want code %d, not reached, %q", c, tt.code, tt.text)
			}
		})
	}
}

// One lost datagram does not fail a name: the question is asked again.
func TestDNSQuestionIsRepeated(t *testing.T) {
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	s := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		if asked.Add(1) == 1 {
			return // lost
		}
		m := new(dns.Msg).SetReply(q)
		m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(192, 0, 2, 7)}}
		_ = w.WriteMsg(m)
	})}
	go func() { _ = s.ActivateAndServe() }()
	t.Cleanup(func() { _ = pc.Close() })
	list, err := Resolve(t.Context(), Config{Host: "server.example"}, Route{DNS: []netip.AddrPort{netip.MustParseAddrPort(pc.LocalAddr().String())}}, nil)
	if err != nil || len(list) != 1 || asked.Load() != 2 {
		t.Errorf("%v, %v after %d questions", list, err, asked.Load())
	}
}

// While DNS is silent the last good addresses are used early enough to connect
// to them within the same time-out.
func TestLastGoodAddressesLeaveTimeToConnect(t *testing.T) {
	port := serve(t, "127.0.0.1", echo)
	server, running := nameserver(t, map[string][]string{"server.example.": {"127.0.0.1"}})
	var cache Cache
	cfg := Config{Kind: client.TCP, Host: "server.example", Port: port}
	if _, err := Resolve(t.Context(), cfg, Route{DNS: []netip.AddrPort{server}}, &cache); err != nil {
		t.Fatal(err)
	}
	_ = running.Shutdown()
	silent, err := net.ListenPacket("udp4", server.String()) // takes questions and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	c, err := Dial(ctx, cfg, Route{DNS: []netip.AddrPort{server}}, &cache, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Abort()
}

// LIB-02: Tx without a time-out ends when the peer resets the connection with
// bytes unacknowledged, and those stay unconfirmed.
func TestLIB02TxEndsWithAReset(t *testing.T) {
	kill := make(chan struct{})
	port := serve(t, "127.0.0.1", func(c net.Conn) {
		<-kill
		_ = c.(*net.TCPConn).SetLinger(0)
	})
	u := &uplink{up: true, next: make(chan struct{})}
	var log []string
	c := u.ctrl(Config{Kind: client.TCP, Host: "127.0.0.1", Port: port}, &log)
	if !c.Connect(t.Context(), 0) {
		t.Fatal(c.Cause())
	}
	defer c.Close(t.Context(), 50*time.Millisecond)
	fill(t, c.conn) // the peer's window is full: what follows cannot be acknowledged
	rest := c.conn.Written()
	done := make(chan bool, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	go func() { sent, _ := c.Tx(ctx, 0, []byte("x")); done <- sent }()
	for ctx.Err() == nil && c.conn.Written() == rest {
		runtime.Gosched() // until Tx has handed its byte to the kernel
	}
	close(kill)
	if sent := <-done; sent || ctx.Err() != nil || c.Cause().Code != client.CodeReset {
		t.Errorf("Tx: %v, %v, %v; want false at once and a reset", sent, c.Cause(), ctx.Err())
	}
	if got, err := c.conn.Acked(); err == nil && got >= rest {
		t.Errorf("after the reset %d of %d bytes count as acknowledged", got, rest)
	}
}

// fill writes until the peer's window is full, which leaves room in our buffer:
// the last chunk stays unacknowledged for longer than ACKs are delayed (40 ms).
func fill(t *testing.T, c *Conn) {
	t.Helper()
	for {
		if _, err := c.Write(make([]byte, 16<<10)); err != nil {
			t.Fatal(err)
		}
		for began := time.Now(); ; runtime.Gosched() {
			got, err := c.Acked()
			if err != nil {
				t.Fatal(err)
			}
			if got == c.Written() {
				break
			}
			if time.Since(began) > 400*time.Millisecond {
				return
			}
		}
	}
}

// A request to close is not lost behind a wake-up that nobody has seen yet.
func TestWakeToCloseIsNotLost(t *testing.T) {
	port := serve(t, "127.0.0.1", echo)
	u := &uplink{up: true, next: make(chan struct{})}
	var log []string
	c := u.ctrl(Config{Kind: client.TCP, Host: "127.0.0.1", Port: port}, &log)
	if !c.Connect(t.Context(), 0) {
		t.Fatal(c.Cause())
	}
	defer c.Close(t.Context(), 50*time.Millisecond)
	c.Wake(true)
	c.Wake(false)
	if alive, event := c.Wait(t.Context(), time.Second); alive || event {
		t.Errorf("Wait: %v, %v; want false, false", alive, event)
	}
}

// LIB-01: the uplink goes while online: EVENT with failure (LuatOS's link-down).
func TestLIB01WaitEndsWithTheLink(t *testing.T) {
	port := serve(t, "127.0.0.1", echo)
	gone := make(chan struct{})
	var up atomic.Bool
	up.Store(true)
	c := NewCtrl(Config{Kind: client.TCP, Host: "127.0.0.1", Port: port},
		func() (Route, bool) { return Route{}, up.Load() }, func() <-chan struct{} { return gone }, nil, nil)
	if !c.Connect(t.Context(), 0) {
		t.Fatal(c.Cause())
	}
	defer c.Close(t.Context(), 50*time.Millisecond)
	up.Store(false)
	close(gone)
	if alive, event := c.Wait(t.Context(), 2*time.Second); alive || event || c.Cause().Code != client.CodeRoute {
		t.Errorf("Wait: %v, %v, %v; want false, false and no route", alive, event, c.Cause())
	}
}

// A server is plain TCP (LuatOS's TLS is a client only): what asks for more
// must not become less, and nothing listens while there is no uplink.
func TestListenRefusesWhatItCannotKeep(t *testing.T) {
	for _, kind := range []client.Kind{client.TLS, client.DTLS, client.UDP} {
		u := &uplink{up: true, next: make(chan struct{})}
		var log []string
		c := u.ctrl(Config{Kind: kind}, &log)
		if c.Listen(t.Context(), 50*time.Millisecond, 0) || c.Cause().Code != client.CodeArgument {
			t.Errorf("Listen as %s: %#v, want a refusal", kind, c.Cause())
		}
	}
	u := &uplink{next: make(chan struct{})}
	var log []string
	c := u.ctrl(Config{Kind: client.TCP}, &log)
	if c.Listen(t.Context(), 50*time.Millisecond, 0) || strings.Contains(strings.Join(log, " "), "LISTEN") {
		t.Errorf("Listen without an uplink: %v", log)
	}
}

// SOCK-07: two UDP connections on one local port would take each other's
// datagrams: the second is refused.
func TestSOCK07UDPPortIsNotShared(t *testing.T) {
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pc.Close() }()
	local := freeUDP(t)
	cfg := Config{Kind: client.UDP, Host: "127.0.0.1", Port: uint16(pc.LocalAddr().(*net.UDPAddr).Port), LocalPort: local}
	dial(t, cfg, Route{})
	if c, err := Dial(t.Context(), cfg, Route{}, nil, nil); err == nil {
		_ = c.Abort()
		t.Error("a second connection has the same local port")
	} else if Cause(err).Code != client.CodeInUse {
		t.Errorf("%#v, want in use", Cause(err))
	}
}

// A file of ours that is missing or cannot be read is named, and nobody else is blamed.
func TestFaultsOfOurFilesNameThem(t *testing.T) {
	root := sign(t, nil, isCA)
	port := serve(t, "127.0.0.1", echo)
	_ = root
	for name, ca := range map[string]string{"missing": "/nonexistent/ca.pem", "a directory": t.TempDir()} {
		_, err := Dial(t.Context(), Config{Kind: client.TLS, Host: "127.0.0.1", Port: port, TLS: &TLS{CA: ca}}, Route{}, nil, nil)
		var c client.Cause
		if !errors.As(err, &c) || c.Code != client.CodeArgument || !c.Reached || !strings.Contains(c.Text, ca) {
			t.Errorf("%s: %#v, want an argument error that names %s", name, c, ca)
		}
	}
}
