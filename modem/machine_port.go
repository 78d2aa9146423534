package modem

import (
	"strings"
	"time"

	"luatnetd/internal/order"
)

// How a port is probed: "AT" up to 6 times, a second each (spec 2.3), in two
// rounds, so that a port that is dead does not hold up the one that lives.
const (
	probeRounds  = 2
	probeTries   = 3
	probeTimeout = time.Second
	checkTimeout = 2 * time.Second // of an AT after a command without answer
	silentEvery  = 5 * time.Minute // a modem without AT that is not online is probed again
	maxStrikes   = 3               // unanswered commands until the port is stuck
)

// portFacts are about the modem's ports.
type portFacts struct {
	main, spare string
	open        map[string]bool
	binary      map[string]bool
	dead        map[string]bool // has not answered, or is stuck
	holder      map[string]string
	error       map[string]string // why it does not open
	next        int               // which candidate is probed next, over the rounds
	none        bool              // no port speaks AT, and the profile is one without
	noneAt      time.Time
	refused     bool // it is another modem than Match wants
	initialised bool
	looked      bool // for a spare port
	strikes     int
	stuck       time.Time // since when no port answers; zero: one does
	asked       string    // port that is being opened
}

func (f *portFacts) mark(set *map[string]bool, port string, v bool) {
	if *set == nil {
		*set = map[string]bool{}
	}
	(*set)[port] = v
}

// candidates are the ports to speak AT on, the best first: none that carries data.
func (m *Machine) candidates() []string {
	var list []string
	for _, p := range m.profile.PortsInOrder(m.device.Ports) {
		if !m.ports.binary[p.Path] && p.Path != m.data.port() {
			list = append(list, p.Path)
		}
	}
	return list
}

// stagePort finds the port that speaks AT, and watches that it does.
func (m *Machine) stagePort() bool {
	f := &m.ports
	switch {
	case f.refused:
		return m.hold(Failed, CodeNotOurs, "")
	case f.none:
		return !m.speakAgain()
	case f.main == "":
		return m.probe()
	case f.strikes > 0:
		m.checkPort()
		return false
	}
	return true
}

// probe tries the next candidate.
func (m *Machine) probe() bool {
	f := &m.ports
	list := m.candidates()
	if len(list) == 0 && m.data.port() != "" {
		return true // its only port carries data: status is frozen
	}
	m.want.state = Probing
	if f.next >= probeRounds*len(list) {
		return m.speechless(len(list) == 0)
	}
	port := list[f.next%len(list)]
	f.next++
	m.open(port, func(err error) {
		if err == nil {
			m.tryPort(port, probeTries)
		}
	})
	return false
}

// speechless is the end of probing when no port has answered.
func (m *Machine) speechless(nothing bool) bool {
	f := &m.ports
	if m.goSilent(nothing) {
		return false
	}
	code, cause := CodePortStuck, "none of its ports answers"
	if nothing {
		cause = "it has no port that could speak AT"
	}
	for _, port := range sortedKeys(f.holder) {
		code, cause = CodePortBusy, port+" is also open by "+f.holder[port]
	}
	for _, port := range sortedKeys(f.error) {
		cause = f.error[port]
	}
	return m.suffer(Probing, code, cause, TroublePort)
}

// goSilent takes a modem for one without AT: the firmware of a LuatOS user, or
// a network device only. One that has spoken, or whose family always does, is
// stuck instead.
func (m *Machine) goSilent(nothing bool) bool {
	p := m.profiles.WithoutAT(m.profile, m.device)
	if !p.Silent || m.ident.IMEI != "" || !nothing && p.ID == netOnly && m.profiles.Known(m.device) {
		return false
	}
	m.profile, m.ports.none, m.ports.noneAt = p, true, m.now
	m.closePorts()
	m.again()
	return true
}

// speakAgain probes a silent modem once more while it is not online: it may
// have been stuck at the start.
func (m *Machine) speakAgain() bool {
	f := &m.ports
	if m.level.Addr.IsValid() || len(m.device.Ports) == 0 {
		return false
	}
	if at := f.noneAt.Add(silentEvery); m.alarm(at) {
		m.want.next = at
		return false
	}
	f.none, f.next, f.binary = false, 0, nil // what was binary may have been a boot's log
	m.profile = m.profiles.For(m.device)
	m.again()
	return true
}

// open opens a port and calls then with what came of it.
func (m *Machine) open(port string, then func(error)) {
	if m.ports.open[port] {
		then(nil)
		return
	}
	m.do(Open{Port: port})
	m.ports.asked = port
	m.pending = append(m.pending, pending{id: m.nextID(), port: port, open: true, until: m.now.Add(openGuard), then: func(r Reply) {
		then(r.Err)
	}})
}

// portChanged notes what became of a port.
func (m *Machine) portChanged(e PortChanged) {
	f := &m.ports
	f.mark(&f.open, e.Port, e.Open)
	f.mark(&f.binary, e.Port, e.Binary || f.binary[e.Port])
	if f.holder == nil {
		f.holder = map[string]string{}
	}
	if f.error == nil { // a reset forgets it, and keeps the holders
		f.error = map[string]string{}
	}
	delete(f.holder, e.Port)
	delete(f.error, e.Port)
	if e.Holder != "" {
		f.holder[e.Port] = e.Holder
	}
	err := e.Err
	if !e.Open && err == nil {
		err = ErrGone
	}
	if err != nil && !e.Binary {
		f.error[e.Port] = err.Error()
	}
	if e.Binary {
		err = ErrError
		m.closePort(e.Port)
	}
	for _, p := range m.pending {
		if p.open && p.port == e.Port {
			m.end(p.id, Reply{Err: err})
			return
		}
	}
	if !e.Open {
		m.portFailed(e.Port, err)
	}
}

