package modem

import (
	_ "embed"
	"slices"
	"strings"
)

// providersGZ is the table of modem/gen: a line is "PLMNs|APN|user|password|auth",
// in the order of the source; the PLMNs are separated by blanks.
//
//go:embed providers.gz
var providersGZ []byte

// maxPerOperator bounds the candidates of one card.
const maxPerOperator = 8

// ProviderAPNs lists the internet APNs of the card's operator. The IMSI does
// not say whether the network code has two digits or three: three that are in the table
// count first. Without an IMSI the ICCID tells the operators of China.
func ProviderAPNs(imsi, iccid string) []DataAccess {
	if len(imsi) >= 6 {
		if list := providersOf(imsi[:6]); len(list) > 0 {
			return list
		}
		return providersOf(imsi[:5])
	}
	if plmn := plmnOfICCID(iccid); plmn != "" {
		return providersOf(plmn)
	}
	return nil
}

// providersOf reads the table anew each time: it is needed once for a card, and
// thirty kilobytes need not stay in memory.
func providersOf(plmn string) []DataAccess {
	table, err := unpacked(providersGZ)
	if err != nil {
		return nil // a test reads the table
	}
	var list []DataAccess
	for line := range strings.Lines(string(table)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "|")
		if len(list) == maxPerOperator {
			break
		}
		if len(f) == 5 && slices.Contains(strings.Fields(f[0]), plmn) {
			list = append(list, DataAccess{APN: f[1], User: f[2], Password: f[3], Auth: f[4]})
		}
	}
	return list
}

// plmnOfICCID knows the issuers of China (ITU-T E.118: 86, then two digits of
// the issuer).
func plmnOfICCID(iccid string) string {
	if len(iccid) < 6 || iccid[:4] != "8986" {
		return ""
	}
	for _, list := range []string{"46000 00 02 04 07 08 13 ", "46001 01 06 09 ", "46011 03 05 11 12 ", "46015 15 "} {
		if listed(list, iccid[4:6]) {
			return list[:5]
		}
	}
	return ""
}
