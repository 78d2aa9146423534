package modem

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// askTimeout is how long an operator's request waits if it does not say.
const askTimeout = 60 * time.Second

// The errors of an Answer.
var (
	errNoPort   = errors.New("the modem has no AT port that answers")
	errNoLever  = errors.New("this modem cannot be reset that way")
	errUnknown  = errors.New("unknown request")
	errDialling = errors.New("a dial command would take the port away: the data call is ours")
	errLate     = errors.New("the request waited too long for the modem")
)

// queued is a request that waits for its turn.
type queued struct {
	Request
	until time.Time
}

// enqueue has a request wait for its turn.
func (m *Machine) enqueue(r Request) {
	if r.Timeout <= 0 {
		r.Timeout = askTimeout
	}
	m.queue = append(m.queue, queued{r, m.now.Add(r.Timeout)})
}

// refuseQueue answers every request that waits.
func (m *Machine) refuseQueue(err error) {
	queue := m.queue
	m.queue = nil
	for _, r := range queue {
		if offline(r.Kind) {
			m.queue = append(m.queue, r)
			continue
		}
		m.do(Answer{ID: r.ID, Err: err})
	}
}

// offline reports whether a request needs no modem that answers.
func offline(k RequestKind) bool {
	return k == AskFlightOn || k == AskFlightOff || k == AskUnlock || k == AskReset
}

// ask begins the operators' requests, one at a time, when nothing else is under way.
func (m *Machine) ask() {
	m.queue = slices.DeleteFunc(m.queue, func(q queued) bool {
		late := !m.now.Before(q.until)
		if late {
			m.do(Answer{ID: q.ID, Err: errLate})
		}
		return late
	})
	for len(m.queue) > 0 && !m.busy() {
		r := m.queue[0].Request
		m.queue = m.queue[1:]
		if m.ports.main == "" && !offline(r.Kind) {
			m.do(Answer{ID: r.ID, Err: errNoPort})
			continue
		}
		m.serve(r)
	}
}

// serve does one request.
func (m *Machine) serve(r Request) {
	switch r.Kind {
	case AskFlightOn, AskFlightOff:
		m.mem.Flight = r.Kind == AskFlightOn
		m.radio.known = false
		m.save(func(error) { m.do(Answer{ID: r.ID}) })
	case AskUnlock:
		m.setCard(m.card().forgive())
		m.sim.entered, m.sim.asked = false, time.Time{}
		m.save(func(err error) { m.do(Answer{ID: r.ID, Err: err}) })
	case AskReset:
		m.serveReset(r)
	case AskScan:
		m.serveText(r, "+COPS=?", scanLines)
	case AskCells:
		m.serveList(r, append([]string{m.profile.Cell}, m.profile.Cells...), nil)
	case AskAT:
		m.serveAT(r)
	case AskUSSD:
		m.serveUSSD(r)
	case AskSMSSend:
		m.serveSMS(r)
	default:
		m.do(Answer{ID: r.ID, Err: errUnknown})
	}
}

// serveReset does what the operator says, whatever the ladder's intervals are.
func (m *Machine) serveReset(r Request) {
	rung, ok := map[string]Rung{"radio": RungRadio, "modem": RungSoftReset, "usb": RungRebind, "power": RungPower}[r.Text]
	if !ok || !m.can(rung) {
		m.do(Answer{ID: r.ID, Err: errNoLever})
		return
	}
	m.tell("modem", "an operator asked for: "+rung.String(), false, "rung", rung.String())
	m.perform(NoTrouble, rung, func(err error) { m.do(Answer{ID: r.ID, Err: err}) })
}

// sendAsked sends a command for an operator: its silence is not the port's.
func (m *Machine) sendAsked(c Command, then func(Reply)) {
	c.Priority = UserPriority
	m.send(c, then)
	m.pending[len(m.pending)-1].asked = true
}

// serveText sends one command and answers with its lines.
func (m *Machine) serveText(r Request, text string, form func([]string) []string) {
	m.sendAsked(NewCommand(text), func(reply Reply) {
		lines := reply.Lines
		if form != nil && reply.Err == nil {
			lines = form(lines)
		}
		m.do(Answer{ID: r.ID, Lines: lines, Err: reply.Err})
	})
}

// serveList sends several and answers with all their lines; one that is
// refused is left out.
func (m *Machine) serveList(r Request, list, lines []string) {
	for len(list) > 0 && list[0] == "" {
		list = list[1:]
	}
	if len(list) == 0 {
		m.do(Answer{ID: r.ID, Lines: lines})
		return
	}
	m.sendAsked(NewCommand(list[0]), func(reply Reply) {
		if silent(reply.Err) {
			m.do(Answer{ID: r.ID, Lines: lines, Err: reply.Err})
			return
		}
		for _, line := range reply.Lines {
			lines = append(lines, maskNumbers(line))
		}
		m.serveList(r, list[1:], lines)
	})
}

// serveAT sends what an operator has typed, as it is.
func (m *Machine) serveAT(r Request) {
	text := strings.TrimSpace(r.Text)
	if len(text) >= 2 && strings.EqualFold(text[:2], "AT") {
		text = text[2:]
	}
	c := NewCommand(text)
	c.Prefix, c.Timeout = "", r.Timeout
	if c.Dial {
		m.do(Answer{ID: r.ID, Err: errDialling})
		return
	}
	m.sendAsked(c, func(reply Reply) {
		m.do(Answer{ID: r.ID, Lines: reply.Lines, Err: reply.Err})
	})
}

// scanLines shows the networks of a scan.
func scanLines(lines []string) []string {
	var list []string
	for _, n := range ParseScan(lines) {
		stat := [...]string{"unknown", "available", "current", "forbidden"}[min(max(n.Stat, 0), 3)]
		list = append(list, strings.Join([]string{n.PLMN, stat, RATName(n.AcT), n.Long}, " "))
	}
	return list
}

// maskNumbers hides digits that could be an IMSI, IMEI or ICCID.
func maskNumbers(line string) string {
	var b strings.Builder
	for i := 0; i < len(line); {
		j := i
		for j < len(line) && line[j] >= '0' && line[j] <= '9' {
			j++
		}
		switch {
		case j-i >= 14:
			b.WriteString(Masked(line[i:j]))
		case j > i:
			b.WriteString(line[i:j])
		default:
			b.WriteByte(line[i])
			j++
		}
		i = j
	}
	return b.String()
}
