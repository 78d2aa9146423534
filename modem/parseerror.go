package modem

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// coded is an error code with its words.
type coded struct {
	code int
	text string
}

// cmeTexts are those of TS 27.007 §9.2, by code.
var cmeTexts = []coded{
	{0, "phone failure"}, {1, "no connection to phone"}, {2, "phone adaptor link reserved"},
	{3, "operation not allowed"}, {4, "operation not supported"},
	{5, "PH-SIM PIN required"}, {6, "PH-FSIM PIN required"}, {7, "PH-FSIM PUK required"},
	{10, "SIM not inserted"}, {11, "SIM PIN required"}, {12, "SIM PUK required"}, {13, "SIM failure"},
	{14, "SIM busy"}, {15, "SIM wrong"}, {16, "incorrect password"}, {17, "SIM PIN2 required"}, {18, "SIM PUK2 required"},
	{20, "memory full"}, {21, "invalid index"}, {22, "not found"}, {23, "memory failure"},
	{24, "text string too long"}, {25, "invalid characters in text string"},
	{26, "dial string too long"}, {27, "invalid characters in dial string"},
	{30, "no network service"}, {31, "network timeout"}, {32, "network not allowed - emergency calls only"},
	{40, "network personalization PIN required"}, {41, "network personalization PUK required"},
	{42, "network subset personalization PIN required"}, {43, "network subset personalization PUK required"},
	{44, "service provider personalization PIN required"}, {45, "service provider personalization PUK required"},
	{46, "corporate personalization PIN required"}, {47, "corporate personalization PUK required"},
	{48, "hidden key required"}, {49, "EAP method not supported"}, {50, "incorrect parameters"},
	{51, "command implemented but currently disabled"}, {52, "command aborted by user"},
	{53, "not attached to network due to MT functionality restrictions"},
	{54, "modem not allowed - MT restricted to emergency calls only"},
	{55, "operation not allowed because of MT functionality restrictions"},
	{56, "fixed dial number only allowed - called number is not a fixed dial number"},
	{57, "temporarily out of service due to other MT usage"}, {58, "language/alphabet not supported"},
	{59, "unexpected data value"}, {60, "system failure"}, {61, "data missing"}, {62, "call barred"},
	{100, "unknown"}, {103, "illegal MS"}, {106, "illegal ME"}, {107, "GPRS services not allowed"},
	{108, "GPRS services and non-GPRS services not allowed"}, {111, "PLMN not allowed"},
	{112, "location area not allowed"}, {113, "roaming not allowed in this location area"},
	{114, "GPRS services not allowed in this PLMN"}, {115, "no suitable cells in location area"},
	{122, "congestion"}, {126, "insufficient resources"}, {127, "missing or unknown APN"},
	{128, "unknown PDP address or PDP type"}, {129, "user authentication failed"},
	{130, "activation rejected by GGSN, serving GW or PDN GW"}, {131, "activation rejected, unspecified"},
	{132, "service option not supported"}, {133, "requested service option not subscribed"},
	{134, "service option temporarily out of order"}, {140, "feature not supported"},
	{148, "unspecified GPRS error"}, {149, "PDP authentication failure"}, {150, "invalid mobile class"},
	{171, "last PDN disconnection not allowed"},
}

// cmsTexts are those of TS 27.005 §3.2.5 and TS 24.011, by code.
var cmsTexts = []coded{
	{1, "unassigned number"}, {8, "operator determined barring"}, {10, "call barred"},
	{21, "short message transfer rejected"}, {27, "destination out of service"}, {28, "unidentified subscriber"},
	{29, "facility rejected"}, {30, "unknown subscriber"}, {38, "network out of order"}, {41, "temporary failure"},
	{42, "congestion"}, {47, "resources unavailable"}, {50, "requested facility not subscribed"},
	{69, "requested facility not implemented"}, {96, "invalid mandatory information"}, {127, "interworking, unspecified"},
	{300, "ME failure"}, {301, "SMS service of ME reserved"}, {302, "operation not allowed"}, {303, "operation not supported"},
	{304, "invalid PDU mode parameter"}, {305, "invalid text mode parameter"}, {310, "SIM not inserted"},
	{311, "SIM PIN required"}, {312, "PH-SIM PIN required"}, {313, "SIM failure"}, {314, "SIM busy"}, {315, "SIM wrong"},
	{316, "SIM PUK required"}, {317, "SIM PIN2 required"}, {318, "SIM PUK2 required"}, {320, "memory failure"},
	{321, "invalid memory index"}, {322, "memory full"}, {330, "SMSC address unknown"}, {331, "no network service"},
	{332, "network timeout"}, {340, "no +CNMA acknowledgement expected"}, {500, "unknown error"},
}

// ParseCMEError makes the error of what follows "+CME ERROR:". Modems that
// ignore +CMEE=1 write words: these get their number.
func ParseCMEError(s string) CMEError {
	code, text := codeOf(s, cmeTexts)
	return CMEError{Code: code, Text: text}
}

// ParseCMSError is ParseCMEError for "+CMS ERROR:".
func ParseCMSError(s string) CMSError {
	code, text := codeOf(s, cmsTexts)
	return CMSError{Code: code, Text: text}
}

// maxErrorText bounds what is shown of a modem's own words, in bytes.
const maxErrorText = 80

func codeOf(s string, table []coded) (int, string) {
	s = printable(strings.TrimSpace(s), maxErrorText)
	if n, err := strconv.Atoi(s); err == nil && n >= 0 {
		return n, textOf(n, s, table)
	}
	plain := plainWords(s)
	for _, c := range table {
		if plainWords(c.text) == plain {
			return c.code, s
		}
	}
	return -1, s
}

// textOf returns the words of a code, otherwise what the modem wrote.
func textOf(code int, written string, table []coded) string {
	i, ok := slices.BinarySearchFunc(table, code, func(c coded, n int) int { return cmp.Compare(c.code, n) })
	if !ok {
		return written
	}
	return table[i].text
}

// plainWords makes the spellings of one wording equal: "(U)SIM not inserted",
// "SIM not inserted", "sim_not_inserted".
func plainWords(s string) string {
	s = strings.ToLower(strings.ReplaceAll(s, "(U)", ""))
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// printable cuts s to max bytes and makes what is no ASCII text a dot.
func printable(s string, max int) string {
	if len(s) > max {
		s = s[:max]
	}
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return '.'
		}
		return r
	}, s)
}
