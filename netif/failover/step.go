package failover

import (
	"net/netip"
	"slices"
	"time"

	"luatnetd/netif/health"
)

// patience is how long after its last answer the uplink that main rests on
// keeps it against one that answers again but sits out its hold-down.
const patience = 10 * time.Second

// settle is how long a main that rests on nothing stays so, once the start is
// over: a modem that falls off the bus or a lease that is refused is back
// within seconds, and then goes before uplinks that do not answer.
const settle = 2 * time.Second

// Policy is the [failover] section.
type Policy struct {
	StartupGrace     time.Duration
	FailOpen         bool
	AutoSocketSwitch bool // LuatOS's auto_socket_switch: flows of a left uplink are killed
}

// Uplink is what is known of one uplink.
type Uplink struct {
	Name    string
	Verdict health.Verdict
	Carrier bool
	HasAddr bool
	Enabled bool         // not closed by the operator
	Adopted bool         // a predecessor left its default in main; looked at during the start-up grace only
	Addr    netip.Prefix // for events only
}

// Input is everything a decision is made from. Uplinks are in the order of the
// configuration, which is their priority.
type Input struct {
	Uplinks []Uplink
	Use     string // operator's "ctl use"; "" for automatic
}

// State is what Step remembers between calls. The zero State is the start.
type State struct {
	Start  time.Time // first Step; zero: none yet
	Chosen bool      // some uplink has been active: the start-up grace is over
	Active string
	Since  time.Time // of Active
	Main   []string  // the uplinks that main rests on, best first
	Gone   time.Time // since when none of Main has an address; zero: one has
	Open   bool      // Main was entered by fail-open
	Kill   []string
}

// Decision is what is to be done, and why.
type Decision struct {
	// Active carries new traffic. It is empty while nothing is usable, even
	// though main may be held: LuatOS's (nil, -1). Held for doubt it stays.
	Active string
	// Main are the uplinks with a default in main, best first. With Hold it
	// is what main rests on as far as known, for DNS and display.
	Main []string
	// Hold says that main is not to be touched.
	Hold bool
	// Kill are uplinks whose flows another, verified uplink can carry.
	Kill   []string
	Reason string
	Since  time.Time // of Active
	// Next is when to call Step again if nothing happens before. Zero: never.
	Next time.Time
	Why  []Line
}

// Line is one line of "ctl explain".
type Line struct {
	Uplink string // "" for a line about all
	Rule   string
	Text   string
}

// Step decides. Calling it again with its own result and the same input gives
// the same decision.
func Step(p Policy, s State, in Input, now time.Time) (State, Decision) {
	t := turn{policy: p, in: in, now: now, state: s}
	t.begin()
	t.choose()
	t.kill()
	t.finish()
	return t.state, t.decision
}

// turn is one call of Step.
type turn struct {
	policy   Policy
	in       Input
	now      time.Time
	state    State
	decision Decision
	opened   bool
}

// begin remembers the start, drops from main what cannot be there any more and
// keeps the clock of a main that rests on nothing. A default goes with its
// address; only what a predecessor left is believed to be there while its
// lease is being confirmed.
func (t *turn) begin() {
	s := &t.state
	if s.Start.IsZero() {
		s.Start = t.now
		s.Main = t.names(func(u Uplink) bool { return u.Adopted })
	}
	early := t.now.Before(s.Start.Add(t.policy.StartupGrace))
	s.Main = slices.DeleteFunc(slices.Clone(s.Main), func(name string) bool {
		u, _ := t.uplink(name)
		return !u.Enabled || !u.HasAddr && !(u.Adopted && u.Carrier && early)
	})
	switch {
	case len(s.Main) > 0:
		s.Gone = time.Time{}
	case s.Gone.IsZero():
		s.Gone = t.now
	}
}

// choose applies the rules of doc.go.
func (t *turn) choose() {
	usable := t.ranked(Uplink.usable)
	switch {
	case len(usable) > 0 && t.waiting(usable[0]):
	case len(usable) > 0 && t.doubted(usable):
	case len(usable) > 0:
		t.enter(usable, t.rankReason(usable))
	case t.waived():
	case t.open():
	default:
		t.hold("no uplink is usable: main is left as it is", RuleHold)
	}
}

