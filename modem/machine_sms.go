package modem

import (
	"slices"
	"strconv"
	"time"
)

// smsRetry is how long a message stays on the card that could not be stored.
const smsRetry = time.Minute

// keysKept bounds the messages that are remembered as stored: more than a card holds.
const keysKept = 64

// smsFacts are about the messages on the card. Each goes the same way: read,
// stored, noted as stored, deleted from the card; a power cut between any two
// neither loses it nor brings it twice.
type smsFacts struct {
	listed bool // the card has been looked through
	dirty  bool // there may be new ones
	poll   bool // no URC tells of them
	at     time.Time
	joiner Joiner
	doing  []Joined // to be stored
	slots  []int    // to be deleted
	until  time.Time
	store  bool // one is being stored
}

// smsDue reports whether it is time to look where no URC tells.
func (m *Machine) smsDue() bool { return !m.now.Before(m.sms.at.Add(smsEvery)) }

// pollSMS does the next thing for the messages on the card.
func (m *Machine) pollSMS() bool {
	f := &m.sms
	switch {
	case !m.net.known || !m.sim.ready:
		return false
	case len(f.slots) > 0:
		slot := f.slots[0]
		f.slots = f.slots[1:]
		m.poke("+CMGD="+strconv.Itoa(slot), func([]string) {}, func() {})
		return true
	case f.store, !m.overdue(f.until):
		return false
	case len(f.doing) > 0:
		m.keepSMS(f.doing[0])
		return m.busy()
	case !f.listed || f.dirty:
		m.listSMS()
		return true
	}
	return false
}

// listSMS reads all that is on the card.
func (m *Machine) listSMS() {
	f := &m.sms
	f.listed, f.dirty, f.at = true, false, m.now
	c := NewCommand("+CMGL=4")
	c.Prefix = "" // the PDUs have none
	m.send(c, func(r Reply) {
		if silent(r.Err) {
			f.dirty = true
			f.until = m.now.Add(smsRetry)
			return
		}
		for _, s := range ParseCMGL(r.Lines) {
			if s.Received() && s.Index >= 0 {
				m.readSMS(s)
			}
		}
	})
}

// readSMS takes one message or part from the list. What cannot be decoded is
// stored as it is: it must not fill the card.
func (m *Machine) readSMS(s Stored) {
	f := &m.sms
	p, err := DecodePDU(s.PDU)
	if err == nil && p.Report {
		f.slots = append(f.slots, s.Index)
		return
	}
	f.doing = append(f.doing, f.joiner.Add(m.now, s.Index, p)...)
}

// keepSMS has one message stored, unless it was stored before.
func (m *Machine) keepSMS(j Joined) {
	f := &m.sms
	key, card := j.SMS.Key, m.cardKey()
	if slices.Contains(m.mem.Cards[card].Delivered, key) {
		m.smsKept(j)
		m.again()
		return
	}
	id := m.nextID()
	epoch := m.epoch
	f.store = true
	m.do(Received{ID: id, SMS: j.SMS})
	m.pending = append(m.pending, pending{id: id, aside: true, keep: true, until: m.now.Add(saveGuard), then: func(r Reply) {
		if m.epoch == epoch {
			f.store = false
		}
		if r.Err != nil {
			f.until = m.now.Add(smsRetry)
			return
		}
		c := m.mem.Cards[card]
		c.Delivered = append(slices.Clone(c.Delivered), key)
		c.Delivered = c.Delivered[max(0, len(c.Delivered)-keysKept):]
		m.putCard(card, c)
		m.tell("sms", "a short message has come in", false, "key", key) // what it says and who sent it is in the store only
		m.save(func(error) {
			if m.epoch == epoch {
				m.smsKept(j)
			}
		})
	}})
}

// smsKept has a stored message deleted from the card.
func (m *Machine) smsKept(j Joined) {
	f := &m.sms
	f.slots = append(f.slots, j.Slots...)
	if len(f.doing) > 0 {
		f.doing = f.doing[1:]
	}
}

// serveSMS sends a message. It is never sent again by itself: a part without
// answer may have gone out.
func (m *Machine) serveSMS(r Request) {
	list, err := EncodeSMS(r.To, r.Text, byte(m.rng.Uint32()))
	if err != nil {
		m.do(Answer{ID: r.ID, Err: err})
		return
	}
	m.sendParts(r, list, nil)
}

func (m *Machine) sendParts(r Request, list []Command, lines []string) {
	if len(list) == 0 {
		m.do(Answer{ID: r.ID, Lines: lines})
		return
	}
	m.sendAsked(list[0], func(reply Reply) {
		if reply.Err != nil {
			m.do(Answer{ID: r.ID, Lines: lines, Err: reply.Err})
			return
		}
		if ref, ok := ParseCMGS(reply.Lines); ok {
			lines = append(lines, "sent, reference "+strconv.Itoa(ref))
		}
		m.sendParts(r, list[1:], lines)
	})
}

// serveUSSD sends a code; the network's answer comes as a URC.
func (m *Machine) serveUSSD(r Request) {
	c, err := USSDCommand(r.Text, "")
	if err != nil {
		m.do(Answer{ID: r.ID, Err: err})
		return
	}
	m.sendAsked(c, func(reply Reply) {
		if reply.Err != nil {
			m.do(Answer{ID: r.ID, Err: reply.Err})
			return
		}
		m.pending = append(m.pending, pending{id: m.nextID(), aside: true, asked: true, ussd: true, until: m.now.Add(r.Timeout), then: func(reply Reply) {
			m.do(Answer{ID: r.ID, Lines: reply.Lines, Err: reply.Err})
		}})
	})
}

// heardUSSD gives a USSD answer to who waits for it.
func (m *Machine) heardUSSD(line string) {
	u, ok := ParseCUSD(line, "")
	if !ok {
		return
	}
	for _, p := range m.pending {
		if p.ussd {
			m.end(p.id, Reply{Lines: []string{u.Text, u.Status.String()}})
			return
		}
	}
}
