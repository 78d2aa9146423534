package filter

import (
	"strconv"
	"strings"

	"luatnetd/modem"
)

// CME is the error that a modem wrote after "+CME ERROR:". Words become the
// number that TS 27.007 §9.2 gives them: some firmware ignores +CMEE=1. The
// words of a call that did not come about are put there by the filter.
func CME(text string) error {
	text = strings.Trim(text, ` "`)
	switch text {
	case "NO CARRIER", "BUSY", "NO ANSWER", "NO DIALTONE":
		return modem.ConnectError(text)
	}
	return modem.CMEError{Code: code(text, cmeTexts), Text: text}
}

// CMS is the same for "+CMS ERROR:" (TS 27.005 §3.2.5).
func CMS(text string) error {
	text = strings.Trim(text, ` "`)
	return modem.CMSError{Code: code(text, cmsTexts), Text: text}
}

func code(text string, table []string) int {
	if n, err := strconv.Atoi(text); err == nil && n >= 0 {
		return n
	}
	want := letters(text)
	for _, row := range table {
		number, words, _ := strings.Cut(row, " ")
		if letters(words) == want && want != "" {
			n, _ := strconv.Atoi(number)
			return n
		}
	}
	return -1
}

// letters is what firmware agrees upon: neither case nor blanks nor hyphens.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z':
			return r
		}
		return -1
	}, s)
}

// cmeTexts are the standard's words; in use are those that follow other
// spellings, too.
var cmeTexts = []string{
	"0 phone failure", "1 no connection to phone", "2 phone-adaptor link reserved", "3 operation not allowed",
	"4 operation not supported", "5 PH-SIM PIN required", "6 PH-FSIM PIN required", "7 PH-FSIM PUK required",
	"10 SIM not inserted", "11 SIM PIN required", "12 SIM PUK required", "13 SIM failure", "14 SIM busy", "15 SIM wrong",
	"16 incorrect password", "17 SIM PIN2 required", "18 SIM PUK2 required", "20 memory full", "21 invalid index",
	"22 not found", "23 memory failure", "24 text string too long", "25 invalid characters in text string",
	"26 dial string too long", "27 invalid characters in dial string", "30 no network service", "31 network timeout",
	"32 network not allowed - emergency calls only", "32 network not allowed emergency calls only",
	"40 network personalization PIN required", "40 network personalisation PIN required",
	"41 network personalization PUK required", "42 network subset personalization PIN required",
	"44 service provider personalization PIN required", "46 corporate personalization PIN required",
	"50 incorrect parameters", "100 unknown", "100 unknown error", "103 illegal MS", "106 illegal ME", "107 GPRS services not allowed",
	"111 PLMN not allowed", "112 location area not allowed", "113 roaming not allowed in this location area",
	"132 service option not supported", "133 requested service option not subscribed",
	"134 service option temporarily out of order", "148 unspecified GPRS error", "149 PDP authentication failure",
	"150 invalid mobile class", "10 SIM not present", "10 no SIM", "16 wrong password", "50 invalid parameters",
}

var cmsTexts = []string{
	"300 ME failure", "301 SMS service of ME reserved", "302 operation not allowed", "303 operation not supported",
	"304 invalid PDU mode parameter", "305 invalid text mode parameter", "310 SIM not inserted", "311 SIM PIN required",
	"312 PH-SIM PIN required", "313 SIM failure", "314 SIM busy", "315 SIM wrong", "316 SIM PUK required",
	"320 memory failure", "321 invalid memory index", "322 memory full", "322 SIM memory full", "330 SMSC address unknown",
	"331 no network service", "331 no network", "332 network timeout", "340 no +CNMA acknowledgement expected", "500 unknown error",
}
