package client

import (
	"fmt"
	"strings"
	"time"
)

// Rung is one step of the network watchdog's ladder, from the mildest to the
// hardest. LuatOS knows the last one only: rtos.reboot() after 180 s + 3 s
// without FEED_NETWORK_WATCHDOG.
type Rung uint8

// The rungs. A configuration may leave some out, never change their order.
const (
	RungReconnect Rung = iota // every connection anew, names resolved again
	RungProbe                 // probe every uplink now
	RungBounce                // close the active uplink and open it again
	RungModem                 // take the modem's power away for a moment
	RungRestart               // end the process; the service manager starts it again
	RungReboot
)

var rungNames = [...]string{"reconnect", "probe", "bounce", "modem", "restart", "reboot"}

func (r Rung) String() string {
	if int(r) < len(rungNames) {
		return rungNames[r]
	}
	return fmt.Sprintf("rung-%d", uint8(r))
}

// ParseRung returns the rung called name.
func ParseRung(name string) (Rung, error) {
	for i, n := range rungNames {
		if n == name {
			return Rung(i), nil
		}
	}
	return 0, fmt.Errorf("there is no rung %q; there are %s", name, strings.Join(rungNames[:], ", "))
}

// LadderPolicy is how the network watchdog acts. Zero is not usable.
type LadderPolicy struct {
	Timeout       time.Duration // without food until the first rung, less Grace
	Grace         time.Duration // LuatOS waits 3 s more
	Rungs         []RungPolicy  // ascending, at least one
	RebootsPerDay int           // at most, in 24 h of running time
	MaxWait       time.Duration // ceiling of what a wait grows to from round to round
	BlameNetwork  bool          // climb although probes verify an uplink
}

// RungPolicy is one rung and how long it is given to help.
type RungPolicy struct {
	Rung Rung
	Wait time.Duration
}

// LadderInput is what the ladder cannot know by itself.
type LadderInput struct {
	Verified bool // probes verify an uplink: then the server is to blame
	Modem    bool // there is a modem to switch off and on
}

// Action is what the ladder wants to be done now. Save what Saved returns
// before it is done: a reboot that nobody remembers has no budget.
type Action struct {
	Rung    Rung
	Why     string // for a person
	Durable bool   // what Saved returns must survive a power cut, not just the process
}

// Ladder is the network watchdog: it is fed by what proves that the network
// works, and climbs while nobody feeds it. It is not safe for several goroutines.
type Ladder struct {
	p       LadderPolicy
	s       ladderState
	fed     time.Time // the last food, or the start
	due     time.Time // when the next rung is due
	tries   int       // reconnects in a row while the server is to blame
	blocked string    // why no higher rung was taken, "" where nothing held it back
}

// NewLadder returns a ladder that starts at now, a time since boot; saved is
// what an earlier process left. An error says that saved is damaged: the
// ladder then starts afresh, with no reboot to spare today.
func NewLadder(p LadderPolicy, bootID string, now time.Time, saved []byte) (*Ladder, error) {
	l := &Ladder{p: p, fed: now}
	err := l.s.load(saved, bootID, now, p)
	l.due = now.Add(p.Timeout + p.Grace) // an uplink needs its time to come up
	if l.s.Next > 0 {
		l.due = now.Add(l.wait(l.s.Next-1, l.s.Round))
	}
	return l, err
}

// Feed says that data came in or that a peer confirmed what was sent. It
// reports whether that ended an alarm: Saved has then changed.
func (l *Ladder) Feed(now time.Time) bool {
	alarm := l.s.Next > 0 || l.s.Round > 0
	if alarm {
		l.s.Helped = l.s.Last
	}
	l.s.Next, l.s.Round, l.tries, l.blocked = 0, 0, 0, ""
	l.fed, l.due = now, now.Add(l.p.Timeout+l.p.Grace)
	return alarm
}

// Next is when Step has to be called again.
func (l *Ladder) Next() time.Time { return l.due }

// Step returns what to do now; false: nothing.
func (l *Ladder) Step(now time.Time, in LadderInput) (Action, bool) {
	if now.Before(l.due) {
		return Action{}, false
	}
	at := -1
	if in.Verified && !l.p.BlameNetwork {
		at = l.blameServer(now)
	} else {
		at = l.climb(now, in)
	}
	if at < 0 {
		return Action{}, false
	}
	rung := l.p.Rungs[at].Rung
	l.s.Last = rung.String()
	return Action{
		Rung: rung, Durable: rung == RungReboot,
		Why: fmt.Sprintf("nothing was received or confirmed for %s", now.Sub(l.fed).Round(time.Second)),
	}, true
}

// blameServer takes the lowest rung again and again, each time later: while an
// uplink is verified, nothing that is done to the box can help.
func (l *Ladder) blameServer(now time.Time) int {
	l.blocked = "probes verify an uplink: the server is to blame"
	l.due = now.Add(l.wait(0, l.tries))
	l.tries++
	if l.p.Rungs[0].Rung != RungReconnect {
		return -1
	}
	l.s.Next = min(1, len(l.p.Rungs)-1)
	return 0
}

// climb takes the next rung that is possible, or starts another round.
func (l *Ladder) climb(now time.Time, in LadderInput) int {
	l.blocked, l.tries = "", 0
	for range 2 { // what is left of this round, then the next one
		for at := l.s.Next; at < len(l.p.Rungs); at++ {
			if !l.possible(l.p.Rungs[at].Rung, now, in) {
				continue
			}
			l.due = now.Add(l.wait(at, l.s.Round))
			l.s.Next = at + 1
			if l.p.Rungs[at].Rung == RungReboot {
				l.s.reboot(now)
				l.s.Next, l.s.Round = 0, l.s.Round+1
			}
			return at
		}
		l.s.Next, l.s.Round = 0, l.s.Round+1
	}
	l.due = now.Add(l.wait(0, l.s.Round))
	return -1
}

func (l *Ladder) possible(r Rung, now time.Time, in LadderInput) bool {
	switch r {
	case RungModem:
		return in.Modem
	case RungReboot:
		n := l.s.recent(now)
		if n >= l.p.RebootsPerDay {
			l.blocked = fmt.Sprintf("%d of %d reboots a day are used up", n, l.p.RebootsPerDay)
			return false
		}
	}
	return true
}

// wait is how long a rung is given, doubled for each round before.
func (l *Ladder) wait(at, round int) time.Duration {
	w := max(l.p.Rungs[at].Wait, time.Second) // a ladder without waits would spin
	return min(w<<min(round, 10), max(l.p.MaxWait, w))
}

// LadderStatus is the network watchdog for a person.
type LadderStatus struct {
	Fed     time.Time     // the last food, or the start
	Due     time.Time     // when the next rung is due
	Next    string        // the rung that would be next
	Round   int           // rounds before this one in this alarm
	Last    string        // the rung taken last, "" for none
	Helped  string        // the rung after which food came the last time
	Reboots int           // within 24 h of running time
	Blocked string        // what keeps it from climbing higher
	Silence time.Duration // since Fed
}

// Status returns how the ladder stands.
func (l *Ladder) Status(now time.Time) LadderStatus {
	return LadderStatus{
		Fed: l.fed, Due: l.due, Next: l.p.Rungs[min(l.s.Next, len(l.p.Rungs)-1)].Rung.String(), Round: l.s.Round,
		Last: l.s.Last, Helped: l.s.Helped, Reboots: l.s.recent(now), Blocked: l.blocked, Silence: now.Sub(l.fed),
	}
}
