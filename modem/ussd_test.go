package modem

import (
	"strings"
	"testing"
)

func TestParseCUSD(t *testing.T) {
	for _, tt := range []struct {
		line, charset, want string
		status              USSDStatus
	}{
		{`+CUSD: 0,"Balance: 12.50 EUR",15`, "GSM", "Balance: 12.50 EUR", USSDDone},
		{`+CUSD: 1,"1 Menu, 2 Help",15`, "IRA", "1 Menu, 2 Help", USSDAnswer},
		{`+CUSD: 0,"00480065006C006C006F",15`, "UCS2", "Hello", USSDDone},
		{`+CUSD: 0,"4F60597D",72`, "GSM", "你好", USSDDone},
		{`+CUSD: 0,"00480065006C006C006F",15`, "", "Hello", USSDDone},
		{`+CUSD: 0,"E8329BFD4697D9EC37",15`, "", "hellohello", USSDDone}, // packed, as Huawei's
		{`+CUSD: 0,"123456789012",15`, "", "123456789012", USSDDone},
		{`+CUSD: 0,"DEAD BEEF",15`, "", "DEAD BEEF", USSDDone},
		{"+CUSD: 2", "", "", USSDEnded},
		{"+CUSD: 4", "", "", USSDUnsupported},
		{`+CUSD: 0,"` + "a\x1bb" + `",15`, "", "a.b", USSDDone},
	} {
		got, ok := ParseCUSD(tt.line, tt.charset)
		if !ok || got.Status != tt.status || got.Text != tt.want {
			t.Errorf("%s (%s): %+v %v, want %q", tt.line, tt.charset, got, ok, tt.want)
		}
	}
	for _, line := range []string{"+CUSD: 9", "+CUSD:", "+CUSD: x", "+CSQ: 0,1"} {
		if u, ok := ParseCUSD(line, ""); ok {
			t.Errorf("%s: %+v", line, u)
		}
	}
}

func TestUSSDCommand(t *testing.T) {
	c, err := USSDCommand("*100#", "GSM")
	if err != nil || c.Text != `+CUSD=1,"*100#",15` || !c.Secret || strings.Contains(c.String(), "100") {
		t.Errorf("%s %v", c.Text, err)
	}
	c, err = USSDCommand("*1#", "UCS2")
	if err != nil || c.Text != `+CUSD=1,"002A00310023",15` {
		t.Errorf("%s %v", c.Text, err)
	}
	for _, bad := range []string{"", "*1\"#", "*1\r#", "好", strings.Repeat("1", 183)} {
		if _, err := USSDCommand(bad, ""); err == nil {
			t.Errorf("%q is sent", bad)
		}
	}
}
