package client

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Session is the machine of one connection: it decides when to connect and
// through what, what is sent, and what is confirmed. It is told what happened
// and answers with orders; it never waits and never asks the time.
//
//	LINK_OFF ── an uplink ──► OFF_LINE ── its turn ──► WAIT_DNS … SHAKEHAND ──► ONLINE
//	   ▲                        ▲  ▲                           │                  │
//	   └────── no uplink ───────┘  └──────── failed, wait ─────┴──── broken ──────┘
//
// While it follows an uplink there are two sessions at once: cur carries the
// traffic, next connects; when next is online, cur is settled and closed.
type Session struct {
	p      *Policy // shared with whoever made it; nobody changes it
	rng    *rand.Rand
	values map[string]string

	net      NetView
	cur      *session         // online
	next     *session         // connecting, or online while cur settles
	closing  map[int]*session // closed by us in order; the other end may still speak
	settle   time.Time
	links    int
	failures int
	retry    time.Time // not before
	hold     time.Time // break_first: not before the old session's end, or this
	stopped  bool

	win    window
	cursor uint64 // last message handed to the wire
	tokens uint64

	state State
	since time.Time
	cause Cause // why it ended last
	count Counters

	out []Order
}

// Counters of a connection since its task began.
type Counters struct {
	Connects, Failures, Breaks int
	Sent, Confirmed, Resent    uint64 // messages
	SentBytes, ReceivedBytes   uint64
}

// Add is the sum of two counts.
func (c Counters) Add(d Counters) Counters {
	return Counters{
		c.Connects + d.Connects, c.Failures + d.Failures, c.Breaks + d.Breaks,
		c.Sent + d.Sent, c.Confirmed + d.Confirmed, c.Resent + d.Resent, c.SentBytes + d.SentBytes, c.ReceivedBytes + d.ReceivedBytes,
	}
}

// session is one link.
type session struct {
	link   int
	uplink string
	online bool
	born   time.Time // when it came online
	proven bool      // something was received or confirmed on it
	sent   time.Time // the last write
	expect time.Time // until when a heartbeat must be answered, zero for none
	cut    Cutter
}

// NewSession returns a session that is offline; done is the queue's position.
// values fill placeholders; they may be changed by SetValues.
func NewSession(p *Policy, done uint64, values map[string]string, rng *rand.Rand) *Session {
	s := &Session{p: p, rng: rng, values: values, state: LinkOff}
	s.win.done, s.cursor = done, done
	return s
}

// SetValues replaces what placeholders become.
func (s *Session) SetValues(v map[string]string) { s.values = v }

// State returns the state, since when, through which uplink and why the last
// session ended.
func (s *Session) State() (State, time.Time, string, Cause) {
	uplink := ""
	if s.cur != nil {
		uplink = s.cur.uplink
	} else if s.next != nil {
		uplink = s.next.uplink
	}
	return s.state, s.since, uplink, s.cause
}

// Counters returns what was counted.
func (s *Session) Counters() Counters { return s.count }

// orders returns what has been collected.
func (s *Session) orders() []Order {
	out := s.out
	s.out = nil
	return out
}

func (s *Session) order(o Order) { s.out = append(s.out, o) }

func (s *Session) become(now time.Time, st State) {
	if s.state != st {
		s.state, s.since = st, now
	}
}

// Network tells what uplinks there are.
func (s *Session) Network(now time.Time, v NetView) []Order {
	if v.Want != s.net.Want && v.Want != "" {
		s.failures, s.retry = 0, time.Time{} // another way: the old failures say nothing
	}
	s.net = v
	s.steer(now)
	return s.orders()
}

// steer brings the sessions in line with what is wanted.
func (s *Session) steer(now time.Time) {
	want := s.net.Want
	if s.stopped {
		return
	}
	if s.next != nil && (want != "" && s.next.uplink != want || s.cur != nil && s.cur.uplink == want) {
		s.shut(s.next, true)
		s.next, s.settle = nil, time.Time{}
	}
	if s.cur != nil && want != "" && s.cur.uplink != want && s.p.Switch == BreakFirst {
		s.lose(now, Cause{Code: CodeAborted, Text: "uplink " + want + " is used from now on"}, false)
		s.hold = now.Add(s.p.Close)
	}
	if s.cur == nil && s.next == nil && want == "" {
		s.become(now, LinkOff)
		return
	}
	move := s.cur != nil && want != "" && s.cur.uplink != want && s.p.Switch == Follow
	if want != "" && s.next == nil && (s.cur == nil || move) && !now.Before(s.due()) {
		s.dial(now, want)
	} else if s.cur == nil && s.next == nil {
		s.become(now, OffLine)
	}
}

