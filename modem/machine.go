package modem

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

// Machine takes one modem from power-on to data, and back from every failure.
//
//	absent ─► enumerating ─► probing ─► sim ─► radio-off ─► searching | denied ─► registered
//	                                                                                  │
//	      degraded ◄─► connected ◄─ addressing ◄─ connecting ◄─ attaching ◄───────────┘
//
// It works by level: each step looks at what is known of the modem, takes the
// first thing that is missing and asks for it. What is not known any more, by a
// URC, a reset or an unplugged cable, is asked for again. A session that lives
// already at the start is therefore found and left alone.
//
// A Machine belongs to one goroutine. It reads no clock: now is boot time.
type Machine struct {
	set      Settings
	profiles Profiles
	mem      Memory
	rng      *rand.Rand
	ladder   Ladder

	now     time.Time
	level   Level
	out     []Action
	id      uint64
	pending []pending
	queue   []queued // requests of operators, that wait for their turn

	device  Device
	devices deviceFacts
	ports   portFacts
	ident   Identity
	sim     simFacts
	radio   radioFacts
	net     netFacts
	data    dataFacts
	sms     smsFacts
	polls   pollFacts
	rescue  rescueFacts
	shown   shownFacts
	profile Profile
	want    want
	redo    bool
	epoch   int  // counts the modems that came: what was begun with one is not ended with another
	restart bool // Update asks for it
	anew    bool // likewise, of the data call only
}

// pending is an action that is under way. then is called with its end, or with
// ErrTimeout when until has passed without it.
type pending struct {
	id    uint64
	port  string // of a Send
	until time.Time
	asked bool // by an operator: does not belong to the machine's own work
	timer bool // only the time is waited for
	open  bool // of an Open: PortChanged ends it
	aside bool // goes on beside other work
	ussd  bool // waits for +CUSD
	data  bool // waits until the data plane is down: DataChanged ends it
	keep  bool // outlives a port that closes
	then  func(Reply)
}

// The guards against an answer that never comes, beyond the command's timeout.
const (
	replyGuard = 2 * time.Second
	saveGuard  = 30 * time.Second
	pullGuard  = 2 * time.Minute
	openGuard  = 15 * time.Second
	dataGuard  = 4 * time.Minute
)

// turns bounds the stages of one step: more would be a loop of ours.
const turns = 64

// NewMachine makes the machine of one modem. Memory is what Save kept; seed
// makes the jitter and salts, and is to be unpredictable.
func NewMachine(s Settings, profiles Profiles, mem Memory, seed uint64, now time.Time) *Machine {
	m := &Machine{set: s, profiles: profiles, rng: rand.New(rand.NewPCG(seed, seed>>7^0x5eed)), now: now}
	m.mem = mem.clone()
	m.ladder = loadLadder(m.mem.Modems[""].Ladder, now)
	m.data.first = true
	m.want.wake = now
	m.shown.since = now
	return m
}

// Step tells the machine what holds and what happened, and returns what it
// wants done.
func (m *Machine) Step(now time.Time, level Level, events []Event) []Action {
	m.now, m.level, m.out = now, level, nil
	m.watchBytes()
	m.updated()
	m.watchDevice()
	for _, e := range events {
		m.take(e)
	}
	m.expire()
	m.ask()
	m.advance()
	m.show()
	return m.out
}

// Next is when Step is to be called again if nothing happens before; zero: it
// waits for something.
func (m *Machine) Next() time.Time {
	var next time.Time
	for _, p := range m.pending {
		next = sooner(next, p.until)
	}
	for _, q := range m.queue {
		next = sooner(next, q.until)
	}
	if !m.busy() {
		next = sooner(next, m.want.wake)
	}
	return next
}

func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// take deals with one event.
func (m *Machine) take(e Event) {
	switch e := e.(type) {
	case Replied:
		m.end(e.ID, e.Reply)
	case Finished:
		m.end(e.ID, Reply{Err: e.Err})
	case Heard:
		m.heard(e)
	case PortChanged:
		m.portChanged(e)
	case DataChanged:
		m.dataChanged(e)
	case Asked:
		m.enqueue(e.Request)
	}
}

