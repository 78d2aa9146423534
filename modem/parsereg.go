package modem

import (
	"strconv"
	"strings"
)

// RegStat is <stat> of +CREG, +CGREG and +CEREG (TS 27.007 §7.2); -1 is none.
type RegStat int

// The values of <stat>.
const (
	RegNone          RegStat = -1
	RegIdle          RegStat = 0
	RegHome          RegStat = 1
	RegSearching     RegStat = 2
	RegDenied        RegStat = 3
	RegUnknown       RegStat = 4
	RegRoaming       RegStat = 5
	RegSMSHome       RegStat = 6
	RegSMSRoaming    RegStat = 7
	RegEmergency     RegStat = 8
	RegNoCSFBHome    RegStat = 9
	RegNoCSFBRoaming RegStat = 10
	RegDisaster      RegStat = 11 // registered for access to RLOS, or disaster roaming
)

func (s RegStat) String() string {
	names := [...]string{"idle", "home", "searching", "denied", "unknown", "roaming", "SMS only, home", "SMS only, roaming",
		"emergency only", "home, no CSFB", "roaming, no CSFB", "emergency only"}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// Registration is one answer or URC.
type Registration struct {
	Domain    string // "+CREG", "+CGREG", "+CEREG": as the modem wrote it, which is not always what was asked
	Stat      RegStat
	TAC, Cell string // hex, "" unknown
	AcT       int    // access technology, -1 unknown
	CauseType int    // 0: Cause is one of TS 24.301 or 24.008; 1: of the maker
	Cause     int    // of a reject, 0 none
	Solicited bool   // the line had <n>: it is an answer
}

// Registered reports whether data may flow.
func (r Registration) Registered() bool {
	return r.Stat == RegHome || r.Stat == RegRoaming || r.Stat == RegNoCSFBHome || r.Stat == RegNoCSFBRoaming
}

// Roaming reports whether the network is not that of the card.
func (r Registration) Roaming() bool {
	return r.Stat == RegRoaming || r.Stat == RegSMSRoaming || r.Stat == RegNoCSFBRoaming
}

// Denied reports whether the network has refused.
func (r Registration) Denied() bool { return r.Stat == RegDenied }

// Better reports whether r says more than other, of another domain: a
// registration counts most, and of two that of the newer technology. A modem
// for LTE only says +CREG: 0 while +CEREG says 1, and others claim "home" in
// +CREG while +CEREG says "roaming".
func (r Registration) Better(other Registration) bool {
	return r.rank() > other.rank()
}

func (r Registration) rank() int {
	domain := max(0, strings.Index("+CREG +CGREG +CEREG +C5GREG", r.Domain)) / 6
	switch {
	case r.Registered():
		return 50 + domain
	case r.Stat == RegDenied || r.Stat == RegSearching: // a card for data is denied in +CREG while +CEREG still searches
		return 30 + domain
	case r.Stat == RegEmergency || r.Stat == RegSMSHome || r.Stat == RegSMSRoaming || r.Stat == RegDisaster:
		return 20 + domain
	case r.Stat == RegIdle || r.Stat == RegUnknown:
		return 10 + domain
	}
	return 0
}

// parseRegistration reads an answer or URC at any level (n = 0 to 5), and false
// for another line. An answer has <n> before <stat>; what tells it from a URC is
// that its second field is a bare small number, which an area code is not:
// that one has quotation marks or four digits.
func parseRegistration(line string) (Registration, bool) {
	r := Registration{Stat: RegNone, AcT: -1, Domain: prefixOf(line)}
	switch r.Domain {
	case "+CREG", "+CGREG", "+CEREG", "+C5GREG":
	default:
		return r, false
	}
	f, quoted := splitFields(line)
	if _, ok := between(f, 0, 0, 5); ok && len(f) > 1 && !quoted[1] && len(f[1]) <= 2 {
		if _, ok := between(f, 1, 0, int(RegDisaster)); ok {
			r.Solicited, f = true, f[1:]
		}
	}
	stat, ok := between(f, 0, 0, int(RegDisaster))
	if !ok {
		return r, false
	}
	r.Stat = RegStat(stat)
	r.TAC, r.Cell = areaOf(field(f, 1)), areaOf(field(f, 2))
	if n, ok := between(f, 3, 0, 20); ok {
		r.AcT = n
	}
	r.CauseType, r.Cause = causeOf(r.Domain, f)
	return r, true
}

// causeOf finds <cause_type>,<reject_cause>; in +CGREG and +C5GREG a field
// stands before them (<rac>, <Allowed_NSSAI_length>).
func causeOf(domain string, f []string) (kind, cause int) {
	i := 4
	if domain == "+CGREG" && len(f) >= 7 || domain == "+C5GREG" {
		i = 5
	}
	if domain == "+C5GREG" && len(f) > 7 {
		i = 6
	}
	kind, ok := between(f, i, 0, 1)
	cause, okCause := between(f, i+1, 1, 255)
	if !ok || !okCause {
		return 0, 0
	}
	return kind, cause
}

func areaOf(s string) string {
	if !isHex(s, 9) {
		return ""
	}
	return strings.ToUpper(s)
}

// ParseRegistration returns the last registration in the lines of an answer, or
// in the one of a URC.
func ParseRegistration(lines []string) (Registration, bool) {
	for i := len(lines) - 1; i >= 0; i-- {
		if r, ok := parseRegistration(lines[i]); ok {
			return r, true
		}
	}
	return Registration{Stat: RegNone, AcT: -1}, false
}

// RATName is <AcT> for people; "" unknown.
func RATName(act int) string {
	names := [...]string{"GSM", "GSM", "UMTS", "EDGE", "HSDPA", "HSUPA", "HSPA", "LTE", "GSM", "NB-IoT", "LTE", "NR", "NR", "LTE+NR"}
	if act < 0 || act >= len(names) {
		return ""
	}
	return names[act]
}

// EMMCause is a reject cause in words (TS 24.301 §9.9.3.9, TS 24.008 §10.5.5.14).
func EMMCause(n int) string { return causeText(n, emmTexts) }

var emmTexts = []coded{
	{2, "IMSI unknown"},
	{3, "illegal UE"},
	{5, "IMEI not accepted"},
	{6, "illegal ME"},
	{7, "EPS services not allowed"},
	{8, "EPS and other services not allowed"},
	{9, "identity cannot be derived"},
	{10, "implicitly detached"},
	{11, "network (PLMN) not allowed"},
	{12, "tracking area not allowed"},
	{13, "roaming not allowed in this area"},
	{14, "EPS services not allowed in this network"},
	{15, "no suitable cells in this area"},
	{17, "network failure"},
	{19, "ESM failure: the APN or its credentials were refused"},
	{22, "congestion"},
	{25, "not authorized for this CSG"},
	{35, "service option not authorized in this network"},
	{42, "severe network failure"},
}

// ESMCause is a cause of the session management in words (TS 24.301 §9.9.4.4).
func ESMCause(n int) string { return causeText(n, esmTexts) }

var esmTexts = []coded{
	{8, "barred by the operator"},
	{26, "insufficient resources"},
	{27, "missing or unknown APN"},
	{28, "unknown PDN type"},
	{29, "user authentication failed"},
	{30, "rejected by the gateway"},
	{31, "rejected, unspecified"},
	{32, "service option not supported"},
	{33, "service option not subscribed"},
	{34, "service option out of order"},
	{38, "network failure"},
	{50, "only IPv4 is allowed"},
	{51, "only IPv6 is allowed"},
	{52, "only one address family at a time"},
	{55, "multiple connections to one APN not allowed"},
	{66, "APN not supported in this network"},
}

func causeText(n int, table []coded) string { return textOf(n, "cause "+strconv.Itoa(n), table) }
