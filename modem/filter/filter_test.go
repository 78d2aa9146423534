package filter

import (
	"fmt"
	"strings"
	"testing"

	"luatnetd/modem"
)

// session is what goes through a filter: "< " is of the modem, "> " of the library.
func session(t *testing.T, f *Filter, steps string) (answer string, urcs []string) {
	t.Helper()
	for _, step := range strings.Split(steps, "\n") {
		way, text, _ := strings.Cut(strings.TrimSpace(step), " ")
		switch way {
		case ">":
			if _, err := f.Send([]byte(text + "\r\n")); err != nil {
				t.Fatal(err)
			}
		case "<":
			if rest := f.Receive([]byte(text + "\r\n")); rest != nil {
				answer += "[rest " + string(rest) + "]"
			}
		}
	}
	answer += string(f.Answer())
	for u, ok := f.URC(); ok; u, ok = f.URC() {
		urcs = append(urcs, u.Line)
	}
	return strings.ReplaceAll(strings.TrimSuffix(answer, "\r\n"), "\r\n", "|"), urcs
}

// TestWhoseLine: what the library sees (information behind a blank) and what
// goes out sideways.
func TestWhoseLine(t *testing.T) {
	for _, tt := range []struct{ name, steps, answer, urcs string }{
		{"nothing asked", "< +CREG: 1\n< RING\n< OK\n< +CME ERROR: 3\n< >", "", "+CREG: 1|RING"},
		{"own prefix", "> AT+CSQ\n< +CSQ: 9,99\n< OK", " +CSQ: 9,99|OK", ""},
		{"lower case", "> AT+csq\n< +CSQ: 9,99\n< OK", " +CSQ: 9,99|OK", ""},
		{"another prefix", "> AT+CSQ\n< +CGEV: NW DETACH\n< +CSQ: 9,99\n< OK", " +CSQ: 9,99|OK", "+CGEV: NW DETACH"},
		{"bare information", "> AT+CGSN\n< 861234567890123\n< OK", " 861234567890123|OK", ""},
		{"bare code", "> AT+CGSN\n< RING\n< 861234567890123\n< Call Ready\n< OK", " 861234567890123|OK", "RING|Call Ready"},
		{"blank before the colon", "> AT+EEMGINFO?\n< +EEMGINFO : 1\n< OK\n< +EEMLTESVC: 7", " +EEMGINFO : 1|OK", "+EEMLTESVC: 7"},
		{"two commands", "> AT+CSQ;+CFUN?\n< +CSQ: 9,99\n< +CFUN: 1\n< +CGEV: X\n< OK", " +CSQ: 9,99| +CFUN: 1|OK", "+CGEV: X"},
		{"a semicolon in a string", "> AT+CGDCONT=1,\"IP\",\"a;+CSQ\"\n< +CSQ: 9,99\n< OK", "OK", "+CSQ: 9,99"},
		{"registration read", "> AT+CEREG?\n< +CEREG: 0,1\n< OK", " +CEREG: 0,1|OK", ""},
		{"registration under another name", "> AT+CEREG?\n< +CGREG: 2,1,\"12AB\",\"01\",7\n< OK", " +CGREG: 2,1,\"12AB\",\"01\",7|OK", ""},
		{"registration changes meanwhile", "> AT+CEREG?\n< +CEREG: 5,\"12AB\",\"01\",7\n< +CGREG: 2\n< +CEREG: 2,5\n< OK", " +CEREG: 2,5|OK", "+CEREG: 5,\"12AB\",\"01\",7|+CGREG: 2"},
		{"registration switched on", "> AT+CEREG=2\n< +CEREG: 1,\"12AB\",\"01\",7\n< OK", "OK", "+CEREG: 1,\"12AB\",\"01\",7"},
		{"registration tested", "> AT+CEREG=?\n< +CEREG: (0-5)\n< OK", " +CEREG: (0-5)|OK", ""},
		{"answer under an old name", "> AT+ICCID\n< +CCID: 8986\n< OK", " +CCID: 8986|OK", ""},
		{"USSD before OK", "> AT+CUSD=1,\"*100#\",15\n< +CUSD: 0,\"x\",15\n< OK", "OK", "+CUSD: 0,\"x\",15"},
		{"USSD in lines", "> AT+CSQ\n< +CUSD: 0,\"1 Saldo\n< 2 Tarif\n< 3 Ende\",15\n< +CSQ: 9,99\n< OK", " +CSQ: 9,99|OK", "+CUSD: 0,\"1 Saldo\n2 Tarif\n3 Ende\",15"},
		{"USSD torn", "> AT+CSQ\n< +CUSD: 0,\"1 Sal\n< OK\n< +CREG: 1", "OK", "+CUSD: 0,\"1 Sal|+CREG: 1"},
		{"a card's number is no PDU", "> AT+ICCID\n< +CMT: ,23\n< 89860012345678901234\n< OK", " 89860012345678901234|OK", "+CMT: ,23"},
		{"PIN accepted before OK", "> AT+CPIN=\"1234\"\n< +CPIN: READY\n< OK", "OK", "+CPIN: READY"},
		{"PIN read", "> AT+CPIN?\n< +CPIN: READY\n< OK", " +CPIN: READY|OK", ""},
		{"identity", "> ATI\n< Quectel\n< +GCAP: +CGSM\n< +CREG: 1\n< OK", " Quectel| +GCAP: +CGSM|OK", "+CREG: 1"},
		{"identity before what is late", "> ATI\n< +EEMLTESVC: 1, 2\n< Air780E\n< OK", " Air780E|OK", "+EEMLTESVC: 1, 2"},
		{"list of commands", "> AT+CLAC\n< +CREG\n< +CSQ: x\n< OK", " +CREG| +CSQ: x|OK", ""},
		{"no CONNECT where none is due", "> AT+CSQ\n< CONNECT\n< NO CARRIER\n< OK", " CONNECT|OK", "NO CARRIER"},
		{"dial refused", "> ATD*99#\n< NO CARRIER", "NO CARRIER", ""},
		{"dial", "> ATD*99#\n< CONNECT 115200", "[rest \n]CONNECT 115200", ""},
		{"dial by another name", "> AT+CGDATA=\"PPP\",1\n< CONNECT", "[rest \n] CONNECT|OK", ""},
		{"late echo", "> AT+CSQ\n< OK\n< AT+CSQ", "OK", ""},
		{"PDU behind its header", "> AT+CSQ\n< +CDS: 25\n< 0006D60B911326880736F4111011719551401110117195714000\n< +CSQ: 9,99\n< OK", " +CSQ: 9,99|OK", "+CDS: 25\n0006D60B911326880736F4111011719551401110117195714000"},
		{"the list of messages", "> AT+CMGL=4\n< +CMGL: 1,1,,24\n< 0891683108200505F0240B\n< +CMTI: \"SM\",2\n< OK", " +CMGL: 1,1,,24| 0891683108200505F0240B|OK", "+CMTI: \"SM\",2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answer, urcs := session(t, new(Filter), tt.steps)
			if got := strings.Join(urcs, "|"); answer != tt.answer || got != tt.urcs {
				t.Errorf("library %q, sideways %q; want %q, %q", answer, got, tt.answer, tt.urcs)
			}
		})
	}
}

