package kernel

import (
	"fmt"
	"time"

	"luatnetd/router"
)

// A room that somebody else undoes again and again is repaired at most
// repairLimit times in repairWindow, then left alone for repairPause: two
// programs that fight over a route are worse than either.
const (
	repairLimit  = 6
	repairWindow = time.Minute
	repairPause  = 10 * time.Minute
)

// guard counts repairs: ops in a room whose plan did not change.
type guard struct {
	repairs map[router.Rooms][]time.Time
	until   map[router.Rooms]time.Time
}

func newGuard() *guard {
	return &guard{repairs: make(map[router.Rooms][]time.Time), until: make(map[router.Rooms]time.Time)}
}

// leftAlone stands for the ops of a room that is not repaired.
type leftAlone struct{ room router.Rooms }

func (o leftAlone) String() string { return "repair " + o.room.String() }

// pass takes out the ops of rooms that are left alone. planned are the rooms
// where ops are no repairs. who names the suspect for nftables.
func (g *guard) pass(ops []router.Op, planned router.Rooms, now time.Time, who string) ([]router.Op, []Failure) {
	var repaired router.Rooms
	for _, op := range ops {
		repaired |= roomOf(op)
	}
	var stopped router.Rooms
	var failures []Failure
	for _, r := range (repaired &^ planned &^ router.RoomKill).Each() {
		if !g.allow(r, now) {
			stopped |= r
			failures = append(failures, Failure{Op: leftAlone{r}, Err: g.reason(r, now, who)})
		}
	}
	if stopped == 0 {
		return ops, nil
	}
	var kept []router.Op
	for _, op := range ops {
		if !stopped.Has(roomOf(op)) {
			kept = append(kept, op)
		}
	}
	return kept, failures
}

func (g *guard) allow(r router.Rooms, now time.Time) bool {
	if now.Before(g.until[r]) {
		return false
	}
	recent := g.repairs[r][:0]
	for _, t := range g.repairs[r] {
		if now.Sub(t) < repairWindow {
			recent = append(recent, t)
		}
	}
	if len(recent) >= repairLimit {
		g.repairs[r], g.until[r] = nil, now.Add(repairPause)
		return false
	}
	g.repairs[r] = append(recent, now)
	return true
}

func (g *guard) reason(r router.Rooms, now time.Time, who string) error {
	if who == "" || !r.Has(router.RoomTable|router.RoomAcct) {
		who = "another program"
	}
	return fmt.Errorf("%s keeps undoing it: %d repairs in %s, the next one in %s",
		who, repairLimit, repairWindow, g.until[r].Sub(now).Round(time.Second))
}
