package client

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"luatnetd/netif"
)

var ladderSeeds = flag.Int("ladder.seeds", 40, "seeds of the network watchdog's simulation, 30 days each")

// box is the world around the ladder: a server and uplinks that fail and come
// back, a process that is killed, a box that reboots. Its truth is kept in true
// time, which the ladder never sees.
type box struct {
	rng      *rand.Rand
	policy   LadderPolicy
	true_    time.Duration // since the simulation began
	bootAt   time.Duration // true time of the last boot
	boot     int
	server   bool   // answers
	uplinks  bool   // work
	cure     Rung   // the rung that mends broken uplinks, above RungReboot: none
	runFile  []byte // tmpfs: gone after a reboot
	diskFile []byte
	ladder   *Ladder
	trace    []string
}

// TestWDSimulation30Days: rungs in order, the budget kept, none above reconnect
// while an uplink is verified, and a box that can be mended is mended.
func TestWDSimulation30Days(t *testing.T) {
	for seed := range *ladderSeeds {
		if err := simulate(uint64(seed)); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func simulate(seed uint64) error {
	b := &box{rng: rand.New(rand.NewPCG(seed, 7)), policy: wholeLadder(), server: true, uplinks: true}
	o := &judge{budget: b.policy.RebootsPerDay}
	b.start()
	next := b.later(3 * time.Hour)
	feed := time.Duration(0)
	for b.true_ < 30*24*time.Hour {
		step := min(next, feed, b.bootAt+uptime(b.ladder.Next()))
		b.true_ = max(b.true_, step)
		now := netif.Boot(b.true_ - b.bootAt)
		switch step {
		case next:
			b.fault()
			next = b.true_ + b.later(3*time.Hour)
		case feed:
			if b.server && b.uplinks {
				if b.ladder.Feed(now) {
					b.runFile = b.ladder.Saved(now)
				}
				o.fed()
			}
			feed = b.true_ + time.Minute
		default:
			a, ok := b.ladder.Step(now, LadderInput{Verified: b.uplinks, Modem: true})
			if !ok {
				continue
			}
			if err := o.acted(b.true_, a, b.uplinks); err != nil {
				return fmt.Errorf("%v: %w; last actions %v", b.true_, err, b.trace)
			}
			b.do(a, now, o)
		}
	}
	return o.verdict()
}

func (b *box) later(mean time.Duration) time.Duration {
	return time.Second + time.Duration(b.rng.ExpFloat64()*float64(mean))
}

// start is a new process: it reads what the old one left.
func (b *box) start() {
	saved := b.runFile
	if saved == nil {
		saved = b.diskFile
	}
	l, err := NewLadder(b.policy, fmt.Sprint("boot", b.boot), netif.Boot(b.true_-b.bootAt), saved)
	if err != nil {
		panic(err)
	}
	b.ladder = l
}

// fault changes the world.
func (b *box) fault() {
	switch b.rng.IntN(6) {
	case 0, 1:
		b.server = !b.server
	case 2:
		b.uplinks, b.cure = false, Rung(b.rng.IntN(8))
	case 3:
		b.uplinks = true
	case 4:
		b.start() // kill -9
	case 5:
		b.reboot() // power cut
	}
}

// do carries an action out, and is sometimes killed in the middle.
func (b *box) do(a Action, now time.Time, o *judge) {
	b.trace = append(b.trace, a.Rung.String())
	if len(b.trace) > 12 {
		b.trace = b.trace[1:]
	}
	b.runFile = b.ladder.Saved(now)
	if a.Durable {
		b.diskFile = b.runFile
	}
	if b.rng.IntN(20) == 0 {
		b.start()
		o.restarted()
		return
	}
	if !b.uplinks && a.Rung >= b.cure {
		b.uplinks = true
	}
	switch a.Rung {
	case RungRestart:
		b.start()
	case RungReboot:
		o.rebooted(b.true_)
		b.reboot()
	}
}

func (b *box) reboot() {
	b.boot++
	b.true_ += 40 * time.Second
	b.bootAt = b.true_ - 10*time.Second
	b.runFile = nil
	b.start()
}

// judge shares no code with the ladder: it only looks at what was done.
type judge struct {
	budget  int
	last    Rung
	any     bool // an action since the last food
	reboots []time.Duration
	actions int
}

func (o *judge) fed()       { o.any = false }
func (o *judge) restarted() {}

func (o *judge) acted(at time.Duration, a Action, verified bool) error {
	o.actions++
	if verified && a.Rung > RungReconnect {
		return fmt.Errorf("%s while an uplink is verified", a.Rung)
	}
	// One higher, or the beginning of a round; a skipped rung only where it is
	// the reboot without budget, which is the last one.
	if o.any && a.Rung != o.last+1 && a.Rung != RungReconnect {
		return fmt.Errorf("%s after %s", a.Rung, o.last)
	}
	if !o.any && a.Rung > RungProbe && !verified && o.last+1 != a.Rung {
		return fmt.Errorf("an alarm begins with %s", a.Rung)
	}
	o.any, o.last = true, a.Rung
	return nil
}

func (o *judge) rebooted(at time.Duration) { o.reboots = append(o.reboots, at) }

func (o *judge) verdict() error {
	for i := o.budget; i < len(o.reboots); i++ {
		if d := o.reboots[i] - o.reboots[i-o.budget]; d < 24*time.Hour {
			return fmt.Errorf("%d reboots within %v", o.budget+1, d)
		}
	}
	if o.actions == 0 {
		return fmt.Errorf("30 days of faults and not one action: the simulation shows nothing")
	}
	return nil
}
