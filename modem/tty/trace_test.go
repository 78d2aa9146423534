package tty

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"luatnetd/modem"
)

// TestTraceHoldsNoSecret: sent, echoed and answered, whole and byte by byte.
func TestTraceHoldsNoSecret(t *testing.T) {
	secrets := []string{"4711", "geheim", "460001234567890", "89860012345678901234", "861234567890123", "13800138000", "SchatzKommt", "Vendor99", pdu}
	answers := map[string]string{
		`AT+CPIN="4711"`:                         "\r\nOK\r\n",
		`AT+CGAUTH=1,1,"ich","geheim"`:           "\r\n+CME ERROR: 50\r\n",
		"AT+CIMI":                                "\r\n460001234567890\r\n\r\nOK\r\n",
		"AT+ICCID":                               "\r\n+ICCID: 89860012345678901234\r\n\r\nOK\r\n",
		"AT+CGSN":                                "\r\n861234567890123\r\n\r\nOK\r\n",
		"AT+CNUM":                                "\r\n+CNUM: \"\",\"13800138000\",129\r\n\r\nOK\r\n",
		"AT+CCED=0,1":                            "\r\n+CCED:LTE current cell:460,00,460001234567890,0,40,1,2,3\r\n\r\nOK\r\n",
		"AT+CMGR=1":                              "\r\n+CMGR: 1,,24\r\n" + pdu + "\r\n\r\nOK\r\n",
		`AT+CUSD=1,"*100#",15`:                   "\r\nOK\r\n\r\n+CUSD: 0,\"SchatzKommt\",15\r\n",
		`AT%VENDORKEY=Vendor99`:                  "\r\nOK\r\n",
		"AT+CMGS=24":                             "\r\n> ",
		pdu + "\x1a":                             pdu + "\x1a\r\n+CMGS: 1\r\nOK\r\n",
		`AT^NDISDUP=1,1,"cmnet","ich","geheim"`:  "\r\nOK\r\n",
		`AT+CSIM=26,"0020000108344711FFFFFFFF"`:  "\r\n+CSIM: 4,\"9000\"\r\nOK\r\n",
		`AT+QICSGP=1,1,"cmnet","ich","geheim",1`: "\r\nOK\r\n",
	}
	for _, drip := range []bool{false, true} {
		virtual(t, func(t *testing.T) {
			p, _ := open(t, func(p *peer, line string) {
				text := line + "\r" + answers[line] // echo is on
				for drip && text != "" {
					p.say(text[:1])
					text = text[1:]
				}
				p.say(text)
			})
			for line := range answers {
				c := modem.Command{Text: strings.TrimPrefix(line, "AT"), Timeout: time.Second, Secret: strings.Contains(line, "Vendor")}
				switch {
				case strings.HasSuffix(line, "\x1a"):
					continue
				case strings.HasPrefix(line, "AT+CMGS"):
					c.PDU = pdu
				}
				if r := p.Do(context.Background(), c); r.Err != nil && r.Err != (modem.CMEError{Code: 50, Text: "50"}) {
					t.Errorf("%s: %v", line, r.Err)
				}
			}
			synctest.Wait()
			trace := strings.Join(p.Trace(), "\n")
			for _, s := range secrets {
				if strings.Contains(trace, s) {
					t.Errorf("the trace shows %s:\n%s", s, trace)
				}
			}
			for _, s := range []string{"> AT+CPIN=***", "< AT+CPIN=***", "> AT%VENDORKEY=***", "< +CMGS: 1", "> AT+CGSN", "< OK"} {
				if !strings.Contains(trace, s) {
					t.Errorf("the trace lacks %q:\n%s", s, trace)
				}
			}
		})
	}
}

// TestTraceShowsNoise: bytes that are no text are readable, and half a line is
// there before it ends.
func TestTraceShowsNoise(t *testing.T) {
	virtual(t, func(t *testing.T) {
		p, peer := open(t, script(nil))
		peer.say("\x00\xffRDY\r\n+CRE")
		synctest.Wait()
		got := strings.Join(p.Trace(), "\n")
		if !strings.Contains(got, `< "\x00\xffRDY"`) || !strings.HasSuffix(got, "< +CRE") {
			t.Errorf("trace:\n%s", got)
		}
	})
}
