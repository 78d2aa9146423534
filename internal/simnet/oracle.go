package simnet

import (
	"fmt"
	"net/netip"
	"time"

	"luatnetd/router"
)

// Promise is what the daemon promises, in durations.
type Promise struct {
	Check   time.Duration // between two checks of a healthy uplink
	Timeout time.Duration // of one question
	Detect  time.Duration // silent death is left within this
	Recover time.Duration // a repaired line that loses nothing is usable within this
	Start   time.Duration // after the start everything holds within this
	Apply   time.Duration // from a decision to the kernel
}

// late is how long what the daemon knows may be behind the truth.
func (p Promise) late() time.Duration { return p.Timeout + p.Timeout/2 + p.Apply }

// class is the truth about a line, seen from far above.
type class uint8

const (
	broken  class = iota // what it must answer is not answered
	shaky                // loses so much, or is so slow, that nobody could demand anything
	sound                // loses at most one in twenty: must not be condemned
	perfect              // loses nothing: must be used in time
)

// watch is what the Oracle keeps about one line.
type watch struct {
	class   class
	since   [4]time.Time // since when the line is at least sound, perfect; or broken
	offered time.Time    // since when it has carrier and address
}

// Oracle watches the lines and the kernel. Call Look after every event.
type Oracle struct {
	Promise
	Clock  *Clock
	Kernel *Kernel
	Lines  []*Line // in the order of the configuration

	// Fault, if set, is told of every broken promise at once.
	Fault func(text string)

	// Wan is the address that a LAN client wants to reach.
	Wan netip.Addr

	running  bool
	epoch    time.Time // start of the daemon
	use      string
	usedAt   time.Time
	watches  []watch
	path     *Line     // last line that the kernel's path was over
	badSince time.Time // the path is bad although it could be good
	latSince time.Time // the path is not the best one
	noneAt   time.Time // there is no path although there could be
	inMain   []time.Time
	moves    int
	faults   []string
}

// Violations returns the promises that were broken, in order.
func (o *Oracle) Violations() []string { return o.faults }

// Moves returns how often the path went from one line to another.
func (o *Oracle) Moves() int { return o.moves }

// Started says that the daemon runs from now on; Stopped that it does not.
func (o *Oracle) Started() { o.running, o.epoch = true, o.Clock.Now() }

// Stopped says that the daemon was killed: the kernel is on its own.
func (o *Oracle) Stopped() { o.running = false }

// Use says what the operator chose, "" for the automatic choice.
func (o *Oracle) Use(name string) { o.use, o.usedAt = name, o.Clock.Now() }

func (o *Oracle) fault(format string, args ...any) {
	if o.Fault != nil {
		o.Fault(fmt.Sprintf(format, args...))
	}
	if len(o.faults) < 20 {
		o.faults = append(o.faults, fmt.Sprintf("%v: ", o.Clock.Uptime())+fmt.Sprintf(format, args...))
	}
}

// strength orders the kinds of evidence as the documentation does.
var strength = map[string]int{"gateway": 1, "icmp": 2, "dns": 3, "tcp": 4, "http": 4}

// judge classifies a line. What it must answer is the strongest kind that it
// ever answered on the wire.
func (o *Oracle) judge(l *Line) class {
	must := 0
	for _, q := range l.Questions {
		if _, ok := l.answered[q.Kind]; ok {
			must = max(must, strength[q.Kind])
		}
	}
	serves := false
	for _, q := range l.Questions {
		serves = serves || must > 0 && strength[q.Kind] >= must && l.Answers(q.Kind, q.Address)
	}
	switch {
	case !serves || !l.Connected() || l.RTT >= o.Timeout:
		return broken
	case l.Loss > 0.05 || l.RTT > o.Timeout*7/10:
		return shaky
	case l.Loss > 0:
		return sound
	}
	return perfect
}

