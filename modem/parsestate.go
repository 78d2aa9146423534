package modem

import (
	"strconv"
	"strings"
	"time"
)

// ParseDialled reads whether the module has bound the context to its USB
// network device, from the answer to Profile.Check or from its URC, and false in known if
// the lines do not say it: +QNETDEVCTL, +ECNETDEVCTL, +RNDISCALL, +DIALMODE,
// +GTRNDIS, ^NDISSTATQRY, ^NDISSTAT, $QCRMCALL. A line of another context than cid is passed over.
func ParseDialled(lines []string, cid int) (up, known bool) {
	for _, line := range lines {
		f := fieldsOf(line)
		if u, ok := dialledLine(prefixOf(line), f, cid); ok {
			up, known = up || u, true
		}
	}
	return up, known
}

func dialledLine(prefix string, f []string, cid int) (up, known bool) {
	switch prefix {
	case "+QNETDEVCTL", "+ECNETDEVCTL": // op, cid, URC on, state; or the state alone
		switch {
		case len(f) >= 4:
			n, ok := between(f, 3, 0, 1)
			c, _ := integer(f, 1)
			op, _ := integer(f, 0)
			return n == 1, ok && (c == cid || op == 0)
		case len(f) == 1:
			n, ok := between(f, 0, 0, 1)
			return n == 1, ok
		case len(f) == 3: // cid, op, state
			n, ok := between(f, 2, 0, 1)
			return n == 1, ok
		}
	case "+RNDISCALL":
		n, ok := between(f, 0, 0, 1)
		return n == 1, ok
	case "+DIALMODE": // 0 is "dials by itself"
		n, ok := between(f, 0, 0, 1)
		return n == 0, ok
	case "+GTRNDIS", "+GTWWAN": // state, cid, addresses
		n, ok := between(f, 0, 0, 1)
		if c, isCID := integer(f, 1); isCID && c != cid {
			return false, false
		}
		return n == 1, ok
	case "^NDISSTATQRY", "^NDISSTAT":
		return ndisState(f)
	case "$QCRMCALL":
		n, ok := between(f, 0, 0, 1)
		return n == 1, ok
	}
	return false, false
}

// ndisState reads "1,,,"IPV4",0,,,"IPV6"" and "1,1,,,"IPV4"" with the context
// before; one family that is up is enough.
func ndisState(f []string) (up, known bool) {
	for i, word := range f {
		if !strings.EqualFold(word, "IPV4") && !strings.EqualFold(word, "IPV6") {
			continue
		}
		for j := i - 1; j >= 0 && j >= i-4; j-- { // the nearest number before the family
			if n, ok := between(f, j, 0, 1); ok {
				up, known = up || n == 1, true
				break
			}
		}
	}
	if !known && len(f) > 0 {
		n, ok := between(f, 0, 0, 1)
		return n == 1, ok
	}
	return up, known
}

// ParseTemperature returns the highest plausible temperature in degrees
// Celsius: "+QTEMP: 30,28,29", "+QTEMP: "cpu0","33"" lines, "+CPMUTEMP: 36",
// "+MTSM: 52", and in tenths "^CHIPTEMP: 431,…,65535".
func ParseTemperature(lines []string) (float64, bool) {
	best, found := 0.0, false
	for _, line := range lines {
		divisor := 1.0
		switch prefixOf(line) {
		case "+QTEMP", "+CPMUTEMP", "+MTSM":
		case "^CHIPTEMP":
			divisor = 10
		default:
			continue
		}
		for _, f := range fieldsOf(line) {
			n, err := strconv.ParseFloat(f, 64)
			n /= divisor
			if err == nil && n >= -40 && n <= 125 && n != 0 && (!found || n > best) { // NaN fails every comparison
				best, found = n, true
			}
		}
	}
	return best, found
}

// What a supply can be, in mV.
const (
	minSupply = 2000
	maxSupply = 6000
)

