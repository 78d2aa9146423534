package main

import (
	"fmt"
	"syscall"
	"time"
)

// A loss of carrier is watched from lossWarm before it until lossSettle after
// it, ours and the peer's alike: a longer watch has more new connections that
// may fail.
const (
	lossWarm   = 150 * time.Millisecond
	lossSettle = 350 * time.Millisecond
)

// carrierLoss pulls the cable of the active uplink and plugs it in again.
func carrierLoss(opt options) ([]figure, error) {
	r, err := newRig(opt, true)
	if err != nil {
		return nil, err
	}
	defer r.close()
	s, err := r.losses(opt.rounds(100), nothing, nothing)
	if err != nil {
		return nil, err
	}
	n := len(s.udp)
	udp := less("carrier-loss-udp", "ms", ms(s.udp), ms(s.controlUDP))
	tcp := less("carrier-loss-rpc", "ms", ms(s.tcp), ms(s.controlTCP))
	foreign, err := r.foreign("carrier-loss")
	if err != nil {
		return nil, err
	}
	p, err := peerLosses(opt, opt.rounds(20))
	if err != nil {
		return nil, err
	}
	peerClean := float64(p.clean*n) / float64(p.n) // out of as many rounds as ours
	return []figure{
		udp.judge("p50 ≤ 3, p99 ≤ 25", udp.P50 <= 3 && udp.P99 <= 25).beside(p.udp, len(p.udp)),
		tcp.judge("p50 ≤ 20", tcp.P50 <= 20).beside(p.tcp, len(p.tcp)),
		count("carrier-loss-rpc-timeouts", "sessions", s.timeouts, n, "ended by reset, never by timeout", s.timeouts == 0),
		count("carrier-loss-conn-clean", "rounds", s.clean, n, "≥ 95 of 100 without a failed new connection", s.clean*100 >= 95*n).beside([]float64{peerClean}, p.n),
		count("carrier-loss-conn-late", "connections", s.late, n, "0 failed that began 5 ms after the loss or later", s.late == 0),
		foreign,
	}, nil
}

// carrierLossStopped is the same while the daemon cannot run.
func carrierLossStopped(opt options) ([]figure, error) {
	r, err := newRig(opt, true)
	if err != nil {
		return nil, err
	}
	defer r.close()
	s, err := r.losses(opt.rounds(100),
		func() error { return r.Daemon.Signal(syscall.SIGSTOP) },
		func() error { return r.Daemon.Signal(syscall.SIGCONT) })
	if err != nil {
		return nil, err
	}
	n := len(s.udp)
	udp := less("carrier-loss-stopped-udp", "ms", ms(s.udp), ms(s.controlUDP))
	tcp := less("carrier-loss-stopped-rpc", "ms", ms(s.tcp), ms(s.controlTCP))
	return []figure{
		udp.judge("p50 ≤ 3, p90 ≤ 25", udp.P50 <= 3 && udp.P90 <= 25),
		tcp.judge("p99 ≤ 500", tcp.P99 <= 500),
		count("carrier-loss-stopped-conn-clean", "rounds", s.clean, n, "≥ 80 of 100 without a failed new connection", s.clean*100 >= 80*n),
	}, nil
}

// losses runs rounds of carrier loss, each beside a control.
func (r *rig) losses(n int, before, after func() error) (*series, error) {
	s := &series{}
	for i := range n {
		v, err := r.watch(lossWarm, lossSettle, nothing)
		if err != nil {
			return nil, err
		}
		s.control(v)
		if err := before(); err != nil {
			return nil, err
		}
		v, err = r.watch(lossWarm, lossSettle, r.ISPs[0].Cut)
		if err != nil {
			return nil, err
		}
		s.add(v)
		if err := after(); err != nil {
			return nil, err
		}
		if err := r.recover(); err != nil {
			return nil, fmt.Errorf("round %d: %w", i+1, err)
		}
	}
	return s, nil
}

// recover plugs the cable in and waits until all is as before.
func (r *rig) recover() error {
	if err := r.Active(5*time.Second, "wan2", "wan2"); err != nil {
		return err
	}
	if err := r.ISPs[0].Restore(); err != nil {
		return err
	}
	if err := r.Active(15*time.Second, "wan1", "wan1"); err != nil {
		return err
	}
	return r.Ready(10*time.Second, "wan1", "wan2")
}

// failback watches flows that started on the backup while the better uplink
// comes back.
func failback(opt options) ([]figure, error) {
	r, err := newRig(opt, true)
	if err != nil {
		return nil, err
	}
	defer r.close()
	n := opt.rounds(100)
	kept, conns := 0, 0
	for range n {
		if err := r.ISPs[0].Cut(); err != nil {
			return nil, err
		}
		if err := r.Active(5*time.Second, "wan2", "wan2"); err != nil {
			return nil, err
		}
		time.Sleep(50 * time.Millisecond)
		v, err := r.watch(100*time.Millisecond, 200*time.Millisecond, r.recover)
		if err != nil {
			return nil, err
		}
		if v.udp.Lost == 0 && v.tcp.Resets+v.tcp.Timeouts == 0 {
			kept++
		}
		if v.failed == 0 {
			conns++
		}
	}
	foreign, err := r.foreign("failback")
	return []figure{
		count("failback-flows-kept", "rounds", kept, n, "existing flows: every round without a lost packet", kept == n),
		count("failback-conn-clean", "rounds", conns, n, "new connections: ≥ 99 of 100", conns*100 >= 99*n),
		foreign,
	}, err
}

// bump takes the cable out for 2 s while the backup is dead: nothing may move.
func bump(opt options) ([]figure, error) {
	r, err := newRig(opt, true)
	if err != nil {
		return nil, err
	}
	defer r.close()
	if err := r.ISPs[1].Blackhole(true); err != nil {
		return nil, err
	}
	if err := r.unready("wan2"); err != nil {
		return nil, err
	}
	n, resets := opt.rounds(20), 0
	var back []time.Duration
	for range n {
		udp, err := r.Client.StartUDP(echoAddr, time.Millisecond)
		if err != nil {
			return nil, err
		}
		tcp := r.Client.StartTCP(rpcAddr)
		time.Sleep(200 * time.Millisecond)
		if err := r.ISPs[0].Cut(); err != nil {
			return nil, err
		}
		time.Sleep(2 * time.Second)
		if err := r.ISPs[0].Restore(); err != nil {
			return nil, err
		}
		plugged := time.Now()
		if err := waitUDP(udp, plugged, 5*time.Second); err != nil {
			return nil, err
		}
		back = append(back, time.Since(plugged))
		time.Sleep(time.Second) // a TCP retransmission may take as long
		rep := tcp.Stop()
		resets += rep.Resets
		udp.Stop(50 * time.Millisecond)
		if err := r.Ready(10*time.Second, "wan1"); err != nil {
			return nil, err
		}
	}
	f := summary("bump-udp-back", "ms", ms(back), nil)
	return []figure{
		f.judge("UDP back ≤ 500 ms after the link", f.Max <= 500),
		count("bump-resets", "sessions", resets, n, "no reset", resets == 0),
	}, nil
}
