package modem

import "strings"

// Stored is a message in the modem's store.
type Stored struct {
	Index int // of +CMGL; -1 in an answer to +CMGR, which does not say it
	Stat  int // 0 received unread, 1 received read, 2 to be sent, 3 sent
	PDU   string
}

// Received reports whether somebody else has sent it.
func (s Stored) Received() bool { return s.Stat == 0 || s.Stat == 1 }

// ParseCMGL reads the answers to +CMGL and +CMGR in PDU mode: a header, then
// the PDU in a line of its own.
func ParseCMGL(lines []string) []Stored {
	var list []Stored
	for i := 0; i+1 < len(lines); i++ {
		s := Stored{Index: -1}
		f := fieldsOf(lines[i])
		ok := false
		switch prefixOf(lines[i]) {
		case "+CMGL": // index, stat, name, length
			if s.Index, ok = between(f, 0, 0, 9999); !ok {
				continue
			}
			f = f[1:]
		case "+CMGR": // stat, name, length
		default:
			continue
		}
		if s.Stat, ok = between(f, 0, 0, 3); !ok {
			continue
		}
		if pdu := strings.TrimSpace(lines[i+1]); prefixOf(pdu) == "" && pdu != "" {
			s.PDU = pdu
			list = append(list, s)
			i++
		}
	}
	return list
}

// ParseCMTI reads "+CMTI: "SM",3", a new message, and "+CDSI", a new report.
func ParseCMTI(line string) (store string, index int, ok bool) {
	switch prefixOf(line) {
	case "+CMTI", "+CDSI":
	default:
		return "", 0, false
	}
	f := fieldsOf(line)
	index, ok = between(f, 1, 0, 9999)
	return printable(field(f, 0), 8), index, ok
}

// ParseCPMS reads how many messages the first store holds and can hold:
// "+CPMS: "SM",3,40,…", and the answer to a setting, which has no names.
func ParseCPMS(lines []string) (used, total int, ok bool) {
	for _, line := range lines {
		f := fieldsOf(line)
		if prefixOf(line) != "+CPMS" {
			continue
		}
		if len(f) > 0 && !isNumber(f[0]) {
			f = f[1:]
		}
		used, ok = between(f, 0, 0, 9999)
		total, okTotal := between(f, 1, 0, 9999)
		return used, total, ok && okTotal
	}
	return 0, 0, false
}

// ParseCMGS returns the reference of a message that was sent; its status
// report has the same.
func ParseCMGS(lines []string) (int, bool) {
	for _, line := range lines {
		if n, ok := between(fieldsOf(line), 0, 0, 255); ok && prefixOf(line) == "+CMGS" {
			return n, true
		}
	}
	return 0, false
}
