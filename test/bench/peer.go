package main

import (
	"context"
	"errors"
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

// peerSettle is how long a flow of the peer's is watched after the fault to find
// its gap, in rounds of their own. What has not come back by then counts as
// this long.
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

// peerSeries is what the peer did, in ms, each above the median of controls
// that were made in the peer's own box and as long as what they are taken from.
type peerSeries struct {
	udp, tcp []float64
	clean, n int // rounds without a failed new connection, watched as long as ours
}

// peerLosses pulls the cable under the peer: n rounds watched as long as ours
// for new connections, and n rounds watched longer for gaps, each of these
// beside a control.
func peerLosses(opt options, n int) (peerSeries, error) {
	r, err := newPeer(opt)
	if err != nil {
		return peerSeries{}, err
	}
	defer r.close()
	gaps, conns := &series{}, &series{}
	for range n {
		v, err := r.watch(lossWarm, peerSettle, nothing)
		if err != nil {
			return peerSeries{}, err
		}
		gaps.control(v)
		if err := r.peerLoss(gaps, peerSettle); err != nil {
			return peerSeries{}, err
		}
		if err := r.peerLoss(conns, lossSettle); err != nil {
			return peerSeries{}, err
		}
	}
	return peerSeries{
		udp: above(ms(gaps.udp), ms(gaps.controlUDP)), tcp: above(ms(gaps.tcp), ms(gaps.controlTCP)),
		clean: conns.clean, n: n,
	}, nil
}

// peerLoss is one round: the cable out, and in again.
func (r *rig) peerLoss(s *series, settle time.Duration) error {
	v, err := r.watch(lossWarm, settle, r.ISPs[0].Cut)
	if err != nil {
		return err
	}
	s.add(v)
	if err := r.leavesBy("wan2"); err != nil {
		return err
	}
	if err := r.ISPs[0].Restore(); err != nil {
		return err
	}
	return r.leavesBy("wan1")
}

// peerDeathLimit is how long the peer is given to leave an uplink that has died
// in silence. It never does; the limit is what is written down.
const peerDeathLimit = 30 * time.Second

// peerDeath lets the provider behind the peer's uplink carry nothing.
func peerDeath(opt options) (time.Duration, error) {
	r, err := newPeer(opt)
	if err != nil {
		return 0, err
	}
	defer r.close()
	udp, err := r.Client.StartUDP(echoAddr, 5*time.Millisecond)
	if err != nil {
		return 0, err
	}
	if err := waitUDP(udp, time.Now(), 5*time.Second); err != nil {
		return 0, err
	}
	if err := r.ISPs[0].Blackhole(true); err != nil {
		return 0, err
	}
	died := time.Now()
	err = waitUDP(udp, died.Add(50*time.Millisecond), peerDeathLimit)
	gap := time.Since(died)
	udp.Stop(0)
	if errors.Is(err, context.DeadlineExceeded) {
		return peerDeathLimit, nil
	}
	return gap, err
}

// beside notes the peer's median of n rounds in a figure.
func (f figure) beside(values []float64, n int) figure {
	p50 := at(values, 50)
	f.Peer, f.PeerN, f.PeerP50 = peerName, n, &p50
	return f
}
