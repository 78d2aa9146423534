package modem

import (
	"encoding/json"
	"math/rand/v2"
	"time"
)

// Rung is a step of the recovery ladder, from the mildest.
type Rung int

// The rungs are the steps of spec 4.3. Step 11, the reboot of the host, is not
// a modem's.
const (
	RungConfirm   Rung = iota // read the state again
	RungRenew                 // a new lease, the netdev down and up
	RungRedial                // stop and start the data call
	RungNextAPN               // only on an APN refusal
	RungReattach              // +CGATT or +COPS
	RungRadio                 // radio off and on
	RungReopen                // the AT port, or the other one
	RungSoftReset             // the profile's reset command
	RungRebind                // USB unbind and bind
	RungPortPower             // the hub's port: opt-in
	RungPower                 // the modem's own supply
	rungCount
)

// rungData is what holds for a rung whatever the cause.
type rungData struct {
	name   string
	settle time.Duration // its effect is waited for so long
	every  time.Duration // from one to the next
	reset  bool          // it interrupts what may still work: not while bytes arrive
}

// rungs is the table of spec 4.3.
var rungs = [rungCount]rungData{
	RungConfirm:   {name: "confirm", settle: 5 * time.Second},
	RungRenew:     {name: "renew lease", settle: 20 * time.Second},
	RungRedial:    {name: "redial", settle: 30 * time.Second, reset: true},
	RungNextAPN:   {name: "next APN", settle: 60 * time.Second, reset: true},
	RungReattach:  {name: "re-attach", settle: 120 * time.Second, every: 2 * time.Minute, reset: true},
	RungRadio:     {name: "radio cycle", settle: 120 * time.Second, every: 5 * time.Minute, reset: true},
	RungReopen:    {name: "reopen port", settle: 10 * time.Second},
	RungSoftReset: {name: "soft reset", settle: 60 * time.Second, every: 15 * time.Minute, reset: true},
	RungRebind:    {name: "USB rebind", settle: 10 * time.Second, every: time.Minute, reset: true},
	RungPortPower: {name: "USB port power", settle: 30 * time.Second, every: 10 * time.Minute, reset: true},
	RungPower:     {name: "power cycle", settle: 60 * time.Second, every: 10 * time.Minute, reset: true},
}

// darkPower is the interval between two power cycles of a modem that has found
// no network in between: finding one takes some up to 50 min (openwrt/packages#23590).
const darkPower = time.Hour

// stable is how long a connection must hold until the ladder begins anew.
const stable = 10 * time.Minute

func (r Rung) String() string {
	if r < 0 || r >= rungCount {
		return ""
	}
	return rungs[r].name
}

// Trouble is a cause of recovery; each has its own clock.
type Trouble string

// The troubles.
const (
	NoTrouble      Trouble = ""
	TroublePath    Trouble = "path dead"
	TroubleAddress Trouble = "no address"
	TroubleRefused Trouble = "data refused"
	TroubleSearch  Trouble = "no network"
	TroubleDenied  Trouble = "denied"
	TroubleBanned  Trouble = "denied for good"
	TroublePort    Trouble = "port stuck"
	TroubleGone    Trouble = "vanished"
	TroubleSIM     Trouble = "no card"
	TroubleSix     Trouble = "IPv6 only"
)

// climb is a step of a course: the rung, and how long after the one before has
// settled, or after the trouble began. A step that the modem does not have
// leaves its wait to the next one.
type climb struct {
	rung  Rung
	after time.Duration
}

// course is what is done about a trouble.
type course struct {
	steps []climb
	again int  // the step that follows the last one
	grow  bool // each step waits twice as long as the one before, from 5 s to 10 min
}

// The growing wait of spec 4.3, "Back-off".
const (
	growFrom = 5 * time.Second
	growTo   = 10 * time.Minute
)

