package probe

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"luatnetd/internal/lab"
	"luatnetd/netif"
	"luatnetd/netif/health"
)

// LuatOS X13: there any echo reply on the adapter made the uplink "connected".
func TestForgedEchoRepliesDoNotCount(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.New(t)
		here := n.MustHere(t)
		isp := uplink(t, n, here, "wan1", 7601)
		serve(t, isp)
		must(t, isp.AddAddr("lo", "203.0.113.2/32"))
		must(t, isp.Sysctl("net/ipv4/icmp_echo_ignore_all", "1"))
		other := uplink(t, n, here, "wan2", 7602)
		serve(t, other)
		forge := make(chan func(reply []byte) (from string, message []byte), 1)
		echoer(t, isp, other, forge)
		p := prober(t)
		for i, tt := range []struct {
			name  string
			alive bool
			forge func([]byte) (string, []byte)
		}{
			{"the true reply", true, func(m []byte) (string, []byte) { return serverIP, m }},
			{"another identifier", false, func(m []byte) (string, []byte) { m[4]++; return serverIP, m }},
			{"another sequence number", false, func(m []byte) (string, []byte) { m[7]++; return serverIP, m }},
			{"another token", false, func(m []byte) (string, []byte) { m[len(m)-1]++; return serverIP, m }},
			{"no token", false, func(m []byte) (string, []byte) { return serverIP, m[:8] }},
			{"another host", false, func(m []byte) (string, []byte) { return "203.0.113.2", m }},
			{"the true reply over another wire", false, func(m []byte) (string, []byte) { return "wan2", m }},
			{"a request", false, func(m []byte) (string, []byte) { m[0] = 8; return serverIP, m }},
		} {
			t.Run(tt.name, func(t *testing.T) {
				forge <- tt.forge
				timeout := short
				if tt.alive {
					timeout = long
				}
				res := ask(t, p, request("wan1", health.ICMP, serverIP, uint64(i), timeout))
				if res.OK != tt.alive {
					t.Errorf("ok %v (%s), want %v", res.OK, res.Reason, tt.alive)
				}
			})
		}
	})
}

// echoer answers one echo request per forger with what the forger makes of the
// true reply, from the address that it names; "wan2" is serverIP in namespace
// other, which has another wire to the prober.
func echoer(t *testing.T, ns, other *lab.NS, forge <-chan func([]byte) (string, []byte)) {
	t.Helper()
	out := map[string]net.PacketConn{}
	open := func(ns *lab.NS, key, from string) {
		must(t, ns.Do(func() error {
			c, err := net.ListenPacket("ip4:icmp", from)
			if err != nil {
				return err
			}
			t.Cleanup(func() { _ = c.Close() })
			out[key] = c
			return nil
		}))
	}
	open(ns, serverIP, serverIP)
	open(ns, "203.0.113.2", "203.0.113.2")
	open(other, "wan2", serverIP)
	must(t, ns.Do(func() error {
		in, err := net.ListenPacket("ip4:icmp", "0.0.0.0")
		if err != nil {
			return err
		}
		t.Cleanup(func() { _ = in.Close() })
		go func() {
			buf := make([]byte, 1500)
			for {
				n, to, err := in.ReadFrom(buf)
				if err != nil {
					return
				}
				if n < 8 || buf[0] != 8 {
					continue
				}
				reply := append([]byte(nil), buf[:n]...)
				reply[0] = 0
				from, reply := (<-forge)(reply)
				reply[2], reply[3] = 0, 0
				binary.BigEndian.PutUint16(reply[2:], checksum(reply))
				_, _ = out[from].WriteTo(reply, to)
			}
		}()
		return nil
	}))
}

func TestAnswers(t *testing.T) {
	for _, ipv6 := range []bool{false, true} {
		request := newEcho(ipv6, 7)
		reply := append([]byte(nil), request...)
		reply[0] = map[bool]byte{false: 0, true: 129}[ipv6]
		if !answers(request, reply, ipv6) || answers(request, request, ipv6) || answers(request, reply, !ipv6) {
			t.Errorf("IPv6 %v: the reply is not told from the request or the other family's", ipv6)
		}
		reply[1] = 1
		if answers(request, reply, ipv6) {
			t.Error("a reply with a code is taken")
		}
	}
	a, b := newEcho(false, 1), newEcho(false, 1)
	if answers(a, b, false) || string(a) == string(b) {
		t.Error("two requests are the same")
	}
	if checksum(newEcho(false, 9)) != 0 {
		t.Error("the checksum of a request with its checksum is not 0")
	}
}

func TestARPReply(t *testing.T) {
	src, gw := netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("192.0.2.254")
	// A reply is a request seen from the other side.
	reply := arpRequest(netif.MAC{2, 0, 0, 0, 0, 9}, gw, src)
	binary.BigEndian.PutUint16(reply[offOp:], arpReply)
	for _, tt := range []struct {
		name   string
		change func(b []byte) []byte
		want   bool
	}{
		{"reply", func(b []byte) []byte { return b }, true},
		{"padded", func(b []byte) []byte { return append(b, make([]byte, 18)...) }, true},
		{"short", func(b []byte) []byte { return b[:41] }, false},
		{"request", func(b []byte) []byte { b[21] = 1; return b }, false},
		{"of another host", func(b []byte) []byte { b[31]++; return b }, false},
		{"to another host", func(b []byte) []byte { b[41]++; return b }, false},
		{"another protocol", func(b []byte) []byte { b[13]++; return b }, false},
	} {
		if got := isReply(tt.change(append([]byte(nil), reply...)), src, gw); got != tt.want {
			t.Errorf("%s: isReply %v, want %v", tt.name, got, tt.want)
		}
	}
}

func FuzzCheckAnswer(f *testing.F) {
	query, err := question(4711)
	if err != nil {
		f.Fatal(err)
	}
	for _, make := range dnsServers {
		f.Add(make(query))
	}
	f.Add(query)
	f.Fuzz(func(t *testing.T, message []byte) {
		if checkAnswer(query, message) != nil {
			return
		}
		var p dnsmessage.Parser
		h, err := p.Start(message)
		if err != nil || h.ID != 4711 || !h.Response {
			t.Errorf("taken as answer: %x", message)
		}
	})
}

func FuzzParseURL(f *testing.F) {
	for _, s := range []string{"http://223.5.5.5/resolve?short=1&name=baidu.com", "http://[2001:db8::1]:8080/", "http://[fe80::1%25wan1]/", "http://a/", "http://1.2.3.4:99999/", "::"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, target string) {
		u, to, err := parseURL(target)
		if err == nil && (u == nil || !to.Addr().IsValid()) {
			t.Errorf("%q: no address", target)
		}
	})
}