// tryPort sends AT until the port answers.
func (m *Machine) tryPort(port string, tries int) {
	// V1: it may answer in numbers, which end in no line
	c := Command{Text: "V1", Timeout: probeTimeout, Priority: StatePriority}
	m.sendOn(port, c, func(r Reply) {
		switch {
		case !silent(r.Err):
			m.hello(port)
		case tries > 1 && m.ports.open[port]:
			m.tryPort(port, tries-1)
		default:
			m.closePort(port)
		}
	})
}

// hello asks who is there, and takes the port.
func (m *Machine) hello(port string) {
	m.sendOn(port, NewCommand("E0"), func(Reply) {
		m.sendOn(port, NewCommand("+CGSN"), func(r Reply) {
			imei, _ := ParseIMEI(r.Lines)
			if m.foreign(imei) {
				m.ports.refused = true
				m.closePorts()
				return
			}
			m.takePort(port, imei)
		})
	})
}

// foreign reports whether the configuration asks for another modem.
func (m *Machine) foreign(imei string) bool {
	return m.set.Match.IMEI != "" && imei != "" && imei != m.set.Match.IMEI
}

// takePort makes a port the main one.
func (m *Machine) takePort(port, imei string) {
	f := &m.ports
	f.main, f.next, f.strikes, f.stuck, f.none = port, 0, 0, time.Time{}, false
	f.mark(&f.dead, port, false)
	if imei != "" && m.ident.IMEI != imei {
		m.ident.IMEI = imei
		m.adoptLadder(imei)
	}
}

// answered counts commands without answer on the main port.
func (m *Machine) answered(p pending, r Reply) {
	if p.port == "" || p.port != m.ports.main || p.open {
		return
	}
	switch {
	case r.Err == ErrTimeout && !p.asked:
		if m.ports.strikes++; m.ports.strikes >= maxStrikes {
			m.portFailed(p.port, r.Err)
		}
	case r.Err == ErrStuck || r.Err == ErrUnsynced || r.Err == ErrGone:
		m.portFailed(p.port, r.Err)
	case !silent(r.Err):
		m.ports.strikes = 0
		if n := cme(r.Err); n == 10 || n == 13 || n == 14 {
			m.polls.simURC = true
		}
	}
}

// checkPort asks a port that owes an answer.
func (m *Machine) checkPort() {
	m.send(Command{Text: "V1", Timeout: checkTimeout, Priority: StatePriority}, func(Reply) {})
}

// portFailed leaves a port that does not answer or has closed: the other one
// takes over, data flows on.
func (m *Machine) portFailed(port string, err error) {
	f := &m.ports
	switch port {
	case f.spare:
		f.spare, f.looked = "", false
		return
	case f.main:
	default:
		return
	}
	m.closePort(port)
	m.withdraw(err)
	f.mark(&f.dead, port, true)
	f.strikes, f.next = 0, 0
	f.main, f.spare = f.spare, ""
	if f.stuck.IsZero() {
		f.stuck = m.now
	}
	text := "the AT port " + port + " does not answer any more"
	if f.main != "" {
		text += ", " + f.main + " takes over"
	}
	m.tell("modem", text, true, "port", port)
	if err == ErrGone && f.main == "" {
		m.alarm(m.now)
	}
	m.again()
}

// closePort closes a port that is open.
func (m *Machine) closePort(port string) {
	if m.ports.open[port] {
		m.do(Close{Port: port})
	}
	delete(m.ports.open, port)
}

// closePorts closes all.
func (m *Machine) closePorts() {
	for _, port := range sortedKeys(m.ports.open) {
		m.closePort(port)
	}
	m.ports.main, m.ports.spare, m.ports.next = "", "", 0
}

// lookForSpare finds the second port of the modem: it takes over when the
// first one does not answer. It reports whether it has begun to.
func (m *Machine) lookForSpare() bool {
	f := &m.ports
	if f.looked || f.main == "" || m.ident.IMEI == "" {
		return false
	}
	for _, port := range m.candidates() {
		if port == f.main || f.dead[port] {
			continue
		}
		f.mark(&f.dead, port, true) // until it has answered
		m.open(port, func(err error) {
			if err == nil {
				m.trySpare(port)
			}
		})
		return true
	}
	f.looked = true
	return false
}

// trySpare takes a port as the spare one if it has the same IMEI.
func (m *Machine) trySpare(port string) {
	m.sendOn(port, Command{Text: "V1", Timeout: probeTimeout, Priority: StatePriority}, func(r Reply) {
		if silent(r.Err) {
			m.closePort(port)
			return
		}
		m.sendOn(port, NewCommand("E0"), func(Reply) {
			m.sendOn(port, NewCommand("+CGSN"), func(r Reply) {
				if imei, _ := ParseIMEI(r.Lines); imei != m.ident.IMEI {
					m.closePort(port)
					return
				}
				m.ports.spare, m.ports.looked, m.ports.stuck = port, true, time.Time{}
				m.ports.mark(&m.ports.dead, port, false)
			})
		})
	})
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	order.Sort(keys, strings.Compare)
	return keys
}
