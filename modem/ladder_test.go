package modem

import (
	"math/rand/v2"
	"testing"
	"time"
)

func boot(d time.Duration) time.Time { return time.Unix(0, 0).UTC().Add(d) }

// climbs lists the rungs of a trouble that nothing helps against, with their times.
func climbs(trouble Trouble, n int, can func(Rung) bool) (rungs []Rung, times []time.Duration) {
	l := loadLadder(nil, boot(0))
	l.Dark = trouble == TroubleSearch
	rng := rand.New(rand.NewPCG(3, 4))
	for range n {
		r, due, ok := l.due(trouble, boot(time.Minute), can, rng)
		if !ok {
			return rungs, times
		}
		l.climbed(trouble, r, due)
		rungs, times = append(rungs, r), append(times, due.Sub(boot(time.Minute)))
	}
	return rungs, times
}

func TestCourses(t *testing.T) {
	all := func(r Rung) bool { return r != RungPortPower }
	for _, tt := range []struct {
		trouble Trouble
		can     func(Rung) bool
		rungs   []Rung
		from    []time.Duration // at the earliest; a fifth later at the latest, and the settling of what went before
	}{
		{TroublePath, all, []Rung{RungConfirm, RungRenew, RungRedial, RungReattach, RungRadio, RungSoftReset, RungRebind, RungPower, RungConfirm}, []time.Duration{0, 5 * time.Second, 25 * time.Second}},
		{TroubleSearch, all, []Rung{RungRadio, RungSoftReset, RungPower, RungRadio, RungSoftReset, RungPower}, []time.Duration{5 * time.Minute, 15 * time.Minute, time.Hour}},
		{TroubleRefused, all, []Rung{RungRedial, RungRedial, RungRedial, RungRedial, RungReattach}, []time.Duration{10 * time.Second, 30 * time.Second}},
		{TroubleDenied, all, []Rung{RungReattach, RungRadio, RungReattach, RungRadio}, []time.Duration{5 * time.Minute}},
		{TroubleBanned, all, []Rung{RungReattach, RungReattach, RungReattach}, []time.Duration{30 * time.Minute, time.Hour}},
		{TroublePort, all, []Rung{RungReopen, RungReopen, RungRebind, RungPower, RungReopen}, []time.Duration{0, 10 * time.Second, 20 * time.Second}},
		{TroubleGone, all, []Rung{RungPower, RungPower}, []time.Duration{time.Minute}},
		{TroubleGone, func(r Rung) bool { return true }, []Rung{RungPortPower, RungPower}, []time.Duration{50 * time.Second}},
		{TroubleSIM, all, []Rung{RungRadio, RungRadio}, []time.Duration{10 * time.Minute, 20 * time.Minute}},
		{TroubleGone, func(Rung) bool { return false }, nil, nil},
		{"no such trouble", all, nil, nil},
	} {
		rungs, times := climbs(tt.trouble, len(tt.rungs), tt.can)
		if len(tt.rungs) == 0 {
			if r, _ := climbs(tt.trouble, 1, tt.can); len(r) > 0 {
				t.Errorf("%s: %v", tt.trouble, r)
			}
			continue
		}
		for i, r := range tt.rungs {
			if i >= len(rungs) || rungs[i] != r {
				t.Errorf("%s: %v, want %v", tt.trouble, rungs, tt.rungs)
				break
			}
			if i < len(tt.from) && (times[i] < tt.from[i] || times[i] > tt.from[i]*6/5+3*time.Minute) {
				t.Errorf("%s: %s after %v, want %v", tt.trouble, r, times[i], tt.from[i])
			}
		}
	}
}

// The port's and the vanished modem's courses are fast: steps 6 to 8 within a minute.
func TestStuckPortIsFast(t *testing.T) {
	rungs, times := climbs(TroublePort, 3, func(r Rung) bool { return r != RungPortPower })
	if rungs[2] != RungRebind || times[2] > time.Minute {
		t.Errorf("%v at %v", rungs, times)
	}
}