func TestExpect(t *testing.T) {
	f := new(Filter)
	f.Expect(Expect{Prefix: "+EEMLTESVC"})
	answer, urcs := session(t, f, "> AT+EEMGINFO?\n< +EEMLTESVC: 7\n< OK\n> AT+EEMGINFO?\n< +EEMLTESVC: 8\n< OK")
	if answer != " +EEMLTESVC: 7|OK|OK" || len(urcs) != 1 {
		t.Errorf("library %q, sideways %q", answer, urcs)
	}
	f.Expect(Expect{Dial: true})
	if answer, _ := session(t, f, "> AT+ZDIAL\n< CONNECT"); answer != "[rest \n] CONNECT|OK" || !f.Data() {
		t.Errorf("library %q, data %v", answer, f.Data())
	}
}

// TestUnsure: after a command without an answer nothing of it comes out, not
// even where it looks unsolicited.
func TestUnsure(t *testing.T) {
	f := new(Filter)
	session(t, f, "> AT+CREG?")
	f.Unsure()
	answer, urcs := session(t, f, "< +CREG: 0,1\n< +VENDOR: 1\n< 861234567890123\n< +CGEV: NW DETACH\n< OK")
	if answer != "" || strings.Join(urcs, "|") != "+CGEV: NW DETACH" || f.Strays() != 4 {
		t.Errorf("library %q, sideways %q, %d strays", answer, urcs, f.Strays())
	}
	answer, urcs = session(t, f, "> AT+CGSN\n< +CREG: 0,1\n< 861234567890123\n< OK")
	if answer != " 861234567890123|OK" || urcs != nil || f.Strays() != 5 {
		t.Errorf("probe: library %q, sideways %q, %d strays", answer, urcs, f.Strays())
	}
	session(t, f, "> AT+CPIN?")
	f.Unsure()
	if _, urcs = session(t, f, "< +CPIN: READY\n< OK"); urcs != nil {
		t.Errorf("sideways %q", urcs)
	}
	f.Sure()
	if _, urcs = session(t, f, "< +CREG: 1\n< +VENDOR: 1"); len(urcs) != 2 {
		t.Errorf("sideways %q", urcs)
	}
}

