package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"luatnetd/internal/lab"
)

// peerName is the program that does the same job in the same run: dhcpcd gives
// two uplinks metrics in the order of its command line and takes the routes of
// one without carrier away. It does not check uplinks; masquerading is a static
// table beside it.
const peerName = "dhcpcd"

// peerSettle is how long a flow is watched after the fault. What has not come
// back by then counts as this long.
const peerSettle = 3 * time.Second

// newPeer builds the same box with the peer in our place.
func newPeer(opt options) (*rig, error) {
	r, err := newRig(opt, false)
	if err != nil {
		return nil, err
	}
	conf := "nodev\nduid\nnohook resolv.conf\nnoarp\nipv4only\n"
	for n := 1; n <= 2; n++ {
		conf += fmt.Sprintf("interface wan%d\nmetric %d\nstatic ip_address=100.64.%d.2/24\nstatic routers=100.64.%d.1\n", n, 100+n, n, n)
	}
	file := filepath.Join(r.dir, "dhcpcd.conf")
	err = os.WriteFile(file, []byte(conf), 0o644)
	if err == nil {
		err = r.Gateway.AddAddr("lan1", "192.168.5.1/24")
	}
	if err == nil {
		err = r.Gateway.Sysctl("net/ipv4/ip_forward", "1")
	}
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_, err = r.Gateway.Run(ctx, "nft", "table ip nat { chain post { type nat hook postrouting priority srcnat; oifname \"wan*\" masquerade; }; }")
	}
	if err == nil {
		var p *lab.Proc
		if p, err = r.Gateway.Start(nil, "dhcpcd", "-B", "-f", file, "wan1", "wan2"); err == nil {
			if err = r.leavesBy("wan1"); err != nil {
				err = fmt.Errorf("%w\n%s", err, p.Output())
			}
		}
	}
	if err != nil {
		r.close()
		return nil, fmt.Errorf("peer %s: %w", peerName, err)
	}
	return r, nil
}

// leavesBy waits until the kernel's path to the internet is the device.
func (r *rig) leavesBy(device string) error {
	return lab.Poll(20*time.Second, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		out, err := r.Gateway.Run(ctx, "ip", "route", "get", lab.WebAddr)
		if err == nil && !strings.Contains(out, " dev "+device+" ") {
			err = fmt.Errorf("the path is %s", strings.TrimSpace(out))
		}
		return err
	})
}

// peerLosses pulls the cable under the peer; the control is the same rig with
// nothing happening.
func peerLosses(opt options, n int) (*series, error) {
	r, err := newPeer(opt)
	if err != nil {
		return nil, err
	}
	defer r.close()
	s := &series{}
	for range n {
		v, err := r.watch(150*time.Millisecond, peerSettle, r.ISPs[0].Cut)
		if err != nil {
			return nil, err
		}
		s.add(v)
		if err := r.ISPs[0].Restore(); err != nil {
			return nil, err
		}
		if err := r.leavesBy("wan1"); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// beside notes the peer's median in a figure.
func (f figure) beside(values []float64) figure {
	f.Peer, f.PeerP50 = peerName, at(values, 50)
	return f
}
