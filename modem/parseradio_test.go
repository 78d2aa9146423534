package modem

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// radio builds the expectation: a number that is 999 is unknown.
func radio(rat, plmn, band string, earfcn, pci int, tac, cell string, rssi, rsrp int, rsrq, sinr float64) Radio {
	r := Radio{RAT: rat, PLMN: plmn, Band: band, Cell: Cell{EARFCN: earfcn, PCI: pci, TAC: tac, ID: cell}}
	if rssi != 999 {
		r.Signal.RSSI = &rssi
	}
	if rsrp != 999 {
		r.Signal.RSRP = &rsrp
	}
	if rsrq != 999 {
		r.Signal.RSRQ = &rsrq
	}
	if sinr != 999 {
		r.Signal.SINR = &sinr
	}
	return r
}

func TestParseRadio(t *testing.T) {
	const no = 999
	csq := func(n int, r Radio) Radio { r.Signal.CSQ = &n; return r }
	for _, tt := range []struct {
		lines []string
		bars  int
		want  Radio
	}{
		{[]string{"+CSQ: 27,99"}, 5, csq(27, radio("", "", "", 0, 0, "", "", -59, no, no, no))}, // captured
		{[]string{"+CSQ: 99,99"}, 0, radio("", "", "", 0, 0, "", "", no, no, no, no)},
		{[]string{"+CSQ: 0,99"}, 0, csq(0, radio("", "", "", 0, 0, "", "", -113, no, no, no))},
		{[]string{"+CSQ: 141,99"}, 4, radio("", "", "", 0, 0, "", "", -75, no, no, no)},
		{[]string{"+CESQ: 99,99,255,255,19,51"}, 4, radio("", "", "", 0, 0, "", "", no, -90, -10.5, no)}, // captured
		{[]string{"+CESQ: 99,99,255,255,255,255"}, 0, radio("", "", "", 0, 0, "", "", no, no, no, no)},
		{[]string{"+CESQ: 99,99,255,255,255,255,65,70,67"}, 4, radio("", "", "", 0, 0, "", "", no, -87, -11, 10)},
		{[]string{`+QCSQ: "LTE",-58,-84,145,-9`}, 5, radio("LTE", "", "", 0, 0, "", "", -58, -84, -9, 9)},
		{[]string{`+QCSQ: "NOSERVICE"`}, 0, Radio{}},
		{[]string{`+QENG: "servingcell","NOCONN","LTE","FDD",460,00,8F381C5,107,1300,3,5,5,3193,-98,-13,-70,-3,0,0,21`}, 3, // captured
			radio("LTE", "46000", "3", 1300, 107, "3193", "8F381C5", -70, -98, -13, -3)},
		{[]string{`+QENG: "servingcell","NOCONN","LTE","FDD",250,99,BCAEE67,218,525,1,4,4,9C29,-96,-16,-61,130,26`}, 3, // captured, SINR in fifths
			radio("LTE", "25099", "1", 525, 218, "9C29", "BCAEE67", -61, -96, -16, 6)},
		{[]string{`+QENG: "servingcell","NOCONN"`, `+QENG: "LTE","FDD",460,01,5A29C0B,465,1650,3,5,5,DE10,-69,-5,-65,21,51`, `+QENG: "NR5G-NSA",460,01,702,-92,10,-7`}, 5,
			radio("LTE", "46001", "3", 1650, 465, "DE10", "5A29C0B", -65, -69, -5, 21)},
		{[]string{`+QENG: "servingcell","SEARCH"`}, 0, Radio{}},
		{[]string{`+QENG: "servingcell","NOCONN","GSM",460,00,550B,3C94,26,37,-,-63`}, 0, radio("GSM", "46000", "", 37, 0, "550B", "3C94", no, no, no, no)},
		{[]string{"+CPSI: LTE,Online,250-20,0x4D07,200468759,468,EUTRAN-BAND7,3400,3,3,-69,-900,-661,20"}, 4, // captured, tenths
			radio("LTE", "25020", "7", 3400, 468, "4D07", "BF2E917", -66, -90, -6.9, 20)},
		{[]string{"+CPSI: LTE,Online,460-01,0x230A,175499523,318,EUTRAN-BAND3,1650,5,0,21,67,255,19"}, 5, // captured, as +CESQ
			radio("LTE", "46001", "3", 1650, 318, "230A", "A75E903", no, -74, -9.5, 19)},
		{[]string{"+CPSI: LTE CAT-M1,Online,505-01,0x2036,134523149,238,EUTRAN-BAND28,9410,5,5,-20,-116,-82,6"}, 1, // captured
			radio("LTE", "50501", "28", 9410, 238, "2036", "804A90D", -82, -116, -20, 6)},
		{[]string{"+CPSI: NO SERVICE,Online"}, 0, Radio{}},
		{[]string{`^HCSQ: "LTE",54,24,45,155`}, 1, radio("LTE", "", "", 0, 0, "", "", -67, -117, no, -11.2)},
		{[]string{`^HCSQ: "LTE",45,34,106,19`}, 2, radio("LTE", "", "", 0, 0, "", "", -76, -107, -10.5, 1)},
		{[]string{"^MONSC: LTE,460,00,38950,94EF884,142,57B2,-96,-8,-67"}, 3, radio("LTE", "46000", "", 38950, 322, "57B2", "94EF884", -67, -96, -8, no)}, // captured
		{[]string{"+CCED:LTE current cell:460,11,460000000000009,0,3,n100,1650,111742881,51,19,6342,38,81"}, 4, // captured
			radio("LTE", "46011", "3", 1650, 81, "18C6", "6A90FA1", no, -90, -10.5, no)},
		{[]string{"+CCED:LTE current cell info:232,1,123456789,0,3,3,1300,12345678,-90,-10,1234,4,100"}, 4,
			radio("LTE", "23201", "3", 1300, 100, "4D2", "BC614E", no, -90, -10, no)},
		{[]string{"+CCED:LTE neighbor cell: 460,00,38400,185861504,57,8,37289,65535,3"}, 0, Radio{}},
		{[]string{"+GTCCINFO:", "1,4,001,01,ABCD,00ABCDEF0,1850,123,103,100,4,44,44,13", "2,4,,,FFFF,00FFFFFFF,1850,137,,41,41,71"}, 3, // captured
			radio("LTE", "00101", "3", 1850, 123, "ABCD", "00ABCDEF0", no, -97, -13.5, 2)},
	} {
		got := ParseRadio(tt.lines)
		tt.want.Signal.Bars = tt.bars
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.lines, diff)
		}
	}
}

func TestRadioWith(t *testing.T) {
	r := ParseRadio([]string{"+CSQ: 20,99"}).With(ParseRadio([]string{"+CESQ: 99,99,255,255,19,20"})).With(ParseRadio([]string{"+CSQ: 99,99"}))
	if r.Signal.CSQ == nil || *r.Signal.CSQ != 20 || r.Signal.RSRP == nil || *r.Signal.RSRP != -121 || r.Signal.Bars != 1 {
		t.Errorf("%+v", r.Signal)
	}
}
