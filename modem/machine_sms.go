package modem

import "time"

// smsFacts are about the messages on the card.
type smsFacts struct {
	dirty bool // there may be new ones
	poll  bool // no URC tells of them
	at    time.Time
}

func (m *Machine) smsDue() bool { return m.overdue(m.sms.at.Add(smsEvery)) }

func (m *Machine) pollSMS() bool { return false }

func (m *Machine) serveSMS(r Request)  {}
func (m *Machine) serveUSSD(r Request) {}
func (m *Machine) hearDirect(u URC)    {}
