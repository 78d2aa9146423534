package filter

import (
	"slices"
	"strings"
)

// Prefix is "+CREG" of "+CREG: 1", in upper case; "" where there is none.
func Prefix(s string) string {
	if s == "" || strings.IndexByte(extended, s[0]) < 0 {
		return ""
	}
	i := strings.IndexByte(s, ':')
	if i < 2 || i > 32 {
		return ""
	}
	name := strings.ToUpper(strings.TrimSpace(s[:i]))
	for _, r := range name[1:] {
		if !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-& ", r) {
			return ""
		}
	}
	return name
}

// registrations are the codes that come both as an answer and unasked.
var registrations = []string{"+CREG", "+CGREG", "+CEREG", "+C5GREG"}

func registration(prefix string) bool { return slices.Contains(registrations, prefix) }

// readForm reports whether a registration code is the answer to a read command,
// "<n>,<stat>…": the second field of an unsolicited one is a string, the area
// (TS 27.007 §7.2).
func readForm(s string) bool {
	_, values, _ := strings.Cut(s, ":")
	fields := strings.Split(values, ",")
	if len(fields) < 2 {
		return false
	}
	stat := strings.TrimSpace(fields[1])
	return len(stat) > 0 && len(stat) <= 2 && strings.Trim(stat, "0123456789") == ""
}

// reports reports whether a set command has no answer of this prefix, so that a
// line of it is unsolicited: +CUSD=1 is answered OK, "+CUSD: …" follows at any time.
func reports(prefix string) bool {
	return prefix == "+CUSD" || prefix == "+CPIN" || prefix == "+CTZR" || prefix == "+ECNETDEVCTL" || prefix == "^NDISSTAT"
}

// numbersOfCard are the names of one command.
var numbersOfCard = []string{"+CCID", "+ICCID", "+QCCID", "+CICCID", "^ICCID"}

// same reports whether an answer with that prefix is to be expected from a
// command with that name.
func same(name, prefix string) bool {
	return name == prefix || slices.Contains(numbersOfCard, name) && slices.Contains(numbersOfCard, prefix)
}

// unsolicitedCodes are known never to be an answer, or to be one only of a
// command of their name.
var unsolicitedCodes = []string{
	"+CMTI", "+CMT", "+CDS", "+CDSI", "+CBM", "+CUSD", "+CGEV", "+CTZV", "+CTZE", "+CTZDST", "*PSUTTZ", "+NITZ",
	"+CPIN", "+SIM", "^SIMST", "+QUSIM", "+QSIMSTAT", "+QIND", "^MODE", "^RSSI", "^HCSQ", "^NDISSTAT", "^STIN", "^BOOT",
	"+CRING", "+CLIP", "+CCWA", "+CIEV", "+ECNETDEVCTL", "+EUSIM", "*EUICC", "^CPIN", "+CGNSS", "+PDP DEACT", "+CSSI", "+CSSU",
}

// known reports whether s is unsolicited whatever was asked.
func known(prefix, s string) bool {
	return registration(prefix) && !readForm(s) || slices.Contains(unsolicitedCodes, prefix) || prefix == "" && bare(s)
}

// bareCodes are unsolicited and have no colon.
var bareCodes = []string{
	"RING", "RDY", "READY", "CALL READY", "SMS READY", "SMS DONE", "PB DONE", "NORMAL POWER DOWN", "POWERED DOWN",
	"UNDER-VOLTAGE WARNNING", "UNDER-VOLTAGE POWER DOWN", "OVER-VOLTAGE WARNNING", "OVER-VOLTAGE POWER DOWN",
	"NO CARRIER", "+PBREADY", "+ATREADY", "^BOOT", "^SYSSTART",
}

func bare(s string) bool { return slices.Contains(bareCodes, strings.ToUpper(s)) }
