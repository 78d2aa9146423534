package drive

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"luatnetd/modem"
	"luatnetd/modem/modemtest"
)

// The marks that the matrix leaves nowhere.
const (
	secretPIN      = "86427531"
	secretPassword = "geheim-8271"
	cardICCID      = "89860000000000000017"
	cardIMSI       = "460000000000017"
)

// backBar is how long after a fault's end, and the wait in progress, the modem
// may need to be online again.
const backBar = 2 * time.Minute

// leastCells are the cells that must apply.
const leastCells = 500

// TestMatrix: every family under every fault comes to what the table says, and
// back.
func TestMatrix(t *testing.T) {
	applied := 0
	for _, f := range modemtest.Faults() {
		for _, p := range modemtest.Personalities() {
			r, ok := rowOf(f.Name, p.ID)
			if !ok {
				t.Errorf("fault %s has no row", f.Name)
				break
			}
			if f.Refuses != nil {
				if why := f.Refuses(p); why != "" {
					t.Logf("%s × %s does not apply: %s", p.ID, f.Name, why)
					continue
				}
			}
			for column, run := range map[string]func(*testing.T, string, modemtest.Fault, row){"while online": cell, "at start": startCell} {
				at, ok := r, true
				if column == "at start" {
					at, ok = atStart(f, p.ID, r)
				}
				if !ok {
					continue
				}
				applied++
				t.Run(f.Name+"/"+p.ID+"/"+column, func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) { run(t, p.ID, f, at) })
				})
			}
		}
	}
	t.Logf("%d cells apply", applied)
	if applied < leastCells {
		t.Errorf("only %d cells apply, want %d", applied, leastCells)
	}
}

// cell is one fault with one family.
func cell(t *testing.T, personality string, f modemtest.Fault, r row) {
	w := newWorld(t, personality, modemtest.Options{}, cellSettings(f, r))
	w.start()
	defer w.close()
	w.until(2*time.Minute, modem.Connected)
	time.Sleep(time.Minute)
	w.fault(r)
	w.comesTo(r)
}

// startCell is a fault that is there before the driver is.
func startCell(t *testing.T, personality string, f modemtest.Fault, r row) {
	w := newWorld(t, personality, modemtest.Options{}, cellSettings(f, r))
	w.fault(r)
	w.start()
	defer w.close()
	w.comesTo(r)
}

// cellSettings are those of a cell: some have credentials.
func cellSettings(f modemtest.Fault, r row) modem.Settings {
	set := modem.Settings{SIM: modem.SIMSettings{PIN: secretPIN, PDPType: "IP", Roaming: true}}
	if r.pdp != "" {
		set.SIM.PDPType = r.pdp
	}
	if f.Group == "ppp" {
		set.Data = "ppp"
	}
	if f.Group == "ppp" || f.Group == "network" {
		set.SIM.User, set.SIM.Password, set.SIM.Auth = "field", secretPassword, "chap"
	}
	return set
}

// comesTo compares what the fault comes to with the row, ends it, and wants
// data back.
func (w *world) comesTo(r row) {
	t := w.t
	time.Sleep(r.after)
	synctest.Wait()
	s := w.d.Status()
	if got := strings.TrimSpace(string(s.State) + " " + s.Code); !slices.Contains(r.ends, got) {
		t.Errorf("it comes to %q (%s), want one of %q\nlast commands: %s", got, s.Cause, r.ends, w.lastCommands(12))
	}
	if got := dueClass(s.Next); r.next != "any" && got != r.next {
		t.Errorf("next try %s (%s), want %s", got, time.Until(s.Next), r.next)
	}
	w.endFault(r)
	w.backWithin(max(0, time.Until(s.Next), r.wait) + backBar)
	w.ask()
	w.noSecrets()
	if t.Failed() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, said := range w.told[max(0, len(w.told)-40):] {
			t.Log(said.Kind, said.Text)
		}
	}
}

// dueClass is how far off the next try is.
func dueClass(next time.Time) string {
	switch d := time.Until(next); {
	case next.IsZero():
		return "-"
	case d <= time.Minute:
		return "soon"
	case d <= 15*time.Minute:
		return "minutes"
	}
	return "long"
}

func (w *world) fault(r row) {
	w.t.Helper()
	if err := w.emu.Fault(r.fault, strings.Fields(r.arg)...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) endFault(r row) {
	w.emu.Clear("")
	switch r.cure {
	case "card":
		w.emu.Insert(modemtest.SIM{ICCID: "89860000000000000025", IMSI: "460000000000025"})
	case "bearer":
		w.emu.Deactivate(false)
	case "settings":
		set := w.cfg.Settings
		set.SIM.User = "other"
		w.d.Update(set)
	}
}

// backWithin waits until data flows again.
func (w *world) backWithin(limit time.Duration) {
	w.t.Helper()
	for began := time.Now(); time.Since(began) <= limit; time.Sleep(time.Second) {
		synctest.Wait()
		w.mu.Lock()
		alive := w.host.path == modem.PathAlive
		w.mu.Unlock()
		if s := w.d.Status(); s.State == modem.Connected && alive {
			return
		}
	}
	s := w.d.Status()
	w.t.Errorf("%s after the fault's end it is %s %q: %s\nlast commands: %s", limit, s.State, s.Code, s.Cause, w.lastCommands(12))
}
