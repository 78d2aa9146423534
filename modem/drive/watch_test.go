package drive

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"luatnetd/modem"
	"luatnetd/modem/modemtest"
)

// watcher is the oracle of the simulation: it looks at modem, levers and files
// once a second and at nothing of the driver.
type watcher struct {
	w        *world
	counters modemtest.Counters
	levers   int
	bytes    uint64
	flows    time.Time // since when bytes have been arriving; zero: they do not
	locked   bool      // the card waits for a person

	radio, soft, power []time.Time
	dark               time.Time // of a power cycle without a network since
	memory             os.FileInfo
	writes             int
	problems           []string
}

// Least times between two of a kind, less what a look may be late.
const (
	radioEvery = 5*time.Minute - 2*time.Second
	softEvery  = 15*time.Minute - 2*time.Second
	powerEvery = 10*time.Minute - 2*time.Second
	darkEvery  = time.Hour - 2*time.Second
)

// run looks until the world ends.
func (o *watcher) run() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			o.look(now)
		case <-o.w.life.Done():
			return
		}
	}
}

func (o *watcher) look(now time.Time) {
	w := o.w
	c, registered, b := w.emu.Counters(), w.emu.Registered(), w.host.bytes.Load()
	memory, _ := os.Stat(filepath.Join(w.cfg.Dir, "modem-4g.json"))
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.Radio > o.counters.Radio {
		o.acted(now, &o.radio, "radio cycle", radioEvery)
	}
	if c.Resets > o.counters.Resets {
		o.acted(now, &o.soft, "soft reset", softEvery)
	}
	for _, l := range w.pulled[o.levers:] {
		if l != modem.LeverPower {
			continue
		}
		if !o.dark.IsZero() && now.Sub(o.dark) < darkEvery {
			o.object(now, "two power cycles %v apart without a network", now.Sub(o.dark))
		}
		o.acted(now, &o.power, "power cycle", powerEvery)
		o.dark = now
	}
	if registered {
		o.dark = time.Time{}
	}
	switch {
	case b == o.bytes:
		o.flows = time.Time{}
	case o.flows.IsZero():
		o.flows = now
	}
	if memory != nil && (o.memory == nil || !os.SameFile(memory, o.memory) || !memory.ModTime().Equal(o.memory.ModTime())) {
		o.writes++
	}
	o.counters, o.bytes, o.levers, o.memory = c, b, len(w.pulled), memory
}

// acted notes what interrupts, and objects where it must not be.
func (o *watcher) acted(now time.Time, list *[]time.Time, what string, every time.Duration) {
	if n := len(*list); n > 0 && now.Sub((*list)[n-1]) < every {
		o.object(now, "two %ss %v apart", what, now.Sub((*list)[n-1]))
	}
	*list = append(*list, now)
	switch {
	case o.locked:
		o.object(now, "%s while the card waits for a person", what)
	case !o.flows.IsZero() && now.Sub(o.flows) > 10*time.Second:
		o.object(now, "%s while bytes arrive", what)
	}
}

func (o *watcher) object(now time.Time, format string, a ...any) {
	o.problems = append(o.problems, now.UTC().Format(time.DateTime)+" "+fmt.Sprintf(format, a...))
}

// lock says whether the card waits for a person.
func (o *watcher) lock(locked bool) {
	o.w.mu.Lock()
	defer o.w.mu.Unlock()
	o.locked = locked
}

// verdict are the objections so far.
func (o *watcher) verdict() []string {
	o.w.mu.Lock()
	defer o.w.mu.Unlock()
	return append([]string(nil), o.problems...)
}
