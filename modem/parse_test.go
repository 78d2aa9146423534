package modem

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The lines marked "captured" were shown by a real module (public captures of
// the Air724UG, RM500U-CNV and SIM7600 with masked numbers); the others follow the documents.

func TestParseErrors(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want int
	}{
		{"10", 10}, {"SIM not inserted", 10}, {"sim busy", 14}, {"SIM PIN required", 11}, {"(U)SIM PUK required", 12},
		{"incorrect password", 16}, {"Operation not allowed", 3}, {"4", 4}, {"service option not supported", 132},
		{"requested service option not subscribed", 133}, {"service option temporarily out of order", 134},
		{"unspecified GPRS error", 148}, {"phone failure", 0}, {"invalid command line", -1}, {"", -1}, {"5847", 5847}, {"-3", -1},
	} {
		if e := ParseCMEError(tt.in); e.Code != tt.want {
			t.Errorf("%q: %d, want %d", tt.in, e.Code, tt.want)
		}
	}
	if e := ParseCMEError("30"); e.Error() != "CME error 30 (no network service)" {
		t.Error(e)
	}
	if e := ParseCMEError("no network service"); e.Error() != "CME error 30 (no network service)" {
		t.Error(e)
	}
	if e := ParseCMSError("memory full"); e.Code != 322 || e.Error() != "CMS error 322 (memory full)" {
		t.Error(e)
	}
	if e := ParseCMSError("38"); e.Error() != "CMS error 38 (network out of order)" {
		t.Error(e)
	}
	for name, table := range map[string][]coded{"CME": cmeTexts, "CMS": cmsTexts, "EMM": emmTexts, "ESM": esmTexts} {
		words := map[string]bool{}
		for i, c := range table {
			if i > 0 && table[i-1].code >= c.code {
				t.Errorf("%s: %d is not in order", name, c.code)
			}
			if words[plainWords(c.text)] {
				t.Errorf("%s: %q twice", name, c.text)
			}
			words[plainWords(c.text)] = true
		}
	}
}

