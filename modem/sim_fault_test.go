package modem

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// trouble of the world: begin makes it; it returns a function that ends it, or
// nil where a rung of the ladder must, and how long it lasts.
type fault struct {
	name  string
	begin func(h *host) (end func(), lasts time.Duration)
}

// cureOf is a fault that only a rung ends.
func cureOf(name string, set func(h *host)) fault {
	return fault{name, func(h *host) (func(), time.Duration) { set(h); return nil, 0 }}
}

// during is a fault that ends by itself after lo to hi.
func during(name string, lo, hi time.Duration, set, end func(h *host)) fault {
	return fault{name, func(h *host) (func(), time.Duration) {
		set(h)
		return func() { end(h) }, lo + time.Duration(h.rng.Int64N(int64(hi-lo)))
	}}
}

var simFaults = []fault{
	during("no signal", 20*time.Second, 3*time.Hour, func(h *host) { h.signal = false }, func(h *host) { h.signal = true }),
	during("denied 11", time.Minute, 2*time.Hour, func(h *host) { h.denied = 11 }, func(h *host) { h.denied = 0 }),
	during("denied 7", time.Minute, 2*time.Hour, func(h *host) { h.denied = 7 }, func(h *host) { h.denied = 0 }),
	during("no card", 20*time.Second, time.Hour, func(h *host) { h.card.in = false; h.pop("+CPIN: NOT READY") }, func(h *host) { h.card.in, h.card.open = true, false }),
	during("unplugged", time.Second, 10*time.Minute, func(h *host) { h.plugged = false }, func(h *host) { h.plugged = true; h.boot(2 * time.Second) }),
	during("main port mute", time.Minute, time.Hour, func(h *host) { h.mute[h.m.ports.main] = true }, func(h *host) { h.mute = map[string]bool{} }),
	during("all ports mute", time.Minute, 20*time.Minute, func(h *host) { h.muteAll = RungPower + 1 }, func(h *host) { h.muteAll = -1 }),
	cureOf("ports hang", func(h *host) { h.muteAll = RungRebind; h.deadData = RungRebind }),
	cureOf("ports hang for power", func(h *host) { h.muteAll = RungPower; h.deadData = RungPower }),
	cureOf("path dead, renew", func(h *host) { h.deadData = RungRenew }),
	cureOf("path dead, re-attach", func(h *host) { h.deadData = RungReattach }),
	cureOf("path dead, radio", func(h *host) { h.deadData = RungRadio }),
	cureOf("path dead, soft reset", func(h *host) { h.deadData = RungSoftReset }),
	cureOf("path dead, rebind", func(h *host) { h.deadData = RungRebind }),
	cureOf("path dead, power", func(h *host) { h.deadData = RungPower }),
	during("path dead", 10*time.Second, 2*time.Hour, func(h *host) { h.deadData = RungPower + 1 }, func(h *host) { h.deadData = -1 }),
	cureOf("no network, radio", func(h *host) { h.lame = RungRadio }),
	cureOf("no network, soft reset", func(h *host) { h.lame = RungSoftReset }),
	cureOf("no network, power", func(h *host) { h.lame = RungPower }),
	during("refused", time.Minute, 2*time.Hour, func(h *host) {
		h.refuses, h.dialled, h.addr = CMEError{Code: 131}, false, 0
		h.pop("+CGEV: NW PDN DEACT 1")
	}, func(h *host) { h.refuses = nil }),
	cureOf("address changes silently", func(h *host) { h.addr = h.addr%200 + 2; h.changes++ }),
	cureOf("address changes", func(h *host) { h.addr = h.addr%200 + 2; h.changes++; h.pop("+CGEV: NW PDN ACT 1") }),
	cureOf("network ends the call", func(h *host) { h.dialled, h.addr = false, 0; h.pop("+CGEV: NW PDN DEACT 1") }),
	during("no DHCP", time.Minute, time.Hour, func(h *host) { h.noDHCP = true; h.lease, h.leaseAt = 0, h.abs+time.Second }, func(h *host) { h.noDHCP = false; h.leaseAt = h.abs + 2*time.Second }),
	cureOf("restarts by itself", func(h *host) { h.boot(5 * time.Second) }),
	during("late answers", time.Minute, 10*time.Minute, func(h *host) { h.slow = 5 * time.Second }, func(h *host) { h.slow = 0 }),
	during("prober lied to", time.Minute, 2*time.Hour, func(h *host) { h.blocked = true }, func(h *host) { h.blocked = false }),
	during("storm of URCs", time.Second, 5*time.Second, func(h *host) {
		for range 500 {
			h.pop("+CEREG: 1")
			h.pop("+CGEV: NW MODIFY 1,0")
		}
	}, func(*host) {}),
	cureOf("crash", (*host).crash),
	cureOf("power cut", (*host).cut),
}

// pop sends a URC.
func (h *host) pop(line string) {
	prefix, _, _ := strings.Cut(line, ":")
	h.later(time.Millisecond, coming{e: Heard{Port: h.m.ports.main, URC: URC{Prefix: prefix, Line: line, Count: 1}}, own: true})
}

