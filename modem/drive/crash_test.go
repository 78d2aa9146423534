package drive

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"luatnetd/modem"
	"luatnetd/modem/modemtest"
)

// crashes is how often a driver is killed in each family.
const crashes = 12

// crashFamilies are all families, and once more each that can dial, by PPP.
func crashFamilies(each func(id, data string)) {
	for _, p := range modemtest.Personalities() {
		if p.AT() {
			each(p.ID, "auto")
		}
		if p.PPP() && p.Driver() != "" {
			each(p.ID, "ppp")
		}
	}
}

// done are the counters of what a start must not do to a session that lives.
func (w *world) done() modemtest.Counters {
	c := w.emu.Counters()
	return modemtest.Counters{
		PINs: c.PINs, WrongPINs: c.WrongPINs, Resets: c.Resets, PowerCycles: c.PowerCycles, Radio: c.Radio, Reselections: c.Reselections,
		DataStarts: c.DataStarts, Dials: c.Dials, ModeSwitches: c.ModeSwitches, ContextSets: c.ContextSets, Enumerations: c.Enumerations,
	}
}

func (w *world) programs() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls.runs
}

// online reports whether data flows, without a wait.
func (w *world) online() bool {
	w.mu.Lock()
	alive := w.host.path == modem.PathAlive
	w.mu.Unlock()
	return alive && w.d.Status().State == modem.Connected
}

// TestCrashAdopts: a driver that is killed while data flows is followed by one
// that takes the session over: nothing is dialled, reset or switched, and no
// PIN is sent; data does not stop for a moment.
func TestCrashAdopts(t *testing.T) {
	crashFamilies(func(id, data string) {
		t.Run(id+"/"+data, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(7, uint64(len(id)))) // reproducible: it is a test
				w := lockedWorld(t, id, data)
				w.start()
				defer w.close()
				w.until(2*time.Minute, modem.Connected)
				w.backWithin(time.Minute)
				before, programs := w.done(), w.programs()
				for i := range crashes {
					time.Sleep(time.Duration(rng.Int64N(int64(40 * time.Second))))
					w.kill()
					time.Sleep(time.Duration(rng.Int64N(int64(10 * time.Second))))
					w.start()
					if l := w.d.Link(); !l.Up {
						t.Fatalf("start %d: the link of the session is not there: %+v", i, l)
					}
				}
				w.backWithin(time.Minute)
				time.Sleep(time.Minute)
				if after := w.done(); after != before {
					t.Errorf("starts did something to the session:\nbefore %+v\nafter  %+v\nlast commands: %s", before, after, w.lastCommands(12))
				}
				if n := w.programs(); n != programs {
					t.Errorf("%d programs were started, want %d", n, programs)
				}
				w.neverTouched()
			})
		})
	})
}

// TestCrashAnywhere: a driver that is killed at any instant, also in the middle
// of a PIN, a dial or an opening port, is followed by one that comes online
// without a reset.
func TestCrashAnywhere(t *testing.T) {
	crashFamilies(func(id, data string) {
		t.Run(id+"/"+data, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(11, uint64(len(id)))) // reproducible: it is a test
				w := lockedWorld(t, id, data)
				w.start()
				defer w.close()
				for range crashes {
					time.Sleep(time.Duration(rng.Int64N(int64(12 * time.Second))))
					w.kill()
					if rng.IntN(4) == 0 {
						w.emu.Power(false)
						time.Sleep(time.Second)
						w.emu.Power(true)
					}
					w.start()
				}
				w.until(2*time.Minute, modem.Connected)
				w.backWithin(time.Minute)
				c := w.emu.Counters()
				if c.Resets+c.Radio > 0 || c.Reselections > c.ContextSets || c.WrongPINs > 0 || c.PINs > c.Enumerations {
					t.Errorf("resets, radio cycles or needless PINs: %+v", c)
				}
				w.neverTouched()
			})
		})
	})
}

// TestCrashWrongPIN: a wrong PIN goes out once, however often and whenever the
// driver is killed.
func TestCrashWrongPIN(t *testing.T) {
	for _, id := range []string{"quectel-qc", "fibocom-l610"} { // with a counter, without
		t.Run(id, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(3, 3)) // reproducible: it is a test
				card := modemtest.SIM{ICCID: cardICCID, IMSI: cardIMSI}.Lock("9"+secretPIN[1:], "12345678")
				w := newWorld(t, id, modemtest.Options{SIM: &card}, modem.Settings{SIM: modem.SIMSettings{PIN: secretPIN, PDPType: "IP", Roaming: true}})
				w.start()
				defer w.close()
				for i := range 1000 {
					time.Sleep(time.Duration(rng.Int64N(int64(3 * time.Second))))
					w.kill()
					if i%50 == 49 {
						w.emu.Power(false)
						time.Sleep(time.Second)
						w.emu.Power(true)
					}
					w.start()
				}
				w.until(2*time.Minute, modem.Failed)
				if c := w.emu.Counters(); c.PINs != 1 || c.WrongPINs != 1 {
					t.Errorf("%d PINs were sent, %d of them wrong; want 1", c.PINs, c.WrongPINs)
				}
				if left := w.emu.Card().PINTries; left != 2 {
					t.Errorf("the card has %d tries left, want 2", left)
				}
			})
		})
	}
}

// lockedWorld has a card with the PIN that the settings have.
func lockedWorld(t *testing.T, id, data string) *world {
	card := modemtest.SIM{ICCID: cardICCID, IMSI: cardIMSI}.Lock(secretPIN, "12345678")
	return newWorld(t, id, modemtest.Options{SIM: &card}, modem.Settings{Data: data, SIM: modem.SIMSettings{PIN: secretPIN, PDPType: "IP", Roaming: true}})
}

// neverTouched reports openings of a tty that pppd has.
func (w *world) neverTouched() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, path := range w.calls.touched {
		w.t.Errorf("%s was opened while pppd had it", path)
	}
}
