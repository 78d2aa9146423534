package router_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"luatnetd/internal/lab"
	"luatnetd/router"
)

func TestMain(m *testing.M) { lab.Main(m) }

// Every ruleset loads as text, and what nft lists of it loads again to the
// same listing: no name of ours breaks the text.
func TestRulesetsLoad(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.New(t)
		for name, input := range inputs {
			t.Run(name, func(t *testing.T) {
				ns := n.MustNS(t, name)
				plan := router.Build(input())
				file := filepath.Join(t.TempDir(), "rules.nft")
				write(t, file, plan.Table.String()+plan.Acct.String())
				ns.MustRun(t, "nft", "-c", "-f", file)
				ns.MustRun(t, "nft", "-f", file)
				listed := ns.MustRun(t, "nft", "-s", "list", "ruleset")
				write(t, file, "flush ruleset\n"+listed)
				ns.MustRun(t, "nft", "-f", file)
				if diff := cmp.Diff(listed, ns.MustRun(t, "nft", "-s", "list", "ruleset")); diff != "" {
					t.Errorf("listed, loaded and listed again (-first +second):\n%s", diff)
				}
				rules := strings.Count(plan.Table.String()+plan.Acct.String(), "\n")
				if got := strings.Count(listed, "\n"); got < rules-10 {
					t.Errorf("nft lists %d lines of %d", got, rules)
				}
			})
		}
	})
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// box is a gateway whose kernel is changed by the ip and nft programs, with
// the model beside it: every operation goes to both.
type box struct {
	t     *testing.T
	model *kernel
	gw    *lab.NS
	net   *lab.NS // both ISPs and the internet: 203.0.113.10
	pc    *lab.NS // 192.168.5.10, LAN
	tv    *lab.NS // 192.168.5.11, LAN, on another port of the bridge
	cam   *lab.NS // 192.168.6.12, office
}

const internet = "203.0.113.10"

