package kernel

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"luatnetd/internal/order"
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
	paused  map[router.Rooms]Paused // rooms that were found undone and left so
}

func newGuard() *guard {
	return &guard{repairs: make(map[router.Rooms][]time.Time), until: make(map[router.Rooms]time.Time), paused: make(map[router.Rooms]Paused)}
}

// Paused is a room that is not repaired for a while.
type Paused struct {
	Room  router.Rooms
	Until time.Time
	Why   error
}

func (p Paused) String() string { return fmt.Sprintf("%s: left as it is, because %v", p.Room, p.Why) }

// leftAlone stands for the ops of a room that is not repaired.
type leftAlone struct{ room router.Rooms }

func (o leftAlone) String() string { return "repair " + o.room.String() }

// pass takes out the ops of rooms that are left alone. read are the rooms that
// the ops are for, planned those where ops are no repairs. who names the suspect for nftables.
func (g *guard) pass(ops []router.Op, read, planned router.Rooms, now time.Time, who string) ([]router.Op, []Failure) {
	var repaired router.Rooms
	for _, op := range ops {
		repaired |= roomOf(op)
	}
	var stopped router.Rooms
	var failures []Failure
	for _, r := range (repaired &^ planned &^ router.RoomKill).Each() {
		if !g.allow(r, now) {
			stopped |= r
			why := g.reason(r, now, who)
			failures = append(failures, Failure{Op: leftAlone{r}, Err: why})
			g.paused[r] = Paused{Room: r, Until: g.until[r], Why: why}
		}
	}
	for _, r := range (read &^ stopped).Each() {
		delete(g.paused, r) // it is as planned, or will be after these ops
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

// left lists the rooms that are not as planned and stay so for now.
func (g *guard) left() []Paused {
	all := slices.Collect(maps.Values(g.paused))
	order.Sort(all, func(a, b Paused) int { return int(a.Room) - int(b.Room) })
	return all
}

func (g *guard) reason(r router.Rooms, now time.Time, who string) error {
	if who == "" || !r.Has(router.RoomTable|router.RoomAcct) {
		who = "another program"
	}
	return fmt.Errorf("%s keeps undoing it: %d repairs in %s, the next one in %s",
		who, repairLimit, repairWindow, g.until[r].Sub(now).Round(time.Second))
}