func TestParseSIM(t *testing.T) {
	for line, want := range map[string]string{
		"+CPIN: READY": SIMReady, "+CPIN: SIM PIN": SIMPIN, "+CPIN: SIM PUK": SIMPUK, "+CPIN:PH-NET PIN": "PH-NET PIN",
		"+CPIN: SIM REMOVED 0": SIMAbsent, "+CPIN: NOT INSERTED": SIMAbsent, "+CPIN: NOT READY": SIMBusy,
		"+CPIN: SIM PIN2": SIMPIN2, "+CPIN: SIM failure": SIMFailed,
	} {
		if got, ok := ParseCPIN([]string{line}); !ok || got != want {
			t.Errorf("%s: %q %v, want %q", line, got, ok, want)
		}
	}
	if _, ok := ParseCPIN([]string{"^CPIN: READY,,10,3,10,3"}); ok {
		t.Error("^CPIN is taken for +CPIN")
	}
	for line, want := range map[string]int{
		`+CSIM: 4,"63C3"`: 3, `+CSIM: 4,63C1`: 1, `+CSIM: 4,"6983"`: 0, `+CSIM: 4,"9000"`: -1, `+CSIM: 4,"6A86"`: -1,
		"+CPINR: SIM PIN,2,3": 2, "+CPINR: SIM PUK,10,10": -1, `+QPINC: "SC",3,10`: 3, `+QPINC: "P2",1,10`: -1,
		"+SPIC: 3,10,0,10": 3, "^CPIN: SIM PIN,3,10,2,10,3": 2, "^CPIN: READY,,10,3,10,3": 3, "+CPINR: SIM PIN,99,3": -1,
	} {
		n, ok := ParseTries([]string{line})
		if !ok {
			n = -1
		}
		if n != want {
			t.Errorf("%s: %d tries, want %d", line, n, want)
		}
	}
	for line, want := range map[string]string{
		"+ICCID: 89000000000000000022": "89000000000000000022", "+CCID: 89860325167550040087": "89860325167550040087", // captured
		`+QCCID: "8986032516755004008F"`: "8986032516755004008", "89860325167550040087": "89860325167550040087",
		"^ICCID: 98683052617655400780": "89860325166755047008", "+CICCID: 123": "", "+CCID: 00000000000000000000": "", "OK": "",
	} {
		if got, ok := ParseICCID([]string{line}); got != want || ok != (want != "") {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
	for line, want := range map[string]string{
		"860000000000092": "860000000000092", `+CGSN: "860000000000092"`: "860000000000092", "IMEI: 86000000000009217": "860000000000092", "1234": "",
	} {
		if got, _ := ParseIMEI([]string{line}); got != want {
			t.Errorf("%s: IMEI %q", line, got)
		}
	}
	if got, ok := ParseIMSI([]string{"+CIMI: 460000000000090"}); !ok || got != "460000000000090" {
		t.Error(got)
	}
	if got := Masked("460001234567890"); got != "46000********90" {
		t.Error(got)
	}
	if got := Masked("1234"); got != "****" {
		t.Error(got)
	}
}

func TestParseIdentity(t *testing.T) {
	for _, tt := range []struct {
		lines []string
		want  Identity
	}{
		{[]string{"Quectel", "RM500U-CNV", "Revision: RM500UCNVCAR03A12M2G"}, Identity{"Quectel", "RM500U-CNV", "RM500UCNVCAR03A12M2G", ""}}, // captured
		{[]string{"Manufacturer: SIMCOM INCORPORATED", "Model: SIMCOM_SIM7600E-H", "Revision: SIM7600M22_V1.1", "IMEI: 867584034313614", "+GCAP: +CGSM"},
			Identity{"SIMCOM INCORPORATED", "SIMCOM_SIM7600E-H", "SIM7600M22_V1.1", "867584034313614"}},
		{[]string{"AirM2M_780E_V1011"}, Identity{Model: "AirM2M_780E_V1011"}},
	} {
		if diff := cmp.Diff(tt.want, ParseATI(tt.lines)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.lines, diff)
		}
	}
	for line, want := range map[string]string{`+CGMI: ""`: "", `+CGMM: "Air724UG"`: "Air724UG", "Quectel": "Quectel", "SIM7600: x": "SIM7600: x"} {
		if got := ParseText([]string{line}); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func TestParseRegistration(t *testing.T) {
	for _, tt := range []struct {
		line string
		want Registration
	}{
		{"+CEREG: 0,1", Registration{"+CEREG", RegHome, "", "", -1, 0, 0, true}},
		{`+CEREG: 2,1,"3193","08F381C5",7`, Registration{"+CEREG", RegHome, "3193", "08F381C5", 7, 0, 0, true}}, // captured
		{`+CEREG: 1,"3193","08F381C5",7`, Registration{"+CEREG", RegHome, "3193", "08F381C5", 7, 0, 0, false}},
		{"+CEREG: 5,1A2B,0123ABCD,7", Registration{"+CEREG", RegRoaming, "1A2B", "0123ABCD", 7, 0, 0, false}},
		{`+CEREG: 1,"5","01",7`, Registration{"+CEREG", RegHome, "5", "01", 7, 0, 0, false}},
		{"+CEREG: 2", Registration{"+CEREG", RegSearching, "", "", -1, 0, 0, false}},
		{`+CEREG: 3,3,"","",,0,11`, Registration{"+CEREG", RegDenied, "", "", -1, 0, 11, true}},
		{`+CEREG: 3,"","",,0,15`, Registration{"+CEREG", RegDenied, "", "", -1, 0, 15, false}},
		{"+CEREG: 5,3,,,,1,3", Registration{"+CEREG", RegDenied, "", "", -1, 1, 3, true}},
		{`+CEREG: 4,1,"3193","08F381C5",7,,,"00000101","00111000"`, Registration{"+CEREG", RegHome, "3193", "08F381C5", 7, 0, 0, true}},
		{"+CGREG: 0,1", Registration{"+CGREG", RegHome, "", "", -1, 0, 0, true}}, // the V1011's answer to +CEREG?
		{`+CGREG: 3,3,"1A2B","01",0,"01",0,7`, Registration{"+CGREG", RegDenied, "1A2B", "01", 0, 0, 7, true}},
		{`+CREG: 2,5,"1A2B","01234567",2`, Registration{"+CREG", RegRoaming, "1A2B", "01234567", 2, 0, 0, true}},
		{`+CREG: 3,"","",,0,13`, Registration{"+CREG", RegDenied, "", "", -1, 0, 13, false}},
		{"+CREG: 8", Registration{"+CREG", RegEmergency, "", "", -1, 0, 0, false}},
	} {
		got, ok := ParseRegistration([]string{tt.line})
		if diff := cmp.Diff(tt.want, got); !ok || diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.line, diff)
		}
	}
	for _, line := range []string{"+CSQ: 1,2", "+CEREG: x", "+CEREG:", "+CEREG: (0-5)", "", "+CEREG: 99", "+CGREG: -1,5"} {
		if r, ok := ParseRegistration([]string{line}); ok {
			t.Errorf("%q is taken for %+v", line, r)
		}
	}
	home := Registration{Domain: "+CREG", Stat: RegHome}
	roaming := Registration{Domain: "+CEREG", Stat: RegRoaming}
	idle := Registration{Domain: "+CREG", Stat: RegIdle}
	denied := Registration{Domain: "+CEREG", Stat: RegDenied}
	if !roaming.Better(home) || home.Better(roaming) || !home.Better(idle) || !home.Better(denied) || !denied.Better(idle) || !idle.Better(Registration{Stat: RegNone}) {
		t.Error("order of registrations")
	}
	if !roaming.Roaming() || !roaming.Registered() || home.Roaming() || denied.Registered() || !denied.Denied() {
		t.Error("what a registration says")
	}
	for n, want := range map[int]string{3: "illegal UE", 11: "network (PLMN) not allowed", 42: "severe network failure", 99: "cause 99"} {
		if got := EMMCause(n); got != want {
			t.Errorf("EMM cause %d: %s", n, got)
		}
	}
	for n, want := range map[int]string{27: "missing or unknown APN", 33: "service option not subscribed", 66: "APN not supported in this network", 1: "cause 1"} {
		if got := ESMCause(n); got != want {
			t.Errorf("ESM cause %d: %s", n, got)
		}
	}
	five, four, two := Registration{Domain: "+C5GREG", Stat: RegHome}, Registration{Domain: "+CEREG", Stat: RegHome}, Registration{Domain: "+CGREG", Stat: RegHome}
	if !five.Better(four) || !four.Better(two) || !two.Better(home) || home.Better(two) {
		t.Error("order of the domains")
	}
	if voice, data := (Registration{Domain: "+CREG", Stat: RegDenied}), (Registration{Domain: "+CEREG", Stat: RegSearching}); voice.Better(data) || !data.Better(voice) {
		t.Error("voice denied, data searching: that is searching")
	}
	if RATName(7) != "LTE" || RATName(11) != "NR" || RATName(-1) != "" || RATName(99) != "" {
		t.Error("names of technologies")
	}
}

func TestParseCEER(t *testing.T) {
	for line, want := range map[string]CEER{
		"+CEER: EMM cause 33, requested service option not subscribed": {"EMM cause 33, requested service option not subscribed", 33, false},
		"+CEER: ESM cause #27":                           {"ESM cause #27", 27, true},
		"+CEER: 0,NONE":                                  {"0,NONE", 0, false},
		`+CEER: "PDP activation, cause 33"`:              {"PDP activation, cause 33", 33, true},
		"+CEER: 0,0,5,16,normal call clearing":           {"0,0,5,16,normal call clearing", 0, false},
		"+CEER: SM deactivate, #36 regular deactivation": {"SM deactivate, #36 regular deactivation", 36, false},
	} {
		if got, ok := ParseCEER([]string{line}); !ok || got != want {
			t.Errorf("%s: %+v, want %+v", line, got, want)
		}
	}
}

func TestParseNetwork(t *testing.T) {
	for line, want := range map[string]Operator{
		`+COPS: 0,2,"46011",7`:        {PLMN: "46011", AcT: 7}, // captured
		`+COPS:0,2,"26202",13`:        {PLMN: "26202", AcT: 13},
		`+COPS: 1,0,"CHINA MOBILE",0`: {Manual: true, Name: "CHINA MOBILE"},
		"+COPS: 0":                    {AcT: -1},
		"+COPS: 2":                    {Deregister: true, AcT: -1},
	} {
		if got, ok := ParseCOPS([]string{line}); !ok || got != want {
			t.Errorf("%s: %+v, want %+v", line, got, want)
		}
	}
	got := ParseScan([]string{`+COPS: (2,"CHN-UNICOM","UNICOM","46001",7),(1,"A (B), C","S", "46000",2),(3,"CHN-CT","CT","46011",7),,(0,1,2,3,4),(0,1,2)`})
	want := []Found{{2, "CHN-UNICOM", "UNICOM", "46001", 7}, {1, "A (B), C", "S", "46000", 2}, {3, "CHN-CT", "CT", "46011", 7}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("scan (-want +got):\n%s", diff)
	}
	if n, ok := ParseCFUN([]string{"+CFUN: 4"}); !ok || n != 4 {
		t.Error(n, ok)
	}
	if on, ok := ParseCGATT([]string{"+CGATT: 1"}); !ok || !on {
		t.Error("attached")
	}
}

var bearers = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
var prefixes = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

func TestParseContexts(t *testing.T) {
	got := ParseCGDCONT([]string{`+CGDCONT: 1,"IP","cmnet.mnc000.mcc460.gprs","0.0.0.0",0,0,0,0`, `+CGDCONT: 2,"ipv4v6","ims",,0`, "+CGDCONT: 3"})
	want := []Context{{CID: 1, Type: "IP", APN: "cmnet"}, {CID: 2, Type: "IPV4V6", APN: "ims"}}
	if diff := cmp.Diff(want, got, bearers, prefixes); diff != "" {
		t.Errorf("+CGDCONT (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[int]bool{1: true, 5: true, 11: false}, ParseCGACT([]string{"+CGACT: 5, 1", "+CGACT: 1,1", "+CGACT: 11,0"})); diff != "" { // captured
		t.Error(diff)
	}
}

func TestParseCGPADDR(t *testing.T) {
	v4 := func(s string) Bearer { return Bearer{Addr4: netip.MustParseAddr(s)} }
	both := func(a, b string) Bearer {
		return Bearer{Addr4: netip.MustParseAddr(a), Addr6: netip.MustParsePrefix(b)}
	}
	for _, tt := range []struct {
		line string
		cid  int
		want Bearer
		ok   bool
	}{
		{`+CGPADDR: 5,"IPV4:10.32.140.122    IPV6:::18C9:4CE3:97B7:75BD"`, 5, both("10.32.140.122", "::18c9:4ce3:97b7:75bd/64"), true}, // captured
		{`+CGPADDR: 1,"10.5.116.238","240e:47e:32f1:eca:18ca:b5ae:d4e9:a2ca"`, 1, both("10.5.116.238", "240e:47e:32f1:eca:18ca:b5ae:d4e9:a2ca/64"), true},
		{`+CGPADDR: 1,"10.29.164.168","254.128.0.0.0.0.0.0.90.159.101.12.150.163.37.78"`, 1, both("10.29.164.168", "fe80::5a9f:650c:96a3:254e/64"), true}, // captured
		{`+CGPADDR: 1,10.64.1.2`, 1, v4("10.64.1.2"), true},
		{`+CGPADDR: 1,"0.0.0.0"`, 1, Bearer{}, true},
		{`+CGPADDR: 1,""`, 1, Bearer{}, true},
		{`+CGPADDR: 1`, 1, Bearer{}, true},
		{`+CGPADDR: 2,"10.64.1.2"`, 1, Bearer{}, false},
		{`+CGPADDR: 1,"11.24.224.123","0.0.0.0.0.0.0.0.0.0.0.0.108.65.63.134.1"`, 1, v4("11.24.224.123"), true}, // captured: 17 numbers
	} {
		got, ok := ParseCGPADDR([]string{tt.line}, tt.cid)
		if diff := cmp.Diff(tt.want, got, bearers, prefixes); diff != "" || ok != tt.ok {
			t.Errorf("%s: %v (-want +got):\n%s", tt.line, ok, diff)
		}
	}
}

func TestParseCGCONTRDP(t *testing.T) {
	addr := netip.MustParseAddr
	for _, tt := range []struct {
		lines []string
		want  []Context
	}{
		{[]string{`+CGCONTRDP: 1,5,"apn.fr",10.40.54.48.255.255.255.224,10.40.54.33,10.40.10.1,10.40.10.2,,,`}, // captured
			[]Context{{CID: 1, APN: "apn.fr", Bearer: Bearer{Addr4: addr("10.40.54.48"), Gateway4: addr("10.40.54.33"), DNS: []netip.Addr{addr("10.40.10.1"), addr("10.40.10.2")}}}}},
		{[]string{`+CGCONTRDP: 1,5,"spe.inetd.vodafone.nbiot.mnc028.mcc901.gprs","10.175.213.177.255.255.255.255","","10.105.16.254","10.105.144.254","","",,,1430`},
			[]Context{{CID: 1, APN: "spe.inetd.vodafone.nbiot", Bearer: Bearer{Addr4: addr("10.175.213.177"), DNS: []netip.Addr{addr("10.105.16.254"), addr("10.105.144.254")}, MTU: 1430}}}},
		{[]string{`+CGCONTRDP: 1,5,SMARTLTE,10.167.105.28,,10.151.151.44,10.151.151.48`,
			`+CGCONTRDP: 1,5,SMARTLTE,"32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.1.255.255.255.255.255.255.255.255.0.0.0.0.0.0.0.0",,"32.1.72.96.72.96.0.0.0.0.0.0.0.0.136.136"`},
			[]Context{{CID: 1, APN: "SMARTLTE", Bearer: Bearer{Addr4: addr("10.167.105.28"), Addr6: netip.MustParsePrefix("2001:db8::1/64"),
				DNS: []netip.Addr{addr("10.151.151.44"), addr("10.151.151.48"), addr("2001:4860:4860::8888")}}}}},
		{[]string{`+CGCONTRDP: 1,5,"internet","10.45.0.2","255.255.255.255","10.45.0.1"`},
			[]Context{{CID: 1, APN: "internet", Bearer: Bearer{Addr4: addr("10.45.0.2"), DNS: []netip.Addr{addr("10.45.0.1")}}}}},
		{[]string{`+CGCONTRDP: 2,6,"ims"`, `+CGCONTRDP: 1,5,"ctlte",192.168.97.2/30,192.168.97.1,8.8.8.8`},
			[]Context{{CID: 2, APN: "ims"}, {CID: 1, APN: "ctlte", Bearer: Bearer{Addr4: addr("192.168.97.2"), Gateway4: addr("192.168.97.1"), DNS: []netip.Addr{addr("8.8.8.8")}}}}},
		{[]string{"^DHCP: 930E790A,000000FF,0100000A,0100000A,FFB84170,035416D2, 600000000, 100000000"}, // captured
			[]Context{{CID: 1, Bearer: Bearer{Addr4: addr("10.121.14.147"), Gateway4: addr("10.0.0.1"), DNS: []netip.Addr{addr("112.65.184.255"), addr("210.22.84.3")}}}}},
		{[]string{`+GTDNS: 1,"213.87.142.95","213.87.142.94"`}, // captured
			[]Context{{CID: 1, Bearer: Bearer{DNS: []netip.Addr{addr("213.87.142.95"), addr("213.87.142.94")}}}}},
		{[]string{`+GTDNS: 1,"0.0.0.0","0.0.0.0"`}, []Context{{CID: 1}}},
	} {
		if diff := cmp.Diff(tt.want, ParseCGCONTRDP(tt.lines), bearers, prefixes); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.lines, diff)
		}
	}
}