func newBox(t *testing.T) *box {
	n := lab.New(t)
	b := &box{t: t, model: newKernel("eth0", "usb0", "eth1", "eth2", "eth3"),
		gw: n.MustNS(t, "gw"), net: n.MustNS(t, "net"), pc: n.MustNS(t, "pc"), tv: n.MustNS(t, "tv"), cam: n.MustNS(t, "cam")}
	for _, d := range []struct {
		ns   *lab.NS
		peer string
		dev  string
		addr string
	}{{b.net, "isp1", "eth0", "100.64.1.1/24"}, {b.net, "isp2", "usb0", "100.64.2.1/24"}, {b.pc, "eth0", "eth1", "192.168.5.10/24"}, {b.tv, "eth0", "eth2", "192.168.5.11/24"}, {b.cam, "eth0", "eth3", "192.168.6.12/24"}} {
		n.MustLink(t, b.gw, d.dev, d.ns, d.peer)
		must(t, b.gw.SetUp(d.dev, false)) // Diff brings it up
		must(t, d.ns.AddAddr(d.peer, d.addr))
	}
	must(t, b.net.AddAddr("lo", internet+"/32"))
	must(t, b.pc.AddRoute("default", "192.168.5.1"))
	must(t, b.tv.AddRoute("default", "192.168.5.1"))
	must(t, b.cam.AddRoute("default", "192.168.6.1"))
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// turn applies a plan to the kernel and to the model, and compares them.
func (b *box) turn(in router.Input) {
	b.t.Helper()
	plan := router.Build(in)
	for _, op := range router.Diff(b.model.have(plan), plan) {
		if err := b.model.apply(op); err != nil {
			b.t.Fatalf("model: %s: %v", op, err)
		}
		b.execute(op)
	}
	b.model.killed = plan.Kill
	b.compare()
}

func (b *box) execute(op router.Op) {
	b.t.Helper()
	switch o := op.(type) {
	case router.SetSysctl:
		if err := b.gw.Sysctl(o.Path(), o.Value); err != nil {
			b.t.Errorf("%s: %v", op, err)
		}
	case router.ReplaceTable:
		b.load("table inet luatnetd { }\ndelete table inet luatnetd\n" + o.Table.String())
	case router.SyncTable:
		b.load("table inet luatnetd_acct { }\ndelete table inet luatnetd_acct\n" + o.Table.String())
	case router.Verify:
		out := b.gw.MustRun(b.t, "ip", "route", "get", o.Target.String())
		if !strings.Contains(out, " dev "+o.Device+" ") {
			b.t.Errorf("%s: %s", op, out)
		}
	case router.FlushMark:
		ctx := b.t.Context()
		if out, err := b.gw.Run(ctx, "conntrack", "-D", "-m", fmt.Sprintf("%#x/%#x", o.Mark, o.Mask)); err != nil && !strings.Contains(out, "0 flow entries") {
			b.t.Errorf("%s: %v", op, err)
		}
	default:
		words := strings.Fields(op.String())
		if _, ok := op.(router.AddAddr); ok {
			words = words[:len(words)-2] // iproute2 before 6.3 has no protocol of addresses
		}
		b.gw.MustRun(b.t, words[0], words[1:]...)
	}
}

func (b *box) load(text string) {
	b.t.Helper()
	file := filepath.Join(b.t.TempDir(), "rules.nft")
	write(b.t, file, text)
	b.gw.MustRun(b.t, "nft", "-f", file)
}

// compare checks that the model is a fair one.
func (b *box) compare() {
	b.t.Helper()
	var want []string
	for _, r := range b.model.routes {
		if r.Dst.Addr().Is4() {
			want = append(want, strings.ReplaceAll(r.String(), "/32 ", " "))
		}
	}
	var got []string
	for line := range strings.Lines(b.gw.MustRun(b.t, "ip", "-4", "route", "show", "table", "all", "proto", "76")) {
		line = strings.NewReplacer(" scope link", "", " linkdown", "", " dead", "").Replace(line)
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		b.t.Errorf("routes (-model +kernel):\n%s", diff)
	}
	if got := strings.Count(b.gw.MustRun(b.t, "ip", "-4", "rule", "show"), "proto 76"); got != len(b.model.rules) {
		b.t.Errorf("kernel has %d rules of ours, model %d", got, len(b.model.rules))
	}
	addrs := b.gw.MustRun(b.t, "ip", "-o", "-4", "addr", "show", "scope", "global")
	for _, a := range b.model.addrs {
		if !strings.Contains(addrs, a.Device+"    inet "+a.Prefix.String()+" ") {
			b.t.Errorf("kernel lacks address %s: %s", a, addrs)
		}
	}
	if got := strings.Count(addrs, "\n"); got != len(b.model.addrs) {
		b.t.Errorf("kernel has %d addresses of ours, model %d", got, len(b.model.addrs))
	}
}

// serve accepts connections in ns and answers each with the address that it
// came from and the port that it came to.
func serve(t *testing.T, ns *lab.NS, ports ...int) {
	t.Helper()
	for _, port := range ports {
		var l net.Listener
		ns.MustDo(t, func() (err error) {
			l, err = net.Listen("tcp4", fmt.Sprintf(":%d", port))
			return err
		})
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				from := netip.MustParseAddrPort(c.RemoteAddr().String())
				_, _ = fmt.Fprintf(c, "%s %d", from.Addr(), port)
				_ = c.Close()
			}
		}()
	}
}

// serveUDP answers each datagram with the address that it came from.
func serveUDP(t *testing.T, ns *lab.NS, port int) {
	t.Helper()
	var c net.PacketConn
	ns.MustDo(t, func() (err error) {
		c, err = net.ListenPacket("udp4", fmt.Sprintf("%s:%d", internet, port))
		return err
	})
	t.Cleanup(func() { _ = c.Close() })
	go func() {
		buf := make([]byte, 64)
		for {
			_, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = c.WriteTo([]byte(netip.MustParseAddrPort(from.String()).Addr().String()), from)
		}
	}()
}

// flow is one UDP flow.
type flow struct{ net.Conn }

