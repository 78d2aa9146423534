package simnet

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"luatnetd/netif/failover"
	"luatnetd/netif/health"
	"luatnetd/router"
)

var (
	simDays  = flag.Float64("sim.days", 0.03, "virtual days per seed")
	simSeeds = flag.Int("sim.seeds", 12, "how many seeds")
	simFirst = flag.Uint64("sim.first", 1, "first seed; with -sim.seeds=1 it repeats one run")
	simLog   = flag.Bool("sim.log", false, "print everything that happened")
)

var defaults = failover.Policy{StartupGrace: 10 * time.Second, FailOpen: true, AutoSocketSwitch: true}

// policies that the seeds take turns with.
func policies(seed uint64) health.Policy {
	p := standard(tcpA, tcpB, dnsA, pingA, pingB)
	switch seed % 4 {
	case 1:
		p.Interval, p.MissInterval, p.Timeout, p.FailAfter, p.HoldDown = time.Second, 500*time.Millisecond, 500*time.Millisecond, 4, 30*time.Second
	case 2:
		p.Targets = append([]health.Target{gate}, p.Targets...)
		p.Timeout, p.RecoverAfter, p.HoldDown = time.Second, 1, 0
	case 3:
		p.Interval, p.FailAfter, p.RecoverAfter = 10*time.Second, 2, 5
	}
	return p
}

// simulate runs one seed.
func simulate(seed uint64, length time.Duration) *box {
	b := newBox(seed, 2+int(seed%2), policies(seed), defaults)
	mean := []time.Duration{4 * time.Minute, 15 * time.Minute, time.Hour}[seed%3]
	b.trouble(mean)
	b.start()
	b.clock.Run(length)
	return b
}

// TestSimulation lets random trouble loose on the two rooms and asks the oracle.
// Long runs: go test ./internal/simnet -run Simulation -sim.days=3 -sim.seeds=200
func TestSimulation(t *testing.T) {
	var events uint64
	var moves, kills int
	for i := range uint64(*simSeeds) {
		seed := *simFirst + i
		b := simulate(seed, time.Duration(*simDays*float64(24*time.Hour)))
		if *simLog {
			t.Log(strings.Join(b.changes, "\n"))
		}
		b.report(t, fmt.Sprintf("seed %d; repeat with -run Simulation -sim.first=%d -sim.seeds=1 -sim.days=%v -sim.log", seed, seed, *simDays))
		events, moves, kills = events+b.clock.Events(), moves+b.oracle.Moves(), kills+b.kills
	}
	t.Logf("%d seeds of %v days: %d events, %d moves of the path, %d kills", *simSeeds, *simDays, events, moves, kills)
	if moves == 0 || kills == 0 {
		t.Error("nothing ever happened: the simulation tests nothing")
	}
}

// TestSeedRepeats: a seed is the whole of a run.
func TestSeedRepeats(t *testing.T) {
	a, b := simulate(7, 2*time.Hour), simulate(7, 2*time.Hour)
	if !slices.Equal(a.changes, b.changes) || a.clock.Events() != b.clock.Events() || len(a.changes) < 20 {
		t.Errorf("two runs of one seed differ: %d and %d things happened", len(a.changes), len(b.changes))
	}
}

// TestDEV13HealthyDayInTheBox: 24 h on healthy lines that lose one packet in
// twenty: nothing changes, nothing is killed.
func TestDEV13HealthyDayInTheBox(t *testing.T) {
	b := newBox(13, 3, standard(tcpA, tcpB, dnsA, pingA), defaults)
	b.ups[1].line.Loss = 0.05
	b.start()
	b.clock.Run(time.Minute)
	before := slices.Clone(b.changes)
	b.clock.Run(24 * time.Hour)
	if n := len(b.changes) - len(before); n != 0 || b.kills != 0 || b.oracle.Moves() != 0 {
		t.Errorf("%d changes, %d kills, %d moves on a healthy day", n, b.kills, b.oracle.Moves())
	}
	b.report(t, "healthy day")
}

// TestFaultTable tries every fault twice, on the preferred line: while running,
// and present before the start (invariant 11). DEV-10, DEV-12, DEV-14.
func TestFaultTable(t *testing.T) {
	for _, f := range table {
		for _, before := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/before start=%v", f.name, before), func(t *testing.T) {
				b := newBox(3, 2, standard(tcpA, tcpB, dnsA, pingA, pingB), defaults)
				if before { // an earlier run knew the lines healthy
					for _, u := range b.ups {
						u.seen = b.health.Targets
						u.line.note(&b.clock, "tcp")
					}
					f.begin(b, b.ups[0])
				}
				b.start()
				if !before {
					b.clock.Run(5 * time.Minute)
					f.begin(b, b.ups[0])
				}
				b.clock.Run(b.clock.Uptime() + 17*time.Second)
				if got := b.pathOf(); f.leave && got != "eth2" {
					t.Errorf("17 s after the fault the path is %q\n%s", got, strings.Join(b.changes, "\n"))
				}
				b.clock.Run(b.clock.Uptime() + 10*time.Minute)
				if got := b.pathOf(); !f.leave && f.name != "60 % loss" && got != "eth1" {
					t.Errorf("left for %q", got)
				}
				f.end(b, b.ups[0])
				b.clock.Run(b.clock.Uptime() + 27*time.Second)
				if got := b.pathOf(); got != "eth1" {
					t.Errorf("27 s after the repair the path is %q\n%s", got, strings.Join(b.changes, "\n"))
				}
				b.report(t, f.name)
			})
		}
	}
}

