package modemtest

import (
	"fmt"
	"net/netip"
	"time"
)

// Operator is a network that can be seen.
type Operator struct {
	PLMN, Name, Short string
	Forbidden         bool
}

// Cell is a cell. The strings are hex, as modules print them.
type Cell struct {
	TAC, ID           string
	EARFCN, PCI, Band int
}

// Radio is what the receiver measures.
type Radio struct {
	CSQ              int // 0 to 31, 99 unknown
	RSRPdBm, RSSIdBm int
	RSRQdB, SINRdB   int
}

// netState is the network side.
type netState struct {
	operators []Operator // the first is the card's own
	cell      Cell
	radio     Radio
	stat      int  // of TS 27.007 +CEREG, as shown
	detached  bool // AT+COPS=2 or +CGATT=0
	manual    string
	format    int // +COPS=3,n
	moves     uint64
	lost      time.Time // when registration was lost
	hosts     uint32    // addresses given
	dns       []netip.Addr
	mtu       int
	tempC     int
	supplymV  int
}

func (n *netState) init(Personality) {
	n.operators = []Operator{
		{PLMN: "46000", Name: "CHINA MOBILE", Short: "CMCC"},
		{PLMN: "46001", Name: "CHN-UNICOM", Short: "UNICOM"},
		{PLMN: "46011", Name: "CHN-CT", Short: "CT", Forbidden: true},
	}
	n.cell = Cell{TAC: "1A2B", ID: "0A1B2C3D", EARFCN: 1650, PCI: 81, Band: 3}
	n.radio = Radio{CSQ: 24, RSRPdBm: -90, RSSIdBm: -65, RSRQdB: -10, SINRdB: 14}
	n.dns = []netip.Addr{netip.MustParseAddr("192.0.2.53"), netip.MustParseAddr("192.0.2.54")}
	n.mtu, n.tempC, n.supplymV = 1430, 38, 3864
	n.format = 2
}

// SetOperators changes the networks; the first is the card's own.
func (m *Modem) SetOperators(ops ...Operator) {
	m.lock()
	defer m.unlock()
	m.net.operators = ops
	m.moveLocked()
}

// SetCell changes the serving cell and tells it to those who asked for it.
func (m *Modem) SetCell(c Cell) {
	m.lock()
	defer m.unlock()
	m.net.cell = c
	m.tellRegistrationLocked(2)
}

// SetRadio changes what the receiver measures.
func (m *Modem) SetRadio(r Radio) {
	m.lock()
	defer m.unlock()
	m.net.radio = r
}

// SetEnvironment changes temperature and supply voltage.
func (m *Modem) SetEnvironment(tempC, supplymV int) {
	m.lock()
	defer m.unlock()
	m.net.tempC, m.net.supplymV = tempC, supplymV
}

// SetNetwork changes what the bearer carries along: DNS servers and MTU.
func (m *Modem) SetNetwork(mtu int, dns ...netip.Addr) {
	m.lock()
	defer m.unlock()
	m.net.mtu, m.net.dns = mtu, dns
}

// Registered says whether the modem is registered, at home or roaming.
func (m *Modem) Registered() bool {
	m.lock()
	defer m.unlock()
	return m.registeredLocked()
}

func (m *Modem) registeredLocked() bool { return m.net.stat == 1 || m.net.stat == 5 }

// targetLocked is the registration that the circumstances lead to.
func (m *Modem) targetLocked() int {
	switch {
	case !m.running || m.fun != 1:
		return 0
	case m.simErrorLocked() == 10, !m.simUsableLocked():
		if m.onLocked("emergency", nil) {
			return 8
		}
		return 0
	case m.net.detached:
		return 0
	case m.onLocked("searching", nil):
		return 2
	case m.onLocked("denied", nil):
		return 3
	case m.onLocked("emergency", nil):
		return 8
	case m.net.manual != "" && !m.reachableLocked(m.net.manual):
		return 2
	case m.onLocked("roaming", nil) || m.net.manual != "" && m.net.manual != m.net.operators[0].PLMN:
		return 5
	}
	return 1
}

