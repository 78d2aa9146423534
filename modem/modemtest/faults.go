package modemtest

import (
	"fmt"
	"strings"
	"time"
)

// Faults is the table, in the order of the things they happen to.
func Faults() []Fault {
	var out []Fault
	for _, group := range [][]Fault{simFaults, networkFaults, wireFaults, portFaults, busFaults, smsFaults, dhcpFaults, pppFaults} {
		out = append(out, group...)
	}
	return out
}

func needsAT(p Personality) string {
	if !p.AT() {
		return "has no port that speaks AT"
	}
	return ""
}

func needsBus(p Personality) string {
	if p.uart() {
		return "a UART does not enumerate"
	}
	return ""
}

func needsNet(p Personality) string {
	if p.Driver() == "" {
		return "has no netdev"
	}
	return ""
}

func needsDHCP(p Personality) string {
	if why := needsNet(p); why != "" {
		return why
	}
	if p.Compositions[0].Gateway == "" && !p.Compositions[0].Bridged {
		return "its netdev has no DHCP server: addresses come from the control channel"
	}
	return ""
}

func needsOwnDHCP(p Personality) string {
	if why := needsDHCP(p); why != "" {
		return why
	}
	if p.Compositions[0].Gateway == "" {
		return "its lease is the bearer's own address"
	}
	return ""
}

func needsPPP(p Personality) string {
	if !p.PPP() {
		return "has no port that dials"
	}
	return ""
}

func noCEREGQuirk(p Personality) string {
	if p.CEREGAs != "" {
		return "its firmware does so anyway"
	}
	return needsAT(p)
}

func noWordsQuirk(p Personality) string {
	if p.TextErrors {
		return "its firmware does so anyway"
	}
	return needsAT(p)
}

func hasCounter(p Personality) string {
	if p.NoCounter {
		return "its firmware does so anyway"
	}
	return needsAT(p)
}

var simFaults = []Fault{
	{Name: "no-sim", Group: "sim", Doc: "the slot is empty: CME 10", Refuses: needsAT, stop: (*Modem).simChangedLocked, start: (*Modem).simChangedLocked},
	{Name: "sim-removed", Group: "sim", Doc: "the card is pulled: an unsolicited +CPIN, CME 10, no service", Refuses: needsAT, stop: (*Modem).simChangedLocked, start: (*Modem).simPulledLocked},
	{Name: "sim-busy", Group: "sim", Doc: "CME 14 for N seconds (10s)", Refuses: needsAT, stop: (*Modem).simChangedLocked, start: (*Modem).simBusyLocked},
	{Name: "sim-failure", Group: "sim", Doc: "CME 13", Refuses: needsAT, stop: (*Modem).simChangedLocked, start: (*Modem).simChangedLocked},
	{Name: "pin-required", Group: "sim", Doc: "the card asks for the PIN N (1234), PUK 12345678", Refuses: needsAT, stop: (*Modem).unlockCardLocked, start: func(m *Modem) {
		m.lockCardLocked(m.textLocked("pin-required", 0, "1234"), 3)
	}},
	{Name: "pin-wrong", Group: "sim", Doc: "the card asks for a PIN that nobody knows; every try counts", Refuses: needsAT, stop: (*Modem).unlockCardLocked, start: func(m *Modem) {
		m.lockCardLocked("87654321", 3)
	}},
	{Name: "pin-no-counter", Group: "sim", Doc: "no command tells the tries left", Refuses: hasCounter},
	{Name: "puk", Group: "sim", Doc: "the card is blocked and asks for its PUK", Refuses: needsAT, stop: (*Modem).unlockCardLocked, start: func(m *Modem) {
		m.lockCardLocked("1234", 0)
	}},
	{Name: "ph-net", Group: "sim", Doc: "the module is locked to another network", Refuses: needsAT, stop: (*Modem).simChangedLocked, start: (*Modem).simChangedLocked},
}

func (m *Modem) simPulledLocked() {
	m.urcLocked("+CPIN: NOT INSERTED", nil)
	m.simChangedLocked()
}

// lockCardLocked gives the card a PIN; unlockCardLocked takes it away again.
func (m *Modem) lockCardLocked(pin string, tries int) {
	m.sim.card = m.sim.card.Lock(pin, "12345678")
	m.sim.card.PINTries = tries
	m.simChangedLocked()
}

func (m *Modem) unlockCardLocked() {
	m.sim.card.PIN, m.sim.card.PINTries = "", 3
	m.simChangedLocked()
}