// ParseCBC returns the supply in mV: "+CBC: 1,84,4014", "+CBC: 3910" and
// "+CBC: 3.591V".
func ParseCBC(lines []string) (int, bool) {
	for _, line := range lines {
		f := fieldsOf(line)
		if prefixOf(line) != "+CBC" || len(f) == 0 {
			continue
		}
		if n, ok := between(f, len(f)-1, minSupply, maxSupply); ok {
			return n, true
		}
		if v, err := strconv.ParseFloat(strings.TrimSuffix(f[0], "V"), 64); err == nil && strings.HasSuffix(f[0], "V") {
			if n := int(v * 1000); n >= minSupply && n <= maxSupply {
				return n, true
			}
		}
	}
	return 0, false
}

// ParseClock returns the network's time from +CCLK?, *PSUTTZ, +CTZE or +CTZEU.
// A clock before 2024 was never set. *PSUTTZ and +CTZEU are in UTC, the others
// in local time with the zone in quarters of an hour.
func ParseClock(lines []string) (time.Time, bool) {
	for _, line := range lines {
		f := fieldsOf(line)
		switch prefixOf(line) {
		case "+CCLK":
			if t, ok := localClock(field(f, 0), ""); ok {
				return t, true
			}
		case "+CTZE":
			if t, ok := localClock(field(f, 2), field(f, 0)); ok {
				return t, true
			}
		case "+CTZEU":
			if t, ok := localClock(field(f, 2), "+0"); ok {
				return t, true
			}
		case "*PSUTTZ": // 2020,12,16,18,3,45,"+4",0 or 25/04/02,09:49:27","+08",1
			if t, ok := localClock(digitsOnly(afterPrefix(line)), "+0"); ok {
				return t, true
			}
		}
	}
	return time.Time{}, false
}

// digitsOnly keeps the first six numbers of a *PSUTTZ line.
func digitsOnly(s string) string {
	var b strings.Builder
	numbers, in := 0, false
	for i := range len(s) {
		digit := s[i] >= '0' && s[i] <= '9'
		switch {
		case digit && !in && numbers == 6:
			return b.String()
		case digit && !in:
			if numbers++; numbers > 1 {
				b.WriteByte('/')
			}
			b.WriteByte(s[i])
		case digit:
			b.WriteByte(s[i])
		}
		in = digit
	}
	return b.String()
}

// localClock reads "24/11/20,12:00:00+32"; zone overrides what is at its end.
// Without any zone the time is taken for UTC.
func localClock(s, zone string) (time.Time, bool) {
	if i := strings.LastIndexAny(s, "+-"); i > 0 {
		if zone == "" {
			zone = s[i:]
		}
		s = s[:i]
	}
	var n [6]int
	for i := range n {
		end := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
		if end < 0 {
			end = len(s)
		}
		v, err := strconv.Atoi(s[:end])
		if err != nil {
			return time.Time{}, false
		}
		n[i] = v
		s = strings.TrimLeft(s[end:], "/,: ")
	}
	switch {
	case n[0] < 70:
		n[0] += 2000
	case n[0] < 100: // 80/01/06: a clock that was never set
		n[0] += 1900
	}
	quarters, err := strconv.Atoi(zone)
	if zone != "" && (err != nil || quarters < -56 || quarters > 56) {
		return time.Time{}, false
	}
	t := time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, time.FixedZone("", quarters*15*60))
	same := t.Year() == n[0] && int(t.Month()) == n[1] && t.Day() == n[2] && t.Hour() == n[3] && t.Minute() == n[4] && t.Second() == n[5]
	return t, same && n[0] >= 2024 && n[0] < 2100
}

// ParseCGAUTH reads "+CGAUTH: 1,1,"user","password"", false if the context has none.
func ParseCGAUTH(lines []string, cid int) (DataAccess, bool) {
	for _, line := range lines {
		f := fieldsOf(line)
		n, ok := integer(f, 0)
		auth, okAuth := between(f, 1, 0, 2)
		if prefixOf(line) == "+CGAUTH" && ok && n == cid && okAuth && auth > 0 {
			return DataAccess{Auth: [...]string{"none", "pap", "chap"}[auth], User: field(f, 2), Password: field(f, 3)}, true
		}
	}
	return DataAccess{}, false
}
