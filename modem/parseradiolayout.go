package modem

import (
	"strconv"
	"strings"
)

// layout says where an answer has what: positions of fields, 0 for none. Field
// 0 is the word by which the layout is chosen.
type layout struct {
	command, word string
	rat           string
	numbers       numberForm
	mcc, mnc      int8
	tac, cell     int8
	earfcn, pci   int8
	band          int8
	rsrp, rsrq    level
	rssi, sinr    level
}

// numberForm is how area, cell and PCI are written.
type numberForm int8

const (
	hexNumbers     numberForm = iota // area and cell hex, PCI decimal
	hexPCI                           // all three hex
	decimalNumbers                   // all decimal; "0x230A" is hex
)

// level is a field that is a level, and how it is written.
type level struct {
	scale scale
	pos   int8
}

// scale is how a level is written; an index of scales.
type scale int8

const (
	asRSRP scale = iota + 1 // in dBm and dB, as they stand
	asRSRQ
	asRSSI
	asSINR
	shortSINR // -20 to 30: see read
	rawRSRP   // numbers from 0 on (TS 36.133 §9.1.4 and §9.1.7)
	rawRSRQ
	rawRSSI
	nrRSRP // of NR (TS 38.133 §10.1.6)
	nrRSRQ
	nrSINR
	tenRSRP // tenths
	tenRSRQ
	tenRSSI
	halfSINR   // halves of a dB
	fifthSINR  // fifths of a dB, from -20 on
	highSINR   // the same, above 30 only
	huaweiSINR // fifths of a dB, from -20.2 on
)

// scales: valid from low to high, dB = n/div + tenths/10.
var scales = [...]struct{ low, high, div, tenths int16 }{
	asRSRP: {-144, -30, 1, 0}, asRSRQ: {-43, 20, 1, 0}, asRSSI: {-125, -20, 1, 0}, asSINR: {-30, 40, 1, 0}, shortSINR: {-20, 30, 1, 0},
	rawRSRP: {0, 97, 1, -1410}, rawRSRQ: {0, 34, 2, -200}, rawRSSI: {0, 96, 1, -1210},
	nrRSRP: {0, 126, 1, -1570}, nrRSRQ: {0, 126, 2, -435}, nrSINR: {0, 127, 2, -235},
	tenRSRP: {-1440, -300, 10, 0}, tenRSRQ: {-430, 200, 10, 0}, tenRSSI: {-1250, -200, 10, 0},
	halfSINR: {-60, 80, 2, 0}, fifthSINR: {0, 250, 5, -200}, highSINR: {31, 250, 5, -200}, huaweiSINR: {0, 251, 5, -202},
}

