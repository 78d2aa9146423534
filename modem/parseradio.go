package modem

import (
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
			one.read("+QCSQ", f)
		case "+QENG":
			one.qeng(f)
		case "+CPSI":
			one.cpsi(f)
		case "^HCSQ":
			one.read("^HCSQ", f)
		case "^MONSC":
			one.read("^MONSC", f)
		case "+CCED":
			one.cced(line)
		case "+GTCCINFO", "": // its lines have no prefix
			if len(f) >= 14 && f[0] == "1" { // the serving cell
				one.read("+GTCCINFO", f[1:])
			}
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
	r.read("+CESQ", append([]string{"LTE"}, f...))
	if r.Signal.RSRP == nil {
		r.read("+CESQ", append([]string{"NR"}, f...))
	}
	r.RAT = "" // the fields do not say which
}

// qeng reads the serving cell of +QENG: in one line, or with a carrier of NR
// beside it in lines that begin with the technology.
func (r *Radio) qeng(f []string) {
	for i := range f[:min(3, len(f))] {
		if r.read("+QENG", f[i:]) {
			return
		}
	}
}

// cpsi: LTE,Online,460-01,0x230A,175499523,318,EUTRAN-BAND3,1650,5,0,RSRQ,RSRP,
// RSSI,SNR. The levels are in dBm, in tenths, or as in +CESQ, by firmware.
func (r *Radio) cpsi(f []string) {
	if len(f) < 3 {
		return
	}
	mcc, mnc, _ := strings.Cut(f[2], "-")
	f = append([]string{f[0], mcc, mnc}, f[3:]...)
	rat, _, _ := strings.Cut(f[0], " ") // LTE CAT-M1
	f[0] = rat
	switch rsrp, ok := integer(f, 11); {
	case !ok || rat != "LTE":
	case rsrp <= -200:
		f[0] = "LTE tenths"
	case rsrp >= 0:
		f[0] = "LTE raw"
	}
	r.read("+CPSI", f)
}

// cced: "LTE current cell: MCC,MNC,IMSI,roaming,band,bandwidth,EARFCN,cell,RSRP,
// RSRQ,TAC,SrxLev,PCI", all decimal, levels as in +CESQ or in dBm. The IMSI is not looked at.
func (r *Radio) cced(line string) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(afterPrefix(line)), "LTE current cell")
	if !ok {
		return
	}
	_, rest, _ = strings.Cut(rest, ":")
	f := append([]string{"LTE raw"}, fieldsOf(rest)...)
	if n, ok := integer(f, 9); ok && n < 0 {
		f[0] = "LTE"
	}
	if len(f) >= 14 {
		r.read("+CCED", f)
	}
}
