package engine

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"luatnetd/internal/config"
	"luatnetd/internal/host"
	"luatnetd/internal/journal"
	"luatnetd/internal/task"
	"luatnetd/netif"
)

// sleeping is an engine with one report in a hundred years that may put the
// machine to sleep, and a machine that is made of files.
func sleeping(t *testing.T, states string) *Engine {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"wakealarm": "", "state": states} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	log := slog.New(slog.DiscardHandler)
	shot := config.OneShot{Name: "hourly", Every: 100 * 365 * 24 * time.Hour, Suspend: true}
	e := &Engine{
		log: log, journal: journal.New(), tasks: task.New(log), ctx: t.Context(), inbox: make(chan any, 4),
		sleeper: host.Sleeper{RTC: dir, Power: dir}, now: func() time.Time { return netif.Boot(time.Hour) },
		cfg: &config.Config{OneShots: []config.OneShot{shot}},
	}
	e.clients.view.Store(&clientView{oneshots: map[string]*oneshot{"hourly": {cfg: oneshotConfig{OneShot: shot}, look: make(chan struct{}, 1)}}})
	return e
}

func (e *Engine) machine(t *testing.T) string {
	t.Helper()
	a, err := os.ReadFile(filepath.Join(e.sleeper.RTC, "wakealarm"))
	b, err2 := os.ReadFile(filepath.Join(e.sleeper.Power, "state"))
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	return string(a) + "|" + string(b)
}

// said are the events of the journal.
func (e *Engine) said() (list []string) {
	events, _ := e.journal.After(0)
	for _, ev := range events {
		list = append(list, string(ev.Kind)+": "+ev.Text)
	}
	return list
}

// TestSC02Suspends: after its report the machine sleeps; awake again, the
// schedules look at the clock and the network watchdog begins anew.
func TestSC02Suspends(t *testing.T) {
	e := sleeping(t, "freeze mem\n")
	e.sleepConfig()
	e.clients.reports.Add(1)
	e.handle(reported{"hourly"})
	e.clients.reports.Add(-1)
	e.started = e.now().Add(-time.Minute)
	e.handle(reported{"hourly"})
	if got := e.machine(t); got != "|freeze mem\n" {
		t.Errorf("a machine that has to stay awake: wakealarm|state = %q", got)
	}
	e.started = e.now().Add(-time.Hour)
	e.handle(reported{"hourly"})
	e.handle(reported{"hourly"}) // two at a time are one sleep
	select {
	case ev := <-e.inbox:
		w, ok := ev.(woken)
		if !ok || w.err != nil {
			t.Fatalf("event %#v", ev)
		}
		w.slept = time.Hour
		e.handle(w)
	case <-time.After(10 * time.Second):
		t.Fatal("it does not wake up")
	}
	if got := e.machine(t); !strings.HasPrefix(got, "0") || !strings.HasSuffix(got, "|memeze mem\n") { // written over what was there
		t.Errorf("wakealarm|state = %q, want the alarm off and \"mem\"", got)
	}
	want := []string{"suspend: the machine stays awake: another report", "suspend: the machine stays awake: it never sleeps in the first", "suspend: the machine sleeps for ", "suspend: the machine is awake after 1h0m0s"}
	got := e.said()
	for i, w := range want {
		if len(got) != len(want) || !strings.HasPrefix(got[i], w) {
			t.Fatalf("events %q, want %q", got, want)
		}
	}
	select {
	case <-e.clients.view.Load().oneshots["hourly"].look:
	default:
		t.Error("the schedule does not look at the clock")
	}
	if e.clients.fed.Load() == 0 {
		t.Error("the silence of the sleep counts for the network watchdog")
	}
	if list := e.clientHealth(e.now()); len(list) != 0 {
		t.Errorf("health %v", list)
	}
}

// TestSC02CannotSuspend: a machine that cannot says so at once, and after each
// report stays awake.
func TestSC02CannotSuspend(t *testing.T) {
	e := sleeping(t, "freeze\n")
	e.started = e.now().Add(-time.Hour)
	code := func() string {
		for _, n := range e.clientHealth(e.now()) {
			if n.Code == "suspend-impossible" {
				return n.Text
			}
		}
		return ""
	}
	e.sleepConfig()
	if got := code(); !strings.Contains(got, "\"mem\"") {
		t.Errorf("health after a reload: %q", got)
	}
	e.clients.sleep.cannot = ""
	e.handle(reported{"hourly"})
	select {
	case ev := <-e.inbox:
		e.handle(ev)
	case <-time.After(10 * time.Second):
		t.Fatal("no answer")
	}
	if got := code(); !strings.Contains(got, "\"mem\"") || e.clients.sleep.asleep {
		t.Errorf("health after a report: %q, asleep %v", got, e.clients.sleep.asleep)
	}
	if e.clients.fed.Load() != 0 {
		t.Error("a sleep that was none feeds the network watchdog")
	}
	e.cfg.OneShots[0].Suspend = false
	e.sleepConfig()
	if got := code(); got != "" {
		t.Errorf("health where nobody asks for it: %q", got)
	}
}