// been returns how long the line has been at least c (for broken: just that)
// without a pause, while the daemon was watching.
func (o *Oracle) been(i int, c class) time.Duration {
	since := o.watches[i].since[c]
	if since.IsZero() {
		return 0
	}
	if since.Before(o.epoch) {
		since = o.epoch
	}
	return o.Clock.Now().Sub(since)
}

// Look judges the present moment.
func (o *Oracle) Look() {
	if o.watches == nil {
		o.watches = make([]watch, len(o.Lines))
		o.inMain = make([]time.Time, len(o.Lines))
	}
	now := o.Clock.Now()
	for i, l := range o.Lines {
		w := &o.watches[i]
		w.class = o.judge(l)
		mark(&w.since[broken], now, w.class == broken)
		mark(&w.since[sound], now, w.class >= sound)
		mark(&w.since[perfect], now, w.class == perfect)
		mark(&w.offered, now, l.Connected())
	}
	device, _ := o.Kernel.Lookup(Packet{Dst: o.Wan})
	at := -1
	for i, l := range o.Lines {
		if device == l.Device {
			at = i
		}
	}
	if o.running {
		o.moved(at)
		o.silent(now, at)
		o.lazy(now, at)
		o.dirty(now)
		o.shut(now, at)
	} else {
		o.badSince, o.latSince, o.noneAt = time.Time{}, time.Time{}, time.Time{}
		clear(o.inMain)
	}
	if at >= 0 {
		o.path = o.Lines[at]
	}
}

// mark keeps the time since when something holds.
func mark(since *time.Time, now time.Time, holds bool) {
	switch {
	case !holds:
		*since = time.Time{}
	case since.IsZero():
		*since = now
	}
}

// able reports whether line i must be usable by now: it has lost nothing for as
// long as coming back may take, and the daemon has had time to start.
func (o *Oracle) able(i int) bool {
	return o.lasted(i, perfect) > o.Recover && o.Clock.Now().Sub(o.epoch) > o.Start
}

// lasted is been without regard to the daemon's start.
func (o *Oracle) lasted(i int, c class) time.Duration {
	if since := o.watches[i].since[c]; !since.IsZero() {
		return o.Clock.Now().Sub(since)
	}
	return 0
}

// place is the line's place in the order of preference.
func (o *Oracle) place(i int) int {
	if o.Lines[i].Name == o.use {
		return -1
	}
	return i
}

// spared reports whether line i has been well for so long that it must be
// trusted, also by a daemon that has only just started. One that loses
// packets may lose some while it comes back.
func (o *Oracle) spared(i int) bool {
	return o.lasted(i, perfect) > o.Recover+o.late() || o.lasted(i, sound) > 4*o.Recover
}

// moved: a healthy line is not left for a worse one (no spurious switch).
func (o *Oracle) moved(at int) {
	if at < 0 || o.path == nil || o.Lines[at] == o.path {
		return
	}
	o.moves++
	from := 0
	for i, l := range o.Lines {
		if l == o.path {
			from = i
		}
	}
	chosen := o.Clock.Now().Sub(o.usedAt) < time.Second+o.Apply
	if o.place(at) > o.place(from) && o.spared(from) && !chosen {
		o.fault("spurious switch: %s was well and is left for %s", o.path.Name, o.Lines[at].Name)
	}
}

// silent: a path that does not work is left in time for one that does
// (invariant 1; detection bound).
func (o *Oracle) silent(now time.Time, at int) {
	could := -1
	for i := range o.Lines {
		if i != at && o.able(i) {
			could = i
		}
	}
	bad := could >= 0 && (at < 0 || o.watches[at].class == broken)
	mark(&o.badSince, now, bad)
	if bad && now.Sub(o.badSince) > o.Detect+o.Apply {
		o.fault("black hole: the path is over %s for %v while %s works", o.name(at), now.Sub(o.badSince), o.Lines[could].Name)
		o.badSince = now
	}
}

