package serve_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	miekg "github.com/miekg/dns"
	"github.com/vishvananda/netlink"

	"luatnetd/internal/lab"
	"luatnetd/router/dns"
	"luatnetd/router/dns/serve"
)

func TestDaemonDoesNotLinkTheTestLibrary(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if errors.Is(err, exec.ErrNotFound) || (err != nil && !haveSource()) {
		t.Skipf("needs the go command and the source: %v", err)
	}
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	if strings.Contains(string(out), "miekg") {
		t.Error("miekg/dns is linked into the daemon: it is for tests only")
	}
}

func haveSource() bool {
	_, err := os.Stat("server.go")
	return err == nil
}

// TestForeignPeers: dnsmasq as the provider's server, dig as the client.
func TestForeignPeers(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		for _, tool := range []string{"dnsmasq", "dig"} {
			if _, err := exec.LookPath(tool); err != nil {
				t.Skipf("needs %s: %v", tool, err)
			}
		}
		w := newWorld(t)
		_, err := w.ispA.Start(nil, "dnsmasq", "-k", "-C", "/dev/null", "--no-hosts", "--no-resolv", "--no-daemon", "--user=root", "--bind-interfaces", "--listen-address=192.0.2.1",
			"--host-record=www.example.com,203.0.113.5,2001:db8::5", "--cname=alias.example.com,www.example.com", "--local=/example.com/",
			"--txt-record=big.example.com,"+strings.Repeat("x", 250)+","+strings.Repeat("y", 250)+","+strings.Repeat("z", 250)+","+strings.Repeat("q", 250)+","+strings.Repeat("r", 250)+","+strings.Repeat("s", 250),
			"--local-ttl=100")
		if err != nil {
			t.Fatal(err)
		}
		s := w.serve(serve.Config{DNS: dns.Config{Domains: []string{"lan"}}})
		s.SetUpstreams([]serve.Upstream{{Name: "wan", Device: "wan0", Source: viaA.Source, Servers: []netip.AddrPort{a1}}})
		s.SetNames([]serve.Host{{Name: "phone", Addr: netip.MustParseAddr("192.168.5.100"), Origin: dns.OriginLease}})
		w.await("dnsmasq", func() bool {
			m, _, err := w.try(w.phone, lanAddr, "www.example.com.", 6*time.Second)
			return err == nil && address(m) == "203.0.113.5"
		})
		tests := []struct{ name, args, want string }{
			{"DNS-01 by UDP", "www.example.com A", "203.0.113.5"},
			{"AAAA", "www.example.com AAAA", "2001:db8::5"},
			{"DNS-02 by TCP", "+tcp www.example.com A", "203.0.113.5"},
			{"chain", "alias.example.com A", "www.example.com.\n203.0.113.5"},
			{"without EDNS", "+noedns www.example.com A", "203.0.113.5"},
			{"with a cookie and DO", "+cookie +dnssec www.example.com A", "203.0.113.5"},
			{"DHCP client's name", "phone A", "192.168.5.100"},
			{"with the domain", "phone.lan A", "192.168.5.100"},
			{"PTR", "-x 192.168.5.100", "phone.lan."},
			{"local name by TCP", "+tcp phone.lan A", "192.168.5.100"},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				args := append([]string{"@192.168.5.1", "+short", "+time=5", "+tries=1"}, strings.Fields(tt.args)...)
				if got := strings.TrimSpace(w.phone.MustRun(t, "dig", args...)); got != tt.want {
					t.Errorf("dig %s printed %q, want %q", tt.args, got, tt.want)
				}
			})
		}
		out := w.phone.MustRun(t, "dig", "@192.168.5.1", "+ignore", "+time=5", "big.example.com", "TXT")
		if !strings.Contains(out, "flags: qr tc rd ra") {
			t.Errorf("Q48: 1.5 kB by UDP: %s, want TC", out)
		}
		out = w.phone.MustRun(t, "dig", "@192.168.5.1", "+time=5", "big.example.com", "TXT")
		if !strings.Contains(out, strings.Repeat("s", 250)) {
			t.Errorf("Q48: dig did not get the long answer by TCP: %s", out)
		}
		out = w.phone.MustRun(t, "dig", "@192.168.5.1", "nx.example.com", "A")
		if !strings.Contains(out, "status: NXDOMAIN") {
			t.Errorf("absent name: %s", out)
		}
	})
}