func TestParseCGEV(t *testing.T) {
	for line, want := range map[string]CGEV{
		"+CGEV: NW PDN DEACT 1":             {CID: 1, Down: true, Network: true},
		"+CGEV: ME PDN DEACT 1":             {CID: 1, Down: true},
		"+CGEV: ME PDN ACT 1,0":             {CID: 1, Up: true},
		"+CGEV: NW DETACH":                  {CID: -1, Down: true, Detached: true, Network: true},
		"+CGEV: ME DETACH":                  {CID: -1, Down: true, Detached: true},
		`+CGEV: NW DEACT "IP","10.0.0.1",1`: {CID: 1, Down: true, Network: true},
		"+CGEV: NW DEACT IP,10.0.0.1,1":     {CID: 1, Down: true, Network: true},
		"+CGEV: NW DEACT 1, 5, 0":           {CID: -1, Network: true},
		"+CGEV: NW MODIFY 1,5,0":            {CID: 1, Changed: true, Network: true},
	} {
		if got, ok := ParseCGEV(line); !ok || got != want {
			t.Errorf("%s: %+v %v, want %+v", line, got, ok, want)
		}
	}
	for _, line := range []string{"+CGEV: EPS PDN ACT 1", "+CGREG: 1", "+CGEV:", ""} {
		if e, ok := ParseCGEV(line); ok {
			t.Errorf("%q: %+v", line, e)
		}
	}
}

