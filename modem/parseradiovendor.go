package modem

import (
	"strconv"
	"strings"
)

// cpsi: LTE,Online,460-01,0x230A,175499523,318,EUTRAN-BAND3,1650,5,0,RSRQ,RSRP,RSSI,SNR.
// The three levels are in dB, in tenths, or as in +CESQ, by firmware.
func (r *Radio) cpsi(f []string) {
	if !strings.HasPrefix(field(f, 0), "LTE") {
		r.cpsiOther(f)
		return
	}
	mcc, mnc, _ := strings.Cut(field(f, 2), "-")
	r.place("LTE", mcc, mnc, hexOf(field(f, 3)), hexOf(field(f, 4)))
	r.channel(field(f, 7), field(f, 5), strings.TrimPrefix(field(f, 6), "EUTRAN-BAND"))
	rsrp, ok := integer(f, 11)
	switch {
	case !ok:
	case rsrp <= -200: // tenths
		r.Signal.RSRQ, r.Signal.RSRP = scaled(f, 10, 10*minRSRQ, 10*maxRSRQ, 10, 0), tenths(f, 11, minRSRP, maxRSRP)
		r.Signal.RSSI = tenths(f, 12, minRSSI, maxRSSI)
	case rsrp < 0:
		r.Signal.RSRP, r.Signal.RSSI = whole(f, 11, minRSRP, maxRSRP, 0), whole(f, 12, minRSSI, maxRSSI, 0)
		r.Signal.RSRQ = scaled(f, 10, minRSRQ, maxRSRQ, 1, 0)
	default:
		r.Signal.RSRQ, r.Signal.RSRP = scaled(f, 10, 0, 34, 2, -20), whole(f, 11, 0, 97, -141)
	}
	r.Signal.SINR = scaled(f, 13, minSINR, maxSINR, 1, 0)
}

// cpsiOther: GSM,Online,460-00,0x182d,12401,27 EGSM 900,-64,… and
// WCDMA,Online,460-01,0xA809,11122855,….
func (r *Radio) cpsiOther(f []string) {
	rat := map[string]string{"GSM": "GSM", "WCDMA": "UMTS", "TDS": "UMTS"}[field(f, 0)]
	if rat == "" {
		return
	}
	mcc, mnc, _ := strings.Cut(field(f, 2), "-")
	r.place(rat, mcc, mnc, hexOf(field(f, 3)), hexOf(field(f, 4)))
	if rat == "GSM" {
		r.Signal.RSSI = whole(f, 6, minRSSI, maxRSSI, 0)
	}
}

func tenths(f []string, i, low, high int) *int {
	n, ok := between(f, i, 10*low, 10*high)
	if !ok {
		return nil
	}
	n /= 10
	return &n
}

// hexOf makes "0x230A" and decimal numbers hex, "" where it is neither.
func hexOf(s string) string {
	if h, ok := strings.CutPrefix(strings.ToLower(s), "0x"); ok {
		return areaOf(h)
	}
	if n, err := strconv.ParseUint(s, 10, 36); err == nil {
		return strings.ToUpper(strconv.FormatUint(n, 16))
	}
	return ""
}

// hcsq: "LTE",rssi,rsrp,sinr,rsrq (-121 + n, -141 + n, n/5 - 20.2, n/2 - 20); 255 unknown;
// "WCDMA",rssi,rscp,ecio; "GSM",rssi. NR has rsrp, sinr, rsrq.
func (r *Radio) hcsq(f []string) {
	switch field(f, 0) {
	case "LTE":
		r.RAT = "LTE"
		r.Signal.RSSI, r.Signal.RSRP = whole(f, 1, 0, 96, -121), whole(f, 2, 0, 97, -141)
		r.Signal.SINR, r.Signal.RSRQ = scaled(f, 3, 0, 251, 5, -20.2), scaled(f, 4, 0, 34, 2, -20)
	case "NR":
		r.RAT = "NR"
		r.Signal.RSRP, r.Signal.SINR, r.Signal.RSRQ = whole(f, 1, 0, 97, -141), scaled(f, 2, 0, 251, 5, -20.2), scaled(f, 3, 0, 34, 2, -20)
	case "WCDMA", "GSM":
		r.RAT = map[string]string{"WCDMA": "UMTS", "GSM": "GSM"}[f[0]]
		r.Signal.RSSI = whole(f, 1, 0, 96, -121)
	}
}

// monsc: LTE,MCC,MNC,EARFCN,cell,PCI,TAC,RSRP,RSRQ,RSSI; cell, PCI and TAC in hex.
func (r *Radio) monsc(f []string) {
	if field(f, 0) != "LTE" {
		return
	}
	r.place("LTE", field(f, 1), field(f, 2), field(f, 6), field(f, 4))
	pci, err := strconv.ParseUint(field(f, 5), 16, 12)
	if err == nil {
		r.channel(field(f, 3), strconv.Itoa(int(pci)), "")
	}
	r.Signal.RSRP, r.Signal.RSRQ = whole(f, 7, minRSRP, maxRSRP, 0), scaled(f, 8, minRSRQ, maxRSRQ, 1, 0)
	r.Signal.RSSI = whole(f, 9, minRSSI, maxRSSI, 0)
}

// cced: "LTE current cell: MCC,MNC,IMSI,roaming,band,bandwidth,EARFCN,cell,RSRP,
// RSRQ,TAC,SrxLev,PCI", all decimal, levels as in +CESQ or in dBm. The IMSI is not looked at.
func (r *Radio) cced(line string) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(afterPrefix(line)), "LTE current cell")
	if !ok {
		return
	}
	_, rest, _ = strings.Cut(rest, ":")
	f := fieldsOf(rest)
	if len(f) < 13 {
		return
	}
	r.place("LTE", f[0], f[1], hexOf(f[10]), hexOf(f[7]))
	r.channel(f[6], f[12], f[4])
	if r.Signal.RSRP = whole(f, 8, minRSRP, maxRSRP, 0); r.Signal.RSRP != nil {
		r.Signal.RSRQ = scaled(f, 9, minRSRQ, maxRSRQ, 1, 0)
		return
	}
	r.Signal.RSRP, r.Signal.RSRQ = whole(f, 8, 0, 97, -141), scaled(f, 9, 0, 34, 2, -20)
}

// gtcc: "1,4,MCC,MNC,TAC,cell,EARFCN,PCI,band,bandwidth,SNR,RxLev,RSRP,RSRQ": 1
// is the serving cell, 4 LTE, 9 NR; TAC and cell in hex, an LTE band from 101 on,
// the SNR in halves of a dB. The line may have the prefix or not.
func (r *Radio) gtcc(f []string) {
	if len(f) < 14 || f[0] != "1" || f[1] != "4" {
		return
	}
	r.place("LTE", f[2], f[3], f[4], f[5])
	band := f[8]
	if n, err := strconv.Atoi(band); err == nil && n > 100 {
		band = strconv.Itoa(n - 100)
	}
	r.channel(f[6], f[7], band)
	r.Signal.SINR = scaled(f, 10, 2*minSINR, 2*maxSINR, 2, 0)
	r.Signal.RSRP, r.Signal.RSRQ = whole(f, 12, 0, 97, -141), scaled(f, 13, 0, 34, 2, -20)
}
