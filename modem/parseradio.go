package modem

import (
	"strconv"
	"strings"
)

// Radio is what one answer tells of the radio; what it does not tell is zero
// or nil. With joins several.
type Radio struct {
	Signal Signal
	Cell   Cell
	RAT    string // "LTE", "GSM", …
	Band   string // "3" of LTE, "n78" of NR
	PLMN   string
}

// ParseRadio reads the answers to Profile.Signal and Profile.Cell: +CSQ, +CESQ,
// +QCSQ, +QENG="servingcell", +CPSI?, +GTCCINFO?, ^HCSQ?, ^MONSC, +CCED=0,1.
func ParseRadio(lines []string) Radio {
	var r Radio
	for _, line := range lines {
		f := fieldsOf(line)
		var one Radio
		switch prefixOf(line) {
		case "+CSQ":
			one.csq(f)
		case "+CESQ":
			one.cesq(f)
		case "+QCSQ":
			one.qcsq(f)
		case "+QENG":
			one.qeng(f)
		case "+CPSI":
			one.cpsi(f)
		case "^HCSQ":
			one.hcsq(f)
		case "^MONSC":
			one.monsc(f)
		case "+CCED":
			one.cced(line)
		case "+GTCCINFO", "":
			one.gtcc(f) // its lines have no prefix
		}
		r = r.With(one)
	}
	r.Signal.Bars = r.Signal.bars()
	return r
}

// With takes over what more tells.
func (r Radio) With(more Radio) Radio {
	r.Signal = r.Signal.With(more.Signal)
	if more.Cell.EARFCN != 0 || more.Cell.PCI != 0 || more.Cell.ID != "" || more.Cell.TAC != "" {
		r.Cell = more.Cell
	}
	for _, p := range []struct {
		to   *string
		from string
	}{{&r.RAT, more.RAT}, {&r.Band, more.Band}, {&r.PLMN, more.PLMN}} {
		if p.from != "" {
			*p.to = p.from
		}
	}
	return r
}

// With takes over what more tells, and counts the bars again.
func (s Signal) With(more Signal) Signal {
	for _, p := range []struct{ to, from **int }{{&s.CSQ, &more.CSQ}, {&s.RSSI, &more.RSSI}, {&s.RSRP, &more.RSRP}} {
		if *p.from != nil {
			*p.to = *p.from
		}
	}
	for _, p := range []struct{ to, from **float64 }{{&s.RSRQ, &more.RSRQ}, {&s.SINR, &more.SINR}} {
		if *p.from != nil {
			*p.to = *p.from
		}
	}
	if !more.At.IsZero() {
		s.At = more.At
	}
	s.Bars = s.bars()
	return s
}

// bars is 0 to 5: by RSRP where it is known, as phones show LTE, else by RSSI.
func (s Signal) bars() int {
	level := func(n int, steps ...int) int {
		for i, step := range steps {
			if n >= step {
				return len(steps) - i
			}
		}
		return 0
	}
	switch {
	case s.RSRP != nil:
		return level(*s.RSRP, -85, -95, -105, -115, -124)
	case s.RSSI != nil:
		return level(*s.RSSI, -73, -83, -93, -103, -111)
	}
	return 0
}

// scaled is offset + raw/divisor where the field is a number from low to high.
func scaled(f []string, i, low, high int, divisor, offset float64) *float64 {
	n, ok := between(f, i, low, high)
	if !ok {
		return nil
	}
	v := float64(n)/divisor + offset
	return &v
}

func whole(f []string, i, low, high, offset int) *int {
	n, ok := between(f, i, low, high)
	if !ok {
		return nil
	}
	n += offset
	return &n
}

// What real values are: RSRP, RSSI and RSRQ as modems write them in dBm and dB.
const (
	minRSRP, maxRSRP = -144, -30
	minRSSI, maxRSSI = -125, -20
	minRSRQ, maxRSRQ = -43, 20
	minSINR, maxSINR = -30, 40
)

// csq: 0 to 31 is -113 + 2n dBm, 99 unknown (TS 27.007 §8.5); 100 to 191 is
// -116 + (n - 100) dBm of TD-SCDMA and LTE in some modems.
func (r *Radio) csq(f []string) {
	n, ok := integer(f, 0)
	switch {
	case ok && n >= 0 && n <= 31:
		rssi := -113 + 2*n
		r.Signal.CSQ, r.Signal.RSSI = &n, &rssi
	case ok && n >= 100 && n <= 191:
		rssi := -116 + n - 100
		r.Signal.RSSI = &rssi
	}
}

// cesq: rxlev, ber, rscp, ecno, rsrq, rsrp (TS 27.007 §8.69), and for NR
// ss_rsrq, ss_rsrp, ss_sinr behind them.
func (r *Radio) cesq(f []string) {
	r.Signal.RSRQ = scaled(f, 4, 0, 34, 2, -20)
	r.Signal.RSRP = whole(f, 5, 0, 97, -141)
	if r.Signal.RSRP == nil && len(f) >= 9 {
		r.Signal.RSRQ = scaled(f, 6, 0, 126, 2, -43.5)
		r.Signal.RSRP = whole(f, 7, 0, 126, -157)
		r.Signal.SINR = scaled(f, 8, 0, 127, 2, -23.5)
	}
}