func TestParseState(t *testing.T) {
	for _, tt := range []struct {
		line      string
		cid       int
		up, known bool
	}{
		{"+QNETDEVCTL: 3,1,0,1", 1, true, true}, {"+QNETDEVCTL: 0,0,0,0", 1, false, true}, {"+QNETDEVCTL: 1,2,1,1", 1, false, false},
		{"+QNETDEVCTL: 1,1,1", 1, true, true}, {"+QNETDEVCTL: (1-8),(0-3),(0,1)", 1, false, false}, {"+QNETDEVCTL: 1", 1, true, true},
		{"+ECNETDEVCTL: 1,1,1,1", 1, true, true}, {"+ECNETDEVCTL: 0", 1, false, true},
		{"+RNDISCALL:1", 1, true, true}, {"+RNDISCALL: 0,0", 1, false, true},
		{"+DIALMODE: 0", 1, true, true}, {"+DIALMODE: 1", 1, false, true},
		{"+GTRNDIS: 1,1,10.149.198.114,172.24.9.21", 1, true, true}, {"+GTRNDIS: 0", 1, false, true}, {"+GTRNDIS: 1,2", 1, false, false},
		{`^NDISSTATQRY: 1,,,"IPV4",0,,,"IPV6"`, 1, true, true}, {`^NDISSTATQRY: 0,,,"IPV4",0,,,"IPV6"`, 1, false, true},
		{`^NDISSTATQRY: 1,,,,"IPV4",1,,,"IPV6"`, 1, true, true}, {"^NDISSTATQRY: 0,,,IPV4", 1, false, true}, {"^NDISSTATQRY: 1,,,IPV4", 1, true, true},
		{`^NDISSTATQRY: 1,0,,,"IPV4"`, 1, false, true}, {`^NDISSTAT: 0,,,"IPV4",1,,,"IPV6"`, 1, true, true},
		{"$QCRMCALL: 1, V4", 1, true, true}, {"+CSQ: 1,1", 1, false, false},
	} {
		if up, known := ParseDialled([]string{tt.line}, tt.cid); up != tt.up || known != tt.known {
			t.Errorf("%s: up %v, known %v", tt.line, up, known)
		}
	}
	for line, want := range map[string]float64{
		"+QTEMP: 30,28,29": 30, `+QTEMP:"cpu0-a7-usr","33"`: 33, "+CPMUTEMP: 36": 36, "+MTSM: 52": 52,
		"^CHIPTEMP: 431,431,65535,35,65535": 43.1, "+MTSM: -12": -12, "+QTEMP: 200": -999, "+CSQ: 20,1": -999, "+QTEMP: NaN": -999,
	} {
		got, ok := ParseTemperature([]string{line})
		if !ok {
			got = -999
		}
		if got != want {
			t.Errorf("%s: %v, want %v", line, got, want)
		}
	}
	for line, want := range map[string]int{
		"+CBC: 1,84,4014": 4014, "+CBC: 3910": 3910, "+CBC: 0,100": 0, "+CBC: 3.591V": 3591, "+CBC: 0,0,0": 0, "+CBC: 9999": 0, // the first and third: captured
	} {
		if got, _ := ParseCBC([]string{line}); got != want {
			t.Errorf("%s: %d mV, want %d", line, got, want)
		}
	}
	if a, ok := ParseCGAUTH([]string{`+CGAUTH: 2,1,"u","p"`, `+CGAUTH: 1,2,"user","secret"`}, 1); !ok || a.Auth != "chap" || a.User != "user" || a.Password != "secret" {
		t.Errorf("%+v", a)
	}
}