// due is when the next attempt may be made, zero for at once.
func (s *Session) due() time.Time {
	if s.hold.After(s.retry) && s.ending() {
		return s.hold
	}
	return s.retry
}

// ending reports whether the server may still hold the session that was closed
// first: a new one that comes before its end is one too many. Through an uplink
// that is gone no end arrives, so that is not waited for.
func (s *Session) ending() bool {
	for _, l := range s.closing {
		if s.net.Usable[l.uplink] {
			return true
		}
	}
	return false
}

func (s *Session) dial(now time.Time, uplink string) {
	s.links++
	s.next = &session{link: s.links, uplink: uplink, cut: s.p.Recv}
	if s.cur == nil {
		s.become(now, OffLine)
	}
	s.order(Order{Do: OrderDial, Link: s.links, Uplink: uplink})
}

// Progress tells how far the connecting has come.
func (s *Session) Progress(now time.Time, link int, st State) {
	if s.next != nil && s.next.link == link && s.cur == nil && !s.next.online && st != OnLine {
		s.become(now, st)
	}
}

// Dialed tells that link is online or, with a cause, that it could not be made.
func (s *Session) Dialed(now time.Time, link int, cause *Cause) []Order {
	n := s.next
	if n == nil || n.link != link || s.stopped {
		if cause == nil {
			s.order(Order{Do: OrderShut, Link: link, Force: true}) // nobody wants it any more
		}
		return s.orders()
	}
	if cause != nil {
		s.next = nil
		s.count.Failures++
		s.cause = *cause
		s.later(now)
		s.steer(now)
		return s.orders()
	}
	n.online, n.born, n.sent = true, now, now
	s.count.Connects++
	switch {
	case s.cur == nil:
		s.promote(now)
	default:
		s.settle = now
		if s.net.Usable[s.cur.uplink] {
			s.settle = now.Add(settleMax)
		}
		s.settled(now)
	}
	return s.orders()
}

// later puts off the next attempt.
func (s *Session) later(now time.Time) {
	s.failures++
	s.retry = now.Add(s.p.Backoff.Wait(s.failures, s.rng))
}

// settled moves to the next session when the old one has nothing open, or its
// time is over. Messages are whole writes, so the border is kept.
func (s *Session) settled(now time.Time) {
	if s.next == nil || !s.next.online || s.cur == nil {
		return
	}
	if s.win.oldest() != nil && now.Before(s.settle) {
		return
	}
	s.shut(s.cur, false)
	s.win.lose()
	s.promote(now)
}

// settling reports whether the old session only waits for its confirmations.
func (s *Session) settling() bool { return s.next != nil && s.next.online }

// promote makes next the session that carries the traffic.
func (s *Session) promote(now time.Time) {
	s.cur, s.next, s.settle = s.next, nil, time.Time{}
	s.cursor = s.win.done
	s.become(now, OnLine)
	if !s.p.Register.Empty() && !s.p.RegisterEach {
		s.extra(now, s.p.Register)
	}
}

func (s *Session) shut(l *session, force bool) {
	if l.online && !force && !s.p.Datagrams { // UDP has no end to wait for
		if s.closing == nil {
			s.closing = map[int]*session{}
		}
		s.closing[l.link] = l
	}
	s.order(Order{Do: OrderShut, Link: l.link, Force: force})
}

// lose ends the current session; its unconfirmed messages stay at the head of
// the queue.
func (s *Session) lose(now time.Time, cause Cause, force bool) {
	l := s.cur
	s.cur = nil
	s.count.Breaks++
	s.cause = cause
	s.shut(l, force)
	s.win.lose()
	s.cursor = s.win.done
	s.become(now, OffLine)
	if l.proven || now.Sub(l.born) >= trusted {
		s.failures = 0
	}
	switch {
	case s.next != nil && s.next.online:
		s.promote(now)
	case s.net.Want != "" && s.net.Want != l.uplink:
		s.retry = time.Time{} // the way out is another one: no reason to wait
	default:
		s.later(now)
	}
}