func TestDNS02DeadFirstServer(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		w := newWorld(t)
		w.provider(w.ispA, a1, silent)
		w.provider(w.ispA, a2, says("203.0.113.5"))
		s := w.serve(serve.Config{})
		s.SetUpstreams([]serve.Upstream{viaA})
		var delays []time.Duration
		for i := range 4 {
			m, d := w.ask(fmt.Sprintf("n%d.example.com.", i))
			if address(m) != "203.0.113.5" || d > 2*time.Second {
				t.Errorf("question %d: %v after %v, want an answer within 2 s", i, address(m), d)
			}
			delays = append(delays, d)
			if i < 3 {
				w.await("the dead server's timeout", func() bool { return s.Stats().Servers[0].Timeouts > uint64(i) })
			}
		}
		t.Logf("delays with a dead first server: %v", delays)
		if delays[3] > 50*time.Millisecond {
			t.Errorf("DEV-28: the dead server still costs %v", delays[3])
		}
	})
}

func TestDNS02ClosedPortIsLeftAtOnce(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		w := newWorld(t)
		w.provider(w.ispA, a2, says("203.0.113.5")) // nobody listens on a1: port unreachable
		s := w.serve(serve.Config{})
		s.SetUpstreams([]serve.Upstream{viaA})
		if m, d := w.ask("w.example.com."); address(m) != "203.0.113.5" || d > 200*time.Millisecond {
			t.Errorf("%v after %v", address(m), d)
		}
	})
}

// TestDNS03SwitchWhileAsking: questions hang on a provider that is dead; the
// router switches; they are answered through the other.
func TestDNS03SwitchWhileAsking(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		w := newWorld(t)
		w.provider(w.ispA, a1, silent)
		w.provider(w.ispB, b1, says("203.0.113.77"))
		s := w.serve(serve.Config{})
		s.SetUpstreams([]serve.Upstream{viaA})
		const n = 20
		var group sync.WaitGroup
		late := make(chan time.Time, n)
		for i := range n {
			group.Go(func() {
				m, _, err := w.try(w.phone, lanAddr, fmt.Sprintf("n%d.example.com.", i), 6*time.Second)
				if err != nil || address(m) != "203.0.113.77" {
					t.Errorf("question %d: %v %v", i, m, err)
				}
				late <- time.Now()
			})
		}
		w.await("all questions to hang", func() bool { return s.Stats().Waiting == n })
		at := time.Now()
		s.SetUpstreams([]serve.Upstream{viaB})
		group.Wait()
		close(late)
		worst := time.Duration(0)
		for l := range late {
			worst = max(worst, l.Sub(at))
		}
		t.Logf("%d hanging questions answered at most %v after the switch", n, worst)
		if worst > 200*time.Millisecond {
			t.Errorf("D2: the last answer came %v after the switch, want below 200 ms", worst)
		}
		if m, d := w.ask("first.example.com."); address(m) != "203.0.113.77" || d > 200*time.Millisecond {
			t.Errorf("first new question after the switch: %v after %v", m, d)
		}
	})
}

