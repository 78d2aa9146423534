package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"luatnetd/internal/lab"
)

// client is the computer in the LAN. Everything the story claims is measured
// here, never taken from the daemon's own words.
type client struct {
	*lab.NS
	say *narrator

	mu          sync.Mutex // guards what DHCP said
	got, router netip.Addr // zero without a lease
}

// patience is how long a user waits for a page before trying again.
const patience = 2 * time.Second

// fetch opens the page of the virtual internet's web server by name, with a
// new connection, and returns the address that the server saw.
func (c *client) fetch(ctx context.Context) (netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	web := http.Client{Transport: &http.Transport{DialContext: c.dial, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+lab.PublicName+"/", nil)
	if err != nil {
		return netip.Addr{}, err
	}
	resp, err := web.Do(req)
	if err != nil {
		return netip.Addr{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 256))
	if err != nil {
		return netip.Addr{}, err
	}
	return netip.ParseAddr(strings.TrimSpace(string(body)))
}

// dial connects from the client's namespace; names are asked of
// its router.
func (c *client) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	_, router := c.leased() // it is the LAN's resolver, too
	if !router.IsValid() {
		return nil, errors.New("the client has no address")
	}
	resolver := net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return c.Dial("udp4", net.JoinHostPort(router.String(), "53"), patience)
	}}
	found, err := resolver.LookupNetIP(ctx, "ip4", host+".") // rooted: no search list of this machine
	if err != nil {
		return nil, err
	}
	return c.Dial("tcp4", net.JoinHostPort(found[0].String(), port), patience)
}

// sees waits until new connections of the client reach the internet through
// the uplink, and returns the address that the server sees.
func (d *demo) sees(ctx context.Context, limit time.Duration, name string) (seen netip.Addr, err error) {
	err = until(ctx, limit, func() error {
		seen, err = d.client.fetch(ctx)
		if err == nil && d.through(seen) != name {
			err = fmt.Errorf("the server sees %s, which is %s, want %s", seen, d.through(seen), name)
		}
		return err
	})
	return seen, err
}

// through is the uplink whose provider owns the address.
func (d *demo) through(a netip.Addr) string {
	for i, isp := range d.ISPs {
		if isp.Subnet.Contains(a) {
			return uplinks[i]
		}
	}
	return "no uplink"
}

// isp is the provider behind an uplink.
func (d *demo) isp(name string) *lab.ISP {
	for i, n := range uplinks {
		if n == name {
			return d.ISPs[i]
		}
	}
	return nil
}

// device is the gateway's device of an uplink.
func (d *demo) device(name string) string { return d.isp(name).Device }

// startMeters lets the client send a datagram each millisecond and open a new
// connection each 20 ms, until stopMeters.
func (d *demo) startMeters(ctx context.Context) (err error) {
	if d.meter, err = d.client.StartUDP(fmt.Sprintf("%s:%d", lab.WebAddr, lab.EchoPort), time.Millisecond); err != nil {
		return err
	}
	d.opens = d.client.StartConn(fmt.Sprintf("%s:%d", lab.WebAddr, lab.RPCPort), 20*time.Millisecond)
	if err := d.meter.Back(ctx, time.Now()); err != nil {
		return fmt.Errorf("before anything was done to a line: %w", err)
	}
	pause(ctx, 200*time.Millisecond)
	return nil
}

// measured is what the meters saw.
type measured struct {
	lab.UDPReport
	opened, failed int // new connections
}

// stopMeters lets the meters see what comes after the event, and reads them.
func (d *demo) stopMeters(ctx context.Context) (m measured) {
	if d.opens == nil && d.meter == nil {
		return m // none is running
	}
	pause(ctx, 300*time.Millisecond)
	if d.opens != nil {
		r := d.opens.Stop()
		m.opened, m.failed = r.Opened, len(r.Failed)
	}
	if d.meter != nil {
		m.UDPReport = d.meter.Stop(200 * time.Millisecond)
	}
	d.opens, d.meter = nil, nil
	return m
}

// unharmed is what is to be said when nothing may be lost.
func (m measured) unharmed() (string, error) {
	text := fmt.Sprintf("%d of %d packets lost, %d of %d new connections failed", m.Lost, m.Sent, m.failed, m.opened)
	if m.Lost > 0 || m.failed > 0 || m.Sent == 0 || m.opened == 0 {
		return "", fmt.Errorf("%s; want none", text)
	}
	return text, nil
}
