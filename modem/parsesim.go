package modem

import (
	"strconv"
	"strings"
)

// The states of a card, as ParseCPIN gives them.
const (
	SIMReady  = "READY"
	SIMPIN    = "SIM PIN"
	SIMPUK    = "SIM PUK"
	SIMPIN2   = "SIM PIN2" // data works without
	SIMPUK2   = "SIM PUK2"
	SIMAbsent = "absent"
	SIMBusy   = "busy" // normal just after the start
	SIMFailed = "failed"
)

// ParseCPIN reads the card's state from the answer to +CPIN? or from its URC
// ("+CPIN: SIM REMOVED"): one of the constants, or the modem's own word such as
// "PH-NET PIN", the lock of a module that takes cards of one operator only.
func ParseCPIN(lines []string) (string, bool) {
	for _, line := range lines {
		if prefixOf(line) == "+CPIN" {
			return simState(field(fieldsOf(line), 0)), true
		}
	}
	return "", false
}

func simState(word string) string {
	word = strings.ToUpper(printable(word, maxErrorText))
	switch {
	case strings.Contains(word, "REMOVED"), strings.Contains(word, "NOT INSERTED"), word == "ABSENT", word == "NOSIM":
		return SIMAbsent
	case word == "NOT READY", word == "BUSY", word == "":
		return SIMBusy
	case strings.Contains(word, "FAIL"), strings.Contains(word, "ERROR"), word == "BLOCKED":
		return SIMFailed
	}
	return word
}

// ParseTries reads how often a PIN may still be tried from the answer to one of
// the profile's Tries commands: +CPINR, +CSIM (an empty VERIFY, ETSI TS 102 221
// §11.1.9: 63Cx), +QPINC, +SPIC, ^CPIN.
func ParseTries(lines []string) (int, bool) {
	for _, line := range lines {
		f := fieldsOf(line)
		n, ok := 0, false
		switch prefixOf(line) {
		case "+CSIM":
			n, ok = statusWord(field(f, len(f)-1))
		case "+CPINR":
			if strings.EqualFold(field(f, 0), "SIM PIN") {
				n, ok = between(f, 1, 0, maxTries)
			}
		case "+QPINC":
			if field(f, 0) == "SC" {
				n, ok = between(f, 1, 0, maxTries)
			}
		case "+SPIC": // PIN, PUK, PIN2, PUK2
			n, ok = between(f, 0, 0, maxTries)
		case "^CPIN": // state, tries of the code that is asked for, PUK, PIN, PUK2, PIN2
			n, ok = between(f, 3, 0, maxTries)
		}
		if ok {
			return n, true
		}
	}
	return 0, false
}

// maxTries is the most that a card can count (four bits of 63Cx).
const maxTries = 15

// statusWord reads the tries of SW1 and SW2: 63Cx is x tries, 6983 is blocked.
// 9000 says that no PIN is asked for.
func statusWord(hex string) (int, bool) {
	hex = strings.ToUpper(hex)
	if len(hex) < 4 {
		return 0, false
	}
	switch sw := hex[len(hex)-4:]; {
	case sw == "6983":
		return 0, true
	case strings.HasPrefix(sw, "63C"):
		n, err := strconv.ParseUint(sw[3:], 16, 8)
		return int(n), err == nil
	}
	return 0, false
}

// ParseICCID reads the card's number (ITU-T E.118: 18 to 20 digits, from 89
// on) in any of its spellings. Modems write it with a
// prefix, in quotation marks, with the filler F, and some with the digits of each pair swapped.
func ParseICCID(lines []string) (string, bool) {
	for _, line := range lines {
		s := strings.Trim(strings.TrimSpace(afterPrefix(line)), "\"")
		s, _, _ = strings.Cut(s, ",")
		s = strings.TrimRight(strings.ToUpper(strings.Trim(s, "\" ")), "F")
		if len(s) < 18 || len(s) > 20 || !isHex(s, 20) {
			continue
		}
		if s[:2] == "98" {
			s = strings.TrimRight(swapPairs(s), "F")
		}
		if s[:2] == "89" {
			return s, true
		}
	}
	return "", false
}

func swapPairs(s string) string {
	b := []byte(s)
	for i := 0; i+1 < len(b); i += 2 {
		b[i], b[i+1] = b[i+1], b[i]
	}
	return string(b)
}

// ParseIMEI returns the first run of 15 digits: "860…" or "+CGSN: "860…"", also
// with the two digits of the software version behind it.
func ParseIMEI(lines []string) (string, bool) {
	for _, line := range lines {
		if d := digits(line, 15, 17); d != "" {
			return d[:15], true
		}
	}
	return "", false
}

// ParseIMSI returns the subscriber's number, 14 or 15 digits.
func ParseIMSI(lines []string) (string, bool) {
	for _, line := range lines {
		if d := digits(line, 14, 15); d != "" {
			return d, true
		}
	}
	return "", false
}

// Masked shows the first five and the last two characters: enough to tell the
// operator and the card, too little to be the number.
func Masked(s string) string {
	if len(s) < 10 {
		return strings.Repeat("*", len(s))
	}
	return s[:5] + strings.Repeat("*", len(s)-7) + s[len(s)-2:]
}

// Identity is what the modem says of itself.
type Identity struct{ Manufacturer, Model, Revision, IMEI string }

// Words are what Refine looks at.
func (id Identity) Words() string { return id.Manufacturer + " " + id.Model + " " + id.Revision }

// ParseATI reads "Manufacturer: …" lines, and the bare three lines of Quectel
// (maker, model, "Revision: …").
func ParseATI(lines []string) Identity {
	var id Identity
	var bare []string
	for _, line := range lines {
		key, value, _ := strings.Cut(line, ":")
		value = strings.Trim(strings.TrimSpace(value), "\"")
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "manufacturer":
			id.Manufacturer = printable(value, maxErrorText)
		case "model":
			id.Model = printable(value, maxErrorText)
		case "revision":
			id.Revision = printable(value, maxErrorText)
		case "imei":
			id.IMEI = digits(value, 15, 15)
		default:
			if line = strings.TrimSpace(line); line != "" && line[0] != '+' {
				bare = append(bare, printable(line, maxErrorText))
			}
		}
	}
	if id.Manufacturer == "" && len(bare) > 1 {
		id.Manufacturer, bare = bare[0], bare[1:]
	}
	if id.Model == "" && len(bare) > 0 {
		id.Model = bare[0]
	}
	return id
}

// ParseText reads the one line of +CGMI, +CGMM or +CGMR: bare, or with a prefix
// and quotation marks; "" for an empty one.
func ParseText(lines []string) string {
	for _, line := range lines {
		if s := strings.Trim(strings.TrimSpace(afterSign(line)), "\""); s != "" {
			return printable(s, maxErrorText)
		}
	}
	return ""
}

// afterSign is afterPrefix for a prefix with a sign only: "Revision: 1" stays.
func afterSign(line string) string {
	if p := prefixOf(line); p != "" && strings.ContainsAny(p[:1], "+^$*#%") {
		return afterPrefix(line)
	}
	return line
}
