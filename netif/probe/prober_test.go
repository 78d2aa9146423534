package probe

import (
	"context"
	"net/netip"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"luatnetd/internal/lab"
	"luatnetd/netif/health"
)

const (
	long  = 3 * time.Second        // for what must answer
	short = 300 * time.Millisecond // for what must not
)

// DEV-05: every kind of request, "http" among them.
func TestKinds(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.New(t)
		here := n.MustHere(t)
		serve(t, uplink(t, n, here, "wan1", 7601))
		p := prober(t)
		for _, tt := range []struct {
			name   string
			kind   health.Kind
			target string
			says   string // part of the reason; "" = alive
			change func(*Request)
		}{
			{"echo", health.ICMP, serverIP, "", nil},
			{"echo of the gateway", health.ICMP, gatewayIP, "", nil},
			{"echo without source", health.ICMP, serverIP, "", func(r *Request) { r.Source = netip.Addr{} }},
			{"echo over IPv6", health.ICMP, server6, "", func(r *Request) { r.Source = netip.MustParseAddr("2001:db8::10") }},
			{"echo into nothing", health.ICMP, "203.0.113.99", "no answer within 300ms", nil},
			{"echo with a source of the other family", health.ICMP, server6, "families differ", nil},
			{"echo target that is a name", health.ICMP, "example.org", "want an IP address", nil},

			{"accepted connection", health.TCP, serverIP + ":80", "", nil},
			{"refused by the world", health.TCP, serverIP + ":81", "", nil},
			{"refused by the gateway", health.TCP, gatewayIP + ":81", "gateway itself refused", nil},
			{"accepted by the gateway", health.TCP, gatewayIP + ":80", "", nil},
			{"connection into nothing", health.TCP, "203.0.113.99:80", "no answer within 300ms", nil},
			{"connection over IPv6", health.TCP, "[" + server6 + "]:80", "", func(r *Request) { r.Source = netip.MustParseAddr("2001:db8::10") }},
			{"connection target without port", health.TCP, serverIP, "a port", nil},

			{"name server", health.DNS, serverIP + ":53", "", nil},
			{"wrong identifier", health.DNS, serverIP + ":54", "no answer within 300ms", nil},
			{"server failure", health.DNS, serverIP + ":55", "SERVFAIL", nil},
			{"another question", health.DNS, serverIP + ":56", "no answer within 300ms", nil},
			{"our question sent back", health.DNS, serverIP + ":57", "no answer within 300ms", nil},
			{"no record", health.DNS, serverIP + ":58", "without any record", nil},
			{"nonsense", health.DNS, serverIP + ":59", "no answer within 300ms", nil},
			{"no name server", health.DNS, serverIP + ":60", "nobody listens", nil},
			{"name server into nothing", health.DNS, "203.0.113.99:53", "no answer within 300ms", nil},

			{"document", health.HTTP, "http://203.0.113.1/ok", "", nil},
			{"document over IPv6", health.HTTP, "http://[2001:db8::254]/ok", "", func(r *Request) { r.Source = netip.MustParseAddr("2001:db8::10") }},
			{"LuatOS's own check", health.HTTP, "http://203.0.113.1/resolve?short=1&name=baidu.com", "", nil},
			{"the same, empty", health.HTTP, "http://203.0.113.1/resolve?short=1&name=none", "captive portal?", nil},
			{"the same, a page", health.HTTP, "http://203.0.113.1/resolve?short=1&name=portal", "captive portal?", nil},
			{"LuatOS's other check", health.HTTP, "http://203.0.113.1/d?dn=baidu.com", "", nil},
			{"the same, a page instead", health.HTTP, "http://203.0.113.1/d?dn=portal", "captive portal?", nil},
			{"redirect", health.HTTP, "http://203.0.113.1/moved", `captive portal? redirected to "http://portal.example/login"`, nil},
			{"no content", health.HTTP, "http://203.0.113.1/generate_204", "", nil},
			{"content where none is due", health.HTTP, "http://203.0.113.1/portal/generate_204", "where 204", nil},
			{"log-in required", health.HTTP, "http://203.0.113.1/login", "log-in required", nil},
			{"busy", health.HTTP, "http://203.0.113.1/gone", "answered 503", nil},
			{"a mebibyte", health.HTTP, "http://203.0.113.1/huge", "", nil},
			{"hangs", health.HTTP, "http://203.0.113.1/slow", "no answer within 300ms", nil},
			{"nobody there", health.HTTP, "http://203.0.113.1:81/ok", "nobody listens", nil},
			{"document into nothing", health.HTTP, "http://203.0.113.99/ok", "no answer within 300ms", nil},
			{"name in the URL", health.HTTP, "http://example.org/ok", "want an IP address as host", nil},
			{"not plain", health.HTTP, "https://203.0.113.1/ok", "want http://", nil},

			{"gateway by ARP", health.Gateway, "", "", nil},
			{"gateway by ARP without source", health.Gateway, "", "", func(r *Request) { r.Source = netip.Addr{} }},
			{"gateway that is away", health.Gateway, "", "no answer within 300ms", func(r *Request) { r.Gateway = netip.MustParseAddr("192.0.2.253") }},
			{"gateway over IPv6", health.Gateway, "", "", func(r *Request) {
				r.Gateway, r.Source = netip.MustParseAddr(server6), netip.Addr{}
			}},
			{"no gateway", health.Gateway, "", "has no gateway", func(r *Request) { r.Gateway = netip.Addr{} }},

			{"device gone", health.ICMP, serverIP, "device wwan0: no such device", func(r *Request) { r.Device = "wwan0" }},
			{"device gone, TCP", health.TCP, serverIP + ":80", "device wwan0: no such device", func(r *Request) { r.Device = "wwan0" }},
			{"device gone, gateway", health.Gateway, "", "device wwan0: no such device", func(r *Request) { r.Device = "wwan0" }},
			{"address lost", health.DNS, serverIP + ":53", "source 192.0.2.77 on device wan1", func(r *Request) { r.Source = netip.MustParseAddr("192.0.2.77") }},
			{"no route", health.TCP, "[2001:db8:ffff::1]:80", "no route through wan1", func(r *Request) { r.Source = netip.Addr{} }},
			{"unknown kind", "smoke", "", "unknown kind", nil},
		} {
			t.Run(tt.name, func(t *testing.T) {
				timeout := long
				if strings.Contains(tt.says, "300ms") {
					timeout = short
				}
				r := request("wan1", tt.kind, tt.target, 70000, timeout)
				if tt.change != nil {
					tt.change(&r)
				}
				res := ask(t, p, r)
				if res.OK != (tt.says == "") || !strings.Contains(res.Reason, tt.says) || res.OK != (res.Reason == "") {
					t.Errorf("ok %v, reason %q; want one saying %q", res.OK, res.Reason, tt.says)
				}
				took := res.At.Sub(res.Sent)
				if res.OK && (res.RTT <= 0 || res.RTT > took) {
					t.Errorf("RTT %v of a probe that took %v", res.RTT, took)
				}
				if took > timeout+time.Second {
					t.Errorf("the probe took %v with a timeout of %v", took, timeout)
				}
			})
		}
	})
}