// simModem is one modem of the simulation.
func simModem(t *testing.T, ps Profiles, seed uint64) *host {
	rng := rand.New(rand.NewPCG(seed, 77))
	d := newToy(rng)
	d.self = rng.IntN(2) == 0
	device := quectel()
	if d.self {
		device = air780()
	}
	if rng.IntN(2) == 0 {
		d.given = "cmnet"
	}
	set := Settings{Power: true, SIM: SIMSettings{Roaming: true}}
	if rng.IntN(2) == 0 {
		d.card.locked, d.card.pin = true, "2580"
		set.SIM.PIN = "2580"
	}
	h := newHost(rng, d, ps, set, device)
	if rng.IntN(2) == 0 {
		h.chaos = 6 * time.Hour
		h.doom = time.Duration(rng.Int64N(int64(h.chaos)))
	}
	return h
}

// simulate runs one modem for days and returns what the oracle objects to.
func simulate(t *testing.T, ps Profiles, seed uint64, days int) (complaint string, faults map[string]int) {
	h := simModem(t, ps, seed)
	faults = map[string]int{}
	if !h.until(2*time.Minute, h.online) {
		return "not online at the start", faults
	}
	end := h.abs + time.Duration(days)*24*time.Hour
	for h.abs < end {
		gap := time.Minute + time.Duration(h.rng.Int64N(int64(9*time.Minute)))
		if h.rng.IntN(2) == 0 {
			gap = time.Duration(h.rng.Int64N(int64(4 * time.Hour)))
		}
		h.run(gap)
		if !h.until(90*time.Second, h.online) {
			return "lost without a fault" + h.story(), faults
		}
		f := simFaults[h.rng.IntN(len(simFaults))]
		faults[f.name]++
		if complaint := h.suffer(f); complaint != "" {
			return fmt.Sprintf("seed %d, %s: %s%s", seed, f.name, complaint, h.story()), faults
		}
	}
	return h.verdict(), faults
}

func (h *host) story() string {
	return fmt.Sprintf("\n%s\n%9.1f now; %+v", strings.Join(h.log[max(0, len(h.log)-150):], "\n"), h.abs.Seconds(), h.m.Status(h.now()))
}

// suffer has the modem live through a fault and come back.
func (h *host) suffer(f fault) string {
	h.note("FAULT %s", f.name)
	end, lasts := f.begin(h)
	resets := h.resets()
	if end != nil {
		h.run(lasts)
		if h.blocked && h.resets() != resets {
			return "reset while bytes arrive"
		}
		end()
		h.note("FAULT ENDS")
	}
	cured := func() bool {
		return (h.muteAll < 0 || h.muteAll > RungPower) && (h.deadData < 0 || h.deadData > RungPower) && h.lame < 0
	}
	if !h.until(26*time.Hour, cured) {
		return "no rung cured it"
	}
	wait := time.Duration(0)
	if next := h.m.Status(h.now()).Next; next.After(h.now()) {
		wait = next.Sub(h.now())
	}
	if !h.until(wait+2*time.Minute, h.online) {
		return fmt.Sprintf("not online %v after it was over (wait %v)", wait+2*time.Minute, wait)
	}
	return h.verdict()
}

func (h *host) resets() int {
	return len(h.seen.radio) + len(h.seen.soft) + len(h.seen.rebinds) + len(h.seen.powers)
}

// verdict looks at what must never happen.
func (h *host) verdict() string {
	if len(h.seen.problems) > 0 {
		return h.seen.problems[0] + h.story()
	}
	for pin, n := range h.seen.wrongPINs {
		if n > 1 {
			return fmt.Sprintf("the wrong PIN %s was sent %d times", pin, n)
		}
	}
	for _, c := range []struct {
		what  string
		times []time.Duration
		least time.Duration
	}{{"radio cycles", h.seen.radio, 5 * time.Minute}, {"soft resets", h.seen.soft, 15 * time.Minute}, {"power cycles", h.seen.powers, 10 * time.Minute}} {
		for i := 1; i < len(c.times); i++ {
			if gap := c.times[i] - c.times[i-1]; gap < c.least-2*time.Second {
				return fmt.Sprintf("two %s %v apart%s", c.what, gap, h.story())
			}
		}
	}
	return ""
}

// Every fault ends, and no cap is broken. The 5,000 modem-days are
// -modem.days=5000.
func TestSimulation(t *testing.T) {
	ps := simProfiles(t)
	const perModem, lanes = 5, 4
	total := make([]map[string]int, lanes)
	t.Run("lanes", func(t *testing.T) {
		for lane := range lanes {
			total[lane] = map[string]int{}
			t.Run(fmt.Sprint(lane), func(t *testing.T) {
				t.Parallel()
				for i := lane; i < max(*simDays/perModem, lanes); i += lanes {
					complaint, faults := simulate(t, ps, *simSeed+uint64(i), perModem)
					if complaint != "" {
						t.Fatal(complaint)
					}
					for f, n := range faults {
						total[lane][f] += n
					}
				}
			})
		}
	})
	sum := 0
	for _, f := range simFaults {
		n := 0
		for _, lane := range total {
			n += lane[f.name]
		}
		sum += n
		t.Logf("%5d %s", n, f.name)
		if n == 0 && *simDays >= 1000 {
			t.Errorf("%s never came", f.name)
		}
	}
	t.Logf("%5d faults", sum)
}
