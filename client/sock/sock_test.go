package sock

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"luatnetd/client"
)

// serve runs f for every TCP connection to ip and returns the port.
func serve(t *testing.T, ip string, f func(net.Conn)) uint16 {
	t.Helper()
	l, err := net.Listen("tcp4", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { defer func() { _ = c.Close() }(); f(c) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

func echo(c net.Conn) { _, _ = io.Copy(c, c) }

func dial(t *testing.T, cfg Config, route Route) *Conn {
	t.Helper()
	c, err := Dial(t.Context(), cfg, route, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Abort() })
	return c
}

// nameserver answers with the zone's addresses; what is not in it does not exist.
func nameserver(t *testing.T, zone map[string][]string) (netip.AddrPort, *dns.Server) {
	t.Helper()
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	up := make(chan struct{})
	s := &dns.Server{PacketConn: pc, NotifyStartedFunc: func() { close(up) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		list, ok := zone[strings.ToLower(q.Question[0].Name)]
		if !ok {
			m.Rcode = dns.RcodeNameError
		}
		for _, a := range list {
			ip := net.ParseIP(a)
			h := dns.RR_Header{Name: q.Question[0].Name, Class: dns.ClassINET, Ttl: 60}
			switch {
			case ip.To4() != nil && q.Question[0].Qtype == dns.TypeA:
				h.Rrtype = dns.TypeA
				m.Answer = append(m.Answer, &dns.A{Hdr: h, A: ip})
			case ip.To4() == nil && q.Question[0].Qtype == dns.TypeAAAA:
				h.Rrtype = dns.TypeAAAA
				m.Answer = append(m.Answer, &dns.AAAA{Hdr: h, AAAA: ip})
			}
		}
		_ = w.WriteMsg(m)
	})}
	go func() { _ = s.ActivateAndServe() }()
	<-up
	t.Cleanup(func() { _ = s.Shutdown() })
	return netip.MustParseAddrPort(pc.LocalAddr().String()), s
}

// SOCK-05: the first address is dead, the second alive. SOCK-06: port 0 only
// resolves. The last good addresses serve while DNS fails; a name that does not
// exist is no failure of DNS.
func TestSOCK05AllAddressesAreTried(t *testing.T) {
	port := serve(t, "127.0.0.2", echo)
	server, running := nameserver(t, map[string][]string{
		"two.example.": {"127.0.0.9", "127.0.0.2"}, "both.example.": {"127.0.0.2", "::1"},
	})
	route := Route{Uplink: "wan", DNS: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1"), server}} // the first server is dead
	var cache Cache
	cfg := Config{Kind: client.TCP, Host: "two.example", Port: port}
	var states []string
	c, err := Dial(t.Context(), cfg, route, &cache, func(s client.State) { states = append(states, s.String()) })
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Abort()
	if c.RemoteAddr().(*net.TCPAddr).IP.String() != "127.0.0.2" || len(c.Resolved()) != 2 {
		t.Errorf("connected to %v of %v", c.RemoteAddr(), c.Resolved())
	}
	if got, want := strings.Join(states, " "), "WAIT_DNS CONNECTING ONLINE"; got != want {
		t.Errorf("SOCK-04: states %s, want %s", got, want)
	}
	for name, want := range map[bool]int{false: 1, true: 2} {
		list, err := Resolve(t.Context(), Config{Host: "both.example", IPv6: name}, route, nil)
		if err != nil || len(list) != want {
			t.Errorf("IPv6 %v: %v, %v; want %d addresses", name, list, err, want)
		}
	}
	if _, err := Resolve(t.Context(), Config{Host: "none.example"}, route, &cache); !errors.Is(err, ErrName) {
		t.Errorf("a name that does not exist: %v", err)
	}
	_ = running.Shutdown()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if list, err := Resolve(ctx, cfg, route, &cache); err != nil || len(list) != 2 {
		t.Errorf("while DNS fails: %v, %v; want the last good addresses", list, err)
	}
	if _, err := Resolve(t.Context(), Config{Host: "127.0.0.7"}, Route{}, nil); err != nil {
		t.Errorf("a literal address needs no DNS: %v", err)
	}
}

// SOCK-03: the kernel has the configured keep-alive, seen by a foreign tool.
// SOCK-07: a fixed local port is used, and again right after a close.
func TestSOCK03KeepAliveAndSOCK07LocalPort(t *testing.T) {
	port := serve(t, "127.0.0.1", echo)
	cfg := Config{Kind: client.TCP, Host: "127.0.0.1", Port: port, LocalPort: 45671, KeepAlive: KeepAlive{Idle: 77 * time.Second, Interval: 5 * time.Second, Count: 2}}
	c := dial(t, cfg, Route{})
	if got := c.LocalAddr().(*net.TCPAddr).Port; got != 45671 {
		t.Errorf("local port %d, want 45671", got)
	}
	if out, err := exec.CommandContext(t.Context(), "ss", "-Htno", "sport", "=", ":45671").Output(); err != nil {
		t.Logf("not run: ss: %v", err)
	} else if text := string(out); !strings.Contains(text, "keepalive,1min1") {
		t.Errorf("ss says %q, want a keep-alive timer of 77 s", text)
	}
	_ = c.Abort()
	again := dial(t, cfg, Route{})
	if got := again.LocalAddr().(*net.TCPAddr).Port; got != 45671 {
		t.Errorf("after a close: local port %d", got)
	}
	off := dial(t, Config{Kind: client.TCP, Host: "127.0.0.1", Port: port, KeepAlive: KeepAlive{Off: true}}, Route{})
	if got := sockopt(t, off); got != 0 {
		t.Errorf("keep-alive off: SO_KEEPALIVE is %d", got)
	}
}

// LIB-02: bytes that the other end's TCP has not acknowledged are not
// confirmed, and what is confirmed never runs ahead of what is.
func TestLIB02AckedNeverRunsAhead(t *testing.T) {
	hold := make(chan struct{})
	port := serve(t, "127.0.0.1", func(c net.Conn) { <-hold; _, _ = io.Copy(io.Discard, c) })
	c := dial(t, Config{Kind: client.TCP, Host: "127.0.0.1", Port: port}, Route{})
	buf := make([]byte, 256<<10)
	_ = c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	for {
		if _, err := c.Write(buf); err != nil {
			break // the peer's window and our buffer are full
		}
	}
	got, err := c.Acked()
	if err != nil || got >= c.Written() || got == 0 {
		t.Errorf("with a full buffer: %d of %d acknowledged, %v", got, c.Written(), err)
	}
	close(hold)
	_ = c.SetWriteDeadline(time.Time{})
	for c.Written() != 0 {
		got, err := c.Acked()
		if err != nil {
			t.Fatal(err)
		}
		if got == c.Written() {
			break
		}
	}
	if c.RTT() <= 0 {
		t.Errorf("RTT %v", c.RTT())
	}
	if err := c.SetUserTimeout(3 * time.Second); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := c.Shut(ctx); err != nil {
		t.Errorf("an orderly close: %v", err)
	}
}

// SOCK-08: each end has LuatOS's code and a sentence, and says whether the
// server itself answered.
func TestSOCK08Causes(t *testing.T) {
	closed := serve(t, "127.0.0.1", func(c net.Conn) {})
	reset := serve(t, "127.0.0.1", func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) })
	mute := serve(t, "127.0.0.1", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	for name, tt := range map[string]struct {
		port    uint16
		code    client.Code
		reached bool
		text    string
	}{
		"refused": {1, client.CodeReset, true, "refuses the connection"},
		"closed":  {closed, client.CodeClosed, true, "has closed"},
		"reset":   {reset, client.CodeReset, true, "reset the connection"},
		"silence": {mute, client.CodeTimeout, false, "no answer"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Dial(t.Context(), Config{Kind: client.TCP, Host: "127.0.0.1", Port: tt.port}, Route{}, nil, nil)
			if err == nil {
				defer func() { _ = c.Abort() }()
				_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
				_, err = c.Read(make([]byte, 1))
				err = c.Cause(err)
			}
			var cause client.Cause
			if !errors.As(err, &cause) || cause.Code != tt.code || cause.Reached != tt.reached || !strings.Contains(cause.Text, tt.text) {
				t.Errorf("%#v, want code %d, reached %v and %q", err, tt.code, tt.reached, tt.text)
			}
		})
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, err = Dial(t.Context(), Config{Kind: client.TCP, Host: "127.0.0.1", Port: mute, LocalPort: uint16(l.Addr().(*net.TCPAddr).Port)}, Route{}, nil, nil)
	if cause := Cause(err); cause.Code != client.CodeInUse {
		t.Errorf("a taken local port: %#v", cause)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Dial(ctx, Config{Kind: client.TCP, Host: "127.0.0.1", Port: mute}, Route{}, nil, nil); Cause(err).Code != client.CodeAborted {
		t.Errorf("given up here: %#v", Cause(err))
	}
}

func TestUDPIsConfirmedByTheKernel(t *testing.T) {
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pc.Close() }()
	c := dial(t, Config{Kind: client.UDP, Host: "127.0.0.1", Port: uint16(pc.LocalAddr().(*net.UDPAddr).Port)}, Route{})
	if _, err := c.Write([]byte("datagram")); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Acked(); err != nil || got != 8 {
		t.Errorf("Acked %d, %v; want 8", got, err)
	}
	buf := make([]byte, 64)
	if n, _, err := pc.ReadFrom(buf); err != nil || string(buf[:n]) != "datagram" {
		t.Errorf("the peer got %q, %v", buf[:n], err)
	}
}

func TestPing(t *testing.T) {
	if _, err := Ping(t.Context(), Route{}, netip.MustParseAddr("127.0.0.1"), 2*time.Second, 128); err != nil {
		if strings.Contains(err.Error(), "not allowed") {
			t.Skipf("needs raw sockets, which this user may not open: %v", err)
		}
		t.Error(err)
	}
	if _, err := Ping(t.Context(), Route{}, netip.MustParseAddr("240.0.0.1"), 100*time.Millisecond, 0); err == nil {
		t.Error("an address that cannot answer answered")
	}
}

// A cause is one line, however many questions have failed.
func TestCauseIsOneLine(t *testing.T) {
	dead := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")}
	_, err := Dial(t.Context(), Config{Kind: client.TCP, Host: "gw.example", Port: 1, IPv6: true}, Route{Uplink: "wan", DNS: dead}, nil, nil)
	if cause := Cause(err); strings.Count(cause.Text, "DNS server 127.0.0.1:1") != 2 || strings.Contains(cause.Text, "\n") {
		t.Errorf("the cause is %q, want one line that names both questions", cause.Text)
	}
}
