package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/net/dns/dnsmessage"
)

// The addresses of the virtual internet. None of them leaves the lab.
const (
	WebAddr  = "203.0.113.10"    // the web, echo and request servers (RFC 5737)
	EchoPort = 7                 // UDP: sends every datagram back
	RPCPort  = 8                 // TCP: answers every byte with a byte
	WebPort  = 80                // HTTP: answers the caller's address
	PushPort = 9                 // TCP: sends eight bytes each 10 ms
	HostName = "www.example.com" // what the lab's DNS servers know
)

// PublicAddrs are the well-known resolvers that the default probe targets
// name; the virtual internet answers for them.
var PublicAddrs = []string{"1.1.1.1", "8.8.8.8", "223.5.5.5", "119.29.29.29", "114.114.114.114"}

// World is a virtual internet: a server, providers, a gateway with one uplink
// to each provider, and a LAN client.
//
//	client ─lan─ gateway ─wan1─ isp1 ─┐
//	                     ─wan2─ isp2 ─┴─ server
type World struct {
	*Net
	Server, Gateway, Client *NS
	ISPs                    []*ISP

	closers []io.Closer
}

// ISP is one provider. Its side of the uplink has address .1 of Subnet.
type ISP struct {
	*NS
	Device  string       // the gateway's device towards it: wan1, wan2, …
	Subnet  netip.Prefix // of the uplink
	Gateway netip.Addr   // its address on the uplink
}

// NewWorld builds the virtual internet with n providers (at most 9). The gateway
// has devices wan1…wanN and lan1, none of them configured; the client has eth0.
func NewWorld(dir string, n int) (*World, error) { return newWorld(dir, n, (*Net).NS) }

// NewWorldHere is NewWorld with the gateway in the process's own namespace, the
// one in which USB devices appear: for a process that has a machine to itself.
func NewWorldHere(dir string, n int) (*World, error) {
	_ = os.Setenv(inside, "1")
	if err := prepare(); err != nil {
		return nil, err
	}
	return newWorld(dir, n, func(base *Net, name string) (*NS, error) {
		ns, err := base.Here()
		if err != nil {
			return nil, err
		}
		ns.Name, ns.dir = name, filepath.Join(dir, name)
		return ns, ns.files()
	})
}

// newWorld builds a world; gateway makes the gateway's namespace.
func newWorld(dir string, n int, gateway func(*Net, string) (*NS, error)) (*World, error) {
	base, err := NewIn(dir)
	if err != nil {
		return nil, err
	}
	w := &World{Net: base}
	if err := w.build(n, gateway); err != nil {
		w.Close()
		return nil, fmt.Errorf("build the virtual internet: %w", err)
	}
	return w, nil
}

func (w *World) build(n int, gateway func(*Net, string) (*NS, error)) (err error) {
	if w.Gateway, err = gateway(w.Net, "gateway"); err != nil {
		return err
	}
	for _, ns := range []struct {
		name string
		into **NS
	}{{"server", &w.Server}, {"client", &w.Client}} {
		if *ns.into, err = w.NS(ns.name); err != nil {
			return err
		}
	}
	if err := w.Link(w.Client, "eth0", w.Gateway, "lan1"); err != nil {
		return err
	}
	for _, a := range append([]string{WebAddr}, PublicAddrs...) {
		if err := w.Server.AddAddr("lo", a+"/32"); err != nil {
			return err
		}
	}
	for i := 1; i <= n; i++ {
		if err := w.addISP(i); err != nil {
			return err
		}
	}
	return w.serve()
}