// courses are the clocks of spec 4.3.
var courses = map[Trouble]course{
	TroublePath: {grow: true, again: 0, steps: []climb{
		{RungConfirm, 0}, {RungRenew, 0}, {RungRedial, 0}, {RungReattach, 0}, {RungRadio, 0}, {RungSoftReset, 0}, {RungRebind, 0}, {RungPortPower, 0}, {RungPower, 0}}},
	TroubleAddress: {grow: true, again: 0, steps: []climb{
		{RungRenew, 10 * time.Second}, {RungRenew, 0}, {RungRedial, 0}, {RungReattach, 0}, {RungRadio, 0}, {RungSoftReset, 0}, {RungRebind, 0}, {RungPortPower, 0}, {RungPower, 0}}},
	TroubleRefused: {again: 4, steps: []climb{
		{RungRedial, 10 * time.Second}, {RungRedial, 30 * time.Second}, {RungRedial, time.Minute}, {RungRedial, 5 * time.Minute},
		{RungReattach, 15 * time.Minute}, {RungRedial, 15 * time.Minute}, {RungRadio, 15 * time.Minute}, {RungRedial, 15 * time.Minute}}},
	TroubleSearch: {again: 2, steps: []climb{
		{RungRadio, 5 * time.Minute}, {RungSoftReset, 8 * time.Minute},
		{RungPower, 44 * time.Minute}, {RungRadio, 5 * time.Minute}, {RungSoftReset, 8 * time.Minute}}},
	TroubleDenied: {again: 1, steps: []climb{
		{RungReattach, 5 * time.Minute}, {RungRadio, 15 * time.Minute}, {RungReattach, 15 * time.Minute}}},
	TroubleBanned: {again: 0, steps: []climb{{RungReattach, 30 * time.Minute}}},
	TroublePort: {grow: true, again: 0, steps: []climb{
		{RungReopen, 0}, {RungReopen, 0}, {RungRebind, 0}, {RungPortPower, 0}, {RungPower, 0}}},
	TroubleGone: {grow: true, again: 0, steps: []climb{{RungPortPower, 50 * time.Second}, {RungPower, 10 * time.Second}}},
	TroubleSix:  {again: 0, steps: []climb{{RungRedial, 5 * time.Minute}, {RungRedial, 15 * time.Minute}}},
	TroubleSIM:  {again: 0, steps: []climb{{RungRadio, 10 * time.Minute}}},
}

// Ladder is where the recovery of one modem is, and what it has done. Times
// are boot time. It is saved before a rung that interrupts is climbed.
type Ladder struct {
	At     map[Trouble]int  // the next step of a course
	Count  map[Trouble]int  // steps climbed since it was stable
	Last   [rungCount]int64 // when a rung was climbed last, ns of boot time + 1; 0: never
	Rung   Rung             // climbed last
	For    Trouble          // what for: another trouble does not wait until it has settled
	Ended  int64            // when that was, likewise
	Dark   bool             // no network has been found since the last power cycle
	Helped string           // the rung after which the trouble was over
	tried  Trouble          // what the last rung was for, until it is known whether it helped
	since  time.Time        // of the stable connection
}

// Saved is the ladder for ModemMemory.
func (l Ladder) Saved() []byte {
	b, err := json.Marshal(l)
	if err != nil {
		return nil // maps of numbers: cannot be
	}
	return b
}

// loadLadder reads what Saved wrote. What seems to lie in the future was
// written before the host was started again: it counts as done now.
func loadLadder(b []byte, now time.Time) Ladder {
	l := Ladder{Rung: -1}
	if len(b) > 0 && json.Unmarshal(b, &l) != nil {
		l = Ladder{Rung: -1}
	}
	if l.At == nil {
		l.At = map[Trouble]int{}
	}
	if l.Count == nil {
		l.Count = map[Trouble]int{}
	}
	for i := range l.Last {
		l.Last[i] = min(max(l.Last[i], 0), stamp(now))
	}
	l.Ended = min(max(l.Ended, 0), stamp(now))
	if l.Rung < -1 || l.Rung >= rungCount {
		l.Rung = -1
	}
	return l
}