// layouts are those of the documents named in profiles.toml.
var layouts = [...]layout{
	{command: "+CESQ", word: "LTE", rsrq: level{rawRSRQ, 5}, rsrp: level{rawRSRP, 6}},
	{command: "+CESQ", word: "NR", rsrq: level{nrRSRQ, 7}, rsrp: level{nrRSRP, 8}, sinr: level{nrSINR, 9}},
	// SINR in fifths of a dB from -20 on
	{command: "+QCSQ", word: "LTE", rat: "LTE", rssi: level{asRSSI, 1}, rsrp: level{asRSRP, 2}, sinr: level{fifthSINR, 3}, rsrq: level{asRSRQ, 4}},
	{command: "+QCSQ", word: "eMTC", rat: "LTE", rssi: level{asRSSI, 1}, rsrp: level{asRSRP, 2}, sinr: level{fifthSINR, 3}, rsrq: level{asRSRQ, 4}},
	{command: "+QCSQ", word: "GSM", rat: "GSM", rssi: level{asRSSI, 1}},
	{command: "+QCSQ", word: "WCDMA", rat: "UMTS", rssi: level{asRSSI, 1}},
	// duplex, MCC, MNC, cell, PCI, EARFCN, band, UL, DL, TAC, RSRP, RSRQ, RSSI, SINR
	{command: "+QENG", word: "LTE", rat: "LTE", mcc: 2, mnc: 3, cell: 4, pci: 5, earfcn: 6, band: 7, tac: 10,
		rsrp: level{asRSRP, 11}, rsrq: level{asRSRQ, 12}, rssi: level{asRSSI, 13}, sinr: level{shortSINR, 14}},
	{command: "+QENG", word: "eMTC", rat: "LTE", mcc: 2, mnc: 3, cell: 4, pci: 5, earfcn: 6, band: 7, tac: 10,
		rsrp: level{asRSRP, 11}, rsrq: level{asRSRQ, 12}, rssi: level{asRSSI, 13}},
	// duplex, MCC, MNC, cell, PCI, TAC, ARFCN, band, bandwidth, RSRP, RSRQ, SINR
	{command: "+QENG", word: "NR5G-SA", rat: "NR", mcc: 2, mnc: 3, cell: 4, pci: 5, tac: 6, earfcn: 7, band: 8,
		rsrp: level{asRSRP, 10}, rsrq: level{asRSRQ, 11}, sinr: level{asSINR, 12}},
	// MCC, MNC, LAC, cell, UARFCN, PSC, RAC, RSCP
	{command: "+QENG", word: "WCDMA", rat: "UMTS", mcc: 1, mnc: 2, tac: 3, cell: 4, earfcn: 5, pci: 6, rssi: level{asRSSI, 8}},
	// MCC, MNC, LAC, cell, BSIC, ARFCN
	{command: "+QENG", word: "GSM", rat: "GSM", mcc: 1, mnc: 2, tac: 3, cell: 4, earfcn: 6},
	{command: "+CPSI", word: "LTE", rat: "LTE", numbers: decimalNumbers, mcc: 1, mnc: 2, tac: 3, cell: 4, pci: 5, band: 6, earfcn: 7,
		rsrq: level{asRSRQ, 10}, rsrp: level{asRSRP, 11}, rssi: level{asRSSI, 12}, sinr: level{asSINR, 13}},
	{command: "+CPSI", word: "LTE tenths", rat: "LTE", numbers: decimalNumbers, mcc: 1, mnc: 2, tac: 3, cell: 4, pci: 5, band: 6, earfcn: 7,
		rsrq: level{tenRSRQ, 10}, rsrp: level{tenRSRP, 11}, rssi: level{tenRSSI, 12}, sinr: level{asSINR, 13}},
	{command: "+CPSI", word: "LTE raw", rat: "LTE", numbers: decimalNumbers, mcc: 1, mnc: 2, tac: 3, cell: 4, pci: 5, band: 6, earfcn: 7,
		rsrq: level{rawRSRQ, 10}, rsrp: level{rawRSRP, 11}, sinr: level{asSINR, 13}},
	{command: "+CPSI", word: "GSM", rat: "GSM", numbers: decimalNumbers, mcc: 1, mnc: 2, tac: 3, cell: 4, rssi: level{asRSSI, 6}},
	{command: "+CPSI", word: "WCDMA", rat: "UMTS", numbers: decimalNumbers, mcc: 1, mnc: 2, tac: 3, cell: 4},
	// 255 is unknown
	{command: "^HCSQ", word: "LTE", rat: "LTE", rssi: level{rawRSSI, 1}, rsrp: level{rawRSRP, 2}, sinr: level{huaweiSINR, 3}, rsrq: level{rawRSRQ, 4}},
	{command: "^HCSQ", word: "NR", rat: "NR", rsrp: level{rawRSRP, 1}, sinr: level{huaweiSINR, 2}, rsrq: level{rawRSRQ, 3}},
	{command: "^HCSQ", word: "WCDMA", rat: "UMTS", rssi: level{rawRSSI, 1}},
	{command: "^HCSQ", word: "GSM", rat: "GSM", rssi: level{rawRSSI, 1}},
	// MCC, MNC, EARFCN, cell, PCI, TAC, RSRP, RSRQ, RSSI
	{command: "^MONSC", word: "LTE", rat: "LTE", numbers: hexPCI, mcc: 1, mnc: 2, earfcn: 3, cell: 4, pci: 5, tac: 6,
		rsrp: level{asRSRP, 7}, rsrq: level{asRSRQ, 8}, rssi: level{asRSSI, 9}},
	// MCC, MNC, IMSI, roaming, band, bandwidth, EARFCN, cell, RSRP, RSRQ, TAC, SrxLev, PCI
	{command: "+CCED", word: "LTE", rat: "LTE", numbers: decimalNumbers, mcc: 1, mnc: 2, band: 5, earfcn: 7, cell: 8, tac: 11, pci: 13,
		rsrp: level{asRSRP, 9}, rsrq: level{asRSRQ, 10}},
	{command: "+CCED", word: "LTE raw", rat: "LTE", numbers: decimalNumbers, mcc: 1, mnc: 2, band: 5, earfcn: 7, cell: 8, tac: 11, pci: 13,
		rsrp: level{rawRSRP, 9}, rsrq: level{rawRSRQ, 10}},
	// 4 is LTE; MCC, MNC, TAC, cell, EARFCN, PCI, band, bandwidth, SNR in halves, RxLev, RSRP, RSRQ
	{command: "+GTCCINFO", word: "4", rat: "LTE", mcc: 1, mnc: 2, tac: 3, cell: 4, earfcn: 5, pci: 6, band: 7,
		sinr: level{halfSINR, 9}, rsrp: level{rawRSRP, 11}, rsrq: level{rawRSRQ, 12}},
}

