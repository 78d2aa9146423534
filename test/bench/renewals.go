package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"luatnetd/internal/lab"
)

// renewals asks for one renewal of a lease after the other under a stream of
// 1,000 datagrams a second: nothing may be lost, no address or route deleted.
func renewals(opt options) ([]figure, error) {
	r, err := newRig(opt, false)
	if err != nil {
		return nil, err
	}
	defer r.close()
	server, err := r.leased()
	if err != nil {
		return nil, err
	}
	control, err := r.watch(200*time.Millisecond, time.Second, nothing)
	if err != nil {
		return nil, err
	}
	deleted, err := r.deletions()
	if err != nil {
		return nil, err
	}
	n := opt.rounds(20)
	v, err := r.watch(200*time.Millisecond, 300*time.Millisecond, func() error {
		for range n {
			if err := r.renew(server); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	gone, err := deleted()
	if err != nil {
		return nil, err
	}
	ended := v.tcp.Resets + v.tcp.Timeouts + v.failed
	udp := count("renewals-udp-lost", "datagrams", v.udp.Lost, n, "0 lost over 20 renewals", v.udp.Lost == 0)
	udp.ControlP99 = float64(control.udp.Lost)
	return []figure{
		udp, count("renewals-tcp-ended", "sessions", ended, n, "0 ended, no new connection failed", ended == 0),
		count("renewals-deleted", "messages", gone, n, "no address, route or rule deleted", gone == 0),
	}, nil
}

// leased starts the box with a lease on wan1, from dnsmasq.
func (r *rig) leased() (*lab.Proc, error) {
	isp := r.ISPs[0]
	p, err := isp.Start(nil, "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--port=0", "--no-ping",
		"--interface=down0", "--bind-interfaces", "--except-interface=lo", "--log-dhcp", "--log-facility=-",
		"--dhcp-range=100.64.1.50,100.64.1.99,255.255.255.0,2m", "--dhcp-leasefile="+isp.Dir()+"/leases", "--pid-file=")
	if err != nil {
		return nil, err
	}
	dhcp := strings.NewReplacer("100.64.1.2/24", "dhcp", "gateway = \"100.64.1.1\"\n", "").Replace(uplinkText(1, ""))
	if err := r.Write(dhcp + uplinkText(2, "") + lanText); err != nil {
		return nil, err
	}
	return p, r.up()
}

// renew asks for a renewal and waits until the server has answered, and for as
// long as the daemon needs to read the answer and to act on it.
func (r *rig) renew(server *lab.Proc) error {
	const answer = "DHCPACK("
	before := strings.Count(server.Output(), answer)
	if _, err := r.API.Post(context.Background(), "uplink", "wan1", "renew"); err != nil {
		return err
	}
	err := lab.Poll(5*time.Second, func() error {
		if strings.Count(server.Output(), answer) == before {
			return fmt.Errorf("dnsmasq has not answered a renewal")
		}
		return nil
	})
	time.Sleep(50 * time.Millisecond)
	return err
}

// deletions follows rtnetlink with iproute2; the function it returns says how
// many addresses, routes and rules were deleted since. A foreign route, deleted
// last, shows that the messages were seen to the end.
func (r *rig) deletions() (func() (int, error), error) {
	p, err := r.Gateway.Start(nil, "ip", "-4", "monitor", "address", "route", "rule")
	if err != nil {
		return nil, err
	}
	seen := func(dst string) error {
		return lab.Poll(5*time.Second, func() error {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			for _, do := range []string{"add", "del"} {
				if out, err := r.Gateway.Run(ctx, "ip", "route", do, dst, "dev", "lan1", "table", "999"); err != nil {
					return fmt.Errorf("%w: %s", err, out)
				}
			}
			time.Sleep(20 * time.Millisecond)
			if !strings.Contains(p.Output(), "Deleted "+dst) {
				return fmt.Errorf("ip monitor has not shown that %s was deleted", dst)
			}
			return nil
		})
	}
	if err := seen("198.51.100.1"); err != nil { // it listens from here on
		return nil, err
	}
	return func() (n int, err error) {
		err = seen("198.51.100.2")
		for l := range strings.Lines(p.Output()) {
			if strings.HasPrefix(l, "Deleted") && !strings.Contains(l, "198.51.100.") {
				n++
			}
		}
		return n, err
	}, nil
}