func (w *World) addISP(i int) error {
	ns, err := w.NS(fmt.Sprintf("isp%d", i))
	if err != nil {
		return err
	}
	isp := &ISP{NS: ns, Device: fmt.Sprintf("wan%d", i)}
	isp.Subnet = netip.MustParsePrefix(fmt.Sprintf("100.64.%d.0/24", i)) // RFC 6598
	isp.Gateway = isp.Subnet.Addr().Next()
	up := fmt.Sprintf("eth%d", i)
	steps := []func() error{
		func() error { return w.Link(w.Gateway, isp.Device, ns, "down0") },
		func() error { return w.Link(ns, "up0", w.Server, up) },
		func() error { return ns.AddAddr("down0", isp.Gateway.String()+"/24") },
		func() error { return ns.AddAddr("up0", fmt.Sprintf("198.18.%d.2/30", i)) },
		func() error { return w.Server.AddAddr(up, fmt.Sprintf("198.18.%d.1/30", i)) },
		func() error { return ns.AddRoute("default", fmt.Sprintf("198.18.%d.1", i)) },
		func() error { return w.Server.AddRoute(isp.Subnet.String(), fmt.Sprintf("198.18.%d.2", i)) },
		func() error { return ns.Sysctl("net/ipv4/ip_forward", "1") },
		isp.validate,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	w.ISPs = append(w.ISPs, isp)
	return nil
}

// counterName holds the packets that came from the customer with a source that
// is not his: private addresses or another provider's.
const counterName = "foreign"

// validate makes the provider do what access networks do: drop packets whose
// source is not in the customer's subnet, and count them.
func (p *ISP) validate() error {
	return p.Do(func() error {
		c, err := nftables.New()
		if err != nil {
			return err
		}
		t := c.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "isp"})
		c.AddObj(&nftables.CounterObj{Table: t, Name: counterName})
		ch := c.AddChain(&nftables.Chain{Name: "c_forward", Table: t, Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityRaw})
		subnet := p.Subnet.Addr().As4()
		c.AddRule(&nftables.Rule{Table: t, Chain: ch, Exprs: []expr.Any{
			&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: ifname("down0")},
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 3},
			&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: subnet[:3]},
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 4},
			&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: []byte{0, 0, 0, 0}}, // a DHCP client has no address yet
			&expr.Objref{Type: 1, Name: counterName},
			&expr.Verdict{Kind: expr.VerdictDrop},
		}})
		return c.Flush()
	})
}

func ifname(name string) []byte {
	b := make([]byte, 16)
	copy(b, name)
	return b
}

// Foreign is how many packets with a private or foreign source the provider
// has seen from the customer.
func (p *ISP) Foreign() (packets uint64, err error) {
	err = p.Do(func() error {
		c, err := nftables.New()
		if err != nil {
			return err
		}
		obj, err := c.GetObject(&nftables.CounterObj{Table: &nftables.Table{Family: nftables.TableFamilyIPv4, Name: "isp"}, Name: counterName})
		if err != nil {
			return err
		}
		packets = obj.(*nftables.CounterObj).Packets
		return nil
	})
	return packets, err
}

// Cut pulls the cable of the uplink: the gateway loses carrier.
func (p *ISP) Cut() error { return p.SetUp("down0", false) }

// Restore plugs the cable in again.
func (p *ISP) Restore() error { return p.SetUp("down0", true) }

// Blackhole makes the provider answer but carry nothing behind it.
func (p *ISP) Blackhole(on bool) error {
	if on {
		return p.Sysctl("net/ipv4/ip_forward", "0")
	}
	return p.Sysctl("net/ipv4/ip_forward", "1")
}

// serve starts the servers of the internet side.
func (w *World) serve() error {
	return w.Server.Do(func() error {
		echo, err := net.ListenPacket("udp4", fmt.Sprintf("%s:%d", WebAddr, EchoPort))
		if err != nil {
			return err
		}
		w.closers = append(w.closers, echo)
		go echoUDP(echo)
		for port, serve := range map[int]func(net.Conn){RPCPort: echoTCP, PushPort: pushTCP} {
			l, err := net.Listen("tcp4", fmt.Sprintf("%s:%d", WebAddr, port))
			if err != nil {
				return err
			}
			w.closers = append(w.closers, l)
			go acceptAll(l, serve)
		}
		for _, a := range append([]string{WebAddr}, PublicAddrs...) {
			if err := w.serveAddr(a); err != nil {
				return err
			}
		}
		return nil
	})
}