func TestLimits(t *testing.T) {
	f := new(Filter)
	session(t, f, "> AT+CSQ")
	for range 1000 {
		f.Receive([]byte(strings.Repeat("x", 1000) + "\r\n"))
	}
	f.Receive([]byte("OK\r\n"))
	if n := len(f.Answer()); n > MaxAnswer+10 || n < MaxAnswer-1100 {
		t.Errorf("answer of %d bytes", n)
	}
	f.Receive([]byte(strings.Repeat("+", 1<<20)))
	if cap(f.line) > 2*MaxLine {
		t.Errorf("line of %d bytes", cap(f.line))
	}
}

func TestSendRefusesWhatIsNotAT(t *testing.T) {
	f := new(Filter)
	for _, s := range []string{"", "x\r\n", "0011\x1a", "AT+CSQ"} {
		if out, err := f.Send([]byte(s)); err == nil {
			t.Errorf("%q goes out as %q", s, out)
		}
	}
}

func TestCoalescing(t *testing.T) {
	var q URCs
	put := func(prefix string, n int) {
		q.Put(modem.URC{Prefix: prefix, Line: fmt.Sprintf("%s: %d", prefix, n), Count: 1})
	}
	put("+CGEV", 0)
	for i := range 1000 {
		put("+CREG", i)
	}
	put("+CMTI", 1)
	var total int
	var got []modem.URC
	for u, ok := q.Take(); ok; u, ok = q.Take() {
		got, total = append(got, u), total+u.Count
	}
	if len(got) != MaxURCs || got[0].Line != "+CGEV: 0" || got[MaxURCs-1].Line != "+CMTI: 1" || got[MaxURCs-2].Line != "+CREG: 999" || total != 1002 || q.Lost != 0 {
		t.Errorf("%d codes for %d, lost %d: %v", len(got), total, q.Lost, got)
	}
	for i := range MaxURCs + 3 { // all different
		put(fmt.Sprintf("+X%d", i), 0)
	}
	if u, _ := q.Take(); u.Prefix != "+X3" || q.Lost != 3 {
		t.Errorf("oldest %v, lost %d", u, q.Lost)
	}
}

func TestLines(t *testing.T) {
	for _, tt := range []struct{ info, prefix, want string }{
		{" +CSQ: 9,99", "", "+CSQ: 9,99"},
		{" x| +CSQ: 9,99| +GCAP: y", "+CSQ", "+CSQ: 9,99"},
		{" 861234567890123", "+CGSN", "861234567890123"},
		{" +CMGR: 1,,24| 0891", "+CMGR", "+CMGR: 1,,24|0891"},
		{" +CGREG: 0,1", "+CEREG", "+CGREG: 0,1"},
		{" mode: 1| Vid: 2", "mode", "mode: 1|Vid: 2"},
	} {
		if got := strings.Join(Lines(strings.Split(tt.info, "|"), tt.prefix), "|"); got != tt.want {
			t.Errorf("%q of %q: %q, want %q", tt.prefix, tt.info, got, tt.want)
		}
	}
}