// read takes what the layout for the command and the word in field 0 says, and
// reports whether there is one.
func (r *Radio) read(command string, f []string) bool {
	for i := range layouts {
		l := &layouts[i]
		if l.command != command || l.word != field(f, 0) {
			continue
		}
		r.RAT = l.rat
		r.place(f, l)
		r.Signal.RSRP, r.Signal.RSSI = l.rsrp.whole(f), l.rssi.whole(f)
		r.Signal.RSRQ, r.Signal.SINR = l.rsrq.of(f), l.sinr.of(f)
		if l.sinr.scale == shortSINR && r.Signal.SINR == nil {
			// older firmware writes fifths of a dB; above 30 it can only be that
			r.Signal.SINR = level{highSINR, l.sinr.pos}.of(f)
		}
		return true
	}
	return false
}

// fieldAt is field i, "" where the layout has none.
func fieldAt(f []string, i int8) string {
	if i == 0 {
		return ""
	}
	return field(f, int(i))
}

// place sets network and cell.
func (r *Radio) place(f []string, l *layout) {
	mcc, mnc := fieldAt(f, l.mcc), fieldAt(f, l.mnc)
	if len(mcc) == 3 && digits(mcc, 3, 3) != "" && digits(mnc, 1, 3) == mnc && mnc != "" {
		if len(mnc) == 1 {
			mnc = "0" + mnc
		}
		r.PLMN = mcc + mnc
	}
	area, pciBase := areaOf, 10
	switch l.numbers {
	case decimalNumbers:
		area = hexOf
	case hexPCI:
		pciBase = 16
	}
	r.Cell.TAC, r.Cell.ID = area(fieldAt(f, l.tac)), area(fieldAt(f, l.cell))
	if n, err := strconv.ParseUint(fieldAt(f, l.earfcn), 10, 31); err == nil {
		r.Cell.EARFCN = int(n)
	}
	if n, err := strconv.ParseUint(fieldAt(f, l.pci), pciBase, 31); err == nil && n <= 1007 {
		r.Cell.PCI = int(n)
	}
	r.band(fieldAt(f, l.band))
}

// band reads "3", "EUTRAN-BAND3" and 103, an LTE band of Fibocom; one of NR gets an n.
func (r *Radio) band(s string) {
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "EUTRAN-BAND"), 10, 16)
	switch {
	case err != nil:
	case r.RAT == "NR":
		r.Band = "n" + strconv.Itoa(int(n))
	case n > 100:
		r.Band = strconv.Itoa(int(n) - 100)
	default:
		r.Band = strconv.Itoa(int(n))
	}
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

// of is the level, nil where it is unknown.
func (l level) of(f []string) *float64 {
	s := scales[l.scale]
	n, ok := between(f, int(l.pos), int(s.low), int(s.high))
	if l.pos == 0 || !ok {
		return nil
	}
	v := (float64(n)*10/float64(s.div) + float64(s.tenths)) / 10
	return &v
}

func (l level) whole(f []string) *int {
	v := l.of(f)
	if v == nil {
		return nil
	}
	n := int(*v)
	return &n
}