// DEV-05: a check belongs to its device, whatever the addresses say.
func TestSameAddressOnTwoUplinks(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.New(t)
		here := n.MustHere(t)
		uplink(t, n, here, "wan1", 7601) // nobody is behind it
		serve(t, uplink(t, n, here, "wan2", 7602))
		p := prober(t)
		for _, r := range []struct {
			kind   health.Kind
			target string
		}{
			{health.ICMP, serverIP}, {health.TCP, serverIP + ":80"}, {health.DNS, serverIP + ":53"},
			{health.HTTP, "http://203.0.113.1/ok"}, {health.Gateway, ""},
		} {
			t.Run(string(r.kind), func(t *testing.T) {
				for _, wan := range []string{"wan1", "wan2", "wan1"} {
					timeout := map[string]time.Duration{"wan1": short, "wan2": long}[wan]
					if res := ask(t, p, request(wan, r.kind, r.target, 1, timeout)); res.OK != (wan == "wan2") {
						t.Errorf("%s: ok %v (%s)", wan, res.OK, res.Reason)
					}
				}
			})
		}
	})
}

// A modem in raw IP mode has no ARP: the gateway is then asked by an echo.
func TestGatewayWithoutARP(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.New(t)
		here := n.MustHere(t)
		isp := uplink(t, n, here, "wan1", 7601)
		serve(t, isp)
		l, err := netlink.LinkByName("wan1")
		must(t, err)
		must(t, netlink.LinkSetARPOff(l))
		// Without ARP the kernel sends to its own address: both ends get the same.
		must(t, isp.Do(func() error {
			peer, err := netlink.LinkByName("eth0")
			if err != nil {
				return err
			}
			if err := netlink.LinkSetHardwareAddr(peer, l.Attrs().HardwareAddr); err != nil {
				return err
			}
			return netlink.LinkSetARPOff(peer)
		}))
		p := prober(t)
		if res := ask(t, p, request("wan1", health.Gateway, "", 1, long)); !res.OK {
			t.Errorf("gateway without ARP: %s", res.Reason)
		}
		must(t, isp.Sysctl("net/ipv4/icmp_echo_ignore_all", "1"))
		if res := ask(t, p, request("wan1", health.Gateway, "", 2, short)); res.OK {
			t.Error("a gateway that answers nothing is alive")
		}
	})
}