// dropLocked, vanishSoonLocked and readdressLocked are starts of faults.
func (m *Modem) dropLocked()       { m.detachLocked("+CGEV: NW DETACH") }
func (m *Modem) vanishSoonLocked() { m.rebootLocked(0, "") }
func (m *Modem) readdressLocked()  { m.changeAddressLocked(true) }

// reattachLocked is the network letting the attach through after all.
func (m *Modem) reattachLocked() {
	if m.registeredLocked() {
		m.attachLocked()
		m.dataLocked()
	}
}

func (m *Modem) simBusyLocked() {
	m.simChangedLocked()
	a := m.faults["sim-busy"]
	m.alwaysAfter(m.durationLocked("sim-busy", 10*time.Second), func() {
		if m.faults["sim-busy"] == a {
			m.clearLocked("sim-busy")
		}
	})
}

var networkFaults = []Fault{
	{Name: "searching", Group: "network", Doc: "no cell is found, for ever", Refuses: needsAT},
	{Name: "denied", Group: "network", Doc: "registration is denied with EMM cause N (11)", Refuses: needsAT},
	{Name: "roaming", Group: "network", Doc: "registered, but not at home", Refuses: needsAT},
	{Name: "emergency", Group: "network", Doc: "limited service: emergency calls only", Refuses: needsAT},
	{Name: "csq-99", Group: "network", Doc: "signal unknown: CSQ 99, CESQ 255", Refuses: needsAT},
	{Name: "cereg-as-cgreg", Group: "network", Doc: "+CEREG? is answered with +CGREG:", Refuses: noCEREGQuirk},
	{Name: "text-errors", Group: "network", Doc: "errors in words in spite of +CMEE=1", Refuses: noWordsQuirk},
	{Name: "pdp-reject", Group: "network", Doc: "activation fails with CME N (133; also 132, 134, 148, 149); apn=NAME is let in", Refuses: needsAT, stop: (*Modem).reattachLocked, start: (*Modem).dropLocked},
	{Name: "pdp-type", Group: "network", Doc: "only one PDP type is let in: ESM cause N (50 IPv4, 51 IPv6, 52 one of them)", Refuses: needsAT, stop: (*Modem).reattachLocked, start: (*Modem).dropLocked},
	{Name: "ipv6-only", Group: "network", Doc: "the bearer has no IPv4 address, whatever was asked", Refuses: needsAT, stop: (*Modem).readdressLocked, start: (*Modem).readdressLocked},
	{Name: "pdp-dropped", Group: "network", Doc: "the network ends the bearer: +CGEV: NW PDN DEACT", once: true, Refuses: needsAT, start: func(m *Modem) {
		m.deactivateLocked(m.pers.CID, "+CGEV: NW PDN DEACT %d")
	}},
	{Name: "address-changed", Group: "network", Doc: "the bearer has another address, silently; tell=1 with +CGEV", once: true, start: func(m *Modem) {
		tell, _ := m.argLocked("address-changed", "tell")
		m.changeAddressLocked(tell != "")
	}},
	{Name: "data-dead", Group: "network", Doc: "registered, attached, address there, but nothing goes through"},
	{Name: "clock-nonsense", Group: "network", Doc: "+CCLK? tells of 1970", Refuses: needsAT},
}

