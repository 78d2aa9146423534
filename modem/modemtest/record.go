package modemtest

import (
	"strings"
	"time"
)

// Entry is one command line as it came in, secrets included: this is a lab.
type Entry struct {
	At   time.Time
	Port int    // interface number
	Text string // without the CR; an SMS's PDU is an entry of its own
}

// Counters count what a test asks for.
type Counters struct {
	Commands     int
	PINs         int // +CPIN=, right and wrong
	WrongPINs    int
	PUKs         int
	Resets       int // by command
	PowerCycles  int // off and on again
	Radio        int // +CFUN=4 or 0 while the radio was on
	Reselections int // +CGATT=0 and +COPS=2
	DataStarts   int // by command
	Dials        int // ATD and +CGDATA that got CONNECT
	ModeSwitches int // USB mode written
	ContextSets  int // +CGDCONT=
	Scans        int // +COPS=?
	SMSSent      int
	Enumerations int
	Opens        int // Serve
	Stray        int // lines that were no AT command
}

// logSize is how many commands are kept; years of polling fit no memory.
const logSize = 100_000

// Log is every command so far, of the last hundred thousand.
func (m *Modem) Log() []Entry {
	m.lock()
	defer m.unlock()
	return append([]Entry(nil), m.log...)
}

// Commands are the texts of Log that begin with prefix, upper case compared.
func (m *Modem) Commands(prefix string) []string {
	var out []string
	for _, e := range m.Log() {
		if strings.HasPrefix(strings.ToUpper(e.Text), strings.ToUpper(prefix)) {
			out = append(out, e.Text)
		}
	}
	return out
}

// Counters are the counts so far.
func (m *Modem) Counters() Counters {
	m.lock()
	defer m.unlock()
	return m.count
}

func (m *Modem) noteLocked(port int, text string) {
	if len(m.log) >= 2*logSize {
		m.log = append([]Entry(nil), m.log[logSize:]...)
	}
	m.log = append(m.log, Entry{At: m.clk.Now(), Port: port, Text: text})
}