// end finishes the pending action with that id.
func (m *Machine) end(id uint64, r Reply) {
	for i, p := range m.pending {
		if p.id == id && !p.timer {
			m.pending = append(m.pending[:i:i], m.pending[i+1:]...)
			m.answered(p, r)
			p.then(r)
			return
		}
	}
}

// expire ends what has waited long enough: pauses, and answers that never came.
func (m *Machine) expire() {
	for range turns {
		i := 0
		for i < len(m.pending) && m.pending[i].until.After(m.now) {
			i++
		}
		if i == len(m.pending) {
			return
		}
		p := m.pending[i]
		m.pending = append(m.pending[:i:i], m.pending[i+1:]...)
		if p.timer {
			p.then(Reply{})
			continue
		}
		r := Reply{Err: ErrTimeout}
		m.answered(p, r)
		p.then(r)
	}
}

// withdraw drops what is under way, operators' requests apart: they are
// answered by their own ends.
func (m *Machine) withdraw(err error) {
	dropped := m.pending
	m.pending = nil
	for _, p := range dropped {
		switch {
		case p.keep:
			m.pending = append(m.pending, p)
		case p.asked:
			p.then(Reply{Err: err})
		}
	}
}

// busy reports whether work of the machine is under way.
func (m *Machine) busy() bool {
	return slices.ContainsFunc(m.pending, func(p pending) bool { return !p.aside })
}

func (m *Machine) nextID() uint64 {
	m.id++
	return m.id
}

func (m *Machine) do(a Action) { m.out = append(m.out, a) }

// send puts a command on the main port.
func (m *Machine) send(c Command, then func(Reply)) { m.sendOn(m.ports.main, c, then) }

func (m *Machine) sendOn(port string, c Command, then func(Reply)) {
	id := m.nextID()
	m.do(Send{ID: id, Port: port, Command: c})
	m.pending = append(m.pending, pending{id: id, port: port, until: m.now.Add(c.Timeout + replyGuard), then: then})
}

// text sends a command by its text.
func (m *Machine) text(text string, then func(Reply)) { m.send(NewCommand(text), then) }

// run sends commands one after the other and calls then with the first error,
// or nil.
func (m *Machine) run(list []Command, then func(error)) {
	if len(list) == 0 {
		then(nil)
		return
	}
	m.send(list[0], func(r Reply) {
		if r.Err != nil {
			then(r.Err)
			return
		}
		m.run(list[1:], then)
	})
}

// attempt sends alternatives until one is accepted.
func (m *Machine) attempt(list []Command, then func(Reply)) {
	if len(list) == 0 {
		then(Reply{Err: ErrError})
		return
	}
	m.send(list[0], func(r Reply) {
		if r.Err == nil || silent(r.Err) || len(list) == 1 {
			then(r)
			return
		}
		m.attempt(list[1:], then)
	})
}

// pause calls then after d.
func (m *Machine) pause(d time.Duration, then func()) {
	m.pending = append(m.pending, pending{id: m.nextID(), until: m.now.Add(d), timer: true, then: func(Reply) { then() }})
}

// save makes the memory durable, then calls then.
func (m *Machine) save(then func(error)) {
	id := m.nextID()
	m.do(Save{ID: id, Memory: m.mem.clone()})
	m.pending = append(m.pending, pending{id: id, until: m.now.Add(saveGuard), keep: false, then: func(r Reply) {
		m.shown.saveFailed = r.Err != nil
		then(r.Err)
	}})
}

// note makes the memory durable in passing.
func (m *Machine) note() { m.save(func(error) {}) }

// pull pulls a lever, then calls then.
func (m *Machine) pull(l Lever, then func(error)) {
	id := m.nextID()
	m.do(Pull{ID: id, Lever: l})
	m.pending = append(m.pending, pending{id: id, until: m.now.Add(pullGuard), keep: true, then: func(r Reply) { then(r.Err) }})
}

// tell writes an event.
func (m *Machine) tell(kind, text string, bad bool, attr ...string) {
	t := Tell{Kind: kind, Text: text, Bad: bad}
	for i := 0; i+1 < len(attr); i += 2 {
		if t.Attr == nil {
			t.Attr = map[string]string{}
		}
		t.Attr[attr[i]] = attr[i+1]
	}
	m.do(t)
}

func number64(n uint64) string { return strconv.FormatUint(n, 10) }