func TestParseClock(t *testing.T) {
	for line, want := range map[string]string{
		`+CCLK: "24/11/20,12:00:00+32"`:         "2024-11-20T12:00:00+08:00",
		`+CCLK: "2026/07/17,10:32:46-20"`:       "2026-07-17T10:32:46-05:00",
		`+CCLK: "26/07/17,10:32:46"`:            "2026-07-17T10:32:46Z",
		`+CCLK: "80/01/06,00:00:00+00"`:         "",
		`+CCLK: "04/01/01,00:00:00+00"`:         "",
		`+CCLK: "26/13/01,00:00:00+00"`:         "",
		`+CCLK: ""`:                             "",
		`+CTZE: "+28",0,"2026/07/17,10:32:46"`:  "2026-07-17T10:32:46+07:00",
		`+CTZEU: "+28",0,"2026/07/17,10:32:46"`: "2026-07-17T10:32:46Z",
		`*PSUTTZ: 2024,12,16,18,3,45,"+4",0`:    "2024-12-16T18:03:45Z",
		`*PSUTTZ: 25/04/02,09:49:27","+08",1`:   "2025-04-02T09:49:27Z",
		`*PSUTTZ: 25`:                           "",
	} {
		got := ""
		if at, ok := ParseClock([]string{line}); ok {
			got = at.Format(time.RFC3339)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// A reply's error stays what it is, whoever looks at it.
func TestErrorsAreTyped(t *testing.T) {
	var cme CMEError
	if !errors.As(error(ParseCMEError("14")), &cme) || cme.Code != 14 {
		t.Error("CME")
	}
}