func stamp(t time.Time) int64 { return t.UnixNano() + 1 }

func unstamp(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n-1).UTC()
}

// due returns the next rung against a trouble that began at since, and when it
// is due. can tells the rungs that this modem has; false: none of them is left.
func (l *Ladder) due(t Trouble, since time.Time, can func(Rung) bool, rng *rand.Rand) (Rung, time.Time, bool) {
	c, ok := courses[t]
	if !ok {
		return -1, time.Time{}, false
	}
	i := l.At[t]
	if i < 0 || i >= len(c.steps) {
		i = c.again
	}
	var wait time.Duration
	for range 2 * len(c.steps) {
		step := c.steps[i]
		wait += step.after
		if can(step.rung) {
			l.At[t] = i
			return step.rung, l.when(t, c.grow, climb{step.rung, wait}, since, rng), true
		}
		if i++; i >= len(c.steps) {
			i = c.again
		}
	}
	return -1, time.Time{}, false
}

// when returns the time of a step.
func (l *Ladder) when(t Trouble, grow bool, step climb, since time.Time, rng *rand.Rand) time.Time {
	from := since
	if l.Rung >= 0 && l.Ended > 0 && (l.For == t || l.For == NoTrouble) {
		from = later(from, unstamp(l.Ended).Add(rungs[l.Rung].settle))
	}
	wait := step.after
	if n := l.Count[t]; grow && n > 1 {
		wait += min(growFrom<<min(n-2, 10), growTo)
	}
	at := from.Add(jitter(wait, rng))
	if last := l.Last[step.rung]; last != 0 {
		at = later(at, unstamp(last).Add(l.every(step.rung)))
	}
	return at
}

// every is the least interval between two climbs of a rung.
func (l *Ladder) every(r Rung) time.Duration {
	if r == RungPower && l.Dark {
		return darkPower
	}
	return rungs[r].every
}

// jitter takes a wait up to a fifth longer, so that many gateways behind one
// cell do not come back at the same moment.
func jitter(d time.Duration, rng *rand.Rand) time.Duration {
	if d < 5*time.Second {
		return d
	}
	return d + time.Duration(rng.Int64N(int64(d)/5+1))
}

// climbed notes that a rung was climbed, NoTrouble for the operator's: theirs
// keep no interval, but count for the next one of ours.
func (l *Ladder) climbed(t Trouble, r Rung, now time.Time) {
	l.Rung, l.Ended, l.Last[r] = r, stamp(now), stamp(now)
	l.For, l.tried, l.since = t, t, time.Time{}
	if r == RungPower {
		l.Dark = true
	}
	if t == NoTrouble {
		return
	}
	l.Count[t]++
	l.At[t]++
	if c := courses[t]; l.At[t] >= len(c.steps) {
		l.At[t] = c.again
	}
}

// registered notes that the modem has found a network.
func (l *Ladder) registered() { l.Dark = false }

// calm notes a connection that works. It reports the rung that helped, once,
// and whether the ladder has begun anew.
func (l *Ladder) calm(now time.Time) (helped string, anew bool) {
	if l.since.IsZero() {
		l.since = now
	}
	if l.tried != NoTrouble && l.Rung >= 0 {
		l.tried, l.Helped = NoTrouble, l.Rung.String()
		helped = l.Helped
	}
	if now.Sub(l.since) >= stable && len(l.At) > 0 {
		l.At, l.Count = map[Trouble]int{}, map[Trouble]int{}
		anew = true
	}
	return helped, anew
}

// trouble notes that the connection does not work.
func (l *Ladder) trouble() { l.since = time.Time{} }

// progress is how many rungs were climbed since it was stable.
func (l *Ladder) progress() (n int) {
	for _, c := range l.Count {
		n += c
	}
	return n
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
