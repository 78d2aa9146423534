package main

import (
	"context"
	"fmt"
	"time"

	"luatnetd/internal/lab"
)

func waitUDP(m *lab.UDPMeter, since time.Time, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return m.Back(ctx, since)
}

// unready waits until an uplink is no longer usable.
func (r *rig) unready(name string) error {
	return lab.Poll(30*time.Second, func() error {
		u, err := r.Uplink(name)
		if err == nil && u.Ready {
			err = fmt.Errorf("%s is still ready", name)
		}
		return err
	})
}

// silentDeath lets the provider of the active uplink answer but carry nothing.
// interval 1 s, fail_after 3: the bar is fail_after × interval + 1 s.
func silentDeath(opt options) ([]figure, error) {
	r, err := newRig(opt, true)
	if err != nil {
		return nil, err
	}
	defer r.close()
	var gaps []time.Duration
	for range opt.rounds(20) {
		udp, err := r.Client.StartUDP(echoAddr, 5*time.Millisecond)
		if err != nil {
			return nil, err
		}
		time.Sleep(300 * time.Millisecond)
		if err := r.ISPs[0].Blackhole(true); err != nil {
			return nil, err
		}
		if err := waitUDP(udp, time.Now().Add(50*time.Millisecond), 15*time.Second); err != nil {
			return nil, err
		}
		time.Sleep(100 * time.Millisecond)
		gaps = append(gaps, udp.Stop(50*time.Millisecond).Gap)
		if err := r.ISPs[0].Blackhole(false); err != nil {
			return nil, err
		}
		if err := r.Active(20*time.Second, "wan1", "wan1"); err != nil {
			return nil, err
		}
		if err := r.Ready(20*time.Second, "wan1", "wan2"); err != nil {
			return nil, err
		}
	}
	peer, err := peerDeath(opt)
	if err != nil {
		return nil, err
	}
	f := summary("silent-death-udp", "ms", ms(gaps), nil)
	f = f.judge("≤ fail_after × interval + 1 s = 4000", f.Max <= 4000)
	return []figure{f.beside(ms([]time.Duration{peer}), 1)}, nil
}

// deadBeforeStart starts the daemon while the preferred uplink is dead.
func deadBeforeStart(opt options) ([]figure, error) {
	var took []time.Duration
	for range opt.rounds(5) {
		d, err := startDead(opt)
		if err != nil {
			return nil, err
		}
		took = append(took, d)
	}
	f := summary("dead-before-start-lan-online", "ms", ms(took), nil)
	return []figure{f.judge("LAN online ≤ 15 s after start", f.Max <= 15000)}, nil
}

func startDead(opt options) (time.Duration, error) {
	r, err := newRig(opt, false)
	if err != nil {
		return 0, err
	}
	defer r.close()
	if err := r.ISPs[0].Blackhole(true); err != nil {
		return 0, err
	}
	udp, err := r.Client.StartUDP(echoAddr, 10*time.Millisecond)
	if err != nil {
		return 0, err
	}
	defer udp.Stop(0)
	began := time.Now()
	if err := r.Start(); err != nil {
		return 0, err
	}
	if err := waitUDP(udp, began, 30*time.Second); err != nil {
		return 0, err
	}
	return time.Since(began), nil
}
