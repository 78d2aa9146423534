package modem

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzParse gives the same lines to every parser: none may panic, and what
// comes out is within its bounds whatever a modem says.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"+CPIN: READY", `+QENG: "servingcell","NOCONN","LTE","FDD",460,00,8F381C5,107,1300,3,5,5,3193,-98,-13,-70,-3,0,0,21`,
		`+CGPADDR: 5,"IPV4:10.32.140.122    IPV6:::18C9:4CE3:97B7:75BD"`, "+GTCCINFO:\n1,4,001,01,ABCD,00ABCDEF0,1850,123,103,100,4,44,44,13",
		`+COPS: (2,"CHN-UNICOM","UNICOM","46001",7),,(0,1,2)`, `*PSUTTZ: 25/04/02,09:49:27","+08",1`, "+CMGL: 1,0,,26\n0791AA",
		`+CUSD: 0,"E8329BFD4697D9EC37",15`, "^DHCP: 930E790A,000000FF,0100000A,0100000A,FFB84170,035416D2,1,1", `+CGEV: NW DEACT "IP","10.0.0.1",1`,
		"+CCED:LTE current cell:460,11,460000000000009,0,3,n100,1650,111742881,51,19,6342,38,81", "mode: 2\nVid: 0x1782", `+CSIM: 4,"63C3"`,
		`+CGCONTRDP: 1,5,"a","10.0.0.1.255.0.255.0",,"",,,,,,99999999999999999999`,
	} {
		f.Add(s)
	}
	profiles, err := LoadProfiles("", nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		lines := strings.Split(s, "\n")
		checkTexts(t, lines)
		checkNumbers(t, lines)
		checkNetwork(t, lines)
		for _, p := range profiles.All() {
			p.Modes.Mode(lines)
		}
		_ = JudgeRefusal(ParseCMEError(s), CEER{})
		_ = ParseCMSError(s)
	})
}

// plain fails for text that a terminal would not show as it is.
func plain(t *testing.T, what, s string) {
	t.Helper()
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e || len(s) > 200 {
			t.Fatalf("%s: %q", what, s)
		}
	}
}

func checkTexts(t *testing.T, lines []string) {
	id := ParseATI(lines)
	c, _ := ParseCEER(lines)
	op, _ := ParseCOPS(lines)
	state, _ := ParseCPIN(lines)
	for _, s := range []string{id.Manufacturer, id.Model, id.Revision, c.Text, op.Name, op.PLMN, state, ParseText(lines), ParseCMEError(lines[0]).Text} {
		plain(t, "text", s)
	}
	for _, n := range ParseScan(lines) {
		plain(t, "network", n.Long+n.Short+n.PLMN)
	}
	for _, d := range ParseCGDCONT(lines) {
		plain(t, "APN", d.APN)
	}
	for _, line := range lines {
		if u, ok := ParseCUSD(line, ""); ok && (!utf8.ValidString(u.Text) || strings.ContainsAny(u.Text, "\x00\x1b\r") || len(u.Text) > 8*maxUSSD) {
			t.Fatalf("USSD %q", u.Text)
		}
		ParseCUSD(line, "UCS2")
		if store, n, ok := ParseCMTI(line); ok && (n < 0 || len(store) > 8) {
			t.Fatalf("+CMTI %q %d", store, n)
		}
		ParseCGEV(line)
	}
	for _, m := range ParseCMGL(lines) {
		_, _ = DecodePDU(m.PDU)
	}
}

