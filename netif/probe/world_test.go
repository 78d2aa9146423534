package probe

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"luatnetd/internal/lab"
	"luatnetd/netif/health"
)

func TestMain(m *testing.M) { lab.Main(m) }

const (
	gatewayIP = "192.0.2.254"
	serverIP  = "203.0.113.1"
	server6   = "2001:db8::254"
	source    = "192.0.2.10"
)

// uplink is a device wan with a provider behind it. Every uplink has the same
// address, subnet and gateway: the device tells them apart and nothing else.
func uplink(t *testing.T, n *lab.Net, here *lab.NS, wan string, table int) *lab.NS {
	t.Helper()
	isp := n.MustNS(t, wan)
	n.MustLink(t, here, wan, isp, "eth0")
	must(t, here.AddAddr(wan, source+"/24"))
	must(t, here.Do(func() error {
		l, err := netlink.LinkByName(wan)
		if err != nil {
			return err
		}
		for _, a := range []string{"2001:db8::10/64"} {
			addr, err := netlink.ParseAddr(a)
			if err != nil {
				return err
			}
			addr.Flags = unix.IFA_F_NODAD
			if err := netlink.AddrAdd(l, addr); err != nil {
				return err
			}
		}
		_, all, _ := net.ParseCIDR("0.0.0.0/0")
		if err := netlink.RouteAdd(&netlink.Route{
			Dst: all, Gw: net.ParseIP(gatewayIP), LinkIndex: l.Attrs().Index, Table: table, Flags: int(netlink.FLAG_ONLINK),
		}); err != nil {
			return err
		}
		r := netlink.NewRule()
		r.OifName, r.Table, r.Priority, r.Family = wan, table, table, unix.AF_INET
		return netlink.RuleAdd(r)
	}))
	return isp
}

// serve makes the provider alive: gateway, echo, web, DNS.
func serve(t *testing.T, isp *lab.NS) {
	t.Helper()
	must(t, isp.AddAddr("eth0", gatewayIP+"/24"))
	must(t, isp.AddAddr("lo", serverIP+"/32"))
	must(t, isp.Do(func() error {
		l, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		addr, err := netlink.ParseAddr(server6 + "/64")
		if err != nil {
			return err
		}
		addr.Flags = unix.IFA_F_NODAD
		return netlink.AddrAdd(l, addr)
	}))
	web(t, isp)
	for port, answer := range dnsServers {
		datagrams(t, isp, port, answer)
	}
}

func web(t *testing.T, isp *lab.NS) {
	t.Helper()
	mux := http.NewServeMux()
	say := func(path string, code int, body string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = fmt.Fprint(w, body)
		})
	}
	mux.HandleFunc("/resolve", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, map[string]string{"baidu.com": `["39.156.70.37","110.242.69.21"]`, "none": `[]`, "portal": "<html>log in</html>"}[r.URL.Query().Get("name")])
	})
	mux.HandleFunc("/d", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, map[string]string{"baidu.com": "39.156.70.37;110.242.69.21", "portal": "<html>"}[r.URL.Query().Get("dn")])
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://portal.example/login", http.StatusFound)
	})
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	say("/ok", 200, "hello")
	say("/gone", 503, "busy")
	say("/generate_204", 204, "")
	say("/portal/generate_204", 200, "<html>log in</html>")
	say("/login", 511, "log in")
	say("/huge", 200, strings.Repeat("x", 1<<20))
	srv := &http.Server{Handler: mux}
	must(t, isp.Do(func() error {
		l, err := net.Listen("tcp", ":80")
		if err != nil {
			return err
		}
		go func() { _ = srv.Serve(l) }()
		return nil
	}))
	t.Cleanup(func() { _ = srv.Close() })
}

// dnsServers are answers by port: what each makes of a query.
var dnsServers = map[int]func(query []byte) []byte{
	53: func(q []byte) []byte { return answer(q, func(*dnsmessage.Message) {}) },
	54: func(q []byte) []byte { return answer(q, func(m *dnsmessage.Message) { m.ID++ }) },
	55: func(q []byte) []byte {
		return answer(q, func(m *dnsmessage.Message) { m.RCode, m.Answers = dnsmessage.RCodeServerFailure, nil })
	},
	56: func(q []byte) []byte {
		return answer(q, func(m *dnsmessage.Message) { m.Questions[0].Name = dnsmessage.MustNewName("example.") })
	},
	57: func(q []byte) []byte { return answer(q, func(m *dnsmessage.Message) { m.Response = false }) },
	58: func(q []byte) []byte { return answer(q, func(m *dnsmessage.Message) { m.Answers = nil }) },
	59: func(q []byte) []byte { return []byte("nonsense") },
}

func answer(query []byte, change func(*dnsmessage.Message)) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil {
		return nil
	}
	m.Response = true
	m.Answers = []dnsmessage.Resource{{
		Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 60},
		Body:   &dnsmessage.NSResource{NS: dnsmessage.MustNewName("a.root-servers.net.")},
	}}
	change(&m)
	b, _ := m.Pack()
	return b
}

// datagrams answers UDP datagrams in the namespace until the test ends.
func datagrams(t *testing.T, ns *lab.NS, port int, f func([]byte) []byte) {
	t.Helper()
	must(t, ns.Do(func() error {
		// Bound to the address, or the answer would leave with another one.
		c, err := net.ListenPacket("udp", fmt.Sprintf("%s:%d", serverIP, port))
		if err != nil {
			return err
		}
		t.Cleanup(func() { _ = c.Close() })
		go func() {
			buf := make([]byte, 2048)
			for {
				n, from, err := c.ReadFrom(buf)
				if err != nil {
					return
				}
				_, _ = c.WriteTo(f(buf[:n]), from)
			}
		}()
		return nil
	}))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// prober makes a prober whose goroutines must be gone at the end.
func prober(t *testing.T) *Prober {
	t.Helper()
	p := New(Options{})
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		p.Wait()
		if err := goleak.Find(before); err != nil {
			t.Error(err)
		}
	})
	return p
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(list)
}

func request(wan string, kind health.Kind, target string, seq uint64, timeout time.Duration) Request {
	return Request{
		Uplink: "up-" + wan, Device: wan, Mark: 0x100, Source: netip.MustParseAddr(source), Gateway: netip.MustParseAddr(gatewayIP),
		Request: health.Request{Target: health.Target{Kind: kind, Address: target}, Seq: seq, Timeout: timeout},
	}
}

// ask runs one probe to its end.
func ask(t *testing.T, p *Prober, r Request) Result {
	t.Helper()
	p.Start(context.Background(), r)
	select {
	case res := <-p.Results():
		if res.Uplink != r.Uplink || res.Target != r.Target || res.Seq != r.Seq {
			t.Fatalf("result %+v does not belong to %+v", res, r)
		}
		return res
	case <-time.After(r.timeout() + 2*time.Second):
		t.Fatalf("no result of %+v two seconds after its timeout", r)
		return Result{}
	}
}