// TestEachUplinkIsAskedThroughItself: both providers use the same server
// address; the device decides, and the packets carry the uplink's mark.
func TestEachUplinkIsAskedThroughItself(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		w := newWorld(t)
		shared := netip.MustParseAddrPort("203.0.113.53:53")
		for ns, answer := range map[*lab.NS]string{w.ispA: "203.0.113.10", w.ispB: "203.0.113.20"} {
			if err := ns.AddAddr("lo", "203.0.113.53/32"); err != nil {
				t.Fatal(err)
			}
			w.provider(ns, shared, says(answer))
		}
		for _, r := range []*netlink.Route{{Gw: net.IPv4(192, 0, 2, 1), Priority: 10}, {Gw: net.IPv4(198, 51, 100, 1), Priority: 20}} {
			if err := netlink.RouteAdd(r); err != nil {
				t.Fatal(err)
			}
		}
		s := w.serve(serve.Config{})
		a, b := viaA, viaB
		a.Servers, b.Servers = []netip.AddrPort{shared}, []netip.AddrPort{shared}
		for range 2 {
			for _, tt := range []struct {
				up   serve.Upstream
				want string
			}{{a, "203.0.113.10"}, {b, "203.0.113.20"}} {
				s.SetUpstreams([]serve.Upstream{tt.up})
				if m, _ := w.ask("w.example.com."); address(m) != tt.want {
					t.Errorf("through %s: %s, want %s", tt.up.Name, address(m), tt.want)
				}
			}
		}
	})
}

func TestMarkIsOnThePackets(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		if _, err := exec.LookPath("nft"); err != nil {
			t.Skipf("needs nft: %v", err)
		}
		w := newWorld(t)
		second, err := netlink.ParseAddr("192.0.2.10/24")
		if err == nil {
			var l netlink.Link
			if l, err = netlink.LinkByName("wan0"); err == nil {
				err = netlink.AddrAdd(l, second)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		rules := "add table inet t; add chain inet t o { type filter hook output priority 0; }; " +
			"add rule inet t o oifname wan0 udp dport 53 meta mark 0x100 ip saddr 192.0.2.10 counter accept; add rule inet t o oifname wan0 udp dport 53 drop"
		if out, err := exec.Command("nft", rules).CombinedOutput(); err != nil {
			t.Fatalf("nft: %v: %s", err, out)
		}
		t.Cleanup(func() { _ = exec.Command("nft", "delete table inet t").Run() })
		w.provider(w.ispA, a1, says("203.0.113.5"))
		s := w.serve(serve.Config{})
		from := viaA
		from.Source = netip.MustParseAddr("192.0.2.10")
		s.SetUpstreams([]serve.Upstream{from})
		if m, _ := w.ask("w.example.com."); address(m) != "203.0.113.5" {
			t.Errorf("answered %v: the question left without its mark or address", m)
		}
	})
}

func TestQ27ForgedAnswersAreIgnored(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		w := newWorld(t)
		var other net.PacketConn // another address of the provider
		w.ispA.MustDo(t, func() (err error) {
			other, err = net.ListenPacket("udp", a2.String())
			return err
		})
		t.Cleanup(func() { _ = other.Close() })
		w.provider(w.ispA, a1, func(rw miekg.ResponseWriter, q *miekg.Msg) {
			forged := new(miekg.Msg).SetReply(q)
			forged.Answer = []miekg.RR{&miekg.A{Hdr: miekg.RR_Header{Name: q.Question[0].Name, Rrtype: 1, Class: 1, Ttl: 9999}, A: net.IPv4(203, 0, 113, 66)}}
			right, err := forged.Pack()
			if err != nil {
				t.Errorf("pack: %v", err)
			}
			_, _ = other.WriteTo(right, rw.RemoteAddr()) // right id, wrong address
			for i := range 200 {
				forged.Id = q.Id + 1 + uint16(i)
				_ = rw.WriteMsg(forged)
			}
			forged.Id = q.Id
			forged.Question[0].Name = "bank.example."
			_ = rw.WriteMsg(forged)
			says("203.0.113.5")(rw, q)
		})
		s := w.serve(serve.Config{})
		s.SetUpstreams([]serve.Upstream{{Name: "wan", Device: "wan0", Servers: []netip.AddrPort{a1}}})
		if m, d := w.ask("w.example.com."); address(m) != "203.0.113.5" {
			t.Errorf("answered %v after %v", m, d)
		}
		if n := s.Stats().Spoofed; n < 100 {
			t.Errorf("%d forged answers were counted, 201 sent", n)
		}
	})
}