func (b *box) pathOf() string {
	device, _ := b.kernel.Lookup(Packet{Dst: wan})
	return device
}

// TestCableOutWhileBackupIsDead: 2 s without cable move nothing and kill nothing.
func TestCableOutWhileBackupIsDead(t *testing.T) {
	b := newBox(5, 2, standard(tcpA, tcpB), defaults)
	b.ups[1].line.Dead = true
	b.start()
	b.clock.Run(time.Minute)
	kills, removed := b.kills, 0
	b.kernel.Applied = func(op router.Op) {
		b.oracle.Applied(op)
		if _, ok := op.(router.DelRoute); ok {
			removed++
		}
	}
	for range 20 {
		table[0].begin(b, b.ups[0])
		b.clock.Run(b.clock.Uptime() + 2*time.Second)
		table[0].end(b, b.ups[0])
		b.clock.Run(b.clock.Uptime() + 10*time.Millisecond)
		if b.pathOf() != "eth1" {
			t.Fatalf("the path did not come back with the cable\n%s", strings.Join(b.changes, "\n"))
		}
		b.clock.Run(b.clock.Uptime() + 30*time.Second)
	}
	if removed > 0 || b.kills > kills+20 { // the dead backup's own flows may be flushed again
		t.Errorf("%d routes removed, %d kills", removed, b.kills-kills)
	}
	b.report(t, "cable bumps")
}

// TestPrivateNetworkFailsOpen: nobody ever answers, and there is a path all the
// same, which survives the crash of the daemon and its device going away.
func TestPrivateNetworkFailsOpen(t *testing.T) {
	b := newBox(9, 2, standard(tcpA, pingA), defaults)
	for _, u := range b.ups {
		u.line.Dead = true
	}
	b.start()
	b.clock.Run(b.clock.Uptime() + 31*time.Second)
	for range 5 {
		before := b.pathOf()
		b.crash(time.Second)
		b.clock.Run(b.clock.Uptime() + 31*time.Second)
		if after := b.pathOf(); before == "" || after != before {
			t.Errorf("path %q before the restart, %q after it\n%s", before, after, strings.Join(b.changes, "\n"))
		}
		for _, u := range b.ups { // both modems fall off the bus
			table[1].begin(b, u)
			b.clock.Run(b.clock.Uptime() + 5*time.Second)
			table[1].end(b, u)
		}
		b.clock.Run(b.clock.Uptime() + 31*time.Second)
		if b.pathOf() == "" {
			t.Errorf("no path after the devices came back\n%s", strings.Join(b.changes, "\n"))
		}
	}
	b.report(t, "private network")
	if b.kills > 0 {
		t.Errorf("%d kills where nothing was ever verified", b.kills)
	}
}

// TestOracleSeesRed: a daemon that breaks a promise is caught by the oracle.
func TestOracleSeesRed(t *testing.T) {
	tests := []struct {
		name, want string
		sabotage   func(*box, *failover.Decision)
	}{
		{"never leaves", "black hole", func(b *box, d *failover.Decision) {
			d.Active, d.Main, d.Hold, d.Kill = "wan1", []string{"wan1"}, false, nil
		}},
		{"never returns", "no failback", func(b *box, d *failover.Decision) {
			if len(d.Main) > 1 && slices.Contains(b.decision.Main, "wan2") && !slices.Contains(b.decision.Main, "wan1") {
				d.Active, d.Main = "wan2", []string{"wan2"}
			}
		}},
		{"keeps the dead in main", "main holds", func(b *box, d *failover.Decision) {
			if len(d.Main) > 0 && !d.Hold {
				d.Main = []string{d.Main[0]}
				for _, u := range b.ups {
					if u.line.Name != d.Main[0] {
						d.Main = append(d.Main, u.line.Name)
					}
				}
			}
		}},
		{"switches for nothing", "spurious switch", func(b *box, d *failover.Decision) {
			if len(d.Main) > 1 && b.clock.Uptime()/(7*time.Minute)%2 == 1 {
				d.Main = []string{d.Main[1], d.Main[0]}
				d.Active = d.Main[0]
			}
		}},
		{"kills without alternative", "kill of", func(b *box, d *failover.Decision) {
			if d.Hold && b.clock.Uptime() > time.Minute {
				d.Kill = []string{"wan1"}
			}
		}},
		{"kills the healthy", "although it is well", func(b *box, d *failover.Decision) {
			if len(d.Main) > 1 {
				d.Kill = []string{d.Main[1]}
			}
		}},
		{"tears down when nothing works", "torn down", func(b *box, d *failover.Decision) {
			if d.Hold && b.clock.Uptime() > time.Minute {
				if used := b.pathOf(); used == "eth1" {
					d.Hold, d.Main = false, []string{"wan2"}
				} else {
					d.Hold, d.Main = false, []string{"wan1"}
				}
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for seed := range uint64(40) {
				b := newBox(seed, 2, policies(seed), defaults)
				b.sabotage = tt.sabotage
				b.trouble(10 * time.Minute)
				b.start()
				b.clock.Run(4 * time.Hour)
				if strings.Contains(strings.Join(b.oracle.Violations(), "\n"), tt.want) {
					return
				}
			}
			t.Errorf("forty runs of 4 h without %q", tt.want)
		})
	}
}