func (m *Modem) reachableLocked(plmn string) bool {
	for _, o := range m.net.operators {
		if o.PLMN == plmn {
			return !o.Forbidden
		}
	}
	return false
}

// operatorLocked is the serving operator.
func (m *Modem) operatorLocked() Operator {
	for i, o := range m.net.operators {
		if m.net.manual == o.PLMN || m.net.manual == "" && (i == 1 || !m.onLocked("roaming", nil)) {
			return o
		}
	}
	return m.net.operators[0]
}

// moveLocked goes towards what the circumstances lead to: at once where service
// ends, after a search where it begins.
func (m *Modem) moveLocked() {
	target := m.targetLocked()
	m.net.moves++
	move := m.net.moves
	if target == m.net.stat || target == 2 && m.net.stat == 2 {
		m.dataLocked()
		return
	}
	service := target == 1 || target == 5
	if !service {
		m.statLocked(target)
		return
	}
	if !m.registeredLocked() {
		m.statLocked(2)
	}
	m.afterLocked(m.pace.Register, func() {
		if m.net.moves == move {
			m.statLocked(m.targetLocked())
		}
	})
}

// statLocked is a new registration.
func (m *Modem) statLocked(stat int) {
	if m.net.stat == stat {
		return
	}
	was := m.registeredLocked()
	m.net.stat = stat
	m.tellRegistrationLocked(1)
	switch now := m.registeredLocked(); {
	case now && !was:
		m.attachLocked()
	case !now && (stat == 0 || stat == 3): // the radio is off, or the network wants it off
		m.detachLocked("+CGEV: NW DETACH")
	case was && !now:
		lost := m.clk.Now()
		m.net.lost = lost
		m.afterLocked(m.pace.Detach, func() {
			if m.net.lost == lost && !m.registeredLocked() {
				m.detachLocked("+CGEV: NW DETACH")
			}
		})
	}
	m.dataLocked()
}

// regNames are the registration commands, in the order of their codes on a change.
var regNames = []string{"+CREG", "+CGREG", "+CEREG"}

// tellRegistrationLocked sends the codes of the ports whose level is at least that.
func (m *Modem) tellRegistrationLocked(level int) {
	for _, name := range regNames {
		m.eachLineLocked(func(l *line) {
			if l.reg[name] >= level && !l.spec.Silent && l.spec.Kind == KindAT && m.running {
				l.conn.urcLocked(m.prefixLocked(name, l) + ": " + m.registrationLocked(name, l.reg[name]))
			}
		})
	}
}

// prefixLocked is what a registration line begins with: a firmware mixes them up.
func (m *Modem) prefixLocked(name string, l *line) string {
	if name != "+CEREG" {
		return name
	}
	if m.pers.CEREGAs != "" {
		return m.pers.CEREGAs
	}
	if m.onLocked("cereg-as-cgreg", l) {
		return "+CGREG"
	}
	return name
}

// registrationLocked are the fields behind the level (TS 27.007 §10.1.22).
func (m *Modem) registrationLocked(name string, level int) string {
	stat := m.net.stat
	if name == "+CREG" && m.pers.LTEOnly {
		stat = 0
	}
	s := fmt.Sprint(stat)
	if level >= 2 && m.registeredLocked() && stat != 0 {
		s += fmt.Sprintf(`,"%s","%s",7`, m.net.cell.TAC, m.net.cell.ID)
	}
	if level >= 3 && stat == 3 {
		s += fmt.Sprintf(",,,,0,%d", m.causeLocked())
	}
	return s
}

// causeLocked is the EMM cause of a denial (TS 24.301 §9.9.3.9).
func (m *Modem) causeLocked() int { return m.intLocked("denied", 0, 11) }
