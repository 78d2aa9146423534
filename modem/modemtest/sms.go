package modemtest

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf16"
)

// smsState is the store and what waits for room in it.
type smsState struct {
	slots   []slot // index 0 is message 1
	waiting []string
	sent    []string // TPDUs in hex, as they were given
	ref     int
	part    byte // reference of a long message
}

type slot struct {
	pdu  string // hex, "" is free
	read bool
}

func (s *smsState) init(slots int) {
	if slots == 0 {
		slots = 10
	}
	s.slots = make([]slot, slots)
}

func (s *smsState) used() int {
	n := 0
	for _, sl := range s.slots {
		if sl.pdu != "" {
			n++
		}
	}
	return n
}

// Sent are the PDUs (hex, with their SMSC) that the network has taken.
func (m *Modem) Sent() []string {
	m.lock()
	defer m.unlock()
	return slices.Clone(m.sms.sent)
}

// Stored is how many messages are in the store; waiting is how many the
// network still holds because it is full.
func (m *Modem) Stored() (stored, waiting int) {
	m.lock()
	defer m.unlock()
	return m.sms.used(), len(m.sms.waiting)
}

// Receive delivers a message: UCS-2, in several parts if it is long.
func (m *Modem) Receive(from, text string) {
	m.lock()
	defer m.unlock()
	for _, pdu := range m.deliverLocked(from, text) {
		m.receiveLocked(pdu)
	}
}

// ReceivePDU delivers an SMS-DELIVER PDU (hex, with SMSC).
func (m *Modem) ReceivePDU(pdu string) {
	m.lock()
	defer m.unlock()
	m.receiveLocked(strings.ToUpper(pdu))
}

func (m *Modem) receiveLocked(pdu string) {
	if !m.registeredLocked() {
		m.sms.waiting = append(m.sms.waiting, pdu)
		return
	}
	i := slices.IndexFunc(m.sms.slots, func(s slot) bool { return s.pdu == "" })
	if i < 0 {
		m.sms.waiting = append(m.sms.waiting, pdu)
		return
	}
	m.sms.slots[i] = slot{pdu: pdu}
	if !m.onLocked("sms-no-index", nil) {
		m.urcLocked(fmt.Sprintf(`+CMTI: "SM",%d`, i+1), func(l *line) bool { return l.cnmi[0] > 0 && l.cnmi[1] == 1 })
	}
}

// releaseLocked delivers what has waited for room.
func (m *Modem) releaseLocked() {
	waiting := m.sms.waiting
	m.sms.waiting = nil
	for _, pdu := range waiting {
		m.receiveLocked(pdu)
	}
}

// fillSMSLocked fills the store with old, read messages.
func (m *Modem) fillSMSLocked() {
	for i := range m.sms.slots {
		if m.sms.slots[i].pdu == "" {
			m.sms.slots[i] = slot{pdu: m.deliverLocked("10086", fmt.Sprintf("old message %d", i+1))[0], read: true}
		}
	}
}

// deliverLocked codes SMS-DELIVER (TS 23.040 §9.2.2.1), UCS-2, 67 units a part.
func (m *Modem) deliverLocked(from, text string) []string {
	units := utf16.Encode([]rune(text))
	var parts [][]uint16
	if len(units) <= 70 {
		parts = [][]uint16{units}
	} else {
		parts = slices.Collect(slices.Chunk(units, 67))
	}
	m.sms.part++
	var out []string
	for i, part := range parts {
		var ud []byte
		first := byte(0x04) // SMS-DELIVER, no more messages
		if len(parts) > 1 {
			first |= 0x40 // with user data header: concatenated, 8 bit reference
			ud = []byte{5, 0, 3, m.sms.part, byte(len(parts)), byte(i + 1)}
		}
		for _, u := range part {
			ud = append(ud, byte(u>>8), byte(u))
		}
		pdu := append([]byte{0, first}, address(from)...)
		pdu = append(pdu, 0, 0x08) // PID, DCS UCS-2
		pdu = append(pdu, timestamp(m.clk.Now())...)
		pdu = append(append(pdu, byte(len(ud))), ud...)
		out = append(out, strings.ToUpper(hex.EncodeToString(pdu)))
	}
	return out
}

// address is a telephone number in semi-octets (TS 23.040 §9.1.2.5).
func address(number string) []byte {
	kind := byte(0x81)
	if strings.HasPrefix(number, "+") {
		kind, number = 0x91, number[1:]
	}
	out := []byte{byte(len(number)), kind}
	for i := 0; i < len(number); i += 2 {
		high := byte(0xf)
		if i+1 < len(number) {
			high = number[i+1] - '0'
		}
		out = append(out, high<<4|(number[i]-'0'))
	}
	return out
}

// timestamp is TS 23.040 §9.2.3.11, UTC+8.
func timestamp(t time.Time) []byte {
	t = t.In(time.FixedZone("", 8*3600))
	var out []byte
	for _, n := range []int{t.Year() % 100, int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second(), 32} {
		out = append(out, byte(n%10<<4|n/10))
	}
	return out
}

// octets is the length of a PDU without its SMSC.
func octets(pdu string) int {
	b, err := hex.DecodeString(pdu)
	if err != nil || len(b) == 0 || len(b) < 1+int(b[0]) {
		return 0
	}
	return len(b) - 1 - int(b[0])
}