var wireFaults = []Fault{
	{Name: "urc-storm", Group: "wire", Doc: "N (20000) unsolicited codes at once", once: true, Refuses: needsAT, start: (*Modem).stormLocked},
	{Name: "urc-inside", Group: "wire", Doc: "an unsolicited code within every answer", Refuses: needsAT},
	{Name: "urc-in-prompt", Group: "wire", Doc: "an unsolicited code between '>' and the PDU", Refuses: needsAT},
	{Name: "double-prompt", Group: "wire", Doc: "'>' comes twice", Refuses: needsAT},
	{Name: "data-after-ok", Group: "wire", Doc: "an information line after every OK", Refuses: needsAT},
	{Name: "echo-on", Group: "wire", Doc: "ATE0 is accepted, the echo stays", Refuses: needsAT},
	{Name: "echo-off", Group: "wire", Doc: "no echo from the start", Refuses: needsAT, start: func(m *Modem) { m.eachLineLocked(func(l *line) { l.echo = false }) }},
	{Name: "crcrlf", Group: "wire", Doc: "lines end in CR CR LF", Refuses: needsAT},
	{Name: "no-leading-crlf", Group: "wire", Doc: "no CR LF in front of a line", Refuses: needsAT},
	{Name: "numeric", Group: "wire", Doc: "starts in ATV0: results are numbers", Refuses: needsAT, start: func(m *Modem) { m.eachLineLocked(func(l *line) { l.numeric = true }) }},
	{Name: "fragments", Group: "wire", Doc: "one byte at a time, N (3ms) apart", Refuses: needsAT},
	{Name: "bursts", Group: "wire", Doc: "everything of N (300ms) in one piece", Refuses: needsAT},
	{Name: "delay", Group: "wire", Doc: "every answer N (5s) later", Refuses: needsAT},
	{Name: "late", Group: "wire", Doc: "the next answer N (8s) later, after the host has given up", Refuses: needsAT},
	{Name: "urc-truncated", Group: "wire", Doc: "unsolicited codes break off", Refuses: needsAT},
	{Name: "garbage", Group: "wire", Doc: "bytes of no meaning in front of every final result", Refuses: needsAT},
	{Name: "nul", Group: "wire", Doc: "NUL bytes in front of every final result", Refuses: needsAT},
	{Name: "ff", Group: "wire", Doc: "0xFF bytes in front of every final result", Refuses: needsAT},
	{Name: "flood", Group: "wire", Doc: "N (65536) bytes without a line end, once", once: true, Refuses: needsAT, start: (*Modem).floodLocked},
	{Name: "command-not-support", Group: "wire", Doc: "unknown and vendor commands end in COMMAND NOT SUPPORT", Refuses: needsAT},
}

var portFaults = []Fault{
	{Name: "diag", Group: "port", Doc: "an AT port carries DIAG frames instead", Refuses: needsAT, start: (*Modem).diagLocked},
	{Name: "mute", Group: "port", Doc: "reads, never answers", Refuses: needsAT},
	{Name: "stuck", Group: "port", Doc: "does not read: the host's writes block", Refuses: needsAT, start: (*Modem).stickLocked},
	{Name: "eio", Group: "port", Doc: "the port hangs up in the middle of a command", Refuses: needsAT},
}

var busFaults = []Fault{
	{Name: "vanish", Group: "bus", Doc: "leaves the bus and comes back after the boot", once: true, Refuses: needsBus, start: (*Modem).vanishSoonLocked},
	{Name: "vanish-tty", Group: "bus", Doc: "comes back with its ttys N (1) further", Refuses: needsBus, start: (*Modem).vanishSoonLocked},
	{Name: "vanish-ids", Group: "bus", Doc: "comes back with other VID:PID and no port, until the next enumeration without the fault", Refuses: needsBus, stop: (*Modem).vanishSoonLocked, start: (*Modem).vanishSoonLocked},
	{Name: "vanish-imei", Group: "bus", Doc: "comes back as another module: IMEI N", Refuses: needsIMEI, start: (*Modem).vanishSoonLocked},
	{Name: "same-serial", Group: "bus", Doc: "has the USB serial number that all of its kind have", Refuses: needsBus},
	{Name: "slow-reset", Group: "bus", Doc: "needs N (20s) to come back from a reset"},
	{Name: "double-enum", Group: "bus", Doc: "its boot ROM enumerates first", Refuses: needsBus},
	{Name: "brown-out", Group: "bus", Doc: "reboots every N (45s)", start: (*Modem).brownOutLocked},
	{Name: "carrier-stuck", Group: "bus", Doc: "the netdev's carrier stays on", Refuses: carrierLies},
	{Name: "net-first", Group: "bus", Doc: "the netdev is there, but no tty (the driver has not bound yet)", Refuses: needsBus, stop: (*Modem).seenLocked},
}

func needsIMEI(p Personality) string {
	if why := needsBus(p); why != "" {
		return why
	}
	return needsAT(p)
}

func carrierLies(p Personality) string {
	if why := needsNet(p); why != "" {
		return why
	}
	if p.Driver() == "rndis_host" {
		return "RNDIS does so anyway"
	}
	return ""
}

var smsFaults = []Fault{
	{Name: "sms-full", Group: "sms", Doc: "the store is full of old messages", Refuses: needsAT, start: (*Modem).fillSMSLocked},
	{Name: "sms-no-index", Group: "sms", Doc: "a message comes without +CMTI", Refuses: needsAT},
	{Name: "sms-rejected", Group: "sms", Doc: "the network takes no message: CMS 500", Refuses: needsAT},
}