func dialUDP(t *testing.T, ns *lab.NS, to string) flow {
	t.Helper()
	var f flow
	ns.MustDo(t, func() (err error) {
		f.Conn, err = net.Dial("udp4", to)
		return err
	})
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// ask sends until the answer is the wanted one, at most ten times: the first
// packet after a change may cost the old translation its life.
func (f flow) ask(want string) (got string) {
	buf := make([]byte, 64)
	for range 10 {
		_, _ = f.Write([]byte("?"))
		_ = f.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		n, err := f.Read(buf)
		if err != nil {
			got = err.Error()
			continue
		}
		if got = string(buf[:n]); got == want {
			return got
		}
	}
	return got
}

// ask connects from ns and returns the answer or the error.
func ask(ns *lab.NS, to string) string {
	var answer string
	err := ns.Do(func() error {
		c, err := net.DialTimeout("tcp4", to, time.Second)
		if err != nil {
			return err
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(time.Second))
		buf := make([]byte, 64)
		n, err := c.Read(buf)
		answer = string(buf[:n])
		return err
	})
	switch {
	case err == nil:
		return answer
	case strings.Contains(err.Error(), "refused"):
		return "refused"
	case strings.Contains(err.Error(), "timeout"):
		return "timeout"
	}
	return err.Error()
}

func (b *box) expect(from *lab.NS, to, want string) {
	b.t.Helper()
	if got := ask(from, to); got != want {
		b.t.Errorf("%s asks %s: %s, want %s", from.Name, to, got, want)
	}
}

// RTR-16, seen by packets.
func TestPacketsFollowPlan(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t)
		serve(t, b.net, 80)
		serve(t, b.pc, 443, 22, 80)
		serve(t, b.cam, 7001, 7002, 7003, 9100, 515)
		serve(t, b.gw, 22, 53)
		in := forwards()
		b.turn(in)

		t.Run("out", func(t *testing.T) {
			b := b.in(t)
			b.expect(b.pc, internet+":80", "100.64.1.2 80")
			b.expect(b.pc, "192.168.5.1:53", "192.168.5.10 53") // the router is always there
			b.expect(b.pc, "100.64.2.2:53", "192.168.5.10 53")
		})
		t.Run("forwards", func(t *testing.T) {
			b := b.in(t)
			b.expect(b.net, "100.64.1.2:443", "100.64.1.1 443")
			b.expect(b.net, "100.64.2.2:443", "100.64.2.1 443") // the standby answers by itself
			b.expect(b.net, "100.64.1.2:8022", "100.64.1.1 22")
			b.expect(b.net, "100.64.2.2:8022", "timeout") // forwarded from wan only
			for i := range 3 {
				b.expect(b.net, fmt.Sprintf("100.64.1.2:%d", 9001+i), fmt.Sprintf("100.64.1.1 %d", 7001+i))
			}
		})
		t.Run("hairpin", func(t *testing.T) {
			b := b.in(t)
			b.expect(b.cam, "100.64.2.2:443", "192.168.5.1 443")
			b.expect(b.pc, "100.64.2.2:9002", "192.168.6.1 7002")
			for _, bridged := range []bool{false, true} {
				if !b.bridgeNetfilter(bridged) {
					continue
				}
				want := "192.168.5.1 443"
				if bridged {
					want = "192.168.5.11 443" // the bridge delivers what was translated
				}
				b.expect(b.tv, "100.64.1.2:443", want)
				b.expect(b.tv, "192.168.5.10:80", "192.168.5.11 80")
				b.expect(b.pc, internet+":80", "100.64.1.2 80")
				if !bridged { // else the bridge would have to send it back out of its port
					b.expect(b.pc, "100.64.1.2:443", want)
				}
			}
		})
		t.Run("firewall", func(t *testing.T) {
			b := b.in(t)
			must(t, b.net.AddRoute("192.168.5.0/24", "100.64.1.2"))
			must(t, b.net.AddRoute("192.168.6.0/24", "100.64.1.2"))
			b.expect(b.net, "192.168.5.10:80", "timeout")
			b.expect(b.net, "100.64.1.2:22", "timeout") // allowed from 198.51.100.0/24 only
			must(t, b.net.AddAddr("lo", "198.51.100.7/32"))
			b.expect(b.pc, "192.168.6.12:9100", "192.168.5.10 9100") // the allow list
			b.expect(b.pc, "192.168.6.12:515", "timeout")            // isolated
			b.expect(b.cam, "192.168.5.10:80", "timeout")
		})
		t.Run("echo is limited", func(t *testing.T) {
			b := b.in(t)
			out, _ := b.net.Run(t.Context(), "ping", "-q", "-i", "0.005", "-c", "200", "-W", "1", "100.64.1.2")
			var sent, received int
			line := out[max(strings.Index(out, "200 packets"), 0):]
			if _, err := fmt.Sscanf(line, "%d packets transmitted, %d received", &sent, &received); err != nil {
				t.Fatalf("ping printed %q", out)
			}
			if received < 5 || received > 40 {
				t.Errorf("%d of %d echoes answered, want 10 a second and a burst of 5", received, sent)
			}
		})
		t.Run("failover", func(t *testing.T) {
			b := b.in(t)
			in.Main, in.Kill, in.Verify = []string{"wan2"}, []string{"wan"}, addr(internet)
			b.turn(in)
			b.expect(b.pc, internet+":80", "100.64.2.2 80")
			b.expect(b.net, "100.64.1.2:443", "100.64.1.1 443") // inbound flows still answer by wan
			in.Main, in.Kill = []string{"wan", "wan2"}, nil
			b.turn(in)
			b.expect(b.pc, internet+":80", "100.64.1.2 80")
		})
		t.Run("address change", func(t *testing.T) {
			b := b.in(t)
			in.Uplinks[0] = wired("wan", 1, "eth0", "100.64.1.77/24", "100.64.1.1")
			b.turn(in)
			b.expect(b.pc, internet+":80", "100.64.1.77 80")
			b.expect(b.net, "100.64.1.77:443", "100.64.1.1 443")
		})
		t.Run("clean", func(t *testing.T) {
			b := b.in(t)
			for _, op := range router.Clean(b.model.have(router.Build(in))) {
				if err := b.model.apply(op); err != nil {
					t.Fatalf("model: %s: %v", op, err)
				}
				if o, ok := op.(router.DelTable); ok {
					b.gw.MustRun(t, "nft", "delete", "table", "inet", o.Name)
				} else if _, ok := op.(router.SetSysctl); !ok {
					b.execute(op)
				}
			}
			b.compare()
		})
	})
}