func TestDeviceDown(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.New(t)
		here := n.MustHere(t)
		serve(t, uplink(t, n, here, "wan1", 7601))
		p := prober(t)
		must(t, here.SetUp("wan1", false))
		for _, kind := range []health.Kind{health.ICMP, health.Gateway} {
			res := ask(t, p, request("wan1", kind, serverIP, 1, short))
			if res.OK || res.Reason == "" || strings.Contains(res.Reason, "no answer") {
				t.Errorf("%s: ok %v, reason %q; want the reason at once", kind, res.OK, res.Reason)
			}
		}
	})
}

func TestBounds(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.New(t)
		here := n.MustHere(t)
		serve(t, uplink(t, n, here, "wan1", 7601))
		p := prober(t)
		// 100 probes into nothing: 64 run, the others are refused at once; nobody
		// takes results, so the oldest 36 are dropped.
		for i := range 100 {
			p.Start(t.Context(), request("wan1", health.ICMP, "203.0.113.99", uint64(i), short))
		}
		p.Wait()
		var silent, refused int
		for len(p.Results()) > 0 {
			switch res := <-p.Results(); {
			case res.OK:
				t.Errorf("probe %d into nothing is alive", res.Seq)
			case strings.Contains(res.Reason, "under way"):
				refused++
			default:
				silent++
			}
		}
		if silent != 64 || refused != 0 {
			t.Errorf("%d results of probes, %d refusals; want the latest 64, which are probes", silent, refused)
		}
		if res := ask(t, p, request("wan1", health.ICMP, serverIP, 1, long)); !res.OK {
			t.Errorf("probe after the flood: %s", res.Reason)
		}
	})
}

// Every kind, alive and dead, gives its descriptors back by itself: finalizers
// are kept from doing it.
func TestNoDescriptorIsLeft(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.New(t)
		here := n.MustHere(t)
		serve(t, uplink(t, n, here, "wan1", 7601))
		p := prober(t)
		kinds := []struct {
			kind   health.Kind
			target string
		}{
			{health.ICMP, serverIP}, {health.ICMP, "203.0.113.99"}, {health.TCP, serverIP + ":80"}, {health.TCP, serverIP + ":81"},
			{health.DNS, serverIP + ":53"}, {health.DNS, serverIP + ":60"}, {health.HTTP, "http://203.0.113.1/ok"},
			{health.HTTP, "http://203.0.113.1/slow"}, {health.Gateway, ""},
		}
		round := func() {
			for _, k := range kinds {
				p.Start(t.Context(), request("wan1", k.kind, k.target, 1, short))
			}
			p.Wait()
		}
		round() // what is opened once for all
		defer debug.SetGCPercent(debug.SetGCPercent(-1))
		files := openFiles(t)
		for range 10 {
			round()
		}
		left := openFiles(t)
		for start := time.Now(); left > files && time.Since(start) < 5*time.Second; left = openFiles(t) {
			time.Sleep(10 * time.Millisecond) // the server, in this process too, closes its ends
		}
		if left > files {
			t.Errorf("%d descriptors after ten rounds of probes, %d before", left, files)
		}
	})
}

func TestRefusalIsAResult(t *testing.T) {
	p := New(Options{})
	for range maxInFlight {
		p.slots <- struct{}{}
	}
	p.Start(t.Context(), request("wan1", health.ICMP, serverIP, 7, short))
	select {
	case res := <-p.Results():
		if res.OK || !strings.Contains(res.Reason, "64 probes are under way") || res.Seq != 7 {
			t.Errorf("result %+v", res)
		}
	default:
		t.Error("no result at once")
	}
}

func TestCancelledProbeTellsNothing(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.New(t)
		here := n.MustHere(t)
		serve(t, uplink(t, n, here, "wan1", 7601))
		p := prober(t)
		ctx, cancel := context.WithCancel(t.Context())
		for _, r := range []struct {
			kind   health.Kind
			target string
		}{
			{health.ICMP, "203.0.113.99"}, {health.TCP, "203.0.113.99:80"}, {health.DNS, "203.0.113.99:53"},
			{health.HTTP, "http://203.0.113.1/slow"}, {health.HTTP, "http://203.0.113.99/"},
		} {
			p.Start(ctx, request("wan1", r.kind, r.target, 1, 30*time.Second))
		}
		away := request("wan1", health.Gateway, "", 1, 30*time.Second)
		away.Gateway = netip.MustParseAddr("192.0.2.253")
		p.Start(ctx, away)
		cancel()
		ended := make(chan struct{})
		go func() { p.Wait(); close(ended) }()
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			t.Fatal("probes did not end with their context")
		}
		if n := len(p.Results()); n != 0 {
			t.Errorf("%d results of cancelled probes", n)
		}
	})
}
