package modem

import (
	"strconv"
	"strings"
)

// CEER is the extended error report, for people and for the rules of the APN.
type CEER struct {
	Text  string // as the modem wrote it
	Cause int    // 0: it names none
	ESM   bool   // Cause is one of the session (TS 24.301 §9.9.4.4), else of the mobility management
}

// ParseCEER reads "+CEER: …", of which every maker has a form of its own.
func ParseCEER(lines []string) (CEER, bool) {
	for _, line := range lines {
		if prefixOf(line) != "+CEER" {
			continue
		}
		c := CEER{Text: printable(strings.Trim(strings.TrimSpace(afterPrefix(line)), "\""), maxErrorText)}
		low := strings.ToLower(c.Text)
		c.ESM = strings.Contains(low, "esm") || strings.Contains(low, "sm cause") || strings.Contains(low, "pdp") ||
			strings.Contains(low, "pdn") || strings.Contains(low, "apn")
		if i := strings.Index(low, "cause"); i >= 0 {
			c.Cause = firstNumber(low[i:])
		} else if i := strings.IndexByte(low, '#'); i >= 0 {
			c.Cause = firstNumber(low[i:])
		}
		return c, true
	}
	return CEER{}, false
}

// firstNumber is the first number of up to three digits, 0 if there is none.
func firstNumber(s string) int {
	n, _ := strconv.Atoi(digits(s, 1, 3))
	return n
}

// Operator is the answer to +COPS?.
type Operator struct {
	Manual     bool   // the network is chosen by +COPS=1 or 4
	Deregister bool   // +COPS=2
	PLMN       string // "46000"; "" where the modem gives a name
	Name       string
	AcT        int // access technology, -1 unknown
}

// ParseCOPS reads "+COPS: 0,2,"46000",7".
func ParseCOPS(lines []string) (Operator, bool) {
	for _, line := range lines {
		f := fieldsOf(line)
		mode, ok := between(f, 0, 0, 4)
		if prefixOf(line) != "+COPS" || !ok {
			continue
		}
		op := Operator{Manual: mode == 1 || mode == 4, Deregister: mode == 2, AcT: -1}
		switch name := field(f, 2); {
		case isPLMN(name):
			op.PLMN = name
		default:
			op.Name = printable(name, maxErrorText)
		}
		if n, ok := between(f, 3, 0, 20); ok {
			op.AcT = n
		}
		return op, true
	}
	return Operator{AcT: -1}, false
}

func isPLMN(s string) bool { return (len(s) == 5 || len(s) == 6) && digits(s, 5, 6) == s }

// with is the operator after another answer: a modem says either the number or
// the name. A name stays while the number does.
func (op Operator) with(next Operator) Operator {
	switch {
	case next.PLMN == "" && next.Name != "":
		next.PLMN = op.PLMN
	case next.PLMN != "" && next.PLMN == op.PLMN && next.Name == "":
		next.Name = op.Name
	}
	return next
}

// Found is one network of a scan.
type Found struct {
	Stat        int // 0 unknown, 1 available, 2 current, 3 forbidden
	Long, Short string
	PLMN        string
	AcT         int
}

// maxFound bounds the networks of a scan.
const maxFound = 64

// ParseScan reads the answer to +COPS=?: groups in parentheses, ended by an
// empty field, behind which the modem lists what it can.
func ParseScan(lines []string) []Found {
	var list []Found
	for _, line := range lines {
		if prefixOf(line) != "+COPS" {
			continue
		}
		rest := afterPrefix(line)
		for len(list) < maxFound {
			start := strings.IndexByte(rest, '(')
			if start < 0 {
				break
			}
			group, after, ok := cutGroup(rest[start+1:])
			if !ok {
				break
			}
			if n, ok := foundOf(group); ok {
				list = append(list, n)
			}
			rest = after
		}
	}
	return list
}

// cutGroup cuts at the closing parenthesis outside of quotation marks.
func cutGroup(s string) (group, after string, ok bool) {
	in := false
	for i := range len(s) {
		switch {
		case s[i] == '"':
			in = !in
		case s[i] == ')' && !in:
			return s[:i], s[i+1:], true
		}
	}
	return "", "", false
}

func foundOf(group string) (Found, bool) {
	f := fieldsOf(group)
	stat, ok := between(f, 0, 0, 3)
	if !ok || len(f) < 4 || !isPLMN(f[3]) {
		return Found{}, false
	}
	n := Found{Stat: stat, Long: printable(f[1], maxErrorText), Short: printable(f[2], maxErrorText), PLMN: f[3], AcT: -1}
	if act, ok := between(f, 4, 0, 20); ok {
		n.AcT = act
	}
	return n, true
}

// ParseCFUN reads the level of +CFUN?.
func ParseCFUN(lines []string) (int, bool) {
	for _, line := range lines {
		if n, ok := integer(fieldsOf(line), 0); ok && prefixOf(line) == "+CFUN" {
			return n, true
		}
	}
	return 0, false
}

// ParseCGATT reads whether the modem is attached to the packet service.
func ParseCGATT(lines []string) (attached, known bool) {
	for _, line := range lines {
		if n, ok := between(fieldsOf(line), 0, 0, 1); ok && prefixOf(line) == "+CGATT" {
			return n == 1, true
		}
	}
	return false, false
}