// in is b reporting to a sub-test.
func (b *box) in(t *testing.T) *box {
	c := *b
	c.t = t
	return &c
}

// bridgeNetfilter says whether bridged frames pass the ruleset, as they do
// where a container engine has loaded br_netfilter. False: not possible here.
func (b *box) bridgeNetfilter(on bool) bool {
	value := "0"
	if on {
		value = "1"
	}
	if err := b.gw.Sysctl("net/bridge/bridge-nf-call-iptables", value); err != nil {
		b.t.Logf("br_netfilter is not loaded: %v", err)
		return !on
	}
	return true
}

func TestLANListIsKept(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t)
		serve(t, b.net, 80)
		serve(t, b.cam, 515)
		serveUDP(t, b.net, 53)
		in := withList()
		in.LANs[1].Upstream, in.LANs[1].Usable = nil, nil
		b.turn(in)
		old := dialUDP(t, b.cam, internet+":53")
		if got := old.ask("100.64.1.2"); got != "100.64.1.2" {
			t.Fatalf("without a list the flow leaves by %q, want 100.64.1.2", got)
		}

		in = withList() // the flow's mark is now of an uplink that is not in the list
		in.Verify = addr(internet)
		in.Forwards = []router.Forward{{Proto: "tcp", Uplink: "wan", Port: 515, To: netip.MustParseAddrPort("192.168.6.12:515")}}
		b.turn(in)
		b.expect(b.pc, internet+":80", "100.64.1.2 80")
		b.expect(b.cam, internet+":80", "100.64.2.2 80")
		if got := old.ask("100.64.2.2"); got != "100.64.2.2" {
			t.Errorf("a flow from before the list leaves by %q, want 100.64.2.2", got)
		}
		b.expect(b.net, "100.64.1.2:515", "100.64.1.1 515") // a forward the operator made answers by its uplink

		in.Main, in.LANs[1].Usable, in.Kill = []string{"wan"}, nil, []string{"wan2"}
		b.turn(in)
		b.expect(b.cam, internet+":80", "refused")
		out, err := b.cam.Run(t.Context(), "ping", "-c1", "-W1", internet)
		if err == nil || !strings.Contains(out, "Packet filtered") {
			t.Errorf("ping of a LAN without a working uplink of its list: %s, want \"Packet filtered\"", out)
		}
		b.expect(b.pc, internet+":80", "100.64.1.2 80")
	})
}