// waiting applies the start-up grace to the best usable uplink: a better one,
// or one that a predecessor left in main, may still become usable.
func (t *turn) waiting(best string) bool {
	s := &t.state
	end := s.Start.Add(t.policy.StartupGrace)
	if s.Chosen || !t.now.Before(end) {
		return false
	}
	u, ok := t.preferred()
	if len(s.Main) > 0 {
		u, ok = t.uplink(s.Main[0])
	}
	order := t.ranked(func(Uplink) bool { return true })
	if !ok || !u.pending() || slices.Index(order, u.Name) > slices.Index(order, best) {
		return false
	}
	t.wake(end)
	t.hold("start-up grace: "+u.Name+" is preferred and has "+t.policy.StartupGrace.String()+" to become usable", RuleGrace)
	return true
}

// doubted holds a main that still could work while none of the usable uplinks
// passed its last check: all may be dying of the same cause, or a fresh process
// has not heard of any yet, and moving flows from dead to dead resets them for
// nothing. The next rounds decide. Where the kernel has moved already (carrier)
// there is nothing to hold.
func (t *turn) doubted(usable []string) bool {
	main := t.state.Main
	if len(t.names(Uplink.verified)) > 0 || !slices.ContainsFunc(main, func(name string) bool {
		u, _ := t.uplink(name)
		return u.connected() && !u.usable()
	}) {
		return false
	}
	first, _ := t.uplink(main[0])
	if !first.usable() && !first.connected() {
		return false
	}
	t.hold(usable[0]+" is usable but did not pass its last check: main is left as it is until it has", RuleDoubt)
	if t.decision.Active = t.state.Active; first.usable() {
		t.decision.Active = first.Name
	}
	return true
}

// preferred returns the operator's or the first uplink that is not closed.
func (t *turn) preferred() (Uplink, bool) {
	if u, ok := t.uplink(t.in.Use); ok && u.Enabled {
		return u, true
	}
	i := slices.IndexFunc(t.in.Uplinks, func(u Uplink) bool { return u.Enabled })
	if i < 0 {
		return Uplink{}, false
	}
	return t.in.Uplinks[i], true
}

// waived uses an uplink that answers again before its hold-down has passed.
func (t *turn) waived() bool {
	back := t.ranked(Uplink.recovering)
	if len(back) == 0 {
		return false
	}
	held := ""
	if len(t.state.Main) > 0 {
		held = t.state.Main[0]
	}
	if u, ok := t.uplink(held); ok && u.HasAddr && !u.recovering() {
		if end := u.Verdict.LastGood.Add(patience); !u.Verdict.LastGood.IsZero() && t.now.Before(end) {
			t.wake(end)
			return false
		}
	}
	if i := slices.Index(back, held); i > 0 {
		back = slices.Insert(slices.Delete(back, i, i+1), 0, held) // what main rests on stays first
	}
	t.enter(back, back[0]+" answers again and nothing else is usable: its hold-down is waived")
	t.line(back[0], RuleWaived, "nothing else is usable, so it does not sit out its hold-down")
	return true
}

// open enters every uplink that could work when nothing answers anywhere.
func (t *turn) open() bool {
	s := &t.state
	if !t.policy.FailOpen {
		return false
	}
	if !s.Open {
		if s.Gone.IsZero() {
			return false
		}
		wait := t.policy.StartupGrace
		if s.Chosen {
			wait = min(wait, settle)
		}
		if end := s.Gone.Add(wait); t.now.Before(end) {
			t.wake(end)
			return false
		}
	}
	list := t.ranked(func(u Uplink) bool {
		if slices.Contains(s.Main, u.Name) {
			return u.Enabled && u.HasAddr // a cable bump moves nothing
		}
		return u.connected() && u.settled()
	})
	if len(list) == 0 {
		return false
	}
	t.enter(list, "no uplink has ever answered: every one with carrier and address is tried (fail_open)")
	t.opened = true
	t.line("", RuleOpen, "main rested on nothing, so there is nothing to lose")
	return true
}
