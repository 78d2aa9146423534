package client

import (
	"testing"
	"time"

	"luatnetd/netif"
)

// wholeLadder has every rung, with the waits of the reference configuration.
func wholeLadder() LadderPolicy {
	return LadderPolicy{
		Timeout: 180 * time.Second, Grace: 3 * time.Second, RebootsPerDay: 3, MaxWait: time.Hour,
		Rungs: []RungPolicy{
			{RungReconnect, 30 * time.Second}, {RungProbe, 15 * time.Second}, {RungBounce, time.Minute},
			{RungModem, 2 * time.Minute}, {RungRestart, time.Minute}, {RungReboot, 5 * time.Minute},
		},
	}
}

// climbTo runs the ladder until end and returns what it did and when.
func climbTo(l *Ladder, end time.Time, in LadderInput) (did []string, at []time.Duration) {
	for !l.Next().After(end) {
		now := l.Next()
		if a, ok := l.Step(now, in); ok {
			did, at = append(did, a.Rung.String()), append(at, uptime(now))
		}
	}
	return did, at
}

func same(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// TestWD01Timeout: no food for 180 s, and 3 s of grace, then the first rung and
// not before; food starts the time anew.
func TestWD01Timeout(t *testing.T) {
	l, err := NewLadder(wholeLadder(), "b", netif.Boot(0), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := l.Step(netif.Boot(183*time.Second-1), LadderInput{}); ok {
		t.Error("acted before 183 s")
	}
	l.Feed(netif.Boot(100 * time.Second))
	if _, ok := l.Step(netif.Boot(283*time.Second-1), LadderInput{}); ok {
		t.Error("acted before 183 s after the food")
	}
	a, ok := l.Step(netif.Boot(283*time.Second), LadderInput{})
	if !ok || a.Rung != RungReconnect || a.Durable {
		t.Errorf("at 183 s after the food: %+v, %v; want reconnect", a, ok)
	}
}

// TestWD02Rungs: in order, each with its own wait, the modem's only where there
// is one, and slower from round to round.
func TestWD02Rungs(t *testing.T) {
	l, _ := NewLadder(wholeLadder(), "b", netif.Boot(0), nil)
	did, at := climbTo(l, netif.Boot(7*time.Minute), LadderInput{})
	if want := []string{"reconnect", "probe", "bounce", "restart", "reboot"}; !same(did, want) {
		t.Fatalf("without a modem: %v, want %v", did, want)
	}
	for i, want := range []time.Duration{183, 213, 228, 288, 348} {
		if at[i] != want*time.Second {
			t.Errorf("%s at %v, want %v", did[i], at[i], want*time.Second)
		}
	}
	l, _ = NewLadder(wholeLadder(), "b", netif.Boot(0), nil)
	did, _ = climbTo(l, netif.Boot(5*time.Minute), LadderInput{Modem: true})
	if want := []string{"reconnect", "probe", "bounce", "modem"}; !same(did, want) {
		t.Errorf("with a modem: %v, want %v", did, want)
	}
}

// TestWD02ServerIsToBlame: while probes verify an uplink nothing above
// reconnect happens, ever later; when they stop, the ladder climbs on.
func TestWD02ServerIsToBlame(t *testing.T) {
	l, _ := NewLadder(wholeLadder(), "b", netif.Boot(0), nil)
	did, at := climbTo(l, netif.Boot(24*time.Hour), LadderInput{Verified: true})
	if len(did) < 10 || len(did) > 40 {
		t.Errorf("%d reconnects in a day, want 10 to 40", len(did))
	}
	for i, d := range did {
		if d != "reconnect" {
			t.Fatalf("action %d is %s while an uplink is verified", i, d)
		}
	}
	if gap := at[len(at)-1] - at[len(at)-2]; gap != time.Hour {
		t.Errorf("the last two are %v apart, want the ceiling of 1 h", gap)
	}
	if s := l.Status(netif.Boot(24 * time.Hour)); s.Blocked == "" || s.Silence != 24*time.Hour {
		t.Errorf("status does not say why: %+v", s)
	}
	a, ok := l.Step(l.Next(), LadderInput{})
	if !ok || a.Rung != RungProbe {
		t.Errorf("after the uplinks died: %+v %v, want probe", a, ok)
	}
	p := wholeLadder()
	p.BlameNetwork = true
	l, _ = NewLadder(p, "b", netif.Boot(0), nil)
	if did, _ := climbTo(l, netif.Boot(4*time.Minute), LadderInput{Verified: true}); !same(did, []string{"reconnect", "probe", "bounce"}) {
		t.Errorf("blame_network: %v", did)
	}
}

// TestWD02Budget: three reboots in 24 h of running time, whatever else happens,
// kept over boots that each look like the first one.
func TestWD02Budget(t *testing.T) {
	var saved []byte
	var total time.Duration // true time
	var reboots []time.Duration
	for boot := 0; total < 10*24*time.Hour; boot++ {
		name := string(rune('a'+boot%26)) + string(rune('a'+boot/26))
		l, err := NewLadder(wholeLadder(), name, netif.Boot(20*time.Second), saved)
		if err != nil {
			t.Fatal(err)
		}
		for {
			now := l.Next()
			if total+uptime(now) > 10*24*time.Hour {
				total = 10 * 24 * time.Hour
				break
			}
			a, ok := l.Step(now, LadderInput{})
			if ok && a.Rung == RungReboot {
				if !a.Durable {
					t.Fatal("a reboot must be remembered durably")
				}
				saved = l.Saved(now)
				total += uptime(now)
				reboots = append(reboots, total)
				break
			}
		}
	}
	for i := range reboots {
		if i >= 3 && reboots[i]-reboots[i-3] < 24*time.Hour {
			t.Errorf("reboots %d to %d within %v", i-3, i, reboots[i]-reboots[i-3])
		}
	}
	if len(reboots) < 10 {
		t.Errorf("%d reboots in 10 days: the budget does not come back", len(reboots))
	}
}

// TestLadderGoesOnAfterRestart: a process that was restarted, by the ladder or
// by kill -9, takes the next rung and not the first one.
func TestLadderGoesOnAfterRestart(t *testing.T) {
	l, _ := NewLadder(wholeLadder(), "b", netif.Boot(0), nil)
	climbTo(l, netif.Boot(300*time.Second), LadderInput{}) // restart was at 288 s
	saved := l.Saved(netif.Boot(300 * time.Second))
	l, err := NewLadder(wholeLadder(), "b", netif.Boot(310*time.Second), saved)
	if err != nil {
		t.Fatal(err)
	}
	if l.Next() != netif.Boot(370*time.Second) {
		t.Errorf("next at %v, want the restart's wait from now", uptime(l.Next()))
	}
	if a, ok := l.Step(l.Next(), LadderInput{}); !ok || a.Rung != RungReboot {
		t.Errorf("after the restart: %+v %v, want reboot", a, ok)
	}
	l, _ = NewLadder(wholeLadder(), "c", netif.Boot(10*time.Second), saved)
	if a, _ := l.Step(l.Next(), LadderInput{}); a.Rung != RungReconnect || l.Status(l.Next()).Round != 0 {
		t.Errorf("in another boot: %v, want reconnect", a.Rung)
	}
}

// TestLadderRemembersWhatHelped: the rung before the food is on record.
func TestLadderRemembersWhatHelped(t *testing.T) {
	l, _ := NewLadder(wholeLadder(), "b", netif.Boot(0), nil)
	if l.Feed(netif.Boot(time.Second)) {
		t.Error("food without an alarm is no news")
	}
	climbTo(l, netif.Boot(230*time.Second), LadderInput{})
	if !l.Feed(netif.Boot(240 * time.Second)) {
		t.Error("the end of an alarm is news")
	}
	if s := l.Status(netif.Boot(240 * time.Second)); s.Helped != "bounce" || s.Next != "reconnect" || s.Round != 0 {
		t.Errorf("after the food: %+v, want bounce as what helped", s)
	}
}

// TestLadderDamagedState: it says so, and an unknown budget is a spent one.
func TestLadderDamagedState(t *testing.T) {
	for _, saved := range []string{"{", `{"next":-1}`, "\x00\x00", `{"reboots":"many"}`} {
		l, err := NewLadder(wholeLadder(), "b", netif.Boot(0), []byte(saved))
		if err == nil {
			t.Errorf("%q: no error", saved)
		}
		did, _ := climbTo(l, netif.Boot(12*time.Hour), LadderInput{})
		for _, d := range did {
			if d == "reboot" {
				t.Fatalf("%q: a reboot although the budget is unknown", saved)
			}
		}
		if len(did) < 8 {
			t.Errorf("%q: only %v", saved, did)
		}
	}
}

// FuzzLadderState: whatever the file holds, the ladder starts, and never has
// more reboots to spare than its budget.
func FuzzLadderState(f *testing.F) {
	l, _ := NewLadder(wholeLadder(), "b", netif.Boot(0), nil)
	climbTo(l, netif.Boot(400*time.Second), LadderInput{Modem: true})
	f.Add(l.Saved(netif.Boot(400*time.Second)), "b", int64(500*time.Second))
	f.Add([]byte(`{"boot":"b","uptime":-5,"next":99,"round":1000000,"reboots":[-1,9223372036854775807]}`), "b", int64(time.Second))
	f.Add([]byte(nil), "", int64(0))
	f.Fuzz(func(t *testing.T, saved []byte, boot string, at int64) {
		if at < 0 || at > int64(10*365*24*time.Hour) {
			return
		}
		l, _ := NewLadder(wholeLadder(), boot, netif.Boot(time.Duration(at)), saved)
		did, _ := climbTo(l, netif.Boot(time.Duration(at)+6*time.Hour), LadderInput{Modem: true})
		n := 0
		for _, d := range did {
			if d == "reboot" {
				n++
			}
		}
		if n > 3 || len(did) < 5 {
			t.Errorf("%d reboots, %d actions in 6 h", n, len(did))
		}
	})
}