// Broken tells that a session ended.
func (s *Session) Broken(now time.Time, link int, cause Cause) []Order {
	delete(s.closing, link)
	switch {
	case s.cur != nil && s.cur.link == link:
		s.lose(now, cause, true)
		s.steer(now)
	case s.next != nil && s.next.link == link:
		s.shut(s.next, true)
		s.next, s.settle = nil, time.Time{}
		s.cause = cause
		s.later(now)
		s.steer(now)
	default:
		s.steer(now) // who was closed first has ended
	}
	return s.orders()
}

// Reconnect makes the connection anew, at once: the network watchdog's first
// rung, or a person's word.
func (s *Session) Reconnect(now time.Time, why string) []Order {
	s.failures, s.retry = 0, time.Time{}
	if s.next != nil {
		s.shut(s.next, true)
		s.next, s.settle = nil, time.Time{}
	}
	if s.cur != nil {
		s.lose(now, Cause{Code: CodeAborted, Text: why}, true)
		s.failures, s.retry = 0, time.Time{}
	}
	s.steer(now)
	return s.orders()
}

// Stop ends the connection in order. Nothing else happens afterwards.
func (s *Session) Stop(now time.Time) []Order {
	s.stopped = true
	for _, l := range []*session{s.cur, s.next} {
		if l != nil {
			s.shut(l, !l.online)
		}
	}
	s.cur, s.next = nil, nil
	s.win.lose()
	s.become(now, OffLine)
	return s.orders()
}

// Next is when Tick has to be called, zero for never.
func (s *Session) Next() time.Time {
	var t time.Time
	sooner := func(at time.Time) {
		if !at.IsZero() && (t.IsZero() || at.Before(t)) {
			t = at
		}
	}
	if s.stopped {
		return t
	}
	move := s.cur == nil || s.cur.uplink != s.net.Want && s.p.Switch == Follow
	if s.next == nil && move && s.net.Want != "" {
		sooner(s.due())
	}
	if s.next != nil && s.next.online {
		sooner(s.settle)
	}
	if s.cur != nil {
		sooner(s.cur.cut.Due())
		sooner(s.cur.expect)
		if s.p.HeartbeatEvery > 0 && !s.settling() {
			sooner(s.cur.sent.Add(s.p.HeartbeatEvery))
		}
		for _, f := range s.win.list {
			if !f.done {
				sooner(s.win.due(f, s.p.Confirm))
				sooner(f.again)
			}
		}
	}
	return t
}

// Tick does what is due by itself.
func (s *Session) Tick(now time.Time) []Order {
	if s.stopped {
		return nil
	}
	s.settled(now)
	if s.cur != nil {
		for _, frame := range s.cur.cut.Flush(now) {
			s.frame(now, frame)
		}
	}
	if f := s.win.oldest(); s.cur != nil && f != nil && !now.Before(s.win.due(f, s.p.Confirm)) {
		s.lose(now, Cause{Code: CodeTimeout, Text: fmt.Sprintf("what was sent is not confirmed after %v", s.p.Confirm)}, true)
	}
	if s.cur != nil && !s.cur.expect.IsZero() && !now.Before(s.cur.expect) {
		s.lose(now, Cause{Code: CodeTimeout, Text: fmt.Sprintf("the heartbeat was not answered within %v", s.p.Confirm)}, true)
	}
	if s.cur != nil && !s.settling() && s.p.HeartbeatEvery > 0 && !now.Before(s.cur.sent.Add(s.p.HeartbeatEvery)) {
		s.extra(now, s.p.Heartbeat)
		if len(s.p.HeartbeatExpect) > 0 && s.cur.expect.IsZero() {
			s.cur.expect = now.Add(s.p.Confirm)
		}
	}
	if s.cur != nil {
		s.again(now)
	}
	s.steer(now)
	return s.orders()
}