// TestQ27PortsAndIDsAreRandom: 4,000 questions, 16 classes each: χ² with 15
// degrees of freedom stays below 44.3 in all but one of 10,000 runs.
func TestQ27PortsAndIDsAreRandom(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		w := newWorld(t)
		const n, classes = 4000, 16
		var mu sync.Mutex
		var ids, ports []int
		w.provider(w.ispA, a1, func(rw miekg.ResponseWriter, q *miekg.Msg) {
			mu.Lock()
			ids = append(ids, int(q.Id))
			ports = append(ports, rw.RemoteAddr().(*net.UDPAddr).Port)
			mu.Unlock()
			says("203.0.113.5")(rw, q)
		})
		s := w.serve(serve.Config{})
		s.SetUpstreams([]serve.Upstream{{Name: "wan", Device: "wan0", Servers: []netip.AddrPort{a1}}})
		c := &miekg.Conn{Conn: w.dial(w.phone, "udp", "192.168.5.1:53")}
		for i := range n {
			if err := errors.Join(c.SetDeadline(time.Now().Add(5*time.Second)), c.WriteMsg(new(miekg.Msg).SetQuestion(fmt.Sprintf("n%d.example.com.", i), 1))); err != nil {
				t.Fatal(err)
			}
			if _, err := c.ReadMsg(); err != nil {
				t.Fatal(err)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		low, high := 32768, 60999 // net.ipv4.ip_local_port_range of a fresh namespace
		for name, x := range map[string]float64{"ids": chi2(ids, 0, 65535, classes), "ports": chi2(ports, low, high, classes)} {
			t.Logf("%s: χ² %.1f over %d", name, x, len(ids))
			if x > 44.3 {
				t.Errorf("%s are not spread evenly: χ² %.1f", name, x)
			}
		}
	})
}

func chi2(values []int, low, high, classes int) float64 {
	count := make([]float64, classes)
	for _, v := range values {
		count[min((v-low)*classes/(high-low+1), classes-1)]++
	}
	want := float64(len(values)) / float64(classes)
	x := 0.0
	for _, c := range count {
		x += (c - want) * (c - want) / want
	}
	return x
}

// TestDNS02UnansweredQuestionsDoNotGrowMemory: 10,000 questions that nobody
// answers, from one client; another client and the cache are served meanwhile.
func TestDNS02UnansweredQuestionsDoNotGrowMemory(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		w := newWorld(t)
		var dead atomic.Bool
		w.provider(w.ispA, a1, func(rw miekg.ResponseWriter, q *miekg.Msg) {
			if !dead.Load() {
				says("203.0.113.5")(rw, q)
			}
		})
		s := w.serve(serve.Config{})
		s.SetUpstreams([]serve.Upstream{{Name: "wan", Device: "wan0", Servers: []netip.AddrPort{a1}}})
		w.ask("hot.example.com.")
		dead.Store(true)
		before := heap()
		c := &miekg.Conn{Conn: w.dial(w.phone, "udp", "192.168.5.1:53")}
		for i := range 10000 {
			q := new(miekg.Msg).SetQuestion(fmt.Sprintf("n%d.example.com.", i), 1)
			if err := c.WriteMsg(q); err != nil {
				t.Fatal(err)
			}
		}
		w.await("the cached name during the flood", func() bool { // the socket's queue may be full: clients repeat
			m, _, err := w.try(w.phone, lanAddr, "hot.example.com.", 300*time.Millisecond)
			return err == nil && address(m) == "203.0.113.5"
		})
		st := s.Stats()
		during, goroutines := heap(), runtime.NumGoroutine()
		t.Logf("heap %d kB before, %d kB with %d waiting, %d goroutines, %d asks", before>>10, during>>10, st.Waiting, goroutines, st.Asks)
		if st.Waiting > 100 || st.Peak > 101 || goroutines > 400 {
			t.Errorf("%d questions of one client wait, %d goroutines", st.Waiting, goroutines)
		}
		if during > before+4<<20 {
			t.Errorf("the heap grew from %d to %d bytes", before, during)
		}
		w.await("all to be given up", func() bool { return s.Stats().Waiting == 0 })
		w.await("all sockets to be closed", func() bool { return udpSockets(t) == 1 }) // the listener's
	})
}