func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		"10": "10 10", "SIM not inserted": "10 SIM not inserted", "sim busy": "14 sim busy", `"SIM PUK required"`: "12 SIM PUK required",
		"Operation not supported": "4 Operation not supported", "Phone failure": "0 Phone failure", "no idea": "-1 no idea", "": "-1 ",
		"Network not allowed, emergency calls only": "32 Network not allowed, emergency calls only",
	} {
		e, ok := CME(text).(modem.CMEError)
		if got := fmt.Sprint(e.Code, " ", e.Text); !ok || got != want {
			t.Errorf("CME %q: %q, want %q", text, got, want)
		}
	}
	if e := CMS("SIM busy"); e != (modem.CMSError{Code: 314, Text: "SIM busy"}) {
		t.Errorf("CMS: %#v", e)
	}
	if e := CME("NO CARRIER"); e != modem.ConnectError("NO CARRIER") {
		t.Errorf("%#v", e)
	}
}

func TestMaskTextInLines(t *testing.T) {
	var m Masker
	var got []string
	for _, s := range []string{"+CSQ: 9,99", "+CUSD: 0,\"1 Saldo", "2 Tarif", "3 Ende\",15", "+CSQ: 9,99", "+CUSD: 0,\"torn", "OK"} {
		got = append(got, m.Mask(s))
	}
	if s := strings.Join(got, "|"); s != `+CSQ: 9,99|+CUSD: 0,"***"|***|***"|+CSQ: 9,99|+CUSD: 0,"***"|OK` {
		t.Error(s)
	}
}

func TestMask(t *testing.T) {
	for in, want := range map[string]string{
		"AT+CSQ":                              "AT+CSQ",
		`AT+CPIN="1234"`:                      "AT+CPIN=***",
		"AT+CPIN?":                            "AT+CPIN?",
		"AT+CPIN=?":                           "AT+CPIN=?",
		"AT+CLCK=\"SC\",2":                    "AT+CLCK=***",
		`at+cgauth=1,1,"u","geheim"`:          "at+cgauth=***",
		`AT+CSQ;+CPIN="1234"`:                 "AT+CSQ;+CPIN=***",
		`AT^NDISDUP=1,1,"apn","u","p",1`:      "AT^NDISDUP=***",
		`AT+QICSGP=1,1,"apn","u","p",1`:       "AT+QICSGP=***",
		"AT+CSIM=10,\"0020000100\"":           "AT+CSIM=***",
		`AT+CUSD=1,"*100#",15`:                "AT+CUSD=***",
		`+CUSD: 0,"Saldo 5 EUR",15`:           `+CUSD: 0,"***",15`,
		"AT+CMGS=23":                          "AT+CMGS=***",
		"0011000B916407281553F80000AA\x1a":    "*** (28 hex digits)",
		"> 0011000B916407281553F80000AA\x1a":  "*** (30 hex digits)",
		"Hallo\x1a":                           "*** (5 characters)",
		"ATD13800138000;":                     "ATD***",
		"ATD*99***1#":                         "ATD*99***1#",
		"460001234567890":                     "46000**********",
		"+CCED: 1,2,460001234567890,5":        "+CCED: 1,2,46000**********,5",
		"+ICCID: 89860012345678901234":        "+ICCID: 89860***************",
		"+QCCID: 8986001234567890123F":        "+QCCID: 89860***************",
		`+CNUM: "","+8613800138000",145`:      `+CNUM: "","***",145`,
		`+CMGL: 1,"REC READ","+4915123",,""`:  `+CMGL: 1,"***","***",,""`,
		`+CRSM: 144,0,"98680012345678901234"`: `+CRSM: 144,0,"***"`,
		`+CSCA: "+8613800100500",145`:         `+CSCA: "***",145`,
		`+CEREG: 2,1,"12AB","01A2B3C4",7`:     `+CEREG: 2,1,"12AB","01A2B3C4",7`,
		"+CGDCONT: 1,\"IP\",\"cmnet\"":        "+CGDCONT: 1,\"IP\",\"cmnet\"",
	} {
		if got := Mask(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