func checkNumbers(t *testing.T, lines []string) {
	if s, ok := ParseIMEI(lines); ok && digits(s, 15, 15) != s {
		t.Fatalf("IMEI %q", s)
	}
	if s, ok := ParseIMSI(lines); ok && digits(s, 14, 15) != s {
		t.Fatalf("IMSI %q", s)
	}
	if s, ok := ParseICCID(lines); ok && (len(s) < 17 || len(s) > 20 || s[:2] != "89") {
		t.Fatalf("ICCID %q", s)
	}
	if n, ok := ParseTries(lines); ok && (n < 0 || n > maxTries) {
		t.Fatalf("%d tries", n)
	}
	if v, ok := ParseTemperature(lines); ok && (v < -40 || v > 125) {
		t.Fatalf("%v degrees", v)
	}
	if n, ok := ParseCBC(lines); ok && (n < minSupply || n > maxSupply) {
		t.Fatalf("%d mV", n)
	}
	if at, ok := ParseClock(lines); ok && (at.Before(time.Date(2023, 12, 30, 0, 0, 0, 0, time.UTC)) || at.Year() > 2100) {
		t.Fatalf("clock %v", at)
	}
	if used, total, ok := ParseCPMS(lines); ok && (used < 0 || total < 0) {
		t.Fatal("+CPMS")
	}
	if n, ok := ParseCMGS(lines); ok && (n < 0 || n > 255) {
		t.Fatal("+CMGS")
	}
	ParseCFUN(lines)
	ParseCGATT(lines)
	ParseCGACT(lines)
	_, _ = ParseCGAUTH(lines, 1)
	ParseDialled(lines, 1)
}

func checkNetwork(t *testing.T, lines []string) {
	if r, ok := ParseRegistration(lines); ok && (r.Stat < 0 || r.Stat > RegDisaster || r.Cause < 0 || r.Cause > 255 || r.AcT > 20) {
		t.Fatalf("%+v", r)
	}
	r := ParseRadio(lines)
	s := r.Signal
	if s.Bars < 0 || s.Bars > 5 || s.CSQ != nil && (*s.CSQ < 0 || *s.CSQ > 31) || s.RSRP != nil && (*s.RSRP < -160 || *s.RSRP > -20) ||
		s.RSSI != nil && (*s.RSSI < -130 || *s.RSSI > 0) || s.SINR != nil && (*s.SINR < -40 || *s.SINR > 60) || s.RSRQ != nil && (*s.RSRQ < -50 || *s.RSRQ > 30) {
		t.Fatalf("%+v", s)
	}
	if r.Cell.PCI < 0 || r.Cell.PCI > 1007 || r.Cell.EARFCN < 0 || len(r.PLMN) > 6 || len(r.Cell.ID) > 10 {
		t.Fatalf("%+v", r)
	}
	b, _ := ParseCGPADDR(lines, 1)
	if b.Addr4.IsValid() && !b.Addr4.Is4() || b.Addr6.IsValid() && !b.Addr6.Addr().Is6() {
		t.Fatalf("%+v", b)
	}
	for _, c := range ParseCGCONTRDP(lines) {
		if c.Bearer.MTU < 0 || c.Bearer.MTU > maxMTU || len(c.Bearer.DNS) > 4 {
			t.Fatalf("%+v", c)
		}
	}
}

// FuzzDecodePDU: a message that comes over the air gives a text, whatever is in it.
func FuzzDecodePDU(f *testing.F) {
	f.Add("07917283010010F5040BC87238880900F10000993092516195800AE8329BFD4697D9EC37")
	f.Add(partPDU(7, 3, 1, "0041D83D"))
	f.Add(deliver(true, "00", 10, "06050301E8329BFD46"))
	f.Add("07917283010010F506050B916407281553F8993092516195809930925161958000")
	f.Fuzz(func(t *testing.T, pdu string) {
		var j Joiner
		p, err := DecodePDU(pdu)
		if err == nil && (p.Seq < 1 || p.Seq > p.Total) {
			t.Fatalf("%+v", p)
		}
		if p.Report {
			return
		}
		now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
		list := append(j.Add(now, 1, p), j.Expired(now.Add(maxWait))...)
		if len(list) != 1 || !utf8.ValidString(list[0].SMS.Text) || list[0].SMS.Key == "" {
			t.Fatalf("%+v", list)
		}
	})
}

// FuzzProfiles: a file of the user gives profiles or an error that names a line.
func FuzzProfiles(f *testing.F) {
	f.Add("[[profile]]\nid = 'x'\nlike = 'generic-net'\ncid = 99\n")
	f.Add("[[profile]]\nid = 'x'\nmatch = [{ id = '2c7c:*' }]\n")
	f.Add("profile = 1")
	f.Fuzz(func(t *testing.T, text string) {
		ps, err := LoadProfiles("f", []byte(text))
		if err != nil && !strings.HasPrefix(err.Error(), "f:") {
			t.Fatal(err)
		}
		if _, ok := ps.ByID(genericNet); !ok {
			t.Fatal("the embedded profiles are gone")
		}
	})
}