// qcsq: "LTE",rssi,rsrp,sinr,rsrq; SINR in fifths of a dB from -20 on.
func (r *Radio) qcsq(f []string) {
	switch field(f, 0) {
	case "LTE", "eMTC", "CAT-M", "CAT-M1", "CAT-NB1", "NBIoT":
		r.RAT = "LTE"
		r.Signal.RSSI, r.Signal.RSRP = whole(f, 1, minRSSI, maxRSSI, 0), whole(f, 2, minRSRP, maxRSRP, 0)
		r.Signal.SINR, r.Signal.RSRQ = scaled(f, 3, 0, 250, 5, -20), scaled(f, 4, minRSRQ, maxRSRQ, 1, 0)
	case "GSM":
		r.RAT = "GSM"
		r.Signal.RSSI = whole(f, 1, minRSSI, maxRSSI, 0)
	case "WCDMA":
		r.RAT = "UMTS"
		r.Signal.RSSI = whole(f, 1, minRSSI, maxRSSI, 0)
	}
}

// qeng reads the serving cell of +QENG: in one line, or with a carrier of NR
// beside it in lines that begin with the technology.
func (r *Radio) qeng(f []string) {
	for i, word := range f[:min(3, len(f))] {
		g := f[i:]
		switch word {
		case "LTE", "CAT-M", "eMTC", "CAT-NB": // duplex, MCC, MNC, cell, PCI, EARFCN, band, UL, DL, TAC, RSRP, RSRQ, RSSI, SINR
			r.place("LTE", field(g, 2), field(g, 3), field(g, 10), field(g, 4))
			r.channel(field(g, 6), field(g, 5), field(g, 7))
			r.Signal.RSRP, r.Signal.RSRQ = whole(g, 11, minRSRP, maxRSRP, 0), scaled(g, 12, minRSRQ, maxRSRQ, 1, 0)
			r.Signal.RSSI, r.Signal.SINR = whole(g, 13, minRSSI, maxRSSI, 0), quectelSINR(g, 14)
		case "NR5G-SA": // duplex, MCC, MNC, cell, PCI, TAC, ARFCN, band, bandwidth, RSRP, RSRQ, SINR
			r.place("NR", field(g, 2), field(g, 3), field(g, 6), field(g, 4))
			r.channel(field(g, 7), field(g, 5), "n"+field(g, 8))
			r.Signal.RSRP, r.Signal.RSRQ = whole(g, 10, minRSRP, maxRSRP, 0), scaled(g, 11, minRSRQ, maxRSRQ, 1, 0)
			r.Signal.SINR = scaled(g, 12, minSINR, maxSINR, 1, 0)
		case "WCDMA": // MCC, MNC, LAC, cell, UARFCN, PSC, RAC, RSCP, EcIo
			r.place("UMTS", field(g, 1), field(g, 2), field(g, 3), field(g, 4))
			r.channel(field(g, 5), field(g, 6), "")
			r.Signal.RSSI = whole(g, 8, minRSSI, maxRSSI, 0)
		case "GSM": // MCC, MNC, LAC, cell, BSIC, ARFCN, band, RxLev
			r.place("GSM", field(g, 1), field(g, 2), field(g, 3), field(g, 4))
			r.channel(field(g, 6), "", "")
		default:
			continue
		}
		return
	}
}

// quectelSINR is in dB in newer firmware; older one writes 0 to 250, fifths of
// a dB from -20 on. Above 30 it can only be the latter.
func quectelSINR(f []string, i int) *float64 {
	if v := scaled(f, i, -20, 30, 1, 0); v != nil {
		return v
	}
	return scaled(f, i, 31, 250, 5, -20)
}

// place sets technology, network and cell; area and cell are hex.
func (r *Radio) place(rat, mcc, mnc, area, cell string) {
	r.RAT = rat
	if len(mcc) == 3 && isNumber(mcc) && isNumber(mnc) && len(mnc) <= 3 {
		if len(mnc) == 1 {
			mnc = "0" + mnc
		}
		r.PLMN = mcc + mnc
	}
	r.Cell.TAC, r.Cell.ID = areaOf(area), areaOf(cell)
}

// channel sets what is decimal: EARFCN, PCI, band.
func (r *Radio) channel(earfcn, pci, band string) {
	if n, err := strconv.Atoi(earfcn); err == nil && n >= 0 {
		r.Cell.EARFCN = n
	}
	if n, err := strconv.Atoi(pci); err == nil && n >= 0 && n <= 1007 {
		r.Cell.PCI = n
	}
	if isNumber(strings.TrimPrefix(band, "n")) {
		r.Band = band
	}
}