// udpSockets counts the UDP sockets of the test's namespace.
func udpSockets(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/thread-self/net/udp")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(b), "\n") - 1
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestRunEndsAtOnce: with a client connected and questions open.
func TestRunEndsAtOnce(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		w := newWorld(t)
		w.provider(w.ispA, a1, silent)
		s := serve.New(serve.Config{Now: boot})
		s.SetListen(onLAN)
		s.SetUpstreams([]serve.Upstream{viaA})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		w.await("listening", func() bool { l := s.Stats().Listeners; return len(l) == 1 && l[0].Err == nil })
		c := &miekg.Conn{Conn: w.dial(w.phone, "tcp", "192.168.5.1:53")}
		if err := c.WriteMsg(new(miekg.Msg).SetQuestion("w.example.com.", 1)); err != nil {
			t.Fatal(err)
		}
		w.await("an open question", func() bool { return s.Stats().Asks > 0 })
		start := time.Now()
		cancel()
		if err := <-done; err != nil || time.Since(start) > time.Second {
			t.Errorf("Run = %v, %v after its context ended", err, time.Since(start))
		}
		if n := udpSockets(t); n != 0 {
			t.Errorf("%d UDP sockets are left", n)
		}
	})
}

func TestWithoutUplinks(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		w := newWorld(t)
		w.provider(w.ispA, a1, says("203.0.113.5"))
		s := w.serve(serve.Config{})
		s.SetNames([]serve.Host{{Name: "phone", Addr: netip.MustParseAddr("192.168.5.100")}})
		if m, d := w.ask("phone.lan."); address(m) != "192.168.5.100" || d > time.Second {
			t.Errorf("local name at a cold start: %v", m)
		}
		if m, d := w.ask("w.example.com."); m.Rcode != miekg.RcodeServerFailure || d > 2*time.Second {
			t.Errorf("public name without uplink: %v after %v, want SERVFAIL within 2 s", m, d)
		}
		s.SetUpstreams([]serve.Upstream{viaA})
		w.ask("w.example.com.")
		s.SetUpstreams(nil)
		if m, d := w.ask("w.example.com."); address(m) != "203.0.113.5" || m.Answer[0].Header().Ttl != 30 || d > 200*time.Millisecond {
			t.Errorf("known name without uplink: %v after %v, want it stale", m, d)
		}
		gone := viaA
		gone.Device = "wan7" // unplugged, and the router does not know yet
		s.SetUpstreams([]serve.Upstream{gone})
		if m, d := w.ask("new.example.com."); m.Rcode != miekg.RcodeServerFailure || d > 2*time.Second {
			t.Errorf("through a device that is gone: %v after %v", m, d)
		}
	})
}

func TestPanicEndsRunAndNotTheProcess(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		w := newWorld(t)
		var broken atomic.Bool
		s := serve.New(serve.Config{Now: func() time.Time {
			if broken.Load() {
				panic("broken clock")
			}
			return boot()
		}})
		s.SetListen(onLAN)
		s.SetNames([]serve.Host{{Name: "phone", Addr: netip.MustParseAddr("192.168.5.100")}})
		works := func() bool {
			m, _, err := w.try(w.phone, lanAddr, "phone.", 300*time.Millisecond)
			return err == nil && address(m) == "192.168.5.100"
		}
		for range 2 {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- s.Run(ctx) }()
			w.await("an answer", works)
			broken.Store(true)
			works()
			if err := <-done; err == nil || !strings.Contains(err.Error(), "broken clock") {
				t.Errorf("Run = %v, want the panic", err)
			}
			broken.Store(false)
			cancel()
		}
	})
}
