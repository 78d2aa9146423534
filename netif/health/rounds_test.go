package health

import (
	"testing"
	"time"
)

// Who asks by Hint waits for a round that starts after the question: one that
// was open then may rest on packets sent before.
func TestRoundsAfterAHint(t *testing.T) {
	w := settled(t, basic(tcpA))
	w.until(10*time.Second, func(Verdict) bool { return !w.m.round.open })
	started, ended := w.m.Rounds()
	if started == 0 || started != ended {
		t.Fatalf("%d rounds started, %d ended, want the same between two rounds", started, ended)
	}
	w.alive = nobody
	w.m.Hint(w.now, "asked")
	w.run(2 * time.Second) // the next round is open now, and nobody answers
	w.until(10*time.Second, func(Verdict) bool { return w.m.round.open })
	asked, ended := w.m.Rounds()
	if asked <= started || ended != asked-1 {
		t.Fatalf("while round %d is open, %d have ended", asked, ended)
	}
	w.m.Hint(w.now, "asked during a round")
	w.until(20*time.Second, func(Verdict) bool { _, ended = w.m.Rounds(); return ended > asked })
	if w.m.Verdict().Verified {
		t.Error("verified after a round without an answer")
	}
}

func TestProbing(t *testing.T) {
	w := settled(t, basic(tcpA))
	if !w.m.Probing() {
		t.Error("a connected uplink with a target is not probed")
	}
	for name, change := range map[string]func(*Level){
		"single": func(l *Level) { l.Single = true }, "closed": func(l *Level) { l.Enabled = false }, "no carrier": func(l *Level) { l.Carrier = false },
	} {
		l := upLevel()
		change(&l)
		w.observe(l)
		if w.m.Probing() {
			t.Errorf("%s: probed", name)
		}
	}
}
