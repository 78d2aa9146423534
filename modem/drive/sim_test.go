package drive

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"luatnetd/modem"
	"luatnetd/modem/modemtest"
)

var (
	simDays = flag.Int("drive.days", 2, "modem-days of the simulation of the whole stack; the issue's are 100")
	simSeed = flag.Uint64("drive.seed", 0, "first seed of that simulation")
)

// unsimulated are faults that end with another configuration only.
var unsimulated = map[string]string{"ppp-auth": "it stands until the credentials change"}

// cures are faults that last until the ladder has come to a rung.
var cures = map[string][]string{
	"data-dead": {"data", "attach", "radio", "reset", "power"},
	"searching": {"radio", "reset", "power"},
}

// TestSimulation: modems of all families live through random faults, each a
// day, with the whole stack between the emulated modem and the oracle.
func TestSimulation(t *testing.T) {
	var who []modemtest.Personality
	for _, p := range modemtest.Personalities() {
		if p.AT() {
			who = append(who, p)
		}
	}
	for i := range *simDays {
		seed := *simSeed + uint64(i)
		p := who[seed%uint64(len(who))]
		t.Run(fmt.Sprintf("%d/%s", seed, p.ID), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { simulate(t, p, seed) })
		})
	}
}

// simulate is a day of one modem.
func simulate(t *testing.T, p modemtest.Personality, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 5)) // reproducible: it is a test
	set := modem.Settings{Power: true, SIM: modem.SIMSettings{PIN: secretPIN, PDPType: "IP", Roaming: true}}
	if p.PPP() && rng.IntN(3) == 0 {
		set.Data = "ppp"
	}
	w := newWorld(t, p.ID, modemtest.Options{Seed: seed}, set)
	o := &watcher{w: w}
	w.start()
	defer w.close()
	go o.run()
	w.until(2*time.Minute, modem.Connected)
	wrong, cards := 0, 0
	for began := time.Now(); time.Since(began) < 24*time.Hour && !t.Failed(); {
		time.Sleep(time.Minute + time.Duration(rng.Int64N(int64(time.Hour))))
		w.backWithin(time.Second)
		f, r, ok := anyFault(rng, p, set.Data)
		if !ok {
			continue
		}
		lasts := 10*time.Second + time.Duration(rng.Int64N(int64([]time.Duration{time.Minute, 10 * time.Minute, 2 * time.Hour}[rng.IntN(3)])))
		w.fault(r)
		o.lock(f.Group == "sim" && (f.Name == "puk" || f.Name == "ph-net" || f.Name == "pin-wrong"))
		if f.Name == "pin-wrong" {
			wrong++
		}
		w.lastsFor(f.Name, r, lasts)
		o.lock(false)
		if w.emu.Clear(""); r.cure == "card" {
			cards++
			w.emu.Insert(modemtest.SIM{ICCID: fmt.Sprintf("8986000000000%07d", cards), IMSI: fmt.Sprintf("46000000%07d", cards)})
		} else {
			w.endFault(r)
		}
		wait := max(0, time.Until(w.d.Status().Next))
		w.backWithin(wait + backBar)
		if t.Failed() {
			t.Logf("seed %d, %s by %q: after %s for %s, wait %s", seed, p.ID, set.Data, f.Name+" "+r.arg, lasts, wait)
		}
	}
	if n := w.emu.Counters().WrongPINs; n > wrong {
		t.Errorf("%d wrong PINs for %d cards that are locked otherwise", n, wrong)
	}
	for _, problem := range o.verdict() {
		t.Errorf("seed %d: %s", seed, problem)
	}
	w.noSecrets()
}

// anyFault is a fault that this modem can have.
func anyFault(rng *rand.Rand, p modemtest.Personality, plane string) (modemtest.Fault, row, bool) {
	faults := modemtest.Faults()
	f := faults[rng.IntN(len(faults))]
	r, ok := rowOf(f.Name, p.ID)
	if !ok || unsimulated[f.Name] != "" || f.Refuses != nil && f.Refuses(p) != "" || f.Group == "ppp" && plane != "ppp" {
		return f, r, false
	}
	if list := cures[f.Name]; len(list) > 0 && rng.IntN(2) == 0 {
		r.arg = "until=" + list[rng.IntN(len(list))]
	}
	return f, r, true
}

// lastsFor waits for the end of a fault: for its time, or for the rung that ends it.
func (w *world) lastsFor(fault string, r row, lasts time.Duration) {
	if !strings.HasPrefix(r.arg, "until=") {
		time.Sleep(lasts)
		return
	}
	for began := time.Now(); len(w.emu.Active()) > 0; time.Sleep(time.Second) {
		if time.Since(began) > 8*time.Hour {
			w.t.Errorf("no rung ended %s %s", fault, r.arg)
			return
		}
	}
}

// TestHealthyDay: a modem without trouble is asked little, starts no program
// and wears no flash.
func TestHealthyDay(t *testing.T) {
	hours := 2
	if *simDays >= 24 {
		hours = 24
	}
	for _, id := range []string{"air780-at", "quectel-qc", "generic-ppp"} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, id, modemtest.Options{}, modem.Settings{})
				o := &watcher{w: w}
				w.start()
				defer w.close()
				go o.run()
				w.until(2*time.Minute, modem.Connected)
				time.Sleep(5 * time.Minute)
				programs, writes := w.programs(), o.wrote()
				for hour := range hours {
					before := w.emu.Counters().Commands
					time.Sleep(time.Hour)
					if n := w.emu.Counters().Commands - before; n > 4*120 {
						t.Errorf("hour %d: %d commands, want at most 4 in 30 s", hour, n)
					}
				}
				if n := w.programs() - programs; n > 0 {
					t.Errorf("%d programs were started", n)
				}
				if n := o.wrote() - writes; n > 2 {
					t.Errorf("the memory was written %d times", n)
				}
				if d := w.done(); d.Resets+d.Radio+d.PowerCycles > 0 || !w.online() {
					t.Errorf("not in peace: %+v", d)
				}
			})
		})
	}
}

func (o *watcher) wrote() int {
	o.w.mu.Lock()
	defer o.w.mu.Unlock()
	return o.writes
}
