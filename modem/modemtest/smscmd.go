package modemtest

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"
)

var smsCommands = map[string]handler{
	"+CMGF": cmgf,
	"+CMGS": cmgs,
	"+CMGL": needSIM(cmgl),
	"+CMGR": needSIM(cmgr),
	"+CMGD": needSIM(cmgd),
	"+CPMS": needSIM(cpms),
	"+CSMS": func(k *call) result { return k.csms() },
	"+CNMI": cnmi,
	"+CSCA": csca,
	"+CSCS": cscs,
	"+CUSD": cusd,
}

func (k *call) csms() result {
	if k.op == "=" {
		return ok("+CSMS: 1,1,1")
	}
	return ok("+CSMS: 0,1,1,1")
}

func cmgf(k *call) result {
	switch k.op {
	case "?":
		if k.l.textSMS {
			return ok("+CMGF: 1")
		}
		return ok("+CMGF: 0")
	case "=?":
		return ok("+CMGF: (0,1)")
	}
	k.l.textSMS = k.num(0, 0) == 1
	return ok()
}

// cmgs takes a PDU of the length that was announced.
func cmgs(k *call) result {
	m := k.m
	if k.op != "=" {
		return ok()
	}
	want := k.num(0, -1)
	switch {
	case !m.simUsableLocked():
		return k.cms(310)
	case k.l.textSMS || want < 1 || want > 180:
		return k.cms(304)
	}
	return result{prompt: func(pdu []byte, ended bool) result {
		if !ended {
			return ok()
		}
		text := strings.ToUpper(string(pdu))
		if octets(text) != want {
			return k.cms(304)
		}
		return result{delay: m.pace.Network, then: func() result { return k.sent(text) }}
	}}
}

func (k *call) sent(pdu string) result {
	m := k.m
	switch {
	case !m.registeredLocked():
		return k.cms(331)
	case m.onLocked("sms-rejected", nil):
		return k.cms(500)
	}
	m.sms.sent = append(m.sms.sent, pdu)
	m.sms.ref = (m.sms.ref + 1) % 256
	m.count.SMSSent++
	return okf("+CMGS: %d", m.sms.ref)
}

func cmgl(k *call) result {
	if k.op == "=?" {
		return ok("+CMGL: (0-4)")
	}
	want := k.num(0, 0)
	var r result
	for i := range k.m.sms.slots {
		s := &k.m.sms.slots[i]
		if s.pdu == "" || want == 0 && s.read || want == 1 && !s.read || want == 2 || want == 3 {
			continue
		}
		r.lines = append(r.lines, fmt.Sprintf("+CMGL: %d,%d,,%d", i+1, readStat(*s), octets(s.pdu)), s.pdu)
		s.read = true
	}
	return r
}

func readStat(s slot) int {
	if s.read {
		return 1
	}
	return 0
}

func cmgr(k *call) result {
	i := k.num(0, 0) - 1
	if i < 0 || i >= len(k.m.sms.slots) {
		return k.cms(321)
	}
	s := &k.m.sms.slots[i]
	if s.pdu == "" {
		return k.cms(321)
	}
	stat := readStat(*s)
	s.read = true
	return ok(fmt.Sprintf("+CMGR: %d,,%d", stat, octets(s.pdu)), s.pdu)
}

func cmgd(k *call) result {
	if k.op == "=?" {
		return okf("+CMGD: (1-%d),(0-4)", len(k.m.sms.slots))
	}
	i, flag := k.num(0, 0)-1, k.num(1, 0)
	if flag == 0 && (i < 0 || i >= len(k.m.sms.slots)) {
		return k.cms(321)
	}
	for n := range k.m.sms.slots {
		s := &k.m.sms.slots[n]
		if flag == 0 && n == i || flag == 4 || flag >= 1 && s.read {
			*s = slot{}
		}
	}
	return result{after: k.m.releaseLocked}
}

func cpms(k *call) result {
	used, size := k.m.sms.used(), len(k.m.sms.slots)
	switch k.op {
	case "=":
		return okf("+CPMS: %d,%d,%d,%d,%d,%d", used, size, used, size, used, size)
	case "=?":
		return ok(`+CPMS: ("SM","ME"),("SM","ME"),("SM","ME")`)
	}
	return okf(`+CPMS: "SM",%d,%d,"SM",%d,%d,"SM",%d,%d`, used, size, used, size, used, size)
}

func cnmi(k *call) result {
	switch k.op {
	case "=":
		k.l.cnmi = [2]int{k.num(0, 0), k.num(1, 0)}
		return ok()
	case "=?":
		return ok("+CNMI: (0-3),(0-3),(0,2),(0-2),(0,1)")
	}
	return okf("+CNMI: %d,%d,0,1,0", k.l.cnmi[0], k.l.cnmi[1])
}

func csca(k *call) result {
	if k.op == "=" {
		k.m.csca = k.str(0)
		return ok()
	}
	return okf(`+CSCA: "%s",145`, k.m.csca)
}

func cscs(k *call) result {
	switch k.op {
	case "=":
		k.m.charset = strings.ToUpper(k.str(0))
		return ok()
	case "=?":
		return ok(`+CSCS: ("GSM","UCS2","IRA")`)
	}
	if k.m.charset == "" {
		return ok(`+CSCS: "GSM"`)
	}
	return okf(`+CSCS: "%s"`, k.m.charset)
}

// SetUSSD is what the network answers to a code; "" takes the code away.
func (m *Modem) SetUSSD(code, answer string) {
	m.lock()
	defer m.unlock()
	m.ussd[code] = answer
	if answer == "" {
		delete(m.ussd, code)
	}
}

// cusd: the network answers later, by a code (TS 27.007 §7.15).
func cusd(k *call) result {
	m := k.m
	if k.op != "=" {
		return ok("+CUSD: 0")
	}
	if k.num(0, 0) == 2 || len(k.args) < 2 {
		return ok()
	}
	if m.pers.LTEOnly {
		return k.cme(4)
	}
	if !m.registeredLocked() {
		return k.cme(30)
	}
	code := k.str(1)
	if m.charset == "UCS2" {
		code = fromUCS2(code)
	}
	line := "+CUSD: 4"
	if answer, found := m.ussd[code]; found {
		line = fmt.Sprintf(`+CUSD: 0,"%s",15`, answer)
		if m.charset == "UCS2" {
			line = fmt.Sprintf(`+CUSD: 0,"%s",72`, toUCS2(answer))
		}
	}
	m.afterLocked(m.pace.Network, func() { m.urcLocked(line, nil) })
	return ok().wait(50 * time.Millisecond)
}

func toUCS2(s string) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(s)) {
		fmt.Fprintf(&b, "%04X", u)
	}
	return b.String()
}

func fromUCS2(s string) string {
	b, err := hex.DecodeString(s)
	if err != nil {
		return s
	}
	var units []uint16
	for i := 0; i+1 < len(b); i += 2 {
		units = append(units, uint16(b[i])<<8|uint16(b[i+1]))
	}
	return string(utf16.Decode(units))
}