// Waits grow from 5 s to 10 min.
func TestWaitsGrow(t *testing.T) {
	_, times := climbs(TroubleGone, 12, func(r Rung) bool { return r == RungPower })
	for i := 2; i < len(times); i++ {
		if times[i]-times[i-1] < 10*time.Minute || times[i]-times[i-1] > 70*time.Minute {
			t.Errorf("step %d after %v", i, times[i]-times[i-1])
		}
	}
	_, times = climbs(TroublePort, 40, func(r Rung) bool { return r == RungReopen })
	if first, last := times[1]-times[0], times[39]-times[38]; first > 20*time.Second || last < 10*time.Minute || last > 14*time.Minute {
		t.Errorf("from %v to %v", first, last)
	}
}

// The caps hold whatever the troubles are, and over restarts of daemon and host.
func TestIntervals(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	can := func(Rung) bool { return true }
	troubles := []Trouble{TroublePath, TroubleSearch, TroubleDenied, TroublePort, TroubleGone, TroubleAddress, TroubleSIM}
	for range 200 {
		l := loadLadder(nil, boot(0))
		now := boot(0)
		var last [rungCount]time.Time
		dark := false
		for range 60 {
			trouble := troubles[rng.IntN(len(troubles))]
			r, due, ok := l.due(trouble, now, can, rng)
			if !ok {
				t.Fatal(trouble)
			}
			now = later(now, due)
			least := map[Rung]time.Duration{RungRadio: 5 * time.Minute, RungSoftReset: 15 * time.Minute, RungPower: 10 * time.Minute}[r]
			if r == RungPower && dark {
				least = time.Hour
			}
			if gap := now.Sub(last[r]); !last[r].IsZero() && gap < least {
				t.Fatalf("%s after %v", r, gap)
			}
			l.climbed(trouble, r, now)
			last[r] = now
			dark = dark || r == RungPower
			switch rng.IntN(6) {
			case 0:
				l = loadLadder(l.Saved(), now)
			case 1:
				l.registered()
				dark = false
			}
		}
	}
}

// After a reboot boot time begins anew: what lies in the future counts as done now.
func TestLadderOverReboot(t *testing.T) {
	l := loadLadder(nil, boot(0))
	l.climbed(TroubleSearch, RungSoftReset, boot(5*time.Hour))
	l = loadLadder(l.Saved(), boot(time.Minute))
	soft := func(r Rung) bool { return r == RungSoftReset }
	if _, due, _ := l.due(TroublePath, boot(time.Minute), soft, rand.New(rand.NewPCG(1, 1))); due.Before(boot(16 * time.Minute)) {
		t.Errorf("due at %v: the interval does not count from the restart", due)
	}
	if l.At[TroubleSearch] != 1 {
		t.Errorf("the position is lost: %v", l.At)
	}
	for _, junk := range []string{"", "{", `{"Last":[-5,99999999999999999],"Rung":77,"At":{"path dead":-4},"Ended":-1}`} {
		l := loadLadder([]byte(junk), boot(time.Minute))
		if r, _, ok := l.due(TroublePath, boot(time.Minute), func(Rung) bool { return true }, rand.New(rand.NewPCG(1, 1))); !ok || r != RungConfirm {
			t.Errorf("%q: %v", junk, r)
		}
	}
}

// Only ten stable minutes make the ladder begin anew.
func TestCalm(t *testing.T) {
	l := loadLadder(nil, boot(0))
	l.climbed(TroublePath, RungRenew, boot(0))
	if helped, _ := l.calm(boot(time.Second)); helped != "renew lease" || l.Helped != "renew lease" {
		t.Error("what helped is not told")
	}
	if helped, _ := l.calm(boot(2 * time.Second)); helped != "" {
		t.Error("it is told twice")
	}
	if _, anew := l.calm(boot(9 * time.Minute)); anew {
		t.Error("after nine minutes")
	}
	l.trouble()
	if _, anew := l.calm(boot(11 * time.Minute)); anew {
		t.Error("it was not stable")
	}
	if _, anew := l.calm(boot(22 * time.Minute)); !anew || l.progress() != 0 {
		t.Error("not after ten minutes")
	}
}