// lazy: traffic returns to the best line in time (failback bound).
func (o *Oracle) lazy(now time.Time, at int) {
	best := -1
	for i := range o.Lines {
		if o.able(i) && (best < 0 || o.place(i) < o.place(best)) {
			best = i
		}
	}
	late := best >= 0 && at >= 0 && o.place(at) > o.place(best)
	mark(&o.latSince, now, late && now.Sub(o.usedAt) > time.Second)
	if !o.latSince.IsZero() && now.Sub(o.latSince) > o.Apply {
		o.fault("no failback: the path is over %s although %s has been well", o.name(at), o.Lines[best].Name)
		o.latSince = now
	}
}

// dirty: main holds no line that has long been broken while another works
// (invariant 3).
func (o *Oracle) dirty(now time.Time) {
	for i, l := range o.Lines {
		other := false
		for j := range o.Lines {
			other = other || j != i && o.able(j)
		}
		held := other && o.been(i, broken) > 0 && o.has(l)
		mark(&o.inMain[i], now, held)
		if held && now.Sub(o.inMain[i]) > o.Detect+o.Apply {
			o.fault("main holds %s, broken for %v, while another line works", l.Name, o.been(i, broken))
			o.inMain[i] = now
		}
	}
}

// shut: where nothing ever answers there is a path all the same (fail open).
func (o *Oracle) shut(now time.Time, at int) {
	offered := false
	for i, l := range o.Lines {
		if len(l.answered) > 0 {
			return
		}
		w := o.watches[i]
		offered = offered || !w.offered.IsZero() && now.Sub(w.offered) > o.Start && now.Sub(o.epoch) > o.Start
	}
	mark(&o.noneAt, now, offered && at < 0)
	if !o.noneAt.IsZero() && now.Sub(o.noneAt) > o.Start/3 {
		o.fault("shut: nothing answers anywhere, and there is no path at all")
		o.noneAt = now
	}
}

func (o *Oracle) name(at int) string {
	if at < 0 {
		return "nothing"
	}
	return o.Lines[at].Name
}

// has reports whether main holds a default over the line.
func (o *Oracle) has(l *Line) bool {
	for i := range o.Kernel.Routes {
		r := &o.Kernel.Routes[i]
		if r.Table == router.TableMain && r.Dst.Bits() == 0 && r.Device == l.Device {
			return true
		}
	}
	return false
}

// Applied judges an operation of the daemon after it was executed.
func (o *Oracle) Applied(op router.Op) {
	switch op := op.(type) {
	case router.FlushMark:
		o.killed(int(op.Uplink) - 1)
	case router.DelRoute:
		if op.Table == router.TableMain && op.Dst.Bits() == 0 {
			o.removed(op.Device)
		}
	}
}

// killed: flows die only while another line passed its last check (invariant 3),
// and never on a line that is well.
func (o *Oracle) killed(i int) {
	alternative := false
	for j, l := range o.Lines {
		age := o.Clock.Now().Sub(l.last)
		alternative = alternative || j != i && !l.last.IsZero() && age <= o.Check+o.late()
	}
	if !alternative {
		o.fault("kill of %s's flows without an alternative that answered its last check", o.Lines[i].Name)
	}
	if o.watches != nil && o.spared(i) {
		o.fault("kill of %s's flows although it is well", o.Lines[i].Name)
	}
}

// removed: the last default is never taken away, and what remains has answered
// (invariant 2).
func (o *Oracle) removed(device string) {
	now := o.Clock.Now()
	for _, l := range o.Lines {
		if l.Device == device && (l.Closed || !l.Lease || o.has(l)) {
			return
		}
	}
	for _, l := range o.Lines {
		if o.has(l) && (!l.last.IsZero() && now.Sub(l.last) <= o.Detect+o.late() || now.Sub(o.epoch) < o.Start) {
			return
		}
	}
	o.fault("torn down: main lost %s and holds nothing that has answered of late", device)
}
