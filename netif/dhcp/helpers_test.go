package dhcp_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"luatnetd/internal/lab"
	"luatnetd/netif"
	"luatnetd/netif/dhcp"
	"luatnetd/netif/lease"
)

// wire joins eth0 of an ISP's namespace and a device of the test's own one.
func wire(t *testing.T, n *lab.Net, isp *lab.NS, ispDev, name string) {
	t.Helper()
	stage := n.MustNS(t, "stage-"+name)
	n.MustLink(t, isp, ispDev, stage, name)
	// By descriptor: the thread that the process id names may be in a lab's namespace.
	own, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	stage.MustDo(t, func() error {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		return netlink.LinkSetNsFd(l, int(own.Fd()))
	})
	setUp(t, name, true)
	t.Cleanup(func() {
		if l, err := netlink.LinkByName(name); err == nil {
			_ = netlink.LinkDel(l)
		}
	})
}

func setUp(t *testing.T, name string, on bool) {
	t.Helper()
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	change := netlink.LinkSetDown
	if on {
		change = netlink.LinkSetUp
	}
	if err := change(l); err != nil {
		t.Fatal(err)
	}
}

// run starts a client and a sensor for its device.
func run(t *testing.T, name string, table int, edit func(*dhcp.Config), record []byte) *uplink {
	t.Helper()
	u := &uplink{t: t, name: name, table: table, record: record, done: make(chan struct{})}
	cfg := dhcp.Config{
		Device: name, Lease: lease.Config{ProbeInterval: 50 * time.Millisecond},
		Load: func() ([]byte, error) { return record, nil },
		Save: func(b []byte) error {
			u.mu.Lock()
			defer u.mu.Unlock()
			u.record = b
			return nil
		},
		Log: slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if edit != nil {
		edit(&cfg)
	}
	u.client = dhcp.New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	u.stop = cancel
	var work sync.WaitGroup
	work.Go(func() {
		if err := u.client.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	work.Go(func() { sensor(ctx, t, name, u.client) })
	go func() { work.Wait(); close(u.done) }()
	t.Cleanup(u.end)
	return u
}

// end stops the client without a RELEASE and waits for everything of it.
func (u *uplink) end() {
	u.stop()
	<-u.done
}

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// sensor tells the client about its device, from the kernel's own messages.
func sensor(ctx context.Context, t *testing.T, name string, c *dhcp.Client) {
	updates, done := make(chan netlink.LinkUpdate, 64), make(chan struct{})
	if err := netlink.LinkSubscribeWithOptions(updates, done, netlink.LinkSubscribeOptions{ListExisting: true}); err != nil {
		t.Errorf("link subscription: %v", err)
		return
	}
	defer func() {
		close(done)
		for range updates { // closed by the library when its reader has ended
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case u := <-updates:
			a := u.Link.Attrs()
			if a.Name != name {
				continue
			}
			mac, _ := netif.MACFrom(a.HardwareAddr)
			c.Link(dhcp.Link{
				Present: u.Header.Type != unix.RTM_DELLINK, Index: a.Index, MAC: mac, MTU: a.MTU,
				Carrier: a.RawFlags&(unix.IFF_UP|unix.IFF_LOWER_UP) == unix.IFF_UP|unix.IFF_LOWER_UP,
			})
		}
	}
}

// event waits for the next one and does what the router room would.
func (u *uplink) event() dhcp.Event {
	u.t.Helper()
	select {
	case e := <-u.client.Events():
		u.apply(e)
		return e
	case <-time.After(patience):
		u.t.Fatalf("%s: no event, state %+v", u.name, u.client.Status())
		panic("unreachable")
	}
}

// renews checks a renewal, after what may still be going on (the gateway's
// answer to ARP may have come before the server's).
func (u *uplink) renews() {
	u.t.Helper()
	u.until(lease.Bound)
	for len(u.client.Events()) > 0 {
		u.event()
	}
	u.client.Renew()
	if e := u.event(); !e.Renewed {
		u.t.Errorf("%s: renewal: %+v", u.name, e)
	}
}

// quiet fails if an event comes within d.
func (u *uplink) quiet(d time.Duration) {
	u.t.Helper()
	select {
	case e := <-u.client.Events():
		u.t.Fatalf("%s: unexpected event %+v", u.name, e)
	case <-time.After(d):
	}
}

func (u *uplink) lease() netif.Lease {
	u.t.Helper()
	e := u.event()
	if e.Lease == nil {
		u.t.Fatalf("%s: no lease: %s", u.name, e.Reason)
	}
	return *e.Lease
}

// apply sets address, connected route, and the table that sockets bound to the
// device are routed by.
func (u *uplink) apply(e dhcp.Event) {
	u.t.Helper()
	if e.Renewed {
		return
	}
	l, err := netlink.LinkByName(u.name)
	if err != nil {
		return // gone: so are its addresses
	}
	old, err := netlink.AddrList(l, netlink.FAMILY_V4)
	if err != nil {
		u.t.Fatal(err)
	}
	for _, a := range old {
		if err := netlink.AddrDel(l, &a); err != nil {
			u.t.Fatal(err)
		}
	}
	if e.Lease == nil {
		return
	}
	addr, err := netlink.ParseAddr(e.Lease.Addr.String())
	if err != nil {
		u.t.Fatal(err)
	}
	if err := netlink.AddrAdd(l, addr); err != nil {
		u.t.Fatal(err)
	}
	rule := netlink.NewRule()
	rule.OifName, rule.Table, rule.Priority = u.name, u.table, u.table
	if err := netlink.RuleAdd(rule); err != nil && err != unix.EEXIST {
		u.t.Fatal(err)
	}
	route := &netlink.Route{LinkIndex: l.Attrs().Index, Table: u.table, Gw: e.Lease.Gateway.AsSlice(), Flags: int(netlink.FLAG_ONLINK)}
	if err := netlink.RouteReplace(route); err != nil {
		u.t.Fatal(err)
	}
}

func (u *uplink) until(s lease.State) {
	u.t.Helper()
	eventually(u.t, fmt.Sprintf("%s in %v", u.name, s), func() bool { return u.client.Status().State == s })
}

// eventually waits for something in the kernel or another process.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("never came: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