// serveAddr answers HTTP and DNS on one address of the server.
func (w *World) serveAddr(addr string) error {
	l, err := net.Listen("tcp4", fmt.Sprintf("%s:%d", addr, WebPort))
	if err != nil {
		return err
	}
	w.closers = append(w.closers, l)
	srv := &http.Server{Handler: http.HandlerFunc(web), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(l) }()
	for _, port := range []int{53, 443} {
		tcp, err := net.Listen("tcp4", fmt.Sprintf("%s:%d", addr, port))
		if err != nil {
			return err
		}
		w.closers = append(w.closers, tcp)
		go acceptAll(tcp, answerDNSTCP)
	}
	udp, err := net.ListenPacket("udp4", addr+":53")
	if err != nil {
		return err
	}
	w.closers = append(w.closers, udp)
	go answerDNS(udp)
	return nil
}

// Close ends the servers, the programs and the namespaces.
func (w *World) Close() {
	for _, c := range w.closers {
		_ = c.Close()
	}
	w.Net.Close()
}

func echoUDP(c net.PacketConn) {
	buf := make([]byte, 2048)
	for {
		n, from, err := c.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			_, _ = c.WriteTo(buf[:n], from)
		}
	}
}

func acceptAll(l net.Listener, serve func(net.Conn)) {
	var wg sync.WaitGroup
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		wg.Go(func() {
			defer c.Close()
			serve(c)
		})
	}
}

func echoTCP(c net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}

func pushTCP(c net.Conn) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for n := uint64(0); ; n++ {
		<-tick.C
		if _, err := c.Write(binary.BigEndian.AppendUint64(nil, n)); err != nil {
			return
		}
	}
}

// web answers with the caller's address, and as the HTTP probe expects where
// it is asked like LuatOS's httpdns.
func web(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/resolve":
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintln(w, `["203.0.113.10"]`)
	case "/generate_204":
		w.WriteHeader(http.StatusNoContent)
	default:
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		fmt.Fprintln(w, host)
	}
}

func answerDNS(c net.PacketConn) {
	buf := make([]byte, 2048)
	for {
		n, from, err := c.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if reply := dnsReply(buf[:n]); err == nil && reply != nil {
			_, _ = c.WriteTo(reply, from)
		}
	}
}

func answerDNSTCP(c net.Conn) {
	for {
		var length uint16
		if binary.Read(c, binary.BigEndian, &length) != nil {
			return
		}
		msg := make([]byte, length)
		if _, err := io.ReadFull(c, msg); err != nil {
			return
		}
		reply := dnsReply(msg)
		if reply == nil {
			return
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)); err != nil {
			return
		}
	}
}

// dnsReply knows HostName and the root's name servers.
func dnsReply(query []byte) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(query)
	if err != nil {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: h.ID, Response: true, RecursionDesired: h.RecursionDesired, RecursionAvailable: true}, Questions: []dnsmessage.Question{q}}
	rr := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 60}
	switch {
	case q.Name.String() == HostName+"." && q.Type == dnsmessage.TypeA:
		m.Answers = []dnsmessage.Resource{{Header: rr, Body: &dnsmessage.AResource{A: netip.MustParseAddr(WebAddr).As4()}}}
	case q.Name.String() == "." && q.Type == dnsmessage.TypeNS:
		m.Answers = []dnsmessage.Resource{{Header: rr, Body: &dnsmessage.NSResource{NS: dnsmessage.MustNewName("a.root-servers.net.")}}}
	case q.Name.String() != HostName+".":
		m.Header.RCode = dnsmessage.RCodeNameError
	}
	b, err := m.Pack()
	if err != nil {
		return nil
	}
	return b
}