var dhcpFaults = []Fault{
	{Name: "dhcp-absent", Group: "dhcp", Doc: "no DHCP server answers", Refuses: needsDHCP},
	{Name: "dhcp-slow", Group: "dhcp", Doc: "DHCP answers N (8s) late", Refuses: needsDHCP},
	{Name: "dhcp-subnet", Group: "dhcp", Doc: "DHCP answers out of another subnet", Refuses: needsDHCP},
	{Name: "dhcp-early", Group: "dhcp", Doc: "DHCP answers without a bearer: address there, nothing goes through", Refuses: needsOwnDHCP},
	{Name: "dhcp-nak", Group: "dhcp", Doc: "DHCP refuses every request", Refuses: needsDHCP},
}

var pppFaults = []Fault{
	{Name: "ppp-no-connect", Group: "ppp", Doc: "a dial ends in NO CARRIER", Refuses: needsPPP},
	{Name: "ppp-lcp-refused", Group: "ppp", Doc: "the peer ends LCP at once", Refuses: needsPPP},
	{Name: "ppp-auth", Group: "ppp", Doc: "the peer refuses user and password", Refuses: needsPPP},
	{Name: "ppp-no-echo", Group: "ppp", Doc: "the peer answers no LCP echo and carries nothing", Refuses: needsPPP},
	{Name: "ppp-hangup", Group: "ppp", Doc: "the peer hangs up: NO CARRIER", once: true, Refuses: needsPPP, start: (*Modem).hangupLocked},
}

// stormLocked sends many codes, numbered, of several prefixes.
func (m *Modem) stormLocked() {
	n := m.intLocked("urc-storm", 0, 20000)
	m.eachLineLocked(func(l *line) {
		if !l.conn.hearsLocked() || l.spec.Silent || !m.onLocked("urc-storm", l) {
			return
		}
		var b strings.Builder
		for i := range n {
			switch i % 3 {
			case 0:
				fmt.Fprintf(&b, "\r\n+CSQ: %d,99\r\n", i%32)
			case 1:
				fmt.Fprintf(&b, "\r\n^HCSQ: \"LTE\",%d,%d\r\n", i%90, i%97)
			default:
				fmt.Fprintf(&b, "\r\n+STORM: %d\r\n", i)
			}
		}
		l.conn.out.add([]byte(b.String()))
	})
}

// sampleURCLocked is a code that comes when nobody has asked for it.
func (m *Modem) sampleURCLocked() string { return "+CGEV: NW MODIFY 1,0" }

// garbageLocked are the bytes in front of a final result.
func (m *Modem) garbageLocked(l *line) []byte {
	switch {
	case m.onLocked("nul", l):
		return make([]byte, 3)
	case m.onLocked("ff", l):
		return []byte{0xff, 0xff, 0xfe}
	case m.onLocked("garbage", l):
		b := make([]byte, 24)
		for i := range b {
			b[i] = byte(128 + m.rng.IntN(128))
		}
		return append(b, 0xff)
	}
	return nil
}

// lateLocked are the lines after OK.
func (m *Modem) lateLocked(l *line) []string {
	if m.onLocked("data-after-ok", l) {
		return []string{"+EEMLTESVC: 1120, 2, 17, 6342, 81, 1650, 1650, 3, 5"}
	}
	return nil
}

// delayLocked is how much later an answer comes.
func (m *Modem) delayLocked(l *line) time.Duration {
	d := time.Duration(0)
	if m.onLocked("delay", l) {
		d = m.durationLocked("delay", 5*time.Second)
		m.spendLocked("delay")
	}
	if m.onLocked("late", l) {
		d += m.durationLocked("late", 8*time.Second)
		if _, counted := m.argLocked("late", "count"); counted {
			m.spendLocked("late")
		} else {
			m.clearLocked("late")
		}
	}
	return d
}

// floodLocked sends bytes without a line end.
func (m *Modem) floodLocked() {
	n := m.intLocked("flood", 0, 64<<10)
	m.eachLineLocked(func(l *line) {
		if l.spec.Kind != KindAT || l.spec.Silent || !m.onLocked("flood", l) {
			return
		}
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('!' + m.rng.IntN(90))
		}
		l.conn.out.add(b)
	})
}

// stickLocked ends the reads that are under way.
func (m *Modem) stickLocked() {
	m.eachLineLocked(func(l *line) {
		if m.onLocked("stuck", l) {
			l.conn.wakeReader()
		}
	})
}
